"""A function near a point: many calls in one are the calls one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import passes
from acg_numpy.checks import check_backward
from acg_numpy.checks.numeric.perturbations import PerturbedFunction, outputs_agree
from tests.checks.functions import softmax_backward, softmax_forward, square_near


def test_outputs_are_the_same_but_for_rounding():
    a = np.array([1.0, -2.0, np.inf])
    assert outputs_agree([a], [a.copy()])
    assert outputs_agree([a], [a + np.array([1e-12, 0, 0])])
    assert not outputs_agree([a], [a + np.array([1e-11, 0, 0])])
    assert not outputs_agree([a], [a.astype(np.float32)])
    assert not outputs_agree([a], [a[:2]])
    assert not outputs_agree([a], [np.array([1.0, -2.0, np.nan])])
    assert not outputs_agree([np.array([1.0, np.nan, np.inf])], [a])
    assert outputs_agree([np.float32([1.0])], [np.float32([1.0 + 5e-7])])


def test_a_move_of_one_element_leaves_the_others():
    here = square_near([[1.0, 2.0], [3.0, 4.0]])
    (found,) = here.evaluate_one_by_one(0, np.array([0, 3]), np.array([1.0, -4.0]))
    assert np.array_equal(found, [[[4, 4], [9, 16]], [[1, 4], [9, 0]]])
    assert here.evaluate_shifted(0, np.zeros(0, int), np.zeros(0))[0].shape == (0, 2, 2)
    (many,) = here.evaluate_shifted(0, np.resize(np.arange(4), 9), np.full(9, 0.5))
    assert many.shape == (9, 2, 2)
    assert many[8, 0, 0] == 2.25
    assert here.layouts == {0: ()}


def counting(forward):
    """A forward with a list that grows by one at each call."""
    calls = []

    def counted(*args):
        calls.append(1)
        return forward(*args)

    return counted, calls


def test_a_function_that_takes_a_leading_axis_is_called_seldom():
    forward, calls = counting(softmax_forward)
    x = np.random.default_rng(0).normal(size=(6, 8))
    assert check_backward(forward, softmax_backward, x).passed
    assert len(calls) < x.size / 2


WITH_AN_AXIS = {
    "another sum": (lambda x: (x / np.max(np.abs(x)), x), None),
    "the first axis reduced": (lambda x: (x - np.mean(x, axis=0), x), lambda g, x: g - np.mean(g, axis=0)),
    "two axes demanded": (lambda x: (x @ np.ones((x.shape[1], 2)), x), lambda g, x: g @ np.ones((2, x.shape[1]))),
    "another thing done to many": (
        lambda x: (np.sin(x) if x.ndim == 2 or len(x) < 8 else np.cos(x), x),
        lambda g, x: g * np.cos(x),
    ),
    "another thing done to the last": (
        lambda x: (np.sin(x) if x.ndim == 2 else np.concatenate([np.sin(x[:-1]), np.cos(x[-1:])]), x),
        lambda g, x: g * np.cos(x),
    ),
}


@pytest.mark.parametrize("name", WITH_AN_AXIS)
def test_a_leading_axis_that_changes_the_result_is_not_used(name):
    forward, backward = WITH_AN_AXIS[name]
    x = np.random.default_rng(1).normal(size=(4, 5))
    here = PerturbedFunction(lambda inputs: (forward(inputs[0])[0],), [x], (np.ones(np.shape(forward(x)[0])),))
    flats, shifts = np.arange(20), np.full(20, 0.1)
    (many,), (single,) = here.evaluate_shifted(0, flats, shifts), here.evaluate_one_by_one(0, flats, shifts)
    np.testing.assert_allclose(many, single, rtol=1e-12)
    if backward is not None:
        assert check_backward(forward, backward, x).passed


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 5), st.integers(2, 5))
def test_many_calls_in_one_are_the_calls_one_by_one(seed, queries, keys, width):
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=(queries, width)), rng.normal(size=(keys, width)), rng.normal(size=(keys, 3))]
    grad_outs = (np.ones((queries, 3)),)
    here = PerturbedFunction(lambda point: (passes.scaled_dot_product_forward(*point)[0],), inputs, grad_outs)
    for which, x in enumerate(inputs):
        flats = np.resize(np.arange(x.size), 12)
        shifts = rng.normal(size=12)
        (many,), (single,) = here.evaluate_shifted(which, flats, shifts), here.evaluate_one_by_one(which, flats, shifts)
        np.testing.assert_allclose(many, single, rtol=1e-10, atol=1e-12)
        assert here.layouts[which] is not None
