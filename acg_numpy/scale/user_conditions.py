"""Condition vectors of many users: part files of all domains, or a Dask array of one domain."""

import os
from typing import Any

import numpy as np

from acg_numpy.autograd import no_grad
from acg_numpy.interop.libraries import require
from acg_numpy.num_threads import one_blas_thread
from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.serving import Trained
from acg_numpy.recommender.serving.fold_in import finite_conditions, scale_vectors
from acg_numpy.scale.blocks import BLOCK, CHUNK, BlockSummary, Job
from acg_numpy.scale.list_columns import USER
from acg_numpy.scale.part_files import Progress, part_writer, read_chunks, write_parts
from acg_numpy.scale.user_rows import Users
from acg_numpy.shapes import Array


def condition(
    trained: Trained,
    source: Users,
    out: str | os.PathLike[str],
    *,
    client: Any = None,
    block: int = BLOCK,
    resume: bool = True,
    progress: Progress | None = None,
) -> BlockSummary:
    """Write condition vectors of many users in every domain to a folder of Parquet files.

    Parameters
    ----------
    trained : Trained
    source : path, address, sequence of these, or Newcomers
        User vectors in an .npy file, (U, D) or (U, domains, D); or in Parquet files or a folder of them, in one column
        of lists of D or domains x D floats, or in one for each domain, with ids in a column `user`; or interactions, as
        `Trained.read_newcomers` reads them or has read them.
    out : path or address
        A folder; made, where there is none.  It gets a file a block of rows, with the columns `user`, where ids are
        known, and for each domain a list of D float32.  The order of the files by name and of the rows in them is that
        of the source.  Zeros where nothing is known of the user outside the domain.
    client : distributed.Client, optional
        A Dask cluster, whose workers can read `source` and write `out` under these names; see `connect`.  By default
        the work is done in this process.
    block : int, default 65,536
        Rows of a part; a multiple of 8,192, which are computed together.  It changes no bit of the conditions.
    resume : bool, default True
        Keep the parts that are there; otherwise they are removed.
    progress : callable, optional
        Called with a number of users: with those of the parts that are kept, and after each block.

    Returns
    -------
    BlockSummary

    Raises
    ------
    DataError
        If the source cannot be read or does not fit; if the folder was begun with another checkpoint, source, block
        size or version, or holds other files.
    BlockError
        If blocks failed, after all others are done; it names their rows.
    ClusterError
        If the cluster was lost.  What is done stays, and the same call goes on.
    OSError
        If a file cannot be written, as on a full disk.
    MissingLibraryError
        If pyarrow or fsspec is not installed.

    Warns
    -----
    UserWarning
        What `Trained.read_newcomers` notes of a file of interactions, such as how many of its items are unknown.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> trained = fit(make_world(seed=0).interactions, epochs=1, baselines=False).trained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/users.npy", np.random.default_rng(0).standard_normal((10_000, 32), np.float32))
    ...     condition(trained, f"{folder}/users.npy", f"{folder}/conditions", block=8192)
    BlockSummary(users=10000, domains=5, dim=32, zeros=0, parts=2, resumed=0)
    """
    if USER in trained.domains:
        raise DataError(
            f"a domain is called {USER!r}, which is the column of ids: give it another name in trained.domains"
        )
    options = {"parts": "conditions", "domains": trained.domains.tolist()}
    dim = trained.conditioner.attention.emb_dim
    return write_parts(_write_conditions, trained, source, out, options, dim, client, block, resume, progress)


def condition_blocks(trained: Trained, users: Any, domain_id: Any) -> Any:
    """Make condition vectors of a Dask array of user vectors, as a Dask array: nothing is computed yet.

    Parameters
    ----------
    trained : Trained
    users : dask.array, shape (U, D)
        Of floating numbers, in blocks of rows; 8,192 rows of a block are computed together.  A vector of zeros means
        that nothing is known of the user.
    domain_id : int, or array of int, shape (U,)
        The domain of all users, or of each; a NumPy or a Dask array.

    Returns
    -------
    dask.array, shape (U, D), float32
        In the same blocks of rows; zeros where nothing is known of the user.

    Raises
    ------
    DataError
        If a number is not finite in float32, when it is computed; the message counts rows in the block.
    TypeError
        If `users` is not a Dask array of floating numbers, or `domain_id` not of whole numbers.
    ValueError
        If the shapes do not fit.
    IndexError
        If a domain is out of range: now, where `domain_id` is a number or a NumPy array, otherwise when it is computed.
    MissingLibraryError
        If dask is not installed.

    Examples
    --------
    >>> import dask.array as da  # doctest: +SKIP
    >>> users = da.random.normal(size=(1_000_000, 32), chunks=(65_536, 32)).astype("float32")  # doctest: +SKIP
    >>> condition_blocks(trained, users, 0).to_zarr("conditions.zarr")  # doctest: +SKIP
    """
    dask_array = require("dask.array", "condition_blocks")
    dim, domains = trained.conditioner.attention.emb_dim, len(trained.domains)
    if not isinstance(users, dask_array.Array):
        raise TypeError(
            f"users is a {type(users).__name__}, expected a Dask array: dask.array.from_array(users, chunks=65536)"
        )
    if users.ndim != 2 or users.shape[1] != dim:
        raise ValueError(
            f"users has shape {users.shape}, expected (users, {dim}): the conditioner has {dim} dimensions"
        )
    if users.dtype.kind != "f":
        raise TypeError(f"users has dtype {users.dtype}, expected floating numbers")
    ids = domain_id if isinstance(domain_id, dask_array.Array) else np.asarray(domain_id)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"domain_id has dtype {ids.dtype}, expected whole numbers")
    if ids.shape not in ((), (users.shape[0],)):
        raise ValueError(f"domain_id has shape {ids.shape}, expected () or {(users.shape[0],)}, as users has")
    if isinstance(ids, np.ndarray) and ids.size and not 0 <= ids.min() <= ids.max() < domains:
        raise IndexError(f"domain_id holds {ids.min()} to {ids.max()}, but the domains are 0 to {domains - 1}")
    users = users.rechunk({1: dim})
    arguments = {"trained": trained, "dtype": np.float32, "meta": np.empty((0, dim), np.float32)}
    if not ids.shape:
        return users.map_blocks(_condition_array, int(ids), **arguments)
    ids = dask_array.asarray(ids).rechunk((users.chunks[0],))
    return dask_array.map_blocks(_condition_array, users, ids[:, None], **arguments)


def _write_conditions(job: Job, rows: range) -> int:
    """Write the part of a block, and return how many places of a user and a domain are zeros."""
    arrow = require("pyarrow", "writing Parquet")
    trained, ids, chunks = read_chunks(job, rows)
    fields = [arrow.field(name, arrow.list_(arrow.float32()), nullable=False) for name in trained.domains.tolist()]
    if ids is not None:
        fields.insert(0, arrow.field(USER, ids.type, nullable=False))
    zeros = 0
    # floats do not compress, and no value is met twice
    with part_writer(job, rows, arrow.schema(fields), compression="NONE", use_dictionary=[USER]) as part:
        for chunk in chunks:
            conditions = finite_conditions(trained, chunk.vectors, chunk.reachable, rows.start + chunk.rows.start)
            zeros += int(np.sum(~chunk.reachable))
            columns = [] if ids is None else [ids[chunk.rows]]
            part.write([*columns, *(_list_array(arrow, conditions[:, d]) for d in range(conditions.shape[1]))])
        part.zeros = zeros
    return zeros


def _list_array(arrow: Any, vectors: Array) -> Any:
    """Return vectors (B, D) as an Arrow array of lists."""
    number, dim = vectors.shape
    offsets = np.arange(0, (number + 1) * dim, dim, dtype=np.int32)
    return arrow.ListArray.from_arrays(offsets, np.ascontiguousarray(vectors).reshape(-1))


def _condition_array(users: Array, domain_id: Any, *, trained: Trained) -> Array:
    conditions = np.empty(users.shape, np.float32)
    with one_blas_thread(), no_grad():
        for start in range(0, len(users), CHUNK):
            chunk = slice(start, start + CHUNK)
            ids = domain_id if np.ndim(domain_id) == 0 else domain_id[chunk, 0]
            vectors = scale_vectors(trained, users[chunk], start, "a block of users")
            made = trained.conditioner(vectors, ids).numpy()
            conditions[chunk] = np.where(vectors.any(axis=-1, keepdims=True), made, 0.0)
    return conditions
