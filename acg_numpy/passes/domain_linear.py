"""Linear map of each domain: every row of x through the matrix of the domain that it is in.

Forward.  Each of N domains has a matrix W_n and a shift b_n, and row i is in domain n_i:

    y_i = x_i W_{n_i} + b_{n_i}

Backward.  With the matrix of its domain, row i is a row of `linear`; what is new is that a domain's matrix is used by
the rows of that domain alone, so its gradient is a sum over these:

    dx_i = dy_i W_{n_i}^T
    dW_n = sum_{i in n} x_i^T dy_i        db_n = sum_{i in n} dy_i

The sums over the rows of a domain are what `scatter_add` computes: each row's x_i^T dy_i, a matrix, is added to the
place that its id names.  A domain without rows gets a gradient of zero.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.passes.scatter import scatter_add
from acg_numpy.shapes import Array, check_domain_linear, unbroadcast


class DomainLinearCache(NamedTuple):
    """What the backward needs."""

    x: Array  # (..., in)
    ids: Array  # (...)
    weight: Array  # (N, in, out)
    bias: Array | None  # (N, out)


class DomainLinearGrads(NamedTuple):
    """One gradient for each input of `domain_linear_forward`."""

    x: Array  # (..., in)
    ids: None
    weight: Array  # (N, in, out)
    bias: Array | None = None  # (N, out)


def domain_linear_forward(
    x: Array, ids: Array | int, weight: Array, bias: Array | None = None
) -> tuple[Array, DomainLinearCache]:
    """Compute `x @ weight[ids] + bias[ids]`, a row at a time.

    Parameters
    ----------
    x : array, shape (..., in), floating
    ids : int or integer array, shape (...)
        The domain of each row, from 0 to N - 1; its axes broadcast with the leading axes of x.
    weight : array, shape (N, in, out), floating
    bias : array, shape (N, out), floating, optional

    Returns
    -------
    y : array, shape (..., out)
    cache : DomainLinearCache

    Raises
    ------
    IndexError
        If an id is negative or not below N.
    TypeError
        If an argument is not floating, or the ids are not integers.
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> weight = np.array([[[1.0], [0.0]], [[0.0], [1.0]]])  # domain 0 takes the first feature, domain 1 the second
    >>> y, _ = domain_linear_forward(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0, 1, 1]), weight)
    >>> y
    array([[1.],
           [4.],
           [6.]])
    """
    ids = check_domain_linear(x, ids, weight, bias)
    y = (x[..., None, :] @ weight[ids])[..., 0, :]  # (..., 1, in) @ (..., in, out) -> (..., 1, out)
    if bias is not None:
        y = y + bias[ids]
    return y, DomainLinearCache(x, ids, weight, bias)


def domain_linear_backward(grad_out: Array, cache: DomainLinearCache) -> DomainLinearGrads:
    """Carry dL/dy back to x, weight and bias.

    Parameters
    ----------
    grad_out : array, shape (..., out)
        dy, the gradient of the loss with respect to the output.
    cache : DomainLinearCache

    Returns
    -------
    DomainLinearGrads
        dx (..., in), dW (N, in, out) and, where there is a bias, db (N, out).

    Examples
    --------
    >>> import numpy as np
    >>> x, ids = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0, 1, 1])
    >>> _, cache = domain_linear_forward(x, ids, np.ones((3, 2, 1)))
    >>> domain_linear_backward(np.ones((3, 1)), cache).weight[..., 0]  # two rows are in domain 1, none in domain 2
    array([[ 1.,  2.],
           [ 8., 10.],
           [ 0.,  0.]])
    """
    dy, (x, ids, W, b) = grad_out, cache
    ids = np.broadcast_to(ids, dy.shape[:-1])  # each row of the output has a domain

    dx = (dy[..., None, :] @ np.swapaxes(W, -1, -2)[ids])[..., 0, :]  # (..., 1, out) @ (..., out, in) -> (..., 1, in)
    dW = scatter_add(x[..., :, None] * dy[..., None, :], ids, len(W))  # (..., in, out) -> (N, in, out)
    db = None if b is None else scatter_add(dy, ids, len(W))  # (..., out) -> (N, out)
    return DomainLinearGrads(unbroadcast(dx, x), None, dW, db)
