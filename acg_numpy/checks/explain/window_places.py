"""Windows put back at other places: one beside the next where the forward steps over some, or with axes exchanged.

An operation that picks a window of an array says where in the array each element of its result comes from:

    coordinate along an axis  =  offset + step * (place along some axis of the result)

A backward that forgets a stride has 1 in the place of a step, or of the step from one turn of a loop to the next.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import replace_argument, try_call
from acg_numpy.checks.explain.cut_edges import is_selection
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.indexed_rows import source_indices
from acg_numpy.checks.tracing import Edge
from acg_numpy.shapes import Array

_Coordinates = tuple[Array, ...]


class _Window(NamedTuple):
    """Elements picked from a result: by one operation, or by several that only pick."""

    source: int  # the place of what they are picked from
    place: int  # the place of what was picked
    coordinates: _Coordinates  # of each element of it in the source


def window_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by windows whose gradients go to other places, or that are read from other places."""
    names = search.line_identities()
    groups: dict[Any, list[_Window]] = defaultdict(list)
    for window in _windows(search):
        groups[window.source, names[window.place] or window.place].append(window)
    for group in groups.values():
        for text, mistake, moved in _misplacements(search, group):
            for vector, what in _shifts(search, group, moved):
                if np.any(vector) and search.fits(vector):
                    line = search.graph.operations[group[0].place].line
                    support = int(np.count_nonzero(np.abs(vector) > 1e-9))
                    yield Explanation(mistake, 1.7, search.misfit(vector), f"{text} {what}", line, support)


def _windows(search: Search) -> list[_Window]:
    """Find what is picked from a result that is not picked from another one, in a window or in several."""
    graph, found = search.graph, []
    codes: dict[int, tuple[int, Array]] = {}
    for place, operation in enumerate(graph.operations):
        links = list(operation.links())
        if len(links) != 1 or links[0][0] != 0 or operation.entry is None or not is_selection(operation):
            continue
        picked = source_indices(operation, 0)
        if picked is None:
            continue
        source, before = codes.get(links[0][1], (links[0][1], None))
        places = picked if before is None else np.ravel(before)[picked]
        codes[place] = (source, places)
        shape = graph.operations[source].value.shape
        if places.size > 1 and len(shape) > 0:
            found.append(_Window(source, place, np.unravel_index(places, shape)))
    return [w for w in found if search.case.grads[w.place] is not None]


def _misplacements(search: Search, group: list[_Window]) -> Iterator[tuple[str, str, list[_Coordinates]]]:
    """Yield wrong coordinates of all windows of a group, in words, and what that mistake is called."""
    shape = search.graph.operations[group[0].source].value.shape
    steps = [_steps(c) for w in group for c in w.coordinates]
    if any(s is None for s in steps):
        # windows one after the other along one axis, row by row
        yield from _exchanged_lengths(group, shape)
        return
    dense = [tuple(_without_steps(c) for c in w.coordinates) for w in group]
    offsets = np.array([[int(c.flat[0]) for c in w.coordinates] for w in group])
    strides = np.gcd.reduce(offsets - offsets.min(axis=0), axis=0)
    closer = offsets.min(axis=0) + (offsets - offsets.min(axis=0)) // np.maximum(strides, 1)
    candidates = [("the stride is left out where windows", "stale-value", dense)]
    if len(group) > 1:
        for windows in ([w.coordinates for w in group], dense):
            moved = [
                tuple(c - o + n for c, o, n in zip(w, old, new, strict=True))
                for w, old, new in zip(windows, offsets, closer, strict=True)
            ]
            candidates.append(("the stride is left out where windows", "stale-value", moved))
        for i, j in combinations(range(len(shape)), 2):
            other = offsets.copy()
            other[:, [i, j]] = other[:, [j, i]]
            moved = [
                tuple(c - o + n for c, o, n in zip(w.coordinates, old, new, strict=True))
                for w, old, new in zip(group, offsets, other, strict=True)
            ]
            candidates.append((f"axes {i} and {j} are exchanged where windows", "transposed", moved))
    right = [w.coordinates for w in group]
    for text, mistake, moved in candidates:
        inside = all(np.all((c >= 0) & (c < n)) for one in moved for c, n in zip(one, shape, strict=True))
        if inside and not all(np.array_equal(a, b) for a, b in zip(moved, right, strict=True)):
            yield text, mistake, moved


def _exchanged_lengths(group: list[_Window], shape: tuple[int, ...]) -> Iterator[tuple[str, str, list[_Coordinates]]]:
    """Yield the coordinates in an array in which the lengths of two axes are exchanged, as places in this one."""
    for i, j in combinations(range(len(shape)), 2):
        if shape[i] != shape[j]:
            moved = [_counted_in_other_rows(w.coordinates, shape, i, j) for w in group]
            if all(c is not None for c in moved):
                text = f"the lengths of axes {i} and {j} are exchanged where windows"
                yield text, "transposed", [c for c in moved if c is not None]


def _counted_in_other_rows(at: _Coordinates, shape: tuple[int, ...], i: int, j: int) -> _Coordinates | None:
    """Count windows, which lie one after the other along some axis, in rows as long as the columns are."""
    ndim = at[i].ndim
    for axis in range(ndim):
        line = tuple(slice(None) if a == axis else 0 for a in range(ndim))
        rows, columns = at[i][line] - at[i][line][0], at[j][line] - at[j][line][0]
        down, across = len(np.unique(rows)), len(np.unique(columns))
        if min(down, across) < 2 or down * across != len(rows):
            continue
        number = np.arange(len(rows))
        step_i, step_j = int(rows.max()) // (down - 1), int(columns.max()) // (across - 1)
        if not (
            np.array_equal(rows, step_i * (number // across)) and np.array_equal(columns, step_j * (number % across))
        ):
            continue
        along = [-1 if a == axis else 1 for a in range(ndim)]
        moved = list(at)
        moved[i] = at[i] + np.reshape(step_i * (number // down) - rows, along)
        moved[j] = at[j] + np.reshape(step_j * (number % down) - columns, along)
        lengths = list(shape)
        lengths[i], lengths[j] = lengths[j], lengths[i]
        if all(np.all((c >= 0) & (c < n)) for c, n in zip(moved, lengths, strict=True)):
            return tuple(np.unravel_index(np.ravel_multi_index(tuple(moved), lengths), shape))
    return None


def _steps(coordinate: Array) -> list[int] | None:
    """Return how far a coordinate moves along each axis of the window; None if not by equal steps."""
    found, rest = [], coordinate - coordinate.flat[0]
    for axis, n in enumerate(coordinate.shape):
        step = int(np.take(coordinate, 1 % n, axis=axis).flat[0] - coordinate.flat[0])
        found.append(step)
        rest = rest - step * np.arange(n).reshape([-1 if a == axis else 1 for a in range(coordinate.ndim)])
    return None if np.any(rest) else found


def _without_steps(coordinate: Array) -> Array:
    """Return the coordinate with steps of one."""
    steps = _steps(coordinate) or []
    dense = np.full_like(coordinate, coordinate.flat[0])
    for axis, step in enumerate(steps):
        places = np.arange(coordinate.shape[axis]).reshape([-1 if a == axis else 1 for a in range(coordinate.ndim)])
        dense = dense + np.sign(step) * places
    return dense


def _shifts(search: Search, group: list[_Window], moved: list[_Coordinates]) -> Iterator[tuple[Array, str]]:
    """Yield what it comes to if gradients go to wrong places, if values are read from them, and both."""
    graph, source = search.graph, group[0].source
    value = graph.operations[source].value
    change = np.zeros_like(value)
    for window, coordinates in zip(group, moved, strict=True):
        g = np.asarray(search.case.grads[window.place])
        np.add.at(change, coordinates, g)
        np.subtract.at(change, window.coordinates, g)
    written = search.pull_vector(source, change)
    yield written, "are put back"
    read = np.zeros_like(written)
    for window, coordinates in zip(group, moved, strict=True):
        read = read + misread(search, window.place, value[coordinates])
    yield read, "are read again"
    yield written + read, "are put back and read again"


def misread(search: Search, place: int, value: Array) -> Array:
    """Return what it comes to if another value stands for a result wherever it is a factor of something else."""
    total = np.zeros_like(search.target)
    for later, operation in enumerate(search.graph.operations):
        g = search.case.grads[later]
        given = [position for position, parent in operation.links() if parent == place]
        for position, parent in operation.links():
            if g is None or parent == place or not given:
                continue
            right = search.contribution(Edge(later, position))
            wrong = try_call(replace_argument(given[0], value), operation, position, g)
            if right is not None and wrong is not None and np.shape(wrong) == right.shape:
                total = total + search.pull_vector(parent, wrong - right)
    return total
