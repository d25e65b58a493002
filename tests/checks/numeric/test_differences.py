"""Numeric derivatives know how good they are."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from acg_numpy.checks import check_backward
from acg_numpy.checks.numeric.differences import Difference, best_agreeing_difference, best_step, central_difference

FUNCTIONS = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "fast sin": (lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "cubic": (lambda x: x**3 - 4 * x, lambda x: 3 * x**2 - 4),
    "high above zero": (lambda x: 1e6 + np.sin(x), np.cos),
}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FUNCTIONS)), st.floats(-8, 8))
def test_the_true_derivative_lies_within_ten_times_the_error(name, x):
    function, derivative = FUNCTIONS[name]

    def at(step):
        return central_difference(lambda inputs: (function(inputs[0]),), [np.array(x)], 0, (), (np.array(1.0),), step)

    found = best_agreeing_difference(at, best_step(x, 2.0**-52))
    scale = abs(derivative(x)) + abs(function(x)) + 1
    assert abs(found.derivative - derivative(x)) <= 10 * found.error + 1e-13 * scale
    assert found.error <= 1e-6 * scale


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.floats(-5, 5), min_size=1, max_size=5), st.integers(0, 99))
@example("cubic", [0.0, 6.07e-177], 0)  # a number whose powers are too large to be written
def test_right_derivatives_never_fail_and_errors_of_a_thousandth_never_pass(name, points, seed):
    function, derivative = FUNCTIONS[name]
    x = np.array(points)
    right = check_backward(
        lambda x: (function(x), x), lambda g, x: g * derivative(x), x, seed=seed, raise_on_failure=False
    )
    assert right.per_input["x"].num_wrong == 0
    off = check_backward(
        lambda x: (function(x), x), lambda g, x: 1.001 * g * derivative(x), x, seed=seed, raise_on_failure=False
    )
    assert off.per_input["x"].num_right == off.per_input["x"].zero.sum()
    assume(not right.undecided)
    assert not off.passed


def test_the_step_grows_with_the_element_and_with_the_coarseness_of_the_dtype():
    double, single = np.finfo(np.float64).eps, np.finfo(np.float32).eps
    assert best_step(0.0, double) == best_step(-1.0, double) == pytest.approx(6.06e-6, rel=1e-2)
    assert best_step(1e6, double) == pytest.approx(1e6 * best_step(1.0, double))
    assert best_step(0.0, single) == pytest.approx(4.9e-3, rel=1e-2)


def test_what_large_outputs_round_off_does_not_drown_small_ones():
    """A score masked with -1e9 beside others, as attention has it."""

    def evaluate(inputs):
        return (np.array([-1e9, np.sin(inputs[0][0])]),)

    step = best_step(0.5, 2.0**-52)
    found = central_difference(evaluate, [np.array([0.5])], 0, (0,), (np.array([1.0, 1.0]),), step)
    assert found.derivative == pytest.approx(np.cos(0.5), rel=1e-9)
    assert found.error < 1e-10


def test_infinite_outputs_that_stay_have_no_slope():
    report = check_backward(
        lambda x: (np.array([x[0] ** 2, -np.inf]), x), lambda g, x: np.array([2 * g[0] * x[0]]), np.array([3.0])
    )
    assert report.per_input["x"].num_right == 1


def test_nothing_finite_on_the_ladder_is_an_infinite_error():
    assert best_agreeing_difference(lambda step: Difference(np.nan, 0.0), 1e-5).error == np.inf


def test_elements_below_resolution_are_undecided_and_a_check_of_nothing_else_does_not_pass():
    """1e12 + |x|: the output holds x to four digits, and is no function of a complex x."""
    x = np.array([0.1, 0.2, 0.3])
    report = check_backward(lambda x: (1e12 + np.abs(x), x), lambda g, x: g, x, raise_on_failure=False)
    assert report.undecided == 3
    assert report.nothing_decided
    assert not report.passed
    assert report.worst is None
    assert "nothing could be decided" in str(report)


def test_some_elements_below_resolution_are_counted_and_the_others_decide():
    x = np.array([0.5, 0.1, 0.2])

    def forward(x):
        return np.array([np.sin(x[0].real), *(1e12 + np.abs(x[1:]))]), x

    def backward(g, x):
        return g * np.array([np.cos(x[0]), 1.0, 1.0])

    report = check_backward(forward, backward, x)
    assert report.passed
    assert report.undecided == 2
    assert list(report.per_input["x"].undecided) == [False, True, True]
    assert "2 elements undecided" in str(report)


def test_a_forward_that_casts_down_is_noted_and_decides_at_a_looser_tolerance():
    def forward(x):
        return np.sin(x).astype(np.float32), x

    def backward(g, x):
        return (g * np.cos(x)).astype(np.float64)

    x = np.array([0.3, 0.8])
    report = check_backward(forward, backward, x, rtol=1e-2)
    assert report.per_input["x"].num_right == 2
    assert any("float32" in note for note in report.notes)
    assert not check_backward(forward, lambda g, x: 1.1 * backward(g, x), x, rtol=1e-2, raise_on_failure=False).passed


def test_a_kink_close_by_is_stepped_around():
    x = np.array([1e-6, -3e-6, 2e-6, 1.0])
    assert check_backward(lambda x: (np.maximum(x, 0), x), lambda g, x: g * (x > 0), x).passed


def test_a_gradient_through_noise_is_not_called_wrong():
    """Cancellation inside, which the outputs do not show: only the ladder can tell that the differences are noise."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.uniform(0.1, 1.0, size=4)
        report = check_backward(lambda x: ((x + 1e9) - 1e9, x), lambda g, x: g, x, raise_on_failure=False, rtol=1e-5)
        assert report.per_input["x"].num_wrong == 0


def test_a_step_that_is_given_is_the_step_that_is_taken():
    seen = []

    def forward(x):
        seen.append(float(x))
        return np.sin(x), x

    report = check_backward(forward, lambda g, x: g * np.cos(x), 0.5, step=1e-4)
    assert report.passed
    assert {round(abs(value - 0.5), 9) for value in seen} == {0.0, 1e-4}
    assert "step 0.0001" in str(report)
