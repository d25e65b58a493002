"""One primitive for everything that moves numbers about without changing them: a write, a view, a window.

Where each number of the result comes from is found by running the same NumPy call on numbers that say where they are:

    codes            0, 1, 2, ... for the elements of the first array, then those of the second, and so on
    result           every element of all arrays in a row, taken at the codes

The gradient of an array is that of the result, added up at the codes that point into it.
"""

from typing import Any

import numpy as np

from acg_numpy.autograd.table import EachPosition, Primitive
from acg_numpy.autograd.tensors import record
from acg_numpy.shapes import Array


def numbered(shape: tuple[int, ...], first: int = 0) -> Array:
    """Return an array of that shape whose elements are their own numbers, from `first` on."""
    size = int(np.prod(shape, dtype=np.int64))
    return np.arange(first, first + size).reshape(shape)


def move(name: str, codes: Array, *arrays: Any) -> Any:
    """Record the elements of some arrays, taken at codes.

    Parameters
    ----------
    name : str
        What it is called: "assignment", say.
    codes : int array
        For each element of the result, the number of the element it is, all arrays counted one after the other.
    *arrays : Tensors and arrays
        The result has the dtype of the first.

    Examples
    --------
    >>> from acg_numpy import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> y = move("assignment", np.array([3, 1, 3]), np.zeros(3), x)
    >>> y
    tensor([1., 0., 1.], requires_grad=True)
    >>> np.sum(y * np.array([10.0, 100.0, 1000.0])).backward()
    >>> x.grad
    array([1010.,    0.])
    """

    def moved(*given: Any) -> Array:
        flat = np.concatenate([np.ravel(array) for array in given])
        return flat[codes].astype(np.asarray(given[0]).dtype, copy=False)

    def rule(position: int, g: Array, ans: Any, *given: Any) -> Array:
        sizes = [np.size(array) for array in given]
        places, size = codes - sum(sizes[:position]), sizes[position]
        here = (places >= 0) & (places < size)
        total = np.bincount(places[here], weights=g[here], minlength=size)
        return total.reshape(np.shape(given[position]))

    moved.__name__ = moved.__qualname__ = name
    return record(Primitive(moved, EachPosition(rule)), arrays, {})
