"""Arrays in .npy files, larger than memory: read and written some rows at a time."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.data.npz_files import UnreadableError, raise_unreadable
from acg_numpy.shapes import Array

BLOCK = 1 << 21  # numbers of a block of user vectors: 8 MiB of float32


class NpyLayout(NamedTuple):
    """The place of the numbers in an .npy file."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int

    def window(self, rows: slice, mode: str = "r") -> Array:
        """Map some rows of the file, and no more."""
        width = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        size = (rows.stop - rows.start, *self.shape[1:])
        if not width * size[0]:
            return np.empty(size, self.dtype)
        offset = self.offset + rows.start * width
        window: Array = np.memmap(self.path, self.dtype, mode, offset, size)  # type: ignore[call-overload]
        return window

    def blocks(self) -> Iterator[slice]:
        """Go through the rows, about 8 MiB of float32 at a time."""
        return row_blocks(self.shape[0], int(np.prod(self.shape[1:])))


def read_npy_layout(path: str | os.PathLike[str]) -> NpyLayout:
    """Read the header of an .npy file, and check that the rest of it is there.

    Raises
    ------
    DataError
        If it is not such a file, is truncated, or holds Python objects.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        return NpyLayout(path, *read_npy_header(file, path, path.stat().st_size))


def read_npy_header(file: IO[bytes], name: str | Path, size: int) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Read the header of an open .npy file: the array's shape and dtype, and where its numbers begin.

    Parameters
    ----------
    file : file
        Opened for reading bytes, at its start.
    name : str or path
        What messages call it.
    size : int
        Of the file, in bytes.

    Raises
    ------
    DataError
        As `read_npy_layout`.
    """
    if file.read(6) != np.lib.format.MAGIC_PREFIX:
        raise DataError(f"{name} is not an .npy file, as numpy.save writes it")
    file.seek(0)
    try:
        with raise_unreadable():
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = read(file)
            if min(shape, default=0) < 0:
                raise UnreadableError(f"it says that the array has shape {shape}")
    except UnreadableError as error:
        raise DataError(f"{name} is damaged: its header cannot be read ({error})") from error
    offset = file.tell()
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are not read; save numbers")
    if fortran_order and len(shape) > 1:
        raise DataError(f"{name} is stored column by column; save numpy.ascontiguousarray of it")
    expected = offset + dtype.itemsize * int(np.prod(shape, dtype=object))
    if size < expected:
        raise DataError(f"{name} is truncated: {expected:,} bytes were expected, and there are {size:,}")
    return shape, dtype, offset


def allocate_npy(path: Path, shape: tuple[int, ...]) -> NpyLayout:
    """Write an .npy file of float32 in its full size, with no numbers in it yet."""
    dtype = np.dtype("<f4")
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        file.flush()
        layout = NpyLayout(path, shape, dtype, file.tell())
        size = layout.offset + dtype.itemsize * int(np.prod(shape))
        try:
            if hasattr(os, "posix_fallocate"):  # otherwise a disk that fills up later ends the process
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            error.filename = str(path)
            raise
    return layout


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """Go through rows of `width` numbers, about 8 MiB of float32 at a time."""
    step = max(1, BLOCK // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
