"""The tables of the domains hold what the classroom projects for each user, once a domain."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.kernels.grouping import group
from acg_numpy.kernels.projections import (
    Projections,
    is_all,
    join_tokens,
    make_output,
    make_tables,
    output_backward,
    split_tokens,
    tables_backward,
)
from acg_numpy.passes import (
    domain_linear_backward,
    domain_linear_forward,
    linear_backward,
    linear_forward,
    split_heads_forward,
)

sides = st.integers(1, 3)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def projections(rng: np.random.Generator, D: int, inner: int, bias: bool, own: tuple[int, ...] = ()) -> Projections:
    shapes = [(D, inner)] * 3 + [(*own, inner, D)]
    biases = [(inner,)] * 3 + [(*own, D)]
    arrays: list[Any] = [
        x
        for shape, of_bias in zip(shapes, biases, strict=True)
        for x in (rng.normal(size=shape), rng.normal(size=of_bias) if bias else None)
    ]
    return Projections(*arrays)


@given(generators, sides, sides, sides, sides, sides, st.booleans())
def test_keys_values_and_queries_are_those_of_the_classroom(
    rng: np.random.Generator, N: int, K: int, H: int, d: int, D: int, bias: bool
) -> None:
    tokens, users, weights = rng.normal(size=(N, K, D)), rng.normal(size=(5, D)), projections(rng, D, H * d, bias)
    tables = make_tables(tokens, weights, H)
    assert tables.tokens is tokens
    for found, W, b in [
        (tables.keys, weights.key_weight, weights.key_bias),
        (tables.values, weights.value_weight, weights.value_bias),
    ]:
        flat, _ = linear_forward(tokens.reshape(N * K, D), W, b)
        heads = split_heads_forward(flat.reshape(N, K, H * d), num_heads=H)[0]  # (N, H, K, d)
        np.testing.assert_allclose(tables.by_domain(found), heads, rtol=1e-12, atol=1e-13)
        by_head = tables.by_head(found)
        np.testing.assert_array_equal(by_head.reshape(H, N, K, d).swapaxes(0, 1), tables.by_domain(found))
        assert np.shares_memory(by_head, found)
    queries, _ = linear_forward(users, weights.query_weight, weights.query_bias)
    users = np.concatenate([users, np.ones_like(users[:, :1])], axis=1)
    np.testing.assert_allclose(users @ tables.query_weight, queries / np.sqrt(d), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("own", [False, True])
def test_the_output_of_sorted_rows_is_that_of_the_classroom(own: bool) -> None:
    rng, ids = np.random.default_rng(0), np.array([2, 0, 2, 1, 2])
    groups, weights = group(ids, 3), projections(rng, 2, 6, bias=True, own=(3,) if own else ())
    weights = (
        weights
        if not own
        else weights._replace(
            output_weight=weights.output_weight[groups.present],
            output_bias=weights.output_bias[groups.present],  # type: ignore[index]
        )
    )
    mixed, g = (groups.sort(rng.normal(size=(5, size))) for size in (6, 2))
    domain = np.repeat(np.arange(3), groups.sizes)
    W, b = (x if own else np.stack([x] * 3) for x in weights[6:])  # type: ignore[list-item]
    expected, cache = domain_linear_forward(mixed, domain, W, b)
    grads = domain_linear_backward(g, cache)
    np.testing.assert_allclose(make_output(mixed, weights, groups), expected, rtol=1e-12)
    d_mixed, dW = output_backward(g, mixed, weights, groups)
    np.testing.assert_allclose(d_mixed, grads.x, rtol=1e-12)
    np.testing.assert_allclose(dW, grads.weight if own else np.sum(grads.weight, axis=0), rtol=1e-10, atol=1e-12)


@given(generators, sides, sides, sides, sides, sides)
def test_gradients_of_keys_and_values_go_back_through_their_projections(
    rng: np.random.Generator, N: int, K: int, H: int, d: int, D: int
) -> None:
    tokens, weights = rng.normal(size=(N, K, D)), projections(rng, D, H * d, bias=True)
    tables = make_tables(tokens, weights, H)
    dK, dV = rng.normal(size=(2, N * K, H * d))
    grads = tables_backward(dK, dV, tables, weights)
    _, key_cache = linear_forward(tokens, weights.key_weight, weights.key_bias)
    _, value_cache = linear_forward(tokens, weights.value_weight, weights.value_bias)
    of_keys, of_values = (
        linear_backward(grad.reshape(N, K, H * d), cache) for grad, cache in ((dK, key_cache), (dV, value_cache))
    )
    np.testing.assert_allclose(grads.tokens, of_keys.x + of_values.x, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grads.key_weight, of_keys.weight, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grads.value_weight, of_values.weight, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grads.value_bias, of_values.bias, rtol=1e-10, atol=1e-12)


@given(generators, sides, sides, st.integers(0, 2))
def test_a_context_ends_in_shared_tokens_whose_gradient_sums_over_domains(
    rng: np.random.Generator, N: int, T: int, G: int
) -> None:
    tokens, shared = rng.normal(size=(N, T, 2)), rng.normal(size=(G, 2)) if G else None
    present = np.sort(rng.permutation(N)[: rng.integers(1, N + 1)])
    context = join_tokens(tokens, shared, present)
    np.testing.assert_array_equal(context[:, :T], tokens[present])
    for domain in range(len(present)):
        np.testing.assert_array_equal(context[domain, T:], np.zeros((0, 2)) if shared is None else shared)
    own, of_shared = split_tokens(context, tokens, shared)
    np.testing.assert_array_equal(own, tokens[present])
    if shared is None:
        assert of_shared is None
    else:
        np.testing.assert_allclose(of_shared, len(present) * shared, rtol=1e-12)


def test_all_domains_are_present_only_in_order() -> None:
    assert is_all(np.arange(3), 3)
    for present in ([0, 1], [1, 0, 2], [0, 1, 2, 2], [1, 2, 3]):
        assert not is_all(np.array(present), 3)
