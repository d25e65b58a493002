"""The graph of a forward, operation by operation, and gradients carried back through it.

The forward is plain NumPy, so it runs on Tensors, and what they record is its graph.  A `Graph` keeps it as a list in
order of time and carries gradients back through it, where the engine's own pass keeps nothing: here every gradient on
the way is needed, and any contribution may be replaced by another one.

    grads[n]            the gradient of the result of operation n
    edge (n, i)         operation n uses the result m of an earlier one as its argument i, and sends back a contribution
    pull(m, c)          what a gradient c of result m comes to at the inputs: linear in c

So an edge at which something else, c', was sent back changes the gradients of the inputs by pull(m, c' - c).
"""

import bisect
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy import autograd
from acg_numpy.autograd import Tensor, tensor
from acg_numpy.autograd.nodes import next_order
from acg_numpy.autograd.state import recording
from acg_numpy.autograd.table import Primitive
from acg_numpy.shapes import Array

# A frame is traced or hidden by its file: nothing else distinguishes the lines of a forward from those of NumPy and the
# engine.  Both are found from their modules, wherever these lie.
ENGINE = str(Path(autograd.__file__).parent)
NUMPY = str(Path(np.__file__).parent)


class Line(NamedTuple):
    """Line of a forward."""

    file: str
    number: int

    @property
    def text(self) -> str:
        """The source of the line, where it can be found, without its comment."""
        return linecache.getline(self.file, self.number).partition("  #")[0].strip()

    def __str__(self) -> str:
        if not self.text:
            return f"line {self.number}"
        # a cell of a notebook has its source but no file, only a number that means nothing to its reader
        where = f"{Path(self.file).name}:" if Path(self.file).is_file() else "line "
        return f"{where}{self.number}: {self.text}"


class Link(NamedTuple):
    """Argument that is the result of an operation of the graph."""

    place: int


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of the forward, with its arguments and its result.

    Attributes
    ----------
    value : array
        The result.
    entry : Primitive or None
        The engine's entry for it; None for an input.
    args : tuple
        A Link for each argument that a gradient is carried back to, values for the others.
    values : tuple
        The same with arrays for the Links.
    options : dict
    line : Line or None
        Where in the forward it was called.
    visit : int
        The number of lines that had run before; in a loop one line has many visits.
    """

    value: Array
    entry: Primitive | None = None
    args: tuple[Any, ...] = ()
    values: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None
    line: Line | None = None
    visit: int = -1

    @property
    def name(self) -> str:
        """The name of the NumPy function, "np.exp" say, or "input"."""
        return "input" if self.entry is None else self.entry.name

    def links(self) -> Iterator[tuple[int, int]]:
        """Iterate over (position, place in the graph) of every argument that gets a gradient."""
        for position, arg in enumerate(self.args):
            if isinstance(arg, Link):
                yield position, arg.place

    def contribution(self, position: int, g: Array, *, values: Sequence[Any] | None = None, ans: Any = None) -> Array:
        """Compute what goes back to one argument for a gradient g of the result, from its own or from other values."""
        assert self.entry is not None  # an input has no arguments
        rule: Callable[..., Any] = self.entry.rules[position]  # type: ignore[assignment]
        given = self.values if values is None else values
        sent: Array = rule(g, self.value if ans is None else ans, *given, **(self.options or {}))
        return sent

    def evaluate(self, values: Sequence[Any]) -> Array:
        """Compute the result for other arguments."""
        assert self.entry is not None
        return np.asarray(self.entry.function(*values, **(self.options or {})))


class Edge(NamedTuple):
    """Use of one result by a later operation."""

    operation: int
    position: int


@dataclass(frozen=True, eq=False)
class Graph:
    """Forward as a list of operations, inputs first.

    Attributes
    ----------
    operations : tuple of Operation
    inputs : tuple of int
        Places of the checked inputs.
    outputs : tuple of int or None
        Places of the floating outputs; None for one that depends on no input.
    """

    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int | None, ...]

    def edges(self) -> Iterator[tuple[Edge, int]]:
        """Iterate over the edges, each with the place of the result that is used."""
        for place, operation in enumerate(self.operations):
            for position, parent in operation.links():
                yield Edge(place, position), parent

    def gradients(self, grad_outs: Sequence[Array], replacements: dict[Edge, Any] | None = None) -> list[Array | None]:
        """Compute the gradient of every result; `replacements` has functions for some edges."""
        grads: list[Array | None] = [None] * len(self.operations)
        for place, grad in zip(self.outputs, grad_outs, strict=True):
            if place is not None:
                _add(grads, place, grad)
        self.carry(grads, replacements)
        return grads

    def pull(self, place: int, gradient: Array, replacements: dict[Edge, Any] | None = None) -> list[Array]:
        """Carry a gradient of one result back to the inputs."""
        grads: list[Array | None] = [None] * len(self.operations)
        grads[place] = gradient
        self.carry(grads, replacements)
        return self.at_inputs(grads)

    def carry(self, grads: list[Array | None], replacements: dict[Edge, Any] | None = None, *, stop: int = -1) -> None:
        """Fill in the gradients of all results older than those that have one, back to the result at `stop`."""
        with np.errstate(all="ignore"):
            for place in range(len(grads) - 1, stop, -1):
                g, operation = grads[place], self.operations[place]
                if g is None:
                    continue
                for position, parent in operation.links():
                    replacement = replacements.get(Edge(place, position)) if replacements else None
                    sent = replacement(operation, position, g) if replacement else operation.contribution(position, g)
                    if sent is not None:
                        _add(grads, parent, sent)

    def at_inputs(self, grads: Sequence[Array | None]) -> list[Array]:
        """Select the gradients of the inputs among those of all results, zeros where nothing arrived."""
        found = [grads[place] for place in self.inputs]
        return [
            np.zeros_like(self.operations[place].value) if grad is None else grad
            for place, grad in zip(self.inputs, found, strict=True)
        ]

    @property
    def dependencies(self) -> list[set[int]]:
        """The numbers of the inputs that each result depends on."""
        sets: list[set[int]] = []
        for place, operation in enumerate(self.operations):
            own = {self.inputs.index(place)} if place in self.inputs else set()
            sets.append(own.union(*(sets[parent] for _, parent in operation.links())))
        return sets


def _add(grads: list[Array | None], place: int, sent: Array) -> None:
    """Add one contribution to the gradient of a result."""
    before = grads[place]
    grads[place] = sent if before is None else before + sent


def trace(function: Callable[..., Any], values: Sequence[Any], checked: Sequence[bool]) -> Graph:
    """Run a function on Tensors and record what it does.

    Parameters
    ----------
    function : callable
        From the inputs to a tuple of floating outputs.
    values : sequence
        The inputs.
    checked : sequence of bool
        Which of them become Tensors.

    Raises
    ------
    Exception
        Whatever the function raises when it meets Tensors: not every function can be traced.
    """
    pairs = list(zip(values, checked, strict=True))
    leaves = [tensor(value, requires_grad=True) if check else value for value, check in pairs]
    with np.errstate(all="ignore"), recording(True, expand=True), _line_log() as lines:
        outputs = function(*leaves)
    inputs = [leaf for leaf, check in zip(leaves, checked, strict=True) if check]
    tensors = sorted(
        _recorded_tensors([*inputs, *(o for o in outputs if isinstance(o, Tensor))]), key=lambda t: t._order
    )
    place = {t._order: number for number, t in enumerate(tensors)}
    return Graph(
        tuple(_as_operation(t, place, lines) for t in tensors),
        tuple(place[t._order] for t in inputs),
        tuple(place.get(o._order) if isinstance(o, Tensor) else None for o in outputs),
    )


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


def _as_operation(t: Tensor, place: dict[int, int], lines: "_LineLog") -> Operation:
    """Return a recorded Tensor as an Operation."""
    if t._record is None:
        return Operation(t._elements)
    entry, args, _, options, _ = t._record
    if not isinstance(entry, Primitive):
        raise TypeError(f"{entry.name} is one node with a gradient of its own and cannot be looked into")
    linked = tuple(Link(place[a._order]) if isinstance(a, Tensor) and a._needs else _array_of(a) for a in args)
    values = tuple(_array_of(a) for a in args)
    return Operation(t._elements, entry, linked, values, options, *lines.line_at(t._order))


def _array_of(value: Any) -> Any:
    """Return the array in a Tensor, anything else as it is."""
    return value._elements if isinstance(value, Tensor) else value


class _LineLog:
    """Log of the lines that ran; the time of each is its place in the order in which Tensors are made."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.lines: list[Line] = []

    def note(self, frame: FrameType) -> None:
        """Log that the line of a frame runs from now on."""
        self.times.append(next_order())
        self.lines.append(Line(frame.f_code.co_filename, frame.f_lineno))

    def line_at(self, order: int) -> tuple[Line | None, int]:
        """Return the line that ran when the Tensor of this order was made, and its number among all that ran."""
        number = bisect.bisect(self.times, order) - 1
        return (self.lines[number] if number >= 0 else None), number


@contextmanager
def _line_log() -> Iterator[_LineLog]:
    """Log which line of which file is running, in every function outside NumPy and the engine."""
    lines = _LineLog()

    def on_event(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.note(frame)
        elif event == "return":
            caller = frame.f_back
            # the caller of a pair's forward is the engine, that of a finaliser the garbage collector
            while caller is not None and _is_hidden(caller):
                caller = caller.f_back
            if caller is not None:
                lines.note(caller)
        return on_event

    def on_call(frame: FrameType, event: str, _: Any) -> Any:
        return None if _is_hidden(frame) else on_event

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield lines
    finally:
        sys.settrace(before)


def _is_hidden(frame: FrameType) -> bool:
    """Check whether a frame is NumPy's, the engine's or this module's own."""
    file = frame.f_code.co_filename
    return file.startswith((ENGINE, NUMPY, "<")) or file == __file__
