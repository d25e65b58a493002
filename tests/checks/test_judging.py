"""Where right ends and wrong begins, and what difference quotients are worth: the arithmetic of a verdict."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.numeric.comparison import Comparator, compare, finite_maximum, reconcile
from acg_numpy.checks.numeric.differences import (
    LADDER,
    NEIGHBOURS,
    Differences,
    best_agreeing,
    is_at_kink,
    is_beside_kink,
    best_step,
    direction_slope,
    element_slope,
    central_difference,
    complex_step,
    direction_steps,
    noise_level,
    ladder_differences,
    one_sided_differences,
    quotients,
    resolution_of,
    richardson,
    slopes,
)
from acg_numpy.checks.numeric.directional import directional_derivatives
from acg_numpy.checks.numeric.perturbations import PerturbedFunction, same
from acg_numpy.checks.numeric.verdicts import Tolerance, Verdict, allowed, verdicts_on

EPS = 2.0**-52


def verdict(analytic, numeric, error, *, scale=1.0, eps=2.0**-40, rtol=0.0, atol=0.25):
    found = Differences(np.array([numeric], float), np.array([error], float))
    (one,) = verdicts_on(np.array([analytic], float), found, np.array([scale]), eps, Tolerance(rtol, atol, None))
    return Verdict(int(one)).name


def test_right_is_as_close_as_allowed_and_known_as_well():
    assert verdict(1.0, 0.75, 0.25) == "RIGHT"
    assert verdict(1.0, 0.75, 0.2501) == "UNDECIDED"
    assert verdict(1.0, 0.7499, 0.25) == "UNDECIDED"
    assert verdict(-1.0, -0.75, 0.0) == "RIGHT"


def test_wrong_stands_ten_errors_clear_of_what_is_allowed():
    assert verdict(1.0, 0.25, 0.0) == "WRONG"
    assert verdict(1.0, 0.25, 0.0499) == "WRONG"
    assert verdict(1.0, 0.25, 0.0501) == "UNDECIDED"
    assert verdict(0.25, 1.0, 0.0499) == "WRONG"


def test_what_is_allowed_is_a_share_of_the_larger_and_something_absolute():
    tolerance = Tolerance(0.5, 0.125, None)
    assert allowed(np.array([2.0]), np.array([-4.0]), tolerance) == 2.125
    assert allowed(np.array([-8.0]), np.array([4.0]), tolerance) == 4.125
    assert verdict(4.0, 2.0, 0.0, rtol=0.5, atol=0.0) == "RIGHT"
    assert verdict(4.0, 1.99, 0.0, rtol=0.5, atol=0.0) == "WRONG"


def test_zero_is_measured_against_the_scale_of_the_gradient():
    small = {"scale": 2.0, "eps": 2.0**-11, "rtol": 0.5, "atol": 0.0}  # 1000 eps * scale is about 0.98, rtol * scale 1
    edge = 1000 * 2.0**-10
    assert verdict(edge, -edge, 0.0, **small) == "ZERO"
    assert verdict(1.01 * edge, -edge, 0.0, **small) == "WRONG"
    assert verdict(edge, -1.01 * edge, 0.0, **small) == "WRONG"
    assert verdict(edge, -5.0, 0.5, **small) == "ZERO"
    assert verdict(edge, -5.1, 0.5, **small) == "UNDECIDED"
    assert verdict(0.0, 0.0, 1.0, **small) == "ZERO"
    assert verdict(0.0, 0.0, 1.01, **small) == "UNDECIDED"


def test_what_is_not_finite_is_wrong_in_a_gradient_and_undecided_in_a_difference():
    for value in (np.nan, np.inf, -np.inf):
        assert verdict(value, 1.0, 0.0) == "WRONG"
        assert verdict(1.0, value, 0.0) == "UNDECIDED"
        assert verdict(value, np.nan, 0.0) == "UNDECIDED"


# Difference quotients.


def test_a_quotient_is_the_weighed_change_over_the_width_and_errs_by_the_last_places_of_what_moved():
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
    assert resolution_of((one, other)) == 2.0**-23
    assert resolution_of((one,)) == EPS


def square_near(x, weights=1.0):
    x = np.asarray(x, float)
    return PerturbedFunction(lambda inputs: (inputs[0] ** 2,), [x], (np.full(x.shape, weights),))


def test_one_sided_differences_start_at_the_point():
    here, lines, steps = square_near([1.0, 3.0]), np.array([0, 1]), np.array([0.5, 0.25])
    zero = np.zeros(2)
    assert np.allclose(slopes(here, 0, lines, steps, zero).derivative, [2.5, 6.25])
    assert np.allclose(slopes(here, 0, lines, zero, steps).derivative, [1.5, 5.75])
    assert np.allclose(slopes(here, 0, lines, steps, steps).derivative, [2.0, 6.0])
    assert np.allclose(slopes(here, 0, lines[1:], steps[:1], steps[1:]).derivative, [6.25])
    slope = element_slope(here, 0, np.array([1]))
    assert np.allclose(slope(np.array([0, 0]), steps, zero).derivative, [6.5, 6.25])


def test_an_element_is_told_by_its_index():
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
def test_a_direction_moves_an_element_about_as_far_as_it_would_move_alone(shape):
    x = np.full(shape, 100.0)
    steps = direction_steps(x, np.stack([np.full(shape, 2.0), np.full(shape, -0.5)]), EPS)
    assert np.allclose(steps * [2.0, 0.5], best_step(100.0, EPS))
    assert np.array_equal(direction_steps(np.zeros(0), np.zeros((3, 0)), EPS), np.full(3, best_step(0.0, EPS)))


def test_directions_move_every_element_by_one_half_to_three_halves():
    argument = read_argument("x", np.linspace(-1, 1, 200))
    along = directional_derivatives(square_near(argument.value), 0, argument, EPS, np.random.default_rng(0))
    assert along.directions.shape == (4, 200)
    assert np.all((np.abs(along.directions) >= 0.5) & (np.abs(along.directions) <= 1.5))
    assert abs(np.mean(along.directions)) < 0.2
    assert np.std(np.abs(along.directions)) > 0.2
    assert np.allclose(along.numeric.derivative, along.directions @ (2 * argument.value), atol=1e-6)


# Ladders.


def test_of_a_ladder_the_rung_is_taken_that_its_neighbours_agree_with_best():
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


def test_of_many_lines_those_beside_a_kink_are_found_and_they_alone_are_tried_closer():
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


def judge(x, *, step=None, method="central", outputs=(1.0,), weights=(1.0,)):
    arguments = [read_argument("x", np.asarray(x, float))]
    pair = tuple(np.array(y) for y in outputs), tuple(np.array(g) for g in weights)
    return Comparator(lambda inputs: (inputs[0],), None, arguments, *pair, Tolerance(1e-5, 0.0, step), method)


def test_steps_are_those_asked_for_or_the_best():
    assert np.array_equal(judge([1.0, 50.0], step=0.25).steps(0), [0.25, 0.25])
    assert np.array_equal(judge([1.0, -50.0]).steps(0), best_step(np.array([1.0, 50.0]), EPS))
    assert judge(3.0).steps(0).shape == (1,)


def waves(step=None):
    """sin(1000 x), for which the best step of a slow function is far too long."""
    arguments = [read_argument("x", np.array([[0.0, 0.4], [1.0, -2.0]]))]
    ones = (np.ones((2, 2)),)
    return Comparator(
        lambda inputs: (np.sin(1000 * inputs[0]),), None, arguments, ones, ones, Tolerance(1e-5, 0.0, step), "central"
    )


def test_a_derivative_that_nothing_is_held_against_is_as_good_as_one_in_dispute():
    judge = waves()
    found, x = judge.derivative(0), judge.here.values[0]
    right = 1000 * np.cos(1000 * x)
    assert found.derivative.shape == found.error.shape == (2, 2)
    one_step = np.abs(judge.first(0).numeric.derivative.reshape(2, 2) - right)
    assert np.all(np.abs(found.derivative - right) < 1e-6 * np.abs(right))
    assert np.all(np.abs(found.derivative - right) < one_step)
    assert np.all((found.error > 0) & (found.error < 1e-5 * np.abs(right)))


def test_with_a_step_of_ones_own_the_neighbours_of_that_step_are_asked_and_no_others():
    found, x = waves(step=1e-4).derivative(0), waves().here.values[0]
    at_step = 1000 * np.cos(1000 * x) * np.sin(0.1) / 0.1
    np.testing.assert_allclose(found.derivative, at_step, rtol=1e-6)
    assert np.all(found.error > 1e-3 * np.abs(at_step))


def test_elements_that_are_known_well_enough_are_not_asked_again():
    judge = waves()
    first = judge.first(0)
    refined = judge.refined(0, np.zeros(4), first, np.array([1, 2]))
    assert np.array_equal(refined.derivative == first.numeric.derivative, [True, False, False, True])


def test_what_rounding_may_do_is_that_of_outputs_of_at_most_one():
    assert judge([1.0], outputs=(0.5, -7.0), weights=(-2.0, 3.0)).least == 10 * EPS * (1.0 + 3.0)


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


# Many moves in a call.


def test_outputs_are_the_same_but_for_rounding():
    a = np.array([1.0, -2.0, np.inf])
    assert same([a], [a.copy()])
    assert same([a], [a + np.array([1e-12, 0, 0])])
    assert not same([a], [a + np.array([1e-11, 0, 0])])
    assert not same([a], [a.astype(np.float32)])
    assert not same([a], [a[:2]])
    assert not same([a], [np.array([1.0, -2.0, np.nan])])
    assert same([np.float32([1.0])], [np.float32([1.0 + 5e-7])])


def test_a_move_of_one_element_leaves_the_others():
    here = square_near([[1.0, 2.0], [3.0, 4.0]])
    (found,) = here.evaluate_one_by_one(0, np.array([0, 3]), np.array([1.0, -4.0]))
    assert np.array_equal(found, [[[4, 4], [9, 16]], [[1, 4], [9, 0]]])
    assert here.evaluate_shifted(0, np.zeros(0, int), np.zeros(0))[0].shape == (0, 2, 2)
    (many,) = here.evaluate_shifted(0, np.resize(np.arange(4), 9), np.full(9, 0.5))
    assert many.shape == (9, 2, 2)
    assert many[8, 0, 0] == 2.25
    assert here.layouts == {0: ()}


def test_extrapolation_starts_at_the_step_that_is_given():
    seen = []

    def evaluate(inputs):
        seen.append(float(inputs[0][0]))
        return (inputs[0] ** 2,)

    found = richardson(PerturbedFunction(evaluate, [np.ones(1)], (np.ones(1),)), 0, np.array([0]), EPS, 0.5)
    assert found.derivative == pytest.approx(2.0, rel=1e-13)
    assert max(seen) == 1.5
    assert {1.25, 1.125} <= set(seen)


def test_extrapolation_starts_where_what_it_leaves_of_truncation_is_as_large_as_rounding():
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


def test_extrapolation_over_whole_waves_is_no_better_known_than_it_is_far_from_a_short_step():
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


def test_an_undecided_element_is_no_failure_and_a_step_too_long_is_named():
    report = check_backward(
        lambda x: (np.sin(50 * x), x),
        lambda g, x: 50 * g * np.cos(50 * x),
        np.array([0.3]),
        step=0.1,
        raise_on_failure=False,
    )
    assert report.per_input["x"].step_fault == "step-too-large"
    assert report.diagnoses[0].message.endswith("step 0.1 for x: a smaller one decides them; leave step out")
