"""Scatter-add: the transpose of looking rows up.

Looking up.  `table[ids]` copies row ids[i] of the table to place i.  As a matrix it is S, with a single 1 in each row:

    out = S table,    S_ir = 1[ids_i = r]

The transpose.  Gradients flow back through S^T, which sends place i to row ids[i] and, where an id repeats, adds up:

    (S^T values)_r = sum_i 1[ids_i = r] values_i

`scatter_add` is S^T without the matrix.  What does not work is `out[ids] += values`: it adds a repeated id once,
because NumPy reads all rows, adds, and writes all rows back; of several writes to one row the last survives.
`np.add.at` adds every time.

Both are linear, so each of the two is the other's derivative, at every order:

    <scatter_add(v, ids, N), t> = <v, t[ids]>    for all v and t
"""

import math
from typing import Any

import numpy as np

from acg_numpy.element_types import check_ids, check_num_rows
from acg_numpy.shapes import Array


def scatter_add(values: Array, ids: Array, num_rows: int) -> Array:
    """Add each of `values` to the row that its id names.

    Follows NumPy's dispatch (NEP 18): given something with an `__array_function__`, such as a Tensor, it hands over.

    Parameters
    ----------
    values : array, shape ids.shape + rest
    ids : int or integer array, any shape
        Row numbers from 0 to `num_rows` - 1, which may repeat.
    num_rows : int

    Returns
    -------
    array, shape (num_rows,) + rest, dtype of `values`
        Rows that no id names are zero.

    Raises
    ------
    IndexError
        If an id is negative or not below `num_rows`.
    TypeError
        If ids are not integers.
    ValueError
        If the shape of `values` does not begin with that of `ids`.

    Examples
    --------
    >>> scatter_add(np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]), np.array([0, 2, 0]), 3)
    array([[ 4., 40.],
           [ 0.,  0.],
           [ 2., 20.]])
    """
    for argument in (values, ids):
        if not isinstance(argument, np.ndarray) and hasattr(argument, "__array_function__"):
            handed_over: Any = argument.__array_function__(scatter_add, (type(argument),), (values, ids, num_rows), {})
            return handed_over
    num_rows = check_num_rows(num_rows)
    ids = check_ids(ids, num_rows)
    if np.shape(values)[: ids.ndim] != ids.shape:
        raise ValueError(f"values has shape {np.shape(values)}; expected {ids.shape}, the shape of ids, to begin it")
    rest = np.shape(values)[ids.ndim :]
    width = math.prod(rest)
    # np.add.at is fast on one axis alone, so every element gets its own address in the flattened result.
    addresses = np.add.outer(ids.ravel() * width, np.arange(width))  # (ids.size, width)
    out = np.zeros(num_rows * width, dtype=values.dtype)
    np.add.at(out, addresses.ravel(), np.ravel(values))
    return np.reshape(out, (num_rows, *rest))
