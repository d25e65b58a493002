"""Part files: which blocks are still to be made, the rows of a block in chunks, and the writing of its file."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.interop.libraries import require
from acg_numpy.recommender.serving import Trained
from acg_numpy.scale.blocks import (
    CHUNK,
    ZEROS,
    BlockSummary,
    Job,
    begin_folder,
    end_folder,
    finished_parts,
    split_rows,
)
from acg_numpy.scale.clusters import Work, run_blocks
from acg_numpy.scale.user_rows import (
    Interacted,
    Users,
    UserSource,
    WrittenRows,
    open_users,
    require_unchanged,
    user_vectors,
)
from acg_numpy.shapes import Array

Progress = Callable[[int], object]
"""Called after each block with how many users it had."""


def write_parts(
    work: Work,
    trained: Trained,
    source: Users,
    out: str | os.PathLike[str],
    options: dict[str, Any],
    dim: int,
    client: Any,
    block: int,
    resume: bool,
    progress: Progress | None,
) -> BlockSummary:
    """Write a part file for each block of a source by `work(job, rows)`, which returns what it counted.

    Parameters are those of `condition`; `options` is everything else that the parts depend on.
    """
    split_rows(0, block)  # raises for a wrong size before anything is read
    require("pyarrow.parquet", "writing Parquet")
    users: UserSource = open_users(trained, source)
    job = begin_folder(trained, users, out, {**options, "block": block}, resume=resume)
    blocks = split_rows(users.users, block)
    zeros = finished_parts(job, blocks)
    resumed = len(zeros)
    if progress is not None and resumed:
        progress(sum(map(len, zeros)))

    prepare = None
    if client is not None and isinstance(users, Interacted):
        written = users.in_folder(job.folder)
        job = Job(job.folder, job.checkpoint, written, job.top)

        def prepare(rows: range) -> None:
            users.write_rows(job.folder, rows)

    def done(rows: range, counted: int) -> None:
        zeros[rows] = counted
        if isinstance(job.source, WrittenRows):
            job.source.forget(rows)
        if progress is not None:
            progress(len(rows))

    try:
        run_blocks(work, job, [rows for rows in blocks if rows not in zeros], client=client, done=done, prepare=prepare)
    finally:
        with suppress(OSError):
            job.folder.remove_temporary()
    end_folder(job, blocks)
    return BlockSummary(users.users, len(trained.domains), dim, sum(zeros.values()), len(blocks), resumed)


class Chunk(NamedTuple):
    """Rows of a block that are computed together.

    Attributes
    ----------
    rows : slice
        Which of the block.
    vectors : array, shape (B, domains, D), float32
    reachable : array of bool, shape (B, domains)
        Which vectors contain anything.
    taken : sparse array (CSR), shape (B, items), or None
    """

    rows: slice
    vectors: Array
    reachable: npt.NDArray[np.bool_]
    taken: sp.csr_array | None


def read_chunks(job: Job, rows: range) -> tuple[Trained, Any, Iterator[Chunk]]:
    """Read a block, and return the conditioner, the ids as an Arrow array or None, and the rows in chunks."""
    arrow = require("pyarrow", "writing Parquet")
    trained = job.trained()
    require_unchanged(job.source)
    found = job.source.read(rows)

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, min(start + CHUNK, len(rows)))
            some = type(found)(None, *(None if part is None else part[chunk] for part in found[1:]))
            yield Chunk(chunk, *user_vectors(trained, some, rows.start + start, job.source.name), some.taken)

    return trained, None if found.ids is None else arrow.array(found.ids), chunks()


@dataclass
class Part:
    """The file of a block while it is written.

    Attributes
    ----------
    zeros : int
        To be set before the end: kept in the file, so that a resumed run knows it.
    """

    writer: Any
    schema: Any
    zeros: int = 0

    def write(self, columns: Sequence[Any]) -> None:
        """Write columns as a row group."""
        self.writer.write_table(require("pyarrow", "writing Parquet").Table.from_arrays(columns, schema=self.schema))


@contextmanager
def part_writer(job: Job, rows: range, schema: Any, **options: Any) -> Iterator[Part]:
    """Open the file of a block, which appears when the block of the `with` ends."""
    parquet = require("pyarrow.parquet", "writing Parquet")
    with (
        job.folder.replacing(job.part(rows)) as file,
        parquet.ParquetWriter(file, schema, **options) as writer,
    ):
        part = Part(writer, schema)
        yield part
        writer.add_key_value_metadata({ZEROS: str(part.zeros).encode()})
