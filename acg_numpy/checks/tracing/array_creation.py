"""NumPy's functions that make arrays, replaced for a forward while it is traced: what they make can be written to.

NumPy hands no call of `np.zeros` to anyone.  So while a trace lasts, the name `np` stands, for the functions that run,
for a module that is NumPy but for these functions, and so does every name that was imported from it.  NumPy itself is
not touched: compiled modules rely on what its functions return.
"""

import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from acg_numpy.autograd.tensors import Tensor
from acg_numpy.checks.tracing.moved_elements import move
from acg_numpy.checks.tracing.recorded_arrays import Memory, RecordedArray, constant, recorded_arrays, stacked
from acg_numpy.checks.tracing.replaced_names import EachElement, ReplacedNames, shown
from acg_numpy.checks.tracing.source_lines import VisitLog, is_hidden

# fmt: off
_MAKERS = (
    "zeros", "empty", "ones", "full", "eye", "identity", "zeros_like", "empty_like", "ones_like", "full_like", "copy",
    "tile", "linspace",
)
_MATH = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "fabs", "pow")
_CONVERTERS = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
# fmt: on

# Held by the thread that traces: a second trace would take the first one's stand-ins for what has to be put back.
_ONE_THREAD = threading.RLock()
# seconds that a trace waits for that of another thread, which may itself be waiting for this one
_LONGEST_WAIT = 60.0


class _Replaced(ModuleType):
    """A module but for some of its attributes."""

    def __init__(self, module: ModuleType, changes: dict[str, Any]) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(changes)
        self.__dict__["_module"] = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Replaced":
        return self


@contextmanager
def recorded_creation(log: VisitLog, function: Callable[..., Any]) -> Iterator[None]:
    """Let NumPy's functions that make arrays return recorded ones where the forward of this trace calls them.

    Parameters
    ----------
    log : VisitLog
    function : callable
        What is traced; the arrays that it and the functions in it hold are recorded too.

    Raises
    ------
    TimeoutError
        Where another thread traces a forward, and has not ended after a minute: it may be waiting for this one.
    """
    names = ReplacedNames(_replacements(log), log)

    def on_call(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not is_hidden(frame):
            names.replace_in_frame(frame)

    # A debugger, and what measures coverage, follow the forward by `settrace`: `setprofile` leaves them in place.  It
    # is slower, as it is called for C functions too.
    tracer = sys.gettrace()
    set_hook: Callable[[Any], None] = sys.settrace if tracer is None or sys.getprofile() else sys.setprofile
    before = tracer if set_hook is sys.settrace else None
    if not _ONE_THREAD.acquire(timeout=_LONGEST_WAIT):
        raise TimeoutError(
            f"the forward of another thread has been traced for {_LONGEST_WAIT:g} seconds, and one is traced at a "
            "time; if that forward waits for this thread, check them one after the other"
        )
    try:
        names.replace_in_function(function)
        set_hook(on_call)
        yield
    finally:
        set_hook(before)
        names.restore()
        _ONE_THREAD.release()


def _replacements(log: VisitLog) -> dict[int, Any]:
    """Return what stands in the place of each module and function of NumPy that makes arrays, by its identity."""
    thread = threading.get_ident()

    def replaced(function: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return function(*args, **kwargs)
            log.note()
            return other(function, log, *args, **kwargs)

        return call

    tricks = np.lib.stride_tricks
    functions = {name: replaced(getattr(np, name), _make) for name in _MAKERS}
    functions |= {name: replaced(getattr(np, name), _convert) for name in _CONVERTERS}
    as_strided = replaced(tricks.as_strided, _stride)
    new_tricks = _Replaced(tricks, {"as_strided": as_strided})
    new_lib = _Replaced(np.lib, {"stride_tricks": new_tricks})
    joiners = {"r_": _Joiner(np.r_, 0), "c_": _Joiner(np.c_, -1)}
    others = {
        **joiners,
        "ndarray": _Ndarray,
        "vectorize": replaced(np.vectorize, lambda kind, _, *args, **kw: EachElement(kind(*args, **kw))),
    }
    new_numpy = _Replaced(np, {**functions, **others, "lib": new_lib})
    new_math = {name: replaced(getattr(math, name), _math) for name in _MATH}
    pairs = [
        (np, new_numpy),
        (math, _Replaced(math, new_math)),
        (np.lib, new_lib),
        (tricks, new_tricks),
        (tricks.as_strided, as_strided),
    ]
    pairs += [(getattr(np, name), other) for name, other in {**functions, **others}.items()]
    pairs += [(getattr(math, name), other) for name, other in new_math.items()]
    return {id(usual): other for usual, other in pairs}


def _make(function: Callable[..., Any], log: VisitLog, *args: Any, **kwargs: Any) -> Any:
    """Make a new array: a recorded one if it is floating, because what has a derivative can be written into it."""
    array = function(*args, **kwargs)
    return constant(array, log) if isinstance(array, np.ndarray) and array.dtype.kind == "f" else array


def _convert(function: Callable[..., Any], log: VisitLog, value: Any, dtype: Any = None, **options: Any) -> Any:
    """Convert to an array: what is recorded stays so."""
    if not any(True for _ in recorded_arrays(value)):
        if isinstance(value, np.ndarray) and function is not np.array:
            return function(value, dtype, **options)  # perhaps the same array
        return _make(function, log, value, dtype, **options)
    if isinstance(value, RecordedArray):
        array, copies = value, function is np.array and options.get("copy", True)
    else:
        array, copies = RecordedArray(Memory(stacked(shown(value)), log)), False
    if dtype is not None and np.dtype(dtype) != array.dtype:
        array, copies = array.astype(dtype), False
    array = array.copy() if copies else array
    missing = options.get("ndmin", 0) - array.ndim
    return array[(None,) * missing] if missing > 0 else array


def _stride(function: Callable[..., Any], log: VisitLog, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return windows of an array by strides, as moved elements; none may lie outside the array's own memory."""
    if not isinstance(x, RecordedArray):
        return function(x, *args, **kwargs)
    elements = x._elements
    numbers = np.empty_like(elements, dtype=np.int64)
    if numbers.strides != elements.strides:
        raise NotImplementedError("as_strided of an array with gaps in its memory")
    numbers[...] = np.arange(elements.size).reshape(elements.shape)
    windows = np.array(function(numbers, *args, **kwargs))
    if np.any((windows < 0) | (windows >= elements.size)):
        raise ValueError("as_strided reaches beyond the array")
    return RecordedArray(Memory(move("as_strided", windows, x.current), log))


def _math(function: Callable[..., Any], log: VisitLog, *numbers: Any) -> Any:
    """Compute a function of numbers: NumPy's where one is recorded."""
    if not any(isinstance(number, Tensor) for number in numbers):
        return function(*numbers)
    return getattr(np, {"pow": "power", "atan": "arctan"}.get(function.__name__, function.__name__))(*numbers)


class _KindOfArray(type):
    """Kind of what is an array to a forward: recorded arrays are, too."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, np.ndarray | RecordedArray)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, np.ndarray | RecordedArray)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return np.ndarray(*args, **options)

    def __getattr__(cls, name: str) -> Any:
        return getattr(np.ndarray, name)


class _Ndarray(metaclass=_KindOfArray):
    """Stand-in for `np.ndarray` in `isinstance(x, np.ndarray)`."""


class _Joiner:
    """`np.r_` and `np.c_`, for arrays of which one is recorded."""

    def __init__(self, usual: Any, axis: int) -> None:
        self._usual, self._axis = usual, axis

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(item, Tensor) for item in items):
            return self._usual[key]
        parts = [item if isinstance(item, Tensor) else self._usual[item] for item in items]
        parts = [np.reshape(part, (1,)) if np.ndim(part) == 0 else part for part in parts]
        if self._axis == -1:
            parts = [part[:, None] if np.ndim(part) == 1 else part for part in parts]
        return np.concatenate(parts, axis=self._axis)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)
