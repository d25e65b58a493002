"""Recommendations are the ranking that the conditions give, of what is new to the user."""

from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.recommender.data import CheckpointError, DataError
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.serving.own_history import OwnHistory, item_weights
from acg_numpy.recommender.serving.recommender import find_name, save_interactions
from acg_numpy.recommender.training import fit

SMALL = {"epochs": 2, "emb_dim": 8, "heads": 2, "tokens_per_domain": 3, "baselines": False}


@pytest.fixture(scope="module")
def result(interactions):
    own = OwnHistory(
        item_weights(interactions.matrix, interactions.item_domain, interactions.same_item, 10.0), 10.0, 8.0
    )
    return replace(fit(interactions, **SMALL), own_history=own)


@pytest.fixture
def folder(result, tmp_path):
    result.write(tmp_path)
    return tmp_path


def test_items_come_by_falling_score_without_those_that_were_taken(result, folder, interactions):
    recommender = Recommender.load(folder)
    taken = interactions.matrix.toarray() > 0
    for user in (3, 17, 60):
        found = recommender.recommend(f"user {user}", top=100)
        assert [r.domain for r in found] == interactions.domains.tolist()
        for d, recommendation in enumerate(found):
            columns = interactions.columns(d)
            vectors, bias = result.factors.item_vectors[columns], result.item_bias[columns]
            scores = 3 * vectors @ result.conditions[user, d] / np.sqrt(8) + bias
            own = result.own_history
            assert recommendation.blended
            scores += own.blend * (taken[user].astype(np.float32) @ own.weights.toarray())[columns]
            fresh = ~taken[user, columns]
            order = np.argsort(-scores[fresh], kind="stable")
            assert recommendation.items.tolist() == interactions.items[columns[fresh][order]].tolist()
            np.testing.assert_allclose(recommendation.scores, scores[fresh][order], rtol=1e-5, atol=1e-6)
            assert recommendation.taken_here == taken[user, columns].sum()
            assert recommendation.taken_elsewhere == taken[user].sum() - taken[user, columns].sum()
            assert recommendation.attention.shape == (2, 3)
            np.testing.assert_allclose(recommendation.attention.sum(axis=1), 1, rtol=1e-5)
            assert recommendation.informed


def test_one_domain_and_a_few_items_are_the_beginning_of_all(folder):
    recommender = Recommender.load(folder)
    everything = recommender.recommend("user 9", top=100)
    [few] = recommender.recommend("user 9", domain="domain 1", top=2)
    assert few.items.tolist() == everything[1].items[:2].tolist()
    with pytest.raises(ValueError, match="top must be at least 1, but it is 0"):
        recommender.recommend("user 9", top=0)


def test_where_nothing_leads_the_biases_rank_and_that_is_said(result, folder, interactions):
    loaded = Recommender.load(folder)
    [found] = loaded.recommend("user 0", domain="domain 0", top=1000)
    assert (found.taken_elsewhere, found.taken_here, found.informed, found.conditioned) == (0, 6, True, False)
    recommender = replace(loaded, trained=replace(loaded.trained, own_history=None))
    [found] = recommender.recommend("user 0", domain="domain 0", top=1000)
    assert not found.informed
    bias = result.item_bias[[int(item.split()[1]) for item in found.items]]
    np.testing.assert_array_equal(found.scores, bias)


def test_a_user_who_took_everything_is_recommended_nothing(interactions, folder):
    full = interactions.matrix.toarray()
    full[7] = 1
    everything = type(interactions)(**{**vars_of(interactions), "matrix": type(interactions.matrix)(full)})
    save_interactions(folder / "interactions.npz", everything)
    for found in Recommender.load(folder).recommend("user 7"):
        assert len(found.items) == len(found.scores) == 0


def test_vectors_that_training_was_given_are_used_as_they_are(result, folder, interactions):
    own = np.zeros((80, 3, 8), np.float32)
    own[5] = result.user_vectors[9]
    save_interactions(folder / "interactions.npz", interactions, own)
    recommender = Recommender.load(folder)
    attention = [r.attention for r in recommender.recommend("user 5")]
    np.testing.assert_allclose(attention, [r.attention for r in recommender.recommend("user 5")])
    conditions = result.conditioner(own[5], np.arange(3), return_attention=True)[1].numpy()
    np.testing.assert_allclose(attention, conditions, rtol=1e-5)
    assert not any(r.conditioned for r in recommender.recommend("user 6"))


def test_an_item_of_several_domains_counts_once_elsewhere(folder):
    recommender = Recommender.load(folder)
    trained = recommender.trained
    trained.items[20] = trained.items[30]  # the same item in domains 1 and 2
    trained.factors.elsewhere[1, 30] = trained.factors.elsewhere[2, 20] = False
    row = np.zeros((80, 36), np.float32)
    row[4, [20, 30]] = 1
    object.__setattr__(recommender, "taken", type(recommender.taken)(row))
    first, second, third = recommender.recommend("user 4")
    assert (first.taken_elsewhere, second.taken_elsewhere, third.taken_elsewhere) == (1, 0, 0)


def test_unknown_names_are_answered_with_the_nearest_or_a_hint(folder):
    recommender = Recommender.load(folder)
    with pytest.raises(DataError, match="there is no user 'usr 12'; did you mean 'user 12'"):
        recommender.recommend("usr 12")
    with pytest.raises(DataError, match=r"there is no user 'zoe' among 80; .*acg recommend --interactions"):
        recommender.recommend("zoe")
    with pytest.raises(DataError, match="no domain 'music' among 3; known are 'domain 0', 'domain 1', 'domain 2'"):
        recommender.recommend("user 1", domain="music")


def test_a_name_is_found_as_it_stands_with_whatever_is_in_it():
    names = np.array(["a\tb", "a b", " a", "ü", "u\u0308", "日本", "'q'", '"'])
    assert [find_name(str(name), names, "user", "") for name in names] == list(range(len(names)))


def test_a_folder_without_its_files_or_of_two_runs_is_refused(folder, tmp_path, interactions):
    with pytest.raises(DataError, match="does not exist: a folder that 'acg train'"):
        Recommender.load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a file: a folder"):
        Recommender.load(folder / "users.txt")
    other = type(interactions)(**{**vars_of(interactions), "sha256": "1" * 64})
    save_interactions(folder / "interactions.npz", other)
    with pytest.raises(CheckpointError, match=r"is of another run than checkpoint\.npz"):
        Recommender.load(folder)
    (folder / "interactions.npz").write_bytes((folder / "checkpoint.npz").read_bytes())
    with pytest.raises(CheckpointError, match="is not a file of interactions: it has no 'users'"):
        Recommender.load(folder)
    (folder / "interactions.npz").unlink()
    with pytest.raises(DataError, match=r"has no interactions\.npz"):
        Recommender.load(folder)


def vars_of(interactions):
    names = ("users", "items", "domains", "matrix", "item_domain", "same_item", "notes", "sha256")
    return {name: getattr(interactions, name) for name in names}
