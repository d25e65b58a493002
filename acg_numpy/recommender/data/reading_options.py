"""The options that interactions were read with, kept for the files of new users.

What was trained is what serves: a forgotten minimum rating, or another column, would give other users without a word.
The record is JSON: the columns by role, with the types that they have of their own, and the options that say which rows
count.
"""

import re
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
WORDS_OF_CASE = ("case", "when", "then", "else", "end")  # columns of these names stand in quotes
ANOTHER_CONDITION = "give a condition for this file with --where (where=...; 'true' keeps all rows)"


def record_reading(
    tables: Sequence[Table], columns: Mapping[str, Sequence[int | None]], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Record how tables are read: "columns" and "types" by role, "where_columns" with their types, and the options.

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
    condition = _condition_columns(tables, options.get("where") or "")
    return {"columns": names, "types": types, "where_columns": condition, **options}


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
            other.append(f"{name} = {value}, where training had {'none' if trained is None else trained}")
        elif value != default and given.get(name) is None:
            same.append(f"{name} = {value}")
    for what, which in (("as", same), ("unlike", other)):
        if which:
            notes.append(f"{what} in training: {', '.join(which)}")
    return complete


def describe_record(record: Mapping[str, Any]) -> str:
    """Write the columns of a record, with their types where they have one of their own, and its condition.

    Examples
    --------
    >>> describe_record({"columns": {"user": ["who"], "item": ["asin"]}, "types": {"item": "BIGINT"}, "where": "x > 1"})
    "the columns user = 'who', item = 'asin' (BIGINT), and where = x > 1"
    """
    columns = [
        f"{role} = {' or '.join(map(repr, names))}" + (f" ({record['types'][role]})" if role in record["types"] else "")
        for role, names in record.get("columns", {}).items()
    ]
    condition = "" if record.get("where") is None else f", and where = {record['where']}"
    return f"the columns {', '.join(columns)}{condition}" if columns else ""


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
    for role in ("user", "item"):
        for table, position in zip(tables, columns[role], strict=True):
            if position is not None and isinstance(table, TypedTable):
                refuse_other_type(table.name, table.columns[position], role, table.types[position], record)


def refuse_other_type(source: str, column: str, role: str, kind: str, record: Mapping[str, Any]) -> None:
    """Raise DataError if the ids of one column have a type in which they are written otherwise than in training."""
    trained = record.get("types", {}).get(role, kind)
    if _family(kind) != _family(trained):
        raise DataError(
            f"{source}: the column {column!r} for the {role} has the type {kind}, and in the interactions of training "
            f"it had {trained}, so that the ids may differ, as 1.0 does from 1: convert it, or read with "
            "--normalize-ids (normalize_ids=True)"
        )


def refuse_other_condition(tables: Sequence[Table], record: Mapping[str, Any]) -> None:
    """Raise DataError if a column that the condition of training reads is missing, or has another type."""
    trained: Mapping[str, str | None] = record.get("where_columns", {})
    where = record.get("where")
    for table in tables:
        position = {name.lower(): n for n, name in enumerate(table.columns)}
        for name, kind in trained.items():
            if name.lower() not in position:
                raise DataError(
                    f"{table.name} has no column {name!r}, which the condition of training reads (where = {where}); it "
                    f"has {', '.join(map(repr, table.columns))}; {ANOTHER_CONDITION}"
                )
            here = table.types[position[name.lower()]] if isinstance(table, TypedTable) else None
            if kind is not None and here is not None and _compared_as(here) != _compared_as(kind):
                raise DataError(
                    f"{table.name}: the column {name!r} has the type {here}, and in the interactions of training, "
                    f"whose condition reads it (where = {where}), it had {kind}: convert it, or {ANOTHER_CONDITION}"
                )


def _condition_columns(tables: Sequence[Table], condition: str) -> dict[str, str | None]:
    """Find the columns that a condition reads, with their type where they have one of their own."""
    without_texts = re.sub(r"'[^']*'", " ", condition)
    words = re.findall(r'"[^"]+"|\b[^\W\d]\w*\b(?!\s*\()', without_texts)
    read = {word.strip('"').lower() for word in words if word.lower() not in WORDS_OF_CASE}
    found: dict[str, str | None] = {}
    for table in tables:
        for n, name in enumerate(table.columns):
            if name.lower() in read:
                found.setdefault(name, table.types[n] if isinstance(table, TypedTable) else None)
    return found


def _family(kind: str) -> str:
    """Return the name of a group of types that write the same id alike."""
    name = kind.split("(", 1)[0]
    return "text or whole numbers" if name in (*WHOLE, *TEXT) else "floating" if name in ("FLOAT", "DOUBLE") else kind


def _compared_as(kind: str) -> str:
    """Return the name of a group of types that a condition compares alike."""
    name = kind.split("(", 1)[0]
    groups = {"number": (*WHOLE, "FLOAT", "DOUBLE", "DECIMAL"), "text": TEXT}
    of_time = "time" if name.startswith(("TIMESTAMP", "DATE")) else name
    return next((group for group, kinds in groups.items() if name in kinds), of_time)
