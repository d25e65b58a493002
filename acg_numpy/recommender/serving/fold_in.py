"""Folding in of new users, of whom there may be more than fit into memory.

A block of users at a time: their vectors are made or read, conditioned, and written to the place of the block in the
output file.  Only the window of the block is mapped into memory, so that memory does not grow with the users, even if
the system keeps pages that it no longer needs.  The output has its full size on the disk before the first block is
computed (so that a full disk is known at once), a temporary name while it is written, and its own name at the end.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.data.checkpoints import replacing
from acg_numpy.recommender.data.npy_files import allocate_npy, read_npy_layout, row_blocks
from acg_numpy.recommender.serving.trained import Trained
from acg_numpy.shapes import Array

BlockCallback = Callable[[int], object]
"""Called after each block with how many users it had."""


class FoldInSummary(NamedTuple):
    """The size of the array that was written, (users, domains, dim), float32, and how many of its vectors are zeros."""

    users: int
    domains: int
    dim: int
    zeros: int


def fold_interactions(
    trained: Trained, matrix: sp.csr_array, out: str | os.PathLike[str], *, progress: BlockCallback | None = None
) -> FoldInSummary:
    """Write condition vectors for every row of interactions, in every domain, to an .npy file.

    Parameters
    ----------
    trained : Trained
    matrix : sparse array (CSR), shape (U, items)
        As `acg_numpy.recommender.data.read_newcomers` gives it.
    out : path
        Gets an array (U, domains, D), float32; zeros where a user took nothing outside the domain.
    progress : callable, optional

    Returns
    -------
    FoldInSummary

    Raises
    ------
    ValueError
        If `matrix` does not have a column for each item.
    OSError
        If the file cannot be written; there is then no part of it.
    """
    trained.require_factors()

    def vectors(users: slice) -> tuple[Array, npt.NDArray[np.bool_]]:
        return trained.factors.user_vectors(matrix[users]), trained.reachable(matrix[users])

    return _fold(trained, matrix.shape[0], vectors, Path(out), progress)


def fold_vectors(
    trained: Trained,
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: BlockCallback | None = None,
) -> FoldInSummary:
    """Write condition vectors in every domain for user vectors that are in an .npy file, both of any length.

    Parameters
    ----------
    trained : Trained
    path : path
        An array (U, D), a vector for each user, or (U, domains, D), one for each user and target domain, of float16,
        float32 or float64.  A vector of zeros means that nothing is known of the user.
    out : path
        Gets an array (U, domains, D), float32; zeros where the user vector is zeros.
    progress : callable, optional

    Returns
    -------
    FoldInSummary

    Raises
    ------
    DataError
        If the file is not such an array, holds NaN or infinity, or is to be overwritten itself.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.recommender.data import make_world
    >>> from acg_numpy.recommender.training import fit
    >>> trained = fit(make_world(seed=0).interactions, epochs=1, baselines=False).trained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/users.npy", np.random.default_rng(0).standard_normal((1000, 32), np.float32))
    ...     print(fold_vectors(trained, f"{folder}/users.npy", f"{folder}/conditions.npy"))
    ...     np.load(f"{folder}/conditions.npy", mmap_mode="r").shape
    FoldInSummary(users=1000, domains=5, dim=32, zeros=0)
    (1000, 5, 32)
    """
    path, out = Path(path), Path(out)
    layout = read_npy_layout(path)
    domains, dim = len(trained.domains), trained.conditioner.attention.emb_dim
    users, *rest = layout.shape or (0,)
    if rest not in ([dim], [domains, dim]) or layout.dtype.kind != "f":
        raise DataError(
            f"{path} holds an array of shape {layout.shape} and dtype {layout.dtype}; expected floating numbers of "
            f"shape (users, {dim}) or (users, {domains}, {dim}): the conditioner has {domains} domains and {dim} "
            "dimensions"
        )
    if out.exists() and out.samefile(path):
        raise DataError(f"{out} is the file of user vectors itself: give another name for the conditions")

    def vectors(block: slice) -> tuple[Array, npt.NDArray[np.bool_]]:
        return check_vectors(trained, layout.window(block), block.start, path)

    return _fold(trained, users, vectors, out, progress)


def check_vectors(trained: Trained, given: Array, first: int, name: str | Path) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Bring user vectors to the scale of the training, spread them over the domains, and say which hold anything.

    Parameters
    ----------
    trained : Trained
    given : array, shape (B, D) or (B, domains, D)
        Of any floating dtype.
    first : int
        The row of the first, for messages.
    name : str or path
        What messages call their file.

    Returns
    -------
    vectors : array, shape (B, domains, D), float32
    reachable : array of bool, shape (B, domains)

    Raises
    ------
    DataError
        If a number is not finite in float32.
    """
    dim = trained.conditioner.attention.emb_dim
    scaled = scale_vectors(trained, given, first, name)
    spread = np.broadcast_to(scaled.reshape(len(scaled), -1, dim), (len(scaled), len(trained.domains), dim))
    return spread, np.asarray(spread.any(axis=-1))


def scale_vectors(trained: Trained, given: Array, first: int, name: str | Path) -> Array:
    """Bring user vectors to the scale of the training, in float32; arguments and errors as in `check_vectors`."""
    with np.errstate(over="ignore"):  # too large numbers become infinity, which is refused
        scaled: Array = (given / (trained.own_scale or 1.0)).astype(np.float32)
    finite = np.isfinite(scaled).reshape(len(scaled), -1).all(axis=1)
    if not finite.all():
        row = first + int(np.argmin(finite))
        raise DataError(f"{name}: row {row} (counted from 0) holds NaN or infinity, or is too large for float32")
    return scaled


def finite_conditions(trained: Trained, vectors: Array, reachable: npt.NDArray[np.bool_], first: int) -> Array:
    """Condition user vectors (B, domains, D), of which the first is user `first`; zeros where not `reachable`.

    Raises
    ------
    FloatingPointError
        If a condition is not finite.
    """
    conditions = trained.condition(vectors, reachable)
    if not np.isfinite(conditions).all():
        raise FloatingPointError(
            f"the conditions of users {first} to {first + len(vectors) - 1} (counted from 0) are not finite: are their "
            "vectors of the scale that the conditioner was trained with?"
        )
    return conditions


def write_conditions(
    trained: Trained,
    matrix: sp.csr_array,
    out: Path,
    own_vectors: Array | None = None,
    progress: BlockCallback | None = None,
) -> FoldInSummary:
    """Write the conditions of users to an .npy file, also numbers that are not finite.

    Parameters
    ----------
    trained : Trained
    matrix : sparse array (CSR), shape (U, items)
    out : path
        Gets an array (U, domains, D), float32.
    own_vectors : array, shape (U, domains, D), optional
        The users' vectors, if they do not come from interactions.
    progress : callable, optional
    """

    def conditions(users: slice) -> tuple[Array, npt.NDArray[np.bool_]]:
        if own_vectors is None:
            vectors, reachable = trained.factors.user_vectors(matrix[users]), trained.reachable(matrix[users])
        else:
            vectors, reachable = own_vectors[users], np.asarray(own_vectors[users].any(axis=-1))
        return trained.condition(vectors, reachable), reachable

    return _write(trained, matrix.shape[0], conditions, out, progress)


def _fold(
    trained: Trained,
    users: int,
    vectors: Callable[[slice], tuple[Array, npt.NDArray[np.bool_]]],
    out: Path,
    progress: BlockCallback | None,
) -> FoldInSummary:
    def conditions(block: slice) -> tuple[Array, npt.NDArray[np.bool_]]:
        user_vectors, reachable = vectors(block)
        return finite_conditions(trained, user_vectors, reachable, block.start), reachable

    return _write(trained, users, conditions, out, progress)


def _write(
    trained: Trained,
    users: int,
    conditions: Callable[[slice], tuple[Array, npt.NDArray[np.bool_]]],
    out: Path,
    progress: BlockCallback | None,
) -> FoldInSummary:
    """Write conditions a block at a time, and count those of which nothing is known."""
    shape = (users, len(trained.domains), trained.conditioner.attention.emb_dim)
    if out.is_dir():
        raise DataError(f"{out} is a folder: give the name of a file, as in {out / 'conditions.npy'}")
    zeros = 0
    with replacing(out) as temporary:
        layout = allocate_npy(temporary, shape)
        for block in row_blocks(users, shape[1] * shape[2]):
            made, reachable = conditions(block)
            layout.window(block, "r+")[...] = made
            zeros += int(np.sum(~reachable))
            if progress is not None:
                progress(block.stop - block.start)
    return FoldInSummary(*shape, zeros)
