"""Tables of text that the database can scan: files of four formats, and tables in memory.

Every table has names of columns, and an expression in SQL for each column that gives its cells as text, so that what
comes after need not know where the cells come from.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.compression import refuse_damaged
from acg_numpy.recommender.data.sources.database import file_literal, first_line, identifier, literal, unique_name
from acg_numpy.recommender.data.sources.formats import (
    ARROW,
    JSON_LINES,
    PARQUET,
    encoding_error,
    find_format,
    name_to_type,
)
from acg_numpy.recommender.data.sources.text_layout import TextLayout, find_layout, split_line
from acg_numpy.text import counted, joined

if TYPE_CHECKING:
    Cursor = duckdb.DuckDBPyConnection

FIRST_LINES = 50
LONGEST_ROW = 2_000_000  # bytes
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
NESTED = ("STRUCT", "MAP", "UNION")
BACKSLASH = (
    "a backslash stands before a quote in a field, where another quote is expected "
    r"""(sed 's/\\"/""/g' FILE > converted.csv doubles it)"""
)
LIST_OF_LISTS = re.compile(r"\[\d*\]\[\d*\]$")


class TextOptions(NamedTuple):
    """How text files are written: with names of columns in the first line, with double quotes, in which encoding."""

    header: bool = True
    quotes: bool = True
    encoding: str = "utf-8"


class RejectedRow(NamedTuple):
    """A row of text that does not fit the table: the byte at which it begins, and why it does not fit."""

    byte: int
    reason: str


class Table:
    """Rows that can be scanned by the database.

    Attributes
    ----------
    name, short_name : str
        What errors and notes call it.
    path : Path or None
        The file that is read, if it is one.
    columns : tuple of str
        The names of the columns, without types.
    relation : str
        SQL for what stands behind FROM.
    notes : list of str
        What a reader should know of how it was understood.
    """

    def __init__(self, name: str, path: Path | None, columns: Sequence[str], relation: str) -> None:
        self.name, self.path, self.columns, self.relation = name, path, tuple(columns), relation
        self.short_name = Path(name).name if path is not None else name
        self.notes: list[str] = []
        self.layout: TextLayout | None = None
        self.hint = ""  # what may help where a column is missing
        self.nested: set[int] = set()  # columns whose cells are no single values

    def text_of(self, position: int) -> str:
        """Return SQL for a column's cells as text; lists are joined by "|"."""
        return f"CAST({identifier(self.columns[position])} AS VARCHAR)"

    def separator(self, position: int) -> str | None:
        """Return what separates values in one cell: a space in a RecBole sequence, "|" elsewhere."""
        if self.layout is None or not self.layout.typed:
            return "|"
        return " " if self.layout.types[position].endswith("_seq") else None

    def rejected(self, cursor: "Cursor") -> tuple[int, list[RejectedRow]]:
        """Return how many rows did not fit the table, and the first of them; to be asked after a scan."""
        return 0, []

    def reading_error(self, error: duckdb.Error) -> DataError:
        """Make the error for rows that the database cannot read."""
        message, advice = first_line(error), ""
        if "state machine" in message:
            message = "some of its lines end in a carriage return alone, and others do not"
            advice = ": write them alike, by tr '\\r' '\\n' < FILE > converted.csv (decompress it first)"
        elif self.path is None:
            advice = ": make the column text, as in astype(str)"
        return DataError(f"{self.name} cannot be read: {message}{advice}")

    def refuse_other_encodings(self, cursor: "Cursor") -> None:
        """Raise DataError if text is not UTF-8; to be asked after a scan."""


class TextTable(Table):
    """A delimited text file; see `text_layout`."""

    def __init__(self, cursor: "Cursor", path: Path, name: str, compression: str, text: TextOptions) -> None:
        lines = _first_lines(cursor, path, name, compression)
        if not lines:
            raise DataError(f"{name} is empty")
        layout = find_layout(name, lines, header=text.header, quotes=text.quotes)
        super().__init__(name, path, layout.columns, "")
        self.layout, self.compression = layout, compression
        self._rejected: tuple[int, list[RejectedRow]] | None = None
        self.lines: int | None = None  # where they were counted
        self.size = 0  # in bytes, of what is decompressed, where lines were counted
        self.rows_are_lines = False  # because no field can hold a line break or a null character
        self.sample = lines[layout.header_lines :]
        self.rejects, scans = unique_name("rejects"), unique_name("scans")
        self.stored = tuple(f"column {n}" for n in range(len(layout.columns)))
        columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in self.stored)
        self.relation = (
            f"read_csv({file_literal(path)}, columns={{{columns}}}, auto_detect=false, header=false, "
            f"skip={layout.header_lines}, delim={literal(layout.delimiter)}, quote={literal(layout.quote)}, "
            f"escape={literal(layout.quote)}, nullstr=[''], compression={literal(compression)}, "
            f"max_line_size={LONGEST_ROW}, "
            f"store_rejects=true, rejects_table={literal(self.rejects)}, rejects_scan={literal(scans)})"
        )

    def text_of(self, position: int) -> str:
        """Return SQL for a column's cells as text."""
        return identifier(self.stored[position])

    def first_cells(self) -> list[str]:
        """Return the cells of the first row, which names the columns where there is a header."""
        assert self.layout is not None
        if self.layout.header_lines or not self.sample:
            return list(self.columns)
        return split_line(self.sample[0], self.layout.delimiter, bool(self.layout.quote)) or list(self.columns)

    def rejected(self, cursor: "Cursor") -> tuple[int, list[RejectedRow]]:
        """Return how many rows did not fit the table, and the first of them, as they were after the first scan."""
        if self._rejected is not None:
            return self._rejected
        table = identifier(self.rejects)
        total = cursor.execute(f"SELECT count(DISTINCT line) FROM {table}").fetchall()[0][0]
        if not total:
            self._rejected = (0, [])
            return self._rejected
        first = cursor.execute(
            "SELECT line_byte_position, CAST(min_by(error_type, column_idx) AS VARCHAR), "
            "min_by(error_message, column_idx), any_value(contains(csv_line, chr(92) || chr(34))) "
            f"FROM {table} GROUP BY line_byte_position ORDER BY 1 LIMIT 20"
        ).fetchall()
        self._rejected = (
            total,
            [
                RejectedRow(
                    byte - 1, BACKSLASH if kind == "UNQUOTED VALUE" and escaped else self._reason(kind, message)
                )
                for byte, kind, message, escaped in first
            ],
        )
        return self._rejected

    def swallowing(self, cursor: "Cursor") -> tuple[int, str] | None:
        """Return the first row that a quote which is never closed made of several: where it begins, and its text."""
        if not self.rejected(cursor)[0]:
            return None
        found = cursor.execute(
            f"SELECT line_byte_position - 1, csv_line FROM {identifier(self.rejects)} "
            "WHERE contains(trim(csv_line, chr(10) || chr(13)), chr(10)) ORDER BY 1 LIMIT 1"
        ).fetchall()
        return (int(found[0][0]), found[0][1]) if found else None

    def refuse_other_encodings(self, cursor: "Cursor") -> None:
        """Raise DataError if a row is not UTF-8."""
        if not self.rejected(cursor)[0]:
            return
        found = cursor.execute(
            f"SELECT count(*) FROM {identifier(self.rejects)} WHERE error_type = 'INVALID ENCODING'"
        ).fetchall()
        if found[0][0] and self.path is not None:
            raise encoding_error(self.path, self.name, self.compression)

    def _reason(self, kind: str, message: str) -> str:
        width = len(self.columns)
        found = message.rsplit("Found: ", 1)[-1].split()[0] if "Found: " in message else ""
        if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
            fields = counted(int(found), "field") if found.isdecimal() else f"more than {counted(width, 'field')}"
            return f"{fields}, where the header has {width}"
        return {
            "INVALID ENCODING": "it is not UTF-8",
            "UNQUOTED VALUE": "a quote is opened and not closed, or closed before the end of its field",
            "LINE SIZE OVER MAXIMUM": f"it is longer than {LONGEST_ROW:,} bytes",
        }.get(kind, message.split("\n", 1)[0].lower())


class JsonTable(Table):
    """A file with one JSON object a line; its columns are the keys of its first objects."""

    def __init__(self, cursor: "Cursor", path: Path, name: str, *, compression: str) -> None:
        self.lines = (
            f"read_ndjson_objects({file_literal(path)}, ignore_errors=true, "
            f"compression={literal('auto_detect' if compression == 'none' else compression)}, "
            f"maximum_object_size={LONGEST_ROW})"
        )
        relation = f"(SELECT json FROM {self.lines} WHERE json_type(json) = 'OBJECT')"
        keys = cursor.execute(
            f"SELECT DISTINCT unnest(json_keys(json)) FROM (SELECT json FROM {relation} LIMIT 1000) ORDER BY 1"
        ).fetchall()
        super().__init__(name, path, [key for (key,) in keys], relation)
        self.nested = self._find_nested(cursor)
        if not self.columns:
            raise DataError(
                f"{name} has no JSON object in its first lines: one object a line was expected, in UTF-8, as "
                f"jq -c . {name_to_type(path, name)} writes it"
            )

    def text_of(self, position: int) -> str:
        """Return SQL for a key's values as text; lists, and lists of lists, are joined by "|"."""
        if position in self.nested:
            raise nested_error(self.name, self.columns[position], "an object")
        pointer = self._pointer(position)
        path, first = literal(pointer), literal(pointer + "/0")
        return (
            f"CASE json_type(json, {path}) WHEN 'ARRAY' THEN CASE json_type(json, {first}) WHEN 'ARRAY' THEN "
            f"array_to_string(flatten(from_json(json_extract(json, {path}), '[[\"VARCHAR\"]]')), '|') ELSE "
            f"array_to_string(from_json(json_extract(json, {path}), '[\"VARCHAR\"]'), '|') END "
            f"ELSE json_extract_string(json, {path}) END"
        )

    def _pointer(self, position: int) -> str:
        return "/" + self.columns[position].replace("~", "~0").replace("/", "~1")

    def _find_nested(self, cursor: "Cursor") -> set[int]:
        """Find the keys whose values are objects in the first lines."""
        if not self.columns:
            return set()
        types = (f"bool_or(json_type(json, {literal(self._pointer(n))}) = 'OBJECT')" for n in range(len(self.columns)))
        found = cursor.execute(
            f"SELECT {', '.join(types)} FROM (SELECT json FROM {self.relation} LIMIT 1000)"
        ).fetchone()
        return {n for n, is_object in enumerate(found or ()) if is_object}

    def rejected(self, cursor: "Cursor") -> tuple[int, list[RejectedRow]]:
        """Return how many lines are not JSON objects."""
        broken, first = cursor.execute(
            "SELECT count(*), min(line) FROM (SELECT json, row_number() OVER () AS line FROM "
            f"{self.lines}) WHERE coalesce(json_type(json) <> 'OBJECT', true)"
        ).fetchall()[0]
        if not broken:
            return 0, []
        return broken, [RejectedRow(-1, f"not a JSON object: the first is line {first:,}, without blank ones")]


class TypedTable(Table):
    """A table whose columns have types of their own: Parquet, Arrow, or a table in memory."""

    def __init__(self, cursor: "Cursor", relation: str, name: str, path: Path | None) -> None:
        try:
            described = cursor.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        except duckdb.Error as error:
            raise DataError(f"{name} cannot be read: {first_line(error)}") from error
        super().__init__(name, path, [row[0] for row in described], relation)
        self.types = [str(row[1]) for row in described]

    def is_whole(self, position: int | None) -> bool:
        """Return whether a column holds whole numbers."""
        return position is not None and self.types[position] in WHOLE

    def text_of(self, position: int) -> str:
        """Return SQL for a column's cells as text; lists are joined by "|", and NaN is missing."""
        column, kind = identifier(self.columns[position]), self.types[position]
        if kind.startswith(NESTED) or LIST_OF_LISTS.search(kind):
            raise nested_error(self.name, self.columns[position], kind.split("(")[0].lower())
        if kind.endswith("]"):
            return f"array_to_string(CAST({column} AS VARCHAR[]), '|')"
        if kind == "BLOB":
            return f"decode({column})"
        if kind in ("DOUBLE", "FLOAT"):  # NaN is how a table in memory writes a missing number
            return f"CASE WHEN isnan({column}) THEN NULL ELSE CAST({column} AS VARCHAR) END"
        return f"CAST({column} AS VARCHAR)"


def nested_error(name: str, column: str, kind: str) -> DataError:
    """Make the error for a column whose cells hold several named values."""
    command = ""
    if kind == "an object":
        key = column if column.isidentifier() and column.isascii() else json.dumps(column)
        command = f" (jq -c '.{key} |= keys' FILE > converted.jsonl keeps the names in it)"
    return DataError(
        f"{name}: the column {column!r} is nested ({kind}): take a field of it into a column of its own{command}"
    )


def open_file(
    cursor: "Cursor",
    path: Path,
    name: str,
    text: TextOptions,
    observe: Callable[[bytes], None] = lambda chunk: None,
) -> Table:
    """Open one file, whatever its format.

    Parameters
    ----------
    observe : callable
        Is given all that is decompressed, as by `refuse_damaged`.

    Raises
    ------
    DataError
        If it cannot be read, or is of no format that is.
    """
    found = find_format(path, name, encoding=text.encoding)
    refuse_damaged(path, name, found.compression, observe)
    try:
        if found.name == PARQUET:
            return _parquet_table(cursor, path, name)
        if found.name == ARROW:
            return _arrow_table(cursor, path, name)
        if found.name == JSON_LINES or _is_json(cursor, path, name, found.compression):
            return JsonTable(cursor, path, name, compression=found.compression)
        return TextTable(cursor, path, name, found.compression, text)
    except duckdb.Error as error:
        raise DataError(f"{name} cannot be read: {first_line(error)}") from error


def _parquet_table(cursor: "Cursor", path: Path, name: str) -> Table:
    """Open a Parquet file; a folder such as `domain=books` adds a column, where the file has none of its name."""
    partitions = {part.partition("=")[0].casefold() for part in path.parts[:-1] if "=" in part}
    table = TypedTable(cursor, f"read_parquet({file_literal(path)}, hive_partitioning=false)", name, path)
    if not partitions or partitions & {column.casefold() for column in table.columns}:
        return table
    added = f"read_parquet({file_literal(path)}, hive_partitioning=true, hive_types_autocast=false)"
    return TypedTable(cursor, added, name, path)


def table_in_memory(cursor: "Cursor", data: Any) -> Table | None:
    """Make a table of a pandas or polars DataFrame, or an Arrow table; None if `data` is nothing of the kind."""
    kind = f"{type(data).__module__.split('.')[0]}.{type(data).__name__}"
    if kind not in ("pandas.DataFrame", "polars.DataFrame", "polars.LazyFrame", "pyarrow.Table", "pyarrow.RecordBatch"):
        return None
    if kind == "polars.LazyFrame":
        data = data.collect()
    if kind == "pyarrow.RecordBatch":
        import pyarrow

        data = pyarrow.Table.from_batches([data])
    if kind == "pandas.DataFrame":
        data = data.rename(columns=str)
        if not data.columns.is_unique:
            raise DataError(f"the DataFrame has several columns of one name: {', '.join(map(repr, data.columns))}")
    view = unique_name("frame")
    try:
        cursor.register(view, data)
    except duckdb.Error as error:
        raise DataError(
            f"the {kind} cannot be read: {first_line(error)}; a table with columns of text, numbers or dates is"
        ) from error
    except ImportError as error:
        raise DataError(
            f'a {kind} is read through pyarrow, which is not installed: pip install "acg_numpy[interop]"'
        ) from error
    table = TypedTable(cursor, identifier(view), f"the {kind}", None)
    if kind == "pandas.DataFrame" and (index := [str(name) for name in data.index.names if name is not None]):
        table.hint = f"; its index {joined(list(map(repr, index)))} is not read: reset_index() makes columns of it"
    return table


def _arrow_table(cursor: "Cursor", path: Path, name: str) -> Table:
    try:
        from pyarrow import ArrowInvalid, feather
    except ImportError as error:
        raise DataError(
            f"{name} is a Feather (Arrow) file, and pyarrow, which reads it, is not installed: "
            'pip install "acg_numpy[interop]"'
        ) from error
    try:
        table = feather.read_table(path, memory_map=True)
    except (ArrowInvalid, OSError) as error:
        raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error
    view = unique_name("arrow")
    cursor.register(view, table)
    return TypedTable(cursor, identifier(view), name, path)


def _first_lines(cursor: "Cursor", path: Path, name: str, compression: str) -> list[str]:
    """Read the first lines, without an interpretation of separators and quotes."""
    try:
        rows = cursor.execute(
            f"SELECT line FROM read_csv({file_literal(path)}, columns={{'line': 'VARCHAR'}}, auto_detect=false, "
            "header=false, delim='\x02', quote='', escape='', nullstr=[''], strict_mode=false, "
            f"compression={literal(compression)}, max_line_size={LONGEST_ROW}) "
            f"LIMIT {FIRST_LINES}"
        ).fetchall()
    except duckdb.Error as error:
        if "unicode" in str(error).lower():
            raise encoding_error(path, name, compression) from error
        if "Maximum line size" in str(error):
            raise DataError(
                f"{name} is not a text file with a row a line: one of its first lines is longer than {LONGEST_ROW:,} "
                "bytes"
            ) from error
        raise DataError(f"{name} cannot be read: {first_line(error)}") from error
    return [line or "" for (line,) in rows]


def _is_json(cursor: "Cursor", path: Path, name: str, compression: str) -> bool:
    return compression != "none" and "".join(_first_lines(cursor, path, name, compression)[:1]).lstrip().startswith("{")
