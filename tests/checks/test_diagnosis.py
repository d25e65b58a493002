"""A wrong backward is named: the corruption of the right one that gives its gradients, and where it was made."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.checks import check_backward


def softmax_forward(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return p, p


def softmax_backward(g, p):
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


def named(forward, backward, *inputs):
    """The mistake that is named first, None where nothing is."""
    report = check_backward(forward, backward, *inputs, raise_on_failure=False)
    assert not report.passed
    return report.diagnoses[0].mistake if report.diagnoses else None


FORMULAS = {
    "only the diagonal": (lambda g, p: g * p * (1 - p), "diagonal-softmax"),
    "no row sum": (lambda g, p: g * p, "held-constant"),
    "the row sum added": (lambda g, p: p * (g + np.sum(p * g, axis=-1, keepdims=True)), "wrong-sign"),
    "summed along the other axis": (lambda g, p: p * (g - np.sum(p * g, axis=0, keepdims=True)), "wrong-axis"),
    "averaged": (lambda g, p: p * (g - np.mean(p * g, axis=-1, keepdims=True)), "mean-for-sum"),
    "minus all of it": (lambda g, p: -softmax_backward(g, p), "wrong-sign"),
    "zero": (lambda g, p: np.zeros_like(g), "zero-gradient"),
    "three times it": (lambda g, p: 3.5 * softmax_backward(g, p), "constant-factor"),
    "nothing of g": (lambda g, p: softmax_backward(np.ones_like(g) * np.arange(p.shape[-1]), p), "ignored-upstream"),
    "g squared": (lambda g, p: softmax_backward(g * g, p), "nonlinear-in-grad"),
    "transposed": (lambda g, p: softmax_backward(g, p).T, "transposed"),
    "float32": (lambda g, p: softmax_backward(g, p).astype(np.float32), "wrong-dtype"),
    "one too many": (lambda g, p: (softmax_backward(g, p), g), "wrong-count"),
}


@pytest.mark.parametrize(("backward", "mistake"), FORMULAS.values(), ids=FORMULAS)
@given(st.integers(0, 2**32 - 1))
def test_a_wrong_formula_for_softmax_is_named(backward, mistake, seed):
    x = np.random.default_rng(seed).normal(size=(3, 7))
    assert named(softmax_forward, backward, x) == mistake


@given(st.floats(-4, 4), st.integers(0, 2**32 - 1))
def test_a_diagnosis_that_fits_reproduces_the_submitted_gradient(factor, seed):
    x = np.random.default_rng(seed).normal(size=(3, 7))
    if abs(factor - 1) < 1e-3 or abs(factor) < 1e-3:
        return
    report = check_backward(softmax_forward, lambda g, p: factor * softmax_backward(g, p), x, raise_on_failure=False)
    best = report.diagnoses[0]
    assert best.mistake in {"constant-factor", "wrong-sign", "mean-for-sum", "missing-scale"}
    assert 0 < best.confidence <= 1
    assert best.mistake not in best.hint


@given(st.integers(0, 2**32 - 1))
def test_a_gradient_that_no_mistake_explains_is_not_explained(seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(3, 7))
    report = check_backward(
        softmax_forward, lambda g, p: softmax_backward(g, p) + np.sum(g) * noise, rng.normal(size=(3, 7)),
        raise_on_failure=False,
    )  # fmt: skip
    assert report.diagnoses == ()
    assert "no corruption" in report.notes[-1]


def product_forward(a, b):
    return a @ b, (a, b)


@pytest.mark.parametrize(
    ("backward", "mistake"),
    [
        (lambda g, c: (c[0].T @ g, g @ c[1].T), "swapped-inputs"),
        (lambda g, c: ((g @ c[1].T).T, c[0].T @ g), "transposed"),
        (lambda g, c: (g @ c[1].T, None), "zero-gradient"),
        (lambda g, c: (g @ c[1].T, -(c[0].T @ g)), "wrong-sign"),
        (lambda g, c: (g @ c[1].T,), "wrong-count"),
    ],
)
def test_a_wrong_backward_of_a_product_is_named(backward, mistake):
    rng = np.random.default_rng(0)
    assert named(product_forward, backward, rng.normal(size=(3, 4)), rng.normal(size=(4, 5))) == mistake


def total_forward(x, scale):
    return np.sum(x * x) * scale, x


class Kept:
    """A backward that keeps a running total between calls."""

    def __init__(self):
        self.total = 0.0

    def __call__(self, g, x):
        self.total = self.total + 2 * g * x
        return self.total


def in_place(g, x):
    x *= 2
    return g * x


def drawn(rng, g, x):
    return 2 * g * x * rng.normal(size=x.shape)


@pytest.mark.parametrize(
    ("backward", "mistake"),
    [
        (Kept(), "carries-over"),
        (in_place, "mutated-cache"),
        (partial(drawn, np.random.default_rng(0)), "random-backward"),
    ],
)
def test_conduct_is_watched(backward, mistake):
    forward = lambda x: (np.sum(x * x), x.copy())  # noqa: E731
    assert named(forward, backward, np.array([1.0, -2.0, 3.0])) == mistake


def test_what_the_inputs_hide_is_said():
    def gather_forward(table, ids):
        return table[ids], (table.shape, ids)

    def gather_backward(g, cache):
        shape, ids = cache
        grad = np.zeros(shape)
        np.add.at(grad, ids, g)
        return grad

    table = np.random.default_rng(0).normal(size=(5, 3))
    without = check_backward(gather_forward, gather_backward, table, np.array([0, 3, 1]))
    assert "overwritten-rows" in [spot.mistake for spot in without.blind_spots]
    repeats = check_backward(gather_forward, gather_backward, table, np.array([0, 3, 0]))
    assert "overwritten-rows" not in [spot.mistake for spot in repeats.blind_spots]
    assert "blind spots" in str(without)
    assert "blind spots" in without._repr_html_()


def test_a_forward_that_cannot_be_traced_is_diagnosed_from_numeric_derivatives():
    def forward(x):
        return np.asarray(x).copy() * 1.0 if isinstance(x, np.ndarray) else float(x), x

    report = check_backward(forward, lambda g, x: -g, np.array([1.0, 2.0, 4.0]), raise_on_failure=False)
    assert report.diagnoses[0].mistake == "wrong-sign"
    assert "numeric" in report.diagnoses[0].evidence
