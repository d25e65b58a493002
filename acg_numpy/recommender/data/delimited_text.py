"""A reader of delimited text files, which reports rows that do not fit.

The header decides what kind of file it is, not its name: names with types (`user_id:token`) make it a RecBole file,
tab-separated and without quoting; else a tab, a semicolon or a comma in the header is the separator, and fields may
be quoted as spreadsheets do.

Rows come in blocks, as columns, so that a file of ten million rows is some ten thousand steps of Python.  A row that
does not fit is left out, counted, and, if it is among the first, remembered with its line number.
"""

import codecs
import csv
import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.text import counted

BLOCK = 1 << 10  # rows: what is read together stays in cache
LONGEST_HEADER = 1 << 20  # characters; a "line" beyond it is no header
LONGEST_ID = 1000  # characters
REMEMBERED = 5  # malformed rows that are described one by one
UNPRINTABLE = ("\n", "\r", "\0")  # ids are written one a line
TYPED = re.compile(r"([^:]+):(token|token_seq|float|float_seq)")

ID, NUMBER, TEXT = "id", "number", "text"


class Column(NamedTuple):
    """A column to read: its position, what messages call it, and what its fields have to be."""

    position: int
    role: str
    kind: str


@dataclass
class MalformedRows:
    """The rows that were left out because they could not be read."""

    count: int = 0
    rows: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Count a row, and remember it if it is among the first."""
        self.count += 1
        if len(self.first) < REMEMBERED:
            self.first.append(f"line {line}: {reason}")

    def describe(self) -> str:
        """Write how many there were, and what was wrong with the first of them."""
        more = "; ..." if self.count > len(self.first) else ""
        return f"{self.count:,} of {self.rows:,} rows malformed and left out ({'; '.join(self.first)}{more})"


class Table:
    """A delimited text file with a header.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    columns : tuple of str
        Names, without types.
    malformed : MalformedRows
        Grows as blocks are read.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, or is not text.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.malformed = MalformedRows()
        with self._open() as file:
            line = self._read_header(file)
        self.delimiter = _delimiter(line)
        try:
            header = next(csv.reader([line], delimiter=self.delimiter))
        except csv.Error as error:
            raise DataError(
                f"{self.path}, line 1: {error}; a header with the names of the columns was expected"
            ) from error
        typed = [TYPED.fullmatch(name.strip()) for name in header]
        self.typed = all(typed)
        self.columns = tuple(
            match[1] if match and self.typed else name.strip() for match, name in zip(typed, header, strict=True)
        )
        self._types = tuple(match[2] if match else "" for match in typed)

    def find_column(self, name: str, kind: str, *, role: str | None = None) -> Column:
        """Find a column by its name, with or without its type.

        Parameters
        ----------
        name : str
        kind : ID, NUMBER or TEXT, which may hold anything
        role : str, optional
            What messages call it; its name, if not given.

        Raises
        ------
        DataError
            If there is no such column, or more than one; the message says which there are.
        """
        untyped = self.strip_type(name)
        found = [n for n, column in enumerate(self.columns) if column == untyped]
        if len(found) != 1:
            problem = f"has no column {name!r}" if not found else f"has {len(found)} columns {name!r}"
            purpose = f" for the {role}" if role else ""
            raise DataError(f"{self.path} {problem}{purpose}; it has {', '.join(map(repr, self.columns))}")
        return Column(found[0], role or name, kind)

    def strip_type(self, name: str) -> str:
        """Strip the type from a name like `class:token_seq`, where the file's own names carry types."""
        match = TYPED.fullmatch(name)
        return match[1] if match and self.typed else name

    def sequence_separator(self, column: Column) -> str | None:
        """Return what separates values in one field: a space in a RecBole sequence, "|" where there are no types."""
        return "|" if not self.typed else " " if self._types[column.position].endswith("_seq") else None

    def blocks(self, wanted: Sequence[Column]) -> Iterator[list[Sequence[str]]]:
        """Read the rows in blocks, about a thousand rows each.

        Parameters
        ----------
        wanted : sequence of Column

        Yields
        ------
        list of sequences of str
            A sequence for each wanted column: the fields of all well-formed rows of the block, in the file's order.

        Raises
        ------
        DataError
            If the file turns out not to be text.
        """
        with self._open() as file:
            reader = csv.reader(
                file, delimiter=self.delimiter, quoting=csv.QUOTE_NONE if self.typed else csv.QUOTE_MINIMAL
            )
            try:
                next(reader)
                if reader.line_num > 1:  # rows would be read as a part of the last name, and lost
                    raise DataError(
                        f"{self.path}, line 1: a quote is opened in the header and not closed in it; close it, or "
                        "double it if it is part of a name"
                    )
                while True:
                    before = reader.line_num
                    rows = list(itertools.islice(reader, BLOCK))
                    if not rows:
                        return
                    yield self._well_formed(rows, before, wanted)
            except UnicodeDecodeError as error:
                raise self._decoding_error(error) from error
            except csv.Error as error:
                raise DataError(
                    f"{self.path}, line {reader.line_num}: {error}; is a quote opened somewhere above and never closed?"
                ) from error
            except OSError as error:
                raise self._reading_error(error) from error

    def _well_formed(self, rows: list[list[str]], line: int, wanted: Sequence[Column]) -> list[Sequence[str]]:
        width = len(self.columns)
        if set(map(len, rows)) == {width}:
            columns = list(zip(*rows, strict=True))
            chosen: list[Sequence[str]] = [columns[column.position] for column in wanted]
            if all(_all_fit(fields, column.kind) for fields, column in zip(chosen, wanted, strict=True)):
                self.malformed.rows += len(rows)
                return chosen
        kept: list[list[str]] = []
        for row in rows:
            first_line, line = line + 1, line + 1 + sum(_count_line_breaks(text) for text in row)
            if not row:
                continue  # a blank line
            self.malformed.rows += 1
            reason = _malformation(row, width, wanted)
            if reason is None:
                kept.append(row)
            else:
                self.malformed.add(first_line, reason)
        return [[row[column.position] for row in kept] for column in wanted]

    def _open(self) -> TextIO:
        try:
            return open(self.path, encoding="utf-8-sig", newline="")
        except OSError as error:
            raise self._reading_error(error) from error

    def _read_header(self, file: TextIO) -> str:
        try:
            line = file.readline(LONGEST_HEADER)
        except UnicodeDecodeError as error:
            raise self._decoding_error(error) from error
        except OSError as error:
            raise self._reading_error(error) from error
        if not line:
            raise DataError(f"{self.path} is empty")
        if "\0" in line or len(line) == LONGEST_HEADER:
            raise DataError(f"{self.path} is not a text file: a header with the names of the columns was expected")
        if not line.strip():
            raise DataError(
                f"the first line of {self.path} is blank: a header with the names of the columns was expected"
            )
        return line

    def _decoding_error(self, error: UnicodeDecodeError) -> DataError:
        with self.path.open("rb") as file:
            line, byte = _find_undecodable(file) or (0, error.object[error.start])
        return DataError(
            f"{self.path} is not UTF-8 text (a byte {byte:#04x} in line {line} cannot be read); if it is text, save it "
            "as UTF-8"
        )

    def _reading_error(self, error: OSError) -> DataError:
        return DataError(f"{self.path} cannot be read: {(error.strerror or str(error)).lower()}")


def _delimiter(header: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", header)
    return next((mark for mark in "\t;" if mark in unquoted and (mark == "\t" or "," not in unquoted)), ",")


def _find_undecodable(file: BinaryIO) -> tuple[int, int] | None:
    """Find the first byte that is not UTF-8, and its line, which a text reader does not know because it reads ahead."""
    decoder, line, chunk = codecs.getincrementaldecoder("utf-8")(), 1, b"-"
    while chunk:
        chunk = file.read(1 << 16)
        try:
            line += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            return line + error.object[: error.start].count(b"\n"), error.object[error.start]
    return None


def _all_fit(fields: Iterable[str], kind: str) -> bool:
    """Return whether all fields of a column are valid: a quick test, because nearly every column passes it."""
    if kind == TEXT:
        return True
    if kind == NUMBER:
        try:
            return all(map(math.isfinite, map(float, fields))) and "_" not in "".join(fields)  # 1_0 is Python's 10
        except ValueError:
            return False
    fields = list(fields)
    text = "".join(fields)
    return all(fields) and not any(mark in text for mark in UNPRINTABLE) and max(map(len, fields)) <= LONGEST_ID


def _malformation(row: list[str], width: int, wanted: Sequence[Column]) -> str | None:
    """Describe what is wrong with a row; None if nothing is."""
    if len(row) != width:
        return f"{counted(len(row), 'field')}, where the header has {width}"
    for column in wanted:
        text = row[column.position]
        if column.kind == ID and not text:
            return f"the {column.role} is empty"
        if column.kind == ID and len(text) > LONGEST_ID:
            return f"the {column.role} is {len(text):,} characters long, more than {LONGEST_ID:,}"
        if not _all_fit([text], column.kind):
            return f"the {column.role} {text!r} " + (
                "is not a number" if column.kind == NUMBER else "holds a line break or a null character"
            )
    return None


def _count_line_breaks(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
