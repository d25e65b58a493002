"""What is changed is changed, and nothing else; afterwards the conditioner is as it was."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.data.pairs import Catalogue
from acg_numpy.recommender.evaluation import ablation as module
from acg_numpy.recommender.evaluation.ablation import CHANGES, DOMAINS, TOKEN, UNIFORM, USERS, dependence
from acg_numpy.recommender.evaluation.protocol import evaluate
from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.training.loop import make_score
from acg_numpy.recommender.training.ranker import Ranker
from tests.recommender.problems import problem

seeds = st.integers(0, 10_000)
NAMES = ("books", "films", "music")


def trained(seed, name="attention", **options):
    """A ranker whose attention is far from uniform, and what it is tested on."""
    interactions, _, pairs, rng = problem(seed)
    catalogue = Catalogue.from_interactions(interactions, rng.normal(size=(13, 8)).astype(np.float32))
    if name == "attention":
        options = {"inner_dim": 8, "tokens_per_domain": 3, **options}
    options = {"heads": 2, **options}
    model = make_model(name, emb_dim=8, domain_names=NAMES, seed=seed, **options)
    for parameter in model.parameters():
        parameter.data[...] += rng.normal(size=parameter.shape)
    ranker = Ranker(model.eval(), catalogue, rng.normal(size=13).astype(np.float32))
    return ranker, rng.normal(size=(7, 3, 8)).astype(np.float32), pairs


def found_of(ranker, vectors, pairs, seed=0):
    return dependence(ranker, vectors, pairs, NAMES, seed=seed)


@given(seeds)
def test_unchanged_is_the_evaluation_and_parameters_stay(seed):
    ranker, vectors, pairs = trained(seed)
    before = ranker.state_dict()
    found = found_of(ranker, vectors, pairs)
    ndcg, _ = evaluate(make_score(ranker, vectors), pairs)
    assert found["ndcg@10"]["unchanged"] == pytest.approx(np.mean(ndcg))
    assert found["pairs"] == len(pairs)
    for name, value in ranker.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    json.dumps(found, allow_nan=False)
    assert found == found_of(ranker, vectors, pairs)


@given(seeds)
def test_differences_belong_to_the_figures(seed):
    found = found_of(*trained(seed))
    assert set(found["paired"]) == set(CHANGES)
    for change in CHANGES:
        difference = found["ndcg@10"][change] - found["ndcg@10"]["unchanged"]
        assert found["paired"][change]["difference"] == pytest.approx(difference, abs=1e-12)
    assert found["largest change"] > 0


@given(seeds)
def test_one_key_attention_depends_on_the_user_not_at_all(seed):
    found = found_of(*trained(seed, "one-key"))
    for change in (USERS, UNIFORM):
        assert found["ndcg@10"][change] == found["ndcg@10"]["unchanged"]
        assert found["paired"][change] == {"difference": 0.0, "se": 0.0}
    assert found["largest change"] == 0
    assert TOKEN not in found["ndcg@10"]
    assert found["tokens"] == {}


@given(seeds)
def test_every_user_is_replaced_by_another_of_the_same_domain(seed):
    _, _, pairs = trained(seed)
    stand_in = module._permute_users(pairs, 3, np.random.default_rng(seed))
    for domain in set(pairs.domains.tolist()):
        users = pairs.users[pairs.domains == domain]
        others = stand_in(users, domain)
        assert sorted(others) == sorted(users)
        assert len(users) == 1 or np.all(others != users)


@given(seeds)
def test_where_all_users_are_alike_exchanging_them_changes_nothing(seed):
    ranker, vectors, pairs = trained(seed)
    found = found_of(ranker, np.broadcast_to(vectors[:1], vectors.shape), pairs)
    assert found["largest change"] == 0
    assert found["ndcg@10"][USERS] == found["ndcg@10"]["unchanged"]


@given(seeds)
def test_where_all_domains_have_the_same_tokens_telling_another_changes_nothing(seed):
    ranker, vectors, pairs = trained(seed)
    tokens = ranker.model.domain_embedding.tokens.data
    tokens[...] = tokens[:1]
    found = found_of(ranker, vectors, pairs)
    assert found["ndcg@10"][DOMAINS] == pytest.approx(found["ndcg@10"]["unchanged"])


@given(seeds)
def test_uniform_attention_gives_every_token_the_same_weight(seed):
    ranker, vectors, _ = trained(seed)
    with module._uniform_attention(ranker.model):
        _, attention = ranker.model(vectors[:, 0], 1, return_attention=True)
        np.testing.assert_array_equal(attention.numpy(), np.float32(1 / 3))
    _, attention = ranker.model(vectors[:, 0], 1, return_attention=True)
    assert np.ptp(attention.numpy()) > 0.1


@given(seeds)
def test_a_token_left_out_is_as_if_it_were_not_there(seed):
    ranker, vectors, pairs = trained(seed, num_global_tokens=1)
    found = found_of(ranker, vectors, pairs)
    smaller = make_model(
        "attention", emb_dim=8, domain_names=NAMES, heads=2, inner_dim=8, tokens_per_domain=2, num_global_tokens=1
    ).eval()
    state = ranker.model.state_dict()
    state["domain_embedding.tokens"] = np.delete(state["domain_embedding.tokens"], 1, axis=1)
    smaller.load_state_dict(state)
    without = Ranker(smaller, ranker.catalogue, ranker.item_bias.data)
    ndcg, _ = evaluate(make_score(without, vectors), pairs)
    mask = np.array([True, False, True, True])
    np.testing.assert_allclose(
        ranker.model(vectors[:, 2], 2, mask=mask).numpy(), smaller(vectors[:, 2], 2).numpy(), rtol=1e-3, atol=1e-4
    )
    for domain, row in found["tokens"].items():
        here = pairs.domains == NAMES.index(domain)
        assert row["pairs"] == np.sum(here)
        assert len(row["without"]) == 4
        assert row["without"][1] == pytest.approx(np.mean(ndcg[here]))


def test_of_very_many_pairs_some_are_looked_at(monkeypatch):
    ranker, vectors, pairs = trained(3)
    monkeypatch.setattr(module, "MOST_PAIRS", 5)
    found = found_of(ranker, vectors, pairs)
    assert found["pairs"] == 5 == sum(row["pairs"] for row in found["tokens"].values())
