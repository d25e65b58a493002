"""Derivatives of linear algebra: norms, inverses, solutions, determinants, powers.

The last section holds np.linalg's other names for functions that have rules already.  Conventions at kinks: a norm of 0
has slope 0, at every order; the norms 1, -1, inf and -inf are sums and maxima of absolute values, with their
conventions.
"""

import math
import operator
import string
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.joining import array_of, as_array
from acg_numpy.autograd.rules.reductions import spread
from acg_numpy.shapes import unbroadcast

# Norms.


def _euclidean(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def euclidean_slope(g: Any, ans: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    """Slope x / |x|, and 0 where |x| is 0."""
    length = spread(ans, x, axis, keepdims)
    flat = length == 0
    return spread(g, x, axis, keepdims) * np.where(flat, 0.0, x / np.where(flat, 1.0, length))


euclidean = register_rule(_euclidean, euclidean_slope, name="np.linalg.norm")


def _p_norm(x: Any, axis: Any, keepdims: Any, p: float) -> Any:
    return np.sum(np.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1.0 / p)


def p_norm_slope(g: Any, ans: Any, x: Any, axis: Any, keepdims: Any, p: float) -> Any:
    """Slope sign(x) (|x| / ans)**(p - 1), and 0 where x is 0."""
    length = spread(ans, x, axis, keepdims)
    flat = np.equal(x, 0) | np.equal(length, 0)
    ratio = np.where(flat, 1.0, np.abs(x)) / np.where(flat, 1.0, length)
    return spread(g, x, axis, keepdims) * np.where(flat, 0.0, np.sign(x) * ratio ** (p - 1.0))


p_norm = register_rule(_p_norm, p_norm_slope, name="np.linalg.norm")


@composite(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """Return the norm of vectors along an axis, or of matrices along two."""
    if axis is None:
        if ord is None:
            return euclidean(x, tuple(range(x.ndim)), keepdims)
        if x.ndim not in (1, 2):
            raise ValueError(
                f"np.linalg.norm: with ord={ord!r} an array of {x.ndim} axes needs axis=, one or two of them"
            )
        axis = tuple(range(x.ndim))
    axes = normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    if len(axes) == 1:
        return norm_of_vectors(x, axes, 2 if ord is None else ord, keepdims)
    if len(axes) == 2:
        return norm_of_matrices(x, axes, "fro" if ord is None else ord, keepdims)
    raise ValueError(f"np.linalg.norm: axis={axis!r} should be one axis or two")


def norm_of_vectors(x: Any, axes: tuple[int, ...], ord: Any, keepdims: Any) -> Any:
    """Return the norm over all `axes` together; the number of elements that are not 0 has no derivative."""
    if ord == 2:
        return euclidean(x, axes, keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == np.inf:
        return np.max(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axes, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"np.linalg.norm: ord={ord!r} is for matrices; for vectors it is a number")
    if ord == 0:
        return np.sum(np.astype(np.not_equal(x, 0), x.dtype), axis=axes, keepdims=keepdims)
    return p_norm(x, axis=axes, keepdims=keepdims, p=float(ord))


def norm_of_matrices(x: Any, axes: tuple[int, ...], ord: Any, keepdims: Any) -> Any:
    """Return a norm of matrices.

    Either it is the Frobenius norm ("fro"), the largest or smallest absolute sum of a column (1, -1) or a row
    (inf, -inf), or the largest, the smallest or the sum of the singular values (2, -2, "nuc").
    """
    if axes[0] == axes[1]:
        raise ValueError(f"np.linalg.norm: axis names axis {axes[0]} twice")
    if ord == "fro":
        return euclidean(x, axes, keepdims)
    if ord in (2, -2, "nuc"):
        of_singular_values: Any = np.sum if ord == "nuc" else np.max if ord == 2 else np.min
        result = of_singular_values(np.linalg.svdvals(np.moveaxis(x, axes, (-2, -1))), axis=-1)
        return np.expand_dims(result, tuple(sorted(axes))) if keepdims else result
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(
            f"np.linalg.norm: ord={ord!r} is no norm of matrices; there are None, 'fro', 'nuc', 1, -1, 2, -2, inf, -inf"
        )
    summed, chosen = axes if abs(ord) == 1 else axes[::-1]
    sums = np.sum(np.abs(x), axis=summed, keepdims=True)
    extremum = np.max if ord > 0 else np.min
    return np.squeeze(extremum(sums, axis=chosen, keepdims=True), axis=() if keepdims else axes)


@composite(np.linalg.vector_norm)
def vector_norm(x: Any, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    """Return the norm of vectors; any number of axes count as one vector."""
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return norm_of_vectors(x, axes, ord, keepdims)


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


log_abs_det = register_rule(
    _log_abs_det, lambda g, ans, a: g[..., None, None] * np.linalg.inv(a).mT, name="np.linalg.slogdet"
)


@composite(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Return the sign, which has no derivative to give, and the logarithm of the absolute value, which has."""
    plain = np.linalg.slogdet(array_of(a))
    return type(plain)(plain.sign, log_abs_det(a))


# Powers, chains of products, and systems of equations in tensors.


@composite(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """Multiply a matrix by itself, by repeated squaring."""
    n = operator.index(n)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: square matrices are needed, got shape {a.shape}")
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    square, power = np.linalg.inv(a) if n < 0 else a, None
    for digit in reversed(f"{abs(n):b}"):
        if digit == "1":
            power = square if power is None else power @ square
        square = square @ square if abs(n) > 1 else square
    return power


@composite(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """Multiply matrices in the order that costs least; vectors may stand at the ends."""
    arrays = [as_array(array) for array in arrays]
    if len(arrays) < 2:
        raise ValueError(f"multi_dot: at least two arrays are needed, got {len(arrays)}")
    letters = string.ascii_letters[: len(arrays) + 1]
    labels = [letters[i : i + 2] for i in range(len(arrays))]
    labels[0] = labels[0][2 - arrays[0].ndim :]
    labels[-1] = labels[-1][: arrays[-1].ndim]
    output = (letters[0] if arrays[0].ndim == 2 else "") + (letters[-1] if arrays[-1].ndim == 2 else "")
    return np.einsum(f"{','.join(labels)}->{output}", *arrays, optimize=True)


@composite(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Solve tensordot(a, x, x.ndim) = b."""
    a, b = as_array(a), as_array(b)
    if axes is not None:
        last = [int(i) % a.ndim for i in axes]
        a = np.transpose(a, [i for i in range(a.ndim) if i not in last] + last)
    shape = a.shape[b.ndim :]
    size = math.prod(shape)
    if a.size != size**2:
        raise np.linalg.LinAlgError(f"tensorsolve: shape {a.shape} is not square for b of shape {b.shape}")
    return np.reshape(np.linalg.solve(np.reshape(a, (size, size)), np.ravel(b)), shape)


@composite(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse of tensordot(a, x, ind)."""
    if ind <= 0:
        raise ValueError(f"tensorinv: ind is {ind}; it must be positive")
    rows = math.prod(a.shape[ind:])
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, -1))), a.shape[ind:] + a.shape[:ind])


@composite(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number: the norm of x times the norm of its inverse."""
    x = as_array(x)
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., 0] / s[..., -1] if p != -2 else s[..., -1] / s[..., 0]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))


# The same under other names.


@composite(np.linalg.cross)
def cross(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Return the cross products of vectors of three components."""
    return np.cross(x1, x2, axis=axis)


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
