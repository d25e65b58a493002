"""Dropout multiplies by a mask, forward and back."""

import numpy as np
from hypothesis import given

from acg_numpy.passes import dropout_backward, dropout_forward
from tests.passes.pairs import Call, dropout_calls, generators


def test_dropped_elements_get_no_gradient_and_the_others_are_scaled_both_ways() -> None:
    mask = np.array([2.0, 0.0, 2.0])
    y, cache = dropout_forward(np.array([1.0, 5.0, 3.0]), mask)
    np.testing.assert_array_equal(y, [2.0, 0.0, 6.0])
    np.testing.assert_array_equal(dropout_backward(np.array([1.0, 1.0, -1.0]), cache).x, [2.0, 0.0, -2.0])


def test_on_average_nothing_changes() -> None:
    rng, keep = np.random.default_rng(0), 0.8
    masks = (rng.random((20_000, 3)) < keep) / keep
    y, _ = dropout_forward(np.array([1.0, -2.0, 3.0]), masks)
    np.testing.assert_allclose(y.mean(axis=0), [1.0, -2.0, 3.0], rtol=0.03)


def test_a_mask_of_ones_changes_nothing() -> None:
    x = np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(dropout_forward(x, np.ones(2))[0], x)


@given(dropout_calls(), generators)
def test_forward_and_backward_are_one_linear_map_and_its_transpose(call: Call, rng: np.random.Generator) -> None:
    x, mask = call.args
    y, cache = dropout_forward(x, mask)
    dy = rng.normal(size=y.shape)
    grads = dropout_backward(dy, cache)
    np.testing.assert_allclose(np.sum(grads.x * x), np.sum(dy * y), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(np.sum(grads.dropout_mask * mask), np.sum(dy * y), rtol=1e-10, atol=1e-11)
