"""Losses of direction: `cosine` pulls two rows to point the same way, `diversity` keeps rows from doing so.

Both depend on the rows x through their directions alone.  With |x| = sqrt(x . x),

    x^ = x / |x|,    dx^_j / dx_i = (1[i = j] - x^_j x^_i) / |x|

because |x| moves with x_i by x_i / |x| = x^_i.  So a gradient dx^ with respect to the direction becomes

    dx = (dx^ - x^ (x^ . dx^)) / |x|                                            (*)

the part of it that is orthogonal to x, because moving along x turns nothing; and the longer x is, the less it turns.  A
row of zeros has no direction: here its direction is 0, so that its cosine with anything is 0, and it gets no gradient.

Cosine, N pairs of rows.  c = a^ . b^ is 1 for the same direction, 0 for a right angle, -1 for opposite ones:

    L = sum (1 - c) / N
    da^ = -b^ dL / N,    db^ = -a^ dL / N,    then da and db by (*)

Diversity, sets X of n rows.  With their directions as the rows of U, C = U U^T holds the cosines of all pairs.  Those
off its diagonal count, n (n - 1) a set, N in all:

    L = sum_{i != j} C_ij^2 / N
    dC_ij = 2 C_ij dL / N off the diagonal, 0 on it
    dU = dC U + dC^T U = 2 dC U,    then dX by (*)

A row stands in C twice, as a row and as a column: hence the second term, equal to the first since C is symmetric.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array, check_axes, check_distinct_rows, check_not_empty, check_same_shape


class CosineCache(NamedTuple):
    """What the backward needs: directions and lengths."""

    a_hat: Array  # (..., D)
    a_length: Array  # (..., 1)
    b_hat: Array  # (..., D)
    b_length: Array  # (..., 1)


class CosineGrads(NamedTuple):
    """One gradient for each input of `cosine_forward`."""

    a: Array  # (..., D)
    b: Array  # (..., D)


class DiversityCache(NamedTuple):
    """What the backward needs: directions, lengths, and the cosines, 0 on the diagonal."""

    U: Array  # (..., n, D)
    length: Array  # (..., n, 1)
    C: Array  # (..., n, n)


class DiversityGrads(NamedTuple):
    """One gradient for each input of `diversity_forward`."""

    x: Array  # (..., n, D)


def cosine_forward(a: Array, b: Array) -> tuple[Array, CosineCache]:
    """Compute the mean of 1 - cosine over pairs of rows.

    Parameters
    ----------
    a, b : arrays of one shape (..., D), floating
        The cosine with a row of zeros counts as 0.

    Returns
    -------
    loss : scalar
        From 0, if all pairs point the same way, to 2.
    cache : CosineCache

    Raises
    ------
    TypeError
        If an argument is not floating.
    ValueError
        If shapes differ, or are empty.

    Examples
    --------
    >>> loss, _ = cosine_forward(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [4.0, 0.0]]))
    >>> float(loss)  # the first pair agrees, the second is at a right angle
    0.5
    """
    check_axes(1, a=a, b=b)
    check_same_shape(a=a, b=b)
    a_hat, a_length = _directions(a)
    b_hat, b_length = _directions(b)
    c = np.sum(a_hat * b_hat, axis=-1)  # (...)
    N = math.prod(c.shape)
    return np.sum(1 - c) / N, CosineCache(a_hat, a_length, b_hat, b_length)


def cosine_backward(grad_out: Array, cache: CosineCache) -> CosineGrads:
    """Carry dL back to both rows of each pair.

    Parameters
    ----------
    grad_out : scalar
        dL, the gradient with respect to the loss.
    cache : CosineCache

    Returns
    -------
    CosineGrads
        Each row at a right angle to its input's.

    Examples
    --------
    >>> _, cache = cosine_forward(np.array([[0.0, 2.0]]), np.array([[4.0, 0.0]]))
    >>> cosine_backward(1.0, cache).a  # down this slope, a turns towards b
    array([[-0.5, -0. ]])
    """
    a_hat, a_length, b_hat, b_length = cache
    N = math.prod(a_hat.shape[:-1])
    da_hat = -b_hat * (grad_out / N)
    db_hat = -a_hat * (grad_out / N)
    return CosineGrads(_directions_backward(da_hat, a_hat, a_length), _directions_backward(db_hat, b_hat, b_length))


def diversity_forward(x: Array) -> tuple[Array, DiversityCache]:
    """Compute the mean squared cosine of distinct rows.

    Parameters
    ----------
    x : array, shape (..., n, D), floating
        Sets of n >= 2 rows; rows are compared within their set.

    Returns
    -------
    loss : scalar
        From 0, if all rows of a set are at right angles (or zero), to 1, if all are parallel.
    cache : DiversityCache

    Raises
    ------
    TypeError
        If x is not floating.
    ValueError
        If a set has fewer than two rows, or there are no elements.

    Examples
    --------
    >>> float(diversity_forward(np.eye(3))[0])
    0.0
    >>> float(diversity_forward(np.array([[1.0, 0.0], [-2.0, 0.0]]))[0])
    1.0
    """
    check_axes(2, x=x)
    check_not_empty(x=x)
    check_distinct_rows(x)
    U, length = _directions(x)
    n = x.shape[-2]
    C = np.where(np.eye(n, dtype=bool), 0.0, U @ np.swapaxes(U, -1, -2))  # (..., n, n)
    N = math.prod(x.shape[:-1]) * (n - 1)
    return np.sum(C * C) / N, DiversityCache(U, length, C)


def diversity_backward(grad_out: Array, cache: DiversityCache) -> DiversityGrads:
    """Carry dL back to the rows.

    Parameters
    ----------
    grad_out : scalar
        dL, the gradient with respect to the loss.
    cache : DiversityCache

    Returns
    -------
    DiversityGrads
        dX, shape (..., n, D).

    Examples
    --------
    >>> _, cache = diversity_forward(np.eye(3))
    >>> diversity_backward(1.0, cache).x.any()  # as diverse as can be
    np.False_
    """
    U, length, C = cache
    N = math.prod(U.shape[:-1]) * (U.shape[-2] - 1)
    dC = 2 * C * (grad_out / N)
    dU = 2 * (dC @ U)  # (..., n, n) @ (..., n, D) -> (..., n, D)
    return DiversityGrads(_directions_backward(dU, U, length))


def _directions(x: Array) -> tuple[Array, Array]:
    """Return x^ and |x|; for a row of zeros 0 and 1."""
    square = np.sum(x * x, axis=-1, keepdims=True)  # (..., 1)
    length = np.sqrt(np.where(square != 0, square, 1.0))
    return np.where(square != 0, x / length, 0.0), length


def _directions_backward(dx_hat: Array, x_hat: Array, length: Array) -> Array:
    """Carry the gradient of a direction to that of its row, by (*); zero for a row of zeros."""
    dx = (dx_hat - x_hat * np.sum(x_hat * dx_hat, axis=-1, keepdims=True)) / length
    has_direction = np.sum(x_hat * x_hat, axis=-1, keepdims=True) != 0
    return np.where(has_direction, dx, 0.0)
