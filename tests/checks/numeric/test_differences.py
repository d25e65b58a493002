"""Numeric derivatives know how good they are."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acg_numpy.checks.numeric.differences import (
    LADDER,
    NEIGHBOURS,
    Differences,
    best_agreeing,
    best_step,
    central_differences,
    complex_step,
    direction_slope,
    direction_steps,
    element_slope,
    is_at_kink,
    is_beside_kink,
    ladder_differences,
    noise_level,
    one_sided_differences,
    output_eps,
    quotients,
    richardson,
    slopes,
)
from acg_numpy.checks.numeric.perturbations import PerturbedFunction
from tests.checks.functions import EPS, FUNCTIONS, SMOOTH, square_near


def central_difference(evaluate, inputs, which, index, grad_outs, step):
    """Of one element, told by its index."""
    flat = np.ravel_multi_index(index, np.shape(inputs[which])) if index else 0
    near = PerturbedFunction(evaluate, inputs, grad_outs)
    found = central_differences(near, which, np.array([flat]), np.array([step]))
    return Differences(found.derivative[0], found.error[0])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SMOOTH)), st.floats(-8, 8))
def test_the_true_derivative_lies_within_ten_times_the_error(name, x):
    function, derivative = SMOOTH[name]

    near = PerturbedFunction(lambda inputs: (function(inputs[0]),), [np.array([x])], (np.ones(1),))
    steps = np.array([best_step(x, EPS)])
    found = ladder_differences(element_slope(near, 0, np.array([0])), steps, LADDER)
    scale = abs(derivative(x)) + abs(function(x)) + 1
    assert abs(found.derivative - derivative(x)) <= 10 * found.error + 1e-13 * scale
    assert found.error <= 1e-6 * scale


def test_the_step_grows_with_the_element_and_the_resolution():
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


def test_a_quotient_is_the_weighted_change_over_the_width():
    above, below = np.array([[3.0, 5.0], [1.0, -8.0]]), np.array([[1.0, 5.0], [1.0, -2.0]])
    found = quotients((np.concatenate([above, below]),), (np.array([10.0, -1.0]),), np.array([2.0, 4.0]))
    assert np.array_equal(found.derivative, [10.0, 1.5])
    assert np.array_equal(found.error, [EPS * 3.0 * 10.0 / 2, EPS * 8.0 / 4])


def test_what_did_not_move_errs_by_the_last_place_of_the_loudest():
    still = np.array([[3.0, -5.0]])
    found = quotients((np.concatenate([still, still]),), (np.array([1.0, -2.0]),), np.array([-0.5]))
    assert np.array_equal(found.derivative, [0.0])
    assert np.array_equal(found.error, [EPS * 10.0 / 0.5])
    endless = np.array([[np.inf, 1.0]])
    found = quotients((np.concatenate([endless, endless]),), (np.ones(2),), np.ones(1))
    assert np.array_equal(found.derivative, [0.0])
    assert np.array_equal(found.error, [EPS])


def test_several_outputs_add_up_each_with_its_own_resolution():
    one, other = np.array([[2.0], [1.0]]), np.array([4.0, 1.0], np.float32)
    found = quotients((one, other), (np.ones(1), np.float32(2.0)), np.ones(1))
    assert np.array_equal(found.derivative, [1.0 + 6.0])
    assert np.array_equal(found.error, [2 * EPS + 8 * 2.0**-23])
    assert output_eps((one, other)) == 2.0**-23
    assert output_eps((one,)) == EPS


def test_one_sided_differences_start_at_the_point():
    here, lines, steps = square_near([1.0, 3.0]), np.array([0, 1]), np.array([0.5, 0.25])
    zero = np.zeros(2)
    assert np.allclose(slopes(here, 0, lines, steps, zero).derivative, [2.5, 6.25])
    assert np.allclose(slopes(here, 0, lines, zero, steps).derivative, [1.5, 5.75])
    assert np.allclose(slopes(here, 0, lines, steps, steps).derivative, [2.0, 6.0])
    assert np.allclose(slopes(here, 0, lines[1:], steps[:1], steps[1:]).derivative, [6.25])
    slope = element_slope(here, 0, np.array([1]))
    assert np.allclose(slope(np.array([0, 0]), steps, zero).derivative, [6.5, 6.25])


def test_an_element_is_found_by_its_index():
    x, g = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 10.0], [100.0, 1000.0]])
    for index in np.ndindex(2, 2):
        found = central_difference(lambda inputs: (inputs[0] ** 2,), [x], 0, index, (g,), 2.0**-10)
        assert found.derivative == pytest.approx(2 * x[index] * g[index], rel=1e-12)
    alone = central_difference(lambda inputs: (inputs[0] ** 2,), [np.array(3.0)], 0, (), (np.array(2.0),), 2.0**-10)
    assert alone.derivative == pytest.approx(12.0)


def test_along_a_direction_the_quotient_is_of_the_step():
    here = square_near([1.0, 3.0])
    slope = direction_slope(here, 0, np.array([[1.0, 1.0], [2.0, -1.0]]))
    assert np.allclose(slope(np.array([1, 0]), np.array([0.5, 0.5]), np.array([0.5, 0.0])).derivative, [-2.0, 9.0])


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_directions_move_elements_about_as_far_as_they_move_alone(shape):
    x = np.full(shape, 100.0)
    steps = direction_steps(x, np.stack([np.full(shape, 2.0), np.full(shape, -0.5)]), EPS)
    assert np.allclose(steps * [2.0, 0.5], best_step(100.0, EPS))
    assert np.array_equal(direction_steps(np.zeros(0), np.zeros((3, 0)), EPS), np.full(3, best_step(0.0, EPS)))


def test_of_a_ladder_the_rung_with_the_best_agreement_is_taken():
    found = best_agreeing(Differences(np.array([[5.0, 3.0, 2.0, 2.5, 9.0]]), np.array([[9.0, 0.5, 0.25, 0.125, 9.0]])))
    assert np.array_equal(found.derivative, [2.0])
    assert np.array_equal(found.error, [1.25])  # its own 0.25, and the 1 to the farther neighbour
    quiet = best_agreeing(Differences(np.array([1.0, 1.0, 1.0, 1.0]), np.array([0.0, 0.5, 0.25, 0.0])))
    assert (quiet.derivative, quiet.error) == (1.0, 0.25)


def test_noise_near_a_point_counts_less_the_longer_the_step():
    here = square_near([1.0])
    slope, steps = element_slope(here, 0, np.array([0])), np.array([1e-3])
    plain, noisy = ladder_differences(slope, steps, LADDER), ladder_differences(slope, steps, LADDER, np.array([1e-6]))
    assert noisy.error > plain.error
    assert noisy.error == pytest.approx(1e-6 / (1e-3 * LADDER[-2]), rel=0.05)
    assert ladder_differences(slope, steps, NEIGHBOURS).derivative == pytest.approx(2.0)


def test_noise_is_what_a_parabola_misses():
    rough = PerturbedFunction(
        lambda inputs: (inputs[0] ** 2 + 1e-4 * np.sign(np.sin(1e9 * inputs[0])),), [np.ones(1)], (np.ones(1),)
    )
    smooth = noise_level(element_slope(square_near([1.0]), 0, np.array([0])), np.array([1e-2]))
    noise = noise_level(element_slope(rough, 0, np.array([0])), np.array([1e-2]))
    assert smooth < 1e-14
    assert 1e-5 < noise < 1e-3
    endless = PerturbedFunction(lambda inputs: (inputs[0] / 0.0,), [np.ones(1)], (np.ones(1),))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert noise_level(element_slope(endless, 0, np.array([0])), np.array([1e-2])) in (np.inf, 0.0)


@pytest.mark.parametrize("side", [-1, 1])
def test_noise_is_looked_for_as_far_below_a_point_as_above(side):
    """The tiny steps are sixteenths of a step, and reach about four of them to either side."""
    rough = PerturbedFunction(lambda inputs: (1e-4 * (side * inputs[0] > 3.5),), [np.zeros(1)], (np.ones(1),))
    assert noise_level(element_slope(rough, 0, np.array([0])), np.array([16.0])) > 1e-6


def bent_at(place, left, right):
    """A function with one slope below a place and another above it."""

    def evaluate(inputs):
        off = inputs[0] - place
        return (np.where(off > 0, right * off, left * off),)

    return element_slope(PerturbedFunction(evaluate, [np.zeros(1)], (np.ones(1),)), 0, np.array([0]))


STEP = np.array([1e-3])


@pytest.mark.parametrize(("value", "between"), [(-1.0, True), (0.0, True), (2.0, True), (-1.01, False), (2.01, False)])
def test_at_a_kink_any_value_between_the_slopes_will_do(value, between):
    for slope in (bent_at(0.0, -1.0, 2.0), bent_at(0.0, 2.0, -1.0)):
        assert is_at_kink(slope, STEP, np.array([value]), one_sided_differences(slope, STEP)) == between


@pytest.mark.parametrize("place", [-1e-4, 1e-4])
def test_beside_a_kink_the_slope_on_this_side_will_do(place):
    slope, here = bent_at(place, -1.0, 2.0), 2.0 if place < 0 else -1.0
    sides = one_sided_differences(slope, STEP)
    for value in (here, 0.0, 1.0 - here):
        assert is_beside_kink(slope, STEP, np.array([value]), sides) == (value == here)
        assert not is_at_kink(slope, STEP, np.array([value]), sides)


def test_where_nothing_bends_there_is_no_kink():
    smooth, bent = element_slope(square_near([1.0]), 0, np.array([0])), bent_at(0.5, -1.0, 2.0)
    for value in (2.0, 1.0, 3.0):
        assert not is_at_kink(smooth, STEP, np.array([value]), one_sided_differences(smooth, STEP))
        assert not is_beside_kink(smooth, STEP, np.array([value]), one_sided_differences(smooth, STEP))
    assert not is_beside_kink(bent, STEP, np.array([-1.0]), one_sided_differences(bent, STEP))


def test_only_lines_beside_a_kink_are_tried_closer():
    places, closest = np.array([9.0, 1e-4, 9.0, -1e-4, 9.0]), np.full(5, np.inf)

    def evaluate(inputs):
        off = inputs[0] - places
        return (np.where(off > 0, 2.0 * off, -off),)

    slope = element_slope(PerturbedFunction(evaluate, [np.zeros(5)], (np.ones(5),)), 0, np.arange(5))

    def watched(lines, ups, downs):
        np.minimum.at(closest, lines, np.maximum(ups, downs))
        return slope(lines, ups, downs)

    steps = np.repeat(STEP, 5)
    found = is_beside_kink(watched, steps, np.array([-1.0, -1.0, 2.0, 2.0, 0.0]), one_sided_differences(watched, steps))
    assert np.array_equal(found, [False, True, False, True, False])
    assert np.array_equal(closest < steps / 100, found)


def test_extrapolation_starts_at_the_step_that_is_given():
    seen = []

    def evaluate(inputs):
        seen.append(float(inputs[0][0]))
        return (inputs[0] ** 2,)

    found = richardson(PerturbedFunction(evaluate, [np.ones(1)], (np.ones(1),)), 0, np.array([0]), EPS, 0.5)
    assert found.derivative == pytest.approx(2.0, rel=1e-13)
    assert max(seen) == 1.5
    assert {1.25, 1.125} <= set(seen)


def test_extrapolation_starts_where_truncation_is_as_large_as_rounding():
    """Six levels leave h^12 of truncation and eps / h of rounding: h grows with eps^(1/13), and with the element."""

    def longest(x, eps):
        seen = []

        def evaluate(inputs):
            seen.append(abs(float(inputs[0][0]) - x))
            return (inputs[0] ** 2,)

        richardson(PerturbedFunction(evaluate, [np.array([x])], (np.ones(1),)), 0, np.array([0]), eps)
        return max(seen)

    assert longest(0.0, EPS) == 2.0**-6
    assert longest(0.0, 2.0**13 * EPS) == pytest.approx(2.0**-5)
    assert longest(0.0, 2.0**26 * EPS) == pytest.approx(2.0**-4)
    assert longest(-64.0, EPS) == 1.0


def test_extrapolation_over_whole_waves_has_a_large_error():
    """At steps of whole waves there and back is level, at each of them: they agree, and all are wrong."""
    slope = 2.0**12 * np.pi
    here = PerturbedFunction(lambda inputs: (np.sin(slope * inputs[0]),), [np.zeros(1)], (np.ones(1),))
    found = richardson(here, 0, np.array([0]), EPS)
    assert abs(found.derivative) < 1e-9 * slope
    assert found.error == pytest.approx(slope, rel=1e-2)


def test_a_function_without_use_for_complex_numbers_has_no_complex_step():
    for evaluate in (
        lambda inputs: (np.abs(inputs[0]),),
        lambda inputs: (np.concatenate([inputs[0], inputs[0]]),),
        lambda inputs: (inputs[0].astype(float, casting="safe"),),
    ):
        assert complex_step(PerturbedFunction(evaluate, [np.ones(1)], (np.ones(1),)), 0, np.array([0])) is None


@given(st.sampled_from(sorted(FUNCTIONS)), st.floats(-8, 8))
def test_extrapolation_knows_its_error(name, x):
    function, derivative = FUNCTIONS[name]
    if name == "magnitude" and abs(x) < 1:
        return
    here = PerturbedFunction(lambda inputs: (function(inputs[0]),), [np.array([x])], (np.ones(1),))
    found = richardson(here, 0, np.array([0]), EPS)
    scale = abs(derivative(x)) + abs(function(x)) + 1
    assert abs(found.derivative[0] - derivative(x)) <= 10 * found.error[0] + 1e-13 * scale


def test_extrapolation_is_far_better_than_a_central_difference():
    x = np.linspace(-1, 1, 9)
    here = PerturbedFunction(lambda inputs: (np.exp(inputs[0]),), [x], (np.ones(9),))
    assert np.all(np.abs(richardson(here, 0, np.arange(9), EPS).derivative - np.exp(x)) < 1e-12 * np.exp(x))


def test_a_cast_that_discards_imaginary_parts_gives_no_warning():
    function = PerturbedFunction(
        lambda inputs: (1.0 * inputs[0] + inputs[0].astype(float),), [np.ones(2)], (np.ones(2),)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = complex_step(function, 0, np.arange(2))
    np.testing.assert_allclose(found.derivative, 1.0)


def test_a_complex_step_is_exact():
    x = np.linspace(-2, 2, 9)
    here = PerturbedFunction(lambda inputs: (np.sin(inputs[0]) * np.exp(inputs[0]),), [x], (np.ones(9),))
    exact = (np.sin(x) + np.cos(x)) * np.exp(x)
    np.testing.assert_allclose(complex_step(here, 0, np.arange(9)).derivative, exact, rtol=1e-14)


def test_derivatives_whose_distance_overflows_do_not_agree():
    """1e308 and -1e308 are numbers, and their difference is none: warnings are errors here."""
    found = best_agreeing(Differences(np.array([1e308, -1e308, 2.0, 2.0, 2.0]), np.zeros(5)))
    assert (found.derivative, found.error) == (2.0, 0.0)


def test_where_nothing_is_finite_nothing_agrees():
    found = best_agreeing(Differences(np.full((2, 5), np.nan), np.zeros((2, 5))))
    assert np.all(found.error == np.inf)
