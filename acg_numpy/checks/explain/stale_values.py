"""Other values of the same shape in the place of the right one: of the forward, or of the gradients on the way back."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from acg_numpy.checks.explain.corruptions import Corruption, replace_argument, try_call
from acg_numpy.checks.explain.known_regions import pull_between
from acg_numpy.checks.tracing import Graph
from acg_numpy.shapes import Array


def stale_corruptions(graph: Graph, place: int, position: int) -> Iterator[Corruption]:
    """Yield corruptions that use another value of the same shape, from anywhere in the graph, or a function of one."""
    operation = graph.operations[place]
    for other, given in enumerate(operation.values):
        if not isinstance(given, np.ndarray) or given.size < 2 or given.dtype.kind != "f":
            continue
        for source in graph.operations:
            value = _broadcast_like(source.value, given)
            if value is None:
                continue
            named = f"the value of {source.line}" if source.line else "an input"
            if not np.array_equal(value, given):
                yield Corruption("stale-value", 1.7, f"{named} used", replace_argument(other, value))
            for written, derived in _derived_values(value):
                if not np.array_equal(derived, given):
                    yield Corruption("stale-value", 2.1, f"{written} of {named} used", replace_argument(other, derived))


def _broadcast_like(value: Array, given: Array) -> Array | None:
    """Return a value in the shape of another, if it has that shape or can be broadcast to it."""
    if value.shape == given.shape:
        return value
    if value.size < 2 or value.ndim != given.ndim:
        return None
    wide = try_call(np.broadcast_to, value, given.shape)
    return None if wide is None else np.asarray(wide)


def _derived_values(value: Array) -> Iterator[tuple[str, Array]]:
    """Yield functions of a value that are taken for the value, or that it is taken for."""
    for written, function in FUNCTIONS.items():
        with np.errstate(all="ignore"):
            derived = np.asarray(function(value))
        if np.all(np.isfinite(derived)):
            yield written, derived


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "the exponential": np.exp,
    "the logarithm": np.log,
    "the square": np.square,
    "the square root": np.sqrt,
    "one over the value": np.reciprocal,
    "one minus the value": lambda v: 1 - v,
}


def stale_gradients(graph: Graph, grads: Sequence[Array | None], place: int) -> Iterator[tuple[str, Array]]:
    """Yield what a result's gradient would be if some part of the way back to it were skipped.

    The part goes from a later result to an earlier one of the same shape, whose gradients are taken for each other.
    """
    for early in _downstream_results(graph, place):
        shape = graph.operations[early].value.shape
        for late in range(len(graph.operations)):
            gradient, right = grads[late], grads[early]
            if late == early or (late < early and early != place):
                continue
            if gradient is None or right is None or gradient.shape != shape or np.array_equal(gradient, right):
                continue
            sent = gradient if early == place else pull_between(graph, place, early, gradient)
            if sent is not None:
                taken, right_one = (graph.operations[n].line or "an input" for n in (late, early))
                yield f"the gradient of {taken} taken for that of {right_one}", sent


def _downstream_results(graph: Graph, place: int) -> Iterator[int]:
    """Yield a result, and those made of it one after the other as long as it is used only once, three at most."""
    yield place
    for _ in range(3):
        users = [later for later, op in enumerate(graph.operations) if any(p == place for _, p in op.links())]
        if len(set(users)) != 1:
            return
        place = users[0]
        yield place
