"""Corruptions of a whole operation: systems and inverses that are not transposed, conditions turned round."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

RNG = np.random.default_rng(0)
A, B, X = RNG.normal(size=(4, 4)) + 3 * np.eye(4), RNG.normal(size=4), RNG.normal(size=(3, 5))


def solve(a, b):
    x = np.linalg.solve(a, b)
    return x, (a, x)


def solve_not_transposed(g, cache):
    a, x = cache
    db = np.linalg.solve(a, g)
    return -np.outer(db, x), db


def inverse(a):
    r = np.linalg.inv(a)
    return r, r


def log_det(a):
    return np.linalg.slogdet(a)[1], a


def elu(x):
    return np.where(x > 0, x, np.exp(x) - 1), x


MISTAKES = {
    "a system": (solve, solve_not_transposed, (A, B), "transposed"),
    "an inverse": (inverse, lambda g, r: -r @ g @ r, (A,), "transposed"),
    "the left inverse": (inverse, lambda g, r: -r @ g @ r.T, (A,), "transposed"),
    "the right inverse": (inverse, lambda g, r: -r.T @ g @ r, (A,), "transposed"),
    "a determinant": (log_det, lambda g, a: g * np.linalg.inv(a), (A,), "transposed"),
    "a condition": (elu, lambda g, x: g * np.where(x < 0, 1.0, np.exp(x)), (X,), "missing-mask"),
}


@pytest.mark.parametrize(("forward", "backward", "inputs", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_what_goes_wrong_for_all_arguments_at_once_is_named(forward, backward, inputs, mistake):
    report = check_backward(forward, backward, *inputs, raise_on_failure=False)
    assert report.diagnoses[0].mistake == mistake
