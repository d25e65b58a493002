"""A run of the forward on recorded arrays, as a graph."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.autograd.state import recording
from acg_numpy.autograd.table import Primitive
from acg_numpy.checks.tracing.array_creation import recorded_creation
from acg_numpy.checks.tracing.graph import Graph, Link, Operation
from acg_numpy.checks.tracing.recorded_arrays import RecordedArray, constant, leaf
from acg_numpy.checks.tracing.source_lines import Line, VisitLog


class NotFollowedError(Exception):
    """Raised where a forward does what cannot be recorded.

    Attributes
    ----------
    line : Line or None
        Where.
    """

    def __init__(self, message: str, line: Line | None = None) -> None:
        super().__init__(message)
        self.line = line


def trace(function: Callable[..., Any], values: Sequence[Any], checked: Sequence[bool]) -> Graph:
    """Run a function on recorded arrays, and return what it did as a graph.

    Parameters
    ----------
    function : callable
        From the inputs to a tuple of floating outputs.
    values : sequence
        The inputs.
    checked : sequence of bool
        Which of them gradients are carried back to.

    Raises
    ------
    NotFollowedError
        With what the function raised, and where, if it did: not every function can be traced.
    """
    log = VisitLog()
    pairs = list(zip(values, checked, strict=True))
    given = [leaf(value, log) if check else _held(value, log) for value, check in pairs]
    leaves = [array.current for array, check in zip(given, checked, strict=True) if check]
    try:
        with np.errstate(all="ignore"), recording(True, expand=True), recorded_creation(log, function):
            outputs = [o.current if isinstance(o, RecordedArray) else o for o in function(*given)]
    except Exception as error:
        raise NotFollowedError(f"{type(error).__name__}: {error}", log.raising_line(error)) from error
    roots = [*leaves, *(o for o in outputs if isinstance(o, Tensor))]
    tensors = sorted(_recorded_tensors(roots), key=lambda t: t._order)
    place = {t._order: number for number, t in enumerate(tensors)}
    return Graph(
        tuple(_as_operation(t, place, log) for t in tensors),
        tuple(place[t._order] for t in leaves),
        tuple(place.get(o._order) if isinstance(o, Tensor) else None for o in outputs),
        tuple(log.exits),
    )


def _held(value: Any, log: VisitLog) -> Any:
    """Return an input that is held fixed: a floating array is recorded too, so that `fixed.dot(x)` is followed."""
    return constant(value, log) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _recorded_tensors(roots: Sequence[Tensor]) -> list[Tensor]:
    """Find the given Tensors and all that they were made from, without those that no gradient is carried to."""
    found: dict[int, Tensor] = {}
    stack = list(roots)
    while stack:
        t = stack.pop()
        if t._needs and t._order not in found:
            found[t._order] = t
            if t._record is not None:
                stack.extend(a for a in t._record[1] if isinstance(a, Tensor))
    return list(found.values())


def _as_operation(t: Tensor, place: dict[int, int], log: VisitLog) -> Operation:
    """Return a recorded Tensor as an Operation."""
    if t._record is None:
        return Operation(t._elements)
    entry, args, _, options, _ = t._record
    line, visit = log.line_at(t._order)
    if not isinstance(entry, Primitive):
        raise NotFollowedError(f"{entry.name} is one node with a gradient of its own and cannot be looked into", line)
    if any(isinstance(a, RecordedArray) for a in args):
        raise NotFollowedError(f"{entry.name} was given an array that may be written to", line)
    linked = tuple(Link(place[a._order]) if isinstance(a, Tensor) and a._needs else _array_of(a) for a in args)
    values = tuple(_array_of(a) for a in args)
    return Operation(t._elements, entry, linked, values, options, line, visit)


def _array_of(value: Any) -> Any:
    """Return the array in a Tensor, anything else as it is."""
    return value._elements if isinstance(value, Tensor) else value
