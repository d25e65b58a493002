"""Line numbers of rows in a text file, which a message names and a database does not know."""

import csv
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from acg_numpy.recommender.data.sources.database import identifier
from acg_numpy.recommender.data.sources.tables import Table, TextTable

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 20_000_000  # that are gone through for a line number


def find_lines(table: Table, rows: Sequence[int], cursor: "duckdb.DuckDBPyConnection") -> list[int | None]:
    """Find the line, from 1, at which each row begins.

    Parameters
    ----------
    table : Table
    rows : sequence of int
        Positions among the rows that fit the table, from 0, in ascending order.
    cursor : DuckDB connection
        In which the table was scanned.

    Returns
    -------
    list of int or None
        None where it cannot be told: in a compressed file, and beyond the first 20 million rows.
    """
    if not rows or not _has_lines(table):
        return [None] * len(rows)
    assert isinstance(table, TextTable)
    rejected = {
        byte for (byte,) in cursor.execute(f"SELECT line_byte_position - 1 FROM {identifier(table.rejects)}").fetchall()
    }
    wanted, lines, row = set(rows), {}, -1
    for line, byte, blank in _records(table):
        if blank or byte in rejected:
            continue
        row += 1
        if row in wanted:
            lines[row] = line
        if row == rows[-1] or row > MOST_ROWS:
            break
    return [lines.get(row) for row in rows]


def line_of_byte(table: Table, byte: int) -> int | None:
    """Find the line, from 1, of a byte of an uncompressed text file."""
    if byte < 0 or not _has_lines(table):
        return None
    assert table.path is not None
    line = 1
    with table.path.open("rb") as file:
        while byte > 0 and (chunk := file.read(min(byte, 1 << 20))):
            line += chunk.count(b"\n")
            byte -= len(chunk)
    return line


def _has_lines(table: Table) -> bool:
    if not isinstance(table, TextTable) or table.path is None or table.compression != "none":
        return False
    with table.path.open("rb") as file:
        return b"\n" in file.read(1 << 20)


def _records(table: TextTable) -> Iterator[tuple[int, int, bool]]:
    """Go through the records below the header: the line and the byte at which each begins, and whether it is blank."""
    layout = table.layout
    assert table.path is not None
    assert layout is not None
    place = [0, 0]  # lines and bytes so far

    def texts() -> Iterator[str]:
        with table.path.open("rb") as file:  # type: ignore[union-attr]  # checked above
            for line in file:
                place[0] += 1
                place[1] += len(line)
                yield line.decode("utf-8", "replace")

    source = texts()
    for _ in range(layout.header_lines):
        next(source, None)
    if layout.quote:
        csv.field_size_limit(1 << 30)
        # of two colons the second, because a quote opens a field behind it; how many fields there are does not matter
        records: Iterator[list[str] | str] = csv.reader(source, delimiter=layout.delimiter[-1])
    else:
        records = source
    while True:
        line, byte = place[0] + 1, place[1]
        record = next(records, None)
        if record is None:
            return
        yield line, byte, not record if isinstance(record, list) else not record.strip("\r\n")


def line_of_text(table: Table, text: str) -> int | None:
    """Find the line, from 1, in which a text first occurs in an uncompressed file."""
    if not _has_lines(table):
        return None
    assert table.path is not None
    wanted = text.encode()
    with table.path.open("rb") as file:
        return next((number for number, line in enumerate(file, 1) if wanted in line), None)
