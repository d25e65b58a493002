"""Truncated SVD of a matrix in row partitions, by block Krylov: few passes over the data, at any number of workers.

ARPACK, which `scipy.sparse.linalg.svds` calls, multiplies one vector at a time and passes over the matrix well over a
hundred times.  Block Krylov multiplies a block of vectors in each pass, and looks for singular vectors in the span of
all blocks that it has met.  With A = X * w, partitions A_1, ..., A_P of its rows, and orthonormal blocks Q:

    G_k = A'A Q_k = sum over p of A_p' (A_p Q_k)            one pass over the data
    Q_(k+1) = what of G_k is orthogonal to Q_1 ... Q_k      here, with a QR decomposition
    B = [Q_1 ... Q_q],  T = B' [G_1 ... G_q],  T = E Lambda E'
    V = B E,  sigma = sqrt(Lambda),  of which the first `rank` are returned

Partial sums are added in the order of the partitions.  These come with the data and not with the workers, so the result
is equal bit by bit however many workers there are, also when some of them die.  Other partitions give other bits.
`acg_numpy.recommender.data.factors.block_krylov` has the iteration; `acg train` calls it where interactions are many.

C. Musco, C. Musco: Randomized block Krylov methods for stronger and faster approximate singular value decomposition,
NeurIPS 2015, algorithm 2.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.data.factors import OVERSAMPLE, PASSES, block_krylov
from acg_numpy.scale.clusters import map_blocks_in_order
from acg_numpy.scale.folders import absolute, locate
from acg_numpy.shapes import Array

Part: TypeAlias = "sp.csr_array | str | os.PathLike[str]"


class TruncatedSVD(NamedTuple):
    """The largest singular values of a matrix, and its right singular vectors.

    Attributes
    ----------
    components : array, shape (I, rank), float64
        V, columns in the order of falling singular values; the largest entry of each is positive.
    sigma : array, shape (rank,), float64
    weight : array, shape (I,), float32
        What the columns were multiplied by.
    taken : array, shape (I,), float64
        The sum of each column, before that.
    rows : int
        Of all partitions.
    captured : float
        The energy that the components capture: the sum of sigma^2 as a share of the sum of all squares.
    passes : int
        Over the data, the one for `taken` included.
    """

    components: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32]
    taken: npt.NDArray[np.float64]
    rows: int
    captured: float
    passes: int


def factorise(
    parts: Sequence[Part],
    rank: int,
    *,
    client: Any = None,
    weight: npt.ArrayLike | None = None,
    columns: npt.ArrayLike | None = None,
    passes: int = PASSES,
    oversample: int = OVERSAMPLE,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> TruncatedSVD:
    """Compute a truncated SVD of a sparse matrix that is given in row partitions.

    Parameters
    ----------
    parts : sequence of sparse arrays (CSR), or of paths or addresses
        Partitions of the rows, all with the same columns; of files, those of `scipy.sparse.save_npz`, which are read
        one at a time by each worker.
    rank : int
        How many singular values and vectors; where the matrix has fewer, the last are zeros.
    client : distributed.Client, optional
        A Dask cluster, whose workers can read `parts` under these names; see `connect`.  By default all is computed in
        this process.
    weight : array, shape (I,), optional
        What each column is multiplied by; by default ``1 / sqrt(1 + taken)``, as the recommender weights items.
    columns : array of int, optional
        Which columns to look at, each once, the others being left out: those of one domain, for its item vectors.
    passes : int, default 6
        Over the data, without the one for `taken`.  With 4, recommendations were measurably worse; `captured` says what
        more passes gain.
    oversample : int, default 8
        A block has ``rank + oversample`` vectors.
    seed : int, default 0
        Of the first block.
    progress : callable, optional
        Called with 1 after each partition of each pass.

    Returns
    -------
    TruncatedSVD

    Raises
    ------
    DataError
        If there is no partition, one cannot be read, or they have different numbers of columns.
    ValueError
        If `rank`, `passes` or `oversample` is too small, or `weight` or `columns` does not fit.
    BlockError
        If the workers that computed a partition died.
    ClusterError
        If the cluster was lost.

    Notes
    -----
    This process holds ``2 passes (rank + oversample) I`` float64: 0.4 GB for 100,000 items and the defaults with rank
    32.  A worker holds a partition, and twice ``(rank + oversample) I`` float32.

    Examples
    --------
    >>> from acg_numpy.recommender.data import make_world
    >>> X = make_world(seed=0).interactions.matrix
    >>> found = factorise([X[:600], X[600:]], rank=16)
    >>> found.components.shape, found.passes
    ((500, 16), 7)
    >>> bool(0.1 < found.captured < 1)
    True
    """
    for name, number, least in (("rank", rank, 1), ("passes", passes, 1), ("oversample", oversample, 0)):
        if number < least:
            raise ValueError(f"{name} must be at least {least}, but it is {number}")
    if not len(parts):
        raise DataError("there is nothing to factorise: the sequence of partitions is empty")
    given = [part if sp.issparse(part) else absolute(part) for part in parts]
    taken, squares, rows = _column_sums(given, client, progress)
    chosen = np.arange(len(taken)) if columns is None else _check_columns(np.asarray(columns), len(taken))
    w = (1 / np.sqrt(1 + taken) if weight is None else np.asarray(weight)).astype(np.float32)
    if w.shape != taken.shape or not np.isfinite(w).all():
        raise ValueError(f"weight has shape {w.shape}, expected a finite number for each of {len(taken)} columns")
    visible = np.zeros(len(taken), np.float32)
    visible[chosen] = w[chosen]

    def gram(Q: Array) -> Array:
        job = _Weighted(visible, Q.astype(np.float32))
        return _sum_in_order(_multiply, given, job, client, progress)

    rng = np.random.default_rng(seed)
    sigma, components, made = block_krylov(gram, chosen, len(taken), rank, rng, passes=passes, oversample=oversample)
    energy = float(squares[chosen] @ w[chosen].astype(np.float64) ** 2)
    captured = float(sigma @ sigma) / energy if energy else 0.0
    return TruncatedSVD(components, sigma, w, taken, rows, captured, 1 + made)


def _check_columns(chosen: npt.NDArray[Any], columns: int) -> npt.NDArray[np.int64]:
    """Return numbers of columns, after checks."""
    if not chosen.size:
        raise ValueError("columns is empty: give one column at least, or None for all")
    if chosen.dtype.kind == "b":
        raise ValueError("columns is a boolean mask, expected whole numbers: np.flatnonzero(columns) gives them")
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < columns)).all():
        raise ValueError(f"columns must be whole numbers from 0 to {columns - 1}, the last column")
    different, counts = np.unique(chosen, return_counts=True)
    if len(different) < len(chosen):
        raise ValueError(f"columns names column {different[counts > 1][0]} more than once: give each once")
    return chosen


@dataclass(frozen=True)
class _Weighted:
    """What a partition is multiplied by in one pass."""

    weight: npt.NDArray[np.float32]  # (I,)
    block: npt.NDArray[np.float32]  # (I, b)


def _multiply(job: _Weighted, part: Any) -> Array:
    """Compute A_p' (A_p Q) of one partition, A_p = X_p * w, without making A_p."""
    X = _load(part)
    product: Array = job.weight[:, None] * (X.T @ (X @ (job.weight[:, None] * job.block)))
    return product.astype(np.float64)


def _sums(job: None, part: Any) -> tuple[Array, Array, int]:
    """Sum the columns of one partition and their squares, and count its rows."""
    X = _load(part)
    squares = X.multiply(X).sum(axis=0, dtype=np.float64)
    return np.asarray(X.sum(axis=0, dtype=np.float64)), np.asarray(squares), X.shape[0]


def _column_sums(
    parts: Sequence[Any], client: Any, progress: Callable[[int], object] | None
) -> tuple[Array, Array, int]:
    """Sum the columns and their squares over all partitions, and count the rows."""
    taken = squares = np.zeros(0)
    rows = 0
    for number, (sums, of_squares, count) in enumerate(map_blocks_in_order(_sums, parts, job=None, client=client)):
        if number and sums.shape != taken.shape:
            raise DataError(
                f"partition {number} (counted from 0) has {len(sums):,} columns, but those before it have "
                f"{len(taken):,}: all must have a column for each item"
            )
        taken, squares = (taken + sums, squares + of_squares) if number else (sums, of_squares)
        rows += count
        if progress is not None:
            progress(1)
    return taken, squares, rows


def _sum_in_order(
    work: Callable[[Any, Any], Array],
    parts: Sequence[Any],
    job: Any,
    client: Any,
    progress: Callable[[int], object] | None,
) -> Array:
    """Add up what the work makes of each partition."""
    results: Iterator[Array] = map_blocks_in_order(work, parts, job=job, client=client)
    total = next(results)
    if progress is not None:
        progress(1)
    for product in results:
        total += product
        if progress is not None:
            progress(1)
    return total


def _load(part: Any) -> sp.csr_array:
    """Return a partition in float32, from its file if need be."""
    if isinstance(part, str):
        files, inside = locate(part)
        try:
            with files.open(inside, "rb") as file:
                part = sp.load_npz(io.BytesIO(file.read()))
        except (ValueError, KeyError) as error:
            raise DataError(f"{part} is not a sparse matrix, as scipy.sparse.save_npz writes it: {error}") from error
    return sp.csr_array(part, dtype=np.float32)
