"""Two corruptions at once."""

import numpy as np

from acg_numpy.checks.explain.corruptions import Corruption, scaled_contribution
from acg_numpy.checks.explain.edge_search import Shift
from acg_numpy.checks.explain.two_corruptions import is_plausible_factor, same_kind_pairs, two_factors
from tests.checks.explain.cases import X, Y, right_case, search_of, submitting


def shift_of(mistake, text, vector):
    return Shift(Corruption(mistake, 1.5, text, scaled_contribution(0.0)), None, (), vector)


def test_minus_one_is_a_plausible_factor_and_an_odd_number_is_not():
    search = search_of(right_case(np.sin, X))
    assert all(is_plausible_factor(factor, search) for factor in (0.0, -1.0, 2.0, 0.5, 4.0))
    assert not any(is_plausible_factor(factor, search) for factor in (0.7123, -1.0321))


def test_two_factors_on_two_paths_are_distinguished():
    case = right_case(lambda x: np.sin(x) + np.exp(x) + x * Y, X)
    wrong = case.grad_outs[0] * (-np.cos(X) + 2 * np.exp(X) + Y)
    found = list(two_factors(search_of(submitting(case, wrong))))
    both = [e for e in found if "has the wrong sign" in e.text and "counts twice" in e.text]
    assert [explanation.mistake for explanation in both[:2]] == ["wrong-sign", "double-counted"]
    assert min(explanation.cost for explanation in found) == both[0].cost


def test_one_kind_of_mistake_at_two_places_is_found_two_kinds_not():
    case = right_case(np.sin, X)
    search = search_of(submitting(case, case.right[0] + Y))
    part = np.where(np.arange(Y.size) % 2, search.target, 0.0)
    first, last = shift_of("last-only", "here", part), shift_of("last-only", "there", search.target - part)
    between = shift_of("last-only", "elsewhere", 3 * part)
    (found,) = same_kind_pairs(search, [first, between, last])
    assert (found.mistake, found.text) == ("last-only", "here, and there")
    assert list(same_kind_pairs(search, [first, shift_of("wrong-axis", "there", search.target - part)])) == []
