"""Users fall into groups by what sets them apart, and what is said of the groups is so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from acg_numpy.recommender.reporting import user_groups
from acg_numpy.recommender.reporting.user_groups import Grouping

COUNTS = arrays(np.int64, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.integers(0, 30))


@given(COUNTS, st.integers(2, 5))
def test_taking_more_of_everything_does_not_change_a_preference(elsewhere, times):
    names = list("abcde")[: elsewhere.shape[1]]
    one, other = (
        user_groups.group_by_preference(elsewhere, names),
        user_groups.group_by_preference(times * elsewhere, names),
    )
    np.testing.assert_array_equal(one.ids, other.ids)


@given(COUNTS)
def test_a_user_of_one_domain_prefers_it_and_of_none_has_none(elsewhere):
    M = elsewhere.shape[1]
    counts = np.concatenate([elsewhere, 7 * np.eye(M, dtype=int), np.zeros((1, M), dtype=int)])
    ids = user_groups.group_by_preference(counts, list("abcde")[:M]).ids
    assert ids[-M - 1 : -1].tolist() == list(range(M))
    np.testing.assert_array_equal(ids == -1, counts.sum(axis=1) == 0)


def test_a_domain_of_which_all_take_most_is_no_preference():
    ids = user_groups.group_by_preference(np.array([[90, 10], [80, 20], [70, 30]]), ["drama", "horror"]).ids
    assert ids[0] == 0
    assert ids[2] == 1


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
def test_thirds_by_activity_are_in_order_and_together_are_all(took):
    found = user_groups.group_by_activity(np.array(took))
    assert set(found.ids.tolist()) == set(range(len(found.names)))
    for group in range(len(found.names) - 1):
        assert np.max(np.array(took)[found.ids == group]) < np.min(np.array(took)[found.ids == group + 1])


@given(st.lists(st.integers(0, 900), min_size=1, max_size=60, unique=True).map(np.array))
def test_where_no_two_took_the_same_thirds_are_about_as_many(took):
    counts = np.bincount(user_groups.group_by_activity(took).ids)
    assert counts.max() - counts.min() <= 1


def test_the_taste_that_counts_most_names_the_group():
    found = user_groups.group_by_taste(np.array([[0.1, 0.9], [0.6, 0.4]]))
    assert [found.names[group] for group in found.ids] == ["taste 1", "taste 0"]


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=60).map(np.array))
def test_groups_of_fewer_than_five_are_left_out_and_others_stay(ids):
    kept = user_groups.large_enough(Grouping(ids, list("abcd"), "any")).ids
    counts = {group: int(np.sum(ids == group)) for group in range(4)}
    assert kept.tolist() == [group if group >= 0 and counts[group] >= 5 else -1 for group in ids.tolist()]


@given(st.integers(0, 1000), st.lists(st.integers(0, 3), min_size=2, max_size=30).filter(lambda ids: len(set(ids)) > 1))
def test_no_groups_differ_more_on_any_token_than_the_two_named(seed, ids):
    attention, ids = np.random.default_rng(seed).dirichlet(np.ones(5), size=(len(ids), 2)), np.array(ids)
    found = user_groups.largest_difference(attention, ids, seed)
    means = {group: attention[ids == group].mean(axis=0) for group in set(ids.tolist())}
    named = tuple(means[group][found.head, found.token] for group in (found.most, found.least))
    assert named == pytest.approx(found.means)
    widest = max(np.max(one - other) for one in means.values() for other in means.values())
    assert found.means[0] - found.means[1] == pytest.approx(widest)


def test_chance_is_far_below_a_real_difference_and_near_no_difference():
    rng = np.random.default_rng(0)
    ids = np.arange(200) % 2
    attention = rng.dirichlet(np.ones(4), size=(200, 2))
    none = user_groups.largest_difference(attention, ids, seed=0)
    assert none.means[0] - none.means[1] < 2 * none.by_chance
    attention[ids == 1] = attention[ids == 1] ** 4 / np.sum(attention[ids == 1] ** 4, axis=-1, keepdims=True)
    attention[ids == 1, 0] = np.roll(np.sort(attention[ids == 1, 0], axis=-1), 1, axis=-1)
    real = user_groups.largest_difference(attention, ids, seed=0)
    assert real.means[0] - real.means[1] > 4 * real.by_chance
