"""What a description counts, what it finds odd, and what it advises."""

import json
from dataclasses import replace

import numpy as np
from hypothesis import given

from acg_numpy.recommender.data import DataError, describe_interactions, draw_split, make_world
from tests.recommender.data.strategies import interactions, interactions_of


@given(interactions())
def test_the_figures_are_those_of_the_dense_matrix_and_of_the_split(data):
    told = describe_interactions(data)
    X = data.matrix.toarray() > 0
    figures = told.figures
    assert (figures["users"], figures["items"], figures["interactions"]) == (*X.shape, X.sum())
    for d, row in enumerate(figures["domains"]):
        inside = X[:, data.item_domain == d]
        assert row["users"] == inside.any(axis=1).sum()
        assert row["interactions"] == inside.sum()
        assert figures["users_in_both"][d][d] == row["users"]
    try:
        split = draw_split(data, 0)
    except DataError:
        pass
    else:
        assert figures["pairs"]["test"] == len(split.test)
        assert figures["pairs"]["validation"] == len(split.validation)
    json.dumps(figures, allow_nan=False)
    for rows in told.tables:
        assert len({len(row) for row in rows}) == 1


def test_a_world_to_try_things_in_has_nothing_against_it():
    assert describe_interactions(make_world(seed=1).interactions).advice == (
        "nothing here speaks against training: acg train FILE --out DIR",
    )


def test_what_may_be_read_otherwise_than_meant_has_to_be_decided_first():
    data = make_world(seed=1).interactions
    for note, settled in (("rows that repeat a user and an item", True), ("there are ratings, from 1 to 5", False)):
        advice = describe_interactions(replace(data, notes=(note,))).advice[0]
        assert advice.startswith("nothing here speaks against training") == settled
        assert "acg train FILE --out DIR" in advice


def test_domains_without_common_users_are_found():
    taken = np.zeros((40, 60))
    taken[:20, :30] = taken[20:, 30:] = 1
    told = describe_interactions(interactions_of(taken, np.repeat([0, 1], 30)))
    assert any(advice.startswith("no overlap: no user who took something in 'd0', 'd1'") for advice in told.advice)
    assert any("one domain only: 40 of 40" in oddity for oddity in told.oddities)


def test_small_domains_and_few_pairs_are_found():
    rng = np.random.default_rng(0)
    taken = rng.random((100, 47)) < 0.5
    told = describe_interactions(interactions_of(taken, np.repeat([0, 1, 2], [30, 15, 2])))
    advice = "\n".join(told.advice)
    assert "fewer than 3 items: 'd2'; training leaves them out" in advice
    assert "fewer than 20 items: 'd1';" in advice
    assert "fewer than 150 pairs to judge by: 'd0', 'd1';" in advice


def test_too_little_to_train_on_is_said_before_training_says_it():
    data = interactions_of(np.eye(6), [0, 0, 0, 1, 1, 1])
    assert describe_interactions(data).advice[-1].startswith("too little to train on: 0 pairs")


def test_users_and_items_of_extremes_are_named():
    taken = np.zeros((10, 8))
    taken[3] = 1
    taken[:, 5] = 1
    oddities = "\n".join(describe_interactions(interactions_of(taken, [0, 0, 0, 0, 1, 1, 1, 1])).oddities)
    assert "users with a single interaction: 9" in oddities
    assert "items that a single user took: 7 of 8" in oddities
    assert "user 'u3' took 100% of all items" in oddities
    assert "item 'i5' was taken by 100% of all users" in oddities
