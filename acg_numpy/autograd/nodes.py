"""Node: an array and its place in the graph, its attributes, and how to leave the graph.

A node is a leaf, whose array is its own and may be written to, or the result of an operation, which must not be changed
(what was made from it would no longer be true).
"""

import itertools
import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.operands import as_operand, floating_advice
from acg_numpy.autograd.table import scipy_caller
from acg_numpy.shapes import Array

next_order = itertools.count(1).__next__  # one counter for all threads: a result is always younger than its arguments
UNRECORDED = -1  # order of a result that was made while recording was off


class Node:
    """The state of a Tensor; `Tensor` adds the operations."""

    # Other libraries take an object's `_data`, `_mask`, `values` and the like for an array of their own kind, so no
    # slot bears such a name.
    __slots__ = ("__weakref__", "_elements", "_needs", "_order", "_record", "grad")
    __hash__ = object.__hash__

    _elements: Array
    _needs: bool
    _order: int
    # entry, arguments, the arrays in them, options, and what a pair saved or the guards of a primitive's operands
    _record: tuple[Any, tuple[Any, ...], Sequence[Any], dict[str, Any], Any] | None
    grad: Any

    def __init__(self, data: npt.ArrayLike, requires_grad: bool = False) -> None:
        if isinstance(data, Node):
            raise TypeError(
                "data is a Tensor already; copy its values with tensor(t.numpy()), or leave the graph with t.detach()"
            )
        self._elements = np.array(data if isinstance(data, list | tuple) else as_operand(data, "data"))
        self._order = next_order()
        self._record = None
        self._needs = False
        self.grad = None
        self.requires_grad = requires_grad

    # Attributes.

    @property
    def data(self) -> Array:
        """The values: of a leaf its own array, to be written to as well; of a recorded Tensor a read-only view."""
        if self._record is None:
            return self._elements
        view = self._elements.view()
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, value: Any) -> None:
        if self._record is not None:
            raise TypeError(
                "data of a recorded Tensor can't be set: it is the result of an operation; use t.detach() for a leaf"
            )
        if value is not self._elements:
            if not isinstance(value, np.ndarray) or value.shape != self.shape or value.dtype != self.dtype:
                raise ValueError(
                    f"data must stay an ndarray of shape {self.shape} and dtype {self.dtype}, got {_describe(value)}"
                )
            self._elements = as_operand(value, "data")  # of a subclass (np.memmap, np.matrix) a plain view

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this Tensor are recorded."""
        return self._needs

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._record is not None and not value:
            raise TypeError("requires_grad of a recorded Tensor can't be switched off; use t.detach()")
        if value and not np.issubdtype(self._elements.dtype, np.floating):
            raise TypeError(
                f"requires_grad needs a floating dtype, got {self._elements.dtype}; {floating_advice(self._elements)}"
            )
        self._needs = bool(value)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._record is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._elements.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._elements.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._elements.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._elements.dtype

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self._elements.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes all elements take."""
        return self._elements.nbytes

    def __len__(self) -> int:
        if not self._elements.ndim:
            raise TypeError(
                "len() of a Tensor without axes; .item() gives its number, and torch.from_dlpack(t) or "
                "np.from_dlpack(t) share the memory of a whole Tensor"
            )
        return len(self._elements)

    def __contains__(self, value: Any) -> bool:
        return value in self._elements

    def __bool__(self) -> bool:
        return bool(self._elements)

    def __repr__(self) -> str:
        values = np.array2string(self._elements, separator=", ", prefix="tensor(")
        dtype = "" if self._elements.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self._elements.dtype}"
        return f"tensor({values}{dtype}{', requires_grad=True' if self._needs else ''})"

    def __str__(self) -> str:
        return str(self._elements)

    def __format__(self, spec: str) -> str:
        return format(self._elements if self._elements.ndim else self._elements[()], spec)

    # Leaving the graph.

    def numpy(self) -> Array:
        """Return the values as an array of your own: a copy, which nothing that happens here changes."""
        return self._elements.copy()

    def item(self, *index: int) -> Any:
        """Return one element as a Python number."""
        return self._elements.item(*index)

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._elements.tolist()

    def _leave(self, how: str) -> Array:
        if self._needs:
            caller, recipe = scipy_caller()
            how += f", as {caller} does," if caller else ""
            raise TypeError(
                f"{how} would lose the gradient of a Tensor that requires one; "
                + (f"write {recipe} instead, or " if recipe else "")
                + "use .numpy() (or .item(), .detach()) to leave the graph on purpose, np.stack to join Tensors"
            )
        return self._elements

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self._leave("turning it into an array"), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        return self._leave("sharing its memory").__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._elements.__dlpack_device__()

    def __float__(self) -> float:
        return float(self._leave("float()"))

    def __int__(self) -> int:
        return int(self._leave("int()"))

    def __complex__(self) -> complex:
        return complex(self._leave("complex()"))

    def __index__(self) -> int:
        return operator.index(self._leave("use as an index"))

    # Writing: never in place.

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            "a Tensor can't be written to in place; make a new one with np.where, np.concatenate or scatter_add, or "
            "write to .data of a leaf"
        )

    # Copies.

    def __reduce__(self) -> tuple[Any, ...]:
        if self._record is not None:
            raise TypeError(
                "a recorded Tensor can't be copied or pickled, its graph can't follow; copy t.detach() or t.numpy()"
            )
        return _rebuild, (type(self), self._elements.copy(), self._needs, self.grad)


def _rebuild(kind: type[Node], data: Array, needs: bool, grad: Any) -> Node:
    t = kind.__new__(kind)
    t._elements, t._needs, t._order, t._record, t.grad = data, needs, next_order(), None, grad
    return t


def _describe(value: Any) -> str:
    return f"{type(value).__name__} of shape {np.shape(value)} and dtype {getattr(value, 'dtype', 'none')}"
