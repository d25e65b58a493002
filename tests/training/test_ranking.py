"""The in-domain loss and its evaluation, against the full masked matrix of the textbook."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.data import Interactions
from acg_numpy.module import Module, Parameter
from acg_numpy.training import ranking
from acg_numpy.training.metrics import ndcg_at_k, recall_at_k
from acg_numpy.training.ranking import Catalogue, Pairs, Ranker, evaluate


class Fixed(Module):
    """A model that has one condition for each row it is given."""

    def __init__(self, conditions):
        super().__init__()
        self.conditions = Parameter(conditions)

    def __call__(self, user_emb, domain_id):
        return self.conditions * 1.0


def problem(seed, users=7, items=13, domains=3, dim=4):
    """Interactions with domains of uneven size, shuffled pairs that have a positive each, item vectors in float64."""
    rng = np.random.default_rng(seed)
    item_domain = np.concatenate([np.arange(domains), rng.integers(0, domains, items - domains)])
    taken = rng.random((users, items)) < 0.5
    interactions = Interactions(
        users=np.arange(users).astype(str),
        items=np.arange(items).astype(str),
        domains=np.arange(domains).astype(str),
        matrix=sp.csr_array(taken.astype(np.float32)),
        item_domain=item_domain,
    )
    pairs = rng.permutation(np.argwhere(interactions.counts > 0))
    catalogue = Catalogue.of(interactions, rng.normal(size=(items, dim)))
    return interactions, catalogue, Pairs.of(pairs, interactions.matrix, item_domain, catalogue), rng


def masked(interactions, pairs):
    """Candidates and positives of each pair over all items, (P, I) each."""
    candidate = interactions.item_domain == pairs.domains[:, None]
    return candidate, candidate & (interactions.matrix.toarray()[pairs.users] > 0)


seeds = st.integers(0, 10_000)


@given(seeds)
def test_the_loss_is_the_cross_entropy_over_the_domains_items_averaged_over_interactions(seed):
    interactions, catalogue, pairs, rng = problem(seed)
    batch = pairs.take(np.arange(len(pairs)))
    C, bias = rng.normal(size=(len(batch), 4)), rng.normal(size=13)
    candidate, positive = masked(interactions, batch)

    vectors = np.zeros((13, 4))
    for items, scaled in zip(catalogue.items, catalogue.vectors, strict=True):
        vectors[items] = scaled * np.sqrt(4) / 3
    S = np.where(candidate, 3 * C @ vectors.T / np.sqrt(4) + bias, -np.inf)
    log_p = S - np.log(np.sum(np.exp(S), axis=1, keepdims=True))
    expected = -np.sum(log_p[positive]) / np.sum(positive)

    loss = Ranker(Fixed(C), catalogue, bias).loss(C, batch)
    assert loss.item() == pytest.approx(expected, rel=1e-10)


@given(seeds)
def test_its_gradient_is_probability_minus_target(seed):
    interactions, catalogue, pairs, rng = problem(seed)
    batch = pairs.take(np.arange(len(pairs)))
    ranker = Ranker(Fixed(rng.normal(size=(len(batch), 4))), catalogue, rng.normal(size=13))
    ranker.loss(ranker.model.conditions.data, batch).backward()

    C, dC, db = ranker.model.conditions.data, np.zeros((len(batch), 4)), np.zeros(13)
    for p, domain in enumerate(batch.domains):
        items, vectors = catalogue.items[domain], catalogue.vectors[domain]
        taken = interactions.matrix.toarray()[batch.users[p], items] > 0
        S = vectors @ C[p] + ranker.item_bias.data[items]
        dS = (np.sum(taken) * np.exp(S) / np.sum(np.exp(S)) - taken) / len(batch.positives)
        dC[p] = dS @ vectors
        db[items] += dS
    np.testing.assert_allclose(ranker.model.conditions.grad, dC, atol=1e-12)
    np.testing.assert_allclose(ranker.item_bias.grad, db, atol=1e-12)


@given(seeds, st.integers(1, 4))
def test_evaluation_ranks_the_domains_items_and_no_others(seed, k):
    interactions, catalogue, pairs, rng = problem(seed)
    scores = rng.integers(0, 5, (7, 13)).astype(float)  # with ties
    candidate, positive = masked(interactions, pairs)
    dense = np.where(candidate, scores[pairs.users], -np.inf)
    ndcg, recall = evaluate(lambda users, domain: scores[users][:, catalogue.items[domain]], pairs, k)
    np.testing.assert_allclose(ndcg, ndcg_at_k(dense, positive, k))
    np.testing.assert_allclose(recall, recall_at_k(dense, positive, k))


@given(seeds)
def test_groups_hold_every_pair_once_with_its_positives(seed):
    interactions, catalogue, pairs, rng = problem(seed)
    index = rng.permutation(len(pairs))[: len(pairs) // 2 + 1]
    batch = pairs.take(index)
    assert sorted(zip(batch.users, batch.domains, strict=True)) == sorted(
        zip(pairs.users[index], pairs.domains[index], strict=True)
    )
    X, seen = interactions.matrix.toarray() > 0, []
    for domain, rows, positive in batch.groups():
        assert set(batch.domains[rows]) == {domain}
        np.testing.assert_array_equal(positive, X[batch.users[rows]][:, catalogue.items[domain]])
        seen.extend(range(rows.start, rows.stop))
    assert seen == list(range(len(batch)))


def test_large_groups_are_cut_and_nothing_changes(monkeypatch):
    _, catalogue, pairs, rng = problem(0, users=30)
    scores = rng.normal(size=(30, 13))

    def score(users, domain):
        return scores[users][:, catalogue.items[domain]]

    whole = evaluate(score, pairs)
    monkeypatch.setattr(ranking, "GROUP", 4)
    for one, other in zip(whole, evaluate(score, pairs), strict=True):
        np.testing.assert_array_equal(one, other)
