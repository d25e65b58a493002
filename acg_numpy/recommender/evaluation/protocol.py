"""The evaluation protocol: for each pair of a user and a domain, all items of the domain are ranked for the user."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.pairs import Ids, Pairs
from acg_numpy.recommender.evaluation.metrics import ndcg_of_hits, recall_of_hits, top_k
from acg_numpy.shapes import Array

Score = Callable[[Ids, int], Array]
"""Scores of users (b,) for the items of one domain: (b, items of the domain), floating."""


def evaluate(score: Score, pairs: Pairs, k: int = 10) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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
    order = np.argsort(pairs.domains, kind="stable")
    ordered = pairs.take(order)
    ndcg, recall = np.zeros(len(pairs)), np.zeros(len(pairs))
    for group in ordered.groups():
        rows, positive = group.rows, group.positive
        ranked = top_k(score(ordered.users[rows], group.domain), k)
        hits, found = np.take_along_axis(positive, ranked, axis=1), np.sum(positive, axis=1)
        ndcg[order[rows]] = ndcg_of_hits(hits, found, k)
        recall[order[rows]] = recall_of_hits(hits, found, k)
    return ndcg, recall
