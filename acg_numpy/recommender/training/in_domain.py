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

Many items.  Where a domain has M > 5,000 items, the sum in the softmax's denominator is estimated.  The pair's own n_p
items enter it as they are; of the M - n_p others, those m_p enter that are among 1,000 of the domain's items drawn
uniformly, without replacement and anew for each batch, and they stand for the rest:

    Z_p = sum_{i taken} e^S_pi  +  (M - n_p) / m_p  sum_{i drawn, not taken} e^S_pi

Given how many they are, every set of m_p of the others is as likely as any, so the second sum's expectation is the sum
over all of them, and Z_p is right on average; where all items are drawn, exactly right.  (log Z_p is low on average, by
about half the relative variance of Z_p, which falls as 1 / m_p.)  Weights are exponentials of numbers added to scores,

    S_pi + log w_pi      w_pi = 1 if p took i,  (M - n_p) / m_p if i was drawn,  0 if it is another pair's item alone

and constants do not change derivatives: forward and backward stay as they are, over fewer columns.

References
----------
Jean et al., "On using very large target vocabulary for neural machine translation", 2015, section 3.1, where the
positives too are weighed as if they had been drawn; here they are in for certain, so their weight is 1.
"""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import from_passes
from acg_numpy.passes import scatter_add
from acg_numpy.recommender.data.pairs import Catalogue, Ids, Pairs
from acg_numpy.shapes import Array


class Scored(NamedTuple):
    """Pairs of one domain whose candidates were scored together, b of them and C candidates."""

    rows: slice  # which pairs
    vectors: Array  # (C, D)
    items: Ids  # (C,)
    E: Array  # (b, C)


class InDomainCache(NamedTuple):
    """What the backward pass needs."""

    item_bias: Array  # (I,)
    scored: list[Scored]
    Z: Array  # (B, 1)
    n: Array  # (B, 1)
    t: Array  # (B, D)
    times: Array  # (I,), how many of the pairs took each item
    taken: int  # n


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
    """
    taken, dtype = len(batch.positives), catalogue.vectors[0].dtype
    t = batch.sum_positives(catalogue)
    n, times = np.diff(batch.offsets)[:, None].astype(dtype), batch.times_taken(catalogue).astype(dtype)
    scored, largest, sums = [], [], []
    for domain, rows in batch.ranges():
        candidates, log_weight = batch.candidates(domain, rows)
        V, items = catalogue.vectors[domain][candidates], catalogue.items[domain][candidates]
        S: Any = condition[rows] @ V.T  # (b, D) @ (D, C) -> (b, C)
        S += item_bias[items]
        if log_weight is not None:
            S += log_weight
        m = np.max(S, axis=1, keepdims=True)
        S -= m
        E = np.exp(S, out=S) if isinstance(S, np.ndarray) else np.exp(S)  # a recorded Tensor has no place to write to
        scored.append(Scored(rows, V, items, E))
        largest.append(m)
        sums.append(np.sum(E, axis=1, keepdims=True))
    m, Z = np.concatenate(largest), np.concatenate(sums)
    loss = (np.sum(n * (m + np.log(Z))) - np.sum(condition * t) - np.sum(times * item_bias)) / taken
    return loss, InDomainCache(item_bias, scored, Z, n, t, times, taken)


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
    _, scored, Z, n, t, times, taken = cache
    w = n / Z  # (B, 1)
    dC, db = [], []
    for rows, V, _, E in scored:
        dC.append(E @ V)  # (b, C) @ (C, D) -> (b, D)
        db.append((E.T @ w[rows])[:, 0])  # (C, b) @ (b, 1) -> (C, 1)
    items = np.concatenate([group.items for group in scored])
    scale = grad_out / taken
    return InDomainGrads(
        (w * np.concatenate(dC) - t) * scale,
        (scatter_add(np.concatenate(db), items, len(cache.item_bias)) - times) * scale,
    )


in_domain_loss = from_passes(in_domain_forward, in_domain_backward)
