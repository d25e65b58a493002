"""The slope of another function, or of the same one with a sign or a number wrong: 1 + tanh^2 for 1 - tanh^2.

The gradients of the inputs are linear in the slope that is used in one place.  So for a slope that is a sum of known
functions of the argument x and the result y, each times a small number, one or two at a time, what it comes to along a
few directions is known from one product for each function; the sums that agree are then carried back and compared.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.elementwise_regions import Region
from acg_numpy.shapes import Array

# fmt: off
_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "1":                    lambda x, y: np.ones_like(x),
    "y":                    lambda x, y: y,
    "y^2":                  lambda x, y: y**2,
    "y^3":                  lambda x, y: y**3,
    "1 / y":                lambda x, y: 1 / y,
    "x":                    lambda x, y: x,
    "x^2":                  lambda x, y: x**2,
    "x^3":                  lambda x, y: x**3,
    "x y":                  lambda x, y: x * y,
    "1 / x":                lambda x, y: 1 / x,
    "1 / x^2":              lambda x, y: 1 / x**2,
    "|x|":                  lambda x, y: np.abs(x),
    "|y|":                  lambda x, y: np.abs(y),
    "the sign of x":        lambda x, y: np.sign(x),
    "the step at 0":        lambda x, y: np.heaviside(x, 0.0),
    "exp(x)":               lambda x, y: np.exp(x),
    "exp(-x)":              lambda x, y: np.exp(-x),
    "exp(-x^2)":            lambda x, y: np.exp(-(x**2)),
    "2 / sqrt(pi) exp(-x^2)": lambda x, y: 2 / math.sqrt(math.pi) * np.exp(-(x**2)),
    "exp(-x^2 / 2) / sqrt(2 pi)": lambda x, y: np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
    "1 / (1 + x^2)":        lambda x, y: 1 / (1 + x**2),
    "1 / (1 + |x|)":        lambda x, y: 1 / (1 + np.abs(x)),
    "1 / (1 + |x|)^2":      lambda x, y: 1 / (1 + np.abs(x)) ** 2,
    "1 / (1 - |x|)^2":      lambda x, y: 1 / (1 - np.abs(x)) ** 2,
    "1 / cosh(x)":          lambda x, y: 1 / np.cosh(x),
    "tanh(x)":              lambda x, y: np.tanh(x),
    "tanh(x)^2":            lambda x, y: np.tanh(x) ** 2,
    "sigmoid(x)":           lambda x, y: 1 / (1 + np.exp(-x)),
    "sigmoid(x)^2":         lambda x, y: 1 / (1 + np.exp(-x)) ** 2,
    "sigmoid(y)":           lambda x, y: 1 / (1 + np.exp(-y)),
    "sigmoid(y)^2":         lambda x, y: 1 / (1 + np.exp(-y)) ** 2,
    "sin(x)":               lambda x, y: np.sin(x),
    "cos(x)":               lambda x, y: np.cos(x),
    "sqrt(x)":              lambda x, y: np.sqrt(x),
    "1 / sqrt(x)":          lambda x, y: 1 / np.sqrt(x),
}
# fmt: on
_NUMBERS = np.array([1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0])
# how well two sums have to agree along the directions before they are carried back; then they have to agree altogether
_ALONG = 1e-6
# carried back at most, for each part of the forward
_MOST_TRIED = 12

_Terms = tuple[tuple[str, float], ...]


def slope_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by another function for the slope of a part that works element by element."""
    if not search.tangents:
        return
    for members in _alike(search):
        yield from _fit(search, members)


def _alike(search: Search) -> list[list[Region]]:
    """Group regions by the expressions that they begin and end with; leave out turns of a loop that feed each other."""
    names = search.line_identities()
    groups: dict[Any, list[Region]] = defaultdict(list)
    for region in search.regions:
        start, end = region.start, region.end
        g = search.case.grads[end]
        if region.unary and g is not None and search.is_behind(start) and len(np.unique(region.slope)) > 2:
            groups[names[start] or start, names[end]].append(region)
    return [group for group in groups.values() if not _nested(search, group)]


def _nested(search: Search, group: list[Region]) -> bool:
    """Check whether one of the regions depends on another."""
    if len(group) == 1:
        return False
    reached = {group[0].end}
    ends, starts = {region.end for region in group}, {region.start for region in group}
    for place in range(group[0].end + 1, len(search.graph.operations)):
        if any(parent in reached for _, parent in search.graph.operations[place].links()):
            if place in starts:
                return True
            reached.add(place)
        elif place in ends:
            reached.add(place)
    return False


def _fit(search: Search, members: list[Region]) -> Iterator[Explanation]:
    """Yield the likeliest sum of one or two functions that, for the slope, gives the submitted gradients."""
    found = list(_fits(search, members))
    if found:
        yield min(found, key=lambda e: e.cost)  # the others are the same slope in other words


def _fits(search: Search, members: list[Region]) -> Iterator[Explanation]:
    """Yield every such sum."""
    graph, grads = search.graph, search.case.grads
    places = [
        (m, np.asarray(grads[m.end]), graph.operations[m.start].value, graph.operations[m.end].value) for m in members
    ]
    functions: dict[str, list[Array]] = {}
    for written, function in _FUNCTIONS.items():
        values = [np.asarray(function(x, y)) for _, _, x, y in places]
        if all(np.all(np.isfinite(v)) and np.max(np.abs(v)) < 1e6 for v in values):
            functions[written] = values
    names = list(functions)
    along = [[moved[m.start] for m in members] for _, moved in search.tangents]
    needed, came, size = [], [], []
    for (target, _), moves in zip(search.tangents, along, strict=True):
        parts = [
            [(g * v, move) for v, (_, g, _, _), move in zip(functions[name], places, moves, strict=True)]
            for name in names
        ]
        came.append([sum(float(np.vdot(a, b)) for a, b in part) for part in parts])
        size.append([sum(float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in part) for part in parts])
        right = sum(float(np.vdot(g * m.slope, move)) for (m, g, _, _), move in zip(places, moves, strict=True))
        needed.append(target + right)
    right_terms = _terms_of([m.slope for m in members], functions)
    tried = 0
    for terms in _sums_that_agree(np.array(needed), np.array(came), np.array(size), names):
        slopes = [np.asarray(sum(c * functions[n][i] for n, c in terms)) for i in range(len(members))]
        shift = [np.asarray(g * (s - m.slope)) for s, (m, g, _, _) in zip(slopes, places, strict=True)]
        if len(terms) == 1 and [n for n, _ in terms] == [n for n, _ in right_terms]:
            continue  # a factor on the whole slope is found as one
        vector = np.sum([search.pull_vector(m.start, s) for m, s in zip(members, shift, strict=True)], axis=0)
        if search.fits(vector) and np.any(vector):
            terms = _constant(slopes) or terms  # 1 / y - exp(-x) is 1 if y is the sigmoid of x
            mistake, cost = _name(terms, right_terms)
            line = graph.operations[members[0].end].line
            text = f"{_written(terms)} used for the slope"
            if right_terms:
                text += f", which is {_written(right_terms)}"
            text += ", y being the result" + (" and x what goes in" if "x" in _written(terms) else "")
            support = int(np.count_nonzero(np.abs(vector) > 1e-9))
            yield Explanation(mistake, cost, search.misfit(vector), text, line, support)
        tried += 1
        if tried >= _MOST_TRIED:
            return


def _sums_that_agree(needed: Array, came: Array, size: Array, names: list[str]) -> Iterator[_Terms]:
    """Yield sums, of one function and of two, that come to what is needed along each direction."""
    for i, name in enumerate(names):
        for c in _NUMBERS if name != "1" else ():
            if np.all(np.abs(c * came[:, i] - needed) <= _ALONG * (abs(c) * size[:, i] + np.abs(needed))):
                yield ((name, float(c)),)
    for i, j in combinations(range(len(names)), 2):
        first = _NUMBERS[:, None] * came[:, i]
        second = _NUMBERS[:, None] * came[:, j]
        off = np.abs(first[:, None] + second[None] - needed)
        allowed = _ALONG * (np.abs(_NUMBERS)[:, None, None] * size[:, i] + np.abs(_NUMBERS)[None, :, None] * size[:, j])
        for a, b in np.argwhere(np.all(off <= allowed, axis=-1)):
            yield (names[i], float(_NUMBERS[a])), (names[j], float(_NUMBERS[b]))


def _terms_of(slopes: list[Array], functions: dict[str, list[Array]]) -> _Terms:
    """Write a slope as one function or as a sum of two, if it is one."""
    flat = np.concatenate([np.ravel(s) for s in slopes])
    columns = {name: np.concatenate([np.ravel(v) for v in values]) for name, values in functions.items()}
    for name, column in columns.items():
        for c in _NUMBERS:
            if np.allclose(c * column, flat, rtol=1e-9, atol=1e-12):
                return ((name, float(c)),)
    few = slice(0, 3)
    for (n, one), (m, other) in combinations(columns.items(), 2):
        sums = _NUMBERS[:, None, None] * one[few] + _NUMBERS[None, :, None] * other[few]
        for a, b in np.argwhere(np.all(np.abs(sums - flat[few]) <= 1e-9 * (1 + np.abs(flat[few])), axis=-1)):
            if np.allclose(_NUMBERS[a] * one + _NUMBERS[b] * other, flat, rtol=1e-9, atol=1e-12):
                return (n, float(_NUMBERS[a])), (m, float(_NUMBERS[b]))
    return ()


def _constant(slopes: list[Array]) -> _Terms:
    """Write a slope as a number if it is the same small number everywhere."""
    flat = np.concatenate([np.ravel(s) for s in slopes])
    number = round(float(flat[0]), 6)
    return (("1", number),) if np.allclose(flat, number, rtol=1e-9, atol=1e-12) else ()


def _name(terms: _Terms, right: _Terms) -> tuple[str, float]:
    """Name the mistake of using one sum for another, with its cost."""
    mine, other = dict(terms), dict(right)
    if mine.keys() == other.keys():
        if all(abs(mine[n]) == abs(other[n]) for n in mine):
            return "wrong-sign", 1.7
        return "constant-factor", 2.0
    return "stale-value", 2.05


def _written(terms: _Terms) -> str:
    """Write a sum: 1 - y^2."""
    text = ""
    for n, (name, c) in enumerate(terms):
        sign = ("-" if c < 0 else "") if n == 0 else (" - " if c < 0 else " + ")
        number = "" if abs(c) == 1 else f"{abs(c):g} " if name != "1" else f"{abs(c):g}"
        text += sign + number + ("" if name == "1" and number else name)
    return text
