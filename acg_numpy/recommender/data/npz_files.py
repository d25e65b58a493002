"""How are arrays read from a file that may be damaged, or something else under that name?

At bytes that are not what they should be, zipfile and what packs its entries, NumPy, and the parser of the headers that
NumPy uses raise a dozen kinds of errors between them; an entry that is no array comes as bytes; and strings may hold
numbers that are no characters, which only fails where they are used.  Here all of that is one error.
"""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from acg_numpy.shapes import Array

LAST_CHARACTER = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)  # halves of UTF-16, which are no characters by themselves and cannot be written


class UnreadableError(ValueError):
    """Bytes that no arrays can be read from.  The message says why; which file it is, is for the caller to say."""


@contextlib.contextmanager
def damage_is_unreadable() -> Iterator[None]:
    """Raise `UnreadableError` for whatever is raised in the block.

    Examples
    --------
    >>> with damage_is_unreadable():
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


class Archive:
    """The arrays of an .npz file, read one by one as they are asked for; pickles are not.

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
        If it is no archive; and by `archive[name]`, if the entry is damaged, or no array.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.savez(file, ids=["ann", "bob"])
    >>> _ = file.seek(0)
    >>> archive = Archive(file)
    >>> archive.names, archive["ids"]
    (('ids',), array(['ann', 'bob'], dtype='<U3'))
    """

    def __init__(self, file: BinaryIO) -> None:
        with damage_is_unreadable():
            self._entries = np.load(file, allow_pickle=False)
            self.names: tuple[str, ...] = tuple(self._entries.files)

    def __getitem__(self, name: str) -> Array:
        with damage_is_unreadable():
            array = self._entries[name]
            if not isinstance(array, np.ndarray):
                raise UnreadableError(f"the entry {name!r} is not an array")
            if array.dtype.kind == "U":
                _check_characters(array, name)
            return array


def _check_characters(array: Array, name: str) -> None:
    codes = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1).view(np.uint32)
    if np.any((codes > LAST_CHARACTER) | ((codes >= SURROGATES[0]) & (codes <= SURROGATES[1]))):
        raise UnreadableError(f"the strings of {name!r} hold numbers that are no characters")
