"""A skeleton that returns arrays from outside, and not what it computes, is told so."""

from functools import partial

import numpy as np
import pytest

from acg_numpy import check_backward, check_layer
from acg_numpy.checks.contract.unwritten import outside_arrays

X, W = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).normal(size=(4, 2))
dx, dw, buffer = np.zeros_like(X), np.ones_like(W), np.zeros_like(X)


def forward(x, w):
    return x @ w, (x, w)


def skeleton(grad_out, cache):
    return dx, dw


def with_an_option(option, grad_out, cache):
    return dx, dw


def half_written(grad_out, cache):
    return grad_out @ cache[1].T, dw


def into_a_buffer(grad_out, cache):
    x, w = cache
    np.matmul(-grad_out, w.T, out=buffer)
    return buffer, x.T @ grad_out


def by_closure():
    dx = np.ones_like(X)
    return lambda grad_out, cache: (dx, cache[0].T @ grad_out)


class Layer:
    def forward(self, x):
        return x * x

    def backward(self, grad_out):
        return dx


ONE = "is `{}`, an array from outside backward, which the call leaves as it was: is it still to be computed?"
BOTH = (
    "the gradients of x and w are `dx` and `dw`, arrays from outside backward, which the call leaves as they were: "
    "are they still to be computed?"
)
CASES = {
    "all of it": (skeleton, BOTH),
    "with an option bound": (partial(with_an_option, None), BOTH),
    "half of it": (half_written, f"the gradient of w {ONE.format('dw')}"),
    "from the function around it": (by_closure(), f"the gradient of x {ONE.format('dx')}"),
    "a buffer that is written to": (into_a_buffer, None),
}


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_that_the_backward_does_not_compute_is_reported(name):
    backward, sentence = CASES[name]
    report = check_backward(forward, backward, X, W, raise_on_failure=False)
    assert not report.passed
    assert [note for note in report.notes if "outside" in note] == ([] if sentence is None else [sentence])


def test_builtins_and_variables_without_a_value_are_passed_over():
    def backward(grad_out, cache):
        return later

    assert outside_arrays(np.add) == outside_arrays(backward) == []
    later = dx
    assert [outside.name for outside in outside_arrays(backward)] == ["later"]
    assert backward(None, None) is later


def test_a_layer_is_looked_at_too():
    report = check_layer(Layer, X, raise_on_failure=False)
    assert f"the gradient of x {ONE.format('dx')}" in report.notes
