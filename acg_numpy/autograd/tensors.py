"""Tensor: an array that remembers how it was made.

NumPy itself is the language.  A Tensor implements NumPy's two protocols, so `np.exp(t)`, `np.einsum("ij,jk", t, w)` and
`t @ w` all arrive here; each runs on the arrays, and its result keeps what a backward pass needs: the entry of the
table, the arguments and the options.  Nothing else happens on the way forward; `operands` says what the arguments are
that are no Tensors.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.methods import ArrayMethods
from acg_numpy.autograd.nodes import UNRECORDED, Node, next_order
from acg_numpy.autograd.operands import COPIED, NO_ARRAYS, STREAMED, Guard, as_operand, copied, plain_operands, snapshot
from acg_numpy.autograd.state import state
from acg_numpy.autograd.table import (
    PLAIN,
    TABLE,
    Composite,
    NoDerivativeError,
    Primitive,
    entry_of,
    name_of,
    no_rule,
    with_other_operand,
)
from acg_numpy.shapes import Array

NO_OPTIONS: dict[str, Any] = {}  # of all operations without options; never written to
_FLOAT64 = np.dtype(np.float64)
_new = object.__new__
_SEQUENCES = (list, tuple)
_SIMPLE = frozenset({int, bool, float, str, type(None), slice, type(Ellipsis)})
# Types of operands that are plain, and have no operators to be asked first.
_USUAL = frozenset({np.ndarray, float, int, bool, np.float64, np.float32, np.int64})
_NO_ARRAYS = NO_ARRAYS | (_USUAL - {np.ndarray})


def _operate(ufunc: np.ufunc, x: Any, y: Any) -> Any:
    """Apply an operator whose other operand is of an uncommon type."""
    for operand in (x, y):
        if getattr(operand, "__array_ufunc__", ufunc) is None:
            return NotImplemented  # it handles arrays itself
    return ufunc(x, y)


def _recorded_operator(ufunc: np.ufunc, *, reflected: bool = False) -> Callable[["Tensor", Any], Any]:
    """Return an operator with a rule: the way of the ufunc through NumPy's protocol, without the detours."""

    def forward(self: "Tensor", other: Any) -> Any:
        kind, x = type(other), self._elements
        entry: Any = TABLE[ufunc]
        if isinstance(other, Tensor):
            y = other._elements
            return remember(ufunc(x, y), self._needs or other._needs, entry, (self, other), (x, y), NO_OPTIONS)
        if kind is np.ndarray and other.nbytes <= COPIED:
            data = ufunc(x, other)
            if self._needs and entry.reads_values:
                other = other.copy("K") if other.nbytes <= STREAMED else copied(other)
            return remember(data, self._needs, entry, (self, other), (x, other), NO_OPTIONS)
        if kind is np.ndarray:
            return record(entry, (self, other), NO_OPTIONS)
        if kind in _USUAL:
            return remember(ufunc(x, other), self._needs, entry, (self, other), (x, other), NO_OPTIONS)
        return _operate(ufunc, self, other)

    def backward(self: "Tensor", other: Any) -> Any:
        if type(other) in _USUAL and type(other) is not np.ndarray:  # an array calls the ufunc itself
            x, entry = self._elements, TABLE[ufunc]
            return remember(ufunc(other, x), self._needs, entry, (other, self), (other, x), NO_OPTIONS)
        return _operate(ufunc, other, self)

    return backward if reflected else forward


_power = _recorded_operator(np.power)


def _plain_operator(ufunc: np.ufunc, *, reflected: bool = False) -> Callable[["Tensor", Any], Any]:
    return lambda self, other: _operate(ufunc, other, self) if reflected else _operate(ufunc, self, other)


class Tensor(Node, ArrayMethods):
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

    __slots__ = ()
    __hash__ = object.__hash__
    __pandas_priority__ = 5000  # above a DataFrame's, 4000: pandas leaves its operators to a Tensor

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(len(self._elements)))

    def detach(self) -> "Tensor":
        """Return the same values in a Tensor that no gradient passes through."""
        return plain_tensor(self._elements.copy())

    # Gradients.

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the gradient of this Tensor to `.grad` of every leaf that it was made from.

        Parameters
        ----------
        gradient : array, shape of this Tensor, optional
            Gradient of what comes after; may be left out for a single number, where it is 1.
        create_graph : bool
            Record the backward pass too, so that `.grad` is a Tensor that can be differentiated again.  It holds the
            graph, and the graph holds the leaf: set `.grad` to None when you are done, or use `grad`.

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
                if len(inputs) == 1:
                    x = self._elements
                    return remember(entry.function(x), self._needs, entry, inputs, (x,), NO_OPTIONS)
                return record(entry, inputs, NO_OPTIONS)
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return call_function(func, args, kwargs)

    def __getitem__(self, index: Any) -> "Tensor":
        return call_function(get_item, (self, index), {})

    # Operators.  Those with a rule take a short way to it; comparisons, bits and whole quotients are not recorded.

    __add__, __radd__ = _recorded_operator(np.add), _recorded_operator(np.add, reflected=True)
    __sub__, __rsub__ = _recorded_operator(np.subtract), _recorded_operator(np.subtract, reflected=True)
    __mul__, __rmul__ = _recorded_operator(np.multiply), _recorded_operator(np.multiply, reflected=True)
    __truediv__, __rtruediv__ = _recorded_operator(np.divide), _recorded_operator(np.divide, reflected=True)
    __mod__, __rmod__ = _recorded_operator(np.remainder), _recorded_operator(np.remainder, reflected=True)
    __matmul__, __rmatmul__ = _recorded_operator(np.matmul), _recorded_operator(np.matmul, reflected=True)
    __rpow__ = _recorded_operator(np.power, reflected=True)
    __floordiv__, __rfloordiv__ = _plain_operator(np.floor_divide), _plain_operator(np.floor_divide, reflected=True)
    __and__, __rand__ = _plain_operator(np.bitwise_and), _plain_operator(np.bitwise_and, reflected=True)
    __or__, __ror__ = _plain_operator(np.bitwise_or), _plain_operator(np.bitwise_or, reflected=True)
    __xor__, __rxor__ = _plain_operator(np.bitwise_xor), _plain_operator(np.bitwise_xor, reflected=True)
    __eq__, __ne__ = _plain_operator(np.equal), _plain_operator(np.not_equal)
    __lt__, __le__ = _plain_operator(np.less), _plain_operator(np.less_equal)
    __gt__, __ge__ = _plain_operator(np.greater), _plain_operator(np.greater_equal)

    def __pow__(self, other: Any) -> "Tensor":
        if type(other) is int and other == 2:
            return call_ufunc(np.square, "__call__", (self,), {})
        return _power(self, other)

    def __neg__(self) -> "Tensor":
        return call_ufunc(np.negative, "__call__", (self,), {})

    def __pos__(self) -> "Tensor":
        return call_ufunc(np.positive, "__call__", (self,), {})

    def __abs__(self) -> "Tensor":
        return call_ufunc(np.absolute, "__call__", (self,), {})

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self


def get_item(array: Array, index: Any) -> Array:
    """Index an array: a function, so that it has an entry in the table; its rule is in `rules.indexing`."""
    return array[index]


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
    """Return a Tensor around an array, which is not copied, that requires no gradient."""
    t = _new(Tensor)
    t._elements, t._needs, t._order, t._record, t.grad = data, False, 0, None, None
    return t


def recorded_tensor(
    data: Any, entry: Any, args: tuple[Any, ...], values: Sequence[Any], options: dict[str, Any], saved: Any = None
) -> Tensor:
    """Return the result of an operation, with what its backward needs."""
    t = _new(Tensor)
    t._elements, t._needs, t._order, t.grad = data, True, next_order(), None
    t._record = (entry, args, values, options, saved)
    return t


# Running an operation.


def record(entry: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Run a primitive on the arrays inside its arguments, and let the result remember it."""
    needs, values = False, []
    kept: list[Any] = []  # the arguments as the rules will read them again: small arrays are copied at once
    others: list[int] = []  # places of arrays that are copied, or guarded, only if the result is recorded
    for a in args:
        if isinstance(a, Tensor):
            values.append(a._elements)
            kept.append(a)
            needs = needs or a._needs
            continue
        kind = type(a)
        if kind is np.ndarray and (a.dtype is _FLOAT64 or a.dtype.kind != "O"):
            if a.nbytes > STREAMED:
                others.append(len(values))
            elif not entry.unread or len(values) not in entry.unread:
                a = a.copy("K")  # as `copied` would, without its call
        elif kind not in _NO_ARRAYS:
            name = f"{entry.name}: argument {len(values)}"
            if kind in _SEQUENCES and _requires_grad(a):
                raise NoDerivativeError(f"{name} is a {kind.__name__} of Tensors; join them with np.stack")
            compute = with_other_operand(entry.function, a)
            if compute is not None:
                return compute(*args, **options)
            a = as_operand(a, name)
            if type(a) is np.ndarray:
                others.append(len(values))
        values.append(a)
        kept.append(a)
    data = entry.function(*values, **options) if options else entry.function(*values)
    if not others or not needs or not state().enabled:
        return remember(data, needs, entry, tuple(kept), values, options)
    guards: list[Guard] = []
    for place in others:
        if place not in entry.unread:
            kept[place] = values[place] = _kept(entry, place, values[place], guards)
    return remember(data, needs, entry, tuple(kept), values, options, guards or None)


def _kept(entry: Any, place: int, a: Array, guards: list[Guard]) -> Array:
    """Return the array of an argument as a rule will read it again: a copy, or itself with a guard if it is large."""
    # The name of a guard costs as much as a copy.
    return copied(a) if a.nbytes <= COPIED else snapshot(a, f"{entry.name}: argument {place}", guards)


def remember(
    data: Any,
    needs: bool,
    entry: Any,
    args: tuple[Any, ...],
    values: Sequence[Any],
    options: dict[str, Any],
    guards: list[Guard] | None = None,
) -> Any:
    """Return the result of a primitive as a Tensor, with its record if one of its arguments requires a gradient."""
    if type(data) is not np.ndarray:
        if type(data) is tuple and not needs:  # np.where of a condition alone: indices, not values
            return data
        data = np.asarray(as_operand(data, entry.name) if isinstance(data, np.ndarray) else data)
    t = _new(Tensor)
    t._elements, t._order, t.grad = data, next_order(), None
    enabled = state().enabled
    if needs and enabled:
        if data.dtype is not _FLOAT64 and data.dtype.kind != "f":
            raise not_floating(entry, data)
        if entry.missing or len(args) > entry.num_rules:
            _check_places(entry, args)
        t._needs, t._record = True, (entry, args, values, options, guards)
    else:
        t._needs, t._record = False, None
        if not enabled:
            t._order = UNRECORDED
    return t


def _check_places(entry: Any, args: tuple[Any, ...]) -> None:
    """Refuse Tensors that require a gradient in the places that have no rule."""
    for i in entry.missing if len(args) <= entry.num_rules else (*entry.missing, *range(entry.num_rules, len(args))):
        if i < len(args) and isinstance(args[i], Tensor) and args[i]._needs:
            raise NoDerivativeError(
                f"{entry.name}: no derivative for argument {i}; give it as a plain array (t.numpy())"
            )


def not_floating(entry: Any, data: Array) -> NoDerivativeError:
    """Return the error for a result, by a Tensor that requires a gradient, that is not of real floating numbers."""
    if data.dtype.kind == "c":
        why = "complex numbers have no derivative here; compute with real and imaginary parts as two arrays"
    else:
        why = "only real floating numbers have a derivative; call it on t.numpy() if none is wanted"
    return NoDerivativeError(f"{entry.name}: the result has dtype {data.dtype}, and {why}")


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run any NumPy function that was called with a Tensor somewhere among its arguments."""
    entry = TABLE.get(function) or entry_of(function)
    if type(entry) is Primitive:
        args, kwargs = entry.bind(args, kwargs)
        for name, value in kwargs.items():
            if type(value) not in _SIMPLE and not (type(value) is tuple and _SIMPLE.issuperset(map(type, value))):
                if _requires_grad(value):
                    raise NoDerivativeError(
                        f"{entry.name}: no derivative for {name}=; give it as a plain value (t.numpy(), t.item())"
                    )
                kwargs = {**kwargs, name: _option(value, f"{entry.name}: {name}")}
        return record(entry, args, kwargs)
    if type(entry) is Composite:
        args, kwargs = entry.bind(args, kwargs)
        for value in args:
            kind = type(value)
            if kind is not Tensor and kind not in NO_ARRAYS and (kind is not np.ndarray or value.dtype.kind != "f"):
                args = plain_operands(args, entry.name, Tensor)
                break
        kwargs = plain_operands(kwargs, entry.name, Tensor) if kwargs else kwargs
        return entry.function(*args, **kwargs)
    if entry is not PLAIN and (_requires_grad(args) or _requires_grad(tuple(kwargs.values()))):
        raise no_rule(function)
    return function(*_stripped(args), **_stripped(kwargs))


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a ufunc, or one of its methods, that was called with a Tensor among its inputs."""
    if kwargs.get("out") is not None:
        raise NoDerivativeError(
            f"{name_of(ufunc)}: out= (or `array += tensor`) would write into an array; take the result instead"
        )
    if method != "__call__":
        return _call_method(ufunc, method, inputs, kwargs)
    entry = entry_of(ufunc)
    if type(entry) is Primitive:
        if kwargs:
            _, kwargs = entry.bind((), kwargs)
        return record(entry, inputs, kwargs)
    if type(entry) is Composite:
        return entry.function(*plain_operands(inputs, entry.name, Tensor), **kwargs)
    if entry is not PLAIN and _requires_grad(inputs):
        raise no_rule(ufunc)
    return ufunc(*_stripped(inputs), **_stripped(kwargs))


def _call_method(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if (ufunc, method) in TABLE:
        return call_function((ufunc, method), inputs, kwargs)
    if method == "outer" and type(TABLE.get(ufunc)) is Primitive and not kwargs:
        x, y = plain_operands(inputs, f"{name_of(ufunc)}.outer", Tensor)
        return ufunc(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y)
    if method != "at" and not _requires_grad(inputs):
        return getattr(ufunc, method)(*_stripped(inputs), **_stripped(kwargs))
    raise NoDerivativeError(
        f"{name_of(ufunc)}.{method} has no derivative rule"
        + (
            "; it would write in place: use scatter_add"
            if method == "at"
            else " (reduce and accumulate have them for add, multiply, maximum, minimum)"
        )
    )


def _requires_grad(value: Any) -> bool:
    """Return whether there is a Tensor that requires a gradient in here, at any depth."""
    if isinstance(value, Tensor):
        return value._needs and state().enabled
    if type(value) in (list, tuple):
        return any(_requires_grad(v) for v in value)
    return False


def _stripped(value: Any) -> Any:
    """Return the same arguments with arrays in place of the Tensors."""
    if isinstance(value, Tensor):
        return value._elements
    if type(value) in (list, tuple):
        return type(value)([_stripped(v) for v in value])
    if type(value) is dict:
        return {k: _stripped(v) for k, v in value.items()}
    return value


def _option(value: Any, name: str) -> Any:
    """Return an option as a rule will read it again: plain arrays that are its own (indices, mostly)."""
    value = plain_operands(_stripped(value), name, Tensor)
    if type(value) is np.ndarray:
        return value.copy() if state().enabled else value
    if type(value) in _SEQUENCES:
        return type(value)([v.copy() if type(v) is np.ndarray else v for v in value])
    return value
