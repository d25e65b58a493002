"""What is there to learn from?  Pairs of a user and a domain, and the items that each domain has to offer.

The positives of a pair (u, d) are the items of d that u took.  Candidates are the domain's own items and no others, so
pairs are taken a domain at a time, a dense product each.  What is kept grows with the interactions, not with users
times items: positives lie one after the other, and are spread out over the candidates only for the pairs at hand.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.data import Interactions
from acg_numpy.shapes import Array

Ids = npt.NDArray[np.int64]

SHARPNESS = 3.0  # the 3 of the score, 3 c . v / sqrt(D) + b
GROUP = 4096  # pairs that are scored together, so that memory does not grow with users x items


class Group(NamedTuple):
    """Pairs of one domain that stand beside each other."""

    domain: int
    rows: slice  # which pairs
    positive: npt.NDArray[np.bool_]  # (pairs, items of the domain)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items of each domain, with their fixed vectors.

    Attributes
    ----------
    items : tuple of (I_d,) int64 arrays
        The items of each domain, in item order.
    vectors : tuple of (I_d, D) float32 arrays
        Their vectors, already times 3 / sqrt(D).
    position : (I,) int64 array
        Where an item stands within its domain.
    """

    items: tuple[Ids, ...]
    vectors: tuple[Array, ...]
    position: Ids

    @classmethod
    def of(cls, interactions: Interactions, item_vectors: Array) -> Self:
        """Sort items and their vectors (I, D) by domain."""
        items = tuple(interactions.columns(d) for d in range(len(interactions.domains)))
        position = np.zeros(len(interactions.items), np.int64)
        for of_domain in items:
            position[of_domain] = np.arange(len(of_domain))
        scale = SHARPNESS / math.sqrt(item_vectors.shape[1])
        return cls(items, tuple(item_vectors[i] * scale for i in items), position)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a user and a domain, with the positives of each.

    Attributes
    ----------
    users, domains : (P,) int64 arrays
    offsets : (P + 1,) int64 array
        The positives of pair p are `positives[offsets[p]:offsets[p + 1]]`.
    positives : (n,) int64 array
        Positions of items within the pair's domain.
    sizes : (N,) int64 array
        How many items each domain has.
    """

    users: Ids
    domains: Ids
    offsets: Ids
    positives: Ids
    sizes: Ids

    @classmethod
    def of(cls, pairs: Ids, matrix: sp.csr_array, item_domain: Ids, catalogue: Catalogue) -> Self:
        """Look up the positives of `pairs` (P, 2), rows of (user, domain), in a user-item matrix (U, I)."""
        sizes = np.array([len(items) for items in catalogue.items])
        users, items = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices
        key = users * len(sizes) + item_domain[items]
        order = np.lexsort((items, key))
        wanted = pairs[:, 0] * len(sizes) + pairs[:, 1]
        starts, ends = (np.searchsorted(key[order], wanted, side=side) for side in ("left", "right"))
        offsets = np.concatenate([[0], np.cumsum(ends - starts)])
        positives = catalogue.position[items[order[_ranges(starts, ends - starts)]]]
        return cls(pairs[:, 0], pairs[:, 1], offsets, positives, sizes)

    def __len__(self) -> int:
        return len(self.users)

    def take(self, index: Ids) -> Self:
        """Pick pairs, sorted by domain (and otherwise in the order of `index`), as `groups` wants them."""
        index = index[np.argsort(self.domains[index], kind="stable")]
        counts = self.offsets[index + 1] - self.offsets[index]
        return type(self)(
            self.users[index],
            self.domains[index],
            np.concatenate([[0], np.cumsum(counts)]),
            self.positives[_ranges(self.offsets[index], counts)],
            self.sizes,
        )

    def groups(self) -> Iterator[Group]:
        """Go through pairs that are sorted by domain, a domain (and at most 4096 pairs) at a time."""
        ends = np.searchsorted(self.domains, np.arange(len(self.sizes)), side="right").tolist()
        start = 0
        for domain, end in enumerate(ends):
            while start < end:
                stop = min(end, start + GROUP)
                counts = self.offsets[start + 1 : stop + 1] - self.offsets[start:stop]
                positive = np.zeros((stop - start, self.sizes[domain]), np.bool_)
                within = self.positives[self.offsets[start] : self.offsets[stop]]
                positive[np.repeat(np.arange(stop - start), counts), within] = True
                yield Group(domain, slice(start, stop), positive)
                start = stop


def _ranges(starts: Ids, counts: Ids) -> Ids:
    """Concatenate the ranges start .. start + count."""
    ends = np.cumsum(counts)
    ranges: Ids = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return ranges
