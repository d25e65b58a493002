"""The same corruption wherever a line of the forward is run: in every turn of a loop, in every call of a helper."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import (
    Contribution,
    Corruption,
    replace_argument,
    replace_result,
    scaled_contribution,
)
from acg_numpy.checks.explain.cut_edges import is_input_use, name_cut
from acg_numpy.checks.explain.edge_corruptions import edge_corruptions
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.elementwise_factors import elementwise_factor
from acg_numpy.checks.explain.named_constants import factor_names
from acg_numpy.checks.explain.whole_gradient import fit_factor
from acg_numpy.checks.tracing import Edge, Line
from acg_numpy.shapes import Array

# operations from the use of what is carried to the function whose slope is lost
_FOLLOWING = 3


def single_use(search: Search) -> Iterator[Explanation]:
    """Yield explanations in which, of three or more uses of a result, only the last, or the first, arrives."""
    uses: dict[int, dict[int, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    for edge, parent in search.edges():
        uses[parent][edge.operation].append(edge)
    for parent, operations in uses.items():
        sent = [
            np.sum([c for edge in edges if (c := search.contribution(edge)) is not None], axis=0)
            for edges in operations.values()
        ]
        visits = {search.graph.operations[operation].visit for operation in operations}
        lines = {search.graph.operations[operation].line for operation in operations}
        if len(sent) < 2 or len(visits) < len(operations) or len(lines) > 1:
            # not the turns of a loop: of several uses, some are left out
            continue
        total = np.sum(sent, axis=0)
        for kept in (sent[0], sent[-1]):
            vector = search.pull_vector(parent, kept - total)
            if search.fits(vector) and np.any(vector):
                line = search.first_line([edge for edges in operations.values() for edge in edges])
                text = f"of {len(sent)} uses of one value there only one arrives"
                support = int(np.count_nonzero(vector))
                # of two uses, one may as well be left out
                cost = 1.4 if len(sent) > 2 else 1.6
                yield Explanation("last-only", cost, search.misfit(vector), text, line, support)


def overwritten_overlaps(search: Search) -> Iterator[Explanation]:
    """Assign what every turn of a loop sends back to its own elements of a value, where turns that overlap add up."""
    uses: dict[int, dict[Any, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    names = search.line_identities()
    for edge, parent in search.wrong_edges():
        if names[edge.operation] is not None:
            uses[parent][names[edge.operation]].append(edge)
    for parent, groups in uses.items():
        for edges in groups.values():
            sent = [c for edge in edges if (c := search.contribution(edge)) is not None]
            if len(sent) < 2 or len(sent) < len(edges):
                continue
            reached = [_reached_elements(search, edge) for edge in edges]
            if np.max(np.sum(reached, axis=0)) < 2 or all(np.all(one) for one in reached):
                continue
            for order in (range(len(edges)), range(len(edges) - 1, -1, -1)):
                assigned = np.zeros_like(sent[0])
                for turn in order:
                    assigned = np.where(reached[turn], sent[turn], assigned)
                vector = search.pull_vector(parent, assigned - np.sum(sent, axis=0))
                if search.fits(vector) and np.any(vector):
                    text = f"what the {len(edges)} turns send back is assigned and not added where they overlap"
                    support = int(np.count_nonzero(np.abs(vector) > 1e-9))
                    yield Explanation(
                        "overwritten-rows", 1.4, search.misfit(vector), text, search.first_line(edges), support
                    )


def _reached_elements(search: Search, edge: Edge) -> Any:
    """Return which elements of an argument an operation sends anything back to."""
    operation = search.graph.operations[edge.operation]
    return operation.contribution(edge.position, np.ones_like(operation.value)) != 0


def loop_factors(search: Search) -> Iterator[Explanation]:
    """Yield explanations by the same factor wherever a line of the forward is run."""
    for members in repeated_edges(search):
        (place, _), _ = members[0]
        line = search.graph.operations[place].line
        assert line is not None  # edges without one are not alike
        for factor, mistake in ((-1.0, "wrong-sign"), (0.0, "held-constant"), (2.0, "double-counted")):
            corruption = Corruption(mistake, 1.7, f"times {factor:g}", scaled_contribution(factor))
            yield from replay_corruption(search, corruption, line, members)
            # what is carried from turn to turn has no turn before the first, or comes from an input there
            yield from replay_corruption(search, corruption, line, members[1:])
        vectors = [search.pull_vector(p, c) for e, p in members if (c := search.contribution(e)) is not None]
        step = fit_factor(search.target, np.sum(vectors, axis=0))
        if step is not None and not any(
            abs(1 + step - f) <= search.case.factor_tolerance for f in (-1.0, 0.0, 1.0, 2.0)
        ):
            for name in factor_names(1 + step, search.case):
                corruption = Corruption(
                    name.mistake, name.cost + 1.1, f"off by {name.text}", scaled_contribution(1 + step)
                )
                yield from replay_corruption(search, corruption, line, members)


def loop_corruptions(search: Search) -> Iterator[Explanation]:
    """Make the same corruption wherever a line of the forward is run: in each turn of a loop, each call of a helper."""
    for members in repeated_edges(search):
        (place, position), _ = members[0]
        operation = search.graph.operations[place]
        line = operation.line
        assert line is not None
        # the first turn of a loop can be a special one
        last = search.graph.operations[members[-1][0].operation]
        for corruption in (*edge_corruptions(operation, position), *edge_corruptions(last, position)):
            yield from replay_corruption(search, corruption, line, members)
        yield from _stale_turns(search, line, members)
        yield from _carried_without_slopes(search, line, members)


def _carried_without_slopes(search: Search, line: Line, members: list[tuple[Edge, int]]) -> Iterator[Explanation]:
    """Send back along an edge, in every turn, what arrives before the slope of the activation that follows it."""
    factors = [_following_factor(search, edge.operation) for edge, _ in members]
    if any(factor is None for factor in factors):
        return

    def without(factor: Array) -> Contribution:
        return lambda operation, position, g: operation.contribution(position, g / factor)

    corruptions = {
        edge: Corruption("stale-value", 1.8, "", without(factor))
        for (edge, _), factor in zip(members, factors, strict=True)
        if factor is not None
    }
    vector = search.replay(corruptions)
    if vector is not None and search.fits(vector):
        text = "in every turn what is sent back lacks the slope of the function that follows"
        yield Explanation("stale-value", 2.0, search.misfit(vector), text, line)


def _following_factor(search: Search, place: int) -> Array | None:
    """Return what a gradient is multiplied by, element by element, between a result and what is made of it alone."""
    operations, shape = search.graph.operations, search.graph.operations[place].value.shape
    total = np.ones(shape)
    for _ in range(_FOLLOWING):
        users = [
            (later, position)
            for later in range(place + 1, len(operations))
            for position, parent in operations[later].links()
            if parent == place
        ]
        if len(users) != 1:
            return None
        place, position = users[0]
        factor = elementwise_factor(operations[place], position)
        if factor is None or factor.shape != shape or not np.all(np.isfinite(factor) & (factor != 0)):
            return None
        total = total * factor
        if np.ptp(total) > 0:
            return total
    return None


def unmasked_backward(search: Search) -> Iterator[Explanation]:
    """Mask nothing on the whole way back, where the forward masks in several places."""
    corruptions = {}
    for edge, _ in search.wrong_edges():
        operation = search.graph.operations[edge.operation]
        masks = [
            corruption
            for corruption in edge_corruptions(operation, edge.position)
            if corruption.mistake == "missing-mask"
        ]
        if masks:
            corruptions[edge] = masks[0]
    vector = search.replay(corruptions) if len(corruptions) > 1 else None
    if vector is not None and search.fits(vector):
        text = "sent on as if nothing were masked, in all places"
        yield Explanation("missing-mask", 1.7, search.misfit(vector), text, search.first_line(list(corruptions)))


def _stale_turns(search: Search, line: Line, members: list[tuple[Edge, int]]) -> Iterator[Explanation]:
    """Use, in every turn of a loop, the value of another line, of this turn or the one before or after."""
    names = search.line_identities()
    turns: dict[Any, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        if name is not None:
            turns[name].append(place)
    operations = search.graph.operations
    first = operations[members[0][0].operation]
    given_or_made: list[tuple[int | None, Any]] = [*enumerate(first.values), (None, first.value)]
    for other, given in given_or_made:
        if not isinstance(given, np.ndarray) or given.dtype.kind != "f" or given.size < 2:
            continue
        for places in turns.values():
            if len(places) < len(members) or operations[places[0]].value.shape != given.shape:
                continue
            for shift in range(-1, len(places) - len(members) + 2):
                corruptions = {
                    edge: Corruption("stale-value", 1.7, "", _replace(other, operations[places[turn]].value))
                    for turn, (edge, _) in enumerate(members, start=shift)
                    if 0 <= turn < len(places)
                }
                vector = search.replay(corruptions) if len(corruptions) >= len(members) - 1 else None
                if vector is not None and search.fits(vector):
                    source = operations[places[0]].line
                    text = f"in every turn the value of {source} is used, of this turn or one beside it"
                    yield Explanation("stale-value", 1.8, search.misfit(vector), text, line)


def _replace(other: int | None, value: Array) -> Contribution:
    """Return the contribution with another value for an argument or, without one, for the result."""
    return replace_result(value) if other is None else replace_argument(other, value)


def replay_corruption(
    search: Search, corruption: Corruption, line: Line, members: list[tuple[Edge, int]]
) -> Iterator[Explanation]:
    """Make a corruption at several edges at once; yield it if it explains everything."""
    vector = search.replay({edge: corruption for edge, _ in members})
    if vector is not None and search.fits(vector):
        edges = [edge for edge, _ in members]
        mistake, said = corruption.mistake, corruption.text
        if mistake == "held-constant":
            mistake, said = name_cut(search, tuple(edges))
        if mistake == "double-counted" and not is_input_use(search, edges):
            mistake = "constant-factor"
        text = f"at each of the {len(members)} times that the line is run: {said}"
        support = int(np.count_nonzero(np.abs(vector) > 1e-9))
        yield Explanation(mistake, corruption.cost + 0.2, search.misfit(vector), text, line, support)


def repeated_edges(search: Search) -> list[list[tuple[Edge, int]]]:
    """Group the edges of the same line, operation and argument: the turns of a loop, the calls of a helper.

    Groups that reach inputs whose gradient is right are left out: these would be wrong, too.
    """
    groups: dict[Any, list[tuple[Edge, int]]] = defaultdict(list)
    names = search.line_identities()
    for edge, parent in search.graph.edges():
        if search.case.grads[edge.operation] is not None and names[edge.operation] is not None:
            groups[names[edge.operation], edge.position].append((edge, parent))
    wrong = set(search.case.wrong)
    return [group for group in groups.values() if len(group) > 1 and _reaches_only(search, group, wrong)]


def _reaches_only(search: Search, group: list[tuple[Edge, int]], wrong: set[int]) -> bool:
    """Check whether edges together reach all inputs that are wrong, and none that is right and not zero."""
    reached = set().union(*(search.dependencies[parent] for _, parent in group))
    return wrong <= reached and (search.wrong_only or not wrong or reached - wrong <= search.dead)
