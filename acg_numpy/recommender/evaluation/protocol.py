"""The evaluation protocol: for each pair of a user and a domain, all items of the domain are ranked for the user."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.pairs import Ids, Pairs
from acg_numpy.recommender.evaluation.metrics import Rankings, top_k
from acg_numpy.shapes import Array

K = 10  # of the metrics by which epochs, settings and models are chosen
CUTOFFS = (5, 10, 20)  # of all metrics of a report, if no others are asked for

Score = Callable[[Ids, int], Array]
"""Scores of users (b,) for the items of one domain: (b, items of the domain), floating."""


def rank(score: Score, pairs: Pairs, depth: int) -> Rankings:
    """Rank a domain's items for the user of each pair, once, down to the deepest rank that a metric needs.

    Parameters
    ----------
    score : callable
        `score(users, domain)`, users (b,) and one domain, gives (b, items of the domain).
    pairs : Pairs
    depth : int
        The largest k of a metric.

    Returns
    -------
    Rankings
        Rows are in the order of `pairs`; items are those of all domains, one domain after the other.
    """
    rankings = empty_rankings(pairs, depth)
    fill_rankings(rankings, score, pairs, np.arange(len(pairs)))
    return rankings


def empty_rankings(pairs: Pairs, depth: int) -> Rankings:
    """Return rankings to be filled, a domain after the other."""
    if depth < 1:
        raise ValueError(f"k must be at least 1, but it is {depth}")
    hits = np.zeros((len(pairs), depth), np.bool_)
    return Rankings(hits, np.diff(pairs.offsets), np.zeros(int(pairs.sizes.sum()), np.int64))


def fill_rankings(rankings: Rankings, score: Score, pairs: Pairs, rows: Ids) -> None:
    """Rank the items for some of the pairs, and write to the rankings of all."""
    depth, starts = rankings.hits.shape[1], np.concatenate([[0], np.cumsum(pairs.sizes)])
    order = rows[np.argsort(pairs.domains[rows], kind="stable")]
    ordered = pairs.take(order)
    for group in ordered.groups():
        ranked = top_k(score(ordered.users[group.rows], group.domain), depth)  # (b, up to depth)
        rankings.hits[order[group.rows], : ranked.shape[1]] = np.take_along_axis(group.positive, ranked, axis=1)
        best = np.full(int(pairs.sizes[group.domain]), depth + 1)
        for place in reversed(range(ranked.shape[1])):  # so that better ranks replace worse ones
            best[ranked[:, place]] = place + 1
        known = rankings.best_rank[starts[group.domain] : starts[group.domain + 1]]
        best = np.minimum(best, np.where(known > 0, known, depth + 1))
        known[:] = np.where(best <= depth, best, 0)


def evaluate(score: Score, pairs: Pairs, k: int = K) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rank a domain's items for the user of each pair, and measure how high the positives rank.

    Parameters
    ----------
    score : callable
        `score(users, domain)`, users (b,) and one domain, gives (b, items of the domain).
    pairs : Pairs
    k : int, default 10

    Returns
    -------
    ndcg, recall : arrays, shape (P,), float64
        In the order of `pairs`.
    """
    rankings = rank(score, pairs, k)
    return rankings.measure("ndcg", k), rankings.measure("recall", k)
