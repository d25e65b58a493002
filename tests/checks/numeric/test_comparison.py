"""A gradient compared with numeric derivatives, and what is done before an element is called wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.checks import check_backward
from acg_numpy.checks.backward_pass import Pair, compare_gradients
from acg_numpy.checks.contract.checked_inputs import read_argument, read_arguments
from acg_numpy.checks.numeric.comparison import Comparator, compare, finite_maximum, reconcile
from acg_numpy.checks.numeric.differences import (
    Differences,
    best_step,
)
from acg_numpy.checks.numeric.verdicts import Tolerance
from acg_numpy.checks.settings import METHODS, read_settings
from tests.checks.comparing import compare_only
from tests.checks.functions import EPS, pair


def test_of_two_derivatives_the_better_known_counts_unless_they_contradict():
    def one(d, e):
        return Differences(np.array([d]), np.array([e]))

    def both(first, second, measured):
        found = reconcile(one(*first), one(*second), np.array([measured]))
        return float(found.derivative[0]), float(found.error[0])

    assert both((1.0, 0.1), (1.5, 0.2), True) == (1.0, 0.1)
    assert both((1.0, 0.2), (1.5, 0.1), True) == (1.5, 0.1)
    assert both((1.0, 0.1), (1.5, 0.2), False) == (1.5, 0.2)
    assert both((1.0, 0.0625), (3.0, 0.125), True) == (1.0, 2.0)
    assert both((1.0, 0.1), (2.9, 0.1), True)[1] == 0.1
    assert both((np.nan, 0.1), (2.0, 0.1), True)[1] == 0.1
    assert both((1.0, 0.0), (9.0, 0.0), False) == (9.0, 0.0)


def test_the_largest_is_finite_and_taken_without_its_sign():
    assert finite_maximum(np.array([1.0, -3.0, np.inf, np.nan])) == 3.0
    assert finite_maximum(np.zeros(0)) == 0.0


def comparator_at(x, *, step=None, method="central", outputs=(1.0,), weights=(1.0,)):
    arguments = [read_argument("x", np.asarray(x, float))]
    pair = tuple(np.array(y) for y in outputs), tuple(np.array(g) for g in weights)
    return Comparator(lambda inputs: (inputs[0],), None, arguments, *pair, Tolerance(1e-5, 0.0, step), method)


def test_steps_are_those_asked_for_or_the_best():
    assert np.array_equal(comparator_at([1.0, 50.0], step=0.25).steps(0), [0.25, 0.25])
    assert np.array_equal(comparator_at([1.0, -50.0]).steps(0), best_step(np.array([1.0, 50.0]), EPS))
    assert comparator_at(3.0).steps(0).shape == (1,)


def waves(step=None):
    """sin(1000 x), for which the best step of a slow function is far too long."""
    arguments = [read_argument("x", np.array([[0.0, 0.4], [1.0, -2.0]]))]
    ones = (np.ones((2, 2)),)
    return Comparator(
        lambda inputs: (np.sin(1000 * inputs[0]),), None, arguments, ones, ones, Tolerance(1e-5, 0.0, step), "central"
    )


def test_a_derivative_without_a_gradient_is_as_good_as_with_one():
    comparator = waves()
    found, x = comparator.derivative(0), comparator.function.values[0]
    right = 1000 * np.cos(1000 * x)
    assert found.derivative.shape == found.error.shape == (2, 2)
    one_step = np.abs(comparator.first_derivative(0).numeric.derivative.reshape(2, 2) - right)
    assert np.all(np.abs(found.derivative - right) < 1e-6 * np.abs(right))
    assert np.all(np.abs(found.derivative - right) < one_step)
    assert np.all((found.error > 0) & (found.error < 1e-5 * np.abs(right)))


def test_with_a_given_step_only_its_neighbours_are_used():
    found, x = waves(step=1e-4).derivative(0), waves().function.values[0]
    at_step = 1000 * np.cos(1000 * x) * np.sin(0.1) / 0.1
    np.testing.assert_allclose(found.derivative, at_step, rtol=1e-6)
    assert np.all(found.error > 1e-3 * np.abs(at_step))


def test_elements_that_are_known_well_enough_are_not_refined():
    comparator = waves()
    first = comparator.first_derivative(0)
    refined = comparator.refine(0, np.zeros(4), first, np.array([1, 2]))
    assert np.array_equal(refined.derivative == first.numeric.derivative, [True, False, False, True])


def test_what_rounding_may_do_is_that_of_outputs_of_at_most_one():
    assert comparator_at([1.0], outputs=(0.5, -7.0), weights=(-2.0, 3.0)).least == 10 * EPS * (1.0 + 3.0)


def test_inputs_that_are_not_compared_say_why():
    arguments = [read_argument("x", 1.0), read_argument("w", 2.0), read_argument("ids", 3)]
    found = compare(
        lambda inputs: (np.asarray(inputs[0] * inputs[1]),),
        arguments,
        (np.array(2.0),),
        (np.array(1.0),),
        [np.array(2.0), "it has no form", None],
        Tolerance(1e-5, 0.0, None),
    )
    assert [(c.name, c.held, c.fault, c.num_right) for c in found] == [
        ("x", None, None, 1),
        ("w", None, "it has no form", 0),
        ("ids", "int64", None, 0),
    ]
    assert found[0].scale == pytest.approx(2.0)


def test_what_is_undecided_is_retried_by_complex_step():
    x = np.array([0.3, 0.9])
    report = check_backward(lambda x: (1e12 + np.sin(x), x), lambda g, x: g * np.cos(x), x)
    assert report.passed
    assert report.undecided == 0


@pytest.mark.parametrize("factor", [1.1, 0.5, -1.0])
def test_what_complex_steps_alone_resolve_can_be_wrong(factor):
    x = np.array([0.3, 0.9])
    report = compare_only(
        lambda x: (1e12 + np.sin(x), x), lambda g, x: factor * g * np.cos(x), x, raise_on_failure=False
    )
    assert report.per_input["x"].num_wrong == 2


def test_at_a_kink_a_value_outside_the_two_slopes_is_wrong():
    x = np.array([0.0, 1.0, -2.0])
    report = compare_only(
        lambda x: (np.maximum(x, 0.0), x), lambda g, x: g * ((x > 0) + 2.0 * (x == 0)), x, raise_on_failure=False
    )
    assert report.per_input["x"].num_wrong == 1


@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
@given(st.floats(1 / 40, 1 / 10), st.sampled_from([-1.0, 1.0]))
def test_a_kink_very_close_by_makes_no_right_gradient_wrong(method, distance, side):
    """So near, most steps of the ladder mix the two slopes and agree on it; so far, one-sided slopes come together."""
    x = np.array([side * distance * EPS ** (1 / 3), 1.0, -2.0])
    report = compare_only(*pair("magnitude"), x, method=method, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
def test_a_kink_close_by_excuses_no_value_but_its_slopes(method):
    x = np.array([EPS ** (1 / 3) / 16, 1.0, -2.0])
    report = compare_only(*pair("magnitude", 1.5), x, method=method, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 3


def test_a_step_does_not_excuse_a_wrong_gradient():
    x = np.array([0.3, 1.0, 2.0])
    report = compare_only(*pair("sin", 1.5), x, step=1e-4, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 3


def test_a_kink_close_by_is_stepped_around():
    x = np.array([1e-6, -3e-6, 2e-6, 1.0])
    assert check_backward(lambda x: (np.maximum(x, 0), x), lambda g, x: g * (x > 0), x).passed


def test_a_gradient_through_noise_is_not_called_wrong():
    """Cancellation inside, which the outputs do not show: only the ladder can tell that the differences are noise."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.uniform(0.1, 1.0, size=4)
        report = compare_only(lambda x: ((x + 1e9) - 1e9, x), lambda g, x: g, x, raise_on_failure=False, rtol=1e-5)
        assert report.per_input["x"].num_wrong == 0


def test_a_step_that_is_given_is_the_step_that_is_taken():
    seen = []

    def forward(x):
        seen.append(float(x))
        return np.sin(x), x

    report = compare_only(forward, lambda g, x: g * np.cos(x), 0.5, step=1e-4)
    assert report.passed
    assert {round(abs(value - 0.5), 9) for value in seen} == {0.0, 1e-4}
    assert "step 0.0001" in str(report)


def test_infinite_outputs_that_stay_have_no_slope():
    report = check_backward(
        lambda x: (np.array([x[0] ** 2, -np.inf]), x), lambda g, x: np.array([2 * g[0] * x[0]]), np.array([3.0])
    )
    assert report.per_input["x"].num_right == 1


SCALES = (1e-9, 1e-8, 1e-6, 1e-3, 1.0, 1e3, 1e6)


def unit_forward(x):
    length = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return x / length, (x / length, length)


def unit_backward(g, cache):
    y, length = cache
    return (g - y * np.sum(g * y, axis=-1, keepdims=True)) / length


def standard_forward(x):
    y, length = unit_forward(x - np.mean(x, axis=-1, keepdims=True))[1]
    return y, (y, length)


def standard_backward(g, cache):
    g = unit_backward(g, cache)
    return g - np.mean(g, axis=-1, keepdims=True)


def of_each(function, slope):
    return lambda x: (function(x), x), lambda g, x: g * slope(x)


# The functions that saturate have no gradient left at some scales, and that is zero at any factor
FUNCTIONS = {
    "one over x": (*of_each(lambda x: 1 / x, lambda x: -1 / x**2), SCALES),
    "logarithm": (*of_each(lambda x: np.log(x * x), lambda x: 2 / x), SCALES),
    "cube": (*of_each(lambda x: x**3, lambda x: 3 * x * x), (*SCALES, 1e-14, 1e-12)),
    "parabola": (*of_each(np.square, lambda x: 2 * x), (*SCALES, 1e-14, 1e-12)),
    "absolute value": (*of_each(np.abs, np.sign), SCALES),
    "fast wave": (*of_each(lambda x: np.sin(1e6 * x), lambda x: 1e6 * np.cos(1e6 * x)), SCALES),
    "slow wave": (*of_each(lambda x: np.sin(1e3 * x), lambda x: 1e3 * np.cos(1e3 * x)), SCALES),
    "steep step": (*of_each(lambda x: np.tanh(1e7 * x), lambda x: 1e7 - 1e7 * np.tanh(1e7 * x) ** 2), SCALES[:2]),
    "bell": (*of_each(lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)), SCALES[:5]),
    "unit rows": (unit_forward, unit_backward, SCALES),
    "standard rows": (standard_forward, standard_backward, SCALES),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_at_every_scale_right_is_not_wrong_and_wrong_does_not_pass(name, method):
    forward, backward, scales = FUNCTIONS[name]
    settings = read_settings(method, rtol=1e-5, atol=0.0, step=None, seed=0)
    for scale in scales:
        x = scale * np.random.default_rng(3).normal(size=(2, 4))
        arguments = read_arguments(forward, [x], None)
        report, _ = compare_gradients(Pair(forward, backward, arguments), settings)
        assert not report.comparisons[0].num_wrong, (scale, report)
        wrong = Pair(forward, lambda g, cache: 1.01 * backward(g, cache), arguments)
        report, _ = compare_gradients(wrong, settings)
        assert not report.passed, (scale, report)
