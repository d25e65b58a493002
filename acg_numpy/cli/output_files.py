"""Output files: where they may be written, and which of those that are there are not this package's."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from acg_numpy.cli.printing import echo


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
