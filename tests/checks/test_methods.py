"""Four ways to a numeric derivative, and many calls in one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import passes
from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.checks.numeric.differences import LADDER, Differences, best_agreeing, complex_step, directional, richardson
from acg_numpy.checks.numeric.perturbations import PerturbedFunction
from acg_numpy.checks.settings import METHODS

EPS = 2.0**-52


def sech_squared(u):
    """The derivative of tanh, precise also where tanh is almost 1."""
    return np.cosh(np.minimum(np.abs(u), 300.0)) ** -2.0


FUNCTIONS = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "fast sin": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "tanh": (np.tanh, sech_squared),
    "cubic": (lambda x: x**3 - 4 * x, lambda x: 3 * x**2 - 4),
    "high above zero": (lambda x: 1e6 + np.sin(x), np.cos),
    "steep": (lambda x: np.tanh(10 * x), lambda x: 10 * sech_squared(10 * x)),
    "magnitude": (np.abs, np.sign),
}
names = st.sampled_from(sorted(FUNCTIONS))
ROUNDED = {"as it is written": (lambda x: np.tanh(10 * x), lambda x: 10 - 10 * np.tanh(10 * x) ** 2)}  # not precise
methods = pytest.mark.parametrize("method", METHODS)


def pair(name, factor=1.0):
    """A function of each element with its backward, or a multiple of it."""
    function, derivative = (FUNCTIONS | ROUNDED)[name]
    return lambda x: (function(x), x), lambda g, x: factor * g * derivative(x)


def softmax_forward(x):
    e = np.exp(x - np.max(x.real, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return p, p


def softmax_backward(g, p):
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


@methods
@given(st.sampled_from(sorted(FUNCTIONS | ROUNDED)), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 30.0]))
def test_a_right_derivative_never_fails(method, name, seed, size):
    """Ten elements an example: 10,000 for each method under the thorough profile."""
    x = size * np.random.default_rng(seed).normal(size=10)
    report = check_backward(*pair(name), x, method=method, seed=seed % 1000, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


@methods
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 300.0))
def test_a_saturated_softmax_rounds_off_its_gradient_and_does_not_fail(method, seed, gap):
    """Where one weight is 1 but for rounding, P * (dP - sum(P * dP)) is nothing but rounding."""
    x = np.random.default_rng(seed).normal(size=(1, 4)) + np.array([gap, 0.0, 0.0, 0.0])
    report = check_backward(
        softmax_forward, softmax_backward, x, method=method, seed=seed % 1000, raise_on_failure=False
    )
    assert report.per_input["x"].num_wrong == 0


@methods
@given(names, st.integers(0, 2**32 - 1), st.floats(1e-4, 1.0), st.booleans())
def test_an_error_above_a_ten_thousandth_never_passes_where_it_is_resolved(method, name, seed, error, sign):
    x = np.random.default_rng(seed).normal(size=10)
    factor = 1 + (error if sign else -error) * 1.01
    compared = check_backward(*pair(name, factor), x, method=method, raise_on_failure=False).per_input["x"]
    assert compared.num_right == int(np.sum(compared.zero))
    resolved = compared.error <= 9e-6 * np.abs(compared.numeric)  # ten times that, and rtol, are less than the error
    assert np.all(compared.wrong[resolved & ~compared.zero & (np.abs(compared.numeric) > 0)])


@given(names, st.floats(-8, 8))
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


def test_a_complex_step_is_exact():
    x = np.linspace(-2, 2, 9)
    here = PerturbedFunction(lambda inputs: (np.sin(inputs[0]) * np.exp(inputs[0]),), [x], (np.ones(9),))
    exact = (np.sin(x) + np.cos(x)) * np.exp(x)
    np.testing.assert_allclose(complex_step(here, 0, np.arange(9)).derivative, exact, rtol=1e-14)


def test_a_function_that_is_not_analytic_is_noted_and_checked_by_central_differences():
    x = np.array([0.5, -1.5, 2.0])
    report = check_backward(lambda x: (np.abs(x) * x, x), lambda g, x: 2 * g * np.abs(x), x, method="complex")
    assert report.passed
    assert any("not complex-analytic" in note for note in report.notes)
    analytic = check_backward(*pair("exp"), x, method="complex")
    assert not any("complex" in note for note in analytic.notes)


def test_a_function_that_takes_no_complex_numbers_is_noted_and_checked_by_central_differences():
    x = np.array([0.5, -1.5, 2.0])
    report = check_backward(lambda x: (np.fmod(x, 4.0) * x, x), lambda g, x: 2 * g * x, x, method="complex")
    assert report.passed
    assert report.notes == (
        "x: for 3 elements complex steps and central differences disagree, or the function takes no complex numbers: "
        "it is not complex-analytic there (abs, maximum and casts are not), and central differences were used",
    )


def test_functions_of_tensors_take_every_method():
    x = np.random.default_rng(0).normal(size=(3, 4))
    for method in METHODS:
        assert gradcheck(lambda x: np.tanh(x) * x, x, method=method).passed


def test_the_cost_of_random_directions_does_not_depend_on_the_size():
    calls = {}
    for size in (10, 1000):
        counted = []

        def forward(x, counted=counted):
            counted.append(1)
            return np.sum(np.sin(x)), x

        report = check_backward(forward, lambda g, x: g * np.cos(x), np.linspace(0, 1, size), method="directional")
        assert report.passed
        calls[size] = len(counted)
    assert calls[10] == calls[1000] < 100


def test_one_wrong_element_shows_in_random_directions():
    def backward(g, x):
        grad = g * np.cos(x)
        grad[17] *= 1.5
        return grad

    x = np.linspace(0, 1, 200)
    report = check_backward(lambda x: (np.sum(np.sin(x)), x), backward, x, method="directional", raise_on_failure=False)
    assert report.per_input["x"].num_wrong == len(report.per_input["x"].directions)
    assert "direction" in str(report)


def test_directions_are_those_asked_for():
    here = PerturbedFunction(lambda inputs: (np.exp(inputs[0]),), [np.zeros(3)], (np.arange(3.0),))
    v = np.eye(3)
    np.testing.assert_allclose(directional(here, 0, v, EPS, LADDER).derivative, [0, 1, 2], atol=1e-8)


def test_a_gradient_that_is_zero_is_zero_along_directions():
    x = np.random.default_rng(0).normal(size=(3, 1))
    report = check_backward(softmax_forward, softmax_backward, x, method="directional")
    assert report.undecided == 0
    assert report.per_input["x"].dead


def test_directions_that_cross_a_kink_are_undecided():
    x = np.array([3e-8, 1.0, -2.0])
    report = check_backward(*pair("magnitude"), x, method="directional", raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0
    assert report.diagnoses[0].mistake == "kink"


def test_what_a_forward_rounds_off_inside_is_not_held_against_a_gradient_along_directions():
    def forward(x):
        return np.sin(x.astype(np.float32)).astype(np.float64), x

    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=5)
        report = check_backward(
            forward, lambda g, x: g * np.cos(x), x, method="directional", seed=seed, raise_on_failure=False
        )
        assert report.per_input["x"].num_wrong == 0


# Many calls in one.


def counting(forward):
    """A forward with a list that grows by one at each call."""
    calls = []

    def counted(*args):
        calls.append(1)
        return forward(*args)

    return counted, calls


def test_a_function_that_takes_a_leading_axis_is_called_a_few_times_only():
    forward, calls = counting(softmax_forward)
    x = np.random.default_rng(0).normal(size=(6, 8))
    assert check_backward(forward, softmax_backward, x).passed
    assert len(calls) < x.size / 2


WITH_AN_AXIS = {
    "another sum": (lambda x: (x / np.max(np.abs(x)), x), None),
    "the first axis reduced": (lambda x: (x - np.mean(x, axis=0), x), lambda g, x: g - np.mean(g, axis=0)),
    "two axes demanded": (lambda x: (x @ np.ones((x.shape[1], 2)), x), lambda g, x: g @ np.ones((2, x.shape[1]))),
    "another thing done to many": (
        lambda x: (np.sin(x) if x.ndim == 2 or len(x) < 8 else np.cos(x), x),
        lambda g, x: g * np.cos(x),
    ),
    "another thing done to the last": (
        lambda x: (np.sin(x) if x.ndim == 2 else np.concatenate([np.sin(x[:-1]), np.cos(x[-1:])]), x),
        lambda g, x: g * np.cos(x),
    ),
}


@pytest.mark.parametrize("name", WITH_AN_AXIS)
def test_a_function_that_does_something_else_with_a_leading_axis_is_called_once_an_element(name):
    forward, backward = WITH_AN_AXIS[name]
    x = np.random.default_rng(1).normal(size=(4, 5))
    here = PerturbedFunction(lambda inputs: (forward(inputs[0])[0],), [x], (np.ones(np.shape(forward(x)[0])),))
    flats, shifts = np.arange(20), np.full(20, 0.1)
    (many,), (single,) = here.evaluate_shifted(0, flats, shifts), here.evaluate_one_by_one(0, flats, shifts)
    np.testing.assert_allclose(many, single, rtol=1e-12)
    if backward is not None:
        assert check_backward(forward, backward, x).passed


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 5), st.integers(2, 5))
def test_many_calls_in_one_are_the_calls_one_by_one(seed, queries, keys, width):
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=(queries, width)), rng.normal(size=(keys, width)), rng.normal(size=(keys, 3))]
    grad_outs = (np.ones((queries, 3)),)
    here = PerturbedFunction(lambda point: (passes.scaled_dot_product_forward(*point)[0],), inputs, grad_outs)
    for which, x in enumerate(inputs):
        flats = np.resize(np.arange(x.size), 12)
        shifts = rng.normal(size=12)
        (many,), (single,) = here.evaluate_shifted(which, flats, shifts), here.evaluate_one_by_one(which, flats, shifts)
        np.testing.assert_allclose(many, single, rtol=1e-10, atol=1e-12)
        assert here.layouts[which] is not None


# Where the check is off and not the gradient.


def test_at_a_kink_the_gradient_cannot_be_judged_and_that_is_said():
    x = np.array([0.0, 1.0, -2.0])
    report = check_backward(lambda x: (np.maximum(x, 0.0), x), lambda g, x: g * (x > 0), x)
    assert report.undecided == 1
    assert list(report.per_input["x"].kink) == [True, False, False]
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["kink"]


def test_at_a_kink_a_value_outside_the_two_slopes_is_wrong():
    x = np.array([0.0, 1.0, -2.0])
    report = check_backward(
        lambda x: (np.maximum(x, 0.0), x), lambda g, x: g * ((x > 0) + 2.0 * (x == 0)), x, raise_on_failure=False
    )
    assert report.per_input["x"].num_wrong == 1


@pytest.mark.parametrize(("step", "mistake"), [(0.5, "step-too-large"), (1e-14, "step-too-small")])
def test_a_step_that_is_to_blame_is_blamed(step, mistake):
    x = np.array([0.3, 1.0, 2.0])
    report = check_backward(*pair("fast sin"), x, step=step, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0
    assert report.diagnoses[0].mistake == mistake
    assert not report.notes  # on how uncertain the derivative is: at a better step it is not


def test_a_step_does_not_excuse_a_wrong_gradient():
    x = np.array([0.3, 1.0, 2.0])
    report = check_backward(*pair("sin", 1.5), x, step=1e-4, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 3


def test_a_forward_that_computes_in_too_few_digits_is_told_so():
    def forward(x):
        return np.sin(x.astype(np.float32)).astype(np.float64), x

    report = check_backward(forward, lambda g, x: g * np.cos(x), np.array([0.3, 0.9]), raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0
    assert report.diagnoses[0].mistake == "low-precision"


def test_what_is_undecided_is_retried_by_complex_step():
    x = np.array([0.3, 0.9])
    report = check_backward(lambda x: (1e12 + np.sin(x), x), lambda g, x: g * np.cos(x), x)
    assert report.passed
    assert report.undecided == 0


@pytest.mark.parametrize("factor", [1.1, 0.5, -1.0])
def test_what_complex_steps_alone_resolve_can_be_wrong(factor):
    x = np.array([0.3, 0.9])
    report = check_backward(
        lambda x: (1e12 + np.sin(x), x), lambda g, x: factor * g * np.cos(x), x, raise_on_failure=False
    )
    assert report.per_input["x"].num_wrong == 2


def test_derivatives_too_far_apart_for_their_distance_to_be_written_do_not_agree_and_do_no_harm():
    """1e308 and -1e308 are numbers, and their difference is none: warnings are errors here."""
    found = best_agreeing(Differences(np.array([1e308, -1e308, 2.0, 2.0, 2.0]), np.zeros(5)))
    assert (found.derivative, found.error) == (2.0, 0.0)


def test_what_nothing_finite_is_known_of_is_never_agreed():
    found = best_agreeing(Differences(np.full((2, 5), np.nan), np.zeros((2, 5))))
    assert np.all(found.error == np.inf)


def test_a_kink_between_the_steps_of_the_ladder_makes_no_right_gradient_wrong():
    """One element is 3.7e-7 from the kink of |x|, the others a thousand times as far."""
    x = 1e-3 * np.random.default_rng(13860725).normal(size=10)
    report = check_backward(*pair("magnitude"), x, method="directional", seed=725, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
@given(st.floats(1 / 40, 1 / 10), st.sampled_from([-1.0, 1.0]))
def test_a_kink_a_sixteenth_of_a_step_away_makes_no_right_gradient_wrong(method, distance, side):
    """So near, most steps of the ladder mix the two slopes and agree on it; so far, one-sided slopes come together."""
    x = np.array([side * distance * EPS ** (1 / 3), 1.0, -2.0])
    report = check_backward(*pair("magnitude"), x, method=method, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
def test_a_kink_close_by_does_not_excuse_a_value_that_is_no_slope(method):
    x = np.array([EPS ** (1 / 3) / 16, 1.0, -2.0])
    report = check_backward(*pair("magnitude", 1.5), x, method=method, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 3


def test_with_the_same_seed_the_same_directions_are_taken():
    x = np.linspace(0.5, 2.0, 6)

    def slopes(seed):
        report = check_backward(
            lambda x: (np.sin(x), x), lambda g, x: g * np.cos(x), x, method="directional", seed=seed
        )
        return report.comparisons[0].numeric

    assert np.array_equal(slopes(3), slopes(3))
    assert not np.array_equal(slopes(3), slopes(4))


def test_of_elements_at_a_kink_no_note_says_that_they_are_uncertain():
    report = check_backward(lambda x: (np.maximum(x, 0), x), lambda g, x: g * (x > 0), np.array([1.0, 0.0, 3.0]))
    assert report.comparisons[0].num_kinks == 1
    assert report.notes == ()
