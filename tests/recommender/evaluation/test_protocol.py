"""Evaluation, against the full masked matrix of the textbook."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.evaluation.metrics import PAIR_METRICS, metric_at_k, top_k
from acg_numpy.recommender.evaluation.protocol import evaluate, rank
from tests.recommender.problems import masked, problem

seeds = st.integers(0, 10_000)


@given(seeds, st.integers(1, 6))
def test_one_ranking_gives_every_metric_over_the_domains_items(seed, depth):
    interactions, catalogue, pairs, rng = problem(seed)
    scores = rng.integers(0, 5, (7, 13)).astype(float)  # with ties
    candidate, positive = masked(interactions, pairs)
    dense = np.where(candidate, scores[pairs.users], -np.inf)

    def score(users, domain):
        return scores[users][:, catalogue.items[domain]]

    rankings = rank(score, pairs, depth)
    for k in range(1, depth + 1):
        for metric in PAIR_METRICS:
            np.testing.assert_allclose(rankings.measure(metric, k), metric_at_k(metric, dense, positive, k))
        lists = [set(row) & set(np.flatnonzero(can)) for row, can in zip(top_k(dense, k), candidate, strict=True)]
        assert rankings.coverage(k) == len(set().union(*lists)) / 13
    np.testing.assert_array_equal(
        evaluate(score, pairs, depth), [rankings.measure(m, depth) for m in ("ndcg", "recall")]
    )
