"""The conditioner by its shapes: what goes in, what comes out, and that gradients reach every part.

Read this first.  `condition = conditioner(user_emb, domain_id)` takes users (..., D) and domains (...), which broadcast
like any two arrays, and gives condition vectors (..., D).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from acg_numpy import AttentionConditioner, Tensor, no_grad, tensor

D, H, N = 8, 2, 3


def users(*batch):
    return np.random.default_rng(0).standard_normal((*batch, D))


@pytest.fixture(scope="module")
def conditioner():
    return AttentionConditioner(D, H, N, seed=0)


class TestOutputShape:
    def test_users_in_one_domain(self, conditioner):
        assert conditioner(users(5), 1).shape == (5, D)

    def test_users_each_in_their_own_domain(self, conditioner):
        assert conditioner(users(5), np.array([0, 2, 1, 1, 0])).shape == (5, D)

    def test_one_user_in_one_domain(self, conditioner):
        assert conditioner(users(), 2).shape == (D,)

    def test_one_user_in_every_domain(self, conditioner):
        assert conditioner(users(), np.arange(N)).shape == (N, D)

    def test_every_user_in_every_domain(self, conditioner):
        assert conditioner(users(5)[:, None], np.arange(N)).shape == (5, N, D)

    def test_no_users_at_all(self, conditioner):
        assert conditioner(users(0), 1).shape == (0, D)
        assert conditioner(users(0), np.zeros(0, int)).shape == (0, D)
        assert conditioner(users(0), []).shape == (0, D)

    @pytest.mark.parametrize(
        "number", [1, np.int64(1), np.int8(1), np.uint16(1), np.array(1)], ids=lambda n: type(n).__name__
    )
    def test_any_kind_of_integer_is_a_domain(self, conditioner, number):
        assert conditioner(users(5), number).shape == (5, D)

    def test_attention_has_a_row_for_every_head(self, conditioner):
        condition, attention = conditioner(users(5), 1, return_attention=True)
        assert condition.shape == (5, D)
        assert attention.shape == (5, H, 8)

    def test_shared_tokens_come_after_the_domains_own(self):
        conditioner = AttentionConditioner(D, H, N, tokens_per_domain=2, num_global_tokens=3, seed=0)
        _, attention = conditioner(users(5), 1, return_attention=True)
        assert attention.shape == (5, H, 2 + 3)


class TestBroadcasting:
    @given(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0), st.integers(0, N - 1))
    def test_batch_axes_broadcast_like_any_two_arrays(self, conditioner, shapes, number):
        of_users, of_domains = shapes.input_shapes
        condition, attention = conditioner(users(*of_users), np.full(of_domains, number), return_attention=True)
        assert condition.shape == (*shapes.result_shape, D)
        assert attention.shape == (*shapes.result_shape, H, 8)

    def test_one_domain_for_all_is_that_domain_for_each(self, conditioner):
        np.testing.assert_allclose(
            conditioner(users(5), 1).data, conditioner(users(5), np.full(5, 1)).data, rtol=1e-5, atol=1e-7
        )

    def test_every_user_in_every_domain_is_each_by_itself(self, conditioner):
        together = conditioner(users(5)[:, None], np.arange(N)).data
        for n in range(N):
            np.testing.assert_allclose(together[:, n], conditioner(users(5), n).data, rtol=1e-5, atol=1e-7)

    def test_a_user_does_not_depend_on_the_rest_of_the_batch(self, conditioner):
        alone = conditioner(users(5)[3], 2).data
        np.testing.assert_allclose(
            alone, conditioner(users(5), np.array([0, 1, 0, 2, 1])).data[3], rtol=1e-5, atol=1e-7
        )


class TestGradientFlow:
    def test_every_parameter_gets_a_gradient_of_its_own_shape(self):
        conditioner = AttentionConditioner(D, H, N, num_global_tokens=2, residual=True, layer_norm=True, seed=0)
        weights = np.random.default_rng(1).standard_normal((5, D))
        np.sum(conditioner(users(5), np.array([0, 1, 2, 1, 0])) * weights).backward()
        for name, parameter in conditioner.named_parameters():
            assert parameter.grad.shape == parameter.shape
            assert parameter.grad.dtype == parameter.dtype
            dead = name == "attention.key.bias"  # it adds one number to all scores of a row
            assert np.any(parameter.grad) != dead, name

    def test_users_get_a_gradient_in_their_own_dtype(self, conditioner):
        user_emb = tensor(users(5), requires_grad=True)
        np.sum(conditioner(user_emb, 1) ** 2).backward()
        assert user_emb.grad.shape == (5, D)
        assert user_emb.grad.dtype == np.float64
        assert conditioner(user_emb, 1).dtype == np.float32

    def test_a_user_used_in_every_domain_collects_from_all(self, conditioner):
        user_emb = tensor(users(5), requires_grad=True)
        np.sum(conditioner(user_emb[:, None], np.arange(N)) ** 2).backward()
        together, user_emb.grad = user_emb.grad, None
        for n in range(N):
            np.sum(conditioner(user_emb, n) ** 2).backward()
        np.testing.assert_allclose(together, user_emb.grad, rtol=1e-4, atol=1e-6)

    def test_a_domain_that_nobody_is_in_gets_none(self):
        conditioner = AttentionConditioner(D, H, N, seed=0)
        np.sum(conditioner(users(5), np.array([0, 2, 2, 0, 2])) ** 2).backward()
        moved = np.any(conditioner.domain_embedding.tokens.grad, axis=(1, 2))
        np.testing.assert_array_equal(moved, [True, False, True])

    def test_nothing_is_recorded_under_no_grad(self, conditioner):
        with no_grad():
            condition = conditioner(users(5), 1)
        assert isinstance(condition, Tensor)
        assert not condition.requires_grad
        assert np.asarray(condition).shape == (5, D)


def test_it_trains_end_to_end():
    conditioner = AttentionConditioner(D, H, N, seed=0)
    domains, goal = np.array([0, 1, 2, 0, 1]), np.random.default_rng(2).standard_normal((5, D))
    losses = []
    for _ in range(60):
        loss = np.mean((conditioner(users(5), domains) - goal) ** 2)
        conditioner.zero_grad()
        loss.backward()
        for parameter in conditioner.parameters():
            parameter.data -= 0.5 * parameter.grad
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
