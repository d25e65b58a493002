"""Derivatives of functions on a grid: interpolation, differences, integrals, spaced numbers and polynomials.

Conventions at kinks: `np.interp` has at an inner node the slope of the interval to its right, and beyond the ends the
slope 0.
"""

import operator
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite
from acg_numpy.autograd.rules.joining import as_array, as_common_dtype, refuse_tensors
from acg_numpy.autograd.rules.rearranging import axis_index
from acg_numpy.autograd.table import NoDerivativeError


def _as_doubles(x: Any) -> Any:
    x = as_array(x)
    return x if x.dtype == np.float64 else np.astype(x, np.float64)


@composite(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Interpolate between nodes by straight lines, in float64 as NumPy does."""
    x, xp, fp = _as_doubles(x), _as_doubles(xp), _as_doubles(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(f"interp: nodes xp and fp must be two sequences of one length, got {xp.shape} and {fp.shape}")
    if period is not None:
        if period == 0:
            raise ValueError("interp: period must not be 0")
        refuse_tensors("np.interp", period=period)
        period, left, right = abs(float(period)), None, None
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    if xp.size == 1:
        inside = np.broadcast_to(fp[0], x.shape)
    else:
        i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, xp.size - 2)
        here = np.clip(x, xp[0], xp[-1])
        inside = fp[i] + (here - xp[i]) * ((fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i]))
    below, above = np.less(x, xp[0]), np.greater(x, xp[-1])
    result = np.where(below, fp[0] if left is None else left, inside)
    return np.where(above, fp[-1] if right is None else right, result)


# Differences and integrals.


@composite(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return differences quotients along axes: central ones inside, one-sided ones at the ends."""
    f = as_array(f)
    if not np.issubdtype(f.dtype, np.inexact):
        f = np.astype(f, np.float64)
    axes = range(f.ndim) if axis is None else [int(i) % f.ndim for i in np.atleast_1d(axis)]
    spacings = [as_array(spacing) for spacing in varargs] or [np.ones(())]
    if len(spacings) == 1:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: one spacing, or one for each of {len(axes)} axes, is needed, got {len(varargs)}")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is {edge_order}; there are 1 and 2")
    results = [_slopes(f, i, h, edge_order) for i, h in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _slopes(f: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    """Return the difference quotients along one axis, whose spacing is a number or the coordinates of its points."""
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(f"gradient: axis {axis} has {n} elements; edge_order={edge_order} needs {edge_order + 1}")
    if spacing.ndim == 0:
        steps = np.broadcast_to(np.astype(spacing, f.dtype), (n - 1,))
    elif spacing.shape == (n,):
        floats = spacing if np.issubdtype(spacing.dtype, np.inexact) else np.astype(spacing, np.float64)
        steps = floats[1:] - floats[:-1]
    else:
        raise ValueError(f"gradient: coordinates of shape {spacing.shape} for an axis of {n} elements")
    steps = np.reshape(steps, [-1 if i == axis else 1 for i in range(f.ndim)])

    def part(x: Any, *ends: int | None) -> Any:
        return x[axis_index(axis, f.ndim, slice(*ends))]

    rises = part(f, 1, None) - part(f, None, -1)
    quotients = rises / steps
    before, after = part(steps, None, -1), part(steps, 1, None)
    inner = (part(quotients, None, -1) * after + part(quotients, 1, None) * before) / (before + after)
    first, last = part(quotients, None, 1), part(quotients, -1, None)
    if edge_order == 2:  # the parabola through three points
        first = first - part(before, None, 1) * _curvature(part(quotients, None, 2), part(steps, None, 2), part)
        last = last + part(after, -1, None) * _curvature(part(quotients, -2, None), part(steps, -2, None), part)
    return np.concatenate([first, inner, last], axis=axis)


def _curvature(quotients: Any, steps: Any, part: Any) -> Any:
    """Return the second divided difference of three points."""
    return (part(quotients, 1, None) - part(quotients, None, 1)) / (part(steps, None, 1) + part(steps, 1, None))


@composite(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate along an axis by the trapezoidal rule."""
    y = as_array(y)
    if x is None:
        widths: Any = dx
    else:
        x = as_array(x)
        widths = np.diff(x, axis=axis) if x.ndim > 1 else np.diff(x)
        if x.ndim == 1:
            widths = np.reshape(widths, [-1 if i == axis % y.ndim else 1 for i in range(y.ndim)])
    left, right = (y[axis_index(axis, y.ndim, part)] for part in (slice(None, -1), slice(1, None)))
    return np.sum(widths * (left + right) / 2.0, axis=axis)


# Spaced numbers.


@composite(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return numbers from start to stop in equal steps, along a new axis."""
    start, stop, wide = _floating_pair(start, stop)
    if operator.index(num) < 0:
        raise ValueError(f"linspace: num is {num}; it must not be negative")
    intervals = num - 1 if endpoint else num
    shape = np.broadcast_shapes(start.shape, stop.shape)
    places = np.reshape(np.arange(num, dtype=wide), (-1,) + (1,) * len(shape))
    step = (stop - start) / intervals if intervals > 0 else (stop - start) * np.nan
    numbers = start + places * step if intervals > 0 else start + places * (stop - start)
    if endpoint and num > 1:
        numbers = np.concatenate([numbers[:-1], np.broadcast_to(stop, shape)[None]], axis=0)
    numbers = np.moveaxis(numbers, 0, axis)
    if dtype is not None and np.dtype(dtype) != wide:
        if np.issubdtype(np.dtype(dtype), np.integer):
            numbers = np.floor(numbers)
        numbers = np.astype(numbers, dtype)
    return (numbers, step) if retstep else numbers


def _floating_pair(start: Any, stop: Any) -> tuple[Any, Any, Any]:
    """Return two ends as arrays of one floating dtype, and the dtype; Python numbers have none of their own."""
    (first, last), dtype = as_common_dtype([start, stop])
    if not np.issubdtype(dtype, np.inexact):
        dtype = np.dtype(np.float64)
        first, last = np.astype(first, dtype), np.astype(last, dtype)
    return first, last, dtype


@composite(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Return powers of the base, whose exponents go from start to stop in equal steps."""
    if np.ndim(base):
        shape = np.broadcast_shapes(np.shape(start), np.shape(stop), np.shape(base))
        start, stop = (np.broadcast_to(as_array(x), shape) for x in (start, stop))
        base = np.expand_dims(np.broadcast_to(as_array(base), shape), axis)
    numbers = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return numbers if dtype is None else np.astype(numbers, dtype)


@composite(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Return numbers from start to stop whose ratios are equal, in float64 as NumPy does."""
    first, last = (_as_doubles(x) for x in (start, stop))
    if np.any(np.equal(first, 0)) or np.any(np.equal(last, 0)):
        raise ValueError("geomspace: a geometric sequence holds no 0")
    sign = np.sign(first)
    if np.any(sign != np.sign(last)):
        raise NoDerivativeError("np.geomspace: start and stop must have one sign; complex numbers have no derivative")
    exponents = linspace(np.log10(first * sign), np.log10(last * sign), num, endpoint)
    numbers = np.power(10.0, exponents) * sign
    shape = np.broadcast_shapes(first.shape, last.shape)
    ends = [np.broadcast_to(x, shape)[None] for x in (first, last)]
    if num > 0:
        middle = [ends[0], numbers[1 : -1 if endpoint and num > 1 else None]]
        numbers = np.concatenate([*middle, ends[1]] if endpoint and num > 1 else middle, axis=0)
    numbers = np.moveaxis(numbers, 0, axis)
    return numbers if dtype is None else np.astype(numbers, dtype)


# Polynomials, as their coefficients from the highest power to the lowest.


@composite(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Evaluate a polynomial by Horner's scheme."""
    p, x = as_array(p), as_array(x)
    value: Any = np.zeros(x.shape, x.dtype)
    for coefficient in p:
        value = value * x + coefficient
    return value


@composite(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of a sequence as columns."""
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError(f"vander: a sequence is needed, got shape {x.shape}")
    x = np.astype(x, np.promote_types(x.dtype, int))
    # NumPy itself refuses what is no number of columns.
    count = x.size if N is None else np.vander(np.zeros(1), N).shape[1]
    powers = range(count)
    if not len(powers):
        return np.zeros((x.size, 0), x.dtype)
    return np.stack([x**power for power in (powers if increasing else reversed(powers))], axis=1)


@composite(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """Add two polynomials."""
    first, second = (np.atleast_1d(as_array(x)) for x in (a1, a2))
    n = max(first.size, second.size)
    return np.pad(first, (n - first.size, 0)) + np.pad(second, (n - second.size, 0))


@composite(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """Subtract two polynomials."""
    return polyadd(a1, -as_array(a2))


@composite(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """Multiply two polynomials."""
    return np.convolve(*(_from_first(np.atleast_1d(as_array(x))) for x in (a1, a2)))


def _from_first(p: Any) -> Any:
    """Leave out the coefficients of 0 that a polynomial begins with."""
    places = np.flatnonzero(p)
    return p[places[0] :] if len(places) else p[-1:]


@composite(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """Differentiate a polynomial."""
    p = np.atleast_1d(as_array(p))
    for _ in range(m):
        p = p[:-1] * np.arange(p.size - 1, 0, -1)
    return p


@composite(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Integrate a polynomial."""
    p = np.atleast_1d(as_array(p))
    constants = np.atleast_1d(as_array(0.0 if k is None else k))
    if constants.size == 1 and m > 1:
        constants = np.broadcast_to(np.ravel(constants), (m,))
    if constants.size < m:
        raise ValueError(f"polyint: {m} constants are needed, or one, got {constants.size}")
    for i in range(m):
        p = np.concatenate([p / np.arange(p.size, 0, -1), constants[i : i + 1]])
    return p


@composite(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """Return the polynomial with these zeros."""
    zeros = np.atleast_1d(as_array(seq_of_zeros))
    if zeros.ndim != 1:
        raise NoDerivativeError(
            f"np.poly: no derivative by a matrix, got shape {zeros.shape}; for a symmetric one give its zeros, "
            "np.linalg.eigvalsh(a)"
        )
    coefficients: Any = np.ones(1, zeros.dtype)
    for zero in zeros:
        coefficients = np.convolve(coefficients, np.stack([np.ones((), zeros.dtype), -zero]))
    return coefficients


@composite(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """Return the polynomial of least squares, by columns of length one as NumPy does."""
    if full or cov:
        raise NoDerivativeError("np.polyfit: no derivative with full= or cov=; leave them out")
    x, y = _as_doubles(x), _as_doubles(y)
    powers = np.vander(x, deg + 1)
    if w is not None:
        w = _as_doubles(w)
        powers, y = powers * w[:, None], y * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(powers * powers, axis=0))
    rcond = len(x) * np.finfo(np.float64).eps if rcond is None else rcond
    fit = np.linalg.lstsq(powers / scale, y, rcond)[0]
    return fit / (scale[:, None] if fit.ndim == 2 else scale)
