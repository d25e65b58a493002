"""The graph of a forward, operation by operation, and gradients carried back through it.

A `Graph` is a list in order of time.  It carries gradients back through it, where the engine's own pass keeps nothing:
here every gradient on the way is needed, and any contribution may be replaced by another one.

    grads[n]            the gradient of the result of operation n
    edge (n, i)         operation n uses the result m of an earlier one as its argument i, and sends back a contribution
    pull(m, c)          what a gradient c of result m comes to at the inputs: linear in c

So an edge at which something else, c', was sent back changes the gradients of the inputs by pull(m, c' - c).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd.table import Primitive
from acg_numpy.checks.tracing.source_lines import Line
from acg_numpy.shapes import Array


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
    exits : tuple of (Line or None, str)
        Where values left the graph as plain numbers, and how: no gradient comes back from there.
    """

    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int | None, ...]
    exits: tuple[tuple[Line | None, str], ...] = ()

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
