"""Interactions: which user took which item, and which domain each item belongs to.

    X  (U, I)   X[u, i] = 1 where user u took item i, kept sparse
    item_domain (I,)   the domain d of column i

An item of several domains has a column of X for each of them, and these columns share their number in `same_item`.
What a user did in one of the domains is then visible in the others, so wherever domain d has to be hidden, every column
of every item of d has to be: `elsewhere` says which columns remain, and the splits and the factors use it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.shapes import Array

IDS_AT_ONCE = 1 << 16  # as strings of Python
ROWS_AT_ONCE = 1 << 18  # whose entries are looked at


class DataError(ValueError):
    """Data cannot be used; the message says which file, where in it, and what was expected."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Users, items in domains, and who took what.

    Parameters
    ----------
    users : array of str, shape (U,)
    items : array of str, shape (I,)
        The id of the item of each column; an item of several domains is listed once for each.
    domains : array of str, shape (N,)
        Most items first.
    matrix : sparse array (CSR), shape (U, I), float32
        1 where the user took the item; nothing else is stored.
    item_domain : array of int, shape (I,)
        Index into `domains`.
    same_item : array of int, shape (I,), optional
        Equal for columns that are the same item in several domains; by default every column is an item of its own.
    notes : tuple of str
        What was left out while reading, and why.
    sha256 : str
        Of the bytes that this was made from.
    times : array of float64, shape (matrix.nnz,), optional
        When each interaction happened, in the order of `matrix.data`: numbers as the file has them, or seconds since
        1970 where it has dates; of repeated rows the earliest; NaN where it is not known.  None where there are no
        times.
    titles : array of str, shape (I,), optional
        What people call each item; empty where it is not known.  None where no titles were read.
    reading : mapping
        The columns and options that this was read with, for files of new users; empty if it was not read.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    DataError
        If an id or the name of a domain holds a line break or another separator of lines: they are written a line each.

    Examples
    --------
    >>> X = sp.csr_array(np.array([[1, 0, 1], [0, 1, 1]], dtype=np.float32))
    >>> taken = Interactions(
    ...     users=np.array(["ann", "bob"]),
    ...     items=np.array(["Dune", "Emma", "Alien"]),
    ...     domains=np.array(["books", "films"]),
    ...     matrix=X,
    ...     item_domain=np.array([0, 0, 1]),
    ... )
    >>> taken.counts  # each user has one book and one film
    array([[1, 1],
           [1, 1]])
    """

    users: npt.NDArray[np.str_]
    items: npt.NDArray[np.str_]
    domains: npt.NDArray[np.str_]
    matrix: sp.csr_array
    item_domain: npt.NDArray[np.int64]
    same_item: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    notes: tuple[str, ...] = ()
    sha256: str = ""
    times: npt.NDArray[np.float64] | None = None
    titles: npt.NDArray[np.str_] | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.same_item):
            object.__setattr__(self, "same_item", np.arange(len(self.items)))
        expected = (len(self.users), len(self.items))
        if self.matrix.shape != expected:
            raise ValueError(
                f"matrix has shape {self.matrix.shape}, but there are {expected[0]} users and {expected[1]} items"
            )
        for name, values in (("item_domain", self.item_domain), ("same_item", self.same_item)):
            if values.shape != (expected[1],):
                raise ValueError(
                    f"{name} has shape {values.shape}, but must hold one number for each of {expected[1]} items"
                )
        if self.times is not None and self.times.shape != (self.matrix.nnz,):
            raise ValueError(
                f"times has shape {self.times.shape}, but must hold one number for each of {self.matrix.nnz} "
                "interactions"
            )
        if self.titles is not None and self.titles.shape != (expected[1],):
            raise ValueError(
                f"titles has shape {self.titles.shape}, but must hold one title for each of {expected[1]} items"
            )
        if len(self.item_domain) and not 0 <= self.item_domain.min() <= self.item_domain.max() < len(self.domains):
            raise ValueError(
                f"item_domain must run from 0 to {len(self.domains) - 1}, the last of {len(self.domains)} domains"
            )
        for what, ids in (("user", self.users), ("item", self.items), ("domain", self.domains)):
            refuse_line_breaks(what, ids)

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many items each user took in each domain, shape (U, N)."""
        return domain_counts(self.matrix, self.item_domain, len(self.domains))

    @property
    def item_names(self) -> npt.NDArray[np.str_]:
        """What to show of each item: its title where it has one, else its id, shape (I,)."""
        return titles_or_ids(self.titles, self.items)

    @cached_property
    def elsewhere(self) -> npt.NDArray[np.bool_]:
        """Which columns say nothing about domain d: True where the item is not in d, shape (N, I)."""
        hidden = np.zeros((len(self.domains), int(self.same_item.max(initial=-1)) + 1), dtype=bool)
        hidden[self.item_domain, self.same_item] = True
        elsewhere: npt.NDArray[np.bool_] = ~hidden[:, self.same_item]
        return elsewhere

    @cached_property
    def counts_elsewhere(self) -> npt.NDArray[np.int64]:
        """How many different items outside domain d each user took, shape (U, N)."""
        first_columns = np.unique(self.same_item, return_index=True)[1]
        distinct = np.zeros(len(self.items), dtype=np.float32)
        distinct[first_columns] = 1
        total: npt.NDArray[np.int64] = np.rint(self.matrix @ distinct).astype(np.int64)
        return total[:, None] - self.counts

    def columns(self, domain: int) -> npt.NDArray[np.int64]:
        """Find the columns of a domain's items, in order, shape (items of the domain,)."""
        return np.flatnonzero(self.item_domain == domain)

    def __str__(self) -> str:
        taken = f"{self.matrix.nnz:,} interactions of {len(self.users):,} users with {len(self.items):,} items"
        return f"{taken} in {len(self.domains)} domains"

    def __repr__(self) -> str:
        return f"<Interactions: {self}>"


def refuse_line_breaks(what: str, ids: Sequence[str] | npt.NDArray[np.str_]) -> None:
    r"""Raise DataError if an id would be several lines in a file with an id a line.

    Examples
    --------
    >>> refuse_line_breaks("user", ["ann", "b\u2028b"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    acg_numpy.recommender.data.interactions.DataError: the user 'b\u2028b' holds a separator of lines, ...
    """
    for start in range(0, len(ids), IDS_AT_ONCE):
        names = list(map(str, ids[start : start + IDS_AT_ONCE]))
        if len(("\n".join(names) + "\n.").splitlines()) == len(names) + 1:
            continue
        name = next(name for name in names if len(f"{name}.".splitlines()) > 1)
        separator = next(letter for letter in name if len(f"{letter}.".splitlines()) > 1)
        raise DataError(
            f"the {what} {name!r} holds a separator of lines, {separator!r}, and ids are written a line each: "
            "replace it in the interactions"
        )


def taken_matrix(user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], shape: tuple[int, int]) -> sp.csr_array:
    """Make the matrix with 1 where a user took an item, from rows of interactions that may repeat.

    Examples
    --------
    >>> taken_matrix(np.array([1, 0, 1]), np.array([2, 0, 2]), (2, 3)).toarray().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    # sums of repeated rows may overflow, and are replaced by ones
    pairs = sp.coo_array((np.ones(len(user), np.int8), (user, item)), shape=shape).tocsr()
    return sp.csr_array((np.ones(pairs.nnz, np.float32), pairs.indices, pairs.indptr), shape=shape)


def titles_or_ids(titles: npt.NDArray[np.str_] | None, items: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Return the title of each item, and its id where it has none.

    Examples
    --------
    >>> titles_or_ids(np.array(["Dune", ""]), np.array(["b1", "b2"]))
    array(['Dune', 'b2'], dtype='<U4')
    """
    return items if titles is None else np.where(titles != "", titles, items)


def domain_counts(matrix: sp.csr_array, item_domain: Array, num_domains: int) -> npt.NDArray[np.int64]:
    """Count each row's entries in each domain.

    Parameters
    ----------
    matrix : sparse array (CSR), shape (U, I)
    item_domain : array of int, shape (I,)
    num_domains : int

    Returns
    -------
    array of int64, shape (U, N)
    """
    counts = np.empty((matrix.shape[0], num_domains), np.int64)
    for rows, row, entries in entry_blocks(matrix):
        cell = (row - rows.start) * num_domains + item_domain[matrix.indices[entries]]
        size = rows.stop - rows.start
        counts[rows] = np.bincount(cell, minlength=size * num_domains).reshape(size, num_domains)
    return counts


def entry_blocks(matrix: sp.csr_array) -> Iterator[tuple[slice, npt.NDArray[np.int64], slice]]:
    """Go through the stored entries of a CSR array, those of 262,144 rows at a time.

    Yields
    ------
    rows : slice
    row : array of int
        The row of each entry.
    entries : slice
        The place of these entries in `data` and `indices`.
    """
    for start in range(0, matrix.shape[0], ROWS_AT_ONCE):
        indptr = matrix.indptr[start : start + ROWS_AT_ONCE + 1]
        row = np.repeat(np.arange(start, start + len(indptr) - 1), np.diff(indptr))
        yield slice(start, start + len(indptr) - 1), row, slice(int(indptr[0]), int(indptr[-1]))
