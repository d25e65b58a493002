"""What is true of a conditioner whatever its options, its kernel, and the form in which users and domains come."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import AttentionConditioner, tensor
from acg_numpy.kernels.planning import KERNELS
from acg_numpy.testing import strategies


class Case(NamedTuple):
    """A conditioner, users and a domain for each, and something to draw from."""

    conditioner: AttentionConditioner
    users: Any  # (B, D)
    ids: Any  # (B,)
    rng: np.random.Generator


@st.composite
def cases(draw: st.DrawFn, **fixed: Any) -> Case:
    conditioner = draw(strategies.conditioners(dtype=np.float64, layer_norm=False, **fixed))
    domains, count = conditioner.domain_embedding.num_domains, draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Case(
        conditioner, rng.normal(size=(count, conditioner.attention.emb_dim)), rng.integers(0, domains, count), rng
    )


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-8, atol=1e-9)


def numbers(outputs: Any) -> list[Any]:
    return [output.numpy() for output in outputs]


@given(cases())
def test_each_user_is_conditioned_as_if_alone(case: Case) -> None:
    conditioner, users, ids, _ = case
    condition, attention = numbers(conditioner(users, ids, return_attention=True))
    for row, (user, domain) in enumerate(zip(users, ids, strict=True)):
        alone, weights = numbers(conditioner(user, domain, return_attention=True))
        close(alone, condition[row])
        close(weights, attention[row])


@given(cases())
def test_exchanging_users_exchanges_conditions(case: Case) -> None:
    conditioner, users, ids, rng = case
    order = rng.permutation(len(users))
    close(conditioner(users[order], ids[order]).numpy(), conditioner(users, ids).numpy()[order])


@given(cases())
def test_one_domain_for_all_is_that_domain_for_each(case: Case) -> None:
    conditioner, users, ids, _ = case
    domain = int(ids[0])
    close(conditioner(users, domain).numpy(), conditioner(users, np.full(len(users), domain)).numpy())


@given(cases())
def test_every_user_in_every_domain_is_one_domain_after_the_other(case: Case) -> None:
    conditioner, users, _, rng = case
    domains = rng.permutation(conditioner.domain_embedding.num_domains)
    together = numbers(conditioner(users[:, None], domains, return_attention=True))
    for place, domain in enumerate(domains):
        for found, expected in zip(numbers(conditioner(users, domain, return_attention=True)), together, strict=True):
            close(found, expected[:, place])


@given(cases())
def test_exchanging_the_tokens_of_domains_exchanges_weights_and_changes_no_condition(case: Case) -> None:
    conditioner, users, ids, rng = case
    own = conditioner.domain_embedding
    T = own.tokens_per_domain
    order = rng.permutation(T)
    condition, attention = numbers(conditioner(users, ids, return_attention=True))
    own.tokens.data = own.tokens.data[:, order]
    exchanged, weights = numbers(conditioner(users, ids, return_attention=True))
    close(exchanged, condition)
    close(weights[..., :T], attention[..., order])
    close(weights[..., T:], attention[..., T:])


@given(cases(residual=False))
def test_a_condition_is_the_average_of_values_by_the_returned_weights(case: Case) -> None:
    conditioner, users, ids, _ = case
    attention = conditioner.attention
    condition, weights = numbers(conditioner(users, ids, return_attention=True))
    close(np.sum(weights, axis=-1), np.ones(weights.shape[:-1]))
    values = attention.value(conditioner.domain_embedding(ids)).numpy()  # (B, K, D)
    heads = values.reshape(*values.shape[:-1], attention.num_heads, -1)  # (B, K, H, d)
    mixed = np.einsum("bhk,bkhd->bhd", weights, heads).reshape(len(users), -1)
    output = attention.output or (lambda rows: conditioner.domain_output(rows, ids))
    close(output(mixed).numpy(), condition)


@given(cases())
def test_other_domains_do_not_matter_and_get_no_gradient(case: Case) -> None:
    conditioner, users, ids, rng = case
    tokens = conditioner.domain_embedding.tokens
    condition = conditioner(users, ids)
    condition.backward(users)
    others = np.setdiff1d(np.arange(len(tokens.data)), ids)
    assert tokens.grad is not None
    np.testing.assert_array_equal(np.asarray(tokens.grad)[others], 0)
    before = condition.numpy().copy()
    tokens.data[others] = 1e3 * rng.normal(size=tokens.data[others].shape)
    np.testing.assert_array_equal(conditioner(users, ids).numpy(), before)


@given(cases())
def test_a_residual_adds_the_user_and_its_gradient(case: Case) -> None:
    conditioner, users, ids, _ = case
    found = {}
    for residual in (False, True):
        conditioner.residual = residual
        user_emb = tensor(users, requires_grad=True)
        condition = conditioner(user_emb, ids)
        condition.backward(np.cos(users))
        found[residual] = condition.numpy(), user_emb.grad
    for with_it, without, added in zip(found[True], found[False], (users, np.cos(users)), strict=True):
        close(with_it, without + added)


@given(strategies.conditioner_calls())
def test_every_kernel_takes_arrays_of_every_layout_and_changes_none(
    call: strategies.ConditionerCall,
) -> None:
    conditioner, user_emb, ids = call
    conditioner.norm = None  # it would blow up what rounding makes of a constant row
    before = np.copy(user_emb), np.copy(ids)
    outputs = []
    for kernel in KERNELS:
        conditioner.kernel = kernel
        outputs.append(numbers(conditioner(user_emb, ids, return_attention=True)))
        assert outputs[-1][0].shape == (*np.broadcast_shapes(user_emb.shape[:-1], np.shape(ids)), user_emb.shape[-1])
    digits = 1e-4 if conditioner.attention.dtype == np.float32 else 1e-9
    for others in outputs[1:]:
        for found, expected in zip(others, outputs[0], strict=True):
            scale = np.max(np.abs(expected), initial=1.0)
            np.testing.assert_allclose(found, expected, rtol=0, atol=digits * scale)
    np.testing.assert_array_equal(user_emb, before[0])
    np.testing.assert_array_equal(ids, before[1])


@given(strategies.conditioner_calls())
def test_gradients_have_the_shape_and_dtype_of_what_they_belong_to(call: strategies.ConditionerCall) -> None:
    conditioner, user_emb, ids = call
    users = tensor(user_emb, requires_grad=True)
    condition, attention = conditioner(users, ids, return_attention=True)
    (np.sum(condition**2) + np.sum(attention**2)).backward()
    for x in (users, *conditioner.parameters()):
        grad = np.asarray(x.grad)
        assert (grad.shape, grad.dtype) == (x.shape, x.dtype)
        assert np.all(np.isfinite(grad))
