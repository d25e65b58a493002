"""Derivatives of functions that change shapes and move axes: each is undone by its inverse."""

from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.tensors import Tensor
from acg_numpy.shapes import unbroadcast


def _inverse_transpose(g: Any, ans: Any, a: Any, axes: Any = None) -> Any:
    return np.transpose(g) if axes is None else np.transpose(g, np.argsort([i % a.ndim for i in axes]))


register_rule(np.reshape, lambda g, ans, a, shape=None, newshape=None: np.reshape(g, a.shape))
register_rule(np.ravel, lambda g, ans, a: np.reshape(g, a.shape))
register_rule(np.expand_dims, lambda g, ans, a, axis: np.reshape(g, a.shape))
register_rule(np.squeeze, lambda g, ans, a, axis=None: np.reshape(g, a.shape))
register_rule(np.transpose, _inverse_transpose)
register_rule(np.matrix_transpose, lambda g, ans, x: np.swapaxes(g, -1, -2))
register_rule(np.swapaxes, lambda g, ans, a, axis1, axis2: np.swapaxes(g, axis1, axis2))
register_rule(np.moveaxis, lambda g, ans, a, source, destination: np.moveaxis(g, destination, source))
register_rule(np.flip, lambda g, ans, m, axis=None: np.flip(g, axis))
register_rule(
    np.roll,
    lambda g, ans, a, shift, axis=None: np.roll(
        g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis
    ),
)
register_rule(np.copy, lambda g, ans, a: g)
register_rule(np.broadcast_to, lambda g, ans, array, shape: unbroadcast(g, array))


@composite(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any) -> Any:
    """Broadcast all arrays to one shape."""
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    return tuple(np.broadcast_to(a, shape) for a in arrays)


@composite(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move one axis in front of another."""
    n = a.ndim
    axis, start = axis % n, start + n if start < 0 else start
    return np.moveaxis(a, axis, start - 1 if axis < start else start)


@composite(np.fliplr)
def fliplr(m: Any) -> Any:
    """Reverse the second axis."""
    return np.flip(m, 1)


@composite(np.flipud)
def flipud(m: Any) -> Any:
    """Reverse the first axis."""
    return np.flip(m, 0)


@composite(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turn a plane by quarters: reverse an axis, and exchange the two."""
    first, second = axes
    k = k % 4
    if k == 2:
        return np.flip(m, (first, second))
    if k == 0:
        return np.copy(m)
    return np.swapaxes(np.flip(m, second), first, second) if k == 1 else np.flip(np.swapaxes(m, first, second), second)


def _cast(x: Any, dtype: npt.DTypeLike) -> Any:
    return x.astype(dtype)


cast = register_rule(_cast, lambda g, ans, x, dtype: g.astype(x.dtype))


@composite(np.astype)
def astype(x: Any, dtype: npt.DTypeLike) -> Any:
    """Cast to another floating dtype, recorded; to whole numbers, which have no derivative, as a plain array."""
    if np.issubdtype(np.dtype(dtype), np.floating):
        return cast(x, dtype)
    return x._data.astype(dtype) if isinstance(x, Tensor) else x.astype(dtype)
