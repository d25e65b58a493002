"""Sources opened: paths, globs, pipes, addresses of object stores, and tables in memory become tables to scan."""

import codecs
import glob
import gzip
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

import duckdb
import numpy as np

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.database import database, first_line, identifier, unique_name
from acg_numpy.recommender.data.sources.formats import GZIP, ZSTD, name_to_type, reading_error
from acg_numpy.recommender.data.sources.tables import Table, TextOptions, TextTable, open_file, table_in_memory
from acg_numpy.text import joined

if TYPE_CHECKING:
    Cursor = duckdb.DuckDBPyConnection

# A path or a glob, a pandas or polars DataFrame, an Arrow table, a DuckDB relation, or several of these.
Source: TypeAlias = Any

STANDARD_INPUT = "-"  # in place of a path
DRIVERS = {  # of fsspec, by the scheme of an address
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
}
MAGIC_OF_GLOBS = set("*?[")
CHUNK = 1 << 18  # bytes


class OpenSource:
    """The tables of a source, and the digest of what they hold.

    Attributes
    ----------
    cursor : DuckDB connection
    tables : list of Table
    name : str
        What messages call all of them.
    """

    def __init__(self, cursor: "Cursor", name: str) -> None:
        self.cursor, self.name = cursor, name
        self.tables: list[Table] = []
        self._files: list[tuple[Path, str, _FileState]] = []

    def remember_file(self, path: Path, name: str) -> None:
        """Remember the state of a file before it is read."""
        self._files.append((path, name, _state_of(path, name)))

    def refuse_changed_files(self) -> None:
        """Raise DataError if a file is no longer as it was before it was read, which may have mixed its rows."""
        for path, name, before in self._files:
            if _state_of(path, name) != before:
                raise DataError(f"{name} has changed while it was read: read a file that nothing writes to")

    def update_digest(self, digest: "hashlib._Hash") -> None:
        """Feed the bytes of all tables to a digest."""
        for table in self.tables:
            if table.path is not None:
                with table.path.open("rb") as file:
                    while chunk := file.read(CHUNK):
                        digest.update(chunk)
            else:
                cells = ", ".join(map(identifier, table.columns))
                rows = self.cursor.execute(f"SELECT hash({cells}) AS h FROM {table.relation}").fetchnumpy()["h"]
                digest.update(rows.tobytes())


class _FileState(NamedTuple):
    """What tells one state of a file from another; a file that takes the place of another has a number of its own."""

    device: int
    number: int
    size: int
    modified: int


def _state_of(path: Path, name: str) -> _FileState:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"{name} has been removed while it was read: read a file that nothing writes to") from error
    except OSError as error:
        raise reading_error(path, error) from error
    return _FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@contextmanager
def open_source(source: Source, text: TextOptions = TextOptions()) -> Iterator[OpenSource]:  # noqa: B008  (immutable)
    """Open a source, and give its tables while they are read.

    Parameters
    ----------
    source : path, DataFrame, Arrow table, DuckDB relation, or sequence of these
        A path may be a glob, a pipe, "-" for standard input, or an address (`s3://`, `gs://`, `az://`, `memory://`,
        ...) where fsspec is installed.
    text : TextOptions
        How its text files are written.

    Raises
    ------
    DataError
        If one of them cannot be read.
    """
    with database() as cursor, ExitStack() as stack:
        folder = _Folder(stack)
        parts = list(source) if isinstance(source, (list, tuple)) else [source]
        if not parts:
            raise DataError("there is no file to read: the sequence of sources is empty")
        opened = OpenSource(cursor, _name_of(source))
        for part in parts:
            if (table := table_in_memory(cursor, part)) is not None:
                opened.tables.append(table)
            elif isinstance(part, duckdb.DuckDBPyRelation):
                path = folder.new_file(".parquet")
                try:
                    part.to_parquet(str(path))
                except duckdb.Error as error:
                    raise DataError(f"the relation cannot be read: {first_line(error)}") from error
                opened.tables.append(open_file(cursor, path, "the relation", text))
            elif isinstance(part, (str, os.PathLike)):
                for path, name in _local_files(os.fspath(part), folder):
                    opened.remember_file(path, name)
                    converted = _as_utf8(path, name, text.encoding, folder)
                    opened.tables.append(_open_text_or_other(cursor, converted, name, folder, text))
            else:
                raise TypeError(
                    f"source holds a {type(part).__name__}, but must be a path, a pandas or polars DataFrame, an Arrow "
                    "table, a DuckDB relation, or a sequence of these"
                )
        yield opened
        opened.refuse_changed_files()


class _Folder:
    """A temporary folder, made when it is first needed and removed at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._path: Path | None = None

    def new_file(self, suffix: str) -> Path:
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="acg-numpy-"))
            self._stack.callback(shutil.rmtree, self._path, ignore_errors=True)
        return self._path / (unique_name("spooled") + suffix)


def _name_of(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, (list, tuple)):
        return joined([_name_of(part) for part in source[:3]]) + (f" and {len(source) - 3} more" if source[3:] else "")
    return f"the {type(source).__name__}"


def _local_files(part: str, folder: _Folder) -> Iterator[tuple[Path, str]]:
    """Give the files that a path, a glob or an address stands for, and what messages call them."""
    if part == STANDARD_INPUT:
        yield _spool(sys.stdin.buffer, folder.new_file(""), "standard input"), "standard input"
        return
    scheme, separator, _ = part.partition("://")
    if separator and scheme.isalnum() and scheme != "file":
        yield from _fetch(part, scheme, folder)
        return
    path = Path(part.removeprefix("file://"))
    if MAGIC_OF_GLOBS & set(part) and not path.exists():
        found = sorted(glob.glob(str(path), recursive=True))
        if not found:
            raise DataError(f"{part} matches no file")
        yield from ((Path(name), name) for name in found if not os.path.isdir(name))
        return
    if not part or "\0" in part:
        raise DataError(f"{part!r} is not the path of a file")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise reading_error(path, error) from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{part} is a folder: name its files, as in {path / '*.csv'}")
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode):
        yield _spool(path.open("rb"), folder.new_file(_suffix(path.name)), part), part
    else:
        yield path, part


def _fetch(address: str, scheme: str, folder: _Folder) -> Iterator[tuple[Path, str]]:
    try:
        import fsspec
    except ImportError as error:
        raise DataError(
            f"{address} is read through fsspec, which is not installed: pip install fsspec (and "
            f"{DRIVERS.get(scheme, f'a driver for {scheme}')}), or copy the file here"
        ) from error
    try:
        files = fsspec.open_files(address, "rb")
        for file in files:
            name = f"{scheme}://{file.path.lstrip('/')}"
            with file as stream:
                yield _spool(stream, folder.new_file(_suffix(file.path)), name), name
    except ImportError as error:
        if scheme not in DRIVERS:  # fsspec says what it needs
            raise DataError(f"{address} cannot be read: {error}; or copy the file here") from error
        driver = DRIVERS[scheme]
        raise DataError(
            f"{address} is read through {driver}, which is not installed: pip install {driver}, or copy the file here"
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{address} cannot be read: there is no such file") from error
    except DataError:
        raise
    except Exception as error:  # each driver has its own, as for a server that does not answer or missing credentials
        raise DataError(f"{address} cannot be read: {str(error) or type(error).__name__}") from error
    if not files:
        raise DataError(f"{address} matches no file")


def _suffix(name: str) -> str:
    return "".join(Path(name).suffixes[-2:])


def _spool(stream: IO[bytes], path: Path, name: str) -> Path:
    """Copy a stream, which can be read once, to a file."""
    try:
        with stream, path.open("wb") as file:
            shutil.copyfileobj(stream, file, CHUNK)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return path


def _as_utf8(path: Path, name: str, encoding: str, folder: _Folder) -> Path:
    """Write a text of another encoding anew in UTF-8."""
    try:
        known = codecs.lookup(encoding).name
        "".encode(known)  # which refuses encodings of bytes, such as base64
    except (LookupError, ValueError) as error:
        raise DataError(
            f"encoding={encoding!r} is not known to Python (try 'latin-1', 'cp1252' or 'utf-16')"
        ) from error
    if known in ("utf-8", "utf-8-sig"):
        return path
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise reading_error(path, error) from error
    if start.startswith((b"PAR1", b"ARROW1", b"FEA1")):
        return path
    if start.startswith(ZSTD):
        raise DataError(
            f"{name} is compressed by zstd, and so cannot be read in {encoding}: unzstd {name_to_type(path, name)}"
        )
    converted, line = folder.new_file(_suffix(path.name.removesuffix(".gz"))), 0
    try:
        with (
            (gzip.open if start.startswith(GZIP) else open)(path, "rt", encoding=encoding, newline="") as source,
            converted.open("w", encoding="utf-8", newline="") as file,
        ):
            for text in source:
                line += 1
                file.write(text)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} cannot be read: {error}") from error
    except UnicodeError as error:
        raise DataError(
            f"{name} is not text in {encoding} (after line {line}: {error}): name its own encoding"
        ) from error
    return converted


def _open_text_or_other(cursor: "Cursor", path: Path, name: str, folder: _Folder, text: TextOptions) -> Table:
    """Open a file, and count the breaks of a text, which say whether its lines are its rows."""
    breaks = _Breaks()
    table = open_file(cursor, path, name, text, breaks.update)
    if not isinstance(table, TextTable) or table.compression == "zstd":
        return table
    if table.compression == "none":
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                breaks.update(chunk)
    if 0 < breaks.both < breaks.lines:
        table = _with_one_kind_of_break(cursor, table, folder, text)
    table.lines, table.rows_are_lines, table.size = breaks.lines, not breaks.others, breaks.size
    return table


def _with_one_kind_of_break(cursor: "Cursor", mixed: TextTable, folder: _Folder, text: TextOptions) -> TextTable:
    """Open a copy of a text whose lines end in a line feed here and in a carriage return too there."""
    assert mixed.path is not None
    plain = folder.new_file(_suffix(mixed.path.name.removesuffix(".gz")))
    packed = mixed.compression == "gzip"
    with gzip.open(mixed.path) if packed else mixed.path.open("rb") as source, plain.open("wb") as file:
        kept = b""
        while chunk := source.read(CHUNK):
            chunk = kept + chunk
            kept = b"\r" if chunk.endswith(b"\r") else b""
            file.write(chunk.removesuffix(kept).replace(b"\r\n", b"\n"))
        file.write(kept)
    table = open_file(cursor, plain, mixed.name, text)
    assert isinstance(table, TextTable)
    table.notes.append(
        f"{table.short_name}: some lines end in a line feed and others in a carriage return too; both end a row"
    )
    return table


class _Breaks:
    """Counts in a text: bytes, lines, lines that end in a carriage return too, and what may put a break in a field.

    The last are carriage returns that do not end a line, and the parts of the text with a quote or a null character.
    """

    def __init__(self) -> None:
        self._feeds = self._returns = self._marks = self.both = self.size = 0
        self._last = b"\n"

    def update(self, chunk: bytes) -> None:
        """Count in the next part of the text."""
        self._feeds += int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord("\n")))
        if b"\r" in chunk:
            self._returns += chunk.count(b"\r")
            self.both += chunk.count(b"\r\n")
        self.both += self._last == b"\r" and chunk[:1] == b"\n"
        self._marks += (b'"' in chunk) + (b"\0" in chunk)
        self.size += len(chunk)
        self._last = chunk[-1:]

    @property
    def lines(self) -> int:
        """All lines, the last of which may have no break at its end."""
        return self._feeds + (self._last != b"\n")

    @property
    def others(self) -> int:
        """What may put a break in a field."""
        return self._marks + self._returns - self.both
