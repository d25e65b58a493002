"""Mistakes that show in the gradients alone."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain.whole_gradient import (
    common_factor,
    is_target,
    one_hot,
    swapped_inputs,
    unsubtracted_target,
)
from tests.checks.explain.cases import X, Y, right_case, submitting

POINT = np.array([1.0, 0.5, 3.0])


def test_a_one_hot_array_has_ones_where_ids_point():
    np.testing.assert_array_equal(one_hot(np.array([1, 0, 1]), (3, 2)), [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(one_hot(np.array([1, 0, 1]), (2, 3)), [[0, 1, 0], [1, 0, 1]])
    assert one_hot(np.array([1, 0, 5]), (3, 2)) is None


def test_a_right_input_times_a_number_is_the_target():
    case = right_case(lambda x, y: x * y, X, Y)
    case = submitting(case, case.right[0] + Y, case.right[1])
    assert is_target(-2 * Y / 12, case)
    assert is_target(np.where(Y > 0, Y, 0.0), case)
    assert not is_target(X, case)
    assert not is_target(np.sin(Y), case)


def test_a_factor_is_known_as_well_as_the_gradients_are():
    """-1.004 is not -1 where the gradients are known to 1e-8, and is where they are known to 1e-2."""
    case = right_case(np.sin, X)
    case = submitting(case, -1.004 * case.right[0])
    assert [e.mistake for e in common_factor(case)] == ["constant-factor"]
    (found,) = common_factor(dataclasses.replace(case, tolerance=1e-2))
    assert found.mistake == "wrong-sign"
    assert found.residual == pytest.approx(0.004, rel=1e-2)


def test_gradients_in_each_others_place_are_found_to_the_last_digit():
    case = right_case(lambda x, y: np.sin(x) * y, X, Y)
    (found,) = swapped_inputs(submitting(case, *reversed(case.right)))
    assert (found.mistake, found.residual) == ("swapped-inputs", 0.0)


@pytest.mark.parametrize("size", [2, 3])
def test_a_target_of_two_numbers_is_as_sure_as_one_of_three(size):
    def forward(p, t):
        return np.mean((p - t) ** 2), (p, t)

    def backward(g, cache):
        p, t = cache
        return g * 2 * p / size, -g * 2 * (p - t) / size  # and not p - t in both

    (found,) = check_backward(forward, backward, POINT[:size], np.sin(POINT[:size]), raise_on_failure=False).diagnoses
    assert (found.mistake, found.confidence) == ("target-not-subtracted", 0.99)


def test_what_misses_by_exactly_the_tolerance_still_fits():
    case = right_case(lambda x, y: x * y, Y + 1, Y)
    case = submitting(case, case.right[0] + Y + 1e-10 * np.sin(7 * Y), case.right[1])
    (found,) = unsubtracted_target(case)
    assert found.residual > 0
    assert [e.residual for e in unsubtracted_target(replace(case, tolerance=found.residual))] == [found.residual]
    assert list(unsubtracted_target(replace(case, tolerance=found.residual / 2))) == []
