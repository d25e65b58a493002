"""Shape and dtype checks, with the messages that a reader of a traceback deserves."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def unbroadcast(grad: Array, like: Array) -> Array:
    """Sum a gradient over the axes along which `like` was broadcast.

    Broadcasting uses a value several times; the gradient of a value used several times is the sum over its uses.

    Parameters
    ----------
    grad : array, shape that `like` was broadcast to
    like : array
        Only its shape is read.

    Returns
    -------
    array, shape of `like`

    Examples
    --------
    >>> unbroadcast(np.ones((2, 3)), np.zeros((3,)))
    array([2., 2., 2.])
    >>> unbroadcast(np.ones((2, 3)), np.zeros((2, 1)))
    array([[3.],
           [3.]])
    """
    if grad.shape == like.shape:
        return grad
    added = grad.ndim - like.ndim
    stretched = tuple(added + i for i, n in enumerate(like.shape) if n == 1 and grad.shape[added + i] != 1)
    return np.reshape(np.sum(grad, axis=(*range(added), *stretched)), like.shape)
