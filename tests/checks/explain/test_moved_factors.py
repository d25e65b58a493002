"""Factors applied at another place than where they belong, or there as well."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

RNG = np.random.default_rng(0)
X, V, W = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))


def forward(x, v, w):
    h = np.tanh(x @ v)
    return h @ w, (x, v, w, h)


def before_the_projection(g, cache):
    x, v, w, h = cache
    d = (g * (1 - h * h)) @ w.T
    return d @ v.T, x.T @ d, h.T @ g


def at_both_places(g, cache):
    x, v, w, h = cache
    g = g * (1 - h * h)
    d = (g @ w.T) * (1 - h * h)
    return d @ v.T, x.T @ d, h.T @ g


@pytest.mark.parametrize(
    ("backward", "sentence"),
    [(before_the_projection, "applied here, and not where it belongs"), (at_both_places, "applied here as well")],
)
def test_a_slope_at_another_place_is_named(backward, sentence):
    best = check_backward(forward, backward, X, V, W, raise_on_failure=False).diagnoses[0]
    assert best.mistake == "stale-value"
    assert sentence in best.evidence


def test_a_factor_moved_to_the_input_is_named():
    def normalise(x, scale):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True))
        return scale * (centred / deviation), (centred / deviation, deviation, scale)

    def backward(g, cache):
        y, deviation, scale = cache
        sums = g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)
        return scale / deviation * sums, (g * y).sum(0)

    best = check_backward(normalise, backward, X, V[0], raise_on_failure=False).diagnoses[0]
    assert best.mistake == "stale-value"
    assert "applied here, and not where it belongs" in best.evidence
