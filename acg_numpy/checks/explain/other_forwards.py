"""The backward of another forward: one in which a step is left out, or has a root or a square in its place.

A backward that divides by a deviation where the forward divides by a variance is right in every formula, but not for
this forward.  No single edge shows that, because the other value is used wherever the right one would be.  So one step
of the forward is changed, what follows is computed anew, and the gradients of that forward are compared with those that
were submitted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import try_call
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.elementwise_factors import elementwise_factor
from acg_numpy.checks.tracing import Graph, Link, Operation
from acg_numpy.shapes import Array

# operations of a graph beyond which a whole run for each change would take too long
MOST_OPERATIONS = 400

_Function = Callable[[Array], Array]
# fmt: off
_FUNCTIONS: dict[str, tuple[_Function, _Function]] = {
    "the root":   (np.sqrt,   lambda v: 0.5 / np.sqrt(v)),
    "the square": (np.square, lambda v: 2.0 * v),
}
# fmt: on


@dataclass(frozen=True, eq=False)
class _Changed(Operation):
    """An operation with a function of each element behind it, or with one argument for its result."""

    after: tuple[_Function, _Function] | None = None
    kept: int | None = None

    def contribution(self, position: int, g: Array, **options: Any) -> Array:
        """Compute what goes back to one argument."""
        if self.kept is not None:
            return g if position == self.kept else np.zeros_like(self.values[position])
        raw = super().evaluate(self.values)
        assert self.after is not None
        return super().contribution(position, g * self.after[1](raw), ans=raw)

    def evaluate(self, values: Any) -> Array:
        """Compute the result for other arguments."""
        if self.kept is not None:
            return np.asarray(values[self.kept])
        assert self.after is not None
        return self.after[0](super().evaluate(values))


def other_forward_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by the right backward of a forward that one change makes of this one."""
    operations = search.graph.operations
    if len(operations) > MOST_OPERATIONS:
        return
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, name in enumerate(search.line_identities()):
        if operations[place].entry is not None:
            # all visits of a line together: a helper, or a loop, is written once
            groups[place if name is None else name].append(place)
    for places in groups.values():
        reached = set().union(*(search.dependencies[place] for place in places))
        if not set(search.case.wrong) <= reached or not any(search.case.grads[place] is not None for place in places):
            continue
        for mistake, cost, text, change in _changes(search, operations[places[0]]):
            search.budget.check()
            graph = try_call(_with_changes, search.graph, dict.fromkeys(places, change))
            found = None if graph is None else try_call(graph.gradients, search.case.grad_outs)
            if found is None:
                continue
            pairs = zip(graph.at_inputs(found), search.case.right, strict=True)
            vector = search.vector([mine - right for mine, right in pairs])
            if np.any(vector) and search.fits(vector):
                line = operations[places[0]].line
                support = int(np.count_nonzero(np.abs(vector) > 1e-9))
                yield Explanation(mistake, cost, search.misfit(vector), text, line, support)


def _changes(
    search: Search, operation: Operation
) -> Iterator[tuple[str, float, str, Callable[[Operation], Operation]]]:
    """Yield the changes of an operation: the mistake, its cost, what it is in words, and the change."""
    begin = "these are the gradients of a forward in which"
    for position, _ in operation.links():
        if operation.values[position].shape == operation.value.shape:
            text = f"{begin} this step is left out, and its argument taken as it is"
            yield _skip_mistake(operation, position), 1.95, text, partial(_change, kept=position)
    value = operation.value
    given = [v.size for v in operation.values if isinstance(v, np.ndarray)]
    if given and value.size and max(given) % value.size == 0 and max(given) > value.size:
        n = max(given) // value.size
        for word, factor in (("summed", float(n)), ("averaged", 1.0 / n)):
            scale = (partial(np.multiply, factor), partial(np.full_like, fill_value=factor))
            text = f"{begin} {n} values are {word} here"
            yield "mean-for-sum", 1.9, text, partial(_change, after=scale)
    if value.size and np.all(value > 0):
        for word, function in _FUNCTIONS.items():
            text = f"{begin} {word} of this value stands in its place"
            yield "stale-value", 1.95, text, partial(_change, after=function)


def _skip_mistake(operation: Operation, position: int) -> str:
    """Return what it is called to leave an operation out: a mask, if it multiplies by zeros and another number."""
    factor = elementwise_factor(operation, position)
    masks = factor is not None and len(different := np.unique(factor)) == 2 and 0.0 in different
    return "missing-mask" if masks else "stale-value"


def _change(operation: Operation, **what: Any) -> Operation:
    """Return an operation that is changed."""
    o = operation
    return _Changed(o.value, o.entry, o.args, o.values, o.options, o.line, o.visit, **what)


def _with_changes(graph: Graph, changes: dict[int, Callable[[Operation], Operation]]) -> Graph:
    """Return a graph with changed operations, whose results and those made of them are computed anew."""
    operations: list[Operation] = []
    anew: set[int] = set()
    for place, operation in enumerate(graph.operations):
        if place not in changes and not any(parent in anew for _, parent in operation.links()):
            operations.append(operation)
            continue
        anew.add(place)
        changed = changes[place](operation) if place in changes else operation
        pairs = zip(operation.args, operation.values, strict=True)
        values = tuple(operations[arg.place].value if isinstance(arg, Link) else value for arg, value in pairs)
        operations.append(replace(changed, values=values, value=changed.evaluate(values)))
        if operations[-1].value.shape != operation.value.shape:
            raise ValueError("the change gives another shape")
    return replace(graph, operations=tuple(operations))
