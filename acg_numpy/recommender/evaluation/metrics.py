"""Ranking metrics at a cut-off k, for binary relevance.

A row of scores ranks a row of candidates; `relevant` marks those that the user took.  With n relevant candidates in
the row, r_1 < r_2 < ... < r_m the ranks of those among the first k, counted from 1,

    ndcg@k        sum_j 1 / log2(1 + r_j)  /  sum_{r = 1 .. min(k, n)} 1 / log2(1 + r)
    recall@k      m / min(k, n)
    hit_rate@k    1 if m > 0, else 0
    mrr@k         1 / r_1 if m > 0, else 0                                        mean reciprocal rank
    map@k         sum_j (j / r_j)  /  min(k, n)                                   mean average precision
    precision@k   m / k
    coverage@k    the share of the items that are among the first k of any row

NDCG, recall and MAP divide by the value of the best possible ranking, so that 1 is always attainable; precision is at
most n / k.  A row with nothing relevant scores 0.  Candidates of equal score rank in their order in the row (by item),
and do not depend on the sorting algorithm.  Coverage belongs to a set of rows; the others are means over rows.

All of them follow from one ranking of each row down to the largest k, which `Rankings` holds.

References
----------
Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, with binary gains.
Voorhees, "The TREC-8 question answering track report", 1999: the reciprocal rank.
Manning, Raghavan and Schütze, "Introduction to information retrieval", 2008, chapter 8: precision, recall, MAP.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.shapes import Array
from acg_numpy.text import joined

Hits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
PairMetric = Callable[[Hits, Counts, int], Floats]

COVERAGE = "coverage"
BLOCKS = 4  # of columns, for each of the k best
AT_ONCE = 2**16  # scores whose halves are compared at once, so that they stay in cache


class Rankings(NamedTuple):
    """The first K ranks of each of P rows.

    Attributes
    ----------
    hits : array of bool, shape (P, K)
        Whether the candidate at each rank is relevant; False where there are fewer candidates.
    found : array of int, shape (P,)
        The number of relevant candidates in each row.
    best_rank : array of int, shape (I,)
        The best rank of each item in any row, counted from 1; 0 for an item that is never among the first K.
    """

    hits: Hits
    found: npt.NDArray[np.int64]
    best_rank: npt.NDArray[np.int64]

    def measure(self, metric: str, k: int) -> Floats:
        """Compute one of `PAIR_METRICS` at k, at most K, for each row, shape (P,)."""
        return PAIR_METRICS[metric](self.hits[:, :k], self.found, k)

    def coverage(self, k: int, items: slice | Array = slice(None)) -> float:
        """Compute the share of the items, or of some of them, that are among the first k of any row."""
        best = self.best_rank[items]
        return float(np.mean((best > 0) & (best <= k))) if len(best) else 0.0


def top_k(scores: Array, k: int) -> npt.NDArray[np.int64]:
    """Find the k best candidates of each row, best first, ties in the order of the candidates.

    Parameters
    ----------
    scores : array, shape (B, C), floating
        -inf is allowed and ranks last; NaN is not.
    k : int
        At least 1; where C is smaller, all candidates are returned.

    Returns
    -------
    array, shape (B, min(k, C)), int64
        Columns of `scores`.

    Raises
    ------
    ValueError
        If `scores` is not two-dimensional or holds NaN, or if k is not positive.

    Examples
    --------
    >>> top_k(np.array([[0.1, 0.7, 0.7, 0.3]]), 3)
    array([[1, 2, 3]])
    """
    if scores.ndim != 2:
        raise ValueError(f"scores must be (rows, candidates), but its shape is {scores.shape}")
    if k < 1:
        raise ValueError(f"k must be at least 1, but it is {k}")
    rows, candidates = scores.shape
    step = max(1, AT_ONCE // max(1, candidates))
    best = np.concatenate(
        [_maxima_of_blocks(scores[start : start + step], BLOCKS * k) for start in range(0, max(1, rows), step)]
    )
    if np.isnan(best).any():
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise ValueError(f"scores holds NaN (first in row {row}), which cannot be ranked: has the model diverged?")
    k = min(k, candidates)
    if k == candidates:
        return np.argsort(-scores, axis=1, kind="stable")
    # No full sort: of blocks of columns, k have a maximum that reaches the k-th largest one, so at least k candidates
    # reach it, and few others do.  These are sorted, in the order in which they lie, so that ties keep it.
    bound = np.partition(best, best.shape[1] - k, axis=1)[:, best.shape[1] - k, None]  # (B, 1)
    chosen = np.flatnonzero(scores >= bound)
    row_of, column = np.divmod(chosen, candidates)
    counts = np.bincount(row_of, minlength=rows)[:, None]
    place = np.arange(np.max(counts, initial=k)) < counts  # (B, most)
    negative, columns = np.full(place.shape, np.inf, scores.dtype), np.zeros(place.shape, np.int64)
    negative[place], columns[place] = -np.take(scores, chosen), column
    order = np.argsort(negative, axis=1, kind="stable")[:, :k]
    return columns[np.arange(rows)[:, None], order]


def _maxima_of_blocks(scores: Array, least: int) -> Array:
    """Return the largest of each block of columns, or NaN; there are at least so many blocks, and less than twice.

    Columns are compared by halves, so that each comparison goes along whole rows.
    """
    best = scores
    while (half := best.shape[1] // 2) >= least:
        odd = best[:, 2 * half :]  # (B, 0 or 1)
        best = np.maximum(best[:, :half], best[:, half : 2 * half])
        if odd.size:
            np.maximum(best[:, :1], odd, out=best[:, :1])
    return best


def ndcg_at_k(scores: Array, relevant: npt.NDArray[np.bool_], k: int = 10) -> npt.NDArray[np.float64]:
    """Measure each row's normalised discounted cumulative gain among its first k.

    Parameters
    ----------
    scores : array, shape (B, C), floating
    relevant : array, shape (B, C), boolean
    k : int, default 10

    Returns
    -------
    array, shape (B,), float64
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the two shapes differ, or `scores` cannot be ranked (see `top_k`).

    Examples
    --------
    >>> scores = np.array([[3.0, 2.0, 1.0, 0.0]])
    >>> ndcg_at_k(scores, np.array([[True, True, False, False]]))  # both at the top
    array([1.])
    >>> ndcg_at_k(scores, np.array([[False, True, False, False]])).round(3)  # second: 1 / log2(3)
    array([0.631])
    """
    return metric_at_k("ndcg", scores, relevant, k)


def recall_at_k(scores: Array, relevant: npt.NDArray[np.bool_], k: int = 10) -> npt.NDArray[np.float64]:
    """Measure each row's recall: the share of what could be among the first k that is there.

    Parameters
    ----------
    scores : array, shape (B, C), floating
    relevant : array, shape (B, C), boolean
    k : int, default 10

    Returns
    -------
    array, shape (B,), float64
        Between 0 and 1: the divisor is min(k, n), not n.

    Raises
    ------
    ValueError
        If the two shapes differ, or `scores` cannot be ranked (see `top_k`).

    Examples
    --------
    >>> recall_at_k(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]), k=2)
    array([0.5])
    """
    return metric_at_k("recall", scores, relevant, k)


def metric_at_k(metric: str, scores: Array, relevant: Hits, k: int = 10) -> Floats:
    """Measure each row's ranking by one of the metrics that belong to a row.

    Parameters
    ----------
    metric : str
        "ndcg", "recall", "hit_rate", "mrr", "map" or "precision"; the module's docstring defines them.
    scores : array, shape (B, C), floating
    relevant : array, shape (B, C), boolean
    k : int, default 10

    Returns
    -------
    array, shape (B,), float64
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there is no such metric, the two shapes differ, or `scores` cannot be ranked (see `top_k`).

    Examples
    --------
    >>> scores, relevant = np.array([[4.0, 3.0, 2.0, 1.0]]), np.array([[False, True, False, True]])
    >>> {metric: metric_at_k(metric, scores, relevant, k=3).round(3).item() for metric in PAIR_METRICS}
    {'ndcg': 0.387, 'recall': 0.5, 'hit_rate': 1.0, 'mrr': 0.5, 'map': 0.25, 'precision': 0.333}
    """
    if metric not in PAIR_METRICS:
        raise ValueError(f"metric must be {joined(tuple(PAIR_METRICS), 'or')}, but it is {metric!r}")
    return PAIR_METRICS[metric](*_hits(scores, relevant, k), k)


def _ndcg(hits: Hits, found: Counts, k: int) -> Floats:
    discount = 1.0 / np.log2(np.arange(2, k + 2))  # of ranks 1 .. k
    ideal = np.concatenate([[1.0], np.cumsum(discount)])  # of n = 0 .. k; for n = 0 the gain is 0, and 1 divides it
    gain: Floats = hits @ discount[: hits.shape[1]]
    gain /= ideal[np.minimum(found, k)]
    return gain


def _recall(hits: Hits, found: Counts, k: int) -> Floats:
    counts: Floats = np.sum(hits, axis=1, dtype=np.float64)
    counts /= np.clip(found, 1, k)
    return counts


def _hit_rate(hits: Hits, found: Counts, k: int) -> Floats:
    any_hit: Floats = np.any(hits, axis=1).astype(np.float64)
    return any_hit


def _reciprocal_rank(hits: Hits, found: Counts, k: int) -> Floats:
    reciprocal: Floats = np.any(hits, axis=1) / (np.argmax(hits, axis=1) + 1.0)
    return reciprocal


def _average_precision(hits: Hits, found: Counts, k: int) -> Floats:
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)  # at each rank, (B, k)
    total: Floats = np.sum(precision * hits, axis=1)
    total /= np.clip(found, 1, k)
    return total


def _precision(hits: Hits, found: Counts, k: int) -> Floats:
    counts: Floats = np.sum(hits, axis=1, dtype=np.float64)
    counts /= k
    return counts


PAIR_METRICS: Mapping[str, PairMetric] = MappingProxyType(
    {
        "ndcg": _ndcg,
        "recall": _recall,
        "hit_rate": _hit_rate,
        "mrr": _reciprocal_rank,
        "map": _average_precision,
        "precision": _precision,
    }
)


def _hits(scores: Array, relevant: Array, k: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    if relevant.shape != scores.shape:
        raise ValueError(f"relevant must have the shape of scores, {scores.shape}, but it has {relevant.shape}")
    if relevant.dtype != np.bool_:
        raise ValueError(f"relevant must be boolean, but its dtype is {relevant.dtype}: pass relevant > 0")
    return np.take_along_axis(relevant, top_k(scores, k), axis=1), np.sum(relevant, axis=1)
