"""Heads: the last axis cut into H pieces that attend side by side, and put together again.

Forward.  Row l of x has D features.  Head h takes d = D / H of them that lie together, from h d to (h + 1) d - 1:

    split:   y_{h l e} = x_{l, h d + e}        (..., n_q, D) -> (..., n_q, H, d) -> (..., H, n_q, d)
    merge:   the same read from right to left  (..., H, n_q, d) -> (..., n_q, H, d) -> (..., n_q, D)

The exchange of n_q and H in the middle is essential, and the classical mistake is to leave it out: reshaping
(..., n_q, D) to (..., H, n_q, d) directly has the right shape and mixes the rows.

Backward.  Both only move numbers, each to a place of its own, so each gradient moves back the way its number came: the
backward of split is merge, that of merge is split.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array, check_axes, check_num_heads


class SplitHeadsCache(NamedTuple):
    """Empty cache: merging needs nothing but the gradient, whose shape says all."""


class SplitHeadsGrads(NamedTuple):
    """One gradient for each input of `split_heads_forward`."""

    x: Array  # (..., n_q, D)


class MergeHeadsCache(NamedTuple):
    """Number of heads, which splitting again needs."""

    num_heads: int


class MergeHeadsGrads(NamedTuple):
    """One gradient for each input of `merge_heads_forward`."""

    x: Array  # (..., H, n_q, d)


def split_heads_forward(x: Array, *, num_heads: int) -> tuple[Array, SplitHeadsCache]:
    """Cut the features of each row into heads.

    Parameters
    ----------
    x : array, shape (..., n_q, D), floating
    num_heads : int
        H, a divisor of D.

    Returns
    -------
    y : array, shape (..., H, n_q, D // H)
    cache : SplitHeadsCache

    Raises
    ------
    TypeError
        If x is not floating.
    ValueError
        If H does not divide D, or x has no rows axis.

    Examples
    --------
    >>> split_heads_forward(np.array([[0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]]), num_heads=2)[0]
    array([[[ 0.,  1.],
            [10., 11.]],
    <BLANKLINE>
           [[ 2.,  3.],
            [12., 13.]]])
    """
    check_axes(2, x=x)
    *batch, L, D = x.shape
    check_num_heads(num_heads, D, "x")
    by_row = np.reshape(x, (*batch, L, num_heads, D // num_heads))  # (..., n_q, H, d)
    return np.swapaxes(by_row, -3, -2), SplitHeadsCache()  # (..., H, n_q, d)


def split_heads_backward(grad_out: Array, cache: SplitHeadsCache) -> SplitHeadsGrads:
    """Merge the gradients of the heads.

    Parameters
    ----------
    grad_out : array, shape (..., H, n_q, d)
    cache : SplitHeadsCache

    Returns
    -------
    SplitHeadsGrads
        dx, shape (..., n_q, H d).

    Examples
    --------
    >>> x = np.arange(8.0).reshape(2, 4)
    >>> split_heads_backward(*split_heads_forward(x, num_heads=2)).x  # there and back
    array([[0., 1., 2., 3.],
           [4., 5., 6., 7.]])
    """
    dx, _ = merge_heads_forward(grad_out)
    return SplitHeadsGrads(dx)


def merge_heads_forward(x: Array) -> tuple[Array, MergeHeadsCache]:
    """Put the heads of each row side by side.

    Parameters
    ----------
    x : array, shape (..., H, n_q, d), floating

    Returns
    -------
    y : array, shape (..., n_q, H d)
    cache : MergeHeadsCache

    Raises
    ------
    TypeError
        If x is not floating.
    ValueError
        If x has fewer than three axes.

    Examples
    --------
    >>> heads = np.array([[[0.0, 1.0], [10.0, 11.0]], [[2.0, 3.0], [12.0, 13.0]]])
    >>> merge_heads_forward(heads)[0]
    array([[ 0.,  1.,  2.,  3.],
           [10., 11., 12., 13.]])
    """
    check_axes(3, x=x)
    *batch, H, L, d = x.shape
    by_row = np.swapaxes(x, -3, -2)  # (..., n_q, H, d)
    return np.reshape(by_row, (*batch, L, H * d)), MergeHeadsCache(H)


def merge_heads_backward(grad_out: Array, cache: MergeHeadsCache) -> MergeHeadsGrads:
    """Split the gradient into heads.

    Parameters
    ----------
    grad_out : array, shape (..., n_q, H d)
    cache : MergeHeadsCache

    Returns
    -------
    MergeHeadsGrads
        dx, shape (..., H, n_q, d).

    Examples
    --------
    >>> heads = np.arange(8.0).reshape(2, 2, 2)
    >>> (merge_heads_backward(*merge_heads_forward(heads)).x == heads).all()
    np.True_
    """
    dx, _ = split_heads_forward(grad_out, num_heads=cache.num_heads)
    return MergeHeadsGrads(dx)
