"""Shape and dtype checks, with the messages that a reader of a traceback deserves.

The checks look at shapes, dtypes and ids alone, never at floating values, so that they cost next to nothing and work
alike on anything that has a `.shape` and a `.dtype`: NumPy's arrays and the engine's Tensors.
"""

import operator
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


def check_floating(**arrays: Array | None) -> None:
    """Refuse what is not an array of real or complex floating numbers; None passes, as an absent argument.

    Raises
    ------
    TypeError
        Naming the argument, what it is, and how to convert it.

    Examples
    --------
    >>> check_floating(x=np.zeros(3, np.float32), bias=None)
    >>> check_floating(x=np.arange(3))
    Traceback (most recent call last):
    TypeError: x has dtype int64; expected floating numbers, as x.astype(np.float32) makes
    """
    for name, array in arrays.items():
        if array is None:
            continue
        dtype = getattr(array, "dtype", None)
        if dtype is None:
            kind = type(array).__name__
            raise TypeError(f"{name} is a {kind}; expected an array, as np.array({name}, dtype=np.float32) makes")
        if dtype.kind not in "fc":
            raise TypeError(f"{name} has dtype {dtype}; expected floating numbers, as {name}.astype(np.float32) makes")


def check_rows(**arrays: Array) -> None:
    """Refuse a scalar where rows along a last axis are expected.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_rows(scores=np.array(1.0))
    Traceback (most recent call last):
    ValueError: scores has shape (); expected at least one axis, as scores[None] has
    """
    check_floating(**arrays)
    for name, array in arrays.items():
        if array.ndim == 0:
            raise ValueError(f"{name} has shape (); expected at least one axis, as {name}[None] has")


def check_ids(ids: Any, num_rows: int, *, name: str = "ids", rows: str = "num_rows") -> npt.NDArray[np.intp]:
    """Return ids as an integer array, having refused all that would wrap round, truncate or miss.

    Parameters
    ----------
    ids : int or integer array, any shape
    num_rows : int
        Ids run from 0 to `num_rows` - 1.
    name, rows : str
        What the caller calls the two, for the message.

    Raises
    ------
    TypeError
        Where ids are booleans, floats or anything else but integers.
    IndexError
        Where an id is negative or too large.

    Examples
    --------
    >>> check_ids(2, 4)
    array(2)
    >>> check_ids(np.array([0, 7]), 4, name="domain_id", rows="num_domains")
    Traceback (most recent call last):
    IndexError: domain_id holds 7, but num_domains is 4 (ids run from 0 to 3)
    """
    array = np.asarray(ids)
    if array.dtype.kind not in "iu":
        what = f"is {ids!r}" if array.ndim == 0 else f"has dtype {array.dtype}"
        mend = ": np.flatnonzero turns a boolean mask into ids" if array.dtype.kind == "b" else ""
        raise TypeError(f"{name} {what}; expected integers{mend}")
    if array.size:
        lowest, highest = array.min(), array.max()
        if lowest < 0 or highest >= num_rows:
            culprit = lowest if lowest < 0 else highest
            span = f"ids run from 0 to {num_rows - 1}" if num_rows else "there are no rows to point to"
            note = "; a negative id does not count from the end" if lowest < 0 else ""
            raise IndexError(f"{name} holds {culprit}, but {rows} is {num_rows} ({span}{note})")
    return array.astype(np.intp, copy=False)


def check_num_rows(num_rows: Any) -> int:
    """Return a number of rows as a plain int.

    Raises
    ------
    TypeError, ValueError

    Examples
    --------
    >>> check_num_rows(-1)
    Traceback (most recent call last):
    ValueError: num_rows is -1; expected 0 or more
    """
    if isinstance(num_rows, bool) or not hasattr(num_rows, "__index__"):
        raise TypeError(f"num_rows is {num_rows!r}; expected an integer")
    if num_rows < 0:
        raise ValueError(f"num_rows is {num_rows}; expected 0 or more")
    return operator.index(num_rows)
