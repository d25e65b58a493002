"""Where do files go, and what of what is there is somebody's own?"""

import sys
from collections.abc import Mapping
from pathlib import Path

from acg_numpy.text import printable


def changed(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Those of the files that are there with another content.

    Parameters
    ----------
    folder : path
    files : mapping
        From paths in the folder to texts.
    """
    return [name for name, text in files.items() if (folder / name).exists() and not is_same(folder / name, text)]


def is_same(file: Path, text: str) -> bool:
    """Whether a file holds this text."""
    return file.is_file() and file.read_bytes().replace(b"\r\n", b"\n") == text.encode()


def place(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, with the folders that they are in."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def refused(message: str) -> int:
    """Say why nothing was written, and return the exit code."""
    print(f"acg: {printable(message)}", file=sys.stderr)
    return 1
