"""What a factor is called."""

import dataclasses

import numpy as np

from acg_numpy.checks.explain.named_constants import axis_sizes, factor_names, is_count, size_names
from tests.checks.explain.cases import X, right_case


def test_sizes_and_products_of_two_and_their_inverses_are_counts():
    sizes = {1: "axis 0", 2: "axis 1", 3: "axis 2", 5: "axis 3"}
    for constant in (2, 1 / 2, 3, 1 / 5, 6, 10, 1 / 15):
        assert is_count(constant, sizes)
    for constant in (1, 4, 0.3, 30):
        assert not is_count(constant, sizes)


def test_a_simple_ratio_is_likelier_than_other_numbers_to_known_digits():
    case = dataclasses.replace(right_case(np.sin, np.linspace(0.5, 2.0, 5)), tolerance=1e-4)

    def cost(factor):
        (named,) = factor_names(factor, case)
        assert named.mistake == "constant-factor"
        return named.cost

    assert cost(2 / 3) == cost(-0.75) == cost(3.0) < cost(0.7123)
    assert cost(2 / 3 * (1 + case.factor_tolerance / 2)) == cost(2 / 3)
    assert cost(2 / 3 * (1 + case.factor_tolerance * 4)) == cost(0.7123)


def test_two_is_a_size_only_where_the_forward_sums_over_it():
    def names(forward):
        case = right_case(forward, X[0, :2])
        return [named.mistake for named in size_names(2.0, case, axis_sizes(case))]

    assert names(np.sum) == ["mean-for-sum"]
    assert names(np.sin) == []
