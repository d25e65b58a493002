"""Gradients compared along a few random directions."""

import numpy as np

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.numeric.differences import LADDER, direction_slope, direction_steps, ladder_differences
from acg_numpy.checks.numeric.directional import directional_derivatives
from acg_numpy.checks.numeric.perturbations import PerturbedFunction
from tests.checks.comparing import compare_only
from tests.checks.functions import EPS, pair, softmax_backward, softmax_forward, square_near


def test_directions_move_every_element_by_one_half_to_three_halves():
    argument = read_argument("x", np.linspace(-1, 1, 200))
    along = directional_derivatives(square_near(argument.value), 0, argument, EPS, np.random.default_rng(0))
    assert along.directions.shape == (4, 200)
    assert np.all((np.abs(along.directions) >= 0.5) & (np.abs(along.directions) <= 1.5))
    assert abs(np.mean(along.directions)) < 0.2
    assert np.std(np.abs(along.directions)) > 0.2
    assert np.allclose(along.numeric.derivative, along.directions @ (2 * argument.value), atol=1e-6)


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
    found = ladder_differences(direction_slope(here, 0, v), direction_steps(np.zeros(3), v, EPS), LADDER)
    np.testing.assert_allclose(found.derivative, [0, 1, 2], atol=1e-8)


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


def test_rounding_inside_a_forward_makes_no_right_gradient_wrong():
    def forward(x):
        return np.sin(x.astype(np.float32)).astype(np.float64), x

    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=5)
        report = compare_only(
            forward, lambda g, x: g * np.cos(x), x, method="directional", seed=seed, raise_on_failure=False
        )
        assert report.per_input["x"].num_wrong == 0


def test_a_kink_between_two_steps_makes_no_right_gradient_wrong():
    """One element is 3.7e-7 from the kink of |x|, the others a thousand times as far."""
    x = 1e-3 * np.random.default_rng(13860725).normal(size=10)
    report = compare_only(*pair("magnitude"), x, method="directional", seed=725, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


def test_with_the_same_seed_the_same_directions_are_taken():
    x = np.linspace(0.5, 2.0, 6)

    def slopes(seed):
        report = compare_only(lambda x: (np.sin(x), x), lambda g, x: g * np.cos(x), x, method="directional", seed=seed)
        return report.comparisons[0].numeric

    assert np.array_equal(slopes(3), slopes(3))
    assert not np.array_equal(slopes(3), slopes(4))
