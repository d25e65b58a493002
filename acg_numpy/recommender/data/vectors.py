"""User and item vectors of your own: an .npz file with ids and a vector for each.

    np.savez("users.npz", ids=["ann", "bob"], vectors=V)

    V (n, D)      users or items: a vector for each id
    V (n, N, D)   users alone: one for each target domain, in the order of the array `domains` in the same file, or,
                  where there is none, in that of the interactions' domains

A user's vector of the first kind serves in every domain; it may already contain what the user did there, unless a
split was written before the vectors were made.  Like the vectors that this package makes, they are divided by their
standard deviation over all users (or items) and components, because a conditioner expects about unit size.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.interactions import DataError, Interactions
from acg_numpy.recommender.data.npz_files import NpzArchive, UnreadableError
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

OWN_ITEM_SCALE = "own item vectors divided by"  # in what a checkpoint says of itself


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors by id.

    Parameters
    ----------
    ids : array of str, shape (n,)
        Each once.
    vectors : array, shape (n, D) or (n, N, D), floating
    domains : array of str, shape (N,), optional
        Names of the entries of the middle axis.
    source : str
        What messages call it.

    Raises
    ------
    DataError
        If the shapes do not fit together, an id is listed twice, or a number is not finite.

    Examples
    --------
    >>> Vectors(np.array(["ann", "bob"]), np.ones((3, 4)))
    Traceback (most recent call last):
    acg_numpy...DataError: the vectors: 2 ids, but vectors of shape (3, 4); expected (2, D) or (2, N, D)
    """

    ids: npt.NDArray[np.str_]
    vectors: Array
    domains: npt.NDArray[np.str_] | None = None
    source: str = "the vectors"

    def __post_init__(self) -> None:
        for name, array, kind, expected in (
            ("ids", self.ids, "U", "strings"),
            ("vectors", self.vectors, "f", "floating numbers"),
            ("domains", self.domains, "U", "strings"),
        ):
            if array is not None and array.dtype.kind != kind:
                raise DataError(f"{self.source}: {name} are of dtype {array.dtype}; expected {expected}")
        n, shape = len(self.ids) if self.ids.ndim == 1 else -1, self.vectors.shape
        if n < 0 or len(shape) not in (2, 3) or shape[0] != n:
            ids = f"{n} ids" if n >= 0 else f"ids of shape {self.ids.shape}"
            count = str(n) if n >= 0 else "n"
            raise DataError(
                f"{self.source}: {ids}, but vectors of shape {shape}; expected ({count}, D) or ({count}, N, D)"
            )
        distinct, times = np.unique(self.ids, return_counts=True)
        if len(distinct) < n:
            raise DataError(f"{self.source}: the id {str(distinct[times > 1][0])!r} is listed more than once")
        finite = np.isfinite(self.vectors).reshape(n, -1).all(axis=1)
        if not finite.all():
            raise DataError(
                f"{self.source}: the vector of {str(self.ids[~finite][0])!r} holds NaN or infinity (so do those of "
                f"{np.sum(~finite) - 1} others)"
            )


class ScaledVectors(NamedTuple):
    """Vectors as training uses them."""

    vectors: npt.NDArray[np.float32]  # of unit standard deviation
    scale: float  # what they were divided by


def read_vectors(path: str | os.PathLike[str]) -> Vectors:
    """Read vectors by id from an .npz file.

    Parameters
    ----------
    path : path
        With arrays `ids` (strings, or whole numbers, which are read as strings) and `vectors`, optionally `domains`.
        Pickled objects are not read.

    Returns
    -------
    Vectors

    Raises
    ------
    DataError
        If the file cannot be read, is not an .npz file, or holds other arrays; the message says what was found.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/users.npz"
    ...     np.savez(path, ids=["ann", "bob"], vectors=np.eye(2))
    ...     read_vectors(path).vectors.shape
    (2, 2)
    """
    path = Path(path)
    found: dict[str, Array] = {}
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise DataError(f"{path} is not an .npz file: numpy.savez(path, ids=..., vectors=...) writes one")
            file.seek(0)
            archive = NpzArchive(file)
            missing = [name for name in ("ids", "vectors") if name not in archive.names]
            if missing:
                raise DataError(
                    f"{path} holds {first_few(archive.names) or 'nothing'}, but no array {missing[0]!r}: "
                    "numpy.savez(path, ids=..., vectors=...) writes what is expected"
                )
            for name in ("ids", "vectors", "domains"):
                if name in archive.names:
                    found[name] = archive[name]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnreadableError as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path} holds Python objects, which only a pickle could keep; store ids as strings, "
                "numpy.array(ids, dtype=str)"
            ) from error
        raise DataError(f"{path} is truncated or damaged, and cannot be read ({error})") from error
    if found["ids"].dtype.kind in "iu":
        found["ids"] = found["ids"].astype(str)
    if found["vectors"].dtype.kind in "iu":
        found["vectors"] = found["vectors"].astype(np.float64)
    return Vectors(found["ids"], found["vectors"], found.get("domains"), str(path))


def align_user_vectors(own: Vectors, interactions: Interactions, emb_dim: int) -> ScaledVectors:
    """Align vectors with the users of the interactions, one for each domain.

    Parameters
    ----------
    own : Vectors
        (n, D) for every domain, or (n, N, D); ids of other users are ignored.
    interactions : Interactions
    emb_dim : int
        What D has to be.

    Returns
    -------
    ScaledVectors
        Vectors (U, N, D); where one serves in every domain, a view that takes no more memory than (U, D).

    Raises
    ------
    DataError
        If a user has no vector, D or the domains differ, or all numbers are the same.
    """
    names = interactions.domains.tolist()
    rows = _find_rows(own, interactions.users, "user")
    vectors = own.vectors
    _check_dim(own, emb_dim)
    if vectors.ndim == 2:
        scaled = _scale(vectors[rows], own)
        shape = (len(rows), len(names), emb_dim)
        return ScaledVectors(np.broadcast_to(scaled.vectors[:, None], shape), scaled.scale)
    held = names if own.domains is None else own.domains.tolist()
    if len(held) != vectors.shape[1] or (own.domains is None and vectors.shape[1] != len(names)):
        raise DataError(
            f"{own.source}: vectors of shape {vectors.shape} are for {vectors.shape[1]} domains, but "
            f"{len(held)} {'are named there' if own.domains is not None else 'there are'}: {first_few(held)}"
        )
    absent = [name for name in names if name not in held]
    if absent:
        raise DataError(f"{own.source}: there are no vectors for the domain {absent[0]!r}; it has {first_few(held)}")
    return _scale(vectors[rows][:, [held.index(name) for name in names]], own)


def align_item_vectors(own: Vectors, interactions: Interactions, emb_dim: int) -> ScaledVectors:
    """Align vectors with the items of the interactions, (I, D); an item of several domains has one vector.

    Parameters and errors are those of `align_user_vectors`; vectors are (n, D), in the space of the item's own domain.
    """
    if own.vectors.ndim != 2:
        raise DataError(
            f"{own.source}: vectors have shape {own.vectors.shape}; items have one vector each, (n, D), which "
            "counts in the item's own domain"
        )
    rows = _find_rows(own, interactions.items, "item")
    _check_dim(own, emb_dim)
    return _scale(own.vectors[rows], own)


def _find_rows(own: Vectors, wanted: npt.NDArray[np.str_], kind: str) -> npt.NDArray[np.int64]:
    """Find the row of each wanted id."""
    index = {name: n for n, name in enumerate(own.ids.tolist())}
    rows = [index.get(name, -1) for name in wanted.tolist()]
    missing = [name for name, row in zip(wanted.tolist(), rows, strict=True) if row < 0]
    if missing:
        raise DataError(
            f"{own.source} has no vector for {len(set(missing)):,} of {len(set(wanted.tolist())):,} {kind}s (the "
            f"first: {missing[0]!r}); its ids are like {first_few(own.ids.tolist())}"
        )
    return np.array(rows, dtype=np.int64)


def _check_dim(own: Vectors, emb_dim: int) -> None:
    dim = own.vectors.shape[-1]
    if dim != emb_dim:
        raise DataError(
            f"{own.source}: vectors have {dim} dimensions, but the conditioner has {emb_dim}; set emb_dim "
            f"(--emb-dim) to {dim}, for users and items alike"
        )


def _scale(vectors: Array, own: Vectors) -> ScaledVectors:
    deviation = float(vectors.std(dtype=np.float64))
    if not deviation:
        raise DataError(f"{own.source}: all numbers are the same, so no vector differs from another")
    return ScaledVectors((vectors / deviation).astype(np.float32), deviation)
