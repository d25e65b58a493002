"""Masking: products in which a weight of 0 cancels whatever it meets.

A masked pair has weight 0, and 0 times a number is 0.  But 0 times infinity is not, nor is 0 times NaN: both are NaN.
So padding that holds NaN would spoil every sum that it enters with weight 0.  The functions below keep it out.  If all
numbers are finite, which is nearly always so, they cost a look at their arguments.

Rows that no pair sees are set to 0 before any product (`zero_unseen`): queries that may attend to nothing, keys and
values that no query may attend to.

Rows that some queries see and others do not are left out of the product, and added where their weight is not 0
(`weighted_sum`):

    sum_j A_ij V_j  =  sum_{V_j finite} A_ij V_j  +  sum_{V_j not finite} (A_ij V_j if A_ij is not 0, else 0)

A gradient dP_ij of a weight P_ij that is 0 has no effect, since softmax's backward multiplies it by P_ij; so it may be
set to 0 itself (`zero_unweighted`).
"""

from typing import Any

import numpy as np

from acg_numpy.shapes import Array, unbroadcast


def zero_unseen(rows: Array, mask: Array, axis: int) -> Array:
    """Set the rows that are masked for all others to 0, if any number is not finite.

    Parameters
    ----------
    rows : array, shape (..., R, D)
    mask : bool array, shape (..., n_q, n_k)
        Leading axes broadcast; what a batch shares is seen if any element of the batch sees it.
    axis : int
        Axis of the mask to reduce over: -1 if the rows are the n_q queries, -2 if they are the n_k keys or values.

    Returns
    -------
    array, shape of `rows`

    Examples
    --------
    >>> mask = np.array([[True, False], [True, False]])
    >>> zero_unseen(np.array([[1.0, 2.0], [np.nan, 3.0]]), mask, axis=-2)
    array([[1., 2.],
           [0., 0.]])
    """
    if np.isfinite(rows).all():
        return rows
    seen: Array = np.logical_or.reduce(mask, axis=axis)
    own = np.broadcast_to(np.intp(0), rows.shape[:-1])
    times = unbroadcast(np.broadcast_to(seen, np.broadcast_shapes(seen.shape, own.shape)).astype(np.intp), own)
    return np.where(times[..., None] > 0, rows, 0.0)


def weighted_sum(weights: Array, rows: Array) -> Array:
    """Return `weights @ rows`, to which a row of weight 0 adds nothing, whatever it holds.

    Parameters
    ----------
    weights : array, shape (..., n_q, n_k)
    rows : array, shape (..., n_k, D)

    Returns
    -------
    array, shape (..., n_q, D)

    Examples
    --------
    >>> weighted_sum(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1.0], [np.inf]]))
    array([[ 1.],
           [inf]])
    """
    finite: Any = np.isfinite(rows)
    if finite.all():
        return weights @ rows
    finite = finite.all(axis=-1)  # (..., n_k)
    j = np.flatnonzero(~finite.reshape(-1, finite.shape[-1]).all(axis=0))  # (J,), not finite somewhere in the batch
    A = weights[..., j]  # (..., n_q, J)
    added = (A != 0) & ~finite[..., None, j]
    terms = A[..., None] * np.where(added[..., None], rows[..., None, j, :], 0.0)  # (..., n_q, J, D)
    out: Array = weights @ np.where(finite[..., None], rows, 0.0) + np.sum(terms, axis=-2)
    return out


def zero_unweighted(grad_weights: Array, weights: Array) -> Array:
    """Set the gradients of weights that are 0 to 0, if any gradient is not finite.

    Examples
    --------
    >>> zero_unweighted(np.array([3.0, np.nan]), np.array([1.0, 0.0]))
    array([3., 0.])
    """
    return grad_weights if np.isfinite(grad_weights).all() else np.where(weights != 0, grad_weights, 0.0)
