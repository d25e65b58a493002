"""The options that interactions were read with, kept for the files of new users.

What was trained is what serves: a forgotten minimum rating, or another column, would give other users without a word.
The record is JSON: the columns by role, with the types that they have of their own, and the options that say which rows
count.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.tables import WHOLE, Table, TypedTable

ROW_OPTIONS: Mapping[str, Any] = {
    "min_rating": None,
    "where": None,
    "header": True,
    "quotes": True,
    "encoding": "utf-8",
    "keep_null_ids": False,
    "normalize_ids": False,
}
ROLES = ("user", "item", "domain", "rating")
TEXT = ("VARCHAR", "ENUM", "JSON", "UUID")


def record_reading(
    tables: Sequence[Table], columns: Mapping[str, Sequence[int | None]], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Record how tables are read: "columns" and "types" by role, and the options.

    Parameters
    ----------
    tables : sequence of Table
    columns : mapping
        The position of each role's column in each table.
    options : mapping
        By name, as JSON can hold them.
    """
    names: dict[str, list[str]] = {}
    types: dict[str, str] = {}
    for role in ROLES:
        for table, position in zip(tables, columns.get(role, ()), strict=False):
            if position is not None:
                names.setdefault(role, [])
                if table.columns[position] not in names[role]:
                    names[role].append(table.columns[position])
                if isinstance(table, TypedTable):
                    types[role] = table.types[position]
    return {"columns": names, "types": types, **options}


def complete_options(given: Mapping[str, Any], record: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Complete the options that say which rows count by those of the record, and note what is taken from it.

    Examples
    --------
    >>> notes = []
    >>> complete_options({"min_rating": 3.0}, {"min_rating": 4.0, "where": "year > 1999"}, notes)["where"]
    'year > 1999'
    >>> notes
    ['as in training: where = year > 1999', 'unlike in training: min_rating = 3.0, where training had 4.0']
    """
    complete, same, other = {}, [], []
    for name, default in ROW_OPTIONS.items():
        trained = record.get(name, default)
        value = trained if given.get(name) is None else given[name]
        complete[name] = value
        if record and value != trained:
            other.append(f"{name} = {value}, where training had {trained}")
        elif value != default and given.get(name) is None:
            same.append(f"{name} = {value}")
    for what, which in (("as", same), ("unlike", other)):
        if which:
            notes.append(f"{what} in training: {', '.join(which)}")
    return complete


def recorded_column(tables: Sequence[Table], role: str, record: Mapping[str, Any]) -> str | None:
    """Return the name of a role's column in the record; None where the record has none.

    Raises
    ------
    DataError
        If a table does not have it; the message has the columns of both.
    """
    names: list[str] = record.get("columns", {}).get(role, [])
    if not names:
        return None
    for table in tables:
        if not set(names) & set(table.columns):
            raise DataError(
                f"{table.name} has no column {' or '.join(map(repr, names))} for the {role}, as the interactions of "
                f"training had; it has {', '.join(map(repr, table.columns))}; if one of them is the {role}, name it "
                f"({role}=... or --{role}-column)"
            )
    return next(name for name in names if name in tables[0].columns)


def refuse_other_types(
    tables: Sequence[Table], columns: Mapping[str, Sequence[int | None]], record: Mapping[str, Any]
) -> None:
    """Raise DataError if ids have a type in which they are written otherwise than in training, as 1.0 and 1."""
    types: Mapping[str, str] = record.get("types", {})
    for role in ("user", "item"):
        for table, position in zip(tables, columns[role], strict=True):
            if position is None or not isinstance(table, TypedTable) or role not in types:
                continue
            if _family(table.types[position]) != _family(types[role]):
                raise DataError(
                    f"{table.name}: the column {table.columns[position]!r} for the {role} has the type "
                    f"{table.types[position]}, and in the interactions of training it had {types[role]}, so that the "
                    "ids may differ, as 1.0 does from 1: convert it, or read with --normalize-ids (normalize_ids=True)"
                )


def _family(kind: str) -> str:
    """Return the name of a group of types that write the same id alike."""
    name = kind.split("(", 1)[0]
    return "text or whole numbers" if name in (*WHOLE, *TEXT) else "floating" if name in ("FLOAT", "DOUBLE") else kind
