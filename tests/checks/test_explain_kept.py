"""What a report keeps beside its verdict: a kink in a right gradient, inputs that cannot learn, a small error.

And what the search for a mistake keeps to: a graph only if it agrees, what fits to the tolerance, the units of inputs.
"""

from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.contract.returned import random_like
from acg_numpy.checks.explain.case import make_case
from acg_numpy.checks.explain.cut_edges import is_selection
from acg_numpy.checks.explain.whole_gradient import unsubtracted_target
from acg_numpy.checks.numeric.differences import Differences
from tests.checks.cases import Y, right_case, submitting

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


def otherwise_on_tensors(x):
    """A forward that is another function where it is traced."""
    return np.sin(x) if isinstance(x, np.ndarray) else x * x


def test_of_a_graph_that_is_of_another_function_nothing_is_kept():
    right = np.cos(X)
    case = make_case(
        lambda x: (otherwise_on_tensors(x),),
        [read_argument("x", X)],
        [np.ones(3)],
        [-right],
        {0: Differences(right, np.full(3, 1e-9))},
    )
    assert (case.graph, case.grads, case.replay) == (None, (), None)
    np.testing.assert_array_equal(case.right[0], right)


def test_where_the_graph_is_of_another_function_the_numeric_derivative_tells_the_mistake():
    report = check_backward(
        lambda x: (otherwise_on_tensors(x), x), lambda g, x: -g * np.cos(x), X, raise_on_failure=False
    )
    (found,) = report.diagnoses
    assert found.mistake == "wrong-sign"
    assert found.evidence.startswith("the gradient of x is minus the right one; the numeric derivative, changed like")


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_path_left_out_is_found_whatever_the_size_of_the_gradient(size):
    report = check_backward(
        lambda x: (size * (np.sin(x) * x), x), lambda g, x: size * g * np.sin(x), X, raise_on_failure=False
    )
    best = report.diagnoses[0]
    assert best.mistake == "missing-path"
    assert best.confidence > 0.9
    assert float(best.evidence.rpartition("is what was submitted for x to ")[2]) < 1e-14


@pytest.mark.parametrize("size", [2, 3])
def test_a_target_of_two_numbers_is_one_beyond_the_factor_and_as_sure_as_one_of_three(size):
    def forward(p, t):
        return np.mean((p - t) ** 2), (p, t)

    def backward(g, cache):
        p, t = cache
        return g * 2 * p / size, -g * 2 * (p - t) / size  # and not p - t in both

    (found,) = check_backward(forward, backward, X[:size], np.sin(X[:size]), raise_on_failure=False).diagnoses
    assert (found.mistake, found.confidence) == ("target-not-subtracted", 0.99)


def test_what_misses_by_the_tolerance_and_no_more_still_fits():
    case = right_case(lambda x, y: x * y, Y + 1, Y)
    case = submitting(case, case.right[0] + Y + 1e-10 * np.sin(7 * Y), case.right[1])
    (found,) = unsubtracted_target(case)
    assert found.residual > 0
    assert [e.residual for e in unsubtracted_target(replace(case, tolerance=found.residual))] == [found.residual]
    assert list(unsubtracted_target(replace(case, tolerance=found.residual / 2))) == []


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("statistic", [np.sum, np.mean, np.max, np.min, np.prod])
def test_a_statistic_of_however_many_numbers_selects_none_of_them(statistic, size):
    graph = right_case(statistic, np.arange(1.0, 1.0 + size)).graph
    assert not is_selection(graph.operations[graph.outputs[0]])


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("statistic", [np.sum, np.mean, np.max])
def test_a_statistic_of_however_many_numbers_is_held_constant_and_is_no_path(statistic, size):
    report = check_backward(
        lambda x: (x - statistic(x), x), lambda g, x: g, np.arange(1.0, 1.0 + size) ** 2, raise_on_failure=False
    )
    assert report.diagnoses[0].mistake == "held-constant"
