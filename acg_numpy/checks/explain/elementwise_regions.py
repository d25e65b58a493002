"""Parts of the forward that work element by element: one value a function of another, in one operation or in several.

The slope of such a part is found going forward, from the value that it begins with: each operation multiplies what has
come so far by a factor of its own.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.checks.explain.elementwise_factors import elementwise_factor
from acg_numpy.checks.tracing import Graph
from acg_numpy.shapes import Array


class Region(NamedTuple):
    """A value that is a function of an earlier one, element by element.

    Attributes
    ----------
    start, end : int
        The places of the argument and of the result.
    slope : array
        The derivative of one by the other.
    unary : bool
        Whether nothing else of this shape goes in.
    """

    start: int
    end: int
    slope: Array
    unary: bool


def find_regions(graph: Graph) -> list[Region]:
    """Find every such pair of results, by where it begins and then by where it ends."""
    factors: dict[tuple[int, int], Array | None] = {}
    found = []
    for start, first in enumerate(graph.operations):
        if first.value.size < 2:
            continue
        slopes: dict[int, tuple[Array, bool]] = {start: (np.ones_like(first.value), True)}
        # what depends on the argument in another way than element by element
        others: set[int] = set()
        for place in range(start + 1, len(graph.operations)):
            operation = graph.operations[place]
            links = list(operation.links())
            inside = [(position, parent) for position, parent in links if parent in slopes]
            if not inside or any(parent in others for _, parent in links) or operation.value.shape != first.value.shape:
                if inside or any(parent in others for _, parent in links):
                    others.add(place)
                continue
            total, unary = np.zeros_like(first.value), True
            for position, parent in inside:
                key = (place, position)
                if key not in factors:
                    factors[key] = elementwise_factor(operation, position)
                factor = factors[key]
                if factor is None or factor.shape != total.shape or not np.all(np.isfinite(factor)):
                    others.add(place)
                    break
                total = total + factor * slopes[parent][0]
                unary = unary and slopes[parent][1]
            else:
                positions = {position for position, _ in inside}
                beside = [v for n, v in enumerate(operation.values) if n not in positions and np.size(v) > 1]
                slopes[place] = (total, unary and not beside)
        found += [Region(start, end, *slopes[end]) for end in slopes if end != start]
    return found
