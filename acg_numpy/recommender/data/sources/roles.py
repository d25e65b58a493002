"""The column of each role in each table: the user, the item, the domain, and others where they are there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.columns import find_column
from acg_numpy.recommender.data.sources.opening import OpenSource
from acg_numpy.recommender.data.sources.tables import Table, TextTable
from acg_numpy.recommender.data.sources.text_layout import TYPED, looks_like_data
from acg_numpy.text import first_few

MAX_SHOWN = 8  # names of domains in a note

Columns: TypeAlias = Mapping[str, Sequence[int | None]]  # the position of each role's column in each table


def find_columns(
    opened: OpenSource,
    given: Mapping[str, str | None],
    notes: list[str],
    *,
    roles: Sequence[str] = ("user", "item"),
    need_domain: bool,
    need_rating: bool,
) -> dict[str, list[int | None]]:
    """Find the column of each role in each table, and note those that were found by a name that was not given.

    Raises
    ------
    DataError
        If a column that is needed is missing, or several may be meant.
    """
    tables = opened.tables
    columns: dict[str, list[int | None]] = {}
    for role in roles:
        columns[role] = find_role(tables, given[role], role, need=True, notes=notes)
    if need_domain:
        several_files = len(tables) > 1 and given["domain"] is None and all(table.path for table in tables)
        columns["domain"] = find_role(tables, given["domain"], "domain", need=not several_files, notes=notes)
        _refuse_different_domain_fields(tables, columns["domain"])
    columns["rating"] = find_role(tables, given["rating"], "rating", need=need_rating or given["rating"] is not None)
    for role in ("timestamp", "title"):
        columns[role] = find_role(tables, given[role], role, need=given[role] is not None)
    ids = {columns[role][0] for role in (*roles, "domain") if role in columns}
    if given["title"] is None and columns["title"][0] in ids:  # a title that is the item's id itself
        columns["title"] = [None] * len(tables)
    chosen = {
        role: tables[0].columns[position]
        for role in (*roles, "domain", "rating")
        if role in columns and (position := columns[role][0]) is not None
        if given.get(role) is None and tables[0].columns[position] not in (role, f"{role}_id")
        if role != "rating" or need_rating
    }
    if chosen:
        notes.append("columns: " + ", ".join(f"{role} {column!r}" for role, column in chosen.items()))
    if need_domain and columns["domain"] == [None] * len(tables):
        names = first_few([domain_from_name(table) for table in tables], MAX_SHOWN)
        notes.append(f"there is no column for the domain, so the name of each file is the domain of its rows: {names}")
    for table in tables:
        notes += table.notes
    return columns


def _refuse_different_domain_fields(tables: Sequence[Table], positions: Sequence[int | None]) -> None:
    """Raise DataError where the domain is a column of some tables only, or is written in different ways."""
    ways = {
        "has no column for the domain" if position is None
        else f"has domains separated by {separator!r}" if (separator := table.separator(position))
        else "has one domain a field": table.name
        for table, position in zip(tables, positions, strict=True)
    }  # fmt: skip
    if len(ways) > 1:
        different = " and ".join(f"{name} {way}" for way, name in ways.items())
        raise DataError(f"{different}: write all files in one way, or give the domains by a file of items (--items)")


def find_role(
    tables: Sequence[Table], name: str | None, role: str, *, need: bool, notes: list[str] | None = None
) -> list[int | None]:
    """Find the column of a role in each table; None where there is none and none is needed."""
    positions: list[int | None] = []
    for table in tables:
        untyped = name
        if name is not None and table.layout is not None and table.layout.typed and (match := TYPED.fullmatch(name)):
            untyped = match[1]
        try:
            found = find_column(table.columns, untyped, role, where=table.name, strict=need)
        except DataError as error:
            if not need and name is None:
                found = None  # two that might be it, and it is not needed
            else:
                raise DataError(f"{error}{_hint(table, role)}") from None
        positions.append(None if found is None else found[0])
        if found is not None and found[1] and notes is not None:
            notes.append(f"{table.short_name}: {role} is {table.columns[found[0]]!r}; {found[1]} (--{role}-column)")
    return positions


def _hint(table: Table, role: str) -> str:
    """Return what may help to find a column that is missing."""
    if isinstance(table, TextTable) and looks_like_data(table.columns) and table.layout and table.layout.header_lines:
        return (
            "; the first row looks like data: if there is no header, say so and name the columns by number "
            "(header=False, user='1', item='2' or --no-header --user-column 1 --item-column 2)"
        )
    if role == "domain":
        return " (domain or --domain-column names it; items or --items is a file that has it)"
    return ""


def domain_from_name(table: Table) -> str:
    """Return the name of a file without folders and suffixes."""
    return Path(table.name).name.split(".")[0]
