"""Kernels, gradients and steps of time in the wrong order are named."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

RNG = np.random.default_rng(0)
X, K = RNG.normal(size=7), RNG.normal(size=3)


def correlate(x, k):
    return np.stack([x[i : i + 3] @ k for i in range(5)]), (x, k)


def correlate_backward(g, cache, kernel=1, sent=1):
    x, k = cache
    dx, dk = np.zeros_like(x), np.zeros_like(k)
    for i in range(5):
        dx[i : i + 3] += g[i] * k[::kernel]
        dk += g[i] * x[i : i + 3]
    return dx, dk[::sent]


def running(x):
    return np.cumsum(np.sin(x)), x


CASES = {
    "the kernel": (
        correlate,
        lambda g, c: correlate_backward(g, c, kernel=-1),
        (X, K),
        "an input is read turned round",
    ),
    "what is sent": (correlate, lambda g, c: correlate_backward(g, c, sent=-1), (X, K), "what is sent is turned round"),
    "a running sum": (running, lambda g, x: np.cumsum(g) * np.cos(x), (X,), "run in the other direction"),
    "the steps that come in": (
        running,
        lambda g, x: np.cumsum(g)[::-1] * np.cos(x),
        (X,),
        "what comes in is turned round along axis 0",
    ),
}


@pytest.mark.parametrize(("forward", "backward", "inputs", "words"), CASES.values(), ids=CASES)
def test_what_is_turned_round_is_named(forward, backward, inputs, words):
    best = check_backward(forward, backward, *inputs, raise_on_failure=False).diagnoses[0]
    assert best.mistake == "stale-value"
    assert words in best.evidence


def test_gradients_of_all_but_the_last_output_lost_are_named():
    def backward(g, x):
        return np.full(7, g[-1]) * np.cos(x)

    best = check_backward(running, backward, X, raise_on_failure=False).diagnoses[0]
    assert best.mistake == "last-only"
