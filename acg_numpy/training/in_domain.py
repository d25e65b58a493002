"""The loss: softmax over a domain's items, against those that the user took.

Forward.  A pair p of a user and a domain has a condition c, a row of C; the domain's items have fixed vectors, the rows
of V (which carry the factor 3 / sqrt(D)), and biases b.  With y the 0/1 row that marks the n_p items taken, and n the
number of all items taken in the batch:

    S_p = V c + b                                 a score for each of the domain's items
    L_p = log softmax(S_p)
    loss = -1/n sum_p <y_p, L_p>

This is the cross-entropy against the uniform distribution over the items taken, averaged over interactions: a pair with
n_p of them counts n_p times.

Backward.  dL_p = -y_p / n goes through the log-softmax, dS = dL - P sum(dL) (see `acg_numpy.passes.softmax`):

    dS_p = (n_p P_p - y_p) / n                    what is expected, less what was taken
    dc   = V^T dS_p
    db_i = sum_p dS_pi                            over the pairs of the domain that i is in
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.autograd import from_passes
from acg_numpy.passes import log_softmax_forward, scatter_add
from acg_numpy.shapes import Array
from acg_numpy.training.pairs import Catalogue, Group, Pairs


class InDomainCache(NamedTuple):
    """What the backward needs."""

    item_bias: Array  # (I,)
    groups: list[tuple[Group, Array]]  # with each group's L, (pairs, items of the domain)
    taken: int  # n
    catalogue: Catalogue


class InDomainGrads(NamedTuple):
    """One gradient an input of `in_domain_forward`."""

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
        Sorted by domain, as `Pairs.take` leaves them; B of them.
    catalogue : Catalogue

    Returns
    -------
    loss : array, shape ()
    cache : InDomainCache
    """
    groups = []
    taken = len(batch.positives)
    loss = condition.dtype.type(0)
    for group in batch.groups():
        S = condition[group.rows] @ catalogue.vectors[group.domain].T + item_bias[catalogue.items[group.domain]]
        L, _ = log_softmax_forward(S)
        loss = loss - np.sum(L * group.positive) / taken
        groups.append((group, L))
    return loss, InDomainCache(item_bias, groups, taken, catalogue)


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
    dC, db, ids = [], [], []
    for group, L in cache.groups:
        n_p = np.sum(group.positive, axis=1, keepdims=True, dtype=L.dtype)
        dS = (np.exp(L) * n_p - group.positive) * (grad_out / cache.taken)
        dC.append(dS @ cache.catalogue.vectors[group.domain])  # (b, I_d) @ (I_d, D) -> (b, D)
        db.append(np.sum(dS, axis=0))
        ids.append(cache.catalogue.items[group.domain])
    db_all = scatter_add(np.concatenate(db), np.concatenate(ids), len(cache.item_bias))
    return InDomainGrads(np.concatenate(dC), db_all)


in_domain_loss = from_passes(in_domain_forward, in_domain_backward)
