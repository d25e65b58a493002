"""Folders on a disk or in an object store, in which a file appears whole under its name, or not at all.

A folder is named by a path, or by an address that fsspec knows (`s3://bucket/conditions`, `file:///data/conditions`).
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Self

from acg_numpy.interop.libraries import MissingLibraryError, require
from acg_numpy.recommender.data import DataError

TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True)
class Folder:
    """A folder that many processes write to.

    Parameters
    ----------
    address : str
        An absolute path, or an address with its scheme; `Folder.make` gives it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as path:
    ...     folder = Folder.make(path)
    ...     with folder.replacing("greeting.txt") as file:
    ...         _ = file.write(b"hello")
    ...     folder.names(), folder.read("greeting.txt")
    (['greeting.txt'], b'hello')
    """

    address: str

    @classmethod
    def make(cls, path: str | os.PathLike[str]) -> Self:
        """Make a folder, where there is none, and the folders above it.

        Raises
        ------
        OSError
            If it cannot be made; NotADirectoryError if there is a file of that name.
        """
        files, inside = locate(path)
        if files.exists(inside) and not files.isdir(inside):
            raise NotADirectoryError(20, "is a file, where a folder was expected", str(path))
        files.makedirs(inside, exist_ok=True)
        return cls(absolute(path))

    def names(self) -> list[str]:
        """List the files in it, temporary ones as well, in order of their names."""
        files, inside = locate(self.address)
        files.invalidate_cache()
        return sorted(name.rstrip("/").rpartition("/")[2] for name in files.ls(inside, detail=False))

    def open(self, name: str) -> Any:
        """Open a file to read bytes from it."""
        files, inside = locate(self.address)
        return files.open(f"{inside}/{name}", "rb")

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        with self.open(name) as file:
            contents: bytes = file.read()
        return contents

    @contextmanager
    def replacing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a temporary file, and give it its name if the block raises nothing.

        Raises
        ------
        OSError
            If it cannot be written; there is then no part of it.
        """
        files, inside = locate(self.address)
        temporary, final = f"{inside}/.{name}.{secrets.token_hex(8)}.tmp", f"{inside}/{name}"
        try:
            with files.open(temporary, "wb") as file:
                yield file
                file.flush()
                if _is_local(files):
                    os.fsync(file.fileno())
            if _is_local(files):
                os.replace(temporary, final)
            else:
                files.mv(temporary, final)
        except OSError as error:
            if error.filename is None or str(error.filename) == temporary:
                error.filename = final  # the name that the caller knows
            raise
        finally:
            with suppress(FileNotFoundError):
                files.rm_file(temporary)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        files, inside = locate(self.address)
        with suppress(FileNotFoundError):
            files.rm_file(f"{inside}/{name}")

    def remove_temporary(self) -> None:
        """Remove what processes that were killed left behind half-written."""
        for name in self.names():
            if TEMPORARY.fullmatch(name):
                self.remove(name)


def locate(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """Return the file system of a path or an address, as fsspec knows it, and the path inside of it.

    Raises
    ------
    DataError
        If fsspec does not know the scheme of the address.
    MissingLibraryError
        If fsspec, or the library that it needs for the scheme, is not installed.
    """
    fsspec_core = require("fsspec.core", "acg_numpy.scale")
    try:
        files, inside = fsspec_core.url_to_fs(os.fspath(path))
    except ImportError as error:
        raise MissingLibraryError(f"{path} needs a library that is not installed: {error}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}; expected a path, or an address that fsspec knows") from error
    return files, inside.rstrip("/")


def absolute(path: str | os.PathLike[str]) -> str:
    """Return a path or an address as other processes, in other folders, find it.

    Examples
    --------
    >>> absolute("file:///data/users.npy"), absolute("memory://users.npy")
    ('/data/users.npy', 'memory:///users.npy')
    """
    files, inside = locate(path)
    return inside if _is_local(files) else str(files.unstrip_protocol(inside))


def _is_local(files: Any) -> bool:
    return "file" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)
