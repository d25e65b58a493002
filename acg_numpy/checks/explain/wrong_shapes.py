"""Gradients of the wrong shape that come from sums over other axes than those that the input was broadcast along."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from acg_numpy.checks.explain.broadcast_uses import unsummed_contribution
from acg_numpy.checks.explain.case import Case, Explanation
from acg_numpy.checks.tracing import Graph
from acg_numpy.shapes import Array


def shape_explanations(case: Case, graph: Graph) -> Iterator[Explanation]:
    """Explain a contribution to an input that is not yet summed where it was broadcast, or summed over other axes."""
    shaped = [i for i in case.wrong if not case.fits(i)]
    if len(shaped) != len(case.wrong):
        return
    found = []
    for which in shaped:
        explanation = next(explain_input_shape(case, graph, which), None)
        if explanation is None:
            break
        found.append(explanation)
    else:
        yield found[0]
        return
    message = "no sum, exchange or reshape of the right gradient has this shape and these numbers"
    yield Explanation("wrong-shape", 2.0, 0.0, message)


def explain_input_shape(case: Case, graph: Graph, which: int) -> Iterator[Explanation]:
    """Yield such explanations for one input."""
    mine = case.submitted[which]
    if mine is None:
        return
    views = input_views(graph, graph.inputs[which])
    for later, operation in enumerate(graph.operations):
        g = case.grads[later]
        for position, parent in operation.links():
            if g is None or parent not in views:
                continue
            full = unsummed_contribution(operation, position, g)
            if full is None:
                full = operation.contribution(position, g)
            for axes, reduced in _axis_sums(full):
                if case.close(mine, reduced) or (
                    mine.size == reduced.size and case.close(mine.reshape(-1), reduced.reshape(-1))
                ):
                    mistake = "wrong-axis" if axes else "missing-broadcast-sum"
                    text = f"what comes back from there is summed over axes {axes}" if axes else "it is not summed"
                    yield Explanation(mistake, 1.0, 0.0, text, operation.line)


def input_views(graph: Graph, place: int) -> set[int]:
    """Return an input and the results that hold the same numbers in another shape."""
    views = {place}
    for later, operation in enumerate(graph.operations):
        links = list(operation.links())
        if len(links) == 1 and links[0][1] in views:
            given = graph.operations[links[0][1]].value
            if given.size == operation.value.size and np.array_equal(given.ravel(), operation.value.ravel()):
                views.add(later)
    return views


def _axis_sums(full: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield an array summed over every choice of axes."""
    for count in range(full.ndim + 1):
        for axes in combinations(range(full.ndim), count):
            yield axes, np.sum(full, axis=axes)
