"""Two changes at once: two factors on two chains of edges, or a factor and a change, or the same change twice."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from acg_numpy.checks.explain.broadcast_sums import unsummed_shifts
from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.cut_edges import named_factor
from acg_numpy.checks.explain.edge_search import Search, Shift
from acg_numpy.checks.explain.named_constants import UNKNOWN, names_of_factor
from acg_numpy.shapes import Array

MOST = 400  # single changes that are combined
FEW = 12  # changes of one kind of which all pairs are replayed


def two_at_once(search: Search) -> Iterator[Explanation]:
    """Explanations by two changes."""
    yield from two_factors(search)
    changes = [*unsummed_shifts(search), *search.single_changes(all_edges=True)][:MOST]
    yield from same_twice(search, changes)
    yield from change_and_factor(search, changes)


def known(factor: float, search: Search) -> bool:
    """Whether a factor is one that somebody could have written."""
    if min(abs(factor - written) for written in (0.0, -1.0, 2.0, 0.5)) <= search.case.known_to:
        return True
    return names_of_factor(factor, search.case)[0].cost < UNKNOWN


def two_factors(search: Search) -> Iterator[Explanation]:
    """Factors on what is sent along two chains of edges."""
    chains = search.shifts(all_edges=True)
    target = search.target
    products = np.array([[np.vdot(a, b) for _, _, b in chains] for _, _, a in chains])
    onto = np.array([np.vdot(a, target) for _, _, a in chains])
    for i, j in combinations(range(len(chains)), 2):
        matrix = products[np.ix_([i, j], [i, j])]
        if abs(np.linalg.det(matrix)) <= 1e-12 * matrix[0, 0] * matrix[1, 1]:
            continue
        steps = np.linalg.solve(matrix, onto[[i, j]])
        if np.min(np.abs(steps)) <= search.case.known_to:
            continue
        if not search.fits(steps[0] * chains[i][2] + steps[1] * chains[j][2]):
            continue
        parts = []
        for step, (edges, _, vector) in zip(steps, (chains[i], chains[j]), strict=True):
            if known(1 + step, search):
                parts.append(named_factor(search, 1 + step, edges, vector)[0])
        if len(parts) == 2:
            yield from combined(parts)


def combined(parts: list[Explanation]) -> Iterator[Explanation]:
    """Two explanations that hold together."""
    total = sum(part.cost for part in parts)
    text = ", and ".join(dict.fromkeys(placed(part) for part in parts))
    for n, mistake in enumerate(dict.fromkeys(part.mistake for part in parts)):
        line = next(part.line for part in parts if part.mistake == mistake)
        yield Explanation(mistake, total + 0.3 * n, 0.0, text, line, min(part.support for part in parts))


def same_twice(search: Search, changes: list[Shift]) -> Iterator[Explanation]:
    """The same kind of mistake at two edges."""
    by_kind: dict[str, list[Shift]] = {}
    for change in changes:
        if np.any(change.vector):
            by_kind.setdefault(change.change.mistake, []).append(change)
    for shifts in by_kind.values():
        if len(shifts) < 2:
            continue
        vectors: Array = np.stack([shift.vector for shift in shifts])
        for i, vector in enumerate(vectors[:-1]):
            off = np.max(np.abs(search.target - vector - vectors[i + 1 :]), axis=1)
            for j in np.flatnonzero(off <= search.case.tolerance):
                one, other = search.explained(shifts[i]), search.explained(shifts[i + 1 + int(j)])
                yield from combined([one, other])
        if len(shifts) <= FEW:
            yield from one_behind_the_other(search, shifts)


def one_behind_the_other(search: Search, shifts: list[Shift]) -> Iterator[Explanation]:
    """Two changes of which one may lie on the way back of the other, so that what they do does not simply add up."""
    for one, other in combinations(shifts, 2):
        if one.edges != other.edges:
            vector = search.replay({**dict.fromkeys(one.edges, one.change), **dict.fromkeys(other.edges, other.change)})
            if vector is not None and search.fits(vector):
                yield from combined([search.explained(one), search.explained(other)])


def change_and_factor(search: Search, changes: list[Shift]) -> Iterator[Explanation]:
    """A change at one edge and a factor on what is sent along another."""
    chains = search.shifts(all_edges=True)
    if not changes or not chains:
        return
    rest = search.target - np.stack([shift.vector for shift in changes])
    for edges, _, vector in chains:
        with np.errstate(invalid="ignore", over="ignore"):
            steps = rest @ vector / np.vdot(vector, vector)
            off = np.max(np.abs(rest - steps[:, None] * vector), axis=1)
        for i in np.flatnonzero(off <= search.case.tolerance):
            step = float(steps[i])
            if abs(step) > search.case.known_to and known(1 + step, search):
                one = search.explained(changes[i])
                yield from combined([one, named_factor(search, 1 + step, edges, vector)[0]])


def placed(part: Explanation) -> str:
    """What one of two changes is, with its place."""
    return f"{part.text} ({part.line})" if part.line else part.text
