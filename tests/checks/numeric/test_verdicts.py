"""Where right ends and wrong begins: the arithmetic of a verdict."""

import numpy as np

from acg_numpy.checks import check_backward
from acg_numpy.checks.numeric.differences import (
    Differences,
)
from acg_numpy.checks.numeric.verdicts import InputComparison, Tolerance, Verdict, allowed, decide_verdicts
from tests.checks.reports import compared, passed


def verdict(analytic, numeric, error, *, scale=1.0, eps=2.0**-40, rtol=0.0, atol=0.25):
    found = Differences(np.array([numeric], float), np.array([error], float))
    (one,) = decide_verdicts(np.array([analytic], float), found, np.array([scale]), eps, Tolerance(rtol, atol, None))
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


def test_what_is_not_finite_is_wrong_or_undecided():
    for value in (np.nan, np.inf, -np.inf):
        assert verdict(value, 1.0, 0.0) == "WRONG"
        assert verdict(1.0, value, 0.0) == "UNDECIDED"
        assert verdict(value, np.nan, 0.0) == "UNDECIDED"


def test_counts_are_those_of_the_elements():
    mixed = compared("x", np.ones(6), np.ones(6), wrong=[0], undecided=[1, 2], zero=[3])
    assert (mixed.num_right, mixed.num_wrong, mixed.num_undecided, mixed.num_kinks) == (3, 1, 2, 0)
    assert not mixed.dead
    assert not mixed.passed
    nothing = InputComparison("x", (6,))
    assert (nothing.num_right, nothing.num_wrong, nothing.num_undecided, nothing.num_kinks) == (0, 0, 0, 0)
    assert nothing.relative_error.size == 0
    assert nothing.passed
    assert not nothing.dead
    assert compared("x", [0.0], [1e-17], zero=[0]).dead
    report = passed(mixed, second_order=passed(mixed, order=2))
    assert report.undecided == 4
    assert not report.nothing_decided
    assert passed(compared("x", [1.0], [1.0], undecided=[0])).nothing_decided
    assert not passed(nothing).nothing_decided
    assert list(report.per_input) == ["x"]


def test_a_check_with_all_elements_below_resolution_does_not_pass():
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
    assert "most elements are undecided: 2 of 3" in str(report)
