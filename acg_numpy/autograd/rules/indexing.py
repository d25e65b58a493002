"""Derivatives of indexing, and of functions that select, insert or delete elements.

Indexing takes elements; its transpose puts a gradient back where each was taken, adding up where one was taken more
than once. The two are each other's rule, and so every order of derivative is there.
"""

import math
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.joining import array_of, as_array, as_common_dtype, refuse_tensors
from acg_numpy.autograd.tensors import Tensor, get_item
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


put = register_rule(_put, lambda g, ans, values, index, shape: g[index], name="indexing")
register_rule(get_item, lambda g, ans, array, index: put(g, index, array.shape), name="indexing")
register_rule(scatter_add, lambda g, ans, values, ids, num_rows: g[ids])


@composite(np.take)
def take(a: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Any:
    """Index along one axis."""
    if axis is None:
        a, axis = np.ravel(a), 0
    elif a.ndim == 0:
        a = np.reshape(a, (1,))  # NumPy takes the axes 0 and -1 of a number
    axis, n = axis % a.ndim, a.shape[axis]
    indices = indices.data if isinstance(indices, Tensor) else indices
    if mode != "raise" or np.asarray(indices).dtype.kind not in "iuf":
        # NumPy itself applies the mode, reads booleans as 0 and 1, and refuses what is no index.  Lists of floats,
        # which it would truncate, are refused below.
        indices = np.take(np.arange(n), indices, mode=mode)
    return a[(slice(None),) * axis + (indices,)]


@composite(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Index along one axis, with another index for each row."""
    indices = indices.data if isinstance(indices, Tensor) else indices
    np.take_along_axis(np.broadcast_to(np.False_, arr.shape), indices, axis)  # NumPy itself refuses what is no index
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


@composite(np.compress)
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    """Take the slices along an axis for which a condition is true."""
    if np.ndim(condition) != 1:
        raise ValueError(f"compress: the condition must have one axis, got shape {np.shape(condition)}")
    return np.take(as_array(a), np.flatnonzero(condition), axis=axis)


@composite(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """Take the elements for which a condition is true."""
    return np.ravel(as_array(arr))[np.flatnonzero(condition)]


@composite(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    """Take the elements in the order that argpartition gives."""
    if axis is None:
        a, axis = np.ravel(a), -1
    return np.take_along_axis(a, np.argpartition(a, kth, axis=axis, kind=kind), axis=axis)


@composite(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """Repeat the elements until they fill another shape."""
    a = np.ravel(as_array(a))
    if a.size == 0:
        return np.zeros(new_shape, a.dtype)
    return a[np.resize(np.arange(a.size), new_shape)]


@composite(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Any:
    """Take every window of a shape; each element is in many of them."""
    places = np.arange(x.size).reshape(x.shape)
    return np.ravel(x)[np.lib.stride_tricks.sliding_window_view(places, window_shape, axis)]


@composite(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Cut the zeros off the ends of each axis."""
    x, trim = as_array(filt), trim.lower()
    axes = range(x.ndim) if axis is None else [int(i) % x.ndim for i in np.atleast_1d(axis)]
    places = np.argwhere(x)
    index = [slice(None)] * x.ndim
    for i in axes:
        first, last = (places[:, i].min(), places[:, i].max() + 1) if len(places) else (0, 0)
        index[i] = slice(
            first if "f" in trim or not len(places) else None, last if "b" in trim or not len(places) else None
        )
    return x[tuple(index)]


# Insertion and deletion.  NumPy itself inserts and deletes in an array of places, by which the elements are taken.


@composite(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """Leave out slices along an axis."""
    if axis is None:
        arr, axis = np.ravel(as_array(arr)), 0
    return np.take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis=axis)


@composite(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Insert values along an axis, in the dtype of the array."""
    arr, values = as_array(arr), as_array(values)
    if values.dtype != arr.dtype:
        values = np.astype(values, arr.dtype)
    places = np.arange(arr.size).reshape(arr.shape)
    new = arr.size + np.arange(values.size).reshape(values.shape)
    return np.concatenate([np.ravel(arr), np.ravel(values)])[np.insert(places, obj, new, axis)]


# Selection by conditions.


@composite(np.choose)
def choose(a: Any, choices: Any, mode: Any = "raise") -> Any:
    """Take each element from the choice that an array of numbers names."""
    arrays, _ = as_common_dtype(choices)
    numbers = np.choose(array_of(a), range(len(arrays)), mode=mode)
    shape = np.broadcast_shapes(np.shape(numbers), *(array.shape for array in arrays))
    rows = np.reshape(np.stack([np.broadcast_to(array, shape) for array in arrays]), (len(arrays), -1))
    size = math.prod(shape)
    return np.reshape(rows[np.ravel(np.broadcast_to(numbers, shape)), np.arange(size)], shape)


@composite(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Take each element from the choice of the first condition that is true."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            f"select: as many choices as conditions are needed, got {len(choicelist)} for {len(condlist)} conditions"
        )
    for place, condition in enumerate(condlist):
        if array_of(condition).dtype != bool:
            raise TypeError(
                f"select: conditions must be boolean, condition {place} has dtype {array_of(condition).dtype}; "
                "compare, as in x != 0"
            )
    *choices, result = as_common_dtype([*choicelist, default])[0]
    for condition, choice in zip(reversed(list(condlist)), reversed(choices), strict=True):
        result = np.where(condition, choice, result)
    return result


@composite(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Call each function on the elements for which its condition is true; the last true condition counts."""
    x = as_array(x)
    if np.isscalar(condlist):
        condlist = [np.full(x.shape, condlist)]
    refuse_tensors("np.piecewise", condlist=[c for c in condlist if isinstance(c, Tensor)])
    if not isinstance(condlist[0], list | np.ndarray) and x.ndim:
        condlist = [condlist]
    conditions = [np.asarray(c, dtype=bool) for c in condlist]
    for place, condition in enumerate(conditions):
        if condition.shape != x.shape:
            raise ValueError(f"piecewise: condition {place} has shape {condition.shape}, x has {x.shape}")
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    elif len(funclist) != len(conditions):
        raise ValueError(
            f"piecewise: {len(conditions)} conditions need as many functions or one more, got {len(funclist)}"
        )
    result = np.zeros(x.shape, x.dtype)
    later = np.zeros(x.shape, bool)
    for condition, function in zip(reversed(conditions), reversed(list(funclist)), strict=True):
        counted, later = condition & ~later, later | condition
        if not np.any(condition):
            continue
        values = function(x[condition], *args, **kw) if callable(function) else function
        values = np.astype(np.broadcast_to(as_array(values), (int(np.count_nonzero(condition)),)), x.dtype)
        result = result + put(values[counted[condition]], index=counted, shape=x.shape)
    return result
