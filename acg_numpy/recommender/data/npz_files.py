"""Arrays from .npz files that may be damaged, or something else under that name.

For bytes that are not what they should be, zipfile and its decompressors, NumPy, and the parser of headers that NumPy
uses raise a dozen kinds of errors; an entry that is not an array is returned as bytes; and strings may hold numbers
that are not characters, which fails only where they are used.  Here all of that is one error.
"""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from acg_numpy.shapes import Array

LAST_CHARACTER = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)  # halves of UTF-16 characters, which cannot be written by themselves


class UnreadableError(ValueError):
    """No arrays can be read from these bytes.  The message says why; the caller says which file it is."""


@contextlib.contextmanager
def raise_unreadable() -> Iterator[None]:
    """Raise `UnreadableError` in place of any error that is raised in the block.

    Examples
    --------
    >>> with raise_unreadable():
    ...     {}["ids.npy"]
    Traceback (most recent call last):
    acg_numpy.recommender.data.npz_files.UnreadableError: 'ids.npy'
    """
    try:
        yield
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(" ".join(str(error).split()) or type(error).__name__) from error


class NpzArchive:
    """The arrays of an .npz file, each read when it is asked for; pickles are not read.

    Parameters
    ----------
    file : binary file
        Open until the last array is read.

    Attributes
    ----------
    names : tuple of str

    Raises
    ------
    UnreadableError
        If it is not an archive; and by `archive[name]`, if the entry is damaged, or not an array.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.savez(file, ids=["ann", "bob"])
    >>> _ = file.seek(0)
    >>> archive = NpzArchive(file)
    >>> archive.names, archive["ids"]
    (('ids',), array(['ann', 'bob'], dtype='<U3'))
    """

    def __init__(self, file: BinaryIO) -> None:
        with raise_unreadable():
            self._entries = np.load(file, allow_pickle=False)
            self.names: tuple[str, ...] = tuple(self._entries.files)

    def __getitem__(self, name: str) -> Array:
        with raise_unreadable():
            array = self._entries[name]
            if not isinstance(array, np.ndarray):
                raise UnreadableError(f"the entry {name!r} is not an array")
            if array.dtype.kind == "U":
                _check_characters(array, name)
            return array


def _check_characters(array: Array, name: str) -> None:
    codes = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1).view(np.uint32)
    if np.any((codes > LAST_CHARACTER) | ((codes >= SURROGATES[0]) & (codes <= SURROGATES[1]))):
        raise UnreadableError(f"the strings of {name!r} hold numbers that are not characters")
