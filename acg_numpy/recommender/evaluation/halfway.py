"""Questions half-way through a pair: what the user took first in the domain is known, the rest is asked for.

A held-out pair asks what a user takes in a domain where nothing of the user is known yet.  Half-way through the same
pair there is a history inside the domain, and there are as many items left to find.  Where the interactions have times,
half-way is the time of the pair's middle item, and everything that the user did later, here or elsewhere, is not known;
without times a random half of the pair's items is known, and all that is visible elsewhere.

Such pairs were hidden from training as a whole, so they show what an own history is worth beside a condition that was
not fitted to it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions, Split
from acg_numpy.recommender.data.pairs import Catalogue, Ids, Pairs


class Halfway(NamedTuple):
    """Pairs that are cut half-way.

    Attributes
    ----------
    users : array of int, shape (P,)
    known : sparse array (CSR), shape (P, items), float32
        What is known of the user of each pair, inside the domain and elsewhere.
    asked : Pairs
        P of them, whose `users` are the rows of `known`; the positives are the items that are left to find.
    """

    users: Ids
    known: sp.csr_array
    asked: Pairs


def is_by_time(interactions: Interactions) -> bool:
    """Check whether pairs are cut half-way by time: not where a single interaction is without one."""
    return interactions.times is not None and bool(np.isfinite(interactions.times).all())


def cut_halfway(
    split: Split,
    interactions: Interactions,
    pairs: Ids,
    catalogue: Catalogue,
    *,
    visible: sp.csr_array,
    until: float = np.inf,
    seed: int = 0,
) -> Halfway:
    """Cut held-out pairs half-way; those without an item on both sides are left out.

    Parameters
    ----------
    split : Split
    interactions : Interactions
    pairs : array of int64, shape (n, 2)
        Held-out pairs of the split, of user and domain.
    catalogue : Catalogue
    visible : sparse array (CSR), shape (U, items)
        What training sees, as `split.visible` returns it.
    until : float, default inf
        In a split by time, what happened from then on is neither known nor asked for.
    seed : int, default 0
        Of the halves that are drawn, where there are no times.

    Returns
    -------
    Halfway
    """
    rng = np.random.default_rng(seed)
    X, times = interactions.matrix, interactions.times if is_by_time(interactions) else None
    users: list[int] = []
    domains: list[int] = []
    known: list[Ids] = []
    asked: list[Ids] = []
    for user, domain in pairs.tolist():
        row = slice(X.indptr[user], X.indptr[user + 1])
        items = X.indices[row]
        when = rng.random(len(items)) if times is None else times[row]
        if split.cut is not None:
            items, when = items[when < until], when[when < until]
        inside = interactions.item_domain[items] == domain
        if not inside.any():
            continue
        earlier = when < np.sort(when[inside])[np.sum(inside) // 2]
        first, rest = items[inside & earlier], items[inside & ~earlier]
        if not len(first):  # all at the same time, or only one
            continue
        elsewhere = interactions.elsewhere[domain][items]
        if times is not None:
            elsewhere &= earlier
        if split.cut is None:
            elsewhere &= np.isin(items, visible.indices[visible.indptr[user] : visible.indptr[user + 1]])
        users.append(user)
        domains.append(domain)
        known.append(np.concatenate([items[elsewhere], first]))
        asked.append(rest)
    rows = np.stack([np.arange(len(users)), np.array(domains, np.int64)], axis=1)
    found = Pairs.from_matrix(rows, _stack(asked, X.shape[1]), interactions.item_domain, catalogue)
    return Halfway(np.array(users, np.int64), _stack(known, X.shape[1]), found)


def _stack(parts: list[npt.NDArray[np.int64]], items: int) -> sp.csr_array:
    """Return a matrix with a row for each part, 1 in its columns."""
    indptr = np.cumsum([0, *map(len, parts)])
    columns = np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)
    stacked = sp.csr_array((np.ones(len(columns), np.float32), columns, indptr), shape=(len(parts), items))
    stacked.sort_indices()
    return stacked
