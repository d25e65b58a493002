"""What a report keeps beside its verdict: a kink in a right gradient, inputs that cannot learn, a small error."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract import random_like

X = np.array([1.0, 0.5, 3.0])


def test_a_gradient_that_is_right_but_for_a_kink_passes_and_the_kink_is_named():
    report = check_backward(lambda x: (np.maximum(x, 0), x), lambda g, x: g * (x > 0), np.array([1.0, 0.0, 3.0]))
    assert report.passed
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["kink"]


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_an_error_of_a_thousandth_in_float64_is_an_error_and_is_named(factor):
    report = check_backward(lambda x: (np.sin(x), x), lambda g, x: factor * g * np.cos(x), X, raise_on_failure=False)
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["constant-factor"]
    assert f"off by a factor {factor}" in report.diagnoses[0].evidence


def test_one_input_without_a_gradient_is_said_not_to_learn_and_so_are_several():
    def forward(x, y):
        return 0.0 * x + 0.0 * y, None

    alone = check_backward(lambda x: (0.0 * x, None), lambda g, _: 0.0 * g, X)
    both = check_backward(forward, lambda g, _: (0.0 * g, 0.0 * g), X, X)
    assert any("x: the gradient is right, and identically zero: this input cannot learn" in n for n in alone.notes)
    assert any("x, y: the gradient is right, and identically zero: these inputs cannot learn" in n for n in both.notes)


def test_a_random_gradient_has_both_signs_and_nothing_small_or_large_in_it():
    drawn = random_like(np.ones((20, 20), dtype=np.float32), np.random.default_rng(0))
    assert drawn.shape == (20, 20)
    assert drawn.dtype == np.float32
    assert np.all((np.abs(drawn) >= 0.5) & (np.abs(drawn) <= 1.5))
    assert 0.4 < np.mean(drawn > 0) < 0.6
