"""Derivatives of averages, quantiles, covariances, and of the reductions that pass over NaN.

Conventions: an element that is NaN has slope 0 where a function passes over it.  Quantiles are made from sorted
elements, so equal elements keep their order, as in `np.sort`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from acg_numpy.autograd.registry import composite
from acg_numpy.autograd.rules.joining import array_of, as_array, refuse_tensors
from acg_numpy.autograd.table import NoDerivativeError
from acg_numpy.autograd.tensors import Tensor


def _changed(**options: Any) -> dict[str, Any]:
    """Leave out the options that say nothing."""
    return {name: value for name, value in options.items() if value is not None}


# Averages.


@composite(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: Any = False) -> Any:
    """Return the mean, weighted where there are weights."""
    a = as_array(a)
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        total: Any = np.asarray(a.size / max(mean.size, 1), mean.dtype)
    else:
        weights = as_array(weights)
        if weights.shape != a.shape:
            weights = _weights_along(weights, a.shape, axis)
        total = np.sum(weights, axis=axis, keepdims=keepdims)
        if np.any(total == 0.0):
            raise ZeroDivisionError("np.average: the weights sum to 0")
        mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, np.broadcast_to(total, mean.shape)) if returned else mean


def _weights_along(weights: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Give weights for some axes the number of axes that the array has."""
    if axis is None:
        raise TypeError(f"np.average: axis is needed where weights of shape {weights.shape} meet shape {shape}")
    axes = normalize_axis_tuple(axis, len(shape))
    if weights.shape != tuple(shape[i] for i in axes):
        raise ValueError(f"np.average: weights of shape {weights.shape} do not match axis {axis} of shape {shape}")
    sides = [n if i in axes else 1 for i, n in enumerate(shape)]
    return np.reshape(np.transpose(weights, np.argsort(axes)), sides)


# Reductions that pass over NaN: the same reductions with another value in its place, or without it.


def _without_nan(a: Any, value: float) -> tuple[Any, Any]:
    """Return an array with a value in place of NaN, and where it was not NaN."""
    a = as_array(a)
    there = ~np.isnan(a)
    return np.where(there, a, value), there


@composite(np.nansum)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = None, initial: Any = None, where: Any = None
) -> Any:
    """Sum over axes, NaN as 0."""
    filled, _ = _without_nan(a, 0.0)
    return np.sum(filled, axis=axis, **_changed(dtype=dtype, keepdims=keepdims, initial=initial, where=where))


@composite(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = None, initial: Any = None, where: Any = None
) -> Any:
    """Multiply over axes, NaN as 1."""
    filled, _ = _without_nan(a, 1.0)
    return np.prod(filled, axis=axis, **_changed(dtype=dtype, keepdims=keepdims, initial=initial, where=where))


@composite(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Accumulate sums, NaN as 0."""
    return np.cumsum(_without_nan(a, 0.0)[0], axis=axis, **_changed(dtype=dtype))


@composite(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Accumulate products, NaN as 1."""
    return np.cumprod(_without_nan(a, 1.0)[0], axis=axis, **_changed(dtype=dtype))


def _passing_over_nan(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction by means of the elements that are not NaN."""

    def reduce(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = None, where: Any = True) -> Any:
        filled, there = _without_nan(a, 0.0)
        return function(filled, axis=axis, where=there & where, **_changed(dtype=dtype, keepdims=keepdims))

    return reduce


def _passing_over_nan_with_ddof(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction about the mean of the elements that are not NaN."""

    def reduce(
        a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = None, where: Any = True, correction: Any = None
    ) -> Any:
        filled, there = _without_nan(a, 0.0)
        ddof = ddof if correction is None else correction
        return function(filled, axis=axis, ddof=ddof, where=there & where, **_changed(keepdims=keepdims))

    return reduce


def _extremum_over_nan(function: Callable[..., Any], least: float) -> Callable[..., Any]:
    """Return an extremum of the elements that are not NaN; NaN where there are none."""

    def reduce(a: Any, axis: Any = None, keepdims: Any = None, initial: Any = None, where: Any = True) -> Any:
        filled, there = _without_nan(a, least)
        counted, options = there & where, _changed(keepdims=keepdims)
        if initial is None and not filled.size:
            return function(filled, axis=axis, **options)
        found = function(filled, axis=axis, initial=least if initial is None else initial, where=counted, **options)
        if initial is not None:
            return found
        return np.where(np.any(counted, axis=axis, **options), found, np.nan)

    return reduce


composite(np.nanmean)(_passing_over_nan(np.mean))
composite(np.nanvar)(_passing_over_nan_with_ddof(np.var))
composite(np.nanstd)(_passing_over_nan_with_ddof(np.std))
composite(np.nanmax)(_extremum_over_nan(np.max, -np.inf))
composite(np.nanmin)(_extremum_over_nan(np.min, np.inf))

# Quantiles.  Whatever the method, a quantile of n sorted numbers is on the straight line between two of them; where,
# NumPy itself says: at the quantile of the numbers 0, 1, ..., n - 1.


def _quantile(
    name: str, a: Any, q: Any, axis: Any, method: Any, keepdims: Any, over_nan: bool, scale: float = 1.0
) -> Any:
    """Return quantiles; `scale` is what q goes up to, `over_nan` says to pass over NaN."""
    a = as_array(a)
    q = np.asarray(q, a.dtype) if isinstance(q, int | float) else as_array(q)
    moving = isinstance(q, Tensor) and q.requires_grad
    if moving and method != "linear":
        raise NoDerivativeError(f"{name}: no derivative by q with method={method!r}; there is 'linear'")
    shares = array_of(q) / scale
    if np.any(~((shares >= 0) & (shares <= 1))):
        raise ValueError(f"{name}: q must lie between 0 and {scale:g}")
    dtype = np.result_type(a.dtype, q.dtype, np.float16)
    rows, shape = _rows_and_shape(a, axis, keepdims)
    if not len(rows) and (over_nan or name == "np.median"):
        return np.full((*shares.shape, *shape), np.nan, dtype)
    if not len(rows):
        raise ValueError(f"{name}: there is nothing to take a quantile of in shape {a.shape} over axis {axis}")
    rows = np.sort(rows, axis=0)  # NaN is last
    missing = np.count_nonzero(np.isnan(rows), axis=0)
    numbers = len(rows) - missing if over_nan else np.full(missing.shape, len(rows))
    places = _places(shares, numbers, method)
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(numbers - 1, 0))
    columns = np.arange(rows.shape[1])
    low, gap = rows[below, columns], rows[above, columns] - rows[below, columns]
    if moving:
        share = np.astype(q, np.float64)[..., None] * (np.maximum(numbers - 1, 0) / scale) - below
        share = np.astype(share, dtype)
    else:  # on an element the next one has no part, though it be infinite
        share, gap = np.asarray(places - below, dtype), np.where(places > below, gap, 0.0)
    result = low + gap * share
    unknown = numbers == 0 if over_nan else missing > 0
    if np.any(unknown):
        result = np.where(unknown, np.nan, result)
    return np.reshape(np.astype(result, dtype), (*shares.shape, *shape))


def _rows_and_shape(a: Any, axis: Any, keepdims: Any) -> tuple[Any, list[int]]:
    """Return the elements to be compared as the first of two axes, and the shape of the rest."""
    axes = tuple(range(a.ndim)) if axis is None else normalize_axis_tuple(axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    length = math.prod(a.shape[i] for i in axes)
    columns = math.prod(a.shape[i] for i in rest)
    rows = np.reshape(np.transpose(a, [*axes, *rest]), (length, columns))
    return rows, [1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes]


def _places(shares: Any, numbers: Any, method: Any) -> Any:
    """Return the places of quantiles between the elements of each column, of which there are so many."""
    quantile: Any = np.quantile
    places = np.empty(shares.shape + numbers.shape)
    for n in np.unique(numbers):
        found = quantile(np.arange(max(n, 1), dtype=float), np.asarray(shares, float), method=method)
        places[..., numbers == n] = np.asarray(found)[..., None]
    return places


def _quantiles(name: str, scale: float, passes_over_nan: bool) -> Callable[..., Any]:
    def function(
        a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear", keepdims: Any = False
    ) -> Any:
        return _quantile(name, a, q, axis, method, bool(keepdims is True), passes_over_nan, scale)

    return function


composite(np.quantile)(_quantiles("np.quantile", 1.0, False))
composite(np.percentile)(_quantiles("np.percentile", 100.0, False))
composite(np.nanquantile)(_quantiles("np.nanquantile", 1.0, True))
composite(np.nanpercentile)(_quantiles("np.nanpercentile", 100.0, True))


@composite(np.median)
def median(a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """Return the middle element, or the mean of the two in the middle."""
    return _quantile("np.median", a, 0.5, axis, "linear", keepdims, False)


@composite(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """Return the median of the elements that are not NaN."""
    return _quantile("np.nanmedian", a, 0.5, axis, "linear", bool(keepdims is True), True)


# Covariances.  NumPy itself reads the arguments first, so that it refuses and warns of what it refuses and warns of.

# whether rowvar=False makes columns of a matrix of one row too, as it does since NumPy 2.2
_TURNS_ONE_ROW = np.shape(np.cov(np.zeros((1, 2)), rowvar=False, ddof=0)) == (2, 2)


@composite(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    dtype: Any = None,
) -> Any:
    """Return the covariance matrix of variables, which are rows; in float64, if no dtype is given, as NumPy does."""
    refuse_tensors("np.cov", fweights=fweights)
    m, y, aweights = (value if value is None else as_array(value) for value in (m, y, aweights))
    numpys: Any = np.cov
    plain_m, plain_y, plain_weights = (value if value is None else array_of(value) for value in (m, y, aweights))
    numpys(plain_m, plain_y, rowvar, bias, ddof, fweights, plain_weights, dtype=dtype)
    x = np.atleast_2d(m)
    if not rowvar and m.ndim != 1 and (_TURNS_ONE_ROW or len(x) != 1):
        x = x.T
    if not len(x):
        return np.reshape(np.astype(x, np.float64), (0, 0))
    if y is not None:
        rows = np.atleast_2d(y)
        x = np.concatenate([x, rows if rowvar or len(rows) == 1 else rows.T], axis=0)
    x = np.astype(x, np.result_type(x.dtype, np.float64) if dtype is None else dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights: Any = None if fweights is None else np.asarray(fweights, float)
    if aweights is not None:
        weights = aweights if weights is None else weights * aweights
    if weights is None:
        total: Any = x.shape[1]
        mean, factor = np.mean(x, axis=1, keepdims=True), total - ddof
        weighted = x - mean
    else:
        total = np.sum(weights)
        mean = np.sum(x * weights, axis=1, keepdims=True) / total
        if ddof == 0:
            factor = total
        elif aweights is None:
            factor = total - ddof
        else:
            factor = total - ddof * np.sum(weights * aweights) / total
        weighted = (x - mean) * weights
    if factor <= 0:
        factor = np.zeros((), x.dtype)
    return np.squeeze((x - mean) @ weighted.T / factor)


@composite(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Any:
    """Return the correlation matrix of variables, which are rows."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviations = np.sqrt(np.diagonal(c))
    return np.clip(c / deviations[:, None] / deviations, -1.0, 1.0)
