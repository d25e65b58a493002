"""Derivatives of functions that reduce axes, or accumulate along one.

Conventions at kinks: equal maxima (or minima) share the gradient in equal parts; a standard deviation of 0 has slope 0.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.joining import array_of
from acg_numpy.autograd.table import TABLE, Primitive, Rule, name_of
from acg_numpy.autograd.tensors import Tensor


def keep_axes(r: Any, x: Any, axis: Any) -> Any:
    """Give a reduced array its reduced axes back, of length one; a number has the axes 0 and -1 for NumPy."""
    if axis is None or not x.ndim:
        return np.reshape(r, (1,) * x.ndim)
    shape = list(x.shape)
    for i in axis if isinstance(axis, tuple) else (axis,):
        shape[i] = 1
    return np.reshape(r, tuple(shape))


def spread(g: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    """Give the gradient of a reduced array to each element that was reduced."""
    if not keepdims:
        g = keep_axes(g, x, axis)
    if isinstance(g, Tensor):
        return np.broadcast_to(g, x.shape)
    # Several times faster than np.broadcast_to for small arrays.
    full = np.empty(x.shape, g.dtype)
    full[...] = g
    return full


def count(x: Any, axis: Any, where: Any = True) -> Any:
    """Count the elements that a reduction over `axis` combines."""
    if where is not True:
        chosen = np.broadcast_to(where, x.shape)
        return np.sum(chosen, axis=axis, keepdims=True, dtype=x.dtype)
    if axis is None or not x.ndim:
        return int(x.size)
    return math.prod(x.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


def _only(where: Any, g: Any) -> Any:
    """Set the gradient to 0 where a reduction left the elements out."""
    return g if where is True else np.where(where, g, 0.0)


def add_up(a: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None, **options: Any) -> Any:
    """Return np.sum, without its steps in Python."""
    reduce: Any = np.add.reduce
    return reduce(a, axis, dtype, None, keepdims, **options)


def _sum_rule(
    g: Any,
    ans: Any,
    a: Any,
    axis: Any = None,
    keepdims: Any = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Slope 1."""
    return _only(where, spread(g, a, axis, keepdims))


def _mean_rule(
    g: Any, ans: Any, a: Any, axis: Any = None, keepdims: Any = False, dtype: Any = None, where: Any = True
) -> Any:
    """Slope 1 / n."""
    if where is True:
        return spread(g, a, axis, keepdims) / count(a, axis)
    return _only(where, spread(g, a, axis, keepdims) / np.maximum(count(a, axis, where), 1.0))


TABLE[np.sum] = Primitive(np.sum, (_sum_rule,), run=add_up)
register_rule(np.mean, _mean_rule)

# Variance and standard deviation, about the mean m:  var = sum (x - m)**2 / n,  n = count - ddof.  That m depends on x
# too changes nothing, because sum (x - m) = 0.


def _deviations(a: Any, axis: Any, where: Any) -> Any:
    """Return x - m."""
    if where is True:
        return a - np.mean(a, axis=axis, keepdims=True)
    return a - np.mean(a, axis=axis, keepdims=True, where=where)


def _rule_about_mean(slope: Callable[[Any, Any, Any], Any]) -> Rule:
    """Return the rule of a reduction about the mean; `slope` gives it from x - m, n and the result, axes kept."""

    def rule(
        g: Any,
        ans: Any,
        a: Any,
        axis: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        correction: Any = None,
        where: Any = True,
    ) -> Any:
        n = count(a, axis, where) - (ddof if correction is None else correction)
        result = ans if keepdims else keep_axes(ans, a, axis)
        return _only(where, spread(g, a, axis, keepdims) * slope(_deviations(a, axis, where), n, result))

    return rule


def _variance_slope(deviations: Any, n: Any, var: Any) -> Any:
    """Return 2 (x - m) / n."""
    return deviations * (math.nan if isinstance(n, int | float) and n == 0 else 2.0 / n)


def _deviation_slope(deviations: Any, n: Any, std: Any) -> Any:
    """Return (x - m) / (n std), and 0 where std is 0."""
    flat = std == 0
    return np.where(flat, 0.0, deviations / (np.where(flat, 1.0, std) * n))


register_rule(np.var, _rule_about_mean(_variance_slope))
register_rule(np.std, _rule_about_mean(_deviation_slope))

# Extrema.


def extremum(
    g: Any, ans: Any, a: Any, axis: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Pass the gradient to where the extremum is, in equal parts where it is more than once."""
    if not keepdims:
        g, ans = keep_axes(g, a, axis), keep_axes(ans, a, axis)
    chosen = np.equal(a, ans)
    if where is not True or initial is not None:  # then there may be rows in which no element is the extremum
        chosen = chosen & where
        return g * (chosen / np.maximum(np.sum(chosen, axis=axis, keepdims=True, dtype=a.dtype), 1.0))
    share = chosen / np.sum(chosen, axis=axis, keepdims=True, dtype=a.dtype)
    return g * share


for maximum in {np.max, np.amax}:
    register_rule(maximum, extremum)
for minimum in {np.min, np.amin}:
    register_rule(minimum, extremum)

# Products.  The slope in one factor is the product of the others: ans / x where no factor is zero and the product is a
# normal number.  Elsewhere the others are multiplied up from both ends, which needs no division.


def product(
    g: Any,
    ans: Any,
    a: Any,
    axis: Any = None,
    keepdims: Any = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Slope: the product of all other factors."""
    if not keepdims:
        g, ans = keep_axes(g, a, axis), keep_axes(ans, a, axis)
    if where is not True:
        a = np.where(where, a, 1.0)
    if np.all(a) and _is_normal(ans):
        return _only(where, g * (ans / a))
    return _only(where, g * (_product_of_others(a, axis) * (1.0 if initial is None else initial)))


def _is_normal(x: Any) -> bool:
    """Check that nothing has underflowed or overflowed."""
    sizes, limits = np.abs(array_of(x)), np.finfo(x.dtype)
    return bool(np.all((sizes >= limits.tiny) & (sizes <= limits.max)))


def _product_of_others(a: Any, axis: Any) -> Any:
    """Return for each element the product of all the others along `axis`, right for any number of zeros."""
    axes = tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(i % a.ndim for i in axes) if a.ndim else ()
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    order = rest + axes
    rows = np.reshape(np.transpose(a, order), (*(a.shape[i] for i in rest), -1) if a.size else a.shape)
    one = np.ones((*rows.shape[:-1], 1), a.dtype)
    before = np.cumprod(np.concatenate([one, rows[..., :-1]], axis=-1), axis=-1)
    after = np.flip(np.cumprod(np.concatenate([one, np.flip(rows, -1)[..., :-1]], axis=-1), axis=-1), -1)
    back = np.reshape(before * after, [a.shape[i] for i in order])
    return np.transpose(back, np.argsort(order))


register_rule(np.prod, product)

# Accumulations.


def running_sum(g: Any, ans: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Add up the gradients from the end, because x_i is in each later sum."""
    if axis is None:
        return np.reshape(np.flip(np.cumsum(np.flip(g))), a.shape)
    return np.reshape(np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis), a.shape)


register_rule(np.cumsum, running_sum)


def running_product(g: Any, ans: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Use ans_j = ans_{j-1} x_j:  h_j = g_j + h_{j+1} x_{j+1} from the end; the slope in x_j is h_j ans_{j-1}."""
    if axis is None or not a.ndim:
        flat = np.reshape(a, -1)
        return np.reshape(running_product(g, ans, flat, axis=0), a.shape)
    x, g, ans = (np.moveaxis(v, axis, 0) for v in (a, g, ans))
    h, slopes = 0.0, []
    for j in reversed(range(len(x))):
        h = g[j] + (h * x[j + 1] if j + 1 < len(x) else 0.0)
        slopes.append(h * ans[j - 1] if j > 0 else h)
    return np.moveaxis(np.stack(slopes[::-1]) if slopes else g, 0, axis)


register_rule(np.cumprod, running_product)

# The methods of ufuncs that compute the same; their axis is 0 by default.


def _along_first_axis(function: Any) -> Any:
    """Return a reduction or an accumulation whose axis is 0 by default."""

    def method(array: Any, axis: Any = 0, keepdims: bool = False) -> Any:
        return function(array, axis=axis, keepdims=True) if keepdims else function(array, axis=axis)

    return method


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return log(sum(exp(x))); the largest element, a constant, is taken out first."""
    values = array_of(x)
    largest = np.max(values, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0.0).astype(values.dtype)
    with np.errstate(under="ignore"):  # 0 is right for what is far below the largest
        total = np.sum(np.exp(x - shift), axis=axis, keepdims=True)
    empty = total == 0
    log = np.where(empty, -np.inf, np.log(np.where(empty, 1.0, total))) + shift
    return log if keepdims else np.reshape(log, np.max(values, axis=axis, initial=-np.inf).shape)


for ufunc, method, function in (
    (np.add, "reduce", np.sum),
    (np.multiply, "reduce", np.prod),
    (np.maximum, "reduce", np.max),
    (np.minimum, "reduce", np.min),
    (np.logaddexp, "reduce", _logsumexp),
    (np.add, "accumulate", np.cumsum),
    (np.multiply, "accumulate", np.cumprod),
):
    composite((ufunc, method))(_along_first_axis(function))


def running_extremum(g: Any, ans: Any, a: Any, axis: Any = 0) -> Any:
    """Share the gradient of each running extremum among the elements up to it that equal it."""
    x, g, ans = (np.moveaxis(v, axis, -1) for v in (a, g, ans))
    earlier = np.tri(x.shape[-1], dtype=bool)  # [j, i]: i <= j
    chosen = np.equal(x[..., None, :], ans[..., :, None]) & earlier
    share = chosen / np.sum(chosen, axis=-1, keepdims=True, dtype=a.dtype)
    return np.moveaxis(np.sum(g[..., :, None] * share, axis=-2), -1, axis)


for ufunc in (np.maximum, np.minimum):
    running = register_rule(ufunc.accumulate, running_extremum, name=name_of((ufunc, "accumulate")))
    composite((ufunc, "accumulate"))(_along_first_axis(running))
