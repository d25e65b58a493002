"""Operands of a recorded operation: plain arrays, whose values stay what they were until the backward pass.

What stands beside a Tensor becomes a plain array or a number once, where the operation is recorded, so that no operator
of another library ever runs in a rule (`*` of `np.matrix` is a matrix product, that of a masked array leaves elements
out).

A rule reads its operands again in the backward pass.  The caller's array is never locked, so it may have been written
to by then.  An array of at most `COPIED` bytes is copied; of a larger one a checksum is taken, which is compared before
a rule reads the array again.
"""

import numbers
from typing import Any

import numpy as np

from acg_numpy.autograd.table import NoDerivativeError
from acg_numpy.shapes import Array

COPIED = 2**18  # bytes; to copy more takes as long as two checksums, and memory
# Bytes above which `memcpy` may take instructions that are many times slower where the two addresses differ by a little
# more than a multiple of 4096 (AMD's processors).  Those of two arrays do if their size is such a multiple, because one
# often lies behind the other.  A ufunc's loop is not slower there.
STREAMED = 2**11
_PAGE = 2**12

NO_ARRAYS = frozenset({int, float, bool, str, slice, type(None), type(Ellipsis)})
_NUMBERS = (int, float, complex, np.generic)
_ARRAYS = (np.ndarray, range, numbers.Real)
_NOT_NUMERIC = "OSUV"  # kinds of dtypes: objects, bytes, text and records
_WIDTH = 251  # a prime, so that no row of an array is as long as a row of the sum


def as_operand(value: Any, name: str) -> Any:
    """Return what stands beside a Tensor as a plain array or a number.

    Parameters
    ----------
    value : anything
        None and text pass unchanged, as arguments that are no operands.
    name : str
        What the operand is called, for the message: "np.add: argument 1".

    Raises
    ------
    NoDerivativeError
        For an array with masked elements, for one that has not been computed yet, and for what NumPy can make no
        array of numbers of.

    Examples
    --------
    >>> as_operand(range(3), "np.multiply: argument 1")
    array([0, 1, 2])
    >>> as_operand(np.ma.array([1.0, 2.0], mask=[False, True]), "np.multiply: argument 1")
    Traceback (most recent call last):
    acg_numpy.autograd.table.NoDerivativeError: np.multiply: argument 1 is a MaskedArray with masked elements, which have no value; fill them with .filled(0.0) first
    """  # noqa: E501  the whole sentence of an error
    if type(value) is np.ndarray:
        if value.dtype.kind in _NOT_NUMERIC:
            raise NoDerivativeError(
                f"{name} is an array of dtype {value.dtype}; give an array of numbers, as x.astype(float) makes"
            )
        return value
    if type(value) in NO_ARRAYS or isinstance(value, _NUMBERS):
        return value
    if isinstance(value, numbers.Real):  # a Fraction
        return float(value)
    kind = _with_article(type(value).__name__)
    if isinstance(value, np.ndarray) and np.any(getattr(value, "mask", False)):
        raise NoDerivativeError(
            f"{name} is {kind} with masked elements, which have no value; fill them with .filled(0.0) first"
        )
    if _is_lazy(value):
        raise NoDerivativeError(
            f"{name} is {kind} that has not been computed; call .compute() first, or use the function on each of its "
            "blocks with map_blocks"
        )
    array = _converted(value, kind, name)
    if array.dtype.kind in _NOT_NUMERIC:
        raise NoDerivativeError(
            f"{name} is {kind}, which NumPy turns into an array of dtype {array.dtype}; give an array of numbers, as "
            "np.asarray(x, dtype=float) makes, of rows of lists np.stack(np.asarray(x)), of a sparse array x.toarray()"
        )
    return array


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"


def _is_lazy(value: Any) -> bool:
    """Return whether this is an array that is computed block by block when it is asked for (dask, xarray over dask)."""
    graph = getattr(type(value), "__dask_graph__", None)
    return graph is not None and value.__dask_graph__() is not None


def _converted(value: Any, kind: str, name: str) -> Array:
    if isinstance(value, list | tuple | range):
        return np.asarray(value)
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except Exception as error:
        raise NoDerivativeError(f"{name} is {kind} that NumPy can make no array of: {error}") from error


def plain_operands(tree: Any, name: str, tensor: type) -> Any:
    """Return arguments, at any depth of lists, tuples and dicts, with plain arrays for the arrays of other libraries.

    What is no array (an axis, a shape, a string) passes unchanged, and so do instances of `tensor`.
    """
    kind = type(tree)
    if kind in NO_ARRAYS or isinstance(tree, tensor):
        return tree
    if kind is np.ndarray:
        return as_operand(tree, name) if tree.dtype.kind in _NOT_NUMERIC else tree
    if kind is list or kind is tuple:
        return kind([plain_operands(branch, name, tensor) for branch in tree])
    if kind is dict:
        return {key: plain_operands(branch, f"{name}: {key}", tensor) for key, branch in tree.items()}
    is_array = isinstance(tree, _ARRAYS) or hasattr(kind, "__array__") or hasattr(kind, "__dlpack__")
    return as_operand(tree, name) if is_array else tree


class Guard:
    """An array that must not change before a rule reads it, and the checksum of what it held.

    Parameters
    ----------
    array : ndarray
    name : str
        What the array is called, for the message.
    """

    __slots__ = ("array", "checksum", "name")

    def __init__(self, array: Array, name: str) -> None:
        self.array, self.name, self.checksum = array, name, checksum(array)

    def check(self) -> None:
        """Raise a RuntimeError if the array has changed."""
        if checksum(self.array) != self.checksum:
            raise RuntimeError(
                f"{self.name}, an array of shape {self.array.shape}, was changed between the forward and the backward "
                "pass, which reads it again; write to it after the backward pass, or give a copy"
            )


def checksum(array: Array) -> bytes:
    """Return a few thousand bytes that change when the elements of an array change, or change places.

    They are sums over every 251st word of 8 bytes, in which a change of one element always shows, and a sample
    of about 250 words, in which changes of many elements show that would cancel in the sums (all signs, say).
    It takes about the time that it takes to read the array.

    Examples
    --------
    >>> x = np.arange(6.0)
    >>> checksum(x) == checksum(x.copy()), checksum(x) == checksum(-x), checksum(x) == checksum(x[::-1])
    (True, False, False)
    """
    if not array.flags.c_contiguous:
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        array = np.ascontiguousarray(_without_repeats(array).transpose(order))
    data = array.reshape(-1).view(np.uint8)
    words = data[: len(data) // 8 * 8].view(np.uint64)
    rows = len(words) // _WIDTH
    sums = np.add.reduce(words[: rows * _WIDTH].reshape(rows, _WIDTH), axis=0)
    rest = data[rows * _WIDTH * 8 :]
    return b"".join([sums.tobytes(), rest.tobytes(), words[:: 1 + len(words) // _WIDTH].tobytes()])


def _without_repeats(array: Array) -> Array:
    """Return the view of a broadcast array in which no number occurs twice."""
    if 0 not in array.strides:
        return array
    return array[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)]


def snapshot(value: Array, name: str, guards: list[Guard]) -> Array:
    """Return an array to read again in the backward pass: a copy if it is small, else itself, with a guard."""
    if value.nbytes <= COPIED:
        return copied(value)
    once = _without_repeats(value)
    if once.nbytes <= COPIED:
        return np.broadcast_to(copied(once), value.shape)
    guards.append(Guard(value, name))
    return value


def copied(value: Array) -> Array:
    """Return a copy in the same order of memory."""
    if value.nbytes > STREAMED and not value.nbytes % _PAGE and value.dtype.kind in "fiu":
        return np.maximum(value, value)  # the fastest of the ufuncs that give a number back as it is
    return value.copy("K")


def floating_advice(data: Array) -> str:
    """Return what to do with numbers that have no derivative because they are not real floating numbers."""
    if data.dtype.kind == "c":
        return (
            "complex numbers have no derivative here; give their real and imaginary parts as two arrays, x.real and "
            "x.imag"
        )
    return "convert it with .astype(float) first"
