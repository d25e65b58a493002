"""Pairs of a user and a domain, from which models learn, and the items of each domain.

The positives of a pair (u, d) are the items of d that u took.  Candidates are the items of d and no others, so pairs
are processed one domain at a time, with one dense product each.  Memory grows with the interactions, not with users
times items: the positives of all pairs are stored in one array, and expanded to a matrix of pairs and candidates only
for a group of pairs at a time.

In a domain of more than 5,000 items a batch in training has fewer candidates: the items that its pairs took there, and
1,000 others of the domain, drawn uniformly for each batch.  `in_domain` has the correction that this requires.  A
ranking is always evaluated against all items.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions
from acg_numpy.shapes import Array

Ids = npt.NDArray[np.int64]

SHARPNESS = 3.0  # the 3 in the score 3 c . v / sqrt(D) + b
GROUP = 4096  # pairs that are scored together
SCORES = 1 << 22  # scores that are in memory together, so that memory does not grow with users x items
MANY_ITEMS = 5000  # in a domain; where there are more, training draws candidates
NUM_DRAWN = 1000  # candidates beside the positives
MANY_PAIRS = 1_000_000  # to train on; where there are more, a sample teaches a model as much
NUM_SAMPLED = 30_000  # of them


class Group(NamedTuple):
    """Consecutive pairs of one domain."""

    domain: int
    rows: slice  # which pairs
    candidates: slice | Ids  # which of the domain's items, by position; C of them
    positive: npt.NDArray[np.bool_]  # (pairs, C)
    weight: npt.NDArray[np.float32] | None = None  # (pairs, C), where candidates were drawn: of exp of the scores


def drawn_candidates(sizes: Ids) -> dict[int, int]:
    """Return how many candidates training draws beside the positives, for each domain in which it does.

    Examples
    --------
    >>> drawn_candidates(np.array([7000, 5000, 300]))
    {0: 1000}
    """
    return dict.fromkeys(np.flatnonzero(sizes > MANY_ITEMS).tolist(), NUM_DRAWN)


def sample_pairs(pairs: Ids, number: int | None, seed: int) -> Ids:
    """Draw the pairs to train on, each domain with its share of them.

    Parameters
    ----------
    pairs : array, shape (P, 2)
        Rows of (user, domain).
    number : int, optional
        How many at most; by default all, and 30,000 where there are more than a million.  A domain keeps at least one.
    seed : int

    Returns
    -------
    array, shape (n, 2)
        In the order of `pairs`.

    Examples
    --------
    >>> pairs = np.array([[user, int(user < 8)] for user in range(12)])
    >>> np.bincount(sample_pairs(pairs, 6, seed=0)[:, 1]).tolist()
    [2, 4]
    """
    if number is None:
        number = NUM_SAMPLED if len(pairs) > MANY_PAIRS else len(pairs)
    if number >= len(pairs):
        return pairs
    rng, kept = np.random.default_rng(seed), []
    domains, counts = np.unique(pairs[:, 1], return_counts=True)
    shares = number * counts / len(pairs)
    quotas = np.floor(shares).astype(np.int64)
    quotas[np.argsort(quotas - shares, kind="stable")[: number - quotas.sum()]] += 1  # largest remainders first
    for domain, quota in zip(domains, np.maximum(quotas, 1), strict=True):
        kept.append(rng.choice(np.flatnonzero(pairs[:, 1] == domain), quota, replace=False))
    sampled: Ids = pairs[np.sort(np.concatenate(kept))]
    return sampled


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items of each domain, with their fixed vectors.

    Attributes
    ----------
    items : tuple of (I_d,) int64 arrays
        The items of each domain, in the order of items.
    vectors : tuple of (I_d, D) float32 arrays
        Their vectors, multiplied by 3 / sqrt(D).
    position : (I,) int64 array
        The position of each item within its domain.
    """

    items: tuple[Ids, ...]
    vectors: tuple[Array, ...]
    position: Ids

    @cached_property
    def by_domain(self) -> Ids:
        """All items, one domain after the other: (I,)."""
        return np.concatenate(self.items)

    @cached_property
    def starts(self) -> Ids:
        """The place of each domain's first item in `by_domain`: (N,)."""
        return np.cumsum([0, *(len(items) for items in self.items[:-1])])

    @cached_property
    def vectors_and_one(self) -> tuple[Array, ...]:
        """The vectors of each domain with a column of ones behind them: (I_d, D + 1)."""
        return tuple(np.concatenate([v, np.ones((len(v), 1), v.dtype)], axis=1) for v in self.vectors)

    @classmethod
    def from_interactions(cls, interactions: Interactions, item_vectors: Array) -> Self:
        """Group items and their vectors (I, D) by domain."""
        items = tuple(interactions.columns(d) for d in range(len(interactions.domains)))
        position = np.zeros(len(interactions.items), np.int64)
        for domain_items in items:
            position[domain_items] = np.arange(len(domain_items))
        scale = SHARPNESS / math.sqrt(item_vectors.shape[1])
        return cls(items, tuple(item_vectors[i] * scale for i in items), position)

    def candidates(self, group: Group) -> tuple[Array, Ids]:
        """Return the candidates of a group: their vectors (C, D), times 3 / sqrt(D), and their items (C,)."""
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
        The candidates of each domain in which they were drawn: sorted positions of items.
    vector_sums : (P, D) float32 array or None
        The sum of the vectors of each pair's positives, where it is known.
    """

    users: Ids
    domains: Ids
    offsets: Ids
    positives: Ids
    sizes: Ids
    drawn: Mapping[int, Ids] = field(default_factory=dict)
    vector_sums: Array | None = None

    @classmethod
    def from_matrix(cls, pairs: Ids, matrix: sp.csr_array, item_domain: Ids, catalogue: Catalogue) -> Self:
        """Look up the positives of `pairs` (P, 2), rows of (user, domain), in a user-item matrix (U, I)."""
        sizes = np.array([len(items) for items in catalogue.items])
        users, row = np.unique(pairs[:, 0], return_inverse=True)
        matrix = sp.csr_array(matrix[users])  # pairs may be a sample, of few users
        wanted = row * len(sizes) + pairs[:, 1]
        is_wanted = np.zeros(matrix.shape[0] * len(sizes), np.bool_)
        is_wanted[wanted] = True
        key = np.repeat(np.arange(matrix.shape[0]) * len(sizes), np.diff(matrix.indptr)) + item_domain[matrix.indices]
        kept = is_wanted[key]
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
        """Select pairs, and sort them by domain as `groups` requires, otherwise in the order of `index`."""
        return self._select(index[np.argsort(self.domains[index], kind="stable")])

    def batches(self, order: Ids, size: int) -> Iterator[Self]:
        """Go through the pairs in an order, `size` of them at a time, each batch as `take` leaves it."""
        batch_and_domain = np.arange(len(order)) // size * len(self.sizes) + self.domains[order]
        ordered = self._select(order[np.argsort(batch_and_domain, kind="stable")])
        for start in range(0, len(order), size):
            yield ordered._cut(slice(start, min(start + size, len(order))))

    def with_vector_sums(self, catalogue: Catalogue) -> Self:
        """Add the sums of the vectors of each pair's positives, which `take` and `batches` then hand on."""
        return replace(self, vector_sums=self.sum_positives(catalogue))

    def sum_positives(self, catalogue: Catalogue) -> Array:
        """Sum the vectors of each pair's positives, (P, D), unless they are known."""
        if self.vector_sums is not None:
            return self.vector_sums
        place = catalogue.starts[np.repeat(self.domains, np.diff(self.offsets))] + self.positives
        ones = np.ones(len(place), catalogue.vectors[0].dtype)
        items = sp.csr_array((ones, place, self.offsets), shape=(len(self), len(catalogue.position)))
        sums: Array = items @ np.concatenate(catalogue.vectors)
        return sums

    def _select(self, index: Ids) -> Self:
        counts = self.offsets[index + 1] - self.offsets[index]
        return type(self)(
            self.users[index],
            self.domains[index],
            np.concatenate([[0], np.cumsum(counts)]),
            self.positives[_ranges(self.offsets[index], counts)],
            self.sizes,
            vector_sums=None if self.vector_sums is None else self.vector_sums[index],
        )

    def _cut(self, rows: slice) -> Self:
        """Return consecutive pairs, as views."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        return replace(
            self,
            users=self.users[rows],
            domains=self.domains[rows],
            offsets=offsets - offsets[0],
            positives=self.positives[offsets[0] : offsets[-1]],
            vector_sums=None if self.vector_sums is None else self.vector_sums[rows],
        )

    def draw_candidates(self, rng: np.random.Generator) -> Self:
        """Draw the items to compare the positives with, for each domain with many items that has pairs here."""
        present = np.unique(self.domains).tolist()
        many = drawn_candidates(self.sizes)
        drawn = {d: np.sort(rng.choice(self.sizes[d], many[d], replace=False)) for d in present if d in many}
        return replace(self, drawn=drawn)

    def ranges(self) -> Iterator[tuple[int, slice]]:
        """Go through pairs that are sorted by domain: a domain, and which pairs, at most 4096 of one domain."""
        ends = np.searchsorted(self.domains, np.arange(len(self.sizes)), side="right").tolist()
        start = 0
        for domain, end in enumerate(ends):
            group_size = max(1, min(GROUP, SCORES // max(int(self.sizes[domain]), 1)))
            while start < end:
                stop = min(end, start + group_size)
                yield domain, slice(start, stop)
                start = stop

    def groups(self) -> Iterator[Group]:
        """Go through pairs that are sorted by domain, in groups of `ranges`, with a matrix of their positives."""
        for domain, rows in self.ranges():
            yield self._group(domain, rows)

    def candidates(self, domain: int, rows: slice) -> tuple[slice | Ids, npt.NDArray[np.float32] | None]:
        """Return what some pairs of one domain are compared with: which of its items, and their weights.

        Returns
        -------
        candidates : slice or (C,) int64 array
            All items of the domain, or sorted positions of those that were drawn or taken.
        weight : (b, C) float32 array or None
            Where candidates were drawn.
        """
        if domain not in self.drawn:
            return slice(None), None
        group = self._group(domain, rows)
        return group.candidates, group.weight

    def times_taken(self, catalogue: Catalogue) -> Ids:
        """Count how many of the pairs took each item, in their own domain: (I,)."""
        place = catalogue.starts[np.repeat(self.domains, np.diff(self.offsets))] + self.positives
        times = np.empty(len(catalogue.position), np.int64)
        times[catalogue.by_domain] = np.bincount(place, minlength=len(times))
        return times

    def _group(self, domain: int, rows: slice) -> Group:
        """Expand the positives of some pairs of one domain to a matrix, over all of its items or over those drawn."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        taken = self.positives[offsets[0] : offsets[-1]]
        n = np.diff(offsets)
        pair, size = np.repeat(np.arange(len(n)), n), int(self.sizes[domain])
        if domain not in self.drawn:
            positive = np.zeros((len(n), size), np.bool_)
            positive[pair, taken] = True
            return Group(domain, rows, slice(None), positive)
        drawn = self.drawn[domain]
        is_candidate = np.zeros(size, np.bool_)
        is_candidate[drawn] = True
        drawn_and_taken = np.bincount(pair[is_candidate[taken]], minlength=len(n))
        is_drawn = is_candidate.copy()
        is_candidate[taken] = True
        candidates = np.flatnonzero(is_candidate)  # (C,)
        column = np.empty(size, np.int64)
        column[candidates] = np.arange(len(candidates))
        positive = np.zeros((len(n), len(candidates)), np.bool_)
        positive[pair, column[taken]] = True
        others = len(drawn) - drawn_and_taken  # m_p
        weight = np.maximum(size - n, 1) / np.maximum(others, 1)  # (M - n_p) / m_p; where m_p is 0 it is not used
        weights = np.multiply.outer(weight.astype(np.float32), is_drawn[candidates])
        weights[positive] = 1
        return Group(domain, rows, candidates, positive, weights)


def _ranges(starts: Ids, counts: Ids) -> Ids:
    """Concatenate the ranges start .. start + count."""
    ends = np.cumsum(counts)
    ranges: Ids = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return ranges
