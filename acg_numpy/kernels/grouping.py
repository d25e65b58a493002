"""Users sorted by domain, so that what belongs to one domain lies together.

There are two forms: each of B users has a domain of its own, or every one of U users meets every one of N domains.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array

CHUNK = 2048  # users whose scores stay in cache while they are worked on


class Part(NamedTuple):
    """Some users of one domain."""

    domain: int  # among those that occur
    source: slice  # their rows among the sorted users
    target: slice  # their rows among the sorted results


class Batch(NamedTuple):
    """Domains whose groups have similar sizes, and their users padded to the largest group."""

    domains: Array  # (n,) among those that occur
    row: Array  # (users,) the domain's place in the batch
    column: Array  # (users,) the user's place in its group
    target: Array  # (users,) rows among the sorted results
    width: int  # m


@dataclass(frozen=True, eq=False)
class Groups:
    """Users by domain.

    Attributes
    ----------
    present : int array, shape (N,)
        The domains that occur, ascending; in every-domain form those asked for, in order.
    counts : int array, shape (N,)
        Users in each.
    order : int array, shape (B,), or None
        The users' places, sorted by domain; None if they are sorted already.
    every : bool
        Whether every user meets every domain.
    """

    present: Array
    counts: Array
    order: Array | None
    every: bool

    @cached_property
    def starts(self) -> Array:
        """First row of each domain's users."""
        return np.concatenate([[0], np.cumsum(self.counts)[:-1]]) if len(self.counts) else self.counts

    def parts(self, chunk: int = CHUNK) -> list[Part]:
        """Cut the work into pieces that fit in cache."""
        parts = []
        for domain, (start, count) in enumerate(zip(self.starts.tolist(), self.counts.tolist(), strict=True)):
            for first in range(0, count, chunk):
                last = min(first + chunk, count)
                target = slice(start + first, start + last)
                parts.append(Part(domain, slice(first, last) if self.every else target, target))
        return parts

    @cached_property
    def inverse(self) -> Array:
        """Place of each user among the sorted ones."""
        assert self.order is not None  # asked for only where there is one
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(len(self.order))
        return inverse

    @cached_property
    def batches(self) -> list[Batch]:
        """Domains by the size of their groups, halving from the largest."""
        batches = []
        left = np.argsort(-self.counts, kind="stable")
        while left.size:
            width = int(self.counts[left[0]])
            number = int(np.searchsorted(-self.counts[left], -(width // 2), side="left")) if width > 1 else left.size
            domains = left[: max(1, number)]
            counts = self.counts[domains]
            row = np.repeat(np.arange(len(domains)), counts)
            column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
            batches.append(Batch(domains, row, column, np.repeat(self.starts[domains], counts) + column, width))
            left = left[len(domains) :]
        return batches

    def sort(self, rows: Array, out: Array | None = None) -> Array:
        """Return rows in the order of their domains."""
        return rows if self.order is None else np.take(rows, self.order, axis=0, out=out, mode="clip")

    def unsort(self, rows: Array) -> Array:
        """Return sorted rows in the order in which they came, in a new array: the opposite of `sort`."""
        if self.order is None:
            return rows.copy()
        return np.take(rows, self.inverse, axis=0, mode="clip")  # reading anywhere is cheaper than writing anywhere


def group(ids: Array, num_domains: int) -> Groups:
    """Sort users by their domain."""
    if ids.size and (ids[0] == ids).all():
        return Groups(ids[:1].copy(), np.array([ids.size]), None, every=False)
    keys = ids.astype(np.uint16) if num_domains < 2**16 else ids  # NumPy sorts these by radix
    order = np.argsort(keys, kind="stable")
    counts = np.bincount(ids, minlength=num_domains)
    present = np.flatnonzero(counts)
    return Groups(present, counts[present], order, every=False)


def every_domain(ids: Array, num_users: int) -> Groups:
    """Group every user under every one of these domains."""
    return Groups(ids, np.full(len(ids), num_users), None, every=True)
