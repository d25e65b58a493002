"""A factor applied at another place: before a projection where it belongs after it, or there as well.

The slope of an activation belongs to the gradient of what the activation was given.  Applied to another gradient of the
same shape it is one factor too many there, and perhaps one too few where it belongs.
"""

from collections.abc import Iterator

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import Contribution, Corruption, pass_through
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.elementwise_factors import elementwise_factor
from acg_numpy.checks.tracing import Edge, Operation
from acg_numpy.shapes import Array

# operations between the right place and the wrong one
_FAR = 4


def moved_factor_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by a factor of one place applied at another, as well or instead."""
    for edge, factor in _factors(search):
        line = search.graph.operations[edge.operation].line
        near = _nearby(search, edge.operation)
        for place, gradient in enumerate(search.case.grads):
            operation = search.graph.operations[place]
            if gradient is None or gradient.shape != factor.shape or not search.is_behind(place):
                continue
            extra = gradient * (factor - 1)
            if search.might_fit(place, extra):
                vector = search.pull_vector(place, extra)
                if search.fits(vector) and np.any(vector):
                    yield _explanation(search, vector, 2.1, f"the factor of {line} is applied here as well", operation)
            if place in near or place in search.graph.inputs:
                replayed = _moved(search, edge, factor, place)
                if replayed is not None and search.fits(replayed):
                    text = f"the factor of {line} is applied here, and not where it belongs"
                    yield _explanation(search, replayed, 2.15, text, operation)


def _moved(search: Search, edge: Edge, factor: Array, place: int) -> Array | None:
    """Return what it comes to if a factor is left out at an edge, and the gradient of a result multiplied by it."""
    operation = search.graph.operations[place]
    left_out = Corruption("stale-value", 2.15, "", pass_through(1.0))
    if operation.entry is not None:
        moved = Corruption("stale-value", 2.15, "", _apply_before(factor))
        corruptions = {Edge(place, position): moved for position, _ in operation.links()}
        return search.replay({**corruptions, edge: left_out})
    without = search.replay({edge: left_out})
    if without is None:
        return None
    which = search.graph.inputs.index(place)
    right = search.vector(search.case.right)
    begin = sum(gradient.size for gradient in search.case.right[:which])
    there = slice(begin, begin + factor.size)
    total = without + right
    total[there] = total[there] * np.ravel(factor)
    return total - right


def _factors(search: Search) -> Iterator[tuple[Edge, Array]]:
    """Yield the edges along which a gradient is multiplied element by element, with what it is multiplied by."""
    for edge, _ in search.wrong_edges():
        factor = elementwise_factor(search.graph.operations[edge.operation], edge.position)
        if factor is not None and factor.size > 1 and np.all(np.isfinite(factor)) and np.ptp(factor) > 0:
            yield edge, factor


def _nearby(search: Search, place: int) -> set[int]:
    """Return the results that a few operations make of a result, and those that it is made of."""
    graph = search.graph
    found, before, after = set(), {place}, {place}
    for _ in range(_FAR):
        before = {parent for p in before for _, parent in graph.operations[p].links()}
        after = {n for n, operation in enumerate(graph.operations) if any(p in after for _, p in operation.links())}
        found |= before | after
    return found - {place}


def _apply_before(factor: Array) -> Contribution:
    """Return the contribution of a gradient times a factor."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        return operation.contribution(position, g * factor)

    return contribution


def _explanation(search: Search, vector: Array, cost: float, text: str, operation: Operation) -> Explanation:
    support = int(np.count_nonzero(np.abs(vector) > 1e-9))
    return Explanation("stale-value", cost, search.misfit(vector), text, operation.line, support)
