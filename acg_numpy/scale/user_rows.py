"""Sources of many users, of which any range of rows can be read anywhere: .npy, Parquet, interactions.

Each source has `users`, how many rows there are, a `fingerprint`, and `read(rows)`.  The fingerprint of files is a hash
of their names, sizes, times of change, and first and last 64 KiB: so it costs nothing, and differs where a file was
written anew.
"""

import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.interop.libraries import require
from acg_numpy.recommender.data import DataError, Newcomers
from acg_numpy.recommender.data.checkpoints import fingerprint
from acg_numpy.recommender.data.npy_files import read_npy_header
from acg_numpy.recommender.serving import Trained
from acg_numpy.recommender.serving.fold_in import check_vectors
from acg_numpy.scale.clusters import ClusterError
from acg_numpy.scale.folders import Folder, absolute, locate
from acg_numpy.scale.list_columns import VectorColumns, find_vectors, read_schema, read_vectors_of
from acg_numpy.shapes import Array

EDGE = 1 << 16  # bytes at the start and at the end of a file that its fingerprint looks at

# A path or an address of an .npy array, of Parquet files or of a folder of them; interactions as `acg train` reads
# them; or what `Trained.read_newcomers` returned.
Users: TypeAlias = Any


class UserRows(NamedTuple):
    """Some rows of a source: vectors that are there, or interactions to make them from.

    Attributes
    ----------
    ids : sequence, Arrow array or None
        Of users, where they are known.
    vectors : array (B, D) or (B, domains, D), or None
    taken : sparse array (CSR), shape (B, items), or None
    """

    ids: Any
    vectors: Array | None
    taken: sp.csr_array | None


class UserSource(Protocol):
    """Many users, of whom any range of rows can be read."""

    @property
    def users(self) -> int:
        """How many there are."""

    @property
    def fingerprint(self) -> str:
        """A hash of what is read."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def read(self, rows: range) -> UserRows:
        """Read some rows."""


@dataclass(frozen=True)
class NpyVectors:
    """User vectors in an .npy file, (U, D) or (U, domains, D)."""

    name: str
    fingerprint: str
    address: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def open(cls, path: str) -> "NpyVectors":
        """Read the header."""
        files, inside = locate(path)
        with files.open(inside, "rb") as file:
            shape, dtype, offset = read_npy_header(file, path, files.size(inside))
        return cls(path, hash_files([path]), absolute(path), shape, dtype, offset)

    @property
    def users(self) -> int:
        """How many rows there are."""
        return self.shape[0] if self.shape else 0

    def read(self, rows: range) -> UserRows:
        """Read some rows."""
        files, inside = locate(self.address)
        width = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        with files.open(inside, "rb") as file:
            file.seek(self.offset + rows.start * width)
            contents = file.read(len(rows) * width)
        return UserRows(None, np.frombuffer(contents, self.dtype).reshape(len(rows), *self.shape[1:]), None)


@dataclass(frozen=True)
class ParquetVectors:
    """User vectors in lists of Parquet files, one file after the other."""

    name: str
    fingerprint: str
    files: tuple[tuple[str, int], ...]  # address, rows
    columns: VectorColumns

    @property
    def users(self) -> int:
        """How many rows there are."""
        return sum(count for _, count in self.files)

    def read(self, rows: range) -> UserRows:
        """Read some rows."""
        found, begin = [], 0
        for address, count in self.files:
            part = range(max(rows.start - begin, 0), min(rows.stop - begin, count))
            if part:
                found.append(read_vectors_of(address, part, self.columns))
            begin += count
        vectors = np.concatenate([vectors for _, vectors in found])
        if self.columns.ids is None:
            return UserRows(None, vectors, None)
        arrow = require("pyarrow", "reading Parquet")
        return UserRows(arrow.concat_arrays([ids for ids, _ in found]), vectors, None)


@dataclass(frozen=True)
class Interacted:
    """Users with their interactions, in the memory of this process."""

    name: str
    fingerprint: str
    taken: sp.csr_array
    ids: npt.NDArray[np.str_]

    @property
    def users(self) -> int:
        """How many rows there are."""
        return len(self.ids)

    def read(self, rows: range) -> UserRows:
        """Take some rows."""
        return UserRows(self.ids[rows.start : rows.stop], None, self.taken[rows.start : rows.stop])

    def write_rows(self, folder: Folder, rows: range) -> None:
        """Write some rows for the worker that will compute them."""
        part = self.taken[rows.start : rows.stop]
        buffer = io.BytesIO()
        ids = self.ids[rows.start : rows.stop]
        np.savez(buffer, ids=ids, indices=part.indices.astype(np.int32), indptr=part.indptr.astype(np.int64))
        with folder.replacing(_rows_name(rows)) as file:
            file.write(buffer.getbuffer())

    def in_folder(self, folder: Folder) -> "WrittenRows":
        """Return the same source for workers, which read what `write_rows` wrote."""
        return WrittenRows(self.name, self.fingerprint, self.users, self.taken.shape[1], folder)


@dataclass(frozen=True)
class WrittenRows:
    """Users with their interactions, of which the client writes the rows of a block before a worker reads them."""

    name: str
    fingerprint: str
    users: int
    items: int
    folder: Folder

    def read(self, rows: range) -> UserRows:
        """Read some rows."""
        with np.load(io.BytesIO(self.folder.read(_rows_name(rows))), allow_pickle=False) as arrays:
            ids, indices, indptr = arrays["ids"], arrays["indices"], arrays["indptr"]
        ones = np.ones(len(indices), np.float32)
        return UserRows(ids, None, sp.csr_array((ones, indices, indptr), shape=(len(rows), self.items)))

    def forget(self, rows: range) -> None:
        """Remove what the worker has read."""
        self.folder.remove(_rows_name(rows))


def open_users(trained: Trained, source: Users) -> UserSource:
    """Find out what a source is, and check that it fits the conditioner.

    Parameters
    ----------
    trained : Trained
    source : path, address, sequence of these, or Newcomers
        An .npy file; Parquet files with lists, or a folder of such; otherwise interactions, as
        `Trained.read_newcomers` reads them, or has read them.

    Raises
    ------
    DataError
        If it cannot be read or does not fit.

    Warns
    -----
    UserWarning
        What the caller should know of interactions that are read here, such as how many items are unknown.
    """
    if isinstance(source, Newcomers):
        return _interacted(trained, source, "the interactions")
    if (vectors := open_vectors(trained, source)) is not None:
        return vectors
    name = ", ".join(_paths(source)) or f"the {type(source).__name__}"
    new = trained.read_newcomers(source)
    if new.notes:
        # of open_users, write_parts, and condition or recommend
        warnings.warn(f"{name}: {'; '.join(new.notes)}", stacklevel=4)
    return _interacted(trained, new, name)


def open_vectors(trained: Trained, source: Users) -> NpyVectors | ParquetVectors | None:
    """Open a source of vectors as `open_users` does; None, if it is neither an .npy file nor Parquet with lists."""
    paths = _paths(source)
    arrays = [path for path in paths if path.lower().endswith(".npy")]
    if arrays and len(paths) > 1:
        raise DataError(f"{arrays[0]} is one of {len(paths)} sources: give a single .npy file, or several of Parquet")
    if arrays:
        vectors = NpyVectors.open(paths[0])
        _check_shape(trained, vectors.name, vectors.shape[1:], vectors.dtype, vectors.shape)
        return vectors
    if paths and (files := parquet_files(paths)):
        dim, domains = trained.conditioner.attention.emb_dim, trained.domains.tolist()
        if (columns := find_vectors(files[0], dim, domains)) is not None:
            return _open_parquet(", ".join(paths), files, columns)
    return None


def user_vectors(trained: Trained, rows: UserRows, first: int, name: str) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Make the vectors (B, domains, D) of some rows, and say which contain anything, (B, domains).

    Raises
    ------
    DataError
        If a vector is not finite, which the message counts from `first`.
    """
    if rows.taken is not None:
        return trained.factors.user_vectors(rows.taken), trained.reachable(rows.taken)
    assert rows.vectors is not None
    return check_vectors(trained, rows.vectors, first, name)


def require_unchanged(source: UserSource) -> None:
    """Raise ClusterError if this process sees other files under the names of a source than the one that began."""
    files = [source.address] if isinstance(source, NpyVectors) else []
    if isinstance(source, ParquetVectors):
        files = [address for address, _ in source.files]
    if files and hash_files(files) != source.fingerprint:
        raise ClusterError(
            f"{source.name} is not what the work was begun with: it has changed, or this worker sees another file "
            "under that name"
        )


def hash_files(addresses: Sequence[str]) -> str:
    """Hash names, sizes, times of change, and both ends of files to 16 letters."""
    total = hashlib.sha256()
    for address in addresses:
        files, inside = locate(address)
        about = files.info(inside)
        size = about["size"]
        changed = next((about[name] for name in ("ETag", "mtime", "LastModified", "updated") if name in about), "")
        total.update(f"{os.path.basename(inside)}\0{size}\0{changed}\0".encode())
        with files.open(inside, "rb") as file:
            total.update(file.read(EDGE))
            file.seek(max(size - EDGE, 0))
            total.update(file.read(EDGE))
    return total.hexdigest()[:16]


def parquet_files(paths: Sequence[str]) -> list[str]:
    """List the Parquet files that paths, globs and folders stand for; none, if some are something else."""
    found: list[str] = []
    for path in paths:
        files, inside = locate(path)
        if files.isdir(inside):
            names = sorted(files.glob(f"{inside}/*.parquet"))
        elif set(path) & set("*?["):
            names = sorted(files.glob(inside))
        else:
            names = [inside]
        names = [name for name in names if os.path.basename(name)[:1] not in (".", "_")]
        found += [absolute(files.unstrip_protocol(name)) for name in names]
    return found if all(name.lower().endswith((".parquet", ".pq")) for name in found) else []


def _open_parquet(name: str, files: Sequence[str], columns: VectorColumns) -> ParquetVectors:
    arrow, counts, first = require("pyarrow", "reading Parquet"), [], None
    for address in files:
        schema, rows = read_schema(address)
        wanted = [*columns.vectors, *([columns.ids] if columns.ids else [])]
        if missing := [column for column in wanted if column not in schema.names]:
            raise DataError(f"{address} has no column {missing[0]!r}, which {files[0]} has")
        if columns.ids is not None:
            type_ = schema.field(columns.ids).type
            type_ = type_.value_type if arrow.types.is_dictionary(type_) else type_
            first = type_ if first is None else first
            if type_ != first:
                raise DataError(f"{address}: column {columns.ids!r} holds {type_}, and in {files[0]} {first}")
        counts.append((address, rows))
    return ParquetVectors(name, hash_files(files), tuple(counts), columns)


def _paths(source: Users) -> list[str]:
    return [os.fspath(one) for one in (source if isinstance(source, (list, tuple)) else [source]) if _is_path(one)]


def _interacted(trained: Trained, new: Newcomers, name: str) -> Interacted:
    trained.require_factors()
    print_of = fingerprint(new.users, new.matrix.indptr, new.matrix.indices)
    return Interacted(name, print_of, new.matrix, new.users)


def _check_shape(
    trained: Trained, name: str, rest: tuple[int, ...], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    domains, dim = len(trained.domains), trained.conditioner.attention.emb_dim
    if rest not in ((dim,), (domains, dim)) or dtype.kind != "f":
        raise DataError(
            f"{name} holds an array of shape {shape} and dtype {dtype}; expected floating numbers of shape "
            f"(users, {dim}) or (users, {domains}, {dim}): the conditioner has {domains} domains and {dim} dimensions"
        )


def _is_path(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike))


def _rows_name(rows: range) -> str:
    return f"_rows-{rows.start:012d}-{rows.stop - 1:012d}.npz"
