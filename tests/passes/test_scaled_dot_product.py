"""Scaled dot-product attention averages the values, whatever the order of the keys."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.passes import scaled_dot_product_backward, scaled_dot_product_forward, softmax_backward
from acg_numpy.passes.softmax import SoftmaxCache
from tests.passes.numeric import complex_step, contract, is_floating
from tests.passes.pairs import Call, generators, scaled_dot_product_calls

attended = scaled_dot_product_calls()


def arguments(rng: np.random.Generator, L: int, S: int, d: int = 3, d_v: int = 2) -> tuple[Any, Any, Any]:
    return rng.normal(size=(L, d)), rng.normal(size=(S, d)), rng.normal(size=(S, d_v))


@given(attended)
def test_rows_of_weights_are_a_distribution_or_zero_where_all_is_masked(call: Call) -> None:
    _, cache = scaled_dot_product_forward(*call.args)
    total = np.sum(cache.weights, axis=-1)
    mask = call.args[3]
    expected = 1.0 if mask is None else np.broadcast_to(mask, cache.weights.shape).any(axis=-1)
    np.testing.assert_allclose(total, np.broadcast_to(expected, total.shape), rtol=1e-12)
    assert np.all(cache.weights >= 0)


@given(attended, generators)
def test_rows_of_the_score_gradient_sum_to_zero(call: Call, rng: np.random.Generator) -> None:
    _, cache = scaled_dot_product_forward(*call.args)
    dS = softmax_backward(rng.normal(size=cache.weights.shape), SoftmaxCache(cache.weights)).scores
    np.testing.assert_allclose(np.sum(dS, axis=-1), 0, atol=1e-13)


@given(generators, st.integers(1, 4), st.integers(1, 4))
def test_the_output_lies_among_the_values(rng: np.random.Generator, L: int, S: int) -> None:
    query, key, value = arguments(rng, L, S)
    out, _ = scaled_dot_product_forward(query, key, value)
    assert np.all(out >= value.min(axis=0) - 1e-12)
    assert np.all(out <= value.max(axis=0) + 1e-12)


@given(generators, st.integers(1, 4), st.integers(1, 4))
def test_exchanging_keys_with_their_values_changes_nothing(rng: np.random.Generator, L: int, S: int) -> None:
    query, key, value = arguments(rng, L, S)
    order = rng.permutation(S)
    out, cache = scaled_dot_product_forward(query, key, value)
    exchanged, exchanged_cache = scaled_dot_product_forward(query, key[order], value[order])
    np.testing.assert_allclose(exchanged, out, rtol=1e-10, atol=1e-12)
    grads = scaled_dot_product_backward(out, cache)
    exchanged_grads = scaled_dot_product_backward(out, exchanged_cache)
    np.testing.assert_allclose(exchanged_grads.query, grads.query, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(exchanged_grads.key, grads.key[order], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(exchanged_grads.value, grads.value[order], rtol=1e-9, atol=1e-11)


@given(generators, st.integers(1, 4), st.integers(1, 4))
def test_exchanging_queries_exchanges_outputs(rng: np.random.Generator, L: int, S: int) -> None:
    query, key, value = arguments(rng, L, S)
    order = rng.permutation(L)
    out, _ = scaled_dot_product_forward(query, key, value)
    np.testing.assert_allclose(scaled_dot_product_forward(query[order], key, value)[0], out[order], rtol=1e-10)


@given(generators, st.integers(1, 4))
def test_one_key_gives_its_value_and_no_gradient_to_query_and_key(rng: np.random.Generator, L: int) -> None:
    query, key, value = arguments(rng, L, 1)
    out, cache = scaled_dot_product_forward(query, key, value)
    np.testing.assert_array_equal(out, np.broadcast_to(value, out.shape))
    grads = scaled_dot_product_backward(rng.normal(size=out.shape), cache)
    np.testing.assert_array_equal(grads.query, np.zeros_like(query))
    np.testing.assert_array_equal(grads.key, np.zeros_like(key))


@given(generators, st.integers(1, 4), st.integers(2, 4))
def test_a_masked_key_does_not_matter_whatever_it_holds(rng: np.random.Generator, L: int, S: int) -> None:
    query, key, value = arguments(rng, L, S)
    mask = np.ones((1, S), dtype=bool)
    mask[:, -1] = False
    wild_key, wild_value = key.copy(), value.copy()
    wild_key[-1], wild_value[-1] = 1e6, -1e6
    out, cache = scaled_dot_product_forward(query, wild_key, wild_value, mask)
    expected, without = scaled_dot_product_forward(query, key[:-1], value[:-1])
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)
    grads, grads_without = scaled_dot_product_backward(out, cache), scaled_dot_product_backward(out, without)
    np.testing.assert_allclose(grads.query, grads_without.query, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(grads.key[-1], np.zeros(key.shape[-1]))
    np.testing.assert_array_equal(grads.value[-1], np.zeros(value.shape[-1]))


@given(generators, st.integers(1, 4))
def test_a_query_with_all_keys_masked_gets_zero_and_gives_no_gradient(rng: np.random.Generator, S: int) -> None:
    query, key, value = arguments(rng, 2, S)
    mask = np.array([[False] * S, [True] * S])
    out, cache = scaled_dot_product_forward(query, key, value, mask)
    np.testing.assert_array_equal(out[0], np.zeros(out.shape[-1]))
    grad_out = np.stack([rng.normal(size=out.shape[-1]), np.zeros(out.shape[-1])])
    for grad in scaled_dot_product_backward(grad_out, cache)[:3]:
        np.testing.assert_array_equal(grad, np.zeros_like(grad))


@given(generators, st.integers(1, 3), st.integers(1, 3))
def test_broadcasting_is_repeating_and_its_gradient_the_sum(rng: np.random.Generator, users: int, domains: int) -> None:
    query = rng.normal(size=(users, 1, 1, 3))
    key, value = rng.normal(size=(domains, 4, 3)), rng.normal(size=(domains, 4, 2))
    out, cache = scaled_dot_product_forward(query, key, value)
    repeated = [np.broadcast_to(x, (users, domains, *x.shape[-2:])) for x in (query, key, value)]
    same, repeated_cache = scaled_dot_product_forward(*repeated)
    np.testing.assert_allclose(out, same, rtol=1e-12)
    grads, many = scaled_dot_product_backward(out, cache), scaled_dot_product_backward(out, repeated_cache)
    np.testing.assert_allclose(grads.query, many.query.sum(axis=1, keepdims=True), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grads.key, many.key.sum(axis=0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grads.value, many.value.sum(axis=0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_ten_thousand_are_safe(dtype: Any) -> None:
    query, key = np.array([[1e4]], dtype), np.array([[1.0], [-1.0]], dtype)
    out, cache = scaled_dot_product_forward(query, key, np.array([[1.0], [2.0]], dtype))
    np.testing.assert_array_equal(out, [[1.0]])
    assert all(np.all(np.isfinite(grad)) for grad in scaled_dot_product_backward(out, cache)[:3])


def test_the_score_is_divided_by_the_root_of_the_feature_count() -> None:
    query, key = np.full((1, 4), 1.0), np.stack([np.full(4, 0.5), np.zeros(4)])  # scores 2 / sqrt(4) = 1 and 0
    _, cache = scaled_dot_product_forward(query, key, np.zeros((2, 1)))
    np.testing.assert_allclose(cache.weights, [[np.e / (np.e + 1), 1 / (np.e + 1)]], rtol=1e-12)


def test_without_any_keys_the_output_is_zero_as_where_all_are_masked() -> None:
    query, key, value = np.ones((2, 3)), np.ones((0, 3)), np.ones((0, 4))
    out, cache = scaled_dot_product_forward(query, key, value)
    np.testing.assert_array_equal(out, np.zeros((2, 4)))
    np.testing.assert_array_equal(scaled_dot_product_backward(out, cache).query, np.zeros((2, 3)))


def test_an_empty_batch_works() -> None:
    query, key, value = np.ones((0, 2, 3)), np.ones((5, 3)), np.ones((5, 4))
    out, cache = scaled_dot_product_forward(query, key, value)
    assert out.shape == (0, 2, 4)
    np.testing.assert_array_equal(scaled_dot_product_backward(out, cache).value, np.zeros((5, 4)))


@given(attended, generators)
def test_a_gradient_for_the_weights_is_carried_back_too(call: Call, rng: np.random.Generator) -> None:
    out, cache = scaled_dot_product_forward(*call.args)
    grad_out, grad_weights = rng.normal(size=out.shape), rng.normal(size=cache.weights.shape)

    def loss(*args: Any) -> Any:
        out, cache = scaled_dot_product_forward(*args)
        return contract(grad_out, out) + contract(grad_weights, cache.weights)

    grads = scaled_dot_product_backward(grad_out, cache, grad_weights)
    for which in filter(lambda i: is_floating(call.args[i]), range(5)):
        np.testing.assert_allclose(grads[which], complex_step(loss, call.args, which), rtol=1e-10, atol=1e-11)


@given(generators, st.integers(1, 4), st.integers(1, 4), st.integers(2, 3))
def test_saying_every_key_several_times_changes_nothing(rng: np.random.Generator, L: int, S: int, times: int) -> None:
    query, key, value = arguments(rng, L, S)
    out, _ = scaled_dot_product_forward(query, key, value)
    repeated, _ = scaled_dot_product_forward(query, np.tile(key, (times, 1)), np.tile(value, (times, 1)))
    np.testing.assert_allclose(repeated, out, rtol=1e-10, atol=1e-12)


@given(generators, st.integers(1, 4), st.integers(1, 4))
def test_moving_all_keys_alike_moves_no_weight(rng: np.random.Generator, L: int, S: int) -> None:
    query, key, value = arguments(rng, L, S)
    _, cache = scaled_dot_product_forward(query, key, value)
    _, moved = scaled_dot_product_forward(query, key + rng.normal(size=3), value)
    np.testing.assert_allclose(moved.weights, cache.weights, rtol=1e-9, atol=1e-12)


@given(attended, generators)
def test_the_output_is_linear_in_the_values(call: Call, rng: np.random.Generator) -> None:
    query, key, value, mask, dropout_mask = call.args
    other = rng.normal(size=value.shape)
    outs = [
        scaled_dot_product_forward(query, key, values, mask, dropout_mask)[0]
        for values in (value, other, 2 * value - 3 * other)
    ]
    np.testing.assert_allclose(outs[2], 2 * outs[0] - 3 * outs[1], rtol=1e-9, atol=1e-11)


@given(attended)
def test_each_query_is_answered_as_if_it_were_alone(call: Call) -> None:
    query, key, value, mask, dropout_mask = call.args
    out, _ = scaled_dot_product_forward(*call.args)
    for i in range(query.shape[-2]):
        row = slice(i, i + 1)
        masks = [x if x is None else x[..., row, :] for x in (mask, dropout_mask)]
        alone, _ = scaled_dot_product_forward(query[..., row, :], key, value, *masks)
        np.testing.assert_allclose(alone, out[..., row, :], rtol=1e-10, atol=1e-12)
