"""MultiHeadCrossAttention and DomainEmbedding by themselves."""

import numpy as np
import pytest

from acg_numpy import DomainEmbedding, MultiHeadCrossAttention, tensor
from acg_numpy.attention import PROJECTIONS
from acg_numpy.kernels.planning import CONTEXT_KERNELS
from acg_numpy.layers import Linear

D, H = 8, 2


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def attention():
    return MultiHeadCrossAttention(D, H, dtype=np.float64, seed=0)


def test_weights_are_given_for_each_head(attention, rng):
    out, weights = attention(rng.normal(size=(5, 3, D)), rng.normal(size=(4, D)), return_attention=True)
    assert out.shape == (5, 3, D)
    assert weights.shape == (5, H, 3, 4)


def test_batch_axes_broadcast_mask_included(attention, rng):
    mask = rng.random((7, 1, 3, 4)) < 0.5
    out, weights = attention(
        rng.normal(size=(5, 3, D)), rng.normal(size=(7, 1, 4, D)), mask=mask, return_attention=True
    )
    assert out.shape == (7, 5, 3, D)
    assert weights.shape == (7, 5, H, 3, 4)
    dropping = MultiHeadCrossAttention(D, H, 0.5, dtype=np.float64, seed=0)
    assert dropping(rng.normal(size=(1, 1, 3, D)), rng.normal(size=(4, D)), mask=mask).shape == (7, 1, 3, D)


@pytest.mark.parametrize("shape", [(5, 1, 1, 4), (5, H, 3, 4), (1, 5, 3, 4)], ids=str)
@pytest.mark.parametrize("kernel", CONTEXT_KERNELS)
def test_a_mask_with_an_axis_for_the_heads_is_refused(rng, shape, kernel):
    attention = MultiHeadCrossAttention(D, H, kernel=kernel, seed=0)
    for query, context in [((5, 3, D), (4, D)), ((3, D), (5, 4, D)), ((5, 3, D), (5, 4, D))]:
        with pytest.raises(ValueError, match="leave out the axis of the heads"):
            attention(np.ones(query), np.ones(context), mask=np.ones(shape, bool))


def test_true_is_where_attention_is_allowed(attention, rng):
    mask = np.array([[True, False, True], [False, True, False]])
    _, weights = attention(rng.normal(size=(2, D)), rng.normal(size=(3, D)), mask=mask, return_attention=True)
    np.testing.assert_array_equal(weights.data > 0, np.broadcast_to(mask, (H, 2, 3)))


def test_a_query_that_may_attend_to_nothing_gets_the_output_bias(attention, rng):
    attention.output.bias.data[...] = 3.0
    x = tensor(rng.normal(size=(2, D)), requires_grad=True)
    out = attention(x, rng.normal(size=(3, D)), mask=np.array([[True] * 3, [False] * 3]))
    np.testing.assert_array_equal(out.data[1], 3.0)
    np.sum(out**2).backward()
    np.testing.assert_array_equal(x.grad[1], 0)
    assert np.all(np.isfinite(x.grad))


def test_the_key_bias_changes_nothing_and_learns_nothing(attention, rng):
    query, context = rng.normal(size=(2, D)), rng.normal(size=(3, D))
    before = attention(query, context)
    np.sum(before**2).backward()
    assert not np.any(attention.key.bias.grad)
    attention.key.bias.data += rng.normal(size=D)
    np.testing.assert_allclose(attention(query, context).data, before.data, atol=1e-12)


def test_self_attention_collects_from_every_use(attention, rng):
    x = rng.normal(size=(3, D))
    g = rng.normal(size=(3, D))
    t = tensor(x, requires_grad=True)
    np.sum(attention(t, t) * g).backward()
    d = 1e-6 * rng.normal(size=(3, D))
    change = np.sum((attention(x + d, x + d).data - attention(x - d, x - d).data) * g)
    assert np.sum(2 * d * t.grad) == pytest.approx(change, rel=1e-6)


@pytest.mark.parametrize(
    ("query", "context", "mask", "message"),
    [
        (np.ones((3, 4)), np.ones((2, D)), None, "query has shape"),
        (np.ones(D), np.ones((2, D)), None, "query has shape"),
        (np.ones((3, D)), np.ones(D), None, "context has shape"),
        (np.ones((5, 3, D)), np.ones((4, 2, D)), None, "do not broadcast"),
        (np.ones((3, D)), np.ones((2, D)), np.ones((2, 3), bool), "mask has shape"),
    ],
    ids=["features", "query axes", "context axes", "batch", "mask"],
)
def test_shapes_that_do_not_fit_are_named(attention, query, context, mask, message):
    with pytest.raises(ValueError, match=message):
        attention(query, context, mask=mask)


def test_a_mask_must_be_boolean(attention):
    with pytest.raises(TypeError, match="mask has dtype float64"):
        attention(np.ones((3, D)), np.ones((2, D)), mask=np.ones((3, 2)))


class TestReplacedProjections:
    """The four projections are called wherever one of them is not as the constructor made it."""

    @pytest.mark.parametrize("kernel", CONTEXT_KERNELS)
    @pytest.mark.parametrize("name", PROJECTIONS)
    def test_a_projection_that_raises_raises(self, name, kernel):
        attention = MultiHeadCrossAttention(D, H, kernel=kernel, seed=0)

        def refuse(x):
            raise RuntimeError("called")

        setattr(attention, name, refuse)
        with pytest.raises(RuntimeError, match="called"):
            attention(np.ones((3, D)), np.ones((2, D)))

    @pytest.mark.parametrize("kernel", CONTEXT_KERNELS)
    @pytest.mark.parametrize("dropout", [0.0, 0.4])
    @pytest.mark.parametrize("with_weights", [False, True])
    @pytest.mark.parametrize("name", PROJECTIONS)
    def test_step_by_step_the_numbers_are_those_of_the_one_node(self, rng, name, with_weights, dropout, kernel):
        own, other = (MultiHeadCrossAttention(D, H, dropout, dtype=np.float64, seed=0) for _ in range(2))
        other.kernel = kernel
        getattr(other, name).__class__ = type("Same", (Linear,), {})
        query, context, mask = rng.normal(size=(5, 3, D)), rng.normal(size=(4, D)), rng.random((5, 3, 4)) < 0.6
        results = []
        for attention in (own, other):
            x, c = (tensor(a, requires_grad=True) for a in (query, context))
            outputs = attention(x, c, mask=mask, return_attention=with_weights)
            outputs = outputs if with_weights else (outputs,)
            sum(np.sum(output**2) for output in outputs).backward()
            grads = [x.grad, c.grad, *(p.grad for p in attention.parameters())]
            results.append([*(output.data for output in outputs), *grads])
        for expected, found in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


class TestDomainEmbedding:
    def test_a_domain_is_its_rows_and_then_the_shared_ones(self):
        tokens = DomainEmbedding(3, D, tokens_per_domain=2, num_global_tokens=1, seed=0)
        context = tokens(np.array([2, 0])).data
        np.testing.assert_array_equal(context[0, :2], tokens.tokens.data[2])
        np.testing.assert_array_equal(context[1, 2], tokens.global_tokens.data[0])

    def test_a_domain_named_twice_gets_both_gradients(self):
        tokens = DomainEmbedding(3, D, tokens_per_domain=2, num_global_tokens=1, seed=0)
        np.sum(tokens(np.array([2, 0, 2]))).backward()
        np.testing.assert_array_equal(tokens.tokens.grad[:, 0, 0], [1, 0, 2])
        np.testing.assert_array_equal(tokens.global_tokens.grad, 3)

    def test_tokens_differ_from_one_another(self):
        rows = DomainEmbedding(3, D, seed=0).tokens.data.reshape(-1, D)
        assert len(np.unique(rows, axis=0)) == len(rows)
