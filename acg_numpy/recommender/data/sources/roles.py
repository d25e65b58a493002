"""The column of each role in each table: the user, the item, the domain, and others where they are there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.columns import find_column, has_usual_name
from acg_numpy.recommender.data.sources.opening import OpenSource
from acg_numpy.recommender.data.sources.tables import Table, TextTable
from acg_numpy.recommender.data.sources.text_layout import TYPED, looks_like_data
from acg_numpy.text import first_few, joined

MAX_SHOWN = 8  # names of domains in a note
LONGEST_CELL, LONGEST_LINE = 30, 60  # characters of a cell or a line in a message
BY_NUMBER = (  # what to type for interactions, and for a table of items
    (
        "acg inspect FILE --no-header --user-column 1 --item-column 2 --domain-column 3",
        "header=False, user='1', item='2', domain='3'",
    ),
    (
        "--items FILE --items-header no --items-columns item=1,domain=3,title=2",
        "items_header=False, items_columns={'item': '1', 'domain': '3', 'title': '2'}",
    ),
)
A_FILE_A_DOMAIN = "of several files, as in acg inspect books.csv films.csv, the name of each is the domain of its rows"
ITEM_ROLES = ("item", "domain", "title")  # of the columns of a table of items

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
        name = given[role]
        if role == "title" and not need_domain and name is not None and not name.isdecimal():
            name = find_by_name(tables[0], name)  # the table of items may have it alone
        columns[role] = find_role(tables, name, role, need=name is not None)
    ids = {columns[role][0] for role in (*roles, "domain") if role in columns}
    if given["title"] is None and columns["title"][0] in ids:  # a title that is the item's id itself
        columns["title"] = [None] * len(tables)
    _note_chosen("columns", tables[0], columns, (*roles, "domain", *(("rating",) if need_rating else ())), given, notes)
    if need_domain and columns["domain"] == [None] * len(tables):
        names = first_few([domain_from_name(table) for table in tables], MAX_SHOWN)
        notes.append(f"there is no column for the domain, so the name of each file is the domain of its rows: {names}")
    for table in tables:
        notes += table.notes
        _note_unread_columns(table, [columns[role][tables.index(table)] for role in columns], notes)
    return columns


def find_item_columns(
    opened: OpenSource, own: Mapping[str, str], given: Mapping[str, str | None], notes: list[str]
) -> dict[str, list[int | None]]:
    """Find the columns of a table of items, which has its own names, or shares those of the interactions.

    A number that was given for the interactions is no column of this table.  The domain is in this table alone, so that
    what is given for it is meant for this table.

    Parameters
    ----------
    own : mapping
        Names or numbers of this table's columns, by role.
    given : mapping
        Names or numbers of the columns of the interactions.

    Raises
    ------
    DataError
        If a column that is needed is missing, or several may be meant.
    """
    tables = opened.tables
    names: dict[str, str | None] = {"domain": given["domain"]}
    for role in ("item", "title"):
        names[role] = None if (name := given[role]) is None else find_by_name(tables[0], name)
    names |= own
    columns = {
        role: find_role(tables, names[role], role, need=role != "title" or role in own, notes=notes, of_items=True)
        for role in ITEM_ROLES
    }
    if "title" not in own and columns["title"][0] == columns["item"][0]:
        columns["title"] = [None] * len(tables)
    _note_chosen(f"columns of {tables[0].short_name}", tables[0], columns, ITEM_ROLES, names, notes)
    for table in tables:
        notes += table.notes
    return columns


def find_by_name(table: Table, name: str) -> str | None:
    """Return a name without its type, if the header of a table has it; numbers of columns are no names."""
    layout = table.layout
    if layout is not None and not layout.header_lines:
        return None
    untyped = match[1] if layout and layout.typed and (match := TYPED.fullmatch(name)) else name
    return untyped if untyped in table.columns else None


def _note_chosen(
    what: str,
    table: Table,
    columns: Columns,
    roles: Sequence[str],
    given: Mapping[str, str | None],
    notes: list[str],
) -> None:
    """Note the columns that were found by a name that was not given and is not the role's own."""
    chosen = [
        f"{role} {table.columns[position]!r}"
        for role in roles
        if role in columns and (position := columns[role][0]) is not None
        if given.get(role) is None and table.columns[position] not in (role, f"{role}_id")
    ]
    if chosen:
        notes.append(f"{what}: {', '.join(chosen)}")


def _note_unread_columns(table: Table, read: Sequence[int | None], notes: list[str]) -> None:
    """Note the columns of a text without a header that are not read, because no name says what is in them."""
    if not isinstance(table, TextTable) or table.layout is None or table.layout.header_lines:
        return
    cells = [f"{n + 1} ({cell[:LONGEST_CELL]!r})" for n, cell in enumerate(table.first_cells()) if n not in read]
    if cells:
        notes.append(
            f"{table.short_name}: columns that are not read, with the first cell of each: {joined(cells[:MAX_SHOWN])}; "
            "--rating-column, --timestamp-column and --title-column name them by number"
        )


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
    tables: Sequence[Table],
    name: str | None,
    role: str,
    *,
    need: bool,
    notes: list[str] | None = None,
    of_items: bool = False,
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
                raise DataError(_with_hint(str(error), table, role, of_items=of_items)) from None
        positions.append(None if found is None else found[0])
        if found is not None and found[1] and notes is not None:
            option = f"--items-columns {role}=NAME" if of_items else f"--{role}-column"
            notes.append(f"{table.short_name}: {role} is {table.columns[found[0]]!r}; {found[1]} ({option})")
    return positions


def _with_hint(message: str, table: Table, role: str, *, of_items: bool) -> str:
    """Add what to type for a column that was not found: its name, or its number where there is no header."""
    if isinstance(table, TextTable) and table.layout is not None:
        headed, first = bool(table.layout.header_lines), table.first_cells()
        if len(first) == 1:
            message, line = message.partition("; it has ")[0], first[0][:LONGEST_LINE]
            spaces = (
                f" (of spaces, tr -s ' ' '\\t' < {table.short_name} > converted.tsv makes tabs)" if " " in line else ""
            )
            return (
                f"{message}; its first line, {line!r}, has none of the marks between columns (a tab, '::', ',', ';', "
                f"'|'): write it as a table with a row a line{spaces}"
            )
        if not headed or looks_like_data(first) or not has_usual_name(first):
            cells = ", ".join(f"{n} {cell[:LONGEST_CELL]!r}" for n, cell in enumerate(first[:MAX_SHOWN], 1))
            cells += ", ..." if len(first) > MAX_SHOWN else ""
            message = message.partition("; it has ")[0]
            if of_items and not headed and has_usual_name(first):
                return f"{message}; its first row looks like a header ({cells}): --items-header yes (items_header=True)"
            looks = "the first row looks like data" if looks_like_data(first) else "its first row is"
            command, python = BY_NUMBER[of_items]
            condition = "if there is no header, " if headed else ""
            return (
                f"{message}; {looks} ({cells}): {condition}name columns by number, as in "
                f"{command.replace('FILE', table.short_name)} ({python})"
            )
    option = f"--items-columns {role}=NAME" if of_items else f"--{role}-column NAME"
    python = f"items_columns={{{role!r}: NAME}}" if of_items else f"{role}=NAME"
    message += f"; {option} ({python}) names it{table.hint}"
    if role == "domain" and not of_items and table.path is None:
        return (
            f"{message}; items=TABLE has the domain of each item, and frame.assign(domain='books') adds one to all rows"
        )
    if role == "domain" and not of_items:
        message += f", --items FILE (items=FILE) is a table with the domain of each item, and {A_FILE_A_DOMAIN}"
    return message


def domain_from_name(table: Table) -> str:
    """Return the name of a file without folders and suffixes."""
    return Path(table.name).name.split(".")[0]
