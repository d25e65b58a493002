"""Derivatives of functions that repeat, pad, sort, cut away or difference elements: mostly forms of indexing.

Conventions at kinks: sorting is stable, so equal elements keep their order and each keeps its own gradient.
"""

from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.indexing import put
from acg_numpy.autograd.rules.joining import array_of, as_array, refuse_tensors
from acg_numpy.autograd.table import NoDerivativeError

# Repeating.


@composite(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat elements along an axis."""
    if axis is None or a.ndim == 0:  # NumPy takes the axes 0 and -1 of a number
        a, axis = np.ravel(a), 0
    return a[axis_index(axis, a.ndim, np.repeat(np.arange(a.shape[axis]), repeats))]


@composite(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """Repeat an array along its axes: put a new axis in front of each, broadcast it, and merge the two."""
    reps = tuple(reps) if np.iterable(reps) else (reps,)
    n = max(len(reps), A.ndim)
    reps, shape = (1,) * (n - len(reps)) + reps, (1,) * (n - A.ndim) + A.shape
    apart = np.reshape(A, [side for length in shape for side in (1, length)])
    copies = np.broadcast_to(apart, [side for pair in zip(reps, shape, strict=True) for side in pair])
    return np.reshape(copies, [times * length for times, length in zip(reps, shape, strict=True)])


def axis_index(axis: int, ndim: int, index: Any) -> tuple[Any, ...]:
    """Return an index for one axis alone."""
    return (slice(None),) * (axis % ndim) + (index,)


# Padding.  Axis after axis, as NumPy does it, so that corners are padded from what is padded already.

MODES = ("constant", "edge", "linear_ramp", "maximum", "mean", "minimum", "reflect", "symmetric", "wrap")
STATISTICS = {"maximum": np.max, "mean": np.mean, "minimum": np.min}


@composite(np.pad)
def pad(
    array: Any,
    pad_width: Any,
    mode: Any = "constant",
    *,
    constant_values: Any = 0,
    end_values: Any = 0,
    stat_length: Any = None,
    reflect_type: str = "even",
) -> Any:
    """Put elements around an array, made from it or constant."""
    if mode not in MODES:
        raise NoDerivativeError(f"np.pad: no derivative with mode={mode!r}; there are {', '.join(MODES)}")
    if not isinstance(pad_width, dict) and np.asarray(pad_width).dtype.kind not in "iu":
        raise TypeError(f"np.pad: pad_width must be an integer, or pairs of integers, got {pad_width!r}")
    widths = _pairs(pad_width, array.ndim)
    if mode == "constant":
        refuse_tensors("np.pad", constant_values=constant_values)
        return pad_constant(array, widths=widths, constant_values=constant_values)
    ends = _pairs(end_values, array.ndim, float)
    lengths = [(None, None)] * array.ndim if stat_length is None else _pairs(stat_length, array.ndim)
    for axis, width in enumerate(widths):
        if width == (0, 0):
            continue
        if mode == "linear_ramp":
            array = _pad_ramp(array, axis, width, ends[axis])
        elif mode in STATISTICS:
            array = _pad_statistic(array, axis, width, lengths[axis], STATISTICS[mode])
        elif reflect_type == "odd" and mode in ("reflect", "symmetric"):
            # Odd reflection is linear; what it makes of the identity is its matrix.
            identity = np.eye(array.shape[axis], dtype=array.dtype)
            matrix = np.pad(identity, (width, (0, 0)), mode=mode, reflect_type=reflect_type)
            array = np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)
        else:
            source = np.pad(np.arange(array.shape[axis]), width, mode=mode)
            array = array[axis_index(axis, array.ndim, source)]
    return array


def _pairs(value: Any, ndim: int, kind: Any = int) -> list[tuple[Any, Any]]:
    """Return one (before, after) for each axis, from any of the forms that NumPy takes."""
    if isinstance(value, dict):
        by_axis = {axis % ndim: width for axis, width in value.items()}
        widths = [by_axis.get(axis, (0, 0)) for axis in range(ndim)]
        value = [width if np.iterable(width) else (width, width) for width in widths]
    if ndim == 0:
        return []
    return [(kind(before), kind(after)) for before, after in np.broadcast_to(np.asarray(value), (ndim, 2))]


def _pad(array: Any, *, widths: Any, constant_values: Any) -> Any:
    return np.pad(array, widths, constant_values=constant_values)


def _unpad(g: Any, ans: Any, array: Any, *, widths: Any, constant_values: Any) -> Any:
    return g[tuple(slice(before, before + length) for (before, _), length in zip(widths, array.shape, strict=True))]


pad_constant = register_rule(_pad, _unpad, name="np.pad")


def _pad_statistic(array: Any, axis: int, width: tuple[int, int], length: tuple[Any, Any], statistic: Any) -> Any:
    """Pad with a statistic of the elements nearest to each end."""
    n = array.shape[axis]
    first = statistic(array[axis_index(axis, array.ndim, slice(0, length[0]))], axis=axis, keepdims=True)
    last = statistic(
        array[axis_index(axis, array.ndim, slice(0 if length[1] is None else max(0, n - length[1]), n))],
        axis=axis,
        keepdims=True,
    )
    return np.concatenate([np.repeat(first, width[0], axis), array, np.repeat(last, width[1], axis)], axis=axis)


def _pad_ramp(array: Any, axis: int, width: tuple[int, int], ends: tuple[float, float]) -> Any:
    """Pad with a straight line from each end to its end value."""
    first = array[axis_index(axis, array.ndim, slice(0, 1))]
    last = array[axis_index(axis, array.ndim, slice(-1, None))]
    column = [-1 if i == axis else 1 for i in range(array.ndim)]
    up, down = (np.reshape(np.arange(w, dtype=array.dtype) / max(w, 1), column) for w in width)
    down = np.flip(down)
    before = ends[0] + (first - ends[0]) * up
    after = ends[1] + (last - ends[1]) * down
    return np.concatenate([before, array, after], axis=axis)


# Sorting.


@composite(np.sort)
def sort(a: Any, axis: int | None = -1, kind: Any = None, stable: Any = None) -> Any:
    """Take the elements in the order that argsort gives."""
    if axis is None:
        a, axis = np.ravel(a), -1
    return np.take_along_axis(a, np.argsort(a, axis=axis, kind="stable"), axis=axis)


# Triangles and diagonals.


def _below(m: Any, k: int) -> Any:
    rows, columns = m.shape[-2:] if m.ndim > 1 else m.shape * 2
    return np.tri(rows, columns, k, dtype=bool)


@composite(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """Keep what is on and below a diagonal."""
    return np.where(_below(m, k), m, 0.0)


@composite(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """Keep what is on and above a diagonal."""
    return np.where(_below(m, k - 1), 0.0, m)


@composite(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum a diagonal."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@composite(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Return a matrix with this diagonal, or the diagonal of a matrix."""
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: an array of one or two axes is needed, got shape {v.shape}")
    n, places = v.shape[0] + abs(k), np.arange(v.shape[0])
    return put(v, index=(places + max(-k, 0), places + max(k, 0)), shape=(n, n))


@composite(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """Return a matrix with all elements on a diagonal."""
    return diag(np.ravel(v), k)


# Differences and running sums.


@composite(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Subtract neighbours, `n` times."""
    if n < 0:
        raise ValueError(f"diff: n={n} should be zero or positive")
    edge = [1 if i == axis % a.ndim else length for i, length in enumerate(a.shape)]
    ends = [value if value is None or np.ndim(value) else np.broadcast_to(value, edge) for value in (prepend, append)]
    parts = [part for part in (ends[0], a, ends[1]) if part is not None]
    if n and len(parts) > 1:
        a = np.concatenate(parts, axis=axis)
    for _ in range(n):
        a = a[axis_index(axis, a.ndim, slice(1, None))] - a[axis_index(axis, a.ndim, slice(None, -1))]
    return a


@composite(np.ptp)
def ptp(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """Subtract the smallest from the largest."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def _cumulative(running: Any, start: float) -> Any:
    """Return the array API's form of a running sum or product."""

    def function(x: Any, axis: int | None = None, include_initial: bool = False) -> Any:
        if axis is None:
            if x.ndim > 1:
                raise ValueError(f"an axis is needed for an array of shape {x.shape}")
            axis = 0
        ans = running(x, axis=axis)
        if not include_initial:
            return ans
        edge = [1 if i == axis % x.ndim else length for i, length in enumerate(x.shape)]
        return np.concatenate([np.full(edge, start, x.dtype), ans], axis=axis)

    return function


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    composite(np.cumulative_sum)(_cumulative(np.cumsum, 0.0))
    composite(np.cumulative_prod)(_cumulative(np.cumprod, 1.0))


@composite(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Subtract neighbours of the flat array, between what is put at its ends."""
    ary = np.ravel(as_array(ary))
    ends = [x if x is None else np.astype(np.ravel(as_array(x)), ary.dtype) for x in (to_begin, to_end)]
    return np.concatenate([part for part in (ends[0], ary[1:] - ary[:-1], ends[1]) if part is not None])


@composite(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2.0 * np.pi) -> Any:
    """Add multiples of the period, which do not depend on the angles nearby, so that no step is large."""
    refuse_tensors("np.unwrap", discont=discont, period=period)
    values = array_of(p)
    return p + (np.unwrap(values, discont, axis, period=period) - values)


# Functions applied along axes.


@composite(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function on each row along an axis; what it returns takes the place of the axis."""
    rows = np.moveaxis(as_array(arr), axis, -1)
    around = rows.shape[:-1]
    if 0 in around:
        raise ValueError(f"apply_along_axis: there is no row along axis {axis} of shape {np.shape(arr)}")
    results = [as_array(func1d(rows[place], *args, **kwargs)) for place in np.ndindex(*around)]
    stacked = np.reshape(np.stack(results), around + results[0].shape)
    added = range(len(around), stacked.ndim)
    return np.moveaxis(stacked, list(added), [i - len(around) + axis % rows.ndim for i in added])


@composite(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """Call a function of an array and an axis for one axis after the other; the axes that it drops come back."""
    ndim = a.ndim
    for axis in np.atleast_1d(axes):
        axis = int(axis) % ndim
        result = func(a, axis)
        a = np.expand_dims(result, axis) if result.ndim == ndim - 1 else result
        if a.ndim != ndim:
            raise ValueError(f"apply_over_axes: the function gave {result.ndim} axes for {ndim}")
    return a
