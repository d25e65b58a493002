"""Derivatives of matrix decompositions and of what is solved with them: eigenvalues, singular values, least squares.

A decomposition into several matrices is one function of the table, whose result is these matrices below each other.

What NumPy does not read has no gradient: `cholesky`, `eigh` and `eigvalsh` read one triangle of a matrix, and the
gradient is in that triangle.  What happens at degenerate values:

- Eigenvalues or singular values that are equal have a gradient; the vectors that belong to them have none, since any
  rotation of them will do as well.  A gradient that is asked for all the same raises LinAlgError, and so does the
  second derivative of equal eigenvalues, which needs them.  Vectors that belong to a singular value of 0 likewise.
- A singular value of 0 has slope 0, as |x| at 0.
- `qr`, `pinv` and `lstsq` raise LinAlgError at a matrix without full rank: the result jumps there, or is not unique.
"""

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.rules.joining import array_of, as_array
from acg_numpy.autograd.table import NoDerivativeError


def _tolerance(values: Any, sides: tuple[int, ...]) -> Any:
    """Return the difference up to which two values count as equal: the error with which they are computed."""
    largest = np.max(np.abs(values), axis=-1, keepdims=True, initial=0.0)
    return largest * (4 * max(sides) * np.finfo(values.dtype).eps)


def _symmetric(a: Any) -> Any:
    return (a + a.mT) / 2.0


def _from_triangle(a: Any, upper: bool) -> Any:
    """Return the symmetric matrix of which one triangle is given."""
    if a.ndim < 2:
        raise LinAlgError(f"matrices are needed, got shape {a.shape}")
    half = np.triu(a) if upper else np.tril(a)
    rest = np.triu(a, 1) if upper else np.tril(a, -1)
    return half + rest.mT


# Cholesky.  From A = L L' follows dL = L F(L^-1 dA L'^-1), F the lower triangle with half of the diagonal.


def _cholesky(a: Any) -> Any:
    return np.linalg.cholesky(a)


def _half_of_diagonal(a: Any) -> Any:
    """Return the lower triangle with half of the diagonal."""
    return np.tril(a, -1) + np.tril(np.triu(a)) / 2.0


def _cholesky_rule(g: Any, ans: Any, a: Any) -> Any:
    """Return the symmetric part of L'^-1 F(L' dL) L^-1."""
    inner = _half_of_diagonal(ans.mT @ g)
    left = np.linalg.solve(ans.mT, inner)
    return _symmetric(np.linalg.solve(ans.mT, left.mT))


cholesky_of_symmetric = register_rule(_cholesky, _cholesky_rule, name="np.linalg.cholesky")


@composite(np.linalg.cholesky)
def cholesky(a: Any, upper: bool = False) -> Any:
    """Return the triangular factor of a positive definite matrix, of which one triangle is read."""
    lower = cholesky_of_symmetric(_from_triangle(as_array(a), upper))
    return lower.mT if upper else lower


# Eigenvalues of symmetric matrices.  With A V = V diag(w):  dw = diag(V' dA V),  dV = V (F * (V' dA V)),
# F_ij = 1 / (w_j - w_i) off the diagonal.


def _eigh(a: Any, triangle: Any) -> Any:
    """Return eigenvalues as the first row, and the eigenvectors below it: (..., 1 + n, n)."""
    values, vectors = np.linalg.eigh(a, triangle)
    return np.concatenate([values[..., None, :], vectors], axis=-2)


def _inverse_gaps(values: Any, uses: Any, tolerance: Any, what: str) -> Any:
    """Return 1 / (w_j - w_i), and 0 on the diagonal and where the two are equal and neither vector is used."""
    plain, diagonal = array_of(values), np.eye(values.shape[-1], dtype=bool)
    near = np.abs(plain[..., None, :] - plain[..., :, None]) <= tolerance[..., None]
    if np.any(near & ~diagonal & (uses[..., :, None] | uses[..., None, :])):
        raise LinAlgError(f"the vectors of equal {what} have no derivative, and a second one of the values needs it")
    gaps = values[..., None, :] - values[..., :, None]
    return np.where(near, 0.0, 1.0 / np.where(near, 1.0, gaps))


def _used(g: Any) -> Any:
    """Return which columns the gradient is not zero for."""
    return np.any(np.not_equal(g, 0.0), axis=-2)


def _diagonal_matrix(values: Any) -> Any:
    return values[..., None] * np.eye(values.shape[-1], dtype=values.dtype)


def _eigh_rule(g: Any, ans: Any, a: Any, triangle: Any) -> Any:
    """Return V (diag(dw) + F * (V' dV)) V'."""
    values, vectors = ans[..., 0, :], ans[..., 1:, :]
    g_values, g_vectors = g[..., 0, :], g[..., 1:, :]
    inner = _diagonal_matrix(g_values)
    uses = _used(g_vectors)
    if np.any(uses):
        gaps = _inverse_gaps(values, uses, _tolerance(array_of(values), a.shape[-1:]), "eigenvalues")
        inner = inner + gaps * (vectors.mT @ g_vectors)
    return _symmetric(vectors @ inner @ vectors.mT)


eigh_of_symmetric = register_rule(_eigh, _eigh_rule, name="np.linalg.eigh")


@composite(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of a symmetric matrix, of which one triangle is read."""
    result = type(np.linalg.eigh(np.eye(1)))
    both = _eigh_from_triangle(a, UPLO)
    return result(both[..., 0, :], both[..., 1:, :])


@composite(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of a symmetric matrix, of which one triangle is read."""
    return _eigh_from_triangle(a, UPLO)[..., 0, :]


def _eigh_from_triangle(a: Any, UPLO: str) -> Any:
    triangle = UPLO.upper()
    if triangle not in ("L", "U"):
        raise ValueError(f"UPLO is {UPLO!r}; there are 'L' and 'U'")
    return eigh_of_symmetric(_from_triangle(as_array(a), triangle == "U"), triangle=triangle)


# Singular values.  With A = U diag(s) V', U and V of k = min(m, n) columns, and F_ij = 1 / (s_j**2 - s_i**2):
#   dA = U diag(ds) V' + U (F * (U' dU - dU' U)) diag(s) V' + U diag(s) (F * (V' dV - dV' V)) V'
#        + (1 - U U') dU diag(1/s) V' + U diag(1/s) dV' (1 - V V').


def _svd(a: Any) -> Any:
    """Return U, s and V below each other: (..., m + 1 + n, k)."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, s[..., None, :], vh.mT], axis=-2)


def _split_svd(both: Any, m: int) -> tuple[Any, Any, Any]:
    return both[..., :m, :], both[..., m, :], both[..., m + 1 :, :]


def _svd_rule(g: Any, ans: Any, a: Any) -> Any:
    m, n = a.shape[-2:]
    u, s, v = _split_svd(ans, m)
    g_u, g_s, g_v = _split_svd(g, m)
    plain = array_of(s)
    tolerance = _tolerance(plain, (m, n))
    zero = plain <= tolerance
    inner = _diagonal_matrix(np.where(zero, 0.0, g_s))
    uses_u, uses_v = _used(g_u), _used(g_v)
    uses = uses_u | uses_v
    if not np.any(uses):
        return u @ inner @ v.mT
    if np.any(zero & uses):
        raise LinAlgError("the vectors of singular values that are 0 have no derivative")
    largest = np.max(plain, axis=-1, keepdims=True, initial=0.0)
    gaps = _inverse_gaps(np.square(s), uses, 2.0 * largest * tolerance, "singular values")
    left, right = u.mT @ g_u, v.mT @ g_v
    inner = inner + gaps * (left - left.mT) * s[..., None, :] + s[..., :, None] * (gaps * (right - right.mT))
    inverse = np.where(zero, 0.0, 1.0 / np.where(zero, 1.0, s))[..., None, :]
    beyond_u, beyond_v = (g_u - u @ left) * inverse, (g_v - v @ right) * inverse
    return u @ inner @ v.mT + beyond_u @ v.mT + u @ beyond_v.mT


thin_svd = register_rule(_svd, _svd_rule, name="np.linalg.svd")


@composite(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return the singular value decomposition, or the singular values alone."""
    a = as_array(a)
    m, n = a.shape[-2:]
    if not compute_uv:
        return svdvals(a)
    if full_matrices and m != n:
        raise NoDerivativeError(
            f"np.linalg.svd: the vectors beyond the singular values, of a matrix of shape {(m, n)}, have no "
            "derivative; leave them out with full_matrices=False"
        )
    u, s, v = _split_svd(thin_svd(a), m)
    return type(np.linalg.svd(np.eye(1)))(u, s, v.mT)


@composite(np.linalg.svdvals)
def svdvals(x: Any) -> Any:
    """Return the singular values."""
    x = as_array(x)
    return thin_svd(x)[..., x.shape[-2], :]


# QR.  With M = R dR' - dQ' Q:  dA = (dQ + Q (tril(M) + tril(M, -1)')) R'^-1.


def _qr(a: Any) -> Any:
    """Return Q and R' below each other, for a matrix with at least as many rows as columns: (..., m + n, n)."""
    q, r = np.linalg.qr(a)
    return np.concatenate([q, r.mT], axis=-2)


def _qr_rule(g: Any, ans: Any, a: Any) -> Any:
    m = a.shape[-2]
    q, r = ans[..., :m, :], ans[..., m:, :].mT
    g_q, g_r = g[..., :m, :], g[..., m:, :].mT
    pivots = np.abs(np.diagonal(array_of(r), axis1=-2, axis2=-1))
    if np.any(pivots <= _tolerance(pivots, a.shape[-2:])):
        raise LinAlgError("qr has no derivative at a matrix whose columns depend on each other")
    inner = np.tril(r @ g_r.mT - g_q.mT @ q)
    both = inner + np.tril(inner, -1).mT
    return np.linalg.solve(r, (g_q + q @ both).mT).mT


tall_qr = register_rule(_qr, _qr_rule, name="np.linalg.qr")


@composite(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Return an orthogonal and a triangular factor."""
    a = as_array(a)
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise NoDerivativeError(f"np.linalg.qr: no derivative with mode={mode!r}; there are 'reduced' and 'r'")
    k = min(m, n)
    both = tall_qr(a[..., :, :k])
    q, r = both[..., :m, :], np.triu(both[..., m:, :].mT)
    if n > k:  # the columns beyond the square
        r = np.concatenate([r, q.mT @ a[..., :, k:]], axis=-1)
    return r if mode == "r" else type(np.linalg.qr(np.eye(1)))(q, r)


# Pseudo-inverse and least squares, for matrices of full rank.  With P = A^+ and the residual r = b - A x:
#   dP = -P dA P + P P' dA' (1 - A P) + (1 - P A) dA' P' P,   dx = P db - P dA x + P P' dA' r + (1 - P A) dA' P' x.


def _check_full_rank(p: Any, a: Any, name: str) -> None:
    """Refuse a matrix of which the pseudo-inverse inverts less than it could."""
    rank = np.einsum("...ij,...ji->...", array_of(p), array_of(a))
    if np.any(rank < min(a.shape[-2:]) - 0.5):
        raise LinAlgError(f"{name} has no derivative at a matrix without full rank")


def _pinv_rule(g: Any, ans: Any, a: Any, rcond: Any = None, rtol: Any = None) -> Any:
    _check_full_rank(ans, a, "pinv")
    p, gt = ans, g.mT
    grad = -(p.mT @ g @ p.mT)
    inner = gt @ p
    grad = grad + (inner - a @ (p @ inner)) @ p.mT
    inner = p.mT @ (p @ gt)
    return grad + (inner - (inner @ p) @ a)


register_rule(np.linalg.pinv, _pinv_rule)


def _least_squares(a: Any, b: Any, rcond: Any = None) -> Any:
    return np.linalg.lstsq(a, b, rcond)[0]


def _as_columns(x: Any) -> Any:
    return x[:, None] if x.ndim == 1 else x


def _least_squares_left(g: Any, ans: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    p = np.linalg.pinv(a)
    _check_full_rank(p, a, "lstsq")
    g, x, b = _as_columns(g), _as_columns(ans), _as_columns(b)
    back = p.mT @ g
    grad = (b - a @ x) @ (p @ back).mT - back @ x.mT
    return grad + (p.mT @ x) @ (g - a.mT @ back).mT


def _least_squares_right(g: Any, ans: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    p = np.linalg.pinv(a)
    _check_full_rank(p, a, "lstsq")
    return p.mT @ g


least_squares = register_rule(_least_squares, _least_squares_left, _least_squares_right, name="np.linalg.lstsq")


@composite(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Return the solution of least squares, its squared residuals, the rank, and the singular values."""
    a, b = as_array(a), as_array(b)
    _, residuals, rank, _ = np.linalg.lstsq(array_of(a), array_of(b), rcond)
    x = least_squares(a, b, rcond=rcond)
    if residuals.size:
        residuals = np.sum(_as_columns(np.square(b - a @ x)), axis=0)
    return x, residuals, rank, svdvals(a)
