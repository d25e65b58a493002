"""Derivatives of functions of one element, and of two.

One line where the mathematics is one line.  `g` is the gradient of the result `ans`; `x` and `y` are the arguments.

Conventions at kinks, where there is no derivative: |x| has slope 0 at 0; maximum and minimum share the gradient of a
tie in equal halves; clip lets it pass at both ends of the interval; 0**y has slope 0 in y at x = 0; hypot and arctan2
have slope 0 at (0, 0); heaviside has slope 0 in x at 0.  Where a slope is infinite, a gradient of exactly 0 stays 0:
so `np.where(x > 0, np.log(x), 0)` and the like have the gradient one expects.
"""

import math
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, reads_shape_only, register_rule
from acg_numpy.autograd.rules.joining import array_of, as_array
from acg_numpy.autograd.table import TABLE
from acg_numpy.autograd.tensors import NO_OPTIONS, record
from acg_numpy.shapes import unbroadcast

LN2, LN10 = math.log(2.0), math.log(10.0)


def safe_divide(g: Any, d: Any) -> Any:
    """Return g / d, with 0 / 0 = 0."""
    if np.count_nonzero(d) == d.size:  # several times faster than np.all
        return g / d
    return g / np.where((d == 0) & (g == 0), 1.0, d)


# Arithmetic.


def divide_left(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """Slope 1 / y."""
    return unbroadcast(g / y if isinstance(y, int | float) else safe_divide(g, y), x)


def divide_right(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """Slope -(x / y) / y, in an order that keeps a gradient of 0 at 0 where y is 0."""
    if np.count_nonzero(y) == y.size:
        return -unbroadcast(g * ans, y) / y
    return -unbroadcast(safe_divide(safe_divide(g, y) * x, y), y)


register_rule(np.positive, lambda g, ans, x: g)
register_rule(np.conjugate, lambda g, ans, x: g)  # of real numbers, as all that can be differentiated here are
register_rule(np.negative, lambda g, ans, x: -g)
register_rule(np.add, lambda g, ans, x, y: unbroadcast(g, x), lambda g, ans, x, y: unbroadcast(g, y))
register_rule(np.subtract, lambda g, ans, x, y: unbroadcast(g, x), lambda g, ans, x, y: unbroadcast(-g, y))
for addition in (np.add, np.subtract):
    reads_shape_only(addition)
register_rule(np.multiply, lambda g, ans, x, y: unbroadcast(g * y, x), lambda g, ans, x, y: unbroadcast(g * x, y))
register_rule(np.divide, divide_left, divide_right)
register_rule(
    np.remainder,
    lambda g, ans, x, y: unbroadcast(g, x),
    lambda g, ans, x, y: unbroadcast(-g * np.floor_divide(x, y), y),
)
register_rule(
    np.fmod, lambda g, ans, x, y: unbroadcast(g, x), lambda g, ans, x, y: unbroadcast(-g * np.rint((x - ans) / y), y)
)


@composite(np.divmod)
def divmod(x: Any, y: Any) -> Any:
    """Return the quotient, which has no derivative to give, and the remainder, which has."""
    return np.floor_divide(x, y), np.remainder(x, y)


register_rule(np.square, lambda g, ans, x: 2.0 * g * x)
register_rule(np.reciprocal, lambda g, ans, x: safe_divide(safe_divide(-g, x), x))


def power_base(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """Slope y x**(y - 1); at y = 0 the function is constant in x, also at x = 0."""
    base = x
    if np.count_nonzero(x) < x.size and np.any(np.less(y, 1)):
        # An infinite slope: a gradient of 0 stays 0.
        base = np.where((x == 0) & np.less(y, 1) & (g == 0), 1.0, x)
    if isinstance(y, int | float):
        return unbroadcast(g * (y * _power_below(base, y, ans)) if y != 0 else g * 0.0, x)
    # Where x is not 0 the point y = 0 is like the others: the slope in y is 1 / x.
    constant = (y == 0) & (x == 0)
    if not np.any(constant):
        return unbroadcast(g * y * _power_below(base, y, ans), x)
    return unbroadcast(g * y * _power_below(base, np.where(constant, 2.0, y), ans), x)


def _power_below(base: Any, y: Any, ans: Any) -> Any:
    """Return base**(y - 1); where the 1 would be lost in y, and with it an odd power's sign, base**y / base."""
    far = abs(y) > 2.0**20
    if not (far if isinstance(far, bool) else np.any(far)):
        return base ** (y - 1)
    return np.where(far & (base != 0), ans / np.where(base == 0, 1.0, base), base ** (y - 1))


def power_exponent(g: Any, ans: Any, x: Any, y: Any) -> Any:
    """Slope x**y log x, and 0 where x = 0."""
    if isinstance(x, int | float):
        return unbroadcast(g * ans * math.log(x) if x > 0 else g * 0.0 if x == 0 else g * math.nan, y)
    return unbroadcast(g * ans * np.log(np.where(x == 0, 1.0, x)), y)


register_rule(np.power, power_base, power_exponent)
register_rule(np.float_power, power_base, power_exponent)

# Exponentials, logarithms, roots.


def _exp_or_zero(x: Any) -> Any:
    with np.errstate(under="ignore"):
        return np.exp(x)


register_rule(np.exp, lambda g, ans, x: g * ans)
register_rule(np.exp2, lambda g, ans, x: g * ans * LN2)
register_rule(np.expm1, lambda g, ans, x: g * _exp_or_zero(x))  # ans + 1 would cancel
register_rule(np.log, lambda g, ans, x: safe_divide(g, x))
register_rule(np.log2, lambda g, ans, x: safe_divide(g, x * LN2))
register_rule(np.log10, lambda g, ans, x: safe_divide(g, x * LN10))
register_rule(np.log1p, lambda g, ans, x: safe_divide(g, x + 1.0))
register_rule(np.sqrt, lambda g, ans, x: safe_divide(g, 2.0 * ans))
register_rule(np.cbrt, lambda g, ans, x: safe_divide(g, 3.0 * ans * ans))


def logaddexp_share(x: Any, y: Any, exp: Any = np.exp) -> Any:
    """Return the share of e**x in e**x + e**y; of e**inf it is 1, and 0 where both are e**-inf.

    The larger of the two, a constant, is subtracted first: from log(e**x + e**y), which is rounded, a large x would
    have lost the digits that count.
    """
    larger = array_of(np.maximum(x, y))
    bounded = np.isfinite(larger)
    shift = np.where(bounded, larger, 0.0)
    with np.errstate(under="ignore"):  # a share of 0 is right where the others are far larger
        shares = [
            exp(np.where(bounded, v, np.where(np.isposinf(v), 0.0, -np.inf).astype(larger.dtype)) - shift)
            for v in (x, y)
        ]
        return safe_ratio(shares[0], shares[0] + shares[1])


for logaddexp, exponential in ((np.logaddexp, np.exp), (np.logaddexp2, np.exp2)):
    register_rule(
        logaddexp,
        lambda g, ans, x, y, exp=exponential: unbroadcast(g * logaddexp_share(x, y, exp), x),
        lambda g, ans, x, y, exp=exponential: unbroadcast(g * logaddexp_share(y, x, exp), y),
    )


# Trigonometric and hyperbolic functions, and their inverses.


def _sech_squared(x: Any) -> Any:
    """Return 1 / cosh(x)**2, which 1 - tanh(x)**2 would lose in the tails."""
    with np.errstate(under="ignore"):  # 0 is right there
        e = np.exp(-2.0 * np.abs(x))
        return 4.0 * e / np.square(1.0 + e)


sech_squared = register_rule(_sech_squared, lambda g, ans, x: -2.0 * g * ans * np.tanh(x), name="np.tanh")


def _tanh_rule(g: Any, ans: Any, x: Any) -> Any:
    """Slope 1 - tanh(x)**2, from the exponential where the difference would cancel."""
    square = ans * ans
    if not square.size or square.item(square.argmax()) <= 0.99:  # several times faster than np.all(square <= 0.99)
        return g - g * square
    if type(square) is not np.ndarray:
        return g * sech_squared(x)
    slope, tail = 1.0 - square, square > 0.99
    slope[tail] = _sech_squared(x[tail])  # the values, not the operation
    return g * slope


def _over_square(x: Any, y: Any) -> Any:
    """Return x / (x**2 + y**2), whose squares would underflow at 1e-200 and overflow at 1e200."""
    length = np.hypot(x, y)
    return safe_ratio(safe_ratio(x, length), length)


register_rule(np.sin, lambda g, ans, x: g * np.cos(x))
register_rule(np.cos, lambda g, ans, x: -g * np.sin(x))
register_rule(np.tan, lambda g, ans, x: g * (1.0 + ans * ans))
register_rule(np.arcsin, lambda g, ans, x: safe_divide(g, np.sqrt((1.0 - x) * (1.0 + x))))
register_rule(np.arccos, lambda g, ans, x: safe_divide(-g, np.sqrt((1.0 - x) * (1.0 + x))))
register_rule(np.arctan, lambda g, ans, x: g * _over_square(1.0, x))
register_rule(np.sinh, lambda g, ans, x: g * np.cosh(x))
register_rule(np.cosh, lambda g, ans, x: g * np.sinh(x))
register_rule(np.tanh, _tanh_rule)
register_rule(np.arcsinh, lambda g, ans, x: g / np.hypot(1.0, x))
register_rule(np.arccosh, lambda g, ans, x: safe_divide(g, np.sqrt(x - 1.0) * np.sqrt(x + 1.0)))
register_rule(np.arctanh, lambda g, ans, x: safe_divide(g, (1.0 - x) * (1.0 + x)))


def safe_ratio(x: Any, whole: Any) -> Any:
    """Return x / whole, and 0 where the whole is 0, at every order."""
    if np.count_nonzero(whole) == whole.size:
        return x / whole
    empty = whole == 0
    return np.where(empty, 0.0, x / np.where(empty, 1.0, whole))


register_rule(
    np.arctan2,
    lambda g, ans, x, y: unbroadcast(g * _over_square(y, x), x),
    lambda g, ans, x, y: unbroadcast(-g * _over_square(x, y), y),
)
register_rule(
    np.hypot,
    lambda g, ans, x, y: unbroadcast(g * safe_ratio(x, ans), x),
    lambda g, ans, x, y: unbroadcast(g * safe_ratio(y, ans), y),
)
for to_radians in (np.deg2rad, np.radians):
    register_rule(to_radians, lambda g, ans, x: g * (math.pi / 180.0))
for to_degrees in (np.rad2deg, np.degrees):
    register_rule(to_degrees, lambda g, ans, x: g * (180.0 / math.pi))

# sinc(x) = sin(z) / z with z = pi x.  Near 0 its derivatives would cancel, so there it is its power series in z**2.

SINC_SERIES = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(10))


@composite(np.sinc)
def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), which is smooth at 0."""
    z = math.pi * as_array(x)
    near = np.less(np.abs(z), 1.0)
    square = np.square(np.where(near, z, 0.0))
    series: Any = SINC_SERIES[-1]
    for coefficient in SINC_SERIES[-2::-1]:
        series = series * square + coefficient
    z = np.where(near, 1.0, z)
    return np.where(near, series, np.sin(z) / z)


@composite(np.i0)
def i0(x: Any) -> Any:
    """Return the mean of exp(x cos t) over half a turn, which the midpoint rule gives to the last digits."""
    x = as_array(x)
    largest = float(np.max(np.abs(array_of(x)), initial=0.0))
    nodes = 24 + int(6.0 * math.sqrt(largest))
    cosines = np.cos((np.arange(nodes) + 0.5) * (math.pi / nodes)).astype(x.dtype)
    return np.mean(np.exp(x[..., None] * cosines), axis=-1)


# Parts of floating and complex numbers.  All that can be differentiated here is real.

register_rule(np.real, lambda g, ans, val: g)
register_rule(np.real_if_close, lambda g, ans, a, tol=100: g)
register_rule(np.nextafter, lambda g, ans, x, y: unbroadcast(g, x), lambda g, ans, x, y: unbroadcast(g * 0.0, y))
register_rule(np.ldexp, lambda g, ans, x, y: unbroadcast(np.ldexp(g, y), x), None)


@composite(np.frexp)
def frexp(x: Any) -> Any:
    """Return mantissa and exponent; the exponent has no derivative to give."""
    exponent = np.frexp(array_of(x))[1]
    return np.ldexp(x, -exponent), exponent


@composite(np.modf)
def modf(x: Any) -> Any:
    """Return the fractional part, which has slope 1, and the whole part, which has no derivative to give."""
    whole = np.trunc(x)
    return np.fmod(np.where(np.isinf(x), 0.0, x), 1.0), whole


# Choices.


def tie_share(x: Any, y: Any, ans: Any) -> Any:
    """Return 1 where x was chosen, 1/2 where both were, 0 where y was, in the dtype of the result."""
    chosen, alone = np.equal(x, ans), np.not_equal(y, ans)
    return (chosen.astype(ans.dtype) + alone.astype(ans.dtype)) * 0.5


register_rule(np.absolute, lambda g, ans, x: g * np.sign(x))
register_rule(
    np.copysign,
    lambda g, ans, x, y: unbroadcast(g * np.sign(x) * np.copysign(np.ones((), ans.dtype), y), x),
    lambda g, ans, x, y: unbroadcast(g * 0.0, y),
)
register_rule(np.nan_to_num, lambda g, ans, x, nan=0.0, posinf=None, neginf=None: np.where(np.isfinite(x), g, 0.0))
register_rule(np.fabs, lambda g, ans, x: g * np.sign(x))
register_rule(
    np.heaviside,
    lambda g, ans, x, y: unbroadcast(g * 0.0, x),
    lambda g, ans, x, y: unbroadcast(np.where(np.equal(x, 0), g, 0.0), y),
)
for extremum in (np.maximum, np.minimum, np.fmax, np.fmin):
    register_rule(
        extremum,
        lambda g, ans, x, y: unbroadcast(g * tie_share(x, y, ans), x),
        lambda g, ans, x, y: unbroadcast(g * tie_share(y, x, ans), y),
    )
register_rule(
    np.where,
    None,
    lambda g, ans, condition, x, y: unbroadcast(np.where(condition, g, 0.0), x),
    lambda g, ans, condition, x, y: unbroadcast(np.where(condition, 0.0, g), y),
)
reads_shape_only(np.where, 1, 2)


def _clip(a: Any, low: Any, high: Any) -> Any:
    if low is None:
        return a if high is None else np.minimum(a, high)
    return np.maximum(a, low) if high is None else np.minimum(np.maximum(a, low), high)


@composite(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    """Limit values to an interval; its ends have two pairs of names."""
    return record(TABLE[_clip], (a, a_min if min is None else min, a_max if max is None else max), NO_OPTIONS)


register_rule(
    _clip,
    lambda g, ans, a, low, high: unbroadcast(np.where(_below(a, low) | _above(a, high), 0.0, g), a),
    lambda g, ans, a, low, high: unbroadcast(np.where(_below(a, low) & ~_above(low, high), g, 0.0), low),
    lambda g, ans, a, low, high: unbroadcast(np.where(_above(a, high) | _above(low, high), g, 0.0), high),
    name="np.clip",
)


def _below(a: Any, low: Any) -> Any:
    return np.False_ if low is None else np.less(a, low)


def _above(a: Any, high: Any) -> Any:
    return np.False_ if high is None else np.greater(a, high)
