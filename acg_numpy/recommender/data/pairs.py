"""What is there to learn from?  Pairs of a user and a domain, and the items that each domain has to offer.

The positives of a pair (u, d) are the items of d that u took.  Candidates are the domain's own items and no others, so
pairs are taken a domain at a time, a dense product each.  What is kept grows with the interactions, not with users
times items: positives lie one after the other, and are spread out over the candidates only for the pairs at hand.

In a domain of more than 5,000 items a batch in training has fewer candidates: the items that its pairs took there, and
1,000 others of the domain, drawn uniformly for each batch.  `in_domain` has the correction that this asks for.  A
ranking is always judged against all items.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions
from acg_numpy.shapes import Array

Ids = npt.NDArray[np.int64]

SHARPNESS = 3.0  # the 3 of the score, 3 c . v / sqrt(D) + b
GROUP = 4096  # pairs that are scored together
SCORES = 1 << 22  # scores that are held at once, so that memory does not grow with users x items
MANY = 5000  # items in a domain; where there are more, training draws candidates
DRAWN = 1000  # of them


class Group(NamedTuple):
    """Pairs of one domain that stand beside each other."""

    domain: int
    rows: slice  # which pairs
    candidates: slice | Ids  # which of the domain's items, by position; C of them
    positive: npt.NDArray[np.bool_]  # (pairs, C)
    log_weight: npt.NDArray[np.float32] | None = None  # (pairs, C), where candidates were drawn: what scores gain


def drawn_candidates(sizes: Ids) -> dict[int, int]:
    """Say in which domains training draws candidates, and how many beside the positives.

    Examples
    --------
    >>> drawn_candidates(np.array([7000, 5000, 300]))
    {0: 1000}
    """
    return dict.fromkeys(np.flatnonzero(sizes > MANY).tolist(), DRAWN)


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

    def of_group(self, group: Group) -> tuple[Array, Ids]:
        """Look up a group's candidates: their vectors (C, D), times 3 / sqrt(D), and their items (C,)."""
        return self.vectors[group.domain][group.candidates], self.items[group.domain][group.candidates]


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
    drawn : mapping of int to (m,) int64 array
        For domains whose candidates were drawn, those drawn: sorted positions of items.
    """

    users: Ids
    domains: Ids
    offsets: Ids
    positives: Ids
    sizes: Ids
    drawn: Mapping[int, Ids] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Ids, matrix: sp.csr_array, item_domain: Ids, catalogue: Catalogue) -> Self:
        """Look up the positives of `pairs` (P, 2), rows of (user, domain), in a user-item matrix (U, I)."""
        sizes = np.array([len(items) for items in catalogue.items])
        wanted = pairs[:, 0] * len(sizes) + pairs[:, 1]
        asked_for = np.zeros(matrix.shape[0] * len(sizes), np.bool_)
        asked_for[wanted] = True
        key = np.repeat(np.arange(matrix.shape[0]) * len(sizes), np.diff(matrix.indptr)) + item_domain[matrix.indices]
        kept = asked_for[key]
        key, items = key[kept], matrix.indices[kept]
        order = np.lexsort((items, key))
        key = key[order]
        starts, ends = (np.searchsorted(key, wanted, side=side) for side in ("left", "right"))
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

    def draw_candidates(self, rng: np.random.Generator) -> Self:
        """Draw, for the domains with many items that come up here, the items to compare the positives with."""
        present = np.unique(self.domains).tolist()
        many = drawn_candidates(self.sizes)
        drawn = {d: np.sort(rng.choice(self.sizes[d], many[d], replace=False)) for d in present if d in many}
        return replace(self, drawn=drawn)

    def groups(self) -> Iterator[Group]:
        """Go through pairs that are sorted by domain, a domain (and at most 4096 pairs) at a time."""
        ends = np.searchsorted(self.domains, np.arange(len(self.sizes)), side="right").tolist()
        start = 0
        for domain, end in enumerate(ends):
            at_once = max(1, min(GROUP, SCORES // max(int(self.sizes[domain]), 1)))
            while start < end:
                stop = min(end, start + at_once)
                yield self._group(domain, slice(start, stop))
                start = stop

    def _group(self, domain: int, rows: slice) -> Group:
        """Spread out the positives of some pairs of one domain, over all of its items or over those drawn."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        taken = self.positives[offsets[0] : offsets[-1]]
        n = np.diff(offsets)
        pair, size = np.repeat(np.arange(len(n)), n), int(self.sizes[domain])
        if domain not in self.drawn:
            positive = np.zeros((len(n), size), np.bool_)
            positive[pair, taken] = True
            return Group(domain, rows, slice(None), positive)
        drawn = self.drawn[domain]
        candidates = np.union1d(drawn, taken)  # (C,)
        positive = np.zeros((len(n), len(candidates)), np.bool_)
        positive[pair, np.searchsorted(candidates, taken)] = True
        is_drawn = np.isin(candidates, drawn, assume_unique=True)
        others = len(drawn) - np.sum(positive[:, is_drawn], axis=1)  # m_p
        weight = np.maximum(size - n, 1) / np.maximum(others, 1)  # (M - n_p) / m_p; where there are none, none uses it
        of_drawn = np.where(is_drawn, np.log(weight)[:, None], -np.inf)
        return Group(domain, rows, candidates, positive, np.where(positive, 0, of_drawn).astype(np.float32))


def _ranges(starts: Ids, counts: Ids) -> Ids:
    """Concatenate the ranges start .. start + count."""
    ends = np.cumsum(counts)
    ranges: Ids = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return ranges
