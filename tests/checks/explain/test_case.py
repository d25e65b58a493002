"""The right gradients, from the graph or the numeric derivative."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.explain.case import make_case
from acg_numpy.checks.numeric.differences import Differences

POINT = np.array([1.0, 0.5, 3.0])


def otherwise_on_tensors(x):
    """Compute another function where the forward is traced."""
    return np.sin(x) if type(x) is np.ndarray else x * x


def test_without_a_graph_the_tolerance_follows_the_numeric_error():
    def closed(x):
        raise TypeError("arrays only")

    def tolerance(error):
        ones = np.ones(3)
        known = {0: Differences(ones, np.full(3, error))}
        case = make_case(closed, [read_argument("x", ones)], [ones], [ones], known)
        assert case.graph is None
        return case.tolerance

    assert tolerance(1e-13) == 1e-6
    assert tolerance(1e-6) == pytest.approx(2e-5)
    assert tolerance(1.0) == 1e-3


def test_a_graph_of_another_function_is_dropped():
    right = np.cos(POINT)
    case = make_case(
        lambda x: (otherwise_on_tensors(x),),
        [read_argument("x", POINT)],
        [np.ones(3)],
        [-right],
        {0: Differences(right, np.full(3, 1e-9))},
    )
    assert (case.graph, case.grads, case.replay) == (None, (), None)
    np.testing.assert_array_equal(case.right[0], right)


def test_without_a_graph_the_numeric_derivative_shows_the_mistake():
    report = check_backward(
        lambda x: (otherwise_on_tensors(x), x), lambda g, x: -g * np.cos(x), POINT, raise_on_failure=False
    )
    (found,) = report.diagnoses
    assert found.mistake == "wrong-sign"
    assert found.evidence.startswith(
        "the gradient of x is minus the right one. With this one change the numeric gradient becomes yours"
    )
