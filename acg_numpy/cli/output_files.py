"""Output files: where they may be written, and which of those that are there are not this package's."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from acg_numpy.cli.printing import echo

LOCK = ".acg.lock"


def prepare_output(out: Path, *inputs: Path | str | None) -> None:
    """Check that a file can be written, before the work: it is no folder and none of the inputs; make its folder."""
    from acg_numpy.recommender.data import DataError

    if out.is_dir():
        raise DataError(f"{out} is a folder: --out is the name of a file")
    if out.exists() and not out.is_file():
        raise DataError(f"{out} is a device, not a file that can be replaced: give --out another name")
    for path in inputs:
        if path is not None and out.exists() and os.path.exists(path) and out.samefile(path):
            raise DataError(f"{out} is what is to be read: give --out another name")
    out.parent.mkdir(parents=True, exist_ok=True)


def prepare_folder(out: Path, *inputs: Path | str | None) -> None:
    """Check, before the work, that a folder can be made or is there, and is none of the inputs."""
    from acg_numpy.recommender.data import DataError

    for path in inputs:
        if path is not None and out.exists() and os.path.exists(path) and out.samefile(path):
            raise DataError(f"{out} is what is to be read: give --out another name")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is not a folder: --out is a name that ends in .npy, or a folder")


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for writing, so that two processes do not mix their files in it.

    Raises
    ------
    DataError
        If another process holds it; the message has its number and its host.
    """
    from acg_numpy.recommender.data import DataError
    from acg_numpy.recommender.data.checkpoints import try_lock

    path = folder / LOCK
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115, it is held until the end
        if (mine := try_lock(file)) is not True or _is_same(file, path):
            break
        file.close()  # the other process has removed it while this one waited for the lock
    with file:
        if mine is None:
            echo(f"acg: {folder} cannot be locked here: let no other acg write to it meanwhile", file=sys.stderr)
        elif not mine:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise DataError(f"{folder} is being written by {holder}: wait for its end, or give --out another name")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _is_same(file: IO[str], path: Path) -> bool:
    """Return whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def differing_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """List those of the files that are there with another content.

    Parameters
    ----------
    folder : path
    files : mapping
        From paths in the folder to texts.
    """
    return [name for name, text in files.items() if (folder / name).exists() and not _has_text(folder / name, text)]


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, with the folders that they are in."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def refuse(message: str) -> int:
    """Print why nothing was written, and return the exit code."""
    echo(f"acg: {message}", file=sys.stderr)
    return 1


def _has_text(file: Path, text: str) -> bool:
    return file.is_file() and file.read_bytes().replace(b"\r\n", b"\n") == text.encode()
