"""Lists of recommendations that another system made, read from a file to be judged beside those of a trained folder.

    user,item,rank             One row is one place in the list of a user: columns for the user and the item, and for
    ann,Emma,1                 the order a rank (1 is first), or else a score (the largest is first), or else the order
    ann,Ulysses,2              of the rows.  An item is listed in its own domain; where the file has a column for the
    bob,Dune,1                 domain, an item of several domains is listed in that one alone.

What `acg recommend --out` writes is such a file.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.data.sources.columns import find_column, normalised
from acg_numpy.recommender.data.sources.opening import Source, open_source
from acg_numpy.recommender.data.sources.tables import Table
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

ORDERS = {"rank": 1, "score": -1}  # columns by their names, and whether the smallest or the largest is first


class GivenLists(NamedTuple):
    """Lists of some users.

    Attributes
    ----------
    priorities : sparse array (CSR), shape (U, items), float64
        Above 0 where an item is listed for a user; the larger, the earlier in the list.
    notes : tuple of str
        What was left out, and why.
    """

    priorities: sp.csr_array
    notes: tuple[str, ...]

    def scores(self, users: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Array:
        """Return the priorities of some items for some users, (b, C); -inf where an item is not listed."""
        listed: Array = self.priorities[users][:, columns].toarray()
        return np.where(listed > 0, listed, -np.inf)


def read_lists(source: Source, trained: Trained, users: npt.NDArray[np.str_]) -> GivenLists:
    """Read the lists of some users.

    Parameters
    ----------
    source : path, DataFrame, Arrow table, DuckDB relation, or sequence of these
    trained : Trained
        Whose items are known.
    users : array of str, shape (U,)
        Whose lists are wanted; those of other users are left out.

    Returns
    -------
    GivenLists

    Raises
    ------
    DataError
        If the file cannot be read, has no column for the user or the item, has a rank or score that is not a number,
        or no list of any of these users.
    """
    parts: list[tuple[npt.NDArray[np.object_], ...]] = []
    notes = []
    with open_source(source) as opened:
        for table in opened.tables:
            parts.append(_read_table(opened.cursor, table))
        if any(_order_column(table) is None for table in opened.tables):
            notes.append(f"no column {' or '.join(ORDERS)}: each list is in the order of its rows")
    of_user, item, domain, order = (np.concatenate(column) for column in zip(*parts, strict=True))
    number = {name: n for n, name in enumerate(users.tolist())}
    row = np.array([number.get(name, -1) for name in of_user], np.int64)
    wanted = row >= 0
    if not wanted.any():
        first = f"it begins with {of_user[0]!r}" if len(of_user) else "it is empty"
        raise DataError(f"{opened.name} has a list of none of the {len(users):,} users that are judged ({first})")
    columns = _columns_by_name(trained)
    places = [columns.get((name, kind), ()) for name, kind in zip(item[wanted], domain[wanted], strict=True)]
    often = np.array([len(place) for place in places])
    column = np.array([one for place in places for one in place], np.int64)
    keys, row = np.repeat(order[wanted].astype(np.float64), often), np.repeat(row[wanted], often)
    priorities, repeated = _priorities(row, column, keys, (len(users), len(trained.items)))

    if others := len(set(of_user[~wanted])):
        notes.append(f"lists of users that are not judged, left out: {others:,}")
    if unknown := [name for name, n in zip(item[wanted], often, strict=True) if not n]:
        notes.append(
            f"rows with items that are not known, left out: {len(unknown):,} of {int(wanted.sum()):,} "
            f"({first_few(list(dict.fromkeys(unknown)), 1)})"
        )
    if repeated:
        notes.append(f"rows that repeat an item of the same list, of which the first place counts: {repeated:,}")
    return GivenLists(priorities, tuple(notes))


def _read_table(cursor: Any, table: Table) -> tuple[npt.NDArray[np.object_], ...]:
    """Return the columns user, item, domain and order of one table."""
    found = [find_column(table.columns, None, role, where=table.name) for role in ("user", "item")]
    domain = next((n for n, name in enumerate(table.columns) if normalised(name) == "domain"), None)
    texts = [table.text_of(place[0]) for place in found if place is not None]
    texts.append("NULL" if domain is None else table.text_of(domain))
    number = "CAST(row_number() OVER () AS DOUBLE)"
    if (order := _order_column(table)) is not None:
        position, sign = order
        number = f"{sign} * TRY_CAST({table.text_of(position)} AS DOUBLE)"
    rows = cursor.execute(f"SELECT {', '.join(texts)}, {number} FROM {table.relation}").fetchall()
    broken, _ = table.rejected(cursor)
    if broken:
        raise DataError(f"{table.name}: {broken:,} of its rows do not fit the table")
    for line, values in enumerate(rows, start=1):
        if values[0] is None or values[1] is None or values[3] is None or values[3] != values[3]:
            what = "a number for the order" if None not in values[:2] else "a user and an item"
            raise DataError(f"{table.name}: row {line} (counted from 1, without the header) has not {what}")
    columns = tuple(np.array([values[n] for values in rows], dtype=object) for n in range(4))
    return columns


def _order_column(table: Table) -> tuple[int, int] | None:
    """Return the position of the column for the order, and its sign; None where there is none."""
    names = list(map(normalised, table.columns))
    return next(((names.index(key), sign) for key, sign in ORDERS.items() if key in names), None)


def _columns_by_name(trained: Trained) -> Mapping[tuple[str, str | None], tuple[int, ...]]:
    """Return the columns of each item, in a domain by its name, and in all of its domains under None."""
    found: dict[tuple[str, str | None], tuple[int, ...]] = {}
    for column, (item, d) in enumerate(zip(trained.items.tolist(), trained.item_domain.tolist(), strict=True)):
        found[item, str(trained.domains[d])] = (column,)
        found[item, None] = (*found.get((item, None), ()), column)
    return found


def _priorities(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], keys: npt.NDArray[np.float64], shape: tuple[int, int]
) -> tuple[sp.csr_array, int]:
    """Return priorities from keys, the smallest of which is first, and how many rows repeat an item."""
    sorted_by_key = np.argsort(keys, kind="stable")
    cell = (row * shape[1] + column)[sorted_by_key]
    cells, first = np.unique(cell, return_index=True)  # the first of equal ones
    priorities = len(cell) - first.astype(np.float64)
    return sp.csr_array((priorities, (cells // shape[1], cells % shape[1])), shape=shape), len(cell) - len(cells)
