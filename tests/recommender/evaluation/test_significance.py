"""Differences on test pairs, and how sure they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.evaluation.significance import mean_difference, verdict


@given(st.integers(0, 10_000))
def test_a_pair_per_user_gives_the_textbooks_standard_error(seed):
    x = np.random.default_rng(seed).normal(size=20)
    found = mean_difference([x], [np.arange(20)])
    assert found == pytest.approx({"difference": np.mean(x), "se": np.std(x, ddof=1) / np.sqrt(20)})


@given(st.integers(0, 10_000))
def test_the_same_pairs_twice_are_no_more_certain_than_once(seed):
    x, users = np.random.default_rng(seed).normal(size=20), np.arange(20) // 2
    assert mean_difference([x, x], [users, users]) == pytest.approx(mean_difference([x], [users]))


def test_no_difference_at_all_is_certain():
    assert mean_difference([np.zeros(5)], [np.arange(5)]) == {"difference": 0.0, "se": 0.0}
    assert verdict({"difference": 0.0, "se": 0.0}) == 0


def test_leading_means_more_than_two_standard_errors():
    assert [verdict({"difference": x, "se": 1.0}) for x in (2.01, 1.99, 0.0, -1.99, -2.01)] == [1, 0, 0, 0, -1]
