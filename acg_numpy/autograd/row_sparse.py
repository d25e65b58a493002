"""RowSparseGradient: the gradient of a table of which few rows were looked up.

Looking up n rows of a table of N leaves a gradient that is zero but in these rows.  Written out it has the size of the
table, however few rows were asked for; written as

    rows (n,), distinct and ascending        values (n, ...), one for each of them

it has the size of the question.  Rows that were looked up several times get their gradients added up: sorted by row,
equal rows stand beside each other, and each stretch of them is one sum,

    values_r = sum_i 1[ids_i = r] dO_i

carried in double precision, so that in float32 the order of the ids does not show in it.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.element_types import check_ids
from acg_numpy.shapes import Array

Rows = npt.NDArray[np.intp]


class RowSparseGradient:
    """A gradient of a table that is zero but in a few rows.

    It adds to others of its kind, to arrays and to Tensors, is scaled by numbers, and is clipped and followed by this
    package's optimisers, all at the cost of its rows.  `table -= rate * grad` on an array writes only these rows.
    Anything else that NumPy does to arrays it does to `np.asarray(grad)`, which is as large as the table.

    Parameters
    ----------
    rows : int or integer array, any shape
        Row numbers from 0 to N - 1; a row may occur several times.
    values : array, shape rows.shape + shape[1:], floating
        The gradient that each adds to its row.
    shape : tuple of int
        Of the table, (N, ...).

    Attributes
    ----------
    rows : array, shape (n,)
        The rows that are not zero by construction: distinct, ascending.
    values : array, shape (n, ...)
        Their gradients; several for one row were added up.
    shape : tuple of int

    Raises
    ------
    IndexError
        Where a row is not from 0 to N - 1.
    TypeError
        Where rows are not integers.
    ValueError
        Where the shape of `values` does not fit.

    Examples
    --------
    >>> grad = RowSparseGradient([7, 2, 7], [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], (1_000_000, 2))
    >>> grad.rows, grad.values
    (array([2, 7]), array([[ 2., 20.],
           [ 4., 40.]]))
    >>> 0.5 * grad + grad
    RowSparseGradient(2 rows of shape (1000000, 2), dtype=float64)
    >>> np.asarray(grad).shape
    (1000000, 2)
    """

    __slots__ = ("rows", "shape", "values")

    rows: Rows
    values: Array
    shape: tuple[int, ...]

    def __init__(self, rows: Any, values: npt.ArrayLike, shape: tuple[int, ...]) -> None:
        values, shape = np.asarray(values), tuple(shape)
        if not shape:
            raise ValueError("shape is (); expected that of a table, (N, ...)")
        rows = check_ids(rows, shape[0], name="rows", rows="the number of rows in shape")
        if values.shape != rows.shape + shape[1:]:
            raise ValueError(
                f"values has shape {values.shape}; expected {rows.shape + shape[1:]}, the shapes of rows and of a row"
            )
        self.rows, self.values = _summed(rows.ravel(), values.reshape(rows.size, *shape[1:]))
        self.shape = shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """Number of axes of the table."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the table."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"RowSparseGradient({len(self.rows)} rows of shape {self.shape}, dtype={self.dtype})"

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("a RowSparseGradient can't be turned into an array without making one")
        dense = np.zeros(self.shape, self.dtype if dtype is None else dtype)
        dense[self.rows] = self.values
        return dense

    def astype(self, dtype: npt.DTypeLike) -> "RowSparseGradient":
        """Return the same gradient in another dtype."""
        return self.with_values(self.values.astype(dtype))

    def with_values(self, values: Array) -> "RowSparseGradient":
        """Return a gradient with other values for the same rows: an array like `values`, which is not copied."""
        made = RowSparseGradient.__new__(RowSparseGradient)
        made.rows, made.values, made.shape = self.rows, values, self.shape
        return made

    # Arithmetic.  Whatever NumPy is asked to do comes to __array_ufunc__, which looks for a way by rows.

    def __add__(self, other: Any) -> Any:
        return np.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return np.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return np.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return np.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return np.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return np.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return np.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return np.divide(other, self)

    def __neg__(self) -> Any:
        return np.negative(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "__call__" and not options:
            found = _by_rows(ufunc, inputs, None if out is None else out[0])
            if found is not None:
                return found
        if out is not None:
            if any(isinstance(o, RowSparseGradient) for o in out):
                return NotImplemented
            options["out"] = out
        dense = [np.asarray(x) if isinstance(x, RowSparseGradient) else x for x in inputs]
        return getattr(ufunc, method)(*dense, **options)


def _by_rows(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any) -> Any:
    """Return the result of an operation whose cost is that of the rows; None if there is no such way."""
    x: Any = inputs[0]
    y: Any = inputs[1] if len(inputs) == 2 else None
    sparse_x, sparse_y = isinstance(x, RowSparseGradient), isinstance(y, RowSparseGradient)
    if ufunc in (np.add, np.subtract):
        if sparse_x and sparse_y and out is None and x.shape == y.shape:
            second = y.values if ufunc is np.add else -y.values
            return RowSparseGradient(np.concatenate([x.rows, y.rows]), np.concatenate([x.values, second]), x.shape)
        if sparse_y and out is x and type(x) is np.ndarray and x.shape == y.shape:  # x += y
            part = x[y.rows]
            ufunc(part, y.values, out=part)
            x[y.rows] = part
            return x
    elif out is None and (
        ufunc is np.negative  # and what leaves zeros zero: to scale by a number that is not 0, infinite or NaN
        or (ufunc is np.multiply and (_is_scale(x) or _is_scale(y)))
        or (ufunc is np.divide and sparse_x and _is_scale(y))
    ):
        grad = x if sparse_x else y
        return grad.with_values(ufunc(*(g.values if isinstance(g, RowSparseGradient) else g for g in inputs)))
    return None


def _is_scale(x: Any) -> bool:
    return isinstance(x, int | float | np.number) and x != 0 and math.isfinite(x)


def _summed(rows: Rows, values: Array) -> tuple[Rows, Array]:
    """Return the distinct rows, ascending, and the sum of the values of each; copies."""
    if np.all(rows[1:] > rows[:-1]):
        return rows.copy(), values.copy()
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    first = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))  # where a new row begins
    sums = values[order[first]]
    counts = np.diff(first, append=len(rows))
    several = counts > 1
    if np.any(several):
        lengths, repeated = counts[several], order[np.repeat(several, counts)]
        wide = np.result_type(values.dtype, np.float64)
        sums[several] = np.add.reduceat(values[repeated], np.cumsum(lengths) - lengths, axis=0, dtype=wide)
    return rows[first], sums
