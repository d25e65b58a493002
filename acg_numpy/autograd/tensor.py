"""Tensor: an array that remembers how it was made.

NumPy itself is the language.  A Tensor implements NumPy's two protocols, so `np.exp(t)`, `np.einsum("ij,jk", t, w)` and `t @ w`
all arrive here; each runs on the arrays, and its result keeps what a backward pass needs: the entry of the table, the arguments
and the options.  Nothing else happens on the way forward.
"""

import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.errors import NoDerivativeError
from acg_numpy.autograd.methods import ArrayMethods
from acg_numpy.autograd.state import state
from acg_numpy.autograd.table import PLAIN, TABLE, Composite, Primitive, name_of, no_rule
from acg_numpy.shapes import Array

_next_order = itertools.count(1).__next__  # one counter for all threads: a result is always younger than its arguments
_SEQUENCES = (list, tuple)
_SIMPLE = frozenset({int, bool, float, str, type(None)})
_USUAL = frozenset({np.ndarray, float, int, bool, np.float64, np.float32, np.int64})  # operands with nothing to say of their own


class Tensor(ArrayMethods):
    """An array that remembers how it was made, so that gradients can be carried back through it.

    Make one with `tensor`; operations on Tensors make the others.

    Parameters
    ----------
    data : array_like
        Copied.
    requires_grad : bool
        Whether operations on it are recorded; floating dtypes only.

    Attributes
    ----------
    grad : ndarray, Tensor or None
        What `backward` added up here, for a Tensor that no operation made (a leaf).  Set it to None to begin anew.
    """

    __slots__ = ("__weakref__", "_data", "_needs", "_order", "_record", "grad")
    __hash__ = object.__hash__

    _data: Array
    _needs: bool
    _order: int
    _record: tuple[Any, tuple[Any, ...], dict[str, Any], Any] | None  # entry, arguments, options, what a pair saved
    grad: Any

    def __init__(self, data: npt.ArrayLike, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            raise TypeError("data is a Tensor already; copy its values with tensor(t.numpy()), or leave the graph with t.detach()")
        self._data = np.array(data)
        self._order = _next_order()
        self._record = None
        self._needs = False
        self.grad = None
        self.requires_grad = requires_grad

    # What it is.

    @property
    def data(self) -> Array:
        """The values: of a leaf its own array, to be written to as well; of a recorded Tensor a read-only view."""
        if self._record is None:
            return self._data
        view = self._data.view()
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, value: Array) -> None:
        if self._record is not None:
            raise TypeError("data of a recorded Tensor can't be set: it is the result of an operation; use t.detach() for a leaf")
        if value is not self._data:
            if not isinstance(value, np.ndarray) or value.shape != self.shape or value.dtype != self.dtype:
                raise ValueError(f"data must stay an ndarray of shape {self.shape} and dtype {self.dtype}, got {_describe(value)}")
            self._data = value

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this Tensor are recorded."""
        return self._needs

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._record is not None and not value:
            raise TypeError("requires_grad of a recorded Tensor can't be switched off; use t.detach()")
        if value and not np.issubdtype(self._data.dtype, np.floating):
            raise TypeError(f"requires_grad needs a floating dtype, got {self._data.dtype}; convert it with .astype(float) first")
        self._needs = bool(value)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._record is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._data.dtype

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes all elements take."""
        return self._data.nbytes

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return value in self._data

    def __bool__(self) -> bool:
        return bool(self._data)

    def __repr__(self) -> str:
        values = np.array2string(self._data, separator=", ", prefix="tensor(")
        dtype = "" if self._data.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self._data.dtype}"
        return f"tensor({values}{dtype}{', requires_grad=True' if self._needs else ''})"

    def __str__(self) -> str:
        return str(self._data)

    def __format__(self, spec: str) -> str:
        return format(self._data if self._data.ndim else self._data[()], spec)

    # Ways out of the graph.

    def numpy(self) -> Array:
        """The values as an array of your own: a copy, which nothing that happens here changes."""
        return self._data.copy()

    def item(self, *index: int) -> Any:
        """One element as a Python number."""
        return self._data.item(*index)

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._data.tolist()

    def detach(self) -> "Tensor":
        """The same values in a Tensor that nothing is carried back through."""
        return plain_tensor(self._data.copy())

    def _leave(self, how: str) -> Array:
        if self._needs:
            raise TypeError(
                f"{how} would lose the gradient of a Tensor that requires one; use .numpy() (or .item(), .detach()) to leave the graph on purpose"
            )
        return self._data

    def __array__(self, dtype: npt.DTypeLike = None, copy: bool | None = None) -> Array:
        return np.array(self._leave("turning it into an array"), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self._leave("float()"))

    def __int__(self) -> int:
        return int(self._leave("int()"))

    def __complex__(self) -> complex:
        return complex(self._leave("complex()"))

    def __index__(self) -> int:
        return operator.index(self._leave("use as an index"))  # type: ignore[arg-type]

    # Writing: never in place.

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            "a Tensor can't be written to in place; make a new one with np.where, np.concatenate or scatter_add, or write to .data of a leaf"
        )

    # Copies.

    def __reduce__(self) -> tuple[Any, ...]:
        if self._record is not None:
            raise TypeError("a recorded Tensor can't be copied or pickled, its graph can't follow; copy t.detach() or t.numpy()")
        return _rebuild, (type(self), self._data.copy(), self._needs, self.grad)

    # Gradients.

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the gradient of this Tensor to `.grad` of every leaf that it was made from.

        Parameters
        ----------
        gradient : array, shape of this Tensor, optional
            Gradient of what comes after; may be left out for a single number, where it is 1.
        create_graph : bool
            Record the backward pass too, so that `.grad` is a Tensor that can be differentiated again.

        Examples
        --------
        >>> t = tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> np.sum(t**2).backward()
        >>> t.grad
        array([2., 4., 6.])
        """
        from acg_numpy.autograd.backward import backward  # the pass knows Tensors, and a Tensor offers the pass

        backward(self, gradient, create_graph)

    # NumPy's protocols.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            entry = TABLE.get(ufunc)
            if type(entry) is Primitive:
                return record(entry, inputs, kwargs)
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return call_function(func, args, kwargs)

    def __getitem__(self, index: Any) -> "Tensor":
        return call_function(_getitem, (self, index), {})  # type: ignore[no-any-return]

    # Operators.  Those with a rule take a short way to it; comparisons and bits are plain.

    def __pow__(self, other: Any) -> "Tensor":
        if type(other) is int and other == 2:
            return np.square(self)  # type: ignore[return-value]
        return _operate(np.power, self, other)  # type: ignore[no-any-return]

    def __neg__(self) -> "Tensor":
        return np.negative(self)  # type: ignore[return-value]

    def __pos__(self) -> "Tensor":
        return np.positive(self)  # type: ignore[return-value]

    def __abs__(self) -> "Tensor":
        return np.absolute(self)  # type: ignore[return-value]

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self


def _getitem(array: Array, index: Any) -> Array:
    """Basic or advanced indexing as a function, so that it has a place in the table; its rules are in `rules.indexing`."""
    return array[index]  # type: ignore[no-any-return]


def _operate(ufunc: np.ufunc, x: Any, y: Any) -> Any:
    """An operator whose other operand is not one of the usual ones."""
    for operand in (x, y):
        if getattr(operand, "__array_ufunc__", ufunc) is None:
            return NotImplemented  # it wants to handle arrays itself
    return ufunc(x, y)


def _recorded_operator(ufunc: np.ufunc, reflected: bool) -> Callable[[Tensor, Any], Any]:
    def forward(self: Tensor, other: Any) -> Any:
        if type(other) in _USUAL or isinstance(other, Tensor):
            return record(TABLE[ufunc], (self, other), {})  # type: ignore[arg-type]
        return _operate(ufunc, self, other)

    def backward(self: Tensor, other: Any) -> Any:
        if type(other) in _USUAL:
            return record(TABLE[ufunc], (other, self), {})  # type: ignore[arg-type]
        return _operate(ufunc, other, self)

    return backward if reflected else forward


def _plain_operator(ufunc: np.ufunc, reflected: bool) -> Callable[[Tensor, Any], Any]:
    return lambda self, other: _operate(ufunc, other, self) if reflected else _operate(ufunc, self, other)


def _define_operators() -> None:
    recorded = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "mod": np.remainder, "matmul": np.matmul}
    for name, ufunc in recorded.items():
        setattr(Tensor, f"__{name}__", _recorded_operator(ufunc, reflected=False))
        setattr(Tensor, f"__r{name}__", _recorded_operator(ufunc, reflected=True))
    Tensor.__rpow__ = _recorded_operator(np.power, reflected=True)  # type: ignore[attr-defined]
    plain = {"floordiv": np.floor_divide, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
    for name, ufunc in plain.items():
        setattr(Tensor, f"__{name}__", _plain_operator(ufunc, reflected=False))
        setattr(Tensor, f"__r{name}__", _plain_operator(ufunc, reflected=True))
    comparisons = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}
    for name, ufunc in comparisons.items():
        setattr(Tensor, f"__{name}__", _plain_operator(ufunc, reflected=False))


_define_operators()


# Making Tensors.


def tensor(data: npt.ArrayLike, requires_grad: bool = False) -> Tensor:
    """Make a Tensor of a copy of `data`.

    Parameters
    ----------
    data : array_like
    requires_grad : bool
        Whether operations on it are recorded, so that gradients can be carried back to it.

    Returns
    -------
    Tensor, shape and dtype of `np.array(data)`

    Raises
    ------
    TypeError
        Where `requires_grad` is asked of a dtype that is not floating.

    Examples
    --------
    >>> x = tensor([1.0, 4.0], requires_grad=True)
    >>> y = np.sum(np.sqrt(x))
    >>> y
    tensor(3., requires_grad=True)
    >>> y.backward()
    >>> x.grad
    array([0.5 , 0.25])
    """
    return Tensor(data, requires_grad)


def plain_tensor(data: Array) -> Tensor:
    """A Tensor around an array, which is not copied, that requires no gradient."""
    t = Tensor.__new__(Tensor)
    t._data, t._needs, t._order, t._record, t.grad = data, False, 0, None, None
    return t


def recorded_tensor(data: Array, entry: Any, args: tuple[Any, ...], options: dict[str, Any], saved: Any = None) -> Tensor:
    """The result of an operation, with what its backward needs."""
    t = Tensor.__new__(Tensor)
    t._data, t._needs, t._order, t._record, t.grad = data, True, _next_order(), (entry, args, options, saved), None
    return t


def _rebuild(kind: type[Tensor], data: Array, needs: bool, grad: Any) -> Tensor:
    t = kind.__new__(kind)
    t._data, t._needs, t._order, t._record, t.grad = data, needs, _next_order(), None, grad
    return t


# Running an operation.


def record(entry: Primitive, args: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
    """Run a primitive on the arrays inside its arguments, and let the result remember it."""
    needs, values = False, []
    for a in args:
        if isinstance(a, Tensor):
            values.append(a._data)
            needs = needs or a._needs
        else:
            values.append(a)
    data = entry.function(*values, **options)
    if type(data) is not np.ndarray:
        data = np.asarray(data)
    if not (needs and state.enabled):
        return plain_tensor(data)
    if entry.partial or len(args) > len(entry.rules):
        _check_places(entry, args)
    return recorded_tensor(data, entry, args, options)


def _check_places(entry: Primitive, args: tuple[Any, ...]) -> None:
    for i, a in enumerate(args):
        if isinstance(a, Tensor) and a._needs and (i >= len(entry.rules) or entry.rules[i] is None):
            raise NoDerivativeError(f"{entry.name}: no derivative for argument {i}; give it as a plain array (t.numpy())")


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run any NumPy function that was called with a Tensor somewhere among its arguments."""
    entry = TABLE.get(function)
    if type(entry) is Primitive:
        args, kwargs = entry.bind(args, kwargs)
        for place, value in enumerate(args):
            if type(value) in _SEQUENCES and _requires_grad(value):
                raise NoDerivativeError(f"{entry.name}: argument {place} is a {type(value).__name__} of Tensors; join them with np.stack")
        for name, value in kwargs.items():
            if type(value) not in _SIMPLE:
                if _requires_grad(value):
                    raise NoDerivativeError(f"{entry.name}: no derivative for {name}=; give it as a plain value (t.numpy(), t.item())")
                kwargs = {**kwargs, name: _stripped(value)}
        return record(entry, args, kwargs)
    if type(entry) is Composite:
        args, kwargs = entry.bind(args, kwargs)
        return entry.function(*args, **kwargs)
    if entry is not PLAIN and (_requires_grad(args) or _requires_grad(tuple(kwargs.values()))):
        raise no_rule(function)
    return function(*_stripped(args), **_stripped(kwargs))


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a ufunc, or one of its methods, that was called with a Tensor among its inputs."""
    if kwargs.get("out") is not None:
        raise NoDerivativeError(f"{name_of(ufunc)}: out= (or `array += tensor`) would write into an array; take the result instead")
    if method != "__call__":
        return _call_method(ufunc, method, inputs, kwargs)
    entry = TABLE.get(ufunc)
    if type(entry) is Primitive:
        if kwargs:
            _, kwargs = entry.bind((), kwargs)
        return record(entry, inputs, kwargs)
    if type(entry) is Composite:
        return entry.function(*inputs, **kwargs)
    if entry is not PLAIN and _requires_grad(inputs):
        raise no_rule(ufunc)
    return ufunc(*_stripped(inputs), **_stripped(kwargs))


def _call_method(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if (ufunc, method) in TABLE:
        return call_function((ufunc, method), inputs, kwargs)
    if method == "outer" and type(TABLE.get(ufunc)) is Primitive and not kwargs:
        x, y = inputs
        return ufunc(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y)
    if method != "at" and not _requires_grad(inputs):
        return getattr(ufunc, method)(*_stripped(inputs), **_stripped(kwargs))
    raise NoDerivativeError(
        f"{name_of(ufunc)}.{method} has no derivative rule"
        + ("; it would write in place: use scatter_add" if method == "at" else " (reduce and accumulate have them for add, multiply, maximum, minimum)")
    )


def _requires_grad(value: Any) -> bool:
    """Is there a Tensor that requires a gradient in here, however deep?"""
    if isinstance(value, Tensor):
        return value._needs and state.enabled
    if type(value) in (list, tuple):
        return any(_requires_grad(v) for v in value)
    return False


def _stripped(value: Any) -> Any:
    """The same arguments with the arrays inside for the Tensors."""
    if isinstance(value, Tensor):
        return value._data
    if type(value) in (list, tuple):
        return type(value)(_stripped(v) for v in value)
    if type(value) is dict:
        return {k: _stripped(v) for k, v in value.items()}
    return value


def _describe(value: Any) -> str:
    return f"{type(value).__name__} of shape {np.shape(value)} and dtype {getattr(value, 'dtype', 'none')}"
