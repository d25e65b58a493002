"""Output files: where they may be written, and which of those that are there are not this package's."""

import glob
import os
import platform
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from acg_numpy.cli.printing import echo

LOCK = ".acg.lock"
TEMPORARY = re.compile(r"[0-9a-f]{16}\.tmp")


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
    from acg_numpy.recommender.data.checkpoints import naming_full_disk, try_lock

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
        with naming_full_disk(folder):
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def require_new_folder(out: Path) -> None:
    """Raise DataError if a folder is there that is not empty, or a file of that name."""
    from acg_numpy.recommender.data import DataError

    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        raise DataError(f"{out} {what}: remove it, or give --out another name; nothing is overwritten")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `out` to write to, and move it into place if the block raises nothing.

    Folders that killed processes left behind on the way to the same name are removed.

    Raises
    ------
    DataError
        If `out` is there, and is not an empty folder.
    """
    from acg_numpy.recommender.data.checkpoints import naming_full_disk, try_lock

    require_new_folder(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        if TEMPORARY.fullmatch(left.name.removeprefix(f".{out.name}.")):
            with suppress(OSError), open(left / LOCK, "a+") as file:
                if try_lock(file):
                    shutil.rmtree(left)
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(8)}.tmp")
    content = temporary / "content"
    content.mkdir(parents=True)
    try:
        with open(temporary / LOCK, "a+") as file:
            try_lock(file)
            with naming_full_disk(out):
                yield content
            for path in content.iterdir():
                with open(path, "rb+") as written:
                    os.fsync(written.fileno())
            if out.exists():
                out.rmdir()
            content.rename(out)
    except OSError as error:
        if isinstance(error.filename, str | Path) and Path(error.filename).is_relative_to(content):
            error.filename = str(out / Path(error.filename).relative_to(content))  # the name that the caller knows
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
