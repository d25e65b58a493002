"""A linear map of rows: what its gradients must be without any calculus."""

from typing import Any

import numpy as np
from hypothesis import given

from acg_numpy.passes import linear_backward, linear_forward
from tests.passes.pairs import Call, generators, linear_calls


@given(linear_calls())
def test_leading_axes_are_rows_and_nothing_else(call: Call) -> None:
    x, weight, bias = call.args
    y, cache = linear_forward(x, weight, bias)
    flat, flat_cache = linear_forward(x.reshape(-1, x.shape[-1]), weight, bias)
    np.testing.assert_allclose(y.reshape(flat.shape), flat, rtol=1e-12, atol=1e-13)
    grads = linear_backward(y, cache)
    flat_grads = linear_backward(flat, flat_cache)
    np.testing.assert_allclose(grads.weight, flat_grads.weight, rtol=1e-10, atol=1e-11)


@given(linear_calls(), generators)
def test_x_and_dx_are_adjoint(call: Call, rng: np.random.Generator) -> None:
    x, weight, _ = call.args
    y, cache = linear_forward(x, weight)
    dy: Any = rng.normal(size=y.shape)
    dx = linear_backward(dy, cache).x
    np.testing.assert_allclose(np.sum(dy * y), np.sum(dx * x), rtol=1e-10, atol=1e-11)


def test_without_a_bias_there_is_no_gradient_of_one() -> None:
    _, cache = linear_forward(np.ones((2, 3)), np.ones((3, 4)))
    assert linear_backward(np.ones((2, 4)), cache).bias is None


def test_an_empty_batch_gives_zero_weight_gradients() -> None:
    y, cache = linear_forward(np.ones((0, 5, 3)), np.ones((3, 4)), np.zeros(4))
    grads = linear_backward(y, cache)
    np.testing.assert_array_equal(grads.weight, np.zeros((3, 4)))
    np.testing.assert_array_equal(grads.bias, np.zeros(4))


@given(linear_calls(), generators)
def test_without_a_bias_the_map_of_a_sum_is_the_sum(call: Call, rng: np.random.Generator) -> None:
    x, weight, _ = call.args
    other = rng.normal(size=x.shape)
    ys = [linear_forward(rows, weight)[0] for rows in (x, other, 2 * x - 3 * other)]
    np.testing.assert_allclose(ys[2], 2 * ys[0] - 3 * ys[1], rtol=1e-10, atol=1e-11)


@given(linear_calls())
def test_the_bias_is_what_a_row_of_zeros_becomes(call: Call) -> None:
    x, weight, bias = call.args
    y, _ = linear_forward(np.zeros_like(x), weight, bias)
    np.testing.assert_array_equal(y, np.broadcast_to(0.0 if bias is None else bias, y.shape))
