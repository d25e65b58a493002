"""Interactions of new users with items that are known already.

The columns are those of the known items, so that what was computed for these (V, w, scale) serves the new users too.
The domain of an item is known, and need not be in the file.
"""

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.delimited_text import ID, NUMBER, Table
from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.reader import default_name, read_rows


class Newcomers(NamedTuple):
    """What `read_newcomers` returns.

    Attributes
    ----------
    users : array of str, shape (U,)
        In the order of their ids.
    matrix : sparse array (CSR), shape (U, I), float32
        1 where the user took the item; a user who took no known item has an empty row.
    notes : tuple of str
        What was left out, and why.
    """

    users: npt.NDArray[np.str_]
    matrix: sp.csr_array
    notes: tuple[str, ...]


def read_newcomers(
    path: str | os.PathLike[str],
    items: npt.NDArray[np.str_],
    *,
    user: str = "user",
    item: str = "item",
    rating: str = "rating",
    min_rating: float | None = None,
) -> Newcomers:
    r"""Read which users took which of the known items from a CSV, TSV or RecBole file.

    Parameters
    ----------
    path : path
        A file as `read_interactions` reads it; a column for the domain is ignored.
    items : array of str, shape (I,)
        The known items, a column each, as in items.txt or a checkpoint; an item that is listed several times belongs to
        several domains, and all its columns are filled.
    user, item, rating : str
        Names of the columns.
    min_rating : float, optional
        Rows with a rating below it do not count: preferably the same as in training.

    Returns
    -------
    Newcomers

    Raises
    ------
    DataError
        If the file cannot be read or is not a table, a column is missing, or no item in it is known.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "new.csv"
    ...     _ = path.write_text("user,item\ncyd,Dune\ncyd,Emma\ndon,Ulysses\n", encoding="utf-8")
    ...     new = read_newcomers(path, np.array(["Alien", "Dune", "Emma"]))
    >>> new.users.tolist(), new.matrix.toarray().tolist()
    (['cyd', 'don'], [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    >>> new.notes
    ("items that are not known, left out: 1 (the first: 'Ulysses'), in rows: 1",)
    """
    table = Table(path)
    names = ((user, "user"), (item, "item"))
    wanted = [table.find_column(default_name(table, name, role), ID, role=role) for name, role in names]
    if min_rating is not None:
        wanted.append(table.find_column(rating, NUMBER, role="rating"))
    notes: list[str] = []
    rows = read_rows(table, wanted, min_rating, notes)

    distinct, same_item = np.unique(items, return_inverse=True)
    number = {name: n for n, name in enumerate(distinct.tolist())}
    index = np.array([number.get(name, -1) for name in rows.items])  # of each item of the file among the known ones
    kept = index[rows.item] >= 0
    if not kept.any():
        raise DataError(
            f"{path}: none of its {len(index):,} items is known (it begins with {next(iter(rows.items))!r}, the known "
            f"ones with {str(items[0])!r}): ids must be those of the interactions that the conditioner was trained on"
        )
    if unknown := [name for name, n in zip(rows.items, index, strict=True) if n < 0]:
        notes.append(
            f"items that are not known, left out: {len(unknown):,} (the first: {unknown[0]!r}), in rows: "
            f"{np.sum(~kept):,}"
        )

    users = np.array(list(rows.users))
    by_name = np.argsort(users, kind="stable")
    row = np.empty(len(users), np.int64)
    row[by_name] = np.arange(len(users))
    entries = (np.ones(int(kept.sum()), np.float32), (row[rows.user[kept]], index[rows.item[kept]]))
    by_item = sp.csc_array(entries, shape=(len(users), len(distinct)))
    by_item.data[:] = 1  # repeated rows were added up
    return Newcomers(users[by_name], by_item[:, same_item].tocsr(), tuple(notes))
