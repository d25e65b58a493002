"""How are new users folded in, when there may be more of them than fit into memory?

A block of users at a time: their vectors are made or read, conditioned, and written to where the block belongs in the
output file.  Of a file in memory's place only the window of the block is mapped, so that memory does not grow with the
users, whatever the system does with pages it no longer needs.  The output has its full size on the disk before the
first block is computed (a full disk is known at once), a temporary name while it is written, and its own at the end.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.data import DataError
from acg_numpy.data.archives import UnreadableError, damage_is_unreadable
from acg_numpy.shapes import Array
from acg_numpy.training.checkpoints import replacing
from acg_numpy.training.serving import Trained

BLOCK = 1 << 21  # numbers of a block of user vectors: 8 MiB of float32

Told = Callable[[int], object]
"""Called after each block with how many users it had."""


class Folded(NamedTuple):
    """What was written: an array (users, domains, dim), float32, in which `zeros` places (user, domain) are zeros."""

    users: int
    domains: int
    dim: int
    zeros: int


def fold_interactions(
    trained: Trained, matrix: sp.csr_array, out: str | os.PathLike[str], *, progress: Told | None = None
) -> Folded:
    """Write condition vectors for every row of interactions, in every domain, to an .npy file.

    Parameters
    ----------
    trained : Trained
    matrix : sparse array (CSR), shape (U, items)
        As `acg_numpy.data.read_newcomers` gives it.
    out : path
        Gets an array (U, domains, D), float32; zeros where a user took nothing outside the domain.
    progress : callable, optional

    Returns
    -------
    Folded

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
    trained: Trained, path: str | os.PathLike[str], out: str | os.PathLike[str], *, progress: Told | None = None
) -> Folded:
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
    Folded

    Raises
    ------
    DataError
        If the file is not such an array, holds NaN or infinity, or is to be overwritten itself.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> from acg_numpy.data import make_world
    >>> from acg_numpy.training import fit
    >>> trained = fit(make_world(seed=0).interactions, epochs=1, baselines=False).trained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/users.npy", np.random.default_rng(0).standard_normal((1000, 32), np.float32))
    ...     print(fold_vectors(trained, f"{folder}/users.npy", f"{folder}/conditions.npy"))
    ...     np.load(f"{folder}/conditions.npy", mmap_mode="r").shape
    Folded(users=1000, domains=5, dim=32, zeros=0)
    (1000, 5, 32)
    """
    path, out = Path(path), Path(out)
    layout = npy_layout(path)
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

    scale = trained.own_scale or 1.0

    def vectors(block: slice) -> tuple[Array, npt.NDArray[np.bool_]]:
        with np.errstate(over="ignore"):  # what is too large becomes infinity, and is refused
            window = (layout.window(block) / scale).astype(np.float32)
        finite = np.isfinite(window).reshape(len(window), -1).all(axis=1)
        if not finite.all():
            row = block.start + int(np.argmin(finite))
            raise DataError(f"{path}: row {row} (counted from 0) holds NaN or infinity, or is too large for float32")
        spread = np.broadcast_to(window.reshape(len(window), -1, dim), (len(window), domains, dim))
        return spread, np.asarray(spread.any(axis=-1))

    return _fold(trained, users, vectors, out, progress)


class Layout(NamedTuple):
    """Where the numbers of an .npy file lie."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int

    def window(self, rows: slice, mode: str = "r") -> Array:
        """Map some rows of it, and no more."""
        width = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        size = (rows.stop - rows.start, *self.shape[1:])
        if not width * size[0]:
            return np.empty(size, self.dtype)
        place = self.offset + rows.start * width
        window: Array = np.memmap(self.path, self.dtype, mode, place, size)  # type: ignore[call-overload]
        return window

    def blocks(self) -> Iterator[slice]:
        """Go through the rows, about 8 MiB of float32 at a time."""
        return _blocks(self.shape[0], int(np.prod(self.shape[1:])))


def npy_layout(path: str | os.PathLike[str]) -> Layout:
    """Read the head of an .npy file, and check that the rest of it is there.

    Raises
    ------
    DataError
        If it is not such a file, truncated, or of Python objects.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        if file.read(6) != np.lib.format.MAGIC_PREFIX:
            raise DataError(f"{path} is not an .npy file, as numpy.save writes it")
        file.seek(0)
        try:
            with damage_is_unreadable():
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran_order, dtype = read(file)
                if min(shape, default=0) < 0:
                    raise UnreadableError(f"it says that the array has shape {shape}")
        except UnreadableError as error:
            raise DataError(f"{path} is damaged: its header cannot be read ({error})") from error
        offset = file.tell()
    if dtype.hasobject:
        raise DataError(f"{path} holds Python objects, which are not read; save plain numbers")
    if fortran_order and len(shape) > 1:
        raise DataError(f"{path} is stored column by column; save numpy.ascontiguousarray of it")
    expected = offset + dtype.itemsize * int(np.prod(shape, dtype=object))
    if path.stat().st_size < expected:
        raise DataError(f"{path} is truncated: {expected:,} bytes were expected, and there are {path.stat().st_size:,}")
    return Layout(path, shape, dtype, offset)


def _fold(
    trained: Trained,
    users: int,
    vectors: Callable[[slice], tuple[Array, npt.NDArray[np.bool_]]],
    out: Path,
    progress: Told | None,
) -> Folded:
    shape = (users, len(trained.domains), trained.conditioner.attention.emb_dim)
    if out.is_dir():
        raise DataError(f"{out} is a folder: give the name of a file, as in {out / 'conditions.npy'}")
    zeros = 0
    with replacing(out) as temporary:
        layout = _reserve(temporary, shape)
        for block in _blocks(users, shape[1] * shape[2]):
            user_vectors, reachable = vectors(block)
            conditions = trained.condition(user_vectors, reachable)
            if not np.isfinite(conditions).all():
                raise FloatingPointError(
                    f"the conditions of users {block.start} to {block.stop - 1} (counted from 0) are not finite: are "
                    "their vectors of the scale that the conditioner was trained with?"
                )
            layout.window(block, "r+")[...] = conditions
            zeros += int(np.sum(~reachable))
            if progress is not None:
                progress(block.stop - block.start)
    return Folded(*shape, zeros)


def _reserve(path: Path, shape: tuple[int, ...]) -> Layout:
    """Make an .npy file of float32 in its full size."""
    dtype = np.dtype("<f4")
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        file.flush()
        layout = Layout(path, shape, dtype, file.tell())
        size = layout.offset + dtype.itemsize * int(np.prod(shape))
        try:
            if hasattr(os, "posix_fallocate"):  # else a disk that fills up while its pages are written ends the process
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            error.filename = str(path)
            raise
    return layout


def _blocks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
