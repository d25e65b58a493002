"""Losses have known values, known slopes, and limits that do not overflow."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import autograd
from acg_numpy.passes import (
    bpr_backward,
    bpr_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    mse_backward,
    mse_forward,
    softmax_forward,
)
from tests.passes.pairs import Call, bpr_calls, cross_entropy_calls, distributions, generators


@given(generators, st.integers(1, 3), st.integers(1, 4))
def test_the_slope_of_the_squared_error_is_twice_the_mean_difference(
    rng: np.random.Generator, rows: int, columns: int
) -> None:
    p, t = rng.normal(size=(2, rows, columns))
    loss, cache = mse_forward(p, t)
    np.testing.assert_allclose(loss, np.mean((p - t) ** 2), rtol=1e-12)
    grads = mse_backward(1.0, cache)
    np.testing.assert_allclose(grads.prediction, 2 * (p - t) / p.size, rtol=1e-12)
    np.testing.assert_array_equal(grads.target, -grads.prediction)


@given(generators, st.integers(1, 3), st.integers(1, 5))
def test_the_slope_of_cross_entropy_is_the_prediction_minus_the_target(
    rng: np.random.Generator, rows: int, K: int
) -> None:
    logits, target = rng.normal(size=(rows, K)), distributions(rng, (rows, K))
    _, cache = cross_entropy_forward(logits, target)
    expected = (softmax_forward(logits)[0] - target) / rows
    np.testing.assert_allclose(cross_entropy_backward(1.0, cache).logits, expected, rtol=1e-9, atol=1e-12)


@given(generators, st.integers(1, 5))
def test_cross_entropy_is_least_where_the_prediction_is_the_target(rng: np.random.Generator, K: int) -> None:
    target = distributions(rng, (1, K))
    best, cache = cross_entropy_forward(np.log(target), target)
    np.testing.assert_allclose(cross_entropy_backward(1.0, cache).logits, 0, atol=1e-12)
    assert cross_entropy_forward(np.log(target) + rng.normal(size=K), target)[0] >= best - 1e-12


@given(generators, st.integers(2, 5))
def test_masking_candidates_is_leaving_them_out(rng: np.random.Generator, K: int) -> None:
    logits, target = rng.normal(size=(2, K)), rng.random((2, K))
    mask = np.arange(K) < K - 1
    wild = logits.copy()
    wild[:, -1] = 1e30
    loss, cache = cross_entropy_forward(wild, target, mask)
    expected, expected_cache = cross_entropy_forward(logits[:, :-1], target[:, :-1])
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    grads, expected_grads = cross_entropy_backward(1.0, cache), cross_entropy_backward(1.0, expected_cache)
    for grad, other in zip(grads[:2], expected_grads[:2], strict=True):
        np.testing.assert_allclose(grad[:, :-1], other, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(grad[:, -1], [0.0, 0.0])


@given(cross_entropy_calls())
def test_the_logits_of_a_row_are_pushed_against_each_other(call: Call) -> None:
    _, cache = cross_entropy_forward(*call.args)
    np.testing.assert_allclose(np.sum(cross_entropy_backward(1.0, cache).logits, axis=-1), 0, atol=1e-12)


def test_a_wholly_masked_row_counts_as_zero_and_gets_no_gradient() -> None:
    logits, target = np.zeros((2, 2)), np.array([[1.0, 0.0], [0.5, 0.5]])
    mask = np.array([[True, True], [False, False]])
    loss, cache = cross_entropy_forward(logits, target, mask)
    np.testing.assert_allclose(loss, np.log(2) / 2)
    for grad in cross_entropy_backward(1.0, cache)[:2]:
        np.testing.assert_array_equal(grad[1], [0.0, 0.0])


def test_a_row_counts_as_much_as_its_target_sums_to() -> None:
    logits, target = np.array([[0.0, 1.0]]), np.array([[0.25, 0.75]])
    once, cache = cross_entropy_forward(logits, target)
    thrice, thrice_cache = cross_entropy_forward(logits, 3 * target)
    np.testing.assert_allclose(thrice, 3 * once)
    np.testing.assert_allclose(
        cross_entropy_backward(1.0, thrice_cache).logits, 3 * cross_entropy_backward(1.0, cache).logits
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_a_hopeless_prediction_is_large_and_finite(dtype: Any) -> None:
    loss, cache = cross_entropy_forward(np.array([[1e4, -1e4]], dtype), np.array([[0.0, 1.0]], dtype))
    assert loss == 2e4
    np.testing.assert_array_equal(cross_entropy_backward(1.0, cache).logits, [[1.0, -1.0]])


@given(st.floats(-30, 30), st.floats(-5, 5))
def test_bpr_is_minus_the_log_of_a_sigmoid(positive: float, negative: float) -> None:
    loss, _ = bpr_forward(np.array([positive]), np.array([negative]))
    np.testing.assert_allclose(loss, -np.log(1 / (1 + np.exp(negative - positive))), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ahead", "loss", "push"), [(1e4, 0.0, 0.0), (0.0, np.log(2), 0.5), (-1e4, 1e4, 1.0)])
def test_bpr_neither_overflows_nor_pushes_harder_than_its_share(
    ahead: float, loss: float, push: float, dtype: Any
) -> None:
    value, cache = bpr_forward(np.array([ahead], dtype), np.array([0.0], dtype))
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    grads = bpr_backward(1.0, cache)
    np.testing.assert_allclose(grads.positive, [-push])
    np.testing.assert_allclose(grads.negative, [push])


def test_one_positive_may_stand_against_several_negatives() -> None:
    positive, negative = np.array([[1.0], [2.0]]), np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    loss, cache = bpr_forward(positive, negative)
    repeated, repeated_cache = bpr_forward(np.repeat(positive, 3, axis=1), negative)
    np.testing.assert_allclose(loss, repeated)
    np.testing.assert_allclose(
        bpr_backward(1.0, cache).positive, bpr_backward(1.0, repeated_cache).positive.sum(axis=1, keepdims=True)
    )


@pytest.mark.parametrize("ahead", [-2.0, 0.0, 2.0])
def test_the_curvature_of_bpr_is_a_sigmoid_s_a_quarter_at_zero(ahead: float) -> None:
    def slope(negative: Any) -> Any:
        return bpr_backward(1.0, bpr_forward(np.zeros(1), negative)[1]).negative[0]

    sigmoid = 1 / (1 + np.exp(-ahead))
    np.testing.assert_allclose(autograd.grad(slope)(np.array([ahead])), [sigmoid * (1 - sigmoid)], rtol=1e-12)


@given(bpr_calls(), st.floats(-100, 100))
def test_bpr_does_not_notice_what_is_added_to_all_scores(call: Call, shift: float) -> None:
    positive, negative = call.args
    loss, cache = bpr_forward(positive, negative)
    np.testing.assert_allclose(bpr_forward(positive + shift, negative + shift)[0], loss, rtol=1e-9, atol=1e-12)
    grads = bpr_backward(1.0, cache)
    np.testing.assert_allclose(np.sum(grads.positive) + np.sum(grads.negative), 0, atol=1e-14)
    assert np.all(grads.positive <= 0)
    assert np.all(grads.negative >= 0)


@given(generators, st.integers(1, 4))
def test_the_squared_error_is_symmetric_and_zero_where_there_is_none(rng: np.random.Generator, N: int) -> None:
    p, t = rng.normal(size=(2, N))
    assert mse_forward(p, t)[0] == mse_forward(t, p)[0] > 0
    assert mse_forward(p, p)[0] == 0


@given(cross_entropy_calls(), st.floats(-1e3, 1e3))
def test_cross_entropy_does_not_notice_what_is_added_to_all_logits(call: Call, shift: float) -> None:
    logits, target, mask = call.args
    loss, _ = cross_entropy_forward(*call.args)
    np.testing.assert_allclose(cross_entropy_forward(logits + shift, target, mask)[0], loss, rtol=1e-9, atol=1e-11)
