"""Users sorted by domain, so that what belongs to one domain lies together.

There are two forms: each of B users has a domain of its own, or every one of U users meets every one of N domains.

Domains are in the order of how many users they have, the largest first.  Then domains with equally many users are
neighbours, and their rows, (n m, D), are an array (n, m, D) without moving a number: a batched product does all of them
at once.  Domains of nearly equal size are padded to the largest, where that costs less than one more block.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np

from acg_numpy.num_threads import get_num_threads, map_in_order
from acg_numpy.shapes import Array

CHUNK = 2048  # users whose scores stay in cache while they are worked on
LEAST = 65536  # results from which several threads share the work, because below they gain too little
SPARE = 128  # rows of padding that cost about as much as one more block


Result = TypeVar("Result")


class Block(NamedTuple):
    """Some neighbouring domains and their users, m for each, or some users of one domain."""

    domains: slice  # among those that occur
    rows: slice  # among the sorted results
    source: slice  # the users, among the sorted ones
    n: int
    m: int
    places: Array | None  # of the rows in the n * m places of the padded block; None if they fill it

    def pad(self, values: Array) -> Array:
        """Return the block's rows of what is sorted, (rows, ...), as (n, m, ...), zeros where a group is smaller."""
        mine = values[self.rows]
        if self.places is not None:
            wide = np.zeros((self.n * self.m, *mine.shape[1:]), values.dtype)
            wide[self.places] = mine
            mine = wide
        return mine.reshape(self.n, self.m, *mine.shape[1:])

    def unpad(self, wide: Array) -> Array:
        """Return the block's rows of a padded block (n, m, ...): the opposite of `pad`."""
        flat = wide.reshape(self.n * self.m, *wide.shape[2:])
        return flat if self.places is None else flat[self.places]


@dataclass(frozen=True, eq=False)
class Groups:
    """Users by domain.

    Attributes
    ----------
    present : int array, shape (N,)
        The domains that occur, those with most users first; in every-domain form those asked for, in order.
    counts : int array, shape (N,)
        Users in each, descending.
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
        return np.cumsum(self.counts) - self.counts

    @cached_property
    def inverse(self) -> Array:
        """Place of each user among the sorted ones."""
        assert self.order is not None  # asked for only where there is one
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(len(self.order))
        return inverse

    @cached_property
    def blocks(self) -> list[Block]:
        """The work, cut into blocks that fit in cache."""
        counts, starts = self.counts.tolist(), self.starts.tolist()
        blocks: list[Block] = []
        for begin, end in self._similar():
            if counts[begin] > CHUNK:
                for domain in range(begin, end):
                    blocks += self._pieces(domain, starts[domain], counts[domain])
            else:
                step = CHUNK // counts[begin]
                for first in range(begin, end, step):
                    blocks.append(self._side_by_side(first, min(first + step, end), starts, counts))
        return blocks

    def _similar(self) -> list[tuple[int, int]]:
        """Cut the domains into runs of similar sizes: a new one begins where padding would cost more than a block."""
        _, first = np.unique(-self.counts, return_index=True)  # where each size begins
        runs, begin, spare = [], 0, 0
        for start, stop in pairwise([*first.tolist(), len(self.counts)]):
            spare += int(self.counts[begin] - self.counts[start]) * (stop - start)
            if spare > SPARE:
                runs.append((begin, start))
                begin, spare = start, 0
        return [*runs, (begin, len(self.counts))]

    def _pieces(self, domain: int, start: int, count: int) -> list[Block]:
        """Cut the users of one domain."""
        pieces = []
        for first in range(0, count, CHUNK):
            last = min(first + CHUNK, count)
            rows = slice(start + first, start + last)
            source = slice(first, last) if self.every else rows
            pieces.append(Block(slice(domain, domain + 1), rows, source, 1, last - first, None))
        return pieces

    def _side_by_side(self, first: int, end: int, starts: list[int], counts: list[int]) -> Block:
        """Put the users of some domains side by side, padded to the largest group."""
        n, m = end - first, counts[first]
        rows = slice(starts[first], starts[end - 1] + counts[end - 1])
        places, number = None, rows.stop - rows.start
        if number != n * m:
            shift = np.arange(n) * m - (self.starts[first:end] - rows.start)
            places = np.arange(number) + np.repeat(shift, self.counts[first:end])
        return Block(slice(first, end), rows, slice(0, m) if self.every else rows, n, m, places)

    def map_blocks(self, work: Callable[..., Result], *items: Iterable[Any]) -> Iterator[Result]:
        """Do the work for each block, and what belongs to it, and yield the results in order of the blocks.

        Several threads do it where there are enough users, so the work may write to nothing that blocks share.
        """
        large = sum(block.rows.stop - block.rows.start for block in self.blocks) >= LEAST
        return (map_in_order if large else map)(work, self.blocks, *items)

    def sort(self, rows: Array, out: Array | None = None) -> Array:
        """Return rows in the order of their domains."""
        return rows if self.order is None else _take(rows, self.order, out)

    def unsort(self, rows: Array) -> Array:
        """Return sorted rows in the order in which they came, in a new array: the opposite of `sort`."""
        if self.order is None:
            return rows.copy()
        return _take(rows, self.inverse)  # reading anywhere is cheaper than writing anywhere

    def sum_by_domain(self, rows: Array) -> Array:
        """Return the sum of the sorted rows (rows, ...) of each domain, (N, ...)."""
        total: Any = np.add.reduceat(rows, self.starts, axis=0)
        return total  # type: ignore[no-any-return]


def group(ids: Array, num_domains: int) -> Groups:
    """Sort users by their domain."""
    if ids.size and (ids[0] == ids).all():
        return Groups(ids[:1].copy(), np.array([ids.size]), None, every=False)
    counts = np.bincount(ids, minlength=num_domains)
    present = np.flatnonzero(counts)
    present = present[np.argsort(-counts[present], kind="stable")]
    rank = np.empty(num_domains, np.uint16 if num_domains < 2**16 else np.intp)  # NumPy sorts the first by radix
    rank[present] = np.arange(len(present))
    return Groups(present, counts[present], np.argsort(rank[ids], kind="stable"), every=False)


def every_domain(ids: Array, num_users: int) -> Groups:
    """Group every user under every one of these domains."""
    return Groups(ids, np.full(len(ids), num_users), None, every=True)


def _take(rows: Array, places: Array, out: Array | None = None) -> Array:
    """Return the rows at some places, gathered by several threads where there are many."""
    if get_num_threads() == 1 or len(places) < LEAST:
        return np.take(rows, places, axis=0, out=out, mode="clip")
    result = np.empty((len(places), *rows.shape[1:]), rows.dtype) if out is None else out

    def take(first: int) -> None:
        part = slice(first, first + CHUNK)
        np.take(rows, places[part], axis=0, out=result[part], mode="clip")

    for _ in map_in_order(take, range(0, len(places), CHUNK)):
        pass
    return result
