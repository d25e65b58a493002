"""Ranking metrics: NDCG and recall at k, for binary relevance.

A row of scores ranks a row of candidates; `relevant` marks those that the user took.  With n relevant
candidates in the row, and the ranks r of those among the first k, counted from 1,

    NDCG@k   = sum_r 1 / log2(1 + r)  /  sum_{r = 1 .. min(k, n)} 1 / log2(1 + r)
    recall@k = (how many of the first k are relevant) / min(k, n)

so that 1 is always attainable: both divide by the value of the best possible ranking.  Candidates of equal score rank
in their order in the row (by item), and do not depend on the sorting algorithm; a row with nothing relevant scores 0.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.shapes import Array


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
    if np.isnan(scores).any():
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise ValueError(f"scores holds NaN (first in row {row}), which cannot be ranked: has the model diverged?")
    k = min(k, candidates)
    if k == candidates:
        return np.argsort(-scores, axis=1, kind="stable")
    # No full sort: what is above the k-th best score is in; what is tied with it fills the remaining places, in order.
    kth = np.partition(scores, candidates - k, axis=1)[:, candidates - k, None]  # (B, 1)
    chosen = scores > kth
    tied = scores == kth
    places = k - np.sum(chosen, axis=1, keepdims=True)
    chosen |= tied & (np.cumsum(tied, axis=1) <= places)
    columns = np.nonzero(chosen)[1].reshape(rows, k)  # exactly k a row, in the candidates' order
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


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

    References
    ----------
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, with binary gains.

    Examples
    --------
    >>> scores = np.array([[3.0, 2.0, 1.0, 0.0]])
    >>> ndcg_at_k(scores, np.array([[True, True, False, False]]))  # both at the top
    array([1.])
    >>> ndcg_at_k(scores, np.array([[False, True, False, False]])).round(3)  # second: 1 / log2(3)
    array([0.631])
    """
    return ndcg_of_hits(*_hits(scores, relevant, k), k)


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
    return recall_of_hits(*_hits(scores, relevant, k), k)


def ndcg_of_hits(hits: npt.NDArray[np.bool_], found: npt.NDArray[np.integer[Any]], k: int) -> npt.NDArray[np.float64]:
    """Compute NDCG from `hits` (B, up to k), which ranked candidates are relevant, and `found` (B,), how many exist."""
    discount = 1.0 / np.log2(np.arange(2, k + 2))  # of ranks 1 .. k
    ideal = np.concatenate([[1.0], np.cumsum(discount)])  # of n = 0 .. k; for n = 0 the gain is 0, and 1 divides it
    gain: npt.NDArray[np.float64] = hits @ discount[: hits.shape[1]]
    gain /= ideal[np.minimum(found, k)]
    return gain


def recall_of_hits(hits: npt.NDArray[np.bool_], found: npt.NDArray[np.integer[Any]], k: int) -> npt.NDArray[np.float64]:
    """Compute recall / min(k, n) from the same two arrays as `ndcg_of_hits`."""
    counts: npt.NDArray[np.float64] = np.sum(hits, axis=1, dtype=np.float64)
    counts /= np.clip(found, 1, k)
    return counts


def _hits(scores: Array, relevant: Array, k: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    if relevant.shape != scores.shape:
        raise ValueError(f"relevant must have the shape of scores, {scores.shape}, but it has {relevant.shape}")
    if relevant.dtype != np.bool_:
        raise ValueError(f"relevant must be boolean, but its dtype is {relevant.dtype}: pass relevant > 0")
    return np.take_along_axis(relevant, top_k(scores, k), axis=1), np.sum(relevant, axis=1)
