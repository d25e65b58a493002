"""A folder is judged by what its users took later, and a list by the same rule."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError, Newcomers
from acg_numpy.recommender.evaluation.metrics import ndcg_at_k
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.serving.given_lists import read_lists
from acg_numpy.recommender.serving.later_evaluation import evaluate_later, later_pairs
from acg_numpy.recommender.serving.own_history import OwnHistory, item_weights
from acg_numpy.recommender.training import fit


@pytest.fixture(scope="module")
def recommender(interactions):
    trained = fit(interactions, epochs=1, emb_dim=8, heads=2, tokens_per_domain=3, baselines=False).trained
    own = OwnHistory(
        item_weights(interactions.matrix, interactions.item_domain, interactions.same_item, 10.0), 10.0, 8.0
    )
    return Recommender(replace(trained, own_history=own), interactions.users, interactions.matrix)


@pytest.fixture(scope="module")
def later(recommender):
    """Thirty users of training and two new ones, with a tenth of the items each, some of which they had."""
    rng = np.random.default_rng(3)
    users = np.array([*(f"user {u}" for u in range(40, 70)), "zoe", "kim"])
    return Newcomers(users, sp.csr_array((rng.random((32, 36)) < 0.1).astype(np.float32)), ())


@pytest.fixture(scope="module")
def judged(recommender, later):
    return later_pairs(recommender, later)


def test_a_pair_is_judged_by_what_is_new_among_what_is_left(recommender, later, judged, interactions):
    figures = evaluate_later(recommender, judged, cutoffs=(5, 10))
    before, after = interactions.matrix.toarray()[40:70] > 0, later.matrix.toarray()[:30] > 0
    expected = []
    for n, d in np.ndindex(30, 3):
        columns = interactions.columns(d)
        left = columns[~before[n, columns]]
        if after[n, left].any():
            [everything] = recommender.recommend(f"user {40 + n}", domain=f"domain {d}", top=100)
            scores = dict(zip(everything.items, everything.scores, strict=True))
            row = np.array([[scores[item] for item in interactions.items[left]]])
            expected.append(ndcg_at_k(row, after[n, left][None])[0])
    assert figures["pairs"] == len(expected)
    assert figures["test"]["trained"]["ndcg@10"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert set(figures["test"]) == {"trained", "condition", "popularity"}
    groups = figures["by_own_history"]
    assert groups["with"]["pairs"] + groups["without"]["pairs"] == figures["pairs"]
    assert sum(group["pairs"] for group in figures["by_domain"].values()) == figures["pairs"]


def test_who_and_what_cannot_be_judged_is_counted(later, judged, interactions):
    known = later.matrix[:30]
    assert judged.left_out == {
        "users": 32,
        "unknown_users": 2,
        "interactions": later.matrix.nnz,
        "their_interactions": later.matrix.nnz - known.nnz,
        "taken_before": known.multiply(interactions.matrix[40:70]).nnz,
    }


def test_the_lists_that_the_folder_makes_itself_get_its_own_figures(recommender, judged, tmp_path):
    own, taken_too = tmp_path / "own.csv", tmp_path / "taken_too.parquet"
    recommender.recommend(top=10).write(own)
    recommender.recommend(top=100, include_taken=True).write(taken_too)
    few = tmp_path / "few.jsonl"
    recommender.recommend(["user 44"], domain="domain 1").write(few)
    users = recommender.users[judged.rows]
    lists = {path.stem: read_lists(path, recommender.trained, users) for path in (own, taken_too, few)}
    figures = evaluate_later(recommender, judged, lists)
    for name in ("own", "taken_too"):  # items that were taken before take no place
        assert figures["test"][name] == figures["test"]["trained"]
        assert figures["paired"][name] == {"difference": 0, "se": 0}
        assert figures["without_list"][name] == 0
    one_of = judged.pairs.users[judged.pairs.domains == 1]
    has = int(np.sum(users[one_of] == "user 44"))
    assert figures["without_list"]["few"] == figures["pairs"] - has
    assert figures["test"]["few"]["ndcg@10"] <= has / figures["pairs"]
    with pytest.raises(ValueError, match="lists has the name 'trained', which is taken"):
        evaluate_later(recommender, judged, {"trained": lists["own"]})


def test_a_list_that_ends_finds_nothing_more(recommender, judged, tmp_path):
    short = tmp_path / "short.csv"
    recommender.recommend(top=3).write(short)
    lists = {"short": read_lists(short, recommender.trained, recommender.users[judged.rows])}
    test = evaluate_later(recommender, judged, lists, cutoffs=(3, 10))["test"]
    assert test["short"]["ndcg@3"] == test["trained"]["ndcg@3"]
    assert test["short"]["precision@10"] == pytest.approx(0.3 * test["trained"]["precision@3"])


def test_nothing_to_judge_is_an_error_that_says_why(recommender, later, interactions):
    strangers = later._replace(users=np.array([f"new {n}" for n in range(32)]))
    with pytest.raises(DataError, match=r"none of the 32 users of the later interactions is known \('new 0'\)"):
        later_pairs(recommender, strangers)
    again = Newcomers(interactions.users, interactions.matrix, ())
    with pytest.raises(DataError, match="all 1,175 interactions of known users with known items were taken before"):
        later_pairs(recommender, again)


def test_few_users_have_no_standard_error(recommender, later):
    judged = later_pairs(recommender, Newcomers(later.users[:4], later.matrix[:4], ()))
    assert evaluate_later(recommender, judged)["paired"] == {}
