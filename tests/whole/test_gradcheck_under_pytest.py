"""A gradient check is an assertion like any other: in a parametrised test, and under Hypothesis."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("power", [1, 2, 3])
def test_it_is_fit_for_parametrisation(shape, power):
    def forward(x):
        return x**power, x

    def backward(grad_out, x):
        return power * x ** (power - 1) * grad_out

    check_backward(forward, backward, np.random.default_rng(0).uniform(0.5, 2.0, size=shape))


LEARNERS_TESTS = """
import numpy as np
import pytest
from hypothesis import given, strategies as st
from acg_numpy import check_backward

def forward(x):
    return x * x, x

def right(grad_out, x):
    return 2 * x * grad_out

def wrong(grad_out, x):
    return x * grad_out

@pytest.mark.parametrize("backward", [right, wrong])
def test_backward(backward):
    check_backward(forward, backward, np.array([[1.0, -2.0, 3.0]]))

@given(st.integers(1, 4), st.integers(1, 4))
def test_any_shape(rows, columns):
    check_backward(forward, wrong, np.arange(1.0, 1.0 + rows * columns).reshape(rows, columns))
"""


def test_a_failure_shows_the_report_and_the_smallest_shape(pytester):
    pytester.makepyfile(LEARNERS_TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["E * acg_numpy.checks.report.report.GradientMismatch: check_backward of wrong: FAILED, x is wrong*"]
    )
    result.stdout.fnmatch_lines(["E *worst element: x*", "E *your gradient *", "E *numeric derivative *"])
    result.stdout.fnmatch_lines(["*test_any_shape(", "*rows=1,*", "*columns=1,*"])
