"""The reference lines are their formulas, look at what they may, and take the strength that validates best."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.data import draw_split
from acg_numpy.recommender.data.pairs import Catalogue, Pairs
from acg_numpy.recommender.evaluation.protocol import evaluate
from acg_numpy.recommender.models import item_recommenders
from acg_numpy.recommender.models.item_recommenders import (
    REFERENCES,
    STRENGTHS,
    make_reference,
    neighbour_scores,
    ridge_scores,
    split_by_domain,
)
from tests.recommender.problems import problem

seeds = st.integers(0, 10_000)
EVERYBODY = np.arange(7)


def one_domain(seed, domain=1):
    """A domain's data, and the dense matrices outside and inside of it."""
    interactions, _, _, rng = problem(seed)
    X, inside = interactions.matrix.toarray(), interactions.item_domain == domain
    users = rng.permutation(7)[:5]
    return (
        split_by_domain(interactions.matrix, interactions, users, domain),
        np.where(inside, 0, X),
        X[:, inside],
        users,
        rng,
    )


@given(seeds)
def test_a_domain_is_looked_at_from_outside(seed):
    seen, outside, inside, users, _ = one_domain(seed)
    np.testing.assert_array_equal(seen.outside.toarray(), outside[users])
    np.testing.assert_array_equal(seen.inside.toarray(), inside[users])
    np.testing.assert_array_equal(seen.query(EVERYBODY).toarray(), outside)


@given(seeds)
def test_the_regression_is_the_textbooks(seed):
    seen, outside, inside, users, _ = one_domain(seed)
    A, Y = outside[users], inside[users]
    for strength, score in zip((0.3, 30.0), ridge_scores(seen, (0.3, 30.0)), strict=True):
        ridge = strength * max(np.mean(np.sum(A**2, axis=1)), 1e-300) * np.eye(A.shape[1])
        expected = outside @ np.linalg.solve(A.T @ A + ridge, A.T @ Y)
        np.testing.assert_allclose(score(EVERYBODY, 1), expected, atol=1e-5)


@given(seeds)
def test_neighbours_are_found_and_weighed_by_their_cosine(seed):
    seen, outside, inside, users, rng = one_domain(seed)
    weight = rng.uniform(0.5, 1, 13)
    unit = outside * weight
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-300)
    cosine = unit @ unit[users].T
    asked = np.array([3, 0, 6, 3])
    scores = neighbour_scores(seen, (1, 3, 99), asked, weight, rng)
    for k, score in zip((1, 3, 99), scores, strict=True):
        for user, row in zip(asked, score(asked, 1), strict=True):
            nearest = np.argsort(-cosine[user].astype(np.float32), kind="stable")[:k]
            np.testing.assert_allclose(row, cosine[user, nearest] @ inside[users[nearest]], atol=1e-5)


@given(seeds, st.integers(1, 4))
def test_what_is_held_at_once_changes_nothing(seed, at_once):
    def all_scores():
        seen, _, _, _, rng = one_domain(seed)
        ridge, knn = ridge_scores(seen, (3.0,)), neighbour_scores(seen, (2,), EVERYBODY, np.ones(13), rng)
        return [score(EVERYBODY, 1) for score in (*ridge, *knn)]

    with pytest.MonkeyPatch.context() as patch:
        whole = all_scores()
        patch.setattr(item_recommenders, "COLUMNS", at_once)
        patch.setattr(item_recommenders, "SIMILARITIES", at_once)
        for a, b in zip(all_scores(), whole, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


@given(seeds)
def test_a_regression_from_too_many_items_looks_at_those_taken_most(seed):
    seen, outside, _, users, _ = one_domain(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_recommenders, "MOST_ITEMS", 2)
        few = [score(EVERYBODY, 1) for score in ridge_scores(seen, (3.0,))]
    most = np.argsort(-outside[users].sum(axis=0), kind="stable")[:2]
    alone = sp.csr_array(np.where(np.isin(np.arange(13), most), outside, 0))
    narrowed = seen._replace(outside=sp.csr_array(alone[users]), query=lambda rows: sp.csr_array(alone[rows]))
    for a, score in zip(few, ridge_scores(narrowed, (3.0,)), strict=True):
        np.testing.assert_allclose(a, score(EVERYBODY, 1), atol=1e-6)


def ndcg_of(reference):
    return reference.rankings.measure("ndcg", 10)


def held_out(interactions, seed=0):
    split = draw_split(interactions, seed)
    catalogue = Catalogue.from_interactions(interactions, np.zeros((len(interactions.items), 1)))
    validation, test = (
        Pairs.from_matrix(pairs, interactions.matrix, interactions.item_domain, catalogue)
        for pairs in (split.validation, split.test)
    )
    visible = split.visible(interactions)
    return {
        "visible": visible,
        "interactions": interactions,
        "train": split.train,
        "validation": validation,
        "test": test,
    }


@pytest.mark.parametrize("name", REFERENCES)
def test_the_strength_is_the_one_that_validates_best_whatever_the_test_says(interactions, name, monkeypatch):
    task = held_out(interactions)
    monkeypatch.setattr(item_recommenders, "MOST_USERS", 10**9)
    found = make_reference(name, **task)
    alone = {}
    for strength in STRENGTHS[name]:
        monkeypatch.setitem(STRENGTHS, name, (strength,))
        swapped = make_reference(name, **{**task, "test": task["validation"]})  # its "test" figures: on validation
        alone[strength] = np.mean(ndcg_of(swapped))
    assert alone[found.strength] == max(alone.values())
    monkeypatch.setitem(STRENGTHS, name, (found.strength,))
    np.testing.assert_array_equal(ndcg_of(make_reference(name, **task)), ndcg_of(found))


@pytest.mark.parametrize("name", REFERENCES)
def test_like_takes_like_and_a_reference_line_finds_it(interactions, name):
    task = held_out(interactions)
    found = make_reference(name, **task)
    popularity = task["visible"].sum(axis=0)
    catalogue = Catalogue.from_interactions(interactions, np.zeros((len(interactions.items), 1)))
    flat, _ = evaluate(lambda users, d: np.tile(popularity[catalogue.items[d]], (len(users), 1)), task["test"])
    assert np.mean(ndcg_of(found)) > np.mean(flat) + 0.1
    assert found.rankings.hits.shape == (len(task["test"]), 10)


def test_neighbours_among_too_many_users_are_sought_among_some(interactions, monkeypatch):
    task = held_out(interactions)
    monkeypatch.setattr(item_recommenders, "MOST_USERS", 20)
    first, again, other = (ndcg_of(make_reference("user-knn", **task, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_domain_with_nobody_to_learn_from_gets_scores_of_zero(interactions, name):
    task = held_out(interactions)
    task["train"] = task["train"][task["train"][:, 1] != 2]
    found = make_reference(name, **task)
    in_order, _ = evaluate(lambda users, d: np.zeros((len(users), (14, 12, 10)[d])), task["test"])
    in_domain = task["test"].domains == 2
    np.testing.assert_array_equal(ndcg_of(found)[in_domain], in_order[in_domain])


def test_an_unknown_reference_line_is_refused(interactions):
    with pytest.raises(ValueError, match="item-ridge, user-knn, but it is 'svd'"):
        make_reference("svd", **held_out(interactions))
