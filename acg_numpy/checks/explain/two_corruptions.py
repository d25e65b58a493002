"""Two corruptions at once: two factors on two chains of edges, a factor and a corruption, or the same kind twice."""

from collections.abc import Iterator
from itertools import chain, combinations, islice

import numpy as np

from acg_numpy.checks.explain.broadcast_sums import missing_sum_shifts
from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.cut_edges import name_factor
from acg_numpy.checks.explain.edge_search import Search, Shift
from acg_numpy.checks.explain.named_constants import UNKNOWN, factor_names
from acg_numpy.shapes import Array

# single corruptions that are combined
MOST_SHIFTS = 400
# corruptions of one kind of which all pairs are replayed
MOST_REPLAYED = 12
# the share of a target's square that two vectors which explain it may leave, because of rounding
_LEFT = 1e-4


def pair_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by two corruptions."""
    yield from two_factors(search)
    # corruptions beyond these are not computed at all
    shifts = list(islice(chain(missing_sum_shifts(search), search.single_corruptions(all_edges=True)), MOST_SHIFTS))
    yield from same_kind_pairs(search, shifts)
    yield from _corruption_factor_pairs(search, shifts)


def is_plausible_factor(factor: float, search: Search) -> bool:
    """Check whether a factor is one that a person could have written."""
    if min(abs(factor - written) for written in (0.0, -1.0, 2.0, 0.5)) <= search.case.factor_tolerance:
        return True
    return factor_names(factor, search.case)[0].cost < UNKNOWN


def two_factors(search: Search) -> Iterator[Explanation]:
    """Yield explanations by factors on what is sent along two chains of edges."""
    chains = search.chains(all_edges=True)
    target = search.target
    vectors = np.array([vector for _, _, vector in chains]).reshape(len(chains), target.size)
    products, onto = vectors @ vectors.T, vectors @ target
    for i, j in _likely_pairs(products, onto, float(target @ target)):
        matrix = products[np.ix_([i, j], [i, j])]
        steps = np.linalg.solve(matrix, onto[[i, j]])
        if np.min(np.abs(steps)) <= search.case.factor_tolerance:
            continue
        if not search.fits(steps[0] * vectors[i] + steps[1] * vectors[j]):
            continue
        parts = []
        for step, (edges, _, vector) in zip(steps, (chains[i], chains[j]), strict=True):
            if is_plausible_factor(1 + step, search):
                parts.append(name_factor(search, 1 + step, edges, vector)[0])
        if len(parts) == 2:
            yield from _combine(parts)


def _likely_pairs(products: Array, onto: Array, square: float) -> list[tuple[int, int]]:
    """Return the pairs of vectors of which some sum leaves next to nothing of a target, by their products with it."""
    i, j = np.triu_indices(len(onto), 1)
    a, b, c = products[i, i], products[j, j], products[i, j]
    det = a * b - c * c
    with np.errstate(divide="ignore", invalid="ignore"):
        caught = (b * onto[i] ** 2 - 2 * c * onto[i] * onto[j] + a * onto[j] ** 2) / det
    likely = (det > 1e-12 * a * b) & (square - caught <= _LEFT * square)
    return list(zip(i[likely].tolist(), j[likely].tolist(), strict=True))


def _combine(parts: list[Explanation]) -> Iterator[Explanation]:
    """Combine two explanations that hold together."""
    total = sum(part.cost for part in parts)
    text = ", and ".join(dict.fromkeys(_text_with_line(part) for part in parts))
    for n, mistake in enumerate(dict.fromkeys(part.mistake for part in parts)):
        line = next(part.line for part in parts if part.mistake == mistake)
        support = min(part.support for part in parts)
        yield Explanation(mistake, total + 0.3 * n, 0.0, text, line, support, changes=len(parts))


def same_kind_pairs(search: Search, shifts: list[Shift]) -> Iterator[Explanation]:
    """Yield explanations by the same kind of mistake at two edges."""
    by_kind: dict[str, list[Shift]] = {}
    for shift in shifts:
        if np.any(shift.vector):
            by_kind.setdefault(shift.corruption.mistake, []).append(shift)
    for alike in by_kind.values():
        if len(alike) < 2:
            continue
        vectors: Array = np.stack([shift.vector for shift in alike])
        for i, vector in enumerate(vectors[:-1]):
            off = np.max(np.abs(search.target - vector - vectors[i + 1 :]), axis=1)
            for j in np.flatnonzero(off <= search.case.tolerance):
                one, other = search.explanation(alike[i]), search.explanation(alike[i + 1 + int(j)])
                yield from _combine([one, other])
        if len(alike) <= MOST_REPLAYED:
            yield from _nested_pairs(search, alike)


def _nested_pairs(search: Search, shifts: list[Shift]) -> Iterator[Explanation]:
    """Replay pairs of which one may lie on the way back of the other, so that their shifts do not just add up."""
    for one, other in combinations(shifts, 2):
        if one.edges != other.edges:
            vector = search.replay(
                {**dict.fromkeys(one.edges, one.corruption), **dict.fromkeys(other.edges, other.corruption)}
            )
            if vector is not None and search.fits(vector):
                yield from _combine([search.explanation(one), search.explanation(other)])


def _corruption_factor_pairs(search: Search, shifts: list[Shift]) -> Iterator[Explanation]:
    """Yield explanations by a corruption at one edge and a factor on what is sent along another."""
    chains = search.chains(all_edges=True)
    if not shifts or not chains:
        return
    rest = search.target - np.stack([shift.vector for shift in shifts])
    for edges, _, vector in chains:
        with np.errstate(invalid="ignore", over="ignore"):
            steps = rest @ vector / np.vdot(vector, vector)
            off = np.max(np.abs(rest - steps[:, None] * vector), axis=1)
        for i in np.flatnonzero(off <= search.case.tolerance):
            step = float(steps[i])
            if abs(step) > search.case.factor_tolerance and is_plausible_factor(1 + step, search):
                one = search.explanation(shifts[i])
                yield from _combine([one, name_factor(search, 1 + step, edges, vector)[0]])


def _text_with_line(part: Explanation) -> str:
    """Return the text of one of two corruptions, with its line."""
    return f"{part.text} ({part.line})" if part.line else part.text
