"""The same change wherever a line of the forward is run: in every turn of a loop, in every call of a helper."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import Change, Contribution, changes_at, with_value
from acg_numpy.checks.explain.cut_edges import name_of_cut, uses_of_input
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.named_constants import names_of_factor
from acg_numpy.checks.explain.whole_gradient import fitted
from acg_numpy.checks.tracing import Edge, Line


def one_use_kept(search: Search) -> Iterator[Explanation]:
    """Of three or more uses of a result only the last, or the first, arrives."""
    uses: dict[int, dict[int, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    for edge, parent in search.edges():
        uses[parent][edge.operation].append(edge)
    for parent, operations in uses.items():
        sent = [
            np.sum([c for edge in edges if (c := search.sent(edge)) is not None], axis=0)
            for edges in operations.values()
        ]
        visits = {search.graph.operations[operation].visit for operation in operations}
        lines = {search.graph.operations[operation].line for operation in operations}
        if len(sent) < 2 or len(visits) < len(operations) or len(lines) > 1:
            continue  # not the turns of a loop: of several uses, some are left out
        total = np.sum(sent, axis=0)
        for kept in (sent[0], sent[-1]):
            vector = search.pulled(parent, kept - total)
            if search.fits(vector) and np.any(vector):
                line = search.line_of([edge for edges in operations.values() for edge in edges])
                text = f"of {len(sent)} uses of one value there only one arrives"
                support = int(np.count_nonzero(vector))
                cost = 1.4 if len(sent) > 2 else 1.6  # of two uses, one may as well be left out
                yield Explanation("last-only", cost, search.miss(vector), text, line, support)


def groups(search: Search) -> Iterator[Explanation]:
    """The same change wherever a line of the forward is run: in every turn of a loop, in every call of a helper."""
    for members in alike(search):
        (place, position), _ = members[0]
        operation = search.graph.operations[place]
        line = operation.line
        assert line is not None  # edges without one are not alike
        for factor, mistake in ((-1.0, "wrong-sign"), (0.0, "held-constant"), (2.0, "double-counted")):
            change = Change(mistake, 1.7, f"times {factor:g}", times(factor))
            yield from replayed(search, change, line, members)
        vectors = [search.pulled(p, c) for e, p in members if (c := search.sent(e)) is not None]
        step = fitted(search.target, np.sum(vectors, axis=0))
        if step is not None and not any(abs(1 + step - f) <= search.case.known_to for f in (-1.0, 0.0, 1.0, 2.0)):
            for named in names_of_factor(1 + step, search.case):
                change = Change(named.mistake, named.cost + 1.1, f"off by {named.text}", times(1 + step))
                yield from replayed(search, change, line, members)
        last = search.graph.operations[members[-1][0].operation]  # the first turn of a loop can be a special one
        for change in (*changes_at(operation, position), *changes_at(last, position)):
            yield from replayed(search, change, line, members)
        yield from of_other_turns(search, line, members)


def opened(search: Search) -> Iterator[Explanation]:
    """Nothing masked on the whole way back, where the forward masks in several places."""
    changes = {}
    for edge, _ in search.every_edge():
        operation = search.graph.operations[edge.operation]
        masks = [change for change in changes_at(operation, edge.position) if change.mistake == "missing-mask"]
        if masks:
            changes[edge] = masks[0]
    vector = search.replay(changes) if len(changes) > 1 else None
    if vector is not None and search.fits(vector):
        text = "sent on as if nothing were masked, in all places"
        yield Explanation("missing-mask", 1.7, search.miss(vector), text, search.line_of(list(changes)))


def of_other_turns(search: Search, line: Line, members: list[tuple[Edge, int]]) -> Iterator[Explanation]:
    """In every turn of a loop the value of another line, of this turn or the one before or after."""
    names = search.identities()
    turns: dict[Any, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        if name is not None:
            turns[name].append(place)
    first = search.graph.operations[members[0][0].operation]
    for other, given in enumerate(first.values):
        if not isinstance(given, np.ndarray) or given.dtype.kind != "f" or given.size < 2:
            continue
        for places in turns.values():
            if len(places) < len(members) or search.graph.operations[places[0]].value.shape != given.shape:
                continue
            for shift in range(-1, len(places) - len(members) + 2):
                changes = {
                    edge: Change("stale-value", 1.7, "", with_value(other, search.graph.operations[places[turn]].value))
                    for turn, (edge, _) in enumerate(members, start=shift)
                    if 0 <= turn < len(places)
                }
                vector = search.replay(changes) if len(changes) >= len(members) - 1 else None
                if vector is not None and search.fits(vector):
                    source = search.graph.operations[places[0]].line
                    text = f"in every turn the value of {source} is used, of this turn or one beside it"
                    yield Explanation("stale-value", 1.8, search.miss(vector), text, line)


def replayed(search: Search, change: Change, line: Line, members: list[tuple[Edge, int]]) -> Iterator[Explanation]:
    """A change of several edges at once, if it explains everything."""
    vector = search.replay({edge: change for edge, _ in members})
    if vector is not None and search.fits(vector):
        edges = [edge for edge, _ in members]
        mistake = change.mistake
        if mistake == "held-constant":
            mistake = name_of_cut(search, tuple(edges))[0]
        if mistake == "double-counted" and not uses_of_input(search, edges):
            mistake = "constant-factor"
        text = f"at each of the {len(members)} times that the line is run: {change.text}"
        support = int(np.count_nonzero(np.abs(vector) > 1e-9))
        yield Explanation(mistake, change.cost + 0.2, search.miss(vector), text, line, support)


def alike(search: Search) -> list[list[tuple[Edge, int]]]:
    """Edges of the same line, operation and argument: the turns of a loop, the calls of a helper."""
    groups: dict[Any, list[tuple[Edge, int]]] = defaultdict(list)
    names = search.identities()
    for edge, parent in search.graph.edges():
        if search.case.grads[edge.operation] is not None and names[edge.operation] is not None:
            groups[names[edge.operation], edge.position].append((edge, parent))
    return [group for group in groups.values() if len(group) > 1]


def times(factor: float) -> Contribution:
    """The right contribution times a factor."""
    return lambda operation, position, g: factor * operation.contribution(position, g)
