"""Users sorted by domain, so that what belongs to one domain lies together.

There are two forms: each of B users has a domain of its own, or every one of U users meets every one of N domains.

Domains of equal size lie side by side: their rows, (n m, D), are an array (n, m, D) without moving a number, and a
batched product does all of them at once.  Domains of nearly equal size are padded to the largest with rows of zeros,
where that costs less than one more block.  So a small batch is one block, of all its domains; in a large one domains
are in the order of how many users they have, the largest first.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, groupby
from typing import Any, NamedTuple, TypeVar

import numpy as np

from acg_numpy.kernels.scratch import scratch
from acg_numpy.num_threads import get_num_threads, map_in_order
from acg_numpy.shapes import Array

CHUNK = 2048  # users whose scores stay in cache while they are worked on
LEAST = 65536  # results from which several threads share the work, because below they gain too little
SPARE = 128  # rows of padding that cost about as much as one more block


Result = TypeVar("Result")


class Block(NamedTuple):
    """Some neighbouring domains and their users, m for each, or some users of one domain."""

    domains: slice  # among those that occur
    rows: slice  # among the sorted rows
    source: slice  # the users, among the sorted ones
    n: int
    m: int

    def split(self, rows: Array) -> Array:
        """Return the block's rows of what is sorted, (rows, ...), as (n, m, ...): a view."""
        return rows[self.rows].reshape(self.n, self.m, *rows.shape[1:])


class Groups(NamedTuple):
    """Users by domain.

    Attributes
    ----------
    present : int array, shape (N,)
        The domains that occur: in order, or where they are of many sizes those with most users first; in every-domain
        form those asked for.
    counts : int array, shape (N,)
        Users in each.
    order : int array, shape (num_rows,), or None
        The user in each of the sorted rows, and B, which is no user, where a domain is padded; None if the users are
        sorted already.
    every : bool
        Whether every user meets every domain.
    sizes : list of int
        Rows of each domain among the sorted ones: its users, and the rows of zeros that it is padded with.
    starts : list of int
        First row of each domain.
    places : int array, shape (B,), or None
        Row of each user among the sorted ones; None if they are sorted already.
    blocks : list of Block
        The work, cut into blocks that fit in cache.
    num_results : int
        Number of results, one for each user and domain that meet.
    num_rows : int
        Number of sorted rows.
    """

    present: Array
    counts: Array
    order: Array | None
    every: bool
    sizes: list[int]
    starts: list[int]
    places: Array | None
    blocks: list[Block]
    num_results: int
    num_rows: int

    def map_blocks(self, work: Callable[..., Result], *items: Iterable[Any]) -> Iterator[Result]:
        """Do the work for each block, and what belongs to it, and yield the results in order of the blocks.

        Several threads do it where there are enough users, so the work may write to nothing that blocks share.
        """
        return (map_in_order if self.num_rows >= LEAST else map)(work, self.blocks, *items)

    def sort(self, rows: Array, out: Array | None = None) -> Array:
        """Return rows (B, ...) in the order of their domains, (num_rows, ...), zeros where a domain is padded."""
        if self.order is None:
            return rows
        if self.num_rows > len(rows):
            with_zeros = scratch.get("rows and zeros", (len(rows) + 1, *rows.shape[1:]), rows.dtype)
            with_zeros[:-1], with_zeros[-1] = rows, 0
            rows = with_zeros
        return _take(rows, self.order, out)

    def sort_users(self, users: Array, out: Array) -> Array:
        """Return users (B, D) in the order of their domains in `out`, (rows, D + 1), with a column of ones."""
        B, D = users.shape
        wide = out if self.order is None else scratch.get("users and zeros", (B + 1, D + 1), users.dtype)
        wide[:B, :D], wide[:B, D], wide[B:] = users, 1, 0
        return out if self.order is None else _take(wide, self.order, out)

    def unsort(self, rows: Array) -> Array:
        """Return the users' rows in the order in which they came, in a new array: the opposite of `sort`."""
        if self.places is None:
            return rows.copy()
        return _take(rows, self.places)  # reading anywhere is cheaper than writing anywhere

    def sort_results(self, values: Array, name: str | None = None) -> Array:
        """Return what belongs to each result, (B, ...) or (U, M, ...), in the order of the domains: (num_rows, ...).

        What is copied lies in scratch memory of that name, if there is one.
        """
        if self.every:
            return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])
        if name is None or self.order is None:
            return self.sort(values)
        return self.sort(values, out=scratch.get(name, (self.num_rows, *values.shape[1:]), values.dtype))

    def unsort_results(self, rows: Array) -> Array:
        """Return sorted rows in the order in which users and domains came: the opposite of `sort_results`."""
        if self.every:
            return np.ascontiguousarray(rows.reshape(len(self.present), -1, *rows.shape[1:]).swapaxes(0, 1))
        return self.unsort(rows) if self.order is not None else rows

    def results_of_blocks(self, values: Array, name: str) -> Callable[[Block], Array]:
        """Return the function that gives a block's rows, (n, m, ...), of what belongs to each result.

        Where no domain is padded they are sorted for one block at a time, so that the copy stays in cache.  It lies in
        scratch memory of that name, and is valid until the next block is asked for in the same thread.
        """
        order = self.order
        if self.every or order is None or self.num_rows > len(values):
            sorted_values = self.sort_results(values, name)
            return lambda block: block.split(sorted_values)

        def sort_block(block: Block) -> Array:
            out = scratch.get(name, (block.n * block.m, *values.shape[1:]), values.dtype)
            values.take(order[block.rows], axis=0, out=out, mode="clip")
            return out.reshape(block.n, block.m, *values.shape[1:])

        return sort_block

    def sum_by_domain(self, rows: Array) -> Array:
        """Return the sum of the sorted rows (rows, ...) of each domain, (N, ...)."""
        total: Any = np.add.reduceat(rows, self.starts, axis=0)
        return total  # type: ignore[no-any-return]


def _lay_out(present: Array, counts: Array, order: Array | None, every: bool) -> Groups:
    """Pad domains of nearly equal size, and cut the work into blocks that fit in cache."""
    numbers: list[int] = counts.tolist()
    sizes: list[int] = []
    blocks: list[Block] = []
    row = 0
    for begin, end in _similar(numbers):
        m = max(numbers[begin:end])
        if m > CHUNK:  # none is padded
            for domain in range(begin, end):
                blocks += _pieces(domain, row, numbers[domain], every)
                row += numbers[domain]
            sizes += numbers[begin:end]
            continue
        step = CHUNK // max(m, 1)  # no users may meet every domain
        for first in range(begin, end, step):
            n = min(step, end - first)
            rows = slice(row, row + n * m)
            blocks.append(Block(slice(first, first + n), rows, slice(0, m) if every else rows, n, m))
            row = rows.stop
        sizes += [m] * (end - begin)
    starts = list(accumulate(sizes, initial=0))[: len(sizes)]
    num_results, places = sum(numbers), None
    if order is not None:
        rows_of_users = np.arange(num_results)
        if row > num_results:
            users_before = accumulate(numbers, initial=0)
            padding_before = [start - users for start, users in zip(starts, users_before, strict=False)]
            rows_of_users += np.array(padding_before).repeat(counts)
        places = np.empty_like(order)
        places[order] = rows_of_users
        if row > num_results:
            users_of_rows = np.full(row, num_results)
            users_of_rows[rows_of_users] = order
            order = users_of_rows
    return Groups(present, counts, order, every, sizes, starts, places, blocks, num_results, row)


def _similar(counts: list[int]) -> list[tuple[int, int]]:
    """Cut the domains into runs of similar sizes: a new one begins where padding would cost more than a block."""
    if _padding(counts) <= SPARE:
        return [(0, len(counts))] if counts else []
    runs, begin, start, spare = [], 0, 0, 0
    for size, same in groupby(counts):
        number = len(list(same))
        spare += (counts[begin] - size) * number
        if spare > SPARE:
            runs.append((begin, start))
            begin, spare = start, 0
        start += number
    return [*runs, (begin, start)]


def _pieces(domain: int, start: int, count: int, every: bool) -> list[Block]:
    """Cut the users of one domain."""
    pieces = []
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count)
        rows = slice(start + first, start + last)
        source = slice(first, last) if every else rows
        pieces.append(Block(slice(domain, domain + 1), rows, source, 1, last - first))
    return pieces


def group(ids: Array, num_domains: int) -> Groups:
    """Sort users by their domain."""
    if ids.size == 1:
        return _lay_out(ids.copy(), np.ones(1, np.intp), None, every=False)
    counts = np.bincount(ids)
    present = counts.nonzero()[0]
    counts = counts[present]
    if len(present) == 1:
        return _lay_out(present, counts, None, every=False)
    ranks = ids.astype(np.uint16 if num_domains < 2**16 else np.intp)  # NumPy sorts the first by radix
    if _padding(counts.tolist()) > SPARE:
        largest = np.argsort(-counts, kind="stable")
        present, counts = present[largest], counts[largest]
        rank = np.empty(num_domains, ranks.dtype)
        rank[present] = np.arange(len(present))
        ranks = rank[ids]
    return _lay_out(present, counts, ranks.argsort(kind="stable"), every=False)


def group_batch(users: tuple[int, ...], ids: Array, batch: tuple[int, ...], num_domains: int) -> Groups:
    """Group users (..., D) and domains that broadcast to a batch.

    Every user meets every one of a row of domains where the shapes are (..., 1) and (M,), as with `user_emb[:, None]`.
    """
    if ids.ndim == 1 and ids.size > 1 and len(users) > 1 and users[-1] == 1 and batch == (*users[:-1], ids.size):
        return every_domain(ids, math.prod(users))
    return group((ids if ids.shape == batch else np.broadcast_to(ids, batch)).reshape(-1), num_domains)


def _padding(counts: list[int]) -> int:
    """Return how many rows of zeros make all domains as large as the largest."""
    return len(counts) * max(counts, default=0) - sum(counts)


def every_domain(ids: Array, num_users: int) -> Groups:
    """Group every user under every one of these domains."""
    return _lay_out(ids, np.full(len(ids), num_users), None, every=True)


def _take(rows: Array, places: Array, out: Array | None = None) -> Array:
    """Return the rows at some places, gathered by several threads where there are many."""
    if get_num_threads() == 1 or len(places) < LEAST:
        return rows.take(places, axis=0, out=out, mode="clip")
    result = np.empty((len(places), *rows.shape[1:]), rows.dtype) if out is None else out

    def take(first: int) -> None:
        part = slice(first, first + CHUNK)
        rows.take(places[part], axis=0, out=result[part], mode="clip")

    for _ in map_in_order(take, range(0, len(places), CHUNK)):
        pass
    return result
