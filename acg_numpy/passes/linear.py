"""Linear map: every row of x through the same matrix.

Forward.  W takes `in` features to `out` features, b shifts them:

    y = x W + b,    y_ie = sum_d x_id W_de + b_e

Backward.  x_id meets dy_ie through W_de, for every e; W_de meets it through x_id, for every row i; b_e through 1:

    dx_id = sum_e dy_ie W_de    dx = dy W^T
    dW_de = sum_i x_id dy_ie    dW = x^T dy
    db_e  = sum_i dy_ie

The weight is used once for each row, so its gradient is a sum over all rows, over every leading axis that x has; shapes
leave no other way to put the factors together: (in, rows) @ (rows, out) -> (in, out).
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array, check_linear


class LinearCache(NamedTuple):
    """What the backward needs."""

    x: Array  # (..., in)
    weight: Array  # (in, out)
    bias: Array | None  # (out,)


class LinearGrads(NamedTuple):
    """One gradient for each input of `linear_forward`."""

    x: Array  # (..., in)
    weight: Array  # (in, out)
    bias: Array | None = None  # (out,)


def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, LinearCache]:
    """Compute `x @ weight + bias`.

    Parameters
    ----------
    x : array, shape (..., in), floating
    weight : array, shape (in, out), floating
    bias : array, shape (out,), floating, optional

    Returns
    -------
    y : array, shape (..., out)
    cache : LinearCache

    Raises
    ------
    TypeError
        If an argument is not floating.
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> y, _ = linear_forward(np.array([1.0, 2.0]), np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 3.0]]), np.full(3, 0.5))
    >>> y
    array([1.5, 2.5, 9.5])
    """
    check_linear(x, weight, bias)
    y = x @ weight  # (..., in) @ (in, out) -> (..., out)
    if bias is not None:
        y = y + bias
    return y, LinearCache(x, weight, bias)


def linear_backward(grad_out: Array, cache: LinearCache) -> LinearGrads:
    """Carry dL/dy back to x, weight and bias.

    Parameters
    ----------
    grad_out : array, shape (..., out)
        dy, the gradient of the loss with respect to the output.
    cache : LinearCache

    Returns
    -------
    LinearGrads
        dx (..., in), dW (in, out) and, where there is a bias, db (out,).

    Examples
    --------
    >>> _, cache = linear_forward(np.array([[1.0, 2.0], [3.0, 4.0]]), np.eye(2), np.zeros(2))
    >>> grads = linear_backward(np.array([[1.0, 0.0], [1.0, 0.0]]), cache)
    >>> grads.weight  # column 0 was pushed, by the sum of the rows of x
    array([[4., 0.],
           [6., 0.]])
    >>> grads.bias
    array([2., 0.])
    """
    dy, (x, W, b) = grad_out, cache
    rows = math.prod(x.shape[:-1])
    x_rows = np.reshape(x, (rows, x.shape[-1]))  # every leading axis counts rows
    dy_rows = np.reshape(dy, (rows, W.shape[-1]))

    dx = dy @ np.swapaxes(W, 0, 1)  # (..., out) @ (out, in) -> (..., in)
    dW = np.swapaxes(x_rows, 0, 1) @ dy_rows  # (in, rows) @ (rows, out) -> (in, out)
    db = None if b is None else np.sum(dy_rows, axis=0)
    return LinearGrads(dx, dW, db)
