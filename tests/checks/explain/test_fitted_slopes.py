"""Slopes of other functions: what a backward that uses one is named, in one place and in every turn of a loop."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))


def whole(x, w):
    out = np.tanh(x @ w)
    return out, (x, w, out)


def row_by_row(x, w):
    out = np.zeros((len(x), w.shape[1]))
    for i in range(len(x)):
        out[i] = np.tanh(x[i] @ w)
    return out, (x, w, out)


def backward_with(slope):
    def backward(g, cache):
        x, w, out = cache
        d = g * slope(x @ w, out)
        return d @ w.T, x.T @ d

    return backward


SLOPES = {
    "a sign": (lambda u, o: 1 + o**2, "wrong-sign", "1 + y^2 used for the slope, which is 1 - y^2"),
    "a number": (lambda u, o: 1 - 2 * o**2, "constant-factor", "1 - 2 y^2 used for the slope"),
    "of erf": (lambda u, o: 2 / np.sqrt(np.pi) * np.exp(-u * u), "stale-value", "exp(-x^2) used for the slope"),
    "of softsign": (lambda u, o: 1 / (1 + np.abs(u)) ** 2, "stale-value", "1 / (1 + |x|)^2 used for the slope"),
    "of relu": (lambda u, o: (u > 0) * 1.0, "stale-value", "the step at 0 used for the slope"),
}


@pytest.mark.parametrize("forward", [whole, row_by_row])
@pytest.mark.parametrize(("slope", "mistake", "sentence"), SLOPES.values(), ids=SLOPES)
def test_the_slope_of_another_function_is_named_with_both(forward, slope, mistake, sentence):
    best = check_backward(forward, backward_with(slope), X, W, raise_on_failure=False).diagnoses[0]
    assert best.mistake == mistake
    assert sentence in best.evidence
    assert best.confidence > 0.9


def test_a_slope_with_three_numbers_of_its_own_is_given_no_name():
    slope = backward_with(lambda u, o: 0.37 - 0.61 * o**2 + 0.29 * u)
    assert not check_backward(whole, slope, X, W, raise_on_failure=False).diagnoses


def test_a_slope_that_is_a_number_is_written_as_one():
    special = pytest.importorskip("scipy.special")

    def forward(x, w, v):
        hidden = special.expit(x @ w)
        return hidden @ v, (x, w, v, hidden)

    def backward(g, cache):
        x, w, v, hidden = cache
        d = g @ v.T
        return d @ w.T, x.T @ d, hidden.T @ g

    best = check_backward(forward, backward, X, W, RNG.normal(size=(4, 2)), raise_on_failure=False).diagnoses[0]
    assert "1 used for the slope, which is y - y^2" in best.evidence
