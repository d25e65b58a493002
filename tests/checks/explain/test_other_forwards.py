"""Right backwards of a forward that differs by one step are named by that step."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))


def by_variance(x):
    centred = x - x.mean(0)
    return centred / (centred**2).mean(0), x


def backward_by_deviation(g, x):
    centred = x - x.mean(0)
    variance = (centred**2).mean(0)
    deviation = np.sqrt(variance)
    d = g / deviation - centred * (g * centred).sum(0) / (len(x) * deviation**3)
    return d - d.mean(0)


def twice_masked(x, w):
    h = np.maximum(x @ w, 0) * (np.arange(4) != 1)
    return h * h.sum(), (x, w)


def backward_without_mask(g, cache):
    x, w = cache
    h = np.maximum(x @ w, 0)
    d = (g * h.sum() + np.sum(g * h)) * (h > 0)
    return d @ w.T, x.T @ d


CASES = {
    "a deviation for a variance": (by_variance, backward_by_deviation, (X,), "stale-value", "the root of this value"),
    "no mask": (twice_masked, backward_without_mask, (X, W), "missing-mask", "this step is left out"),
}


@pytest.mark.parametrize(("forward", "backward", "inputs", "mistake", "words"), CASES.values(), ids=CASES)
def test_the_backward_of_another_forward_is_named_by_the_step(forward, backward, inputs, mistake, words):
    best = check_backward(forward, backward, *inputs, raise_on_failure=False).diagnoses[0]
    assert best.mistake == mistake
    assert words in best.evidence
