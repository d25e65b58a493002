"""Checkpoints: files of named arrays that are read exactly as they were written, or refused.

A checkpoint is an .npz file: named arrays, and one entry more that holds a JSON text with the format's name, its
version, a SHA-256 over all the arrays, and whatever the writer wants to say (`about`).  No pickle is written and none
is read, so that a file from an unknown source is data, never a program.

Every file is written to a temporary name in the same folder, brought to the disk, and moved into place in one step
(`replacing`): a reader, or a restart after a crash, finds the old file or the new one, never half of one.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from acg_numpy.recommender.data.npz_files import NpzArchive, UnreadableError, raise_unreadable
from acg_numpy.shapes import Array

FORMAT = "acg_numpy checkpoint"
VERSION = 1
ABOUT = "__about__"
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")  # NumPy's words
TEMPORARY = re.compile(r"[0-9a-f]{16}\.tmp")

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class CheckpointError(ValueError):
    """A file that is not a whole checkpoint of a version that this package reads."""


class Checkpoint(NamedTuple):
    """What `load_checkpoint` returns."""

    arrays: dict[str, Array]
    about: dict[str, Any]


def save_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write named arrays and a description to one .npz file, all or nothing.

    Parameters
    ----------
    path : path
        Replaced if it exists, and only once the new file is whole.
    arrays : mapping of str to array
        Numbers, booleans or strings of any shape; object arrays are refused.
    about : mapping
        Anything that JSON can hold.

    Raises
    ------
    ValueError
        If an array holds Python objects, which only a pickle could keep, or uses the reserved name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/c.npz", {"weight": np.eye(2)}, {"epoch": 3})
    ...     load_checkpoint(f"{folder}/c.npz").about
    {'epoch': 3}
    """
    stored = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in stored.items():
        if name == ABOUT:
            raise ValueError(f"arrays may not hold the name {ABOUT!r}, which is reserved for the description")
        if array.dtype.hasobject:
            raise ValueError(
                f"arrays[{name!r}] has dtype {array.dtype}, which only a pickle could keep; store numbers or strings"
            )
    head = {"format": FORMAT, "version": VERSION, "sha256": _digest(stored), "about": dict(about)}
    text = json.dumps(head, allow_nan=False)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in {ABOUT: np.array(text), **stored}.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without the date, so that equal contents make equal files
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a file of `save_checkpoint`, and check that it is whole and as it was written.

    Parameters
    ----------
    path : path

    Returns
    -------
    Checkpoint
        `arrays`, a dict, and `about`, the description.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If it is truncated or damaged, is something else, or was written by a later version.

    Examples
    --------
    See `save_checkpoint`.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a checkpoint; its checkpoint may be {path / 'checkpoint.npz'}")
    with open(path, "rb") as file:
        try:
            head, arrays = _read(file)
        except CheckpointError as error:
            raise CheckpointError(f"{path} {error}") from None
        except UnreadableError as error:
            raise CheckpointError(
                f"{path} is truncated or damaged, and cannot be read ({error}); use an older copy, or train again"
            ) from error
    about = head.get("about", {})
    if _digest(arrays) != head.get("sha256") or not isinstance(about, dict):
        raise CheckpointError(f"{path} is damaged: its contents do not have the checksum that was written with them")
    return Checkpoint(arrays, about)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    r"""Yield a temporary name beside `path` to write to, and move the file into place if the block raises nothing.

    A file that is replaced keeps its permissions.  The temporary name is random, and the file is locked while it is
    written, so that processes that share the folder, and not the numbers of processes, leave each other's files alone;
    half-written files of the same name that a killed process left behind are removed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/users.txt") as temporary:
    ...         _ = temporary.write_text("ada\n")
    ...     sorted(os.listdir(folder))
    ['users.txt']
    """
    path = Path(path)
    _remove_half_written(path)
    temporary, held = _make_temporary(path)
    try:
        with naming_full_disk(path):
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and str(error.filename) == str(temporary):
            error.filename = str(path)  # the name that the caller knows
        raise
    finally:
        if held is not None:
            held.close()
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming_full_disk(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise OSError with the name of a file or folder where a library says in its own way that the disk is full.

    NumPy raises an OSError without a number, DuckDB and safetensors exceptions of their own, and Python an OSError
    without a name.
    """
    try:
        yield
    except Exception as error:
        text = str(error).lower()
        if isinstance(error, OSError) and error.errno is None and SHORT_WRITE.fullmatch(text):
            raise OSError(errno.ENOSPC, "not all of it could be written; the disk may be full", str(path)) from error
        known = isinstance(error, OSError) and error.filename is not None
        if not known and os.strerror(errno.ENOSPC).lower() in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def try_lock(file: IO[Any]) -> bool | None:
    """Lock an open file for this process, until it is closed.

    Returns
    -------
    bool or None
        False if another process holds the lock; None where the system has no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have none
        return None
    return True


def _make_temporary(path: Path) -> tuple[Path, IO[bytes] | None]:
    """Make an empty file beside `path`, locked where the system has locks."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            held = open(temporary, "xb")  # noqa: SIM115, it is held until the file is in place
        except OSError as error:
            error.filename = str(path)
            raise
        if try_lock(held) is None:
            held.close()  # an open file cannot be replaced everywhere
            return temporary, None
        if os.fstat(held.fileno()).st_nlink:
            return temporary, held
        held.close()  # another process removed it before it was locked


def _remove_half_written(path: Path) -> None:
    """Remove temporary files of `path` that no process is writing."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if TEMPORARY.fullmatch(left.name.removeprefix(f".{path.name}.")):
            with contextlib.suppress(OSError), open(left, "rb") as file:
                if try_lock(file):
                    left.unlink()


def _read(file: BinaryIO) -> tuple[dict[str, Any], dict[str, Array]]:
    if file.read(4) != b"PK\x03\x04":
        raise CheckpointError("is not a checkpoint: an .npz file was expected, and this is not one")
    file.seek(0)
    archive = NpzArchive(file)
    if ABOUT not in archive.names:
        raise CheckpointError(f"is an .npz file, but not a checkpoint of this package (it has no entry {ABOUT!r})")
    with raise_unreadable():
        head = json.loads(str(archive[ABOUT][()]))
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise CheckpointError("is an .npz file, but its description is not a checkpoint's")
    version = head.get("version")
    if version != VERSION:  # before the arrays are read: only that version knows what they mean
        raise CheckpointError(
            f"has checkpoint version {version!r}, and this acg_numpy reads version {VERSION}: "
            "use the acg_numpy that wrote it, or a newer one"
        )
    return head, {name: archive[name] for name in archive.names if name != ABOUT}


def _digest(arrays: Mapping[str, Array]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name}\0{array.dtype.str}\0{arrays[name].shape}\0".encode())
        total.update(array.data if array.dtype.kind in "biufcSU" else array.tobytes())  # dates have no buffer
    return total.hexdigest()


def fingerprint(*arrays: Array) -> str:
    """Hash arrays to 16 letters, which differ where values, shapes or dtypes do.

    Examples
    --------
    >>> fingerprint(np.zeros(3)) == fingerprint(np.zeros(3)), fingerprint(np.zeros(3)) == fingerprint(np.zeros((3, 1)))
    (True, False)
    """
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:16]
