"""Values and gradients turned round along an axis: a kernel that is not flipped, steps of time in the wrong order."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from acg_numpy.checks.explain.case import Case, Explanation
from acg_numpy.checks.explain.corruptions import Contribution, Corruption
from acg_numpy.checks.explain.cut_edges import is_selection
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.window_places import misread
from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array

# beyond these, what an array is turned round along is not tried
_MOST_AXES = 5


def reversed_gradients(case: Case) -> Iterator[Explanation]:
    """Explain wrong gradients each of which is the right one turned round along some axes."""
    found = []
    for i in case.wrong:
        mine, right = case.submitted[i], case.right[i]
        if mine is None or mine.shape != right.shape or not 1 <= right.ndim <= _MOST_AXES:
            return
        axes = next((a for a in _axes(right) if case.close(mine, np.flip(right, a))), None)
        if axes is None:
            return
        found.append(axes)
    if found:
        text = f"what is sent is turned round along {_written(found[0])}"
        yield Explanation("stale-value", 1.1, case.residual([*map(np.asarray, case.submitted)]), text)


def reversed_value_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by a value that is turned round wherever the backward reads it."""
    graph = search.graph
    for place in graph.inputs:
        value = graph.operations[place].value
        if value.size < 2 or value.ndim > _MOST_AXES:
            continue
        for axes in _axes(value):
            turned = {place: np.flip(value, axes)}
            for later, operation in enumerate(graph.operations):
                links = list(operation.links())
                if len(links) == 1 and links[0][1] in turned and is_selection(operation):
                    values = [turned[links[0][1]] if n == links[0][0] else v for n, v in enumerate(operation.values)]
                    turned[later] = operation.evaluate(values)
            vector = np.sum([misread(search, n, v) for n, v in turned.items()], axis=0)
            if np.any(vector) and search.fits(vector):
                text = f"an input is read turned round along {_written(axes)}, or not where it should be"
                support = int(np.count_nonzero(np.abs(vector) > 1e-9))
                yield Explanation("stale-value", 1.7, search.misfit(vector), text, None, support)


def edge_reversals(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions that turn round what comes in, what is sent, or both."""
    before = [axis for axis, n in enumerate(operation.value.shape) if n > 1]
    after = [axis for axis, n in enumerate(np.shape(operation.values[position])) if n > 1]
    for axis in after:
        yield Corruption("stale-value", 1.85, f"turned round along axis {axis}", _reversed(None, axis))
    for axis in before:
        yield Corruption("stale-value", 1.9, f"what comes in is turned round along axis {axis}", _reversed(axis, None))
        if axis in after and operation.value.shape == np.shape(operation.values[position]):
            yield Corruption("stale-value", 1.9, f"run in the other direction along axis {axis}", _reversed(axis, axis))


def output_corruptions(search: Search) -> Iterator[Explanation]:
    """Yield explanations by the gradients of an output at some places alone, or in the reverse order."""
    if search.wrong_only:
        # a gradient of the output that does not arrive shows in the gradients of all inputs
        return
    for place, g in zip(search.graph.outputs, search.case.grad_outs, strict=True):
        if place is None or not np.ndim(g):
            continue
        for axis, n in enumerate(g.shape):
            if n < 2:
                continue
            first, last = (
                np.reshape(np.arange(n) == k, [-1 if a == axis else 1 for a in range(g.ndim)]) for k in (0, n - 1)
            )
            for mistake, cost, text, changed in (
                ("last-only", 2.0, f"of the gradients of the output only the last along axis {axis} arrives", g * last),
                (
                    "last-only",
                    2.1,
                    f"of the gradients of the output only the first along axis {axis} arrives",
                    g * first,
                ),
                (
                    "missing-path",
                    2.1,
                    f"the gradient of the output that is first along axis {axis} is lost",
                    g * ~first,
                ),
                ("missing-path", 2.1, f"the gradient of the output that is last along axis {axis} is lost", g * ~last),
                (
                    "stale-value",
                    2.1,
                    f"the gradients of the output are read in reverse along axis {axis}",
                    np.flip(g, axis),
                ),
            ):
                vector = search.pull_vector(place, changed - g)
                if np.any(vector) and search.fits(vector):
                    line = search.graph.operations[place].line
                    yield Explanation(mistake, cost, search.misfit(vector), text, line, vector.size)


def _axes(array: Array) -> Iterator[tuple[int, ...]]:
    """Yield the axes, and the sets of several, along which an array can be turned round."""
    long = [axis for axis, n in enumerate(array.shape) if n > 1]
    for count in range(1, len(long) + 1):
        yield from combinations(long, count)


def _written(axes: tuple[int, ...]) -> str:
    """Return axes in words."""
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _reversed(before: int | None, after: int | None) -> Contribution:
    """Return the contribution of a gradient that is turned round, or turned round itself."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        sent = operation.contribution(position, g if before is None else np.flip(g, before))
        return sent if after is None else np.flip(sent, after)

    return contribution
