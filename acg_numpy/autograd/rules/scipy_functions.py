"""Derivatives of SciPy's functions: the ufuncs of scipy.special, and products with sparse matrices.

This module is imported when the first object of SciPy arrives at the engine, so that the engine itself needs no SciPy.
Functions of SciPy that are no ufuncs (`logsumexp`, `softmax`) make arrays of their arguments before anything else, and
a Tensor refuses that, with the recipe in NumPy's words.

Conventions at kinks: `i0e` and its like, which hold |x|, have at 0 the slope of the rest; `huber` has at its two ends
the slope of the line, which is that of the parabola too.  Orders and shape parameters (the order of a Bessel function,
the first argument of `gammainc`) have no derivative.
"""

import math
from typing import Any

import numpy as np
from scipy import sparse, special

from acg_numpy.autograd.operands import COPIED, Guard
from acg_numpy.autograd.registry import register_rule
from acg_numpy.autograd.rules.elementwise import LN10, safe_divide, safe_ratio
from acg_numpy.autograd.state import state
from acg_numpy.autograd.table import OTHER_OPERANDS, TABLE
from acg_numpy.shapes import unbroadcast

sp: Any = special  # what it gives for a Tensor is Any to a type checker

ROOT_PI, ROOT_TWO_PI = math.sqrt(math.pi), math.sqrt(2.0 * math.pi)


def _register(name: str, *rules: Any) -> None:
    """Register the rules of a ufunc that this SciPy has."""
    function = getattr(special, name, None)
    if isinstance(function, np.ufunc) and function not in TABLE:
        register_rule(function, *rules)


# The error function and the normal distribution.


def _bell(x: Any, scale: float = 1.0) -> Any:
    """Return exp(-scale * x**2), which is 0 where the square overflows."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(-scale * np.square(x))


def _inverse_mills_ratio(ans: Any, x: Any) -> Any:
    """Return the normal density over the normal distribution, whose logarithm is `ans`."""
    left = np.less(x, 0.0)
    below = math.sqrt(2.0 / math.pi) / sp.erfcx(np.where(left, x, 0.0) * -math.sqrt(0.5))
    return np.where(left, below, _bell(np.where(left, 0.0, x), 0.5) * np.exp(np.where(left, 0.0, -ans)) / ROOT_TWO_PI)


# fmt: off
_register("erf",      lambda g, ans, x: g * (2.0 / ROOT_PI) * _bell(x))
_register("erfc",     lambda g, ans, x: g * (-2.0 / ROOT_PI) * _bell(x))
_register("erfcx",    lambda g, ans, x: g * (2.0 * x * ans - 2.0 / ROOT_PI))
_register("erfi",     lambda g, ans, x: g * (2.0 / ROOT_PI) * np.exp(x * x))
_register("erfinv",   lambda g, ans, x: g * (ROOT_PI / 2.0) * np.exp(ans * ans))
_register("erfcinv",  lambda g, ans, x: g * (-ROOT_PI / 2.0) * np.exp(ans * ans))
_register("dawsn",    lambda g, ans, x: g * (1.0 - 2.0 * x * ans))
_register("ndtr",     lambda g, ans, x: g * _bell(x, 0.5) / ROOT_TWO_PI)
_register("log_ndtr", lambda g, ans, x: g * _inverse_mills_ratio(ans, x))
_register("ndtri",    lambda g, ans, y: g * ROOT_TWO_PI * np.exp(ans * ans / 2.0))

# The logistic function, exponentials and logarithms.

_register("expit",     lambda g, ans, x: g * ans * sp.expit(-x))
_register("log_expit", lambda g, ans, x: g * sp.expit(-x))
_register("logit",     lambda g, ans, x: safe_divide(g, x * (1.0 - x)))
_register("exp10",     lambda g, ans, x: g * ans * LN10)
_register("exp2",      lambda g, ans, x: g * ans * math.log(2.0))
_register("expm1",     lambda g, ans, x: g * np.exp(x))
_register("log1p",     lambda g, ans, x: safe_divide(g, x + 1.0))
_register("cbrt",      lambda g, ans, x: safe_divide(g, 3.0 * ans * ans))
_register("expi",      lambda g, ans, x: g * np.exp(x) / x)
_register("exp1",      lambda g, ans, x: -g * np.exp(-x) / x)
_register("expn", None, lambda g, ans, n, x: unbroadcast(-g * _expn_below(ans, n, x), x))
_register("spence",    lambda g, ans, x: g * np.log(x) / (1.0 - x))
_register("wrightomega", lambda g, ans, x: g * ans / (1.0 + ans))
_register("sindg",     lambda g, ans, x: g * (math.pi / 180.0) * sp.cosdg(x))
_register("cosdg",     lambda g, ans, x: -g * (math.pi / 180.0) * sp.sindg(x))


def _expn_below(ans: Any, n: Any, x: Any) -> Any:
    """Return the exponential integral of order n - 1, which SciPy has for orders of 0 and above."""
    below = sp.expn(np.maximum(np.subtract(n, 1), 0), x)
    known = np.greater_equal(n, 1)
    return np.where(known, below, (np.exp(-x) - (n - 1.0) * ans) / np.where(known, 1.0, x))


# Entropies.  A gradient of 0 stays 0 beside an infinite logarithm, as in `rules.elementwise`.

_register("entr",     lambda g, ans, x: -sp.xlogy(g, x) - g)
_register("xlogy",    lambda g, ans, x, y: unbroadcast(sp.xlogy(g, y), x),
                      lambda g, ans, x, y: unbroadcast(safe_divide(g * x, y), y))
_register("xlog1py",  lambda g, ans, x, y: unbroadcast(sp.xlog1py(g, y), x),
                      lambda g, ans, x, y: unbroadcast(safe_divide(g * x, 1.0 + y), y))
_register("rel_entr", lambda g, ans, x, y: unbroadcast(sp.xlogy(g, x) - sp.xlogy(g, y) + g, x),
                      lambda g, ans, x, y: unbroadcast(safe_divide(-g * x, y), y))
_register("kl_div",   lambda g, ans, x, y: unbroadcast(sp.xlogy(g, x) - sp.xlogy(g, y), x),
                      lambda g, ans, x, y: unbroadcast(g + safe_divide(-g * x, y), y))
# fmt: on

# The gamma function.


def _polygamma(x: Any, *, n: int) -> Any:
    return np.asarray(special.polygamma(n, x)).astype(x.dtype)


polygamma: Any = register_rule(
    _polygamma, lambda g, ans, x, *, n: g * polygamma(x, n=n + 1), name="scipy.special.polygamma"
)

# fmt: off
_register("gamma",    lambda g, ans, x: g * ans * sp.psi(x))
_register("gammaln",  lambda g, ans, x: g * sp.psi(x))
_register("loggamma", lambda g, ans, x: g * sp.psi(x))
_register("rgamma",   lambda g, ans, x: -g * ans * sp.psi(x))
_register("psi",      lambda g, ans, x: g * polygamma(x, n=1))
_register("digamma",  lambda g, ans, x: g * polygamma(x, n=1))
_register("beta",     lambda g, ans, a, b: unbroadcast(g * ans * (sp.psi(a) - sp.psi(a + b)), a),
                      lambda g, ans, a, b: unbroadcast(g * ans * (sp.psi(b) - sp.psi(a + b)), b))
_register("betaln",   lambda g, ans, a, b: unbroadcast(g * (sp.psi(a) - sp.psi(a + b)), a),
                      lambda g, ans, a, b: unbroadcast(g * (sp.psi(b) - sp.psi(a + b)), b))
_register("gammainc",  None, lambda g, ans, a, x: unbroadcast(g * _gamma_density(a, x), x))
_register("gammaincc", None, lambda g, ans, a, x: unbroadcast(-g * _gamma_density(a, x), x))
_register("betainc", None, None, lambda g, ans, a, b, x: unbroadcast(g * _beta_density(a, b, x), x))
# fmt: on


def _gamma_density(a: Any, x: Any) -> Any:
    return np.exp(sp.xlogy(a - 1.0, x) - x - special.gammaln(a)).astype(x.dtype)


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    return np.exp(sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - special.betaln(a, b)).astype(x.dtype)


# Bessel functions.  The slope of an order is the mean of its neighbours, up to signs.

# fmt: off
_register("j0", lambda g, ans, x: -g * sp.j1(x))
_register("y0", lambda g, ans, x: -g * sp.y1(x))
_register("i0", lambda g, ans, x: g * sp.i1(x))
_register("k0", lambda g, ans, x: -g * sp.k1(x))
_register("j1", lambda g, ans, x: g * (sp.j0(x) - sp.jv(2, x)) / 2.0)
_register("y1", lambda g, ans, x: g * (sp.y0(x) - sp.yv(2, x)) / 2.0)
_register("i1", lambda g, ans, x: g * (sp.i0(x) + sp.iv(2, x)) / 2.0)
_register("k1", lambda g, ans, x: -g * (sp.k0(x) + sp.kv(2, x)) / 2.0)
_register("jv", None, lambda g, ans, v, x: unbroadcast(g * (sp.jv(v - 1, x) - sp.jv(v + 1, x)) / 2.0, x))
_register("yv", None, lambda g, ans, v, x: unbroadcast(g * (sp.yv(v - 1, x) - sp.yv(v + 1, x)) / 2.0, x))
_register("yn", None, lambda g, ans, n, x: unbroadcast(g * (sp.yv(n - 1, x) - sp.yv(n + 1, x)) / 2.0, x))
_register("iv", None, lambda g, ans, v, x: unbroadcast(g * (sp.iv(v - 1, x) + sp.iv(v + 1, x)) / 2.0, x))
_register("kv", None, lambda g, ans, v, x: unbroadcast(-g * (sp.kv(v - 1, x) + sp.kv(v + 1, x)) / 2.0, x))
_register("i0e", lambda g, ans, x: g * (sp.i1e(x) - np.sign(x) * ans))
_register("i1e", lambda g, ans, x: g * ((sp.i0e(x) + sp.ive(2, x)) / 2.0 - np.sign(x) * ans))
_register("k0e", lambda g, ans, x: g * (ans - sp.k1e(x)))
_register("k1e", lambda g, ans, x: g * (ans - (sp.k0e(x) + sp.kve(2, x)) / 2.0))
_register("ive", None, lambda g, ans, v, x: unbroadcast(
    g * ((sp.ive(v - 1, x) + sp.ive(v + 1, x)) / 2.0 - np.sign(x) * ans), x))
_register("kve", None, lambda g, ans, v, x: unbroadcast(
    g * (ans - (sp.kve(v - 1, x) + sp.kve(v + 1, x)) / 2.0), x))

# Losses and power transforms.

_register("huber", lambda g, ans, delta, r: unbroadcast(g * np.maximum(np.abs(r) - delta, 0.0), delta),
                   lambda g, ans, delta, r: unbroadcast(g * np.clip(r, -delta, delta), r))
_register("pseudo_huber", lambda g, ans, delta, r: unbroadcast(g * _pseudo_huber_by_delta(delta, r), delta),
                          lambda g, ans, delta, r: unbroadcast(g * (safe_ratio(r, np.hypot(delta, r)) * delta), r))
_register("boxcox",     lambda g, ans, x, power: unbroadcast(g * x ** (power - 1.0), x), None)
_register("boxcox1p",   lambda g, ans, x, power: unbroadcast(g * (1.0 + x) ** (power - 1.0), x), None)
_register("inv_boxcox", lambda g, ans, y, power: unbroadcast(g * ans ** (1.0 - power), y), None)
# fmt: on


def _pseudo_huber_by_delta(delta: Any, r: Any) -> Any:
    """Return r (r / h) (r / (h + delta))**2 with h = hypot(delta, r), in which nothing cancels."""
    length = np.hypot(delta, r)
    return r * safe_ratio(r, length) * np.square(safe_ratio(r, length + delta))


# Products with sparse matrices: `t @ sparse` and `np.matmul(sparse, t)`.  The matrix itself is a constant.


def _times_sparse(x: Any, *, matrix: Any, guards: Any = ()) -> Any:
    """Return x @ matrix for any number of leading axes."""
    rows = np.asarray(np.reshape(x, (-1, x.shape[-1])) @ matrix)
    return np.reshape(rows, x.shape[:-1] + matrix.shape[1:])


def _times_transpose(g: Any, ans: Any, x: Any, *, matrix: Any, guards: Any = ()) -> Any:
    """Slope matrix.T, of the matrix that the forward pass read."""
    for guard in guards:
        guard.check()
    return times_sparse(g, matrix=matrix.T, guards=guards)


times_sparse: Any = register_rule(_times_sparse, _times_transpose, name="np.matmul")


def _kept(matrix: Any) -> tuple[Any, list[Guard]]:
    """Return a sparse matrix for the backward pass: a copy if it is small, else its arrays, with a guard each."""
    if matrix.format not in ("csr", "csc"):
        return matrix.tocsr(), []
    arrays = {part: getattr(matrix, part) for part in ("data", "indices", "indptr")}
    if sum(array.nbytes for array in arrays.values()) <= COPIED:
        return matrix.copy(), []
    guards = [Guard(array, f"np.matmul: {part} of the sparse matrix") for part, array in arrays.items()]
    return type(matrix)(tuple(arrays.values()), shape=matrix.shape), guards


def sparse_matmul(x1: Any, x2: Any) -> Any:
    """Multiply a Tensor by a sparse matrix, from either side."""
    issparse: Any = sparse.issparse
    x, matrix = (x1, x2) if issparse(x2) else (np.swapaxes(x2, -1, -2) if x2.ndim > 1 else x2, x1.T)
    if matrix.ndim != 2 or not x.ndim or x.shape[-1] != matrix.shape[0]:
        raise ValueError(f"matmul: shapes {np.shape(x1)} and {np.shape(x2)} do not match for a product of matrices")
    matrix, guards = _kept(matrix) if x.requires_grad and state().enabled else (matrix, [])
    product = times_sparse(x, matrix=matrix, guards=guards)
    return product if issparse(x2) or x2.ndim == 1 else np.swapaxes(product, -1, -2)


OTHER_OPERANDS[np.matmul, "scipy"] = sparse_matmul
