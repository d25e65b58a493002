"""Derivatives of indexing, and of functions that select, insert or delete elements.

Indexing takes elements; its transpose puts a gradient back where each was taken, adding up where one was taken more
than once. The two are each other's rule, and so every order of derivative is there.
"""

import math
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.tensors import _getitem
from acg_numpy.passes.scatter import scatter_add
from acg_numpy.shapes import Array


def _put(values: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Return zeros of that shape with `values` added at the index: the transpose of `array[index]`."""
    if _is_unique(index):
        full = np.zeros(shape, values.dtype)
        full[index] = values
        return full
    if isinstance(index, np.ndarray) and index.ndim and index.size and index.dtype.kind in "iu":
        return scatter_add(values, index % shape[0], shape[0])
    places = np.arange(math.prod(shape)).reshape(shape)[index]
    return scatter_add(np.ravel(values), np.ravel(places), math.prod(shape)).reshape(shape)


def _is_unique(index: Any) -> bool:
    """Tell whether an index can't name an element twice: slices, numbers, a mask."""
    if isinstance(index, np.ndarray):
        return index.dtype.kind == "b"
    parts = index if type(index) is tuple else (index,)
    return all(p is None or p is Ellipsis or isinstance(p, slice | int | np.integer) for p in parts)


put = register_rule(_put, lambda g, ans, values, index, shape: g[index])
register_rule(_getitem, lambda g, ans, array, index: put(g, index, array.shape))
register_rule(scatter_add, lambda g, ans, values, ids, num_rows: g[ids])


@composite(np.take)
def take(a: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Any:
    """Index along one axis."""
    if axis is None:
        a, axis = np.ravel(a), 0
    axis, n = axis % a.ndim, a.shape[axis]
    if mode != "raise":
        # NumPy itself applies the mode, and refuses unknown ones.
        indices = np.take(np.arange(n), indices, mode=mode)
    return a[(slice(None),) * axis + (indices,)]


@composite(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Index along one axis, with another index for each row."""
    if axis is None:
        return np.ravel(arr)[indices]
    axis = axis % arr.ndim
    index: list[Any] = []
    for i, n in enumerate(arr.shape):
        index.append(indices if i == axis else np.arange(n).reshape([-1 if j == i else 1 for j in range(arr.ndim)]))
    return arr[tuple(index)]


@composite(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the elements whose two indices differ by `offset`, as the last axis."""
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    n = max(0, min(a.shape[-2] + min(offset, 0), a.shape[-1] - max(offset, 0)))
    return a[..., np.arange(n) - min(offset, 0), np.arange(n) + max(offset, 0)]
