"""Notes of a report beside its verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from tests.checks.functions import pair


def test_a_function_that_is_not_analytic_is_noted():
    x = np.array([0.5, -1.5, 2.0])
    report = check_backward(lambda x: (np.abs(x) * x, x), lambda g, x: 2 * g * np.abs(x), x, method="complex")
    assert report.passed
    assert any("not complex-analytic" in note for note in report.notes)
    analytic = check_backward(*pair("exp"), x, method="complex")
    assert not any("complex" in note for note in analytic.notes)


def test_a_function_that_takes_no_complex_numbers_is_noted():
    x = np.array([0.5, -1.5, 2.0])
    report = check_backward(lambda x: (np.fmod(x, 4.0) * x, x), lambda g, x: 2 * g * x, x, method="complex")
    assert report.passed
    assert report.notes == (
        "x: for 3 elements complex steps and central differences disagree, or the function takes no complex numbers: "
        "it is not complex-analytic there (abs, maximum and casts are not), and central differences were used",
    )


def test_of_elements_at_a_kink_no_note_says_that_they_are_uncertain():
    report = check_backward(lambda x: (np.maximum(x, 0), x), lambda g, x: g * (x > 0), np.array([1.0, 0.0, 3.0]))
    assert report.comparisons[0].num_kinks == 1
    assert report.notes == ()


def test_a_forward_that_casts_down_is_noted():
    def forward(x):
        return np.sin(x).astype(np.float32), x

    def backward(g, x):
        return (g * np.cos(x)).astype(np.float64)

    x = np.array([0.3, 0.8])
    report = check_backward(forward, backward, x, rtol=1e-2)
    assert report.per_input["x"].num_right == 2
    assert any("float32" in note for note in report.notes)
    assert not check_backward(forward, lambda g, x: 1.1 * backward(g, x), x, rtol=1e-2, raise_on_failure=False).passed


def test_inputs_without_a_gradient_are_said_not_to_learn():
    def forward(x, y):
        return 0.0 * x + 0.0 * y, None

    x = np.array([1.0, 0.5, 3.0])
    alone = check_backward(lambda x: (0.0 * x, None), lambda g, _: 0.0 * g, x)
    both = check_backward(forward, lambda g, _: (0.0 * g, 0.0 * g), x, x)
    assert any("x: the gradient is right, and identically zero: this input cannot learn" in n for n in alone.notes)
    both_notes = "x and y: the gradient is right, and identically zero: these inputs cannot learn"
    assert any(both_notes in note for note in both.notes)


WITH_NAN = {
    "everywhere": lambda g, x: g * x * np.nan,
    "in every second place": lambda g, x: 2 * g * np.where([True, False, True, False], np.nan, x),
    "from the sign of the gradient, and not linear in it": lambda g, x: x * np.sqrt(g),
    "the same for every gradient": lambda g, x: np.array([np.nan, 1.0, 2.0, 3.0]),
}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", WITH_NAN)
def test_a_gradient_that_holds_nan_is_counted_whatever_else_is_found(name):
    backward, x = WITH_NAN[name], np.array([0.5, -1.5, 2.0, 0.7])
    report = check_backward(lambda x: (x * x, x), backward, x, raise_on_failure=False)
    number = int(np.sum(np.isnan(report.per_input["x"].analytic)))
    assert number > 0
    assert report.notes[0] == f"the gradient of x holds NaN at {number} of 4 elements"
    named = [diagnosis.mistake for diagnosis in report.diagnoses]
    assert ("ignored-upstream" in named) == (name == "the same for every gradient")
    if not named:
        assert "x holds NaN: which line of the backward makes it?" in str(replace(report, hints=1)).replace("\n", " ")
