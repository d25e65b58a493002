"""Gradients of maxima that are sent elsewhere are named, however the maximum is picked."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

X = np.random.default_rng(0).normal(size=(2, 4, 6))


def pooled(x):
    windows = x.reshape(2, 2, 2, 2, 3).transpose(0, 1, 3, 2, 4).reshape(2, 2, 2, 6)
    return windows.max(-1), windows


def picked(x):
    windows = x.reshape(2, 2, 2, 2, 3).transpose(0, 1, 3, 2, 4).reshape(2, 2, 2, 6)
    return np.take_along_axis(windows, windows.argmax(-1)[..., None], -1)[..., 0], windows


def gate(windows, which):
    largest = windows == windows.max(-1, keepdims=True)
    first = np.zeros(windows.shape)
    first[..., 0] = 1
    return {
        "to all": np.ones(windows.shape),
        "in equal parts": np.full(windows.shape, 1 / 6),
        "at the other end": windows == windows.min(-1, keepdims=True),
        "of several groups": windows == windows.max((1, 2, 3), keepdims=True),
        "to the first": first,
        "times the extremum": largest * windows,
    }[which]


@pytest.mark.parametrize("forward", [pooled, picked])
@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("to all", "missing-mask"),
        ("in equal parts", "stale-value"),
        ("at the other end", "stale-value"),
        ("of several groups", "wrong-axis"),
        ("to the first", "stale-value"),
        ("times the extremum", "stale-value"),
    ],
)
def test_where_the_gradient_of_a_maximum_goes_is_named(forward, words, mistake):
    def backward(g, windows):
        d = gate(windows, words) * g[..., None]
        return d.reshape(2, 2, 2, 2, 3).transpose(0, 1, 3, 2, 4).reshape(2, 4, 6)

    best = check_backward(forward, backward, X, raise_on_failure=False).diagnoses[0]
    assert best.mistake == mistake
    assert words in best.evidence
