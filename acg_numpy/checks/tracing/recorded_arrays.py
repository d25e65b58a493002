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

Arrays that a forward holds, as `self.W`, are stood for by recorded ones while it is traced.  To another thread, which
runs the same layer meanwhile, such a one is the array itself.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd.tensors import Tensor, call_function, call_ufunc, get_item, plain_tensor, tensor
from acg_numpy.checks.tracing.array_operators import InPlaceOperators
from acg_numpy.checks.tracing.element_writes import WRITERS, written_at, written_by
from acg_numpy.checks.tracing.moved_elements import move, numbered
from acg_numpy.checks.tracing.source_lines import VisitLog
from acg_numpy.shapes import Array


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
    source : array or None
        What it stands for, if the forward held that before the trace.
    """

    __slots__ = ("log", "source", "tensor", "writes")

    def __init__(self, tensor: Tensor, log: VisitLog, source: Array | None = None) -> None:
        self.tensor, self.writes, self.log, self.source = tensor, 0, log, source


class RecordedArray(InPlaceOperators, Tensor):
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
        if _is_outside(log, inputs, *kwargs.values()):
            return getattr(ufunc, method)(*_arrays(inputs), **_arrays(kwargs))
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
        if _is_outside(log, args, *kwargs.values()):
            return func(*_arrays(args), **_arrays(kwargs))
        log.note()
        if func in WRITERS:
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
        if _is_outside(log, self):
            return _arrays(self)[_as_index(index)]  # type: ignore[no-any-return]
        log.note()
        index = _as_index(index)
        result = call_function(get_item, (self.current, index), {})
        return _record_results(result, log, (self,), lambda array: array[index])  # type: ignore[no-any-return]

    # Writes.

    def write(self, value: Any) -> None:
        """Write new values for all that it shows; a Tensor of its shape takes the place of the whole memory."""
        memory = self._memory
        if _is_outside(memory.log, self, value):
            _arrays(self)[...] = value
            return
        value = _tensors(value)
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
        if _is_outside(self._memory.log, self, value):
            _arrays(self)[_as_index(index)] = _arrays(value)
            return
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
        self.write(np.sort(self, axis, **options))

    def partition(self, kth: Any, axis: int = -1, **options: Any) -> None:
        """Partition along an axis in place, as NumPy's `partition` does."""
        self.write(np.partition(self, kth, axis, **options))

    def flatten(self, order: Any = "C") -> Any:
        """Return a copy in one axis."""
        return np.copy(np.ravel(self, order=order))

    def astype(self, dtype: npt.DTypeLike, *args: Any, copy: bool = True, **options: Any) -> Any:
        """Convert to another dtype; the array itself where it has that dtype and no copy is asked for."""
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return super().astype(dtype, *args, **options)

    def __reduce__(self) -> Any:
        return self._leave("pickle").__reduce__()

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return np.copy(self)

    # Leaving the graph: allowed, and logged, because not everything that leaves comes back.

    def _leave(self, how: str) -> Array:
        if _is_outside(self._memory.log, self):
            return _arrays(self)  # type: ignore[no-any-return]
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


def _is_outside(log: VisitLog, *values: Any) -> bool:
    """Check whether another thread than the forward's calls, with arrays that stand for others and nothing more.

    A thread of the forward's own works on what has been computed from its inputs.
    """
    if threading.get_ident() == log.thread:
        return False
    return all(array._memory.source is not None and not array._needs for array in recorded_arrays(values))


def _arrays(value: Any) -> Any:
    """Return a value with the arrays that its recorded ones stand for."""
    return _replace(value, lambda array: array._memory.source if array._places is None else array._elements)


def _as_index(index: Any) -> Any:
    """Return an index with plain arrays for the recorded ones: nothing is differentiated by an index."""
    return _replace(index, lambda array: array._elements)


def constant(array: Array, log: VisitLog) -> RecordedArray:
    """Return a recorded array that depends on no input, and may be written to."""
    return RecordedArray(Memory(plain_tensor(array), log))


def stand_in(array: Array, log: VisitLog) -> RecordedArray:
    """Return what stands for an array that the forward held before the trace."""
    return RecordedArray(Memory(plain_tensor(array), log, array))


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
    """Write as ufunc.at does."""
    assert isinstance(array, RecordedArray)  # a plain array that is added to has no place for what is recorded
    numbers = numbered(array.shape)[_as_index(index)]
    array.write(written_at(ufunc, array.current, numbers, _tensors(value)))


def _write_by(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Write as a function does that writes into its first argument."""
    target, source, value = written_by(func, args, kwargs, _as_index, lambda value: stacked(_tensors(value)))
    assert isinstance(target, RecordedArray)
    target._move_in(source, value)
    target._memory.writes += 1
