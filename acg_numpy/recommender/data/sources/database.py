"""The in-process database that reads files: one DuckDB instance, which loads no extension and so no network.

DuckDB parses CSV, Parquet and JSON, decompresses, works on all cores and spills to disk what does not fit.  What the
columns mean is decided by the modules beside this one, in SQL that they build from quoted names.
"""

import ctypes
import glob
import itertools
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from acg_numpy.num_threads import database_threads
from acg_numpy.recommender.data.interactions import DataError

MEMORY_LIMIT = os.environ.get("ACG_READ_MEMORY", "2GB")  # of the database; what does not fit is spilled to disk

_lock = threading.Lock()
_database: list["duckdb.DuckDBPyConnection"] = []
_threads: int | None = None  # that the database was given
_numbers = itertools.count(1)


def _open_database() -> "duckdb.DuckDBPyConnection":
    """Open the database once a process: it costs 20 ms, and a cursor of it nothing."""
    with _lock:
        if not _database:
            settings: dict[str, Any] = {
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": os.path.join(tempfile.gettempdir(), f"acg-numpy-{os.getpid()}-{next(_numbers)}"),
            }
            try:
                _database.append(duckdb.connect(":memory:", config=settings))
            except duckdb.Error as error:
                raise DataError(
                    f"the environment variable ACG_READ_MEMORY is {MEMORY_LIMIT!r}, but must be an amount of memory, "
                    f"as in 2GB or 500MB: {first_line(error)}"
                ) from error
        return _database[0]


def _forget_database() -> None:
    """Start anew in a forked process, because threads of the database do not live on in it.

    The parent's is kept for good, because to close it, also when Python ends, would be to wait for these threads.
    """
    global _lock, _threads
    _lock, _threads = threading.Lock(), None
    while _database:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_database.pop()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_database)


def _set_threads(cursor: "duckdb.DuckDBPyConnection") -> None:
    """Give the database the threads that were asked for, and its own choice again where none are."""
    global _threads
    with _lock:
        if _threads != (threads := database_threads()):
            cursor.execute("RESET GLOBAL threads" if threads is None else f"SET GLOBAL threads = {threads}")
            _threads = threads


@contextmanager
def database() -> Iterator["duckdb.DuckDBPyConnection"]:
    """Give a cursor with temporary tables of its own, which are dropped at the end."""
    cursor = _open_database().cursor()
    try:
        cursor.execute("SET preserve_insertion_order = true")
        _set_threads(cursor)
        yield cursor
    except duckdb.OutOfMemoryException as error:
        raise DataError(
            f"reading needs more than {MEMORY_LIMIT} of memory, or more room in {tempfile.gettempdir()} to spill to "
            f"than there is (the environment variable ACG_READ_MEMORY raises the limit): {first_line(error)}"
        ) from error
    finally:
        cursor.close()


def unique_name(stem: str) -> str:
    """Make a name that no other table or type of the database has."""
    return f"{stem}_{next(_numbers)}"


def literal(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """Quote the path of one file for SQL, where the database would take `a[1].csv` as a pattern for `a1.csv`."""
    return literal(glob.escape(str(path)))


def identifier(name: str) -> str:
    """Quote the name of a table or a column for SQL."""
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """Return the first line of an error of the database, without the kind of error before it."""
    line = str(error).split("\n", 1)[0].strip()
    kind, _, rest = line.partition(" Error: ")
    return rest if rest and len(kind) < 24 else line
