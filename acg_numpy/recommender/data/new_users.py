"""Interactions of new users with items that are known already.

The columns are those of the known items, so that what was computed for these (V, w, scale) serves the new users too.
The domain of an item is known, and need not be in the file.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.interactions import DataError, refuse_line_breaks
from acg_numpy.recommender.data.reader import find_columns, read_rows
from acg_numpy.recommender.data.sources.opening import Source, open_source
from acg_numpy.recommender.data.sources.rows import Choice
from acg_numpy.recommender.data.sources.tables import TextOptions


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
    source: Source,
    items: npt.NDArray[np.str_],
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    min_rating: float | None = None,
    where: str | None = None,
    header: bool = True,
    quotes: bool = True,
    encoding: str = "utf-8",
    keep_null_ids: bool = False,
    normalize_ids: bool = False,
) -> Newcomers:
    r"""Read which users took which of the known items.

    Parameters
    ----------
    source : path, DataFrame, Arrow table, DuckDB relation, or sequence of these
        As `read_interactions` reads it; a column for the domain is ignored.
    items : array of str, shape (I,)
        The known items, a column each, as in items.txt or a checkpoint; an item that is listed several times belongs to
        several domains, and all its columns are filled.
    user, item, rating : str, optional
        Names of the columns, or their numbers.
    min_rating, where, header, quotes, encoding, keep_null_ids, normalize_ids
        As in `read_interactions`: preferably the same as in training.

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
    text, choice = TextOptions(header, quotes, encoding), Choice(min_rating, where, keep_null_ids, normalize_ids)
    given = {"user": user, "item": item, "rating": rating, "timestamp": None, "title": None}
    notes: list[str] = []
    with open_source(source, text) as opened:
        columns = find_columns(opened, given, notes, need_domain=False, need_rating=choice.min_rating is not None)
        rows = read_rows(opened, columns, choice, notes)

    distinct, same_item = np.unique(items, return_inverse=True)
    number = {name: n for n, name in enumerate(distinct.tolist())}
    index = np.array([number.get(name, -1) for name in rows.items])  # of each item of the file among the known ones
    kept = index[rows.item] >= 0
    if not kept.any():
        raise DataError(
            f"{opened.name}: none of its {len(index):,} items is known (it begins with {rows.items[0]!r}, the known "
            f"ones with {str(items[0])!r}): ids must be those of the interactions that the conditioner was trained on"
        )
    if unknown := [name for name, n in zip(rows.items, index, strict=True) if n < 0]:
        notes.append(
            f"items that are not known, left out: {len(unknown):,} (the first: {unknown[0]!r}), in rows: "
            f"{np.sum(~kept):,}"
        )

    refuse_line_breaks("user", rows.users.tolist())
    entries = (np.ones(int(kept.sum()), np.float32), (rows.user[kept], index[rows.item[kept]]))
    by_item = sp.csr_array(entries, shape=(len(rows.users), len(distinct)))
    by_item.data[:] = 1  # repeated rows were added up
    return Newcomers(rows.users.astype(str), by_item[:, same_item], tuple(notes))
