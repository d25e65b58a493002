"""Arrays that can be written to while a forward is traced, and record what is done with them.

A Tensor cannot be written to, because what was made from it would no longer be true.  A forward writes all the time:
`out[:, t] = h`, `z[z < 0] = 0`, `P[np.arange(n), y] -= 1`.  So it runs on `RecordedArray`s.  Each is a view of some
memory, as every NumPy array is; the memory holds a Tensor, and a write puts another Tensor into its place: the old
one with some elements moved in from what was written.  A view that is read after a write shows the new Tensor.

    memory.tensor       what the memory holds now, whole
    memory.writes       how often it was written to
    array.places        which elements of the memory an array shows

Which results are views, and of which elements, is what NumPy itself says: the operation is run on arrays, and its
result shares memory with one of them or does not.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.tensors import Tensor, call_function, call_ufunc, get_item, plain_tensor, tensor
from acg_numpy.checks.tracing.moved_elements import move, numbered
from acg_numpy.checks.tracing.source_lines import VisitLog
from acg_numpy.shapes import Array

_WRITERS = (np.copyto, np.put_along_axis, np.fill_diagonal, np.put, np.place, np.putmask)
_SIGNATURES: dict[Callable[..., Any], Callable[..., Any]] = {  # of functions in C, which tell theirs since NumPy 2.4
    np.copyto: lambda dst, src, casting="same_kind", where=True: None,
    np.putmask: lambda a, mask, values: None,
}


class Memory:
    """The memory of an array and of all its views.

    Attributes
    ----------
    tensor : Tensor
        What it holds now.
    writes : int
        How often it was written to.
    log : VisitLog
        Of the trace that it belongs to.
    """

    __slots__ = ("log", "tensor", "writes")

    def __init__(self, tensor: Tensor, log: VisitLog) -> None:
        self.tensor, self.writes, self.log = tensor, 0, log


class RecordedArray(Tensor):
    """A view of some memory, the whole of it or a part.

    Parameters
    ----------
    memory : Memory
    shown : Tensor, optional
        What it shows now; left out for the whole of the memory.
    places : callable, optional
        Returns the number, in the memory, of every element that it shows.
    """

    __slots__ = ("_memory", "_places", "_seen", "_shown")
    __hash__ = object.__hash__

    _memory: Memory
    _places: Any
    _seen: int
    _shown: Tensor

    def __init__(self, memory: Memory, shown: Tensor | None = None, places: Callable[[], Array] | None = None) -> None:
        self._memory, self._places, self._seen = memory, places, memory.writes
        self._shown = memory.tensor if shown is None else shown
        self.grad = None

    # What it shows.

    @property
    def current(self) -> Tensor:
        """What it shows now, as the Tensor that operations are recorded with."""
        if self._seen != self._memory.writes:
            whole = self._memory.tensor
            self._shown = whole if self._places is None else move("view", self.places, whole)
            self._seen = self._memory.writes
        return self._shown

    @property
    def places(self) -> Array:
        """The number, in its memory, of every element that it shows."""
        if self._places is None:
            return numbered(self._memory.tensor.shape)
        if callable(self._places):
            self._places = self._places()
        return np.asarray(self._places)

    @property
    def _elements(self) -> Array:  # type: ignore[override]
        return self.current._elements

    @property
    def _needs(self) -> bool:  # type: ignore[override]
        return self.current._needs

    @property
    def _order(self) -> int:  # type: ignore[override]
        return self.current._order

    @property
    def _record(self) -> Any:  # type: ignore[override]
        return self.current._record

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis; may be set, as NumPy's may."""
        return self._elements.shape

    @shape.setter
    def shape(self, shape: tuple[int, ...]) -> None:
        self._memory.log.note()
        places, self._shown = np.reshape(self.places, shape), call_function(np.reshape, (self.current, shape), {})
        self._places = places

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element to the next along each axis."""
        return self._elements.strides

    @property
    def flags(self) -> Any:
        """Layout in memory."""
        return self._elements.flags

    def __getattr__(self, name: str) -> Any:
        """Return a method of an ndarray that a Tensor has not, as NumPy's function of that name."""
        function = getattr(np, name, None)
        # np.resize returns another array, and the method changes the array itself
        if name.startswith("_") or name == "resize" or not hasattr(np.ndarray, name) or not callable(function):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return lambda *args, **options: function(self, *args, **options)

    # Operations: run on Tensors, and wrapped again.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        log = self._memory.log
        log.note()
        if method == "at":
            return _write_at(ufunc, *inputs)
        (out,) = kwargs.pop("out", None) or (None,)
        where = kwargs.pop("where", True)
        given = _tensors(inputs)
        if where is not True:
            # elsewhere a number at which every function has a derivative, because zero times infinity is none
            given = [np.where(where, value, 1.0) for value in given]

        def compute(*values: Any) -> Any:
            if any(isinstance(value, Tensor) for value in values):
                return call_ufunc(ufunc, method, values, _tensors(kwargs))
            return getattr(ufunc, method)(*values, **kwargs)

        result = compute(*given)
        if where is not True:
            kept = np.zeros(np.shape(result)) if out is None else _tensors(out)
            result = np.where(where, result, kept)
        if out is None:
            return _record_results(result, log, inputs, compute)
        return _write_out(out, result, log)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        log = self._memory.log
        log.note()
        if func in _WRITERS:
            return _write_by(func, args, kwargs)
        out = kwargs.get("out")
        options = {name: value for name, value in kwargs.items() if name != "out"}
        # what a function of NumPy that the engine has no rule for says is what the reader is told
        result = call_function(func, _tensors(args), _tensors(options))
        if out is not None:
            return _write_out(out, result, log)
        return _record_results(result, log, args, lambda *values: func(*values, **options))

    def __getitem__(self, index: Any) -> "Tensor":
        log = self._memory.log
        log.note()
        index = _as_index(index)
        result = call_function(get_item, (self.current, index), {})
        return _record_results(result, log, (self,), lambda array: array[index])  # type: ignore[no-any-return]

    # Writes.

    def write(self, value: Any) -> None:
        """Write new values for all that it shows; a Tensor of its shape takes the place of the whole memory."""
        memory = self._memory
        if self._places is None and isinstance(value, Tensor) and value.dtype == self.dtype:
            memory.tensor = value
        else:
            self._move_in(numbered(self.shape), value)
        memory.writes += 1

    def _move_in(self, source: Array, value: Any) -> None:
        """Put elements of a value into the memory: `source` has the number of one for each place, or -1."""
        memory = self._memory
        whole = memory.tensor
        codes = numbered(whole.shape)
        written = source >= 0
        codes.reshape(-1)[self.places[written]] = whole.size + source[written]
        memory.tensor = move("assignment", codes, whole, value)

    def __setitem__(self, index: Any, value: Any) -> None:  # type: ignore[override]
        self._memory.log.note()
        index = _as_index(index)
        if isinstance(value, RecordedArray) and value._memory is self._memory:
            shown = self.places[index]
            if np.array_equal(shown, value.places):
                return  # the end of out[i] += x, which has been written
        value = _tensors(value)
        if isinstance(value, list | tuple):
            value = stacked(value)
        source = np.full(self.shape, -1)
        source[index] = numbered(np.shape(value))
        self._move_in(source, value)
        self._memory.writes += 1

    def fill(self, value: Any) -> None:
        """Fill with a number, as NumPy's `fill` does."""
        self[...] = value

    def sort(self, axis: int = -1, **options: Any) -> None:
        """Sort along an axis in place, as NumPy's `sort` does."""
        self.write(_tensors(np.sort(self, axis, **options)))

    def partition(self, kth: Any, axis: int = -1, **options: Any) -> None:
        """Partition along an axis in place, as NumPy's `partition` does."""
        self.write(_tensors(np.partition(self, kth, axis, **options)))

    def flatten(self, order: Any = "C") -> Any:
        """Return a copy in one axis."""
        return np.copy(np.ravel(self, order=order))

    def astype(self, dtype: npt.DTypeLike, *args: Any, copy: bool = True, **options: Any) -> Any:
        """Convert to another dtype; the array itself where it has that dtype and no copy is asked for."""
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return super().astype(dtype, *args, **options)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return np.copy(self)

    # Leaving the graph: allowed, and logged, because not everything that leaves comes back.

    def _leave(self, how: str) -> Array:
        if self._needs:
            self._memory.log.note_exit(how)
        return self._elements

    def numpy(self) -> Array:
        """Return the values."""
        return self._leave(".numpy()").copy()

    def item(self, *index: int) -> Any:
        """Return one element as a Python number."""
        return self._leave(".item()").item(*index)

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._leave(".tolist()").tolist()


# fmt: off
_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "mod": np.remainder,
    "matmul": np.matmul, "pow": np.power, "floordiv": np.floor_divide,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}
_COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute}
# fmt: on


def _operator(ufunc: np.ufunc, *, reflected: bool = False) -> Callable[[Any, Any], Any]:
    """Return an operator: the ufunc, except where the other operand handles arrays itself."""

    def operate(self: Any, other: Any) -> Any:
        if getattr(other, "__array_ufunc__", ufunc) is None:
            return NotImplemented
        if ufunc is np.power and not reflected and type(other) is int and other == 2:
            return np.square(self)
        return ufunc(other, self) if reflected else ufunc(self, other)

    return operate


def _inplace_operator(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return an operator that writes; to a number, which is not an array in NumPy either, it gives a new one."""

    def operate(self: RecordedArray, other: Any) -> Any:
        result = _operator(ufunc)(self, other)
        if self.ndim == 0:
            return result
        if np.shape(result) != self.shape:
            raise ValueError(
                f"non-broadcastable output operand with shape {self.shape} doesn't match the broadcast shape "
                f"{np.shape(result)}"
            )
        self.write(_tensors(result))
        return self

    return operate


for _name, _ufunc in _BINARY.items():
    setattr(RecordedArray, f"__{_name}__", _operator(_ufunc))
    setattr(RecordedArray, f"__r{_name}__", _operator(_ufunc, reflected=True))
    setattr(RecordedArray, f"__i{_name}__", _inplace_operator(_ufunc))
for _name, _ufunc in _COMPARISONS.items():
    setattr(RecordedArray, f"__{_name}__", _operator(_ufunc))


for _name, _ufunc in _UNARY.items():
    setattr(RecordedArray, f"__{_name}__", lambda self, ufunc=_ufunc: ufunc(self))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy as a method."""
    return lambda self, *args, **options: function(self, *args, **options)


# methods of an ndarray that take out=, which those of a Tensor do not
for _name in (
    "sum", "prod", "mean", "std", "var", "max", "min", "any", "all", "argmax", "argmin", "cumsum", "cumprod",
    "clip", "round", "dot", "trace", "take", "choose",
):  # fmt: skip
    setattr(RecordedArray, _name, _method(getattr(np, _name)))


def recorded_arrays(value: Any) -> Iterator[RecordedArray]:
    """Yield the recorded arrays in a value, at any depth of lists and tuples."""
    if isinstance(value, RecordedArray):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from recorded_arrays(item)


def _replace(value: Any, change: Callable[[RecordedArray], Any]) -> Any:
    """Return a value with something else for each recorded array in it, at any depth."""
    if isinstance(value, RecordedArray):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)([_replace(item, change) for item in value])
    if type(value) is dict:
        return {name: _replace(item, change) for name, item in value.items()}
    return value


def _tensors(value: Any) -> Any:
    """Return a value with the Tensors that its recorded arrays show now."""
    return _replace(value, lambda array: array.current)


def _as_index(index: Any) -> Any:
    """Return an index with plain arrays for the recorded ones: nothing is differentiated by an index."""
    return _replace(index, lambda array: array._elements)


def constant(array: Array, log: VisitLog) -> RecordedArray:
    """Return a recorded array that depends on no input, and may be written to."""
    return RecordedArray(Memory(plain_tensor(array), log))


def leaf(value: Array, log: VisitLog) -> RecordedArray:
    """Return an input as a recorded array that gradients are carried back to."""
    return RecordedArray(Memory(tensor(value, requires_grad=True), log))


def stacked(values: Any) -> Any:
    """Return nested lists of Tensors as one Tensor, and anything else as an array."""
    if isinstance(values, list | tuple) and any(isinstance(v, Tensor) for v in _flat(values)):
        return call_function(np.stack, ([stacked(value) for value in values],), {})
    return values if isinstance(values, Tensor) else np.asarray(values)


def _flat(values: Any) -> Iterator[Any]:
    """Yield the items of nested lists."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def _record_results(result: Any, log: VisitLog, args: Any, again: Callable[..., Any]) -> Any:
    """Return results as recorded arrays: views of an argument's memory where NumPy makes views."""
    if isinstance(result, list | tuple) and any(isinstance(r, Tensor | np.ndarray) for r in result):
        items = [
            _record_results(item, log, args, lambda *values, n=n: again(*values)[n]) for n, item in enumerate(result)
        ]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    if isinstance(result, np.ndarray) and result.dtype.kind == "f":
        return constant(result, log)
    if not isinstance(result, Tensor):
        return result
    for array in recorded_arrays(args):
        if result.size and np.may_share_memory(result._elements, array._shown._elements):

            def places(array: RecordedArray = array) -> Array:
                given = _replace(list(args), lambda other: other.places if other is array else other._elements)
                return np.asarray(again(*given))

            return RecordedArray(array._memory, result, places)
    return RecordedArray(Memory(result, log))


def _write_out(out: Any, result: Any, log: VisitLog) -> Any:
    """Write a result to where out= says; a plain array cannot hold it, so the result goes on in its place."""
    (out,) = out if isinstance(out, tuple) else (out,)
    if isinstance(out, RecordedArray):
        out.write(np.broadcast_to(result, out.shape) if np.shape(result) != out.shape else result)
        return out
    if isinstance(result, Tensor) and result._needs:
        with np.errstate(all="ignore"):
            out[...] = result._elements
    return _record_results(result, log, (), lambda: None)


def _write_at(ufunc: np.ufunc, array: Any, index: Any, value: Any = None) -> None:
    """Write as ufunc.at does: to each element as often as it is named, one time after the other."""
    assert isinstance(array, RecordedArray)  # a plain array that is added to has no place for what is recorded
    index = _as_index(index)
    numbers = np.ravel(numbered(array.shape)[index])
    value = np.ravel(np.broadcast_to(_tensors(value), np.shape(numbered(array.shape)[index])))
    # the turn in which each number is written to: its n-th naming is in turn n
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], numbers[order])
    turn = np.empty(len(numbers), dtype=np.int64)
    turn[order] = np.arange(len(numbers)) - starts
    flat = np.ravel(array.current)
    if ufunc is np.add:
        total = np.bincount(numbers, weights=value, minlength=array.size)
        array.write(np.reshape(flat + total, array.shape))
        return
    for number in range(int(np.max(turn, initial=-1)) + 1):
        now = turn == number
        source = numbered((array.size,))
        source[numbers[now]] = array.size + np.arange(int(np.sum(now)))
        flat = move("assignment", source, flat, ufunc(flat[numbers[now]], value[now]))
    array.write(np.reshape(flat, array.shape))


def _write_by(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Write as a function does that writes into its first argument: run on numbers, it says what goes where."""
    bound = inspect.signature(_SIGNATURES.get(func, func)).bind(*args, **kwargs)
    names = list(bound.arguments)
    target = bound.arguments[names[0]]
    value_name = next(n for n in ("src", "values", "val", "v", "vals") if n in bound.arguments)
    value = _tensors(bound.arguments[value_name])
    value = stacked(value)
    assert isinstance(target, RecordedArray)
    target._memory.log.note()
    codes = np.full(target.shape, -1)
    plain = {name: _as_index(item) for name, item in bound.arguments.items()}
    del plain[names[0]]
    func(codes, **{**plain, value_name: numbered(np.shape(value))})
    target._move_in(codes, value)
    target._memory.writes += 1
