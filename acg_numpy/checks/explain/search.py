"""The search for explanations, simplest first, and the diagnoses made of them.

First come explanations by a single corruption; if there are none, by one corruption for each input; if there are none,
by two corruptions.  The time is bounded: what was found until then counts, and a note says that the rest was not tried.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from acg_numpy.checks.explain.broadcast_sums import missing_sums
from acg_numpy.checks.explain.case import Case, Explanation
from acg_numpy.checks.explain.cut_edges import factor_explanations, missing_outputs
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.fitted_slopes import slope_explanations
from acg_numpy.checks.explain.formulas import (
    chain_slopes,
    closed_slopes,
    elementwise_formulas,
    formula_explanations,
)
from acg_numpy.checks.explain.missing_masks import mask_explanations
from acg_numpy.checks.explain.moved_factors import moved_factor_explanations
from acg_numpy.checks.explain.operation_corruptions import operation_explanations
from acg_numpy.checks.explain.other_forwards import other_forward_explanations
from acg_numpy.checks.explain.repeated_lines import (
    loop_corruptions,
    loop_factors,
    overwritten_overlaps,
    single_use,
    unmasked_backward,
)
from acg_numpy.checks.explain.reversals import (
    edge_reversals,
    output_corruptions,
    reversed_gradients,
    reversed_value_explanations,
)
from acg_numpy.checks.explain.time_budget import OutOfTimeError, TimeBudget
from acg_numpy.checks.explain.two_corruptions import pair_explanations
from acg_numpy.checks.explain.whole_gradient import whole_gradient_explanations
from acg_numpy.checks.explain.window_places import window_explanations
from acg_numpy.checks.explain.wrong_shapes import shape_explanations
from acg_numpy.checks.report.diagnosis import Diagnosis
from acg_numpy.checks.report.mistake_names import MISTAKES

# of computing, whatever else the machine does meanwhile
SECONDS = 4.0
# the cost added to a mistake that shows in fewer gradients than it would from where it is found
WRONG_ONLY_COST = 0.3
# the cost of an explanation that no corruption of a single edge comes near
SIMPLE_COST = 1.0

# if an explanation costs no more, those that are rare, or take long to find, are not looked for
CLEAR_COST = 1.9
# of computing since the search began, at most, until pairs of corruptions are given up: they explain few mistakes
PAIR_SECONDS = 3.5

_COMMON: tuple[Callable[[Search], Iterator[Explanation]], ...] = (
    factor_explanations,
    missing_outputs,
    output_corruptions,
    single_use,
    overwritten_overlaps,
    loop_factors,
    missing_sums,
    slope_explanations,
    formula_explanations,
    partial(elementwise_formulas, slopes=closed_slopes),
    operation_explanations,
    window_explanations,
    loop_corruptions,
    Search.single_edge_explanations,
    unmasked_backward,
)
_RARE: tuple[Callable[[Search], Iterator[Explanation]], ...] = (
    reversed_value_explanations,
    lambda search: search.explanations_by(edge_reversals),
    moved_factor_explanations,
    other_forward_explanations,
    partial(elementwise_formulas, slopes=chain_slopes),
)

_Strategy: TypeAlias = Callable[[Case, TimeBudget], Iterator[Explanation]]


class Findings(NamedTuple):
    """Diagnoses of a wrong gradient, notes on the search, and whether there was time for all of it."""

    diagnoses: tuple[Diagnosis, ...]
    notes: tuple[str, ...]
    complete: bool


def explain(case: Case, seconds: float = SECONDS) -> Findings:
    """Find the mistakes that explain a wrong gradient, likeliest first.

    Parameters
    ----------
    case : Case
    seconds : float
        The time to spend at most, about.
    """
    # a corrupted gradient may overflow, or divide zero by zero
    with np.errstate(all="ignore"):
        found, complete = _find_explanations(case, TimeBudget(seconds), TimeBudget(min(seconds, PAIR_SECONDS)))
    diagnoses = _rank(found, case)
    notes = []
    if case.unfollowed is not None and case.wrong:
        notes.append(
            f"the forward could not be followed {case.unfollowed}, so only mistakes that show in the gradients "
            "as a whole were tried: a sign, a factor, an exchange, a sum left out"
        )
    if not complete:
        notes.append("not every corruption was tried: the time set aside for it was up")
    return Findings(diagnoses, tuple(notes), complete)


def _find_explanations(case: Case, budget: TimeBudget, of_pairs: TimeBudget) -> tuple[list[Explanation], bool]:
    """Return all explanations of the first kind that has any, and whether all were tried."""

    def pairs(case: Case, _: TimeBudget) -> Iterator[Explanation]:
        return _corruption_pairs(case, of_pairs)

    if not case.wrong:
        return [], True
    several = len(case.wrong) > 1
    found, complete = _collect(single_corruptions(case, budget))
    if not found and complete and several:
        found, complete = _explain_each_input(case, budget, (single_corruptions,))
    if not found and complete:
        found, complete = _collect(_corruption_pairs(case, of_pairs))
    if not found and complete and several:
        found, complete = _explain_each_input(case, budget, (single_corruptions, pairs))
    return found, complete


def _collect(explanations: Iterable[Explanation]) -> tuple[list[Explanation], bool]:
    """Return explanations as a list, and whether there was time for all."""
    found: list[Explanation] = []
    try:
        found.extend(explanations)
    except OutOfTimeError:
        return found, False
    return found, True


def single_corruptions(case: Case, budget: TimeBudget) -> Iterator[Explanation]:
    """Yield explanations of everything by one corruption."""
    simple = [*whole_gradient_explanations(case), *reversed_gradients(case)]
    yield from simple
    if case.graph is None or any(e.cost < SIMPLE_COST for e in simple):
        # nothing that is still to come could be as simple
        return
    yield from mask_explanations(case)
    if not all(case.fits(which) for which in case.wrong):
        yield from shape_explanations(case, case.graph)
        return
    found = False
    for explanation in _edge_explanations(Search(case, case.graph, budget)):
        # one by one, so that what was found stays found when the time is up
        found = True
        yield explanation
    if not found and not simple and len(case.wrong) < len(case.names):
        alone = _edge_explanations(Search(case, case.graph, budget, wrong_only=True))
        yield from (replace(e, cost=e.cost + WRONG_ONLY_COST) for e in alone)


def _edge_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by one corruption at an edge, at several edges that are alike, or in a formula."""
    best = np.inf
    for strategies in (_COMMON, _RARE):
        if best <= CLEAR_COST:
            # what the others could find is less likely, and takes most of the time
            return
        for strategy in strategies:
            for explanation in strategy(search):
                best = min(best, explanation.cost)
                yield explanation


def _corruption_pairs(case: Case, budget: TimeBudget) -> Iterator[Explanation]:
    """Yield explanations of everything by two corruptions."""
    if case.graph is not None and all(case.fits(which) for which in case.wrong):
        yield from pair_explanations(Search(case, case.graph, budget))


def _explain_each_input(case: Case, budget: TimeBudget, ways: Sequence[_Strategy]) -> tuple[list[Explanation], bool]:
    """Explain each wrong input by itself, if all of them can be."""
    best = []
    for which in case.wrong:
        found: list[Explanation] = []
        for way in ways:
            if not found:
                found, complete = _collect(way(case.isolate([which]), budget))
                if not complete:
                    return [], False
        if not found:
            return [], True
        best.append(min(found, key=lambda e: e.cost))
    total = sum(e.cost for e in best)
    first = {e.mistake: e for e in reversed(best)}
    changes = sum(e.changes for e in best)
    return [replace(e, cost=total + 0.1 * n, changes=changes) for n, e in enumerate(first.values())], True


def _rank(found: list[Explanation], case: Case) -> tuple[Diagnosis, ...]:
    """Return one diagnosis for each mistake, its simplest explanation, best first; ties share the confidence."""
    best: dict[str, Explanation] = {}
    for e in sorted(found, key=lambda e: (e.cost, e.residual)):
        best.setdefault(e.mistake, e)
    order = list(best.values())
    if not order:
        return ()
    weights = [2.0 ** (-8 * (e.cost - order[0].cost)) for e in order]
    return tuple(make_diagnosis(e, w / sum(weights), case) for e, w in zip(order, weights, strict=True))


def make_diagnosis(e: Explanation, share: float, case: Case) -> Diagnosis:
    """Make a diagnosis of an explanation."""
    sure = share * (0.5 if e.support < 1 else 0.99) * (1.0 if case.graph is not None else 0.9)
    naming = MISTAKES[e.mistake]
    place = f", on the way back through {e.line}" if e.line else ""
    changes = "this one change" if e.changes == 1 else f"{e.changes} such changes"
    right = "the right gradient" if case.graph is not None else "the numeric gradient"
    whose = ", for every input," if len(case.names) > 1 else ""
    evidence = f"{e.text}. With {changes} {right} becomes yours{whose} to {max(e.residual, 1e-16):.0e}"
    return Diagnosis(e.mistake, round(sure, 2), f"{naming.meaning}{place}", evidence, naming.hint)
