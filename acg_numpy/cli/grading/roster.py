"""The roster of a class: a CSV by a learning platform, joined to the submissions, and the CSV of the grades."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from acg_numpy.cli.grading.class_record import Graded
from acg_numpy.text import first_few, joined

COLUMNS = ("student", "points", "out_of", "passed", "mistakes", "seconds", "note")
NAMES = ("student", "name", "full name", "student name")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RosterError(ValueError):
    """A roster that cannot be read or joined; the message names the file and the fix."""


class Roster(NamedTuple):
    """A roster.

    Attributes
    ----------
    header : list of str
    rows : list of dict
        From the header to cells.
    """

    file: Path
    header: list[str]
    rows: list[dict[str, str]]


def read_roster(file: Path) -> Roster:
    """Read a roster.

    Raises
    ------
    RosterError
        If it cannot be read, or has no header.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RosterError(f"{file}: it cannot be read ({(error.strerror or str(error)).lower()})") from None
    except UnicodeDecodeError:
        raise RosterError(f"{file}: it is not UTF-8; save it as CSV in UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise RosterError(f"{file}: it is no CSV ({error})") from None
    if not lines or len(set(lines[0])) < len(lines[0]):
        raise RosterError(f"{file}: its first line should name each column, differently")
    header = lines[0]
    rows = [dict(zip(header, [*row, *[""] * len(header)], strict=False)) for row in lines[1:]]
    return Roster(file, header, rows)


class Joined(NamedTuple):
    """A roster joined to the submissions.

    Attributes
    ----------
    rows : list of (row of the roster or None, Graded or None)
    column : str
        By which they were joined.
    missing : list of str
        Who handed in nothing.
    """

    rows: list[tuple[dict[str, str] | None, Graded | None]]
    column: str
    missing: list[str]


def join_roster(roster: Roster, graded: Sequence[Graded]) -> Joined:
    """Join a roster to the submissions by the column that most of them are found in.

    Raises
    ------
    RosterError
        If none is found in any column.
    """
    by_key: dict[str, Graded] = {}
    for each in graded:
        by_key |= {key: each for key in (_key(each.submission.student), _key(each.submission.id)) if key}
    counts = {name: len({_key(row[name]) for row in roster.rows} & by_key.keys()) for name in roster.header}
    ids = {_key(one.submission.id) for one in graded}
    by_id = {name: len({_key(row[name]) for row in roster.rows} & ids - {""}) for name in roster.header}
    column = max(roster.header, key=lambda name: (counts[name], by_id[name]))
    if graded and not counts[column]:
        shown = first_few([each.submission.id or each.submission.student for each in graded], 3)
        raise RosterError(
            f"{roster.file}: none of its columns, {joined(roster.header)}, holds a submission such as {shown}; "
            "give a roster with the ids or names that the files have"
        )
    often = Counter(_key(row[column]) for row in roster.rows)
    twice = [row[column] for row in roster.rows if often[_key(row[column])] > 1 and _key(row[column]) in by_key]
    if twice:
        raise RosterError(
            f"{roster.file}: {twice[0]!r} stands in {often[_key(twice[0])]} rows of the column {column!r}; give a "
            "roster with the ids that the files have"
        )
    rows: list[tuple[dict[str, str] | None, Graded | None]] = []
    found: set[str] = set()
    missing: list[str] = []
    for row in roster.rows:
        one: Graded | None = by_key.get(_key(row[column]))
        if one is not None and one.stem not in found:
            found.add(one.stem)
        elif one is None and _key(row[column]) not in ("", "pointspossible"):
            missing.append(row_name(roster, row, column))
        rows.append((row, one))
    rows += [(None, other) for other in graded if other.stem not in found]
    return Joined(rows, column, missing)


def row_name(roster: Roster, row: dict[str, str], column: str) -> str:
    """Return what a row is called by: the student's name, or the cell of the column by which it was joined."""
    named = [name for name in roster.header if name.casefold() in NAMES and row[name].strip()]
    return row[named[0] if named else column].strip()


def _key(text: str) -> str:
    """Return what of a name or an id is compared."""
    return re.sub(r"[\W_]+", "", text.casefold()).removeprefix("participant")


def grades_csv(
    graded: Sequence[Graded], roster: Roster | None, joined_roster: Joined | None, out_of: int, parts: Sequence[str]
) -> str:
    """Write the CSV of the grades.

    Parameters
    ----------
    graded : sequence of Graded
    roster : Roster, optional
    joined_roster : Joined, optional
    out_of : int
        The points of a file that is right.
    parts : sequence of str
        The columns of gradients and cases.
    """
    own = roster.header if roster else []
    ids = ["id"] if any(one.submission.id for one in graded) else []
    known = {*COLUMNS, *parts, *ids}
    names = {name: f"{name} (roster)" if name in known else name for name in own}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*COLUMNS, *ids, *parts, *names.values()])
    for row, one in joined_roster.rows if joined_roster else ((None, one) for one in graded):
        name = row_name(roster, row, joined_roster.column) if roster and joined_roster and row is not None else ""
        cells = _cells(one, name, name in (joined_roster.missing if joined_roster else ()), out_of)
        if joined_roster and row is None:
            cells["note"] = "; ".join(filter(None, ["not in the roster", cells["note"]]))
        values = [cells.get(column, "") for column in (*COLUMNS, *ids, *parts)]
        writer.writerow([*values, *((row or {}).get(column, "") for column in own)])
    return stream.getvalue()


def _cells(one: Graded | None, name: str, missing: bool, out_of: int) -> dict[str, Any]:
    """Return the cells of a student."""
    if one is None:
        if not missing:
            return {"student": safe_cell(name)}
        zero = {"student": safe_cell(name), "points": 0, "out_of": out_of, "passed": "false"}
        return {**zero, "note": "missing: nothing was handed in"}
    result = one.result
    return {
        "student": safe_cell(one.submission.student),
        "points": result["points"],
        "out_of": result["out_of"],
        "passed": str(bool(result["passed"])).lower(),
        "mistakes": " ".join(result["mistakes"]),
        "seconds": result["seconds"],
        "note": safe_cell(one.note),
        "id": one.submission.id,
        **one.columns,
    }


def safe_cell(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    flat = " ".join(text.split())
    return f"'{flat}" if flat.startswith(FORMULA) else flat
