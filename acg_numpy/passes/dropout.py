"""Dropout: some numbers are left out, and the others scaled up to keep the mean.

Forward.  The mask M is drawn by the caller: each of its entries is 0 with probability p, else 1 / (1 - p):

    y = x * M

The division makes up for what is missing: M is 1 on average, so y is x on average, and nothing needs to be rescaled
when dropout is switched off.

Backward.  A product, element by element, so each factor is the derivative with respect to the other:

    dx = dy * M        dM = dy * x

What was dropped gets no gradient, because it had no effect; what was kept gets it scaled up, as it was itself.
Therefore forward and backward must see the same M, and it is an argument, not drawn in here.
"""

from typing import NamedTuple

from acg_numpy.element_types import check_floating
from acg_numpy.shapes import Array, check_broadcast, check_factors, unbroadcast


class DropoutCache(NamedTuple):
    """What the backward needs."""

    x: Array  # (...)
    dropout_mask: Array  # (...)


class DropoutGrads(NamedTuple):
    """One gradient for each input of `dropout_forward`."""

    x: Array  # (...)
    dropout_mask: Array  # (...)


def dropout_forward(x: Array, dropout_mask: Array) -> tuple[Array, DropoutCache]:
    """Multiply by a mask of zeros and 1 / keep rate.

    Parameters
    ----------
    x : array, any shape, floating
    dropout_mask : array, shape of `x` or one that broadcasts with it, floating
        0 where dropped, 1 / keep rate elsewhere.

    Returns
    -------
    y : array, the broadcast shape
    cache : DropoutCache

    Raises
    ------
    TypeError
        If an argument is not floating; a mask of booleans still has to be divided by the keep rate.
    ValueError
        If the shapes do not broadcast.

    References
    ----------
    Srivastava et al., "Dropout", 2014; the scaling, as "inverted dropout", in section 10 there.

    Examples
    --------
    >>> import numpy as np
    >>> keep = 0.5
    >>> dropout_mask = np.array([True, False, True]) / keep
    >>> dropout_forward(np.array([1.0, 2.0, 3.0]), dropout_mask)[0]
    array([2., 0., 6.])
    """
    check_floating(x=x)
    check_factors(dropout_mask)
    check_broadcast(x=x.shape, dropout_mask=dropout_mask.shape)
    return x * dropout_mask, DropoutCache(x, dropout_mask)


def dropout_backward(grad_out: Array, cache: DropoutCache) -> DropoutGrads:
    """Carry dL/dy back to x, and to the mask.

    Parameters
    ----------
    grad_out : array, shape of the output
        dy, the gradient of the loss with respect to the output.
    cache : DropoutCache

    Returns
    -------
    DropoutGrads

    Examples
    --------
    >>> import numpy as np
    >>> _, cache = dropout_forward(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, 2.0]))
    >>> dropout_backward(np.ones(3), cache).x
    array([2., 0., 2.])
    """
    dy, (x, M) = grad_out, cache
    dx = dy * M
    dM = dy * x
    return DropoutGrads(unbroadcast(dx, x), unbroadcast(dM, M))
