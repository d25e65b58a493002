"""Derivatives of functions that change shapes and move axes: each is undone by its inverse."""

from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.joining import array_of
from acg_numpy.autograd.table import TABLE, NoDerivativeError, Primitive
from acg_numpy.autograd.tensors import Tensor
from acg_numpy.shapes import unbroadcast


def _inverse_transpose(g: Any, ans: Any, a: Any, axes: Any = None) -> Any:
    if axes is None:
        return np.transpose(g)
    return np.transpose(g, np.argsort([i % a.ndim for i in (axes if np.iterable(axes) else (axes,))]))


def _reshape(a: Any, shape: Any = None, order: Any = "C", newshape: Any = None) -> Any:
    return a.reshape(newshape if shape is None else shape, order=_order("np.reshape", order))


def _ravel(a: Any, order: Any = "C") -> Any:
    return a.ravel(order=_order("np.ravel", order))


def _order(function: str, order: Any) -> Any:
    """Refuse the orders that depend on how an array lies in memory."""
    if order not in ("C", "F"):
        raise NoDerivativeError(f"{function}: no derivative with order={order!r}; there are 'C' and 'F'")
    return order


TABLE[np.reshape] = Primitive(
    np.reshape,
    (lambda g, ans, a, shape=None, order="C", newshape=None: np.reshape(g, a.shape, order=order),),
    run=_reshape,
)
TABLE[np.ravel] = Primitive(np.ravel, (lambda g, ans, a, order="C": np.reshape(g, a.shape, order=order),), run=_ravel)
register_rule(np.expand_dims, lambda g, ans, a, axis: np.reshape(g, a.shape))
register_rule(np.squeeze, lambda g, ans, a, axis=None: np.reshape(g, a.shape))
register_rule(np.transpose, _inverse_transpose)
register_rule(np.matrix_transpose, lambda g, ans, x: np.swapaxes(g, -1, -2))
register_rule(np.swapaxes, lambda g, ans, a, axis1, axis2: np.swapaxes(g, axis1, axis2))
register_rule(np.moveaxis, lambda g, ans, a, source, destination: np.moveaxis(g, destination, source))
register_rule(np.flip, lambda g, ans, m, axis=None: np.flip(g, axis))
register_rule(
    np.roll,
    lambda g, ans, a, shift, axis=None: np.roll(g, np.negative(shift), axis),
)
register_rule(np.copy, lambda g, ans, a, order="K", subok=False: g)
register_rule(np.broadcast_to, lambda g, ans, array, shape: unbroadcast(g, array))


@composite(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any) -> Any:
    """Broadcast all arrays to one shape."""
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    return tuple(np.broadcast_to(a, shape) for a in arrays)


@composite(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Return the coordinates of a grid, an array for each axis; the first two are exchanged where indexing is "xy"."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is {indexing!r}; there are 'xy' and 'ij'")
    places = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        places[:2] = 1, 0
    axes = [
        np.reshape(x, [-1 if i == place else 1 for i in range(len(xi))]) for x, place in zip(xi, places, strict=True)
    ]
    return tuple(axes) if sparse else broadcast_arrays(*axes)


@composite(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """Broadcast a value to the shape of an array, in the dtype of that array."""
    values = array_of(a)
    dtype = values.dtype if dtype is None else np.dtype(dtype)
    if not isinstance(fill_value, Tensor):
        return np.full_like(values, fill_value, dtype, shape=shape)
    return np.astype(np.broadcast_to(fill_value, values.shape if shape is None else shape), dtype)


@composite(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the zero frequency to the middle."""
    return _roll_by_halves(x, axes, 1)


@composite(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """Undo `fftshift`."""
    return _roll_by_halves(x, axes, -1)


def _roll_by_halves(x: Any, axes: Any, direction: int) -> Any:
    axes = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    return np.roll(x, [direction * (x.shape[axis] // 2) for axis in axes], axes)


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


cast = register_rule(_cast, lambda g, ans, x, dtype: g.astype(x.dtype), name="np.astype")


@composite(np.astype)
def astype(x: Any, dtype: npt.DTypeLike, copy: bool = True) -> Any:
    """Cast to another floating dtype, recorded; to whole numbers, which have no derivative, as a plain array."""
    if np.issubdtype(np.dtype(dtype), np.floating):
        return cast(x, dtype)
    if np.dtype(dtype).kind not in "biu" and isinstance(x, Tensor) and x.requires_grad:
        what = "complex numbers" if np.dtype(dtype).kind == "c" else "objects"
        raise NoDerivativeError(f"np.astype: {what} have no derivative here; dtype is {np.dtype(dtype)}")
    return x._elements.astype(dtype) if isinstance(x, Tensor) else x.astype(dtype)
