"""Derivatives of linear algebra: norms, inverses, solutions, determinants, powers.

The last section holds np.linalg's other names for functions that have rules already.  Conventions at kinks: a norm of 0
has slope 0, at every order; the norms 1, -1, inf and -inf are sums and maxima of absolute values, with their
conventions.
"""

from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.reductions import spread
from acg_numpy.autograd.table import NoDerivativeError
from acg_numpy.autograd.tensors import Tensor
from acg_numpy.shapes import unbroadcast

# Norms.


def _euclidean(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def euclidean_slope(g: Any, ans: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Slope x / |x|, and 0 where |x| is 0."""
    length = spread(ans, x, axis, keepdims)
    flat = length == 0
    return spread(g, x, axis, keepdims) * np.where(flat, 0.0, x / np.where(flat, 1.0, length))


euclidean = register_rule(_euclidean, euclidean_slope)


@composite(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors along an axis, or of matrices along two."""
    if axis is None:
        if ord is None:
            return euclidean(x, tuple(range(x.ndim)), keepdims)
        if x.ndim not in (1, 2):
            raise ValueError(
                f"np.linalg.norm: with ord={ord!r} an array of {x.ndim} axes needs axis=, one or two of them"
            )
        axis = tuple(range(x.ndim))
    axes = tuple(int(i) % x.ndim for i in (axis if np.iterable(axis) else (axis,)))
    if len(axes) == 1:
        return norm_of_vectors(x, axes, 2 if ord is None else ord, keepdims)
    if len(axes) == 2:
        return norm_of_matrices(x, axes, "fro" if ord is None else ord, keepdims)
    raise ValueError(f"np.linalg.norm: axis={axis!r} should be one axis or two")


def norm_of_vectors(x: Any, axes: tuple[int, ...], ord: Any, keepdims: bool) -> Any:
    """Over all `axes` together."""
    if ord == 2:
        return euclidean(x, axes, keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == np.inf:
        return np.max(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axes, keepdims=keepdims)
    raise NoDerivativeError(
        f"np.linalg.norm: no derivative with ord={ord!r} for vectors; there are None, 1, 2, inf, -inf"
    )


def norm_of_matrices(x: Any, axes: tuple[int, ...], ord: Any, keepdims: bool) -> Any:
    """Frobenius, or the largest or smallest absolute sum of a column (1, -1) or a row (inf, -inf)."""
    if ord == "fro":
        return euclidean(x, axes, keepdims)
    if ord not in (1, -1, np.inf, -np.inf):
        raise NoDerivativeError(
            f"np.linalg.norm: no derivative with ord={ord!r} for matrices, which is about singular values; there are "
            "None, 'fro', 1, -1, inf, -inf; for the Euclidean norm of all elements use np.linalg.norm(np.ravel(x))"
        )
    summed, chosen = axes if abs(ord) == 1 else axes[::-1]
    sums = np.sum(np.abs(x), axis=summed, keepdims=True)
    extremum = np.max if ord > 0 else np.min
    return np.squeeze(extremum(sums, axis=chosen, keepdims=True), axis=() if keepdims else axes)


@composite(np.linalg.vector_norm)
def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return the norm of vectors; any number of axes count as one vector."""
    axes = range(x.ndim) if axis is None else axis if np.iterable(axis) else (axis,)
    return norm_of_vectors(x, tuple(int(i) % x.ndim for i in axes), ord, keepdims)


@composite(np.linalg.matrix_norm)
def matrix_norm(x: Any, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norm of matrices, which are the last two axes."""
    return norm_of_matrices(x, (x.ndim - 2, x.ndim - 1), ord, keepdims)


# Inverse and solution.  From A X = 1 follows dA X + A dX = 0, so dX = -X dA X;  from A x = b in the same way
# dx = A^-1 (db - dA x).

register_rule(np.linalg.inv, lambda g, ans, a: -(ans.mT @ g @ ans.mT))


def solve_right(g: Any, ans: Any, a: Any, b: Any) -> Any:
    """Return A'^-1 dX; a vector is a matrix of one column."""
    if b.ndim == 1:
        return unbroadcast(np.linalg.solve(a.mT, g[..., None])[..., 0], b)
    return unbroadcast(np.linalg.solve(a.mT, g), b)


def solve_left(g: Any, ans: Any, a: Any, b: Any) -> Any:
    """Return -(A'^-1 dX) X'."""
    if b.ndim == 1:
        return unbroadcast(-np.linalg.solve(a.mT, g[..., None]) * ans[..., None, :], a)
    return unbroadcast(-(np.linalg.solve(a.mT, g) @ ans.mT), a)


register_rule(np.linalg.solve, solve_left, solve_right)

# Determinant.  Its slope in a_ij is the cofactor C_ij, and C = det A^-1' where the inverse can be trusted.  Elsewhere
# the cofactors are the determinants of what is left without row i and column j, which exist for every matrix.

# |det| over the product of the rows' lengths, its largest possible value.
NEARLY_SINGULAR = 1e-6


def _cofactors(det: Any, a: Any) -> Any:
    """Return the cofactors of a stack of square matrices."""
    n = a.shape[-1]
    lengths = np.prod(np.sqrt(np.sum(a * a, axis=-1)), axis=-1)
    if n == 0 or np.all(np.abs(det) > NEARLY_SINGULAR * lengths):
        return det[..., None, None] * np.linalg.inv(a).mT
    others = np.array([[j for j in range(n) if j != i] for i in range(n)], dtype=np.intp)  # (n, n - 1)
    minors = np.linalg.det(a[..., others[:, None, :, None], others[None, :, None, :]])  # (..., n, n)
    signs = np.where(np.add.outer(np.arange(n), np.arange(n)) % 2, -1.0, 1.0)
    return minors * signs.astype(a.dtype)


register_rule(np.linalg.det, lambda g, ans, a: g[..., None, None] * _cofactors(ans, a))


def _log_abs_det(a: Any) -> Any:
    return np.linalg.slogdet(a).logabsdet


log_abs_det = register_rule(_log_abs_det, lambda g, ans, a: g[..., None, None] * np.linalg.inv(a).mT)


@composite(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Return the sign, which has no derivative to give, and the logarithm of the absolute value, which has."""
    plain = np.linalg.slogdet(a._data if isinstance(a, Tensor) else a)
    return type(plain)(plain.sign, log_abs_det(a))


# The same under other names.


@composite(np.linalg.matmul)
def matmul(x1: Any, x2: Any) -> Any:
    """Return np.matmul."""
    return np.matmul(x1, x2)


@composite(np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """Exchange the last two axes."""
    return np.swapaxes(x, -1, -2)


@composite(np.linalg.outer)
def outer(x1: Any, x2: Any) -> Any:
    """Multiply each element of a vector by each of another."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"np.linalg.outer: two vectors are needed, got shapes {np.shape(x1)} and {np.shape(x2)}")
    return np.outer(x1, x2)


@composite(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Return np.tensordot."""
    return np.tensordot(x1, x2, axes=axes)


@composite(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Sum products along an axis."""
    return np.sum(np.multiply(x1, x2), axis=axis)


@composite(np.linalg.diagonal)
def diagonal(x: Any, offset: int = 0) -> Any:
    """Return the diagonal of the last two axes."""
    return np.diagonal(x, offset, axis1=-2, axis2=-1)


@composite(np.linalg.trace)
def trace(x: Any, offset: int = 0) -> Any:
    """Sum the diagonal of the last two axes."""
    return np.trace(x, offset, axis1=-2, axis2=-1)
