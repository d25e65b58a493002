"""Layer norm: each row shifted and stretched to mean 0 and variance 1, then to a learned weight and bias.

Forward.  For each row x of D features, with mean(.) the mean over them:

    mu  = mean(x)
    v   = mean((x - mu)^2)
    r   = 1 / sqrt(v + eps)            eps keeps a constant row, v = 0, from dividing by 0
    n   = (x - mu) r                   mean 0, and mean(n^2) = v / (v + eps), nearly 1
    y   = n w + b

Backward.  The last line first: y meets w through n and b through 1, in every row, and n through w:

    dw = sum over rows of dy n         db = sum over rows of dy         dn = dy w

Now each n_j depends on x_i in three ways: directly, through mu, and through r.  By the way each of them moves,

    dmu / dx_i = 1 / D
    dv / dx_i  = 2 (x_i - mu) / D      (the part through mu is -2 mean(x - mu) = 0)
    dr / dx_i  = -1/2 (v + eps)^(-3/2) dv / dx_i = -r^3 (x_i - mu) / D = -r^2 n_i / D

    dn_j / dx_i = r (1[i = j] - 1 / D) + (x_j - mu) (-r^2 n_i / D)
                = r (1[i = j] - 1 / D - n_j n_i / D)

and the chain rule sums over j:

    dx_i = sum_j dn_j r (1[i = j] - 1 / D - n_j n_i / D)
         = r (dn_i - mean(dn) - n_i mean(dn n))

So: take from the incoming gradient its mean, and its part along n.  Those are the two directions in which x can move
without moving n: all features up together, or all of them further out (except for eps).  They get no gradient.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array, check_layer_norm, unbroadcast


class LayerNormCache(NamedTuple):
    """What the backward needs."""

    n: Array  # (..., D)
    r: Array  # (..., 1)
    weight: Array  # (D,)
    bias: Array | None  # (D,)


class LayerNormGrads(NamedTuple):
    """One gradient for each input of `layer_norm_forward`."""

    x: Array  # (..., D)
    weight: Array  # (D,)
    bias: Array | None  # (D,)


def layer_norm_forward(
    x: Array, weight: Array, bias: Array | None, *, eps: float = 1e-5
) -> tuple[Array, LayerNormCache]:
    """Normalise each row, then scale and shift its features.

    Parameters
    ----------
    x : array, shape (..., D), floating
    weight : array, shape (D,), floating
    bias : array, shape (D,), floating, or None
    eps : float
        Added to the variance.

    Returns
    -------
    y : array, shape (..., D)
    cache : LayerNormCache

    Raises
    ------
    TypeError
        If an argument is not floating.
    ValueError
        If the shapes do not fit together, or rows have no features.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> y, _ = layer_norm_forward(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), np.ones(3), np.zeros(3))
    >>> y.round(3)  # scale and offset of a row are gone
    array([[-1.225,  0.   ,  1.225],
           [-1.225,  0.   ,  1.225]])
    """
    check_layer_norm(x, weight, bias)
    D = x.shape[-1]
    mu = np.sum(x, axis=-1, keepdims=True) / D  # (..., 1)
    centred = x - mu
    v = np.sum(centred * centred, axis=-1, keepdims=True) / D  # (..., 1)
    r = 1 / np.sqrt(v + eps)
    n = centred * r
    y = n * weight
    if bias is not None:
        y = y + bias
    return y, LayerNormCache(n, r, weight, bias)


def layer_norm_backward(grad_out: Array, cache: LayerNormCache) -> LayerNormGrads:
    """Carry dL/dy back to x, weight and bias.

    Parameters
    ----------
    grad_out : array, shape (..., D)
        dy, the gradient of the loss with respect to the output.
    cache : LayerNormCache

    Returns
    -------
    LayerNormGrads
        dx (..., D), dw (D,) and, where there is a bias, db (D,).

    Examples
    --------
    >>> _, cache = layer_norm_forward(np.array([1.0, 2.0, 4.0]), np.ones(3), np.zeros(3))
    >>> grads = layer_norm_backward(np.array([1.0, 1.0, 1.0]), cache)
    >>> grads.x.round(12) + 0.0  # the outputs of a row cannot rise together
    array([0., 0., 0.])
    """
    dy, (n, r, w, b) = grad_out, cache
    D = n.shape[-1]

    dw = unbroadcast(dy * n, w)
    db = None if b is None else unbroadcast(dy, b)
    dn = dy * w

    mean_dn = np.sum(dn, axis=-1, keepdims=True) / D  # (..., 1)
    mean_dn_n = np.sum(dn * n, axis=-1, keepdims=True) / D  # (..., 1)
    dx = r * (dn - mean_dn - n * mean_dn_n)
    return LayerNormGrads(dx, dw, db)
