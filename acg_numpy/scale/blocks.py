"""Blocks of rows, the part file of each, and the manifest that says what a folder of parts was made from.

A folder of parts holds

- `part-CHECKPOINT-FIRST-LAST.parquet`, a file a block: the first 8 letters of the checkpoint's SHA-256, and the first
  and last row in 12 digits, so that the order of the names is the order of the rows;
- `_manifest.json`, what the parts are a function of; a folder that was begun with something else is refused;
- `_checkpoint.npz`, the checkpoint itself, from which workers load it.

Readers of Parquet folders leave out files whose names begin with an underscore.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from acg_numpy import __version__
from acg_numpy.interop.libraries import require
from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.serving import Trained
from acg_numpy.scale.clusters import ClusterError
from acg_numpy.scale.folders import TEMPORARY, Folder
from acg_numpy.text import counted, first_few

CHUNK = 8192  # rows that are computed together, whatever the size of a block, so that this size changes no bit
BLOCK = 8 * CHUNK
MANIFEST, CHECKPOINT = "_manifest.json", "_checkpoint.npz"
ROWS = re.compile(r"_rows-\d{12}-\d{12}\.npz")  # of interactions, for workers
PART = re.compile(r"part-[0-9a-f]{8}-\d{12}-\d{12}\.parquet")
KIND = "acg_numpy parts"
ZEROS = b"acg_numpy.zeros"


class BlockSummary(NamedTuple):
    """What was written: an array (users, domains, dim) or lists, in part files.

    Attributes
    ----------
    users, domains : int
    dim : int
        Numbers of a condition; of lists, the most items in each.
    zeros : int
        Places of a user and a domain of which nothing is known.
    parts : int
        Files.
    resumed : int
        Files among them that were there before.
    """

    users: int
    domains: int
    dim: int
    zeros: int
    parts: int
    resumed: int


@dataclass(frozen=True)
class Job:
    """What every block needs to know.

    Attributes
    ----------
    folder : Folder
    checkpoint : str
        SHA-256 of the file of that name in the folder.
    source : object
        One of `acg_numpy.scale.user_rows`.
    top : int
        Of lists: the most items in each.
    version : str
        Of the acg_numpy that began the work.
    """

    folder: Folder
    checkpoint: str
    source: Any
    top: int = 0
    version: str = __version__

    def trained(self) -> Trained:
        """Load the conditioner, once a process."""
        if self.version != __version__:
            raise ClusterError(
                f"a worker has acg_numpy {__version__}, but the work was begun with {self.version}: install the same "
                "version everywhere"
            )
        return _load_trained(self.folder, self.checkpoint)

    def part(self, rows: range) -> str:
        """Return the name of a block's file."""
        return f"part-{self.checkpoint[:8]}-{rows.start:012d}-{rows.stop - 1:012d}.parquet"


def split_rows(users: int, block: int) -> list[range]:
    """Divide rows into blocks.

    Raises
    ------
    ValueError
        If `block` is not a multiple of 8,192.

    Examples
    --------
    >>> split_rows(20_000, 8192)
    [range(0, 8192), range(8192, 16384), range(16384, 20000)]
    """
    if block < CHUNK or block % CHUNK:
        nearest = max(CHUNK, round(block / CHUNK) * CHUNK)
        raise ValueError(f"block must be a multiple of {CHUNK:,} rows, but it is {block:,}: {nearest:,} is the nearest")
    return [range(start, min(start + block, users)) for start in range(0, users, block)]


def begin_folder(
    trained: Trained, source: Any, out: str | os.PathLike[str], options: Mapping[str, Any], *, resume: bool
) -> Job:
    """Prepare a folder for parts, and write what they are a function of.

    Parameters
    ----------
    trained : Trained
    source : object
        One of `acg_numpy.scale.user_rows`.
    out : path or address
    options : mapping
        Everything else that the parts depend on, as JSON holds it.
    resume : bool
        Keep the parts that are there; otherwise they are removed.

    Raises
    ------
    DataError
        If the folder was begun with something else, or holds files that are not such parts.
    """
    folder = Folder.make(out)
    contents = _checkpoint_bytes(trained)
    checkpoint = hashlib.sha256(contents).hexdigest()
    terms = {
        "kind": KIND,
        "acg_numpy": __version__,
        "checkpoint": checkpoint,
        "source": source.fingerprint,
        "users": source.users,
        **options,
    }
    names = [name for name in folder.names() if not TEMPORARY.fullmatch(name)]
    if MANIFEST in names:
        then = _read_manifest(folder)
        if resume:
            _require_same(folder, then, terms)
    elif others := [name for name in names if name != CHECKPOINT]:
        raise DataError(
            f"{out} holds other files ({first_few(others, 3)}), and no {MANIFEST} of parts: give a new or an empty "
            "folder"
        )
    if MANIFEST not in names or not resume:
        for name in names:
            if PART.fullmatch(name) or ROWS.fullmatch(name):
                folder.remove(name)
        for name, written in ((CHECKPOINT, contents), (MANIFEST, json.dumps(terms, indent=1).encode())):
            with folder.replacing(name) as file:
                file.write(written)
    return Job(folder, checkpoint, source, int(options.get("top", 0)))


def finished_parts(job: Job, blocks: list[range]) -> dict[range, int]:
    """Find the blocks whose files are there and whole, with what they counted."""
    parquet = require("pyarrow.parquet", "reading Parquet")
    arrow = require("pyarrow", "reading Parquet")
    names, finished = set(job.folder.names()), {}
    for rows in blocks:
        if (name := job.part(rows)) not in names:
            continue
        with job.folder.open(name) as file:
            try:
                found = parquet.ParquetFile(file).metadata
            except arrow.ArrowInvalid:
                continue  # truncated, after a crash of the system: it is made again
            zeros = (found.metadata or {}).get(ZEROS)
            if zeros is not None:
                finished[rows] = int(zeros)
    return finished


def end_folder(job: Job, blocks: list[range]) -> None:
    """Remove what is left of dead workers, and check that each row is in one part.

    Raises
    ------
    ClusterError
        If a part is missing, or there is one too many: something else writes to the folder.
    """
    job.folder.remove_temporary()
    for name in job.folder.names():
        if ROWS.fullmatch(name):
            job.folder.remove(name)
    there, expected = {name for name in job.folder.names() if PART.fullmatch(name)}, set(map(job.part, blocks))
    if there != expected:
        raise ClusterError(
            f"{job.folder.address} lacks {counted(len(expected - there), 'part')} and has "
            f"{counted(len(there - expected), 'part')} too many: does another process write to it, or remove from it?"
        )


def _checkpoint_bytes(trained: Trained) -> bytes:
    with tempfile.TemporaryDirectory(prefix="acg-numpy-") as path:
        file = Path(path) / CHECKPOINT
        trained.save(file)
        return file.read_bytes()


@lru_cache(maxsize=1)
def _load_trained(folder: Folder, checkpoint: str) -> Trained:
    contents = folder.read(CHECKPOINT)
    if hashlib.sha256(contents).hexdigest() != checkpoint:
        raise ClusterError(
            f"{folder.address}/{CHECKPOINT} is not the one that the work was begun with: does every worker see the "
            "same folder under that name, and does another process write to it?"
        )
    with tempfile.TemporaryDirectory(prefix="acg-numpy-") as path:
        file = Path(path) / CHECKPOINT
        file.write_bytes(contents)
        return Trained.load(file)


def _read_manifest(folder: Folder) -> dict[str, Any]:
    try:
        terms = json.loads(folder.read(MANIFEST))
    except ValueError:
        terms = None
    if not isinstance(terms, dict) or terms.get("kind") != KIND:
        raise DataError(f"{folder.address}/{MANIFEST} is not the manifest of a folder of parts: give another folder")
    return terms


def _require_same(folder: Folder, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        f"{name} was {then.get(name)!r} and is {now.get(name)!r}"
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise DataError(
            f"{folder.address} was begun with others: {'; '.join(changed)}; give another folder, or begin anew in this "
            "one with resume=False (--no-resume), which removes its parts"
        )
