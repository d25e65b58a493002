"""Interactions of new users with items that are known already.

The columns are those of the known items, so that what was computed for these (V, w, scale) serves the new users too.
The domain of an item is known, and need not be in the file.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.interactions import DataError, refuse_line_breaks, taken_matrix
from acg_numpy.recommender.data.reader import read_rows
from acg_numpy.recommender.data.reading_options import (
    ANOTHER_CONDITION,
    complete_options,
    recorded_column,
    refuse_other_condition,
    refuse_other_types,
)
from acg_numpy.recommender.data.sources.opening import OpenSource, Source, open_source
from acg_numpy.recommender.data.sources.roles import find_columns
from acg_numpy.recommender.data.sources.rows import Choice, ConditionError
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
    header: bool | None = None,
    quotes: bool | None = None,
    encoding: str | None = None,
    keep_null_ids: bool | None = None,
    normalize_ids: bool | None = None,
    as_read: Mapping[str, Any] | None = None,
    domains: Sequence[str] = (),
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
    min_rating, where, header, quotes, encoding, keep_null_ids, normalize_ids : optional
        As in `read_interactions`; by default as in `as_read`.
    as_read : mapping, optional
        How the interactions of training were read, `Interactions.reading`: their columns are looked for, and their
        options hold.  `Trained.read_newcomers` gives it.
    domains : sequence of str
        The known domains: where the file has the column for the domain, rows with none of them are counted.

    Returns
    -------
    Newcomers

    Raises
    ------
    DataError
        If the file cannot be read or is not a table, a column is missing or has ids of another type than in training,
        or no item in it is known.

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
    ("items that are not known, left out: 1 of 3 (the first: 'Ulysses'), in rows: 1 of 3 (33.3%)",)
    """
    record = as_read or {}
    notes: list[str] = []
    asked = {"min_rating": min_rating, "where": where, "header": header, "quotes": quotes, "encoding": encoding}
    asked |= {"keep_null_ids": keep_null_ids, "normalize_ids": normalize_ids}
    options = complete_options(asked, record, notes)
    text = TextOptions(**{name: options[name] for name in TextOptions._fields})
    choice = Choice(**{name: option for name, option in options.items() if name not in TextOptions._fields})
    given = {"user": user, "item": item, "rating": rating, "timestamp": None, "title": None}
    with open_source(source, text) as opened:
        for role in ("user", "item", *(("rating",) if choice.min_rating is not None else ())):
            given[role] = given[role] or recorded_column(opened.tables, role, record)
        columns = find_columns(opened, given, notes, need_domain=False, need_rating=choice.min_rating is not None)
        if not choice.normalize_ids:
            refuse_other_types(opened.tables, columns, record)
        if where is None:
            refuse_other_condition(opened.tables, record)
        try:
            rows = read_rows(opened, columns, choice, notes)
        except ConditionError as error:
            if where is not None or not record:
                raise
            raise DataError(f"{error}; this is the condition of training: {ANOTHER_CONDITION}") from error
        _note_unknown_domains(opened, record, set(domains), notes)

    distinct, same_item = np.unique(items, return_inverse=True)
    number = {name: n for n, name in enumerate(distinct.tolist())}
    # of each item of the file among the known ones
    index = np.array([number.get(name, -1) for name in rows.items.tolist()], np.int32)
    kept = index[rows.item] >= 0
    if not kept.any():
        raise DataError(
            f"{opened.name}: none of its {len(index):,} items is known (it begins with {str(rows.items[0])!r}, the "
            f"known ones with {str(items[0])!r}): ids must be those of the interactions that the conditioner was "
            "trained on"
        )
    if unknown := [name for name, n in zip(rows.items.tolist(), index.tolist(), strict=True) if n < 0]:
        notes.append(
            f"items that are not known, left out: {len(unknown):,} of {len(index):,} (the first: {unknown[0]!r}), "
            f"in rows: {np.sum(~kept):,} of {len(kept):,} ({np.mean(~kept):.1%})"
        )

    refuse_line_breaks("user", rows.users)
    taken = taken_matrix(rows.user[kept], index[rows.item[kept]], (len(rows.users), len(distinct)))
    # where each item has one column, all are in the order of `items`, mostly that of their ids
    in_order = np.array_equal(same_item, np.arange(len(distinct)))
    return Newcomers(rows.users, taken if in_order else taken[:, same_item], tuple(notes))


def _note_unknown_domains(opened: OpenSource, record: Mapping[str, Any], known: Set[str], notes: list[str]) -> None:
    """Note how many rows have none of the known domains, where the column that had them in training is there."""
    unknown: dict[str, int] = {}
    total = 0
    names = record.get("columns", {}).get("domain", [])
    for table in opened.tables if known else ():
        if (name := next((name for name in names if name in table.columns), None)) is None:
            continue
        position = table.columns.index(name)
        cells = opened.cursor.execute(
            f"SELECT coalesce({table.text_of(position)}, ''), count(*) FROM {table.relation} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        separator = record.get("domain_separator") or table.separator(position)
        for cell, count in cells:
            total += count
            if known.isdisjoint(part.strip() for part in (cell.split(separator) if separator else [cell])):
                unknown[cell] = unknown.get(cell, 0) + count
    if unknown:
        rows = sum(unknown.values())
        notes.append(
            f"domains that are not known: {len(unknown):,} (the first: {next(iter(unknown))!r}), in rows: {rows:,} of "
            f"{total:,} ({rows / total:.1%}); their items count where they are known"
        )
