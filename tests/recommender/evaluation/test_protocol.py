"""Evaluation, against the full masked matrix of the textbook."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.evaluation.metrics import ndcg_at_k, recall_at_k
from acg_numpy.recommender.evaluation.protocol import evaluate
from tests.recommender.problems import masked, problem

seeds = st.integers(0, 10_000)


@given(seeds, st.integers(1, 4))
def test_evaluation_ranks_the_domains_items_and_no_others(seed, k):
    interactions, catalogue, pairs, rng = problem(seed)
    scores = rng.integers(0, 5, (7, 13)).astype(float)  # with ties
    candidate, positive = masked(interactions, pairs)
    dense = np.where(candidate, scores[pairs.users], -np.inf)
    ndcg, recall = evaluate(lambda users, domain: scores[users][:, catalogue.items[domain]], pairs, k)
    np.testing.assert_allclose(ndcg, ndcg_at_k(dense, positive, k))
    np.testing.assert_allclose(recall, recall_at_k(dense, positive, k))
