"""The in-domain loss: softmax over a domain's items, against those that the user took.

Forward.  A pair p of a user and a domain has a condition c, a row of C; the domain's items have fixed vectors, the rows
of V (which carry the factor 3 / sqrt(D)), and biases b.  With y the 0/1 row that marks the n_p items taken, and n the
number of all items taken in the batch:

    S_p = V c + b                                 a score for each of the domain's items
    L_p = log softmax(S_p)
    loss = -1/n sum_p <y_p, L_p>

This is the cross-entropy against the uniform distribution over the items taken, averaged over interactions: a pair with
n_p of them counts n_p times.  Neither L nor y is made: with m_p the largest score, E_p = exp(S_p - m_p), Z_p the sum of
E_p, and t_p the sum of the vectors of the items taken, which is the same in every epoch,

    <y_p, L_p> = <c, t_p> + sum of b over the items taken - n_p (m_p + log Z_p)

Backward.  dL_p = -y_p / n goes through the log-softmax, dS = dL - P sum(dL) (see `acg_numpy.passes.softmax`):

    dS_p = (n_p P_p - y_p) / n                    what is expected, minus what was taken
    dc   = V^T dS_p
    db_i = sum_p dS_pi                            over the pairs of the domain that i is in

With w_p = n_p / Z_p, and the expected and the taken apart, dS is not made either:

    dc   = (w_p V^T E_p - t_p) / n
    db_i = (sum_p w_p E_pi - how many of the pairs took i) / n

A column of ones behind the vectors, [V, 1], gives V^T E_p and Z_p in one product.  m_p is 0 unless a Z_p shows that a
score is so large, or all are so small, that exp leaves its range: then everything is computed again.

Many items.  Where a domain has M > 5,000 items, the sum in the softmax's denominator is estimated.  The pair's own n_p
items enter it as they are; of the M - n_p others, those m_p enter that are among 1,000 of the domain's items drawn
uniformly, without replacement and anew for each batch, and they stand for the rest:

    Z_p = sum_{i taken} e^S_pi  +  (M - n_p) / m_p  sum_{i drawn, not taken} e^S_pi

Given how many they are, every set of m_p of the others is as likely as any, so the second sum's expectation is the sum
over all of them, and Z_p is right on average; where all items are drawn, exactly right.  (log Z_p is low on average, by
about half the relative variance of Z_p, which falls as 1 / m_p.)  So E is multiplied with weights

    w_pi E_pi            w_pi = 1 if p took i,  (M - n_p) / m_p if i was drawn,  0 if it is another pair's item alone

which are constants: forward and backward stay as they are, over fewer columns.

References
----------
Jean et al., "On using very large target vocabulary for neural machine translation", 2015, section 3.1, where the
positives too are weighed as if they had been drawn; here they are in for certain, so their weight is 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import from_passes
from acg_numpy.kernels.inplace_softmax import SAFE
from acg_numpy.kernels.scratch import Lease, buffer_pool
from acg_numpy.passes import scatter_add
from acg_numpy.recommender.data.pairs import Catalogue, Ids, Pairs
from acg_numpy.shapes import Array


class Compared(NamedTuple):
    """Pairs of one domain that are compared with the same candidates, b of them and C candidates."""

    rows: slice  # which pairs
    vectors: Array  # [V, 1], (C, D + 1)
    items: Ids  # (C,)
    weight: Array | None  # (b, C), where candidates were drawn


class InDomainCache(NamedTuple):
    """What the backward pass needs."""

    compared: list[Compared]
    E: list[Any]  # of each of these, (b, C), times its weight
    EV: Any  # (B, D), sum_i E_pi v_i
    Z: Any  # (B, 1)
    n: Array  # (B, 1)
    t: Array  # (B, D)
    times: Array  # (I,), how many of the pairs took each item
    taken: int  # n
    lease: Lease | None  # of the memory that E is in


class InDomainGrads(NamedTuple):
    """One gradient for each input of `in_domain_forward`."""

    condition: Array  # (B, D)
    item_bias: Array  # (I,)


def in_domain_forward(
    condition: Array, item_bias: Array, *, batch: Pairs, catalogue: Catalogue
) -> tuple[Array, InDomainCache]:
    """Compute the loss of a batch.

    Parameters
    ----------
    condition : array, shape (B, D), floating
        One for each pair.
    item_bias : array, shape (I,), floating
    batch : Pairs
        Sorted by domain, as `Pairs.take` leaves them; B of them.  With `draw_candidates`, the loss is the estimate.
    catalogue : Catalogue

    Returns
    -------
    loss : array, shape ()
    cache : InDomainCache

    Raises
    ------
    ValueError
        If the batch holds no pair, over which there is no average.
    """
    if not len(batch):
        raise ValueError("batch holds no pairs, but the loss is an average over the interactions of its pairs: skip it")
    taken, dtype = len(batch.positives), catalogue.vectors[0].dtype
    t = batch.sum_positives(catalogue)
    n, times = np.diff(batch.offsets)[:, None].astype(dtype), batch.times_taken(catalogue).astype(dtype)
    compared = []
    for domain, rows in batch.ranges():
        candidates, weight = batch.candidates(domain, rows)
        vectors, items = catalogue.vectors_and_one[domain][candidates], catalogue.items[domain][candidates]
        compared.append(Compared(rows, vectors, items, weight))

    S, lease = _score(condition, item_bias, compared)
    m: Any = 0.0
    if lease is not None:
        with np.errstate(all="ignore"):  # what leaves the range is looked at below
            E, EV, Z = _sum_exponentials(S, compared)
    if lease is None or not (Z.min() >= math.exp(-SAFE) and Z.max() <= math.exp(SAFE)):  # false for NaN
        if lease is not None:
            S, lease = _score(condition, item_bias, compared)  # those at hand have been overwritten
        S = [_hide(S_d, one.weight) for one, S_d in zip(compared, S, strict=True)]
        largest = [np.max(S_d, axis=1, keepdims=True) for S_d in S]
        E, EV, Z = _sum_exponentials([S_d - m_d for S_d, m_d in zip(S, largest, strict=True)], compared)
        m = np.concatenate(largest)
    loss = (np.sum(n * (m + np.log(Z))) - np.sum(condition * t) - np.sum(times * item_bias)) / taken
    return loss, InDomainCache(compared, E, EV, Z, n, t, times, taken, lease)


def in_domain_backward(grad_out: Array, cache: InDomainCache) -> InDomainGrads:
    """Carry dL/dloss back to conditions and item biases.

    Parameters
    ----------
    grad_out : array, shape ()
    cache : InDomainCache

    Returns
    -------
    InDomainGrads
    """
    compared, E, EV, Z, n, t, times, taken, _ = cache
    w = n / Z  # (B, 1)
    scale = grad_out / taken
    dC = (w * EV - t) * scale
    by_candidate = [w[one.rows, 0] @ E_d for one, E_d in zip(compared, E, strict=True)]  # (b,) @ (b, C) -> (C,)
    items = np.concatenate([one.items for one in compared])
    db = (_sum_by_item(np.concatenate(by_candidate), items, len(times)) - times) * scale
    return InDomainGrads(dC, db)


def _score(condition: Any, item_bias: Any, compared: list[Compared]) -> tuple[list[Any], Lease | None]:
    """Return the scores S (b, C) of each group, side by side in memory that is lent, unless they are Tensors."""
    if not (isinstance(condition, np.ndarray) and isinstance(item_bias, np.ndarray)):
        return [condition[one.rows] @ one.vectors[:, :-1].T + item_bias[one.items] for one in compared], None
    shapes = [(one.rows.stop - one.rows.start, len(one.items)) for one in compared]
    lease = buffer_pool.lend((sum(b * C for b, C in shapes),), np.result_type(condition, compared[0].vectors))
    S, start = [], 0
    for one, (b, C) in zip(compared, shapes, strict=True):
        S_d = lease.array[start : start + b * C].reshape(b, C)
        np.matmul(condition[one.rows], one.vectors[:, :-1].T, out=S_d)  # (b, D) @ (D, C)
        S_d += item_bias[one.items]
        S.append(S_d)
        start += b * C
    return S, lease


def _sum_exponentials(S: list[Any], compared: list[Compared]) -> tuple[list[Any], Any, Any]:
    """Return E, in place of the scores if they are arrays, E V, (B, D), and its sums Z, (B, 1)."""
    E, sums = [], []
    for one, S_d in zip(compared, S, strict=True):
        E_d = np.exp(S_d, out=S_d) if isinstance(S_d, np.ndarray) else np.exp(S_d)
        if one.weight is not None:
            E_d = E_d * one.weight
        E.append(E_d)
        sums.append(E_d @ one.vectors)  # (b, C) @ (C, D + 1) -> (b, D + 1)
    EV_and_Z = np.concatenate(sums)
    return E, EV_and_Z[:, :-1], EV_and_Z[:, -1:]


def _hide(S: Any, weight: Array | None) -> Any:
    """Return scores with -inf in place of those that have no weight, which must not be a pair's largest."""
    return S if weight is None else np.where(weight > 0, S, -np.inf)


def _sum_by_item(values: Any, items: Ids, number: int) -> Any:
    """Add up the values (n,) of each item, (number,)."""
    if isinstance(values, np.ndarray):
        return np.bincount(items, values, number).astype(values.dtype)  # several times as fast
    return scatter_add(values, items, number)


in_domain_loss = from_passes(in_domain_forward, in_domain_backward)
