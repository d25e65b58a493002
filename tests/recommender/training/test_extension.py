"""New domains and items join a trained run, and nothing that it had changes."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError, Interactions, Vectors
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.training import fit
from acg_numpy.recommender.training.extension import count_missing, extend, write_extension

SMALL = {
    "epochs": 4,
    "emb_dim": 8,
    "heads": 2,
    "inner_dim": 8,
    "tokens_per_domain": 3,
    "baselines": False,
    "min_elsewhere": 3,
}
ENOUGH = {"min_elsewhere": 3, "epochs": 40}


def part_of(interactions, columns):
    """The interactions with some of the items alone, in the domains that these are in."""
    domains, item_domain = np.unique(interactions.item_domain[columns], return_inverse=True)
    return Interactions(
        interactions.users,
        interactions.items[columns],
        interactions.domains[domains],
        sp.csr_array(interactions.matrix[:, columns]),
        item_domain,
        sha256="1" * 64,
    )


@pytest.fixture(scope="module")
def without_last_domain(interactions):
    return fit(part_of(interactions, np.flatnonzero(interactions.item_domain < 2)), **SMALL).trained


@pytest.fixture(scope="module")
def losses():
    return []


@pytest.fixture(scope="module")
def with_domain(without_last_domain, interactions, losses):
    return extend(without_last_domain, interactions, report=lambda *epoch: losses.append(epoch[1]), **ENOUGH)


@pytest.fixture(scope="module")
def without_items(interactions):
    """A run in which two items of each domain were not there yet, and which they are."""
    new = np.array([4, 7, 17, 20, 28, 33])
    return fit(part_of(interactions, np.setdiff1d(np.arange(36), new)), **SMALL).trained, new


def test_a_new_domain_leaves_every_value_of_the_run_as_it_is(without_last_domain, with_domain):
    before, after = without_last_domain, with_domain.recommender.trained
    old, new = before.conditioner.state_dict(), after.conditioner.state_dict()
    for name, value in old.items():
        np.testing.assert_array_equal(
            new[name][: len(value)] if name == "domain_embedding.tokens" else new[name], value
        )
    assert new["domain_embedding.tokens"].shape == (3, 3, 8)
    assert with_domain.summary["parameters"] == 3 * 8
    known = len(before.items)
    assert after.items[:known].tolist() == before.items.tolist()
    np.testing.assert_array_equal(after.item_bias[:known], before.item_bias)
    for name in ("components", "item_weight", "item_vectors", "popularity"):
        np.testing.assert_array_equal(getattr(after.factors, name)[:known], getattr(before.factors, name))
    vectors = np.random.default_rng(0).standard_normal((5, 2, 8)).astype(np.float32)
    reachable = np.ones((5, 2), bool)
    conditions = after.condition(np.concatenate([vectors, vectors[:, :1]], axis=1), np.ones((5, 3), bool))
    np.testing.assert_allclose(conditions[:, :2], before.condition(vectors, reachable), rtol=1e-5, atol=1e-6)


def test_a_new_domain_learns_and_is_tested_on_hidden_users(with_domain, losses, interactions):
    figures = with_domain.summary["domains"]["domain 2"]
    assert figures["items"] == 10
    counts = figures["train"], figures["validation"], figures["test"]
    assert min(counts) > 0
    reachable = (interactions.counts[:, 2] > 0) & (interactions.counts_elsewhere[:, 2] > 0)
    assert sum(counts) == reachable.sum()
    assert np.mean(losses[-8:]) < np.mean(losses[:8])
    assert 0 < figures["ndcg@10"] <= 1
    trained = with_domain.recommender.trained
    alone = trained.conditions(interactions.matrix)[:, 2]
    assert np.ptp(alone, axis=0).max() > 0.1  # of different users


def test_an_output_of_its_own_is_trained_where_the_run_has_them(without_last_domain, interactions):
    conditioner = without_last_domain.conditioner
    options = {**conditioner.options(), "output_per_domain": True}
    own = replace(without_last_domain, conditioner=type(conditioner)(**options).eval())
    extended = extend(own, interactions, **ENOUGH)
    assert extended.summary["parameters"] == 3 * 8 + 8 * 8 + 8
    old, new = own.conditioner.state_dict(), extended.recommender.trained.conditioner.state_dict()
    assert new["domain_output.weight"].shape == (3, 8, 8)
    for name, value in old.items():
        np.testing.assert_array_equal(new[name][:2] if name.startswith("domain_") else new[name], value)
    assert not np.allclose(new["domain_output.weight"][2], old["domain_output.weight"].mean(axis=0))


def test_new_items_are_folded_in_and_recommended(without_items, interactions):
    trained, new = without_items
    extended = extend(trained, interactions)
    assert extended.summary["items"] == {"domain 0": 2, "domain 1": 2, "domain 2": 2}
    assert extended.summary["domains"] == {}
    after = extended.recommender.trained
    assert after.items[-6:].tolist() == interactions.items[new].tolist()
    assert after.conditioner is trained.conditioner
    assert after.own_history is None or after.own_history.weights.shape == (36, 36)
    lists = extended.recommender.recommend(top=14)
    assert set(interactions.items) == set(after.items[lists.columns[lists.columns >= 0]])
    with pytest.raises(DataError, match="nothing is new"):
        extend(after, interactions)


def test_an_extended_run_is_served_from_its_folder_and_extended_again(with_domain, interactions, tmp_path):
    write_extension(with_domain, tmp_path)
    again = Recommender.load(tmp_path)
    assert again.trained.about["extended"] == [{"domains": ["domain 2"], "items": 0, "data": "0" * 64}]
    found = again.recommend("user 9", domain="domain 2", top=3)[0]
    assert (
        found.items.tolist() == with_domain.recommender.recommend("user 9", domain="domain 2", top=3)[0].items.tolist()
    )
    conditions = np.load(tmp_path / "conditions.npy")
    np.testing.assert_array_equal(conditions, again.trained.conditions(again.taken))
    assert (tmp_path / "domains.txt").read_text().split() == ["domain", "0", "domain", "1", "domain", "2"]


def test_interactions_that_are_gone_are_counted(without_last_domain, with_domain, interactions):
    run = sp.csr_array(interactions.matrix[:, :26])
    before = Recommender(without_last_domain, interactions.users, run)
    assert count_missing(before, with_domain) == 0
    everything = replace(before, taken=sp.csr_array(np.ones((80, 26), np.float32)))
    assert count_missing(everything, with_domain) == 80 * 26 - run.nnz
    strangers = replace(before, users=np.append(interactions.users[1:], "zoe"), taken=run[[*range(1, 80), 0]])
    assert count_missing(strangers, with_domain) == run[[0]].nnz


def test_items_without_interactions_need_vectors_and_are_told_so(without_last_domain, interactions):
    with pytest.raises(DataError, match=r"no user took 'new' yet, .*items without an interaction need --item-vectors"):
        extend(without_last_domain, interactions, without_interactions=[("new", "domain 0")])
    rng = np.random.default_rng(0)
    vectors = Vectors(np.append(interactions.items, "new"), 3 * rng.standard_normal((37, 8)))
    own = fit(interactions, item_vectors=Vectors(vectors.ids[:36], vectors.vectors[:36]), **SMALL).trained
    announced = [("new", "domain 0"), ("new", "domain 1"), (str(interactions.items[0]), "domain 0"), ("new", "music")]
    with pytest.raises(DataError, match="trained with your own item vectors, so its 2 new items need theirs"):
        extend(own, interactions, without_interactions=announced, domains=())
    less = Vectors(vectors.ids[:3], vectors.vectors[:3])
    with pytest.raises(DataError, match=r"has no vector for 1 new items \('new'\)"):
        extend(own, interactions, without_interactions=announced, item_vectors=less, domains=())
    extension = extend(own, interactions, without_interactions=announced, item_vectors=vectors, domains=())
    assert extension.summary["items"] == {"domain 0": 1, "domain 1": 1}
    assert extension.notes[1:] == (
        "items announced that are in the run or in the interactions already: 1 of 4",
        "items announced in a domain that was not asked for, left out: 1 of 4",
    )
    after = extension.recommender.trained
    scale = after.about["own item vectors divided by"]
    np.testing.assert_allclose(after.factors.item_vectors[-1] * scale, vectors.vectors[-1], rtol=1e-5)
    assert after.item_bias[-2] < np.median(after.item_bias[after.item_domain == 0])
    with pytest.raises(DataError, match="vectors of another kind would not fit"):
        extend(without_last_domain, interactions, item_vectors=vectors)


def test_what_cannot_be_added_is_refused_and_left_out_is_said(without_last_domain, interactions):
    with pytest.raises(DataError, match="'domain 1' is not a new domain of the interactions; the run knows it already"):
        extend(without_last_domain, interactions, domains=["domain 1"])
    with pytest.raises(DataError, match="'music' is not a new domain of the interactions; those are 'domain 2'"):
        extend(without_last_domain, interactions, domains=["music"])
    with pytest.raises(DataError, match="0 pairs of a user and a new domain have at least 3 items inside and 99 "):
        extend(without_last_domain, interactions, min_elsewhere=99)
    more = replace(interactions, items=np.char.add(interactions.items, np.repeat(["", " new"], [35, 1])))
    extended = extend(without_last_domain, replace(more, item_domain=np.append(more.item_domain[:35], 0)), domains=[])
    assert extended.summary["items"] == {"domain 0": 1}
    assert extended.notes == ("new domains that were not asked for, left out: 'domain 2'",)
