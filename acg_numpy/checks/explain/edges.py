"""Which change, at which edge or edges of the graph, gives the submitted gradients?

The gradients of the inputs are linear in what is sent along one edge: a contribution c' in the place of the right c
changes them by pull(c' - c).  For a factor k on c that is (k - 1) pull(c), so one pull and a least-squares fit find the
factor, whatever it is.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.explain.case import Case, Explanation, largest
from acg_numpy.checks.explain.changes import (
    Change,
    Contribution,
    changes_at,
    passed_on,
    stale_gradients,
    stale_values,
    summed_axes,
    uncalled,
    whole,
    with_value,
)
from acg_numpy.checks.explain.constants import name_factor
from acg_numpy.checks.explain.regions import Softmax, softmaxes
from acg_numpy.checks.explain.whole import fitted
from acg_numpy.checks.tracing import Edge, Graph, Line, Link, Operation
from acg_numpy.shapes import Array


class Shift(NamedTuple):
    """A change and what it does to the gradients of the inputs, as one long vector in units of their sizes."""

    change: Change
    line: Line | None
    edges: tuple[Edge, ...]
    vector: Array


class OutOfTimeError(Exception):
    """The time set aside for looking is up."""


@dataclass
class Search:
    """The edges of a case's graph, with what has been found out about them.

    Attributes
    ----------
    case : Case
    graph : Graph
    deadline : float
        In the time of `time.perf_counter`.
    wrong_alone : bool
        Whether to look at the wrong gradients alone: each of a backward's formulas is written by itself, so a mistake
        in one of them need not show in the others, though it would if it had been made where they come from.
    """

    case: Case
    graph: Graph
    deadline: float
    wrong_alone: bool = False
    softmaxes: list[Softmax] = field(default_factory=list)
    reached: list[set[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.softmaxes = softmaxes(self.graph)
        self.reached = self.graph.reached
        scales = [
            max(largest(right), largest(np.asarray(mine)), 1e-300)
            for right, mine in zip(self.case.right, self.case.submitted, strict=True)
        ]
        if self.wrong_alone:
            scales = [scale if i in self.case.wrong else np.inf for i, scale in enumerate(scales)]
        self.scales = scales
        self.target = self.vector(
            [np.asarray(mine) - right for mine, right in zip(self.case.submitted, self.case.right, strict=True)]
        )

    def vector(self, gradients: Sequence[Array]) -> Array:
        """Gradients of all inputs as one vector, each in units of its size."""
        return np.concatenate([np.ravel(g) / s for g, s in zip(gradients, self.scales, strict=True)])

    def pulled(self, place: int, gradient: Array) -> Array:
        """What a gradient of one result comes to at the inputs."""
        if time.perf_counter() > self.deadline:
            raise OutOfTimeError
        return self.vector(self.graph.pull(place, gradient))

    def miss(self, vector: Array) -> float:
        """How far a shift is from the one that is to be explained."""
        with np.errstate(invalid="ignore", over="ignore"):
            off = float(np.max(np.abs(self.target - vector), initial=0.0))
        return off if np.isfinite(off) else np.inf

    def fits(self, vector: Array) -> bool:
        """Whether a shift explains everything."""
        return self.miss(vector) <= self.case.tolerance

    # What may be worth a look.

    def edges(self) -> Iterator[tuple[Edge, int]]:
        """Edges along which something is sent, of results behind which all that is wrong lies, with these results."""
        wrong = set(self.case.wrong)
        for edge, parent in self.graph.edges():
            if self.case.grads[edge.operation] is not None and wrong <= self.reached[parent]:
                yield edge, parent

    def every_edge(self) -> Iterator[tuple[Edge, int]]:
        """Edges along which something is sent to anything that is wrong."""
        wrong = set(self.case.wrong)
        for edge, parent in self.graph.edges():
            if self.case.grads[edge.operation] is not None and wrong & self.reached[parent]:
                yield edge, parent

    def sent(self, edge: Edge) -> Array | None:
        """The right contribution along an edge."""
        g = self.case.grads[edge.operation]
        return None if g is None else self.graph.operations[edge.operation].contribution(edge.position, g)

    def alike(self) -> list[list[tuple[Edge, int]]]:
        """Edges of the same line, operation and argument: the turns of a loop, the calls of a helper."""
        groups: dict[Any, list[tuple[Edge, int]]] = defaultdict(list)
        names = self.identities()
        for edge, parent in self.graph.edges():
            if self.case.grads[edge.operation] is not None and names[edge.operation] is not None:
                groups[names[edge.operation], edge.position].append((edge, parent))
        return [group for group in groups.values() if len(group) > 1]

    def identities(self) -> list[tuple[Line, str, int] | None]:
        """For each result its line, its operation, and which of these it is within one run of the line."""
        seen: dict[tuple[int, str], int] = defaultdict(int)
        names: list[tuple[Line, str, int] | None] = []
        for operation in self.graph.operations:
            if operation.line is None or operation.entry is None:
                names.append(None)
                continue
            names.append((operation.line, operation.name, seen[operation.visit, operation.name]))
            seen[operation.visit, operation.name] += 1
        return names

    # One edge, or several that stand in one line.

    def factors(self) -> Iterator[Explanation]:
        """A factor on what is sent along one edge; all uses of one operation's two equal arguments count as one."""
        for edges, parent, vector in self.shifts():
            step = fitted(self.target, vector)
            if step is not None and self.fits(step * vector):
                yield self.named_factor(1 + step, edges, parent, vector)

    def shifts(self, *, all_edges: bool = False) -> list[tuple[tuple[Edge, ...], int, Array]]:
        """(edges, the result that they use, what doubling what is sent along them does), those that do the same as one.

        The edges of a chain all do the same, so the chain is one entry, whose result is the latest along it.
        """
        found: list[tuple[list[Edge], int, Array]] = []
        pending: dict[tuple[int, int], tuple[list[Edge], Array]] = {}
        for edge, parent in self.every_edge() if all_edges else self.edges():
            c = self.sent(edge)
            if c is None:
                continue
            both = pending.setdefault((edge.operation, parent), ([], np.zeros_like(c)))
            both[0].append(edge)
            pending[edge.operation, parent] = (both[0], both[1] + c)
        for (_, parent), (edges, c) in pending.items():
            vector = self.pulled(parent, c)
            if not np.any(vector) or not np.all(np.isfinite(vector)):
                continue
            for known, _, other in found:
                if np.max(np.abs(other - vector)) <= 1e-11 * max(1.0, float(np.max(np.abs(vector)))):
                    known.extend(edges)
                    break
            else:
                found.append((list(edges), parent, vector))
        return [(tuple(edges), parent, vector) for edges, parent, vector in found]

    def named_factor(self, factor: float, edges: tuple[Edge, ...], parent: int, vector: Array) -> Explanation:
        """What a factor on what is sent along some edges is called."""
        residual = self.miss((factor - 1) * vector)
        support = int(np.count_nonzero(np.abs(vector) > 1e-9))
        line = self.line_of(edges)
        if abs(factor) < 1e-6:
            mistake, text = self.name_of_cut(edges)
            return Explanation(mistake, 1.5, residual, text, line, support)
        if abs(factor + 1) < 1e-6:
            return Explanation(
                "wrong-sign", 1.5, residual, "what comes back from there has the wrong sign", line, support
            )
        uses = self.uses_of_input(edges)
        if abs(factor - 2) < 1e-6 and uses:
            return Explanation(
                "double-counted", 1.5, residual, "what comes back from there counts twice", line, support
            )
        if abs(factor - 0.5) < 1e-6 and self.used_twice(edges):
            mistake = "missing-path" if uses else "held-constant"
            return Explanation(
                mistake, 1.9, residual, "one of the two uses of a value there is left out", line, support
            )
        named = name_factor(factor, self.case)
        text, cost = f"what comes back from there is off by {named.text}", 1.6 if named.known else 2.6
        return Explanation(named.mistake, cost, residual, text, line, support - 1)

    def line_of(self, edges: Sequence[Edge]) -> Line | None:
        """The line of the first edge that has one."""
        lines = (self.graph.operations[edge.operation].line for edge in edges)
        return next((line for line in lines if line is not None), None)

    def used_twice(self, edges: Sequence[Edge]) -> bool:
        """Whether these are two arguments of one operation, x * x say."""
        return any(e.operation == f.operation and e.position < f.position for e in edges for f in edges)

    def statistic(self, edges: Sequence[Edge]) -> bool:
        """Whether a chain of edges makes a statistic of the value, a mean or a norm, that the value then meets again.

        It reduces, and what it ends in is broadcast, or multiplies or divides.  A penalty that is added to a loss
        reduces as well, but is a term of its own.
        """
        operations = self.graph.operations
        if not any(self.reduction(edge, edges) for edge in edges):
            return False
        last = max(edges)
        operation = operations[last.operation]
        if operation.value.size > np.size(operation.values[last.position]):
            return True
        g = np.random.default_rng(0).normal(size=operation.value.shape)
        sent = operation.contribution(last.position, g)
        return not (sent.shape == g.shape and (np.array_equal(sent, g) or np.array_equal(sent, -g)))

    def reduction(self, edge: Edge, edges: Sequence[Edge]) -> bool:
        """Whether an operation reduces its argument, by itself or, as x @ x does, with itself."""
        operation = self.graph.operations[edge.operation]
        if operation.value.size >= np.size(operation.values[edge.position]) or selects(operation):
            return False
        return len([arg for arg in operation.args if isinstance(arg, Link)]) == 1 or self.used_twice(edges)

    def uses_of_input(self, edges: Sequence[Edge]) -> bool:
        """Whether a chain begins at an input used elsewhere too, or at a function of one, element by element."""
        for edge in edges:
            place = self.graph.operations[edge.operation].args[edge.position].place
            sources = self.sources(place)
            if sources is not None and all(self.number_of_uses(source) > 1 for source in sources):
                return True
        return False

    def sources(self, place: int) -> set[int] | None:
        """The one input that a result is made of element by element, or by moving elements; None if it is not."""
        operation = self.graph.operations[place]
        if operation.entry is None:
            return {place}
        found: set[int] = set()
        for _, parent in operation.links():
            if self.graph.operations[parent].value.size != operation.value.size:
                return None
            further = self.sources(parent)
            if further is None:
                return None
            found |= further
        return found if len(found) == 1 else None

    def number_of_uses(self, place: int) -> int:
        """By how many operations a result is used, through views of it too."""
        count = 0
        for later, operation in enumerate(self.graph.operations):
            for _, parent in operation.links():
                if parent == place:
                    count += self.number_of_uses(later) if arranges(self.graph, later) else 1
        return count

    def name_of_cut(self, edges: tuple[Edge, ...]) -> tuple[str, str]:
        """What it is called if nothing is sent along a chain."""
        if self.leaves_target(edges):
            return "target-not-subtracted", "what comes back from there is the target, or points at it, and is left out"
        if self.uses_of_input(edges) and not self.statistic(edges):
            return "missing-path", "what comes back from there, one use of the input, is left out"
        return "held-constant", "what comes back from there is left out, as if it did not depend on the input"

    def leaves_target(self, edges: tuple[Edge, ...]) -> bool:
        """Whether what is left out is an input that is not wrong, times a number, or ones where integers point."""
        sent = [c for edge in edges if (c := self.sent(edge)) is not None and np.count_nonzero(c) > 1]
        right = [(i, value) for i, value in enumerate(self.case.values) if i not in self.case.wrong and value.size > 2]
        for c in sent:
            for _, value in right:
                factor = fitted(c, value) if c.shape == value.shape else None
                if factor and largest(c - factor * value) <= 1e-9 * largest(c) and not is_constant(value):
                    return True
        return False

    def changed(self) -> Iterator[Explanation]:
        """Another contribution along one edge."""
        for shift in self.single_changes():
            if self.fits(shift.vector):
                yield self.explained(shift)

    def explained(self, shift: Shift) -> Explanation:
        """A shift that fits, in words."""
        support = int(np.count_nonzero(np.abs(shift.vector) > 1e-9))
        cost = shift.change.cost
        return Explanation(shift.change.mistake, cost, self.miss(shift.vector), shift.change.text, shift.line, support)

    def single_changes(self, *, all_edges: bool = False) -> Iterator[Shift]:
        """Every change of one edge, with what it does."""
        for edge, parent in self.every_edge() if all_edges else self.edges():
            operation, g, right = (
                self.graph.operations[edge.operation],
                self.case.grads[edge.operation],
                self.sent(edge),
            )
            if g is None or right is None:
                continue
            changes = [*changes_at(operation, edge.position), *stale_values(self.graph, edge.operation, edge.position)]
            seen: list[Array] = []
            for change in changes:
                sent = uncalled(change.sent, operation, edge.position, g)
                if sent is None or np.shape(sent) != right.shape or not np.all(np.isfinite(sent)):
                    continue
                if any(np.array_equal(sent, other) for other in (right, *seen)):
                    continue
                seen.append(sent)
                yield Shift(change, operation.line, (edge,), self.pulled(parent, sent - right))
            for text, other in stale_gradients(self.graph, self.case.grads, edge.operation):
                sent = uncalled(operation.contribution, edge.position, other)
                if sent is not None and np.shape(sent) == right.shape and np.all(np.isfinite(sent)):
                    change = Change("stale-value", 1.9, text, passed_on(1.0))
                    yield Shift(change, operation.line, (edge,), self.pulled(parent, sent - right))

    def unsummed(self) -> Iterator[Explanation]:
        """Something broadcast whose gradient is not summed, or summed over another axis."""
        for shift in self.unsummed_shifts():
            if self.fits(shift.vector):
                yield self.explained(shift)

    def unsummed_shifts(self) -> Iterator[Shift]:
        """Something broadcast whose gradient is not summed, or summed over another axis, and passed on as it is.

        It meets the value that was reduced in the first place further back: in a softmax, that leaves the diagonal.
        """
        for edge, parent in self.edges():
            operation, g = self.graph.operations[edge.operation], self.case.grads[edge.operation]
            full = None if g is None else whole(operation, edge.position, g)
            if full is None:
                continue
            right = summed_axes(full.shape, np.shape(operation.values[edge.position]))
            if len(right) != 1 or full.ndim != operation.value.ndim:
                continue
            others = [axis for axis in range(full.ndim) if axis not in right and full.shape[axis] > 1]
            wide = [(None, full), *((axis, np.sum(full, axis=axis, keepdims=True)) for axis in others)]
            for axis, sent in wide:
                vector = self.passed_back(parent, np.sum(full, axis=right, keepdims=True), sent)
                if vector is not None and np.all(np.isfinite(vector)):
                    yield Shift(self.kind_of_unsummed(edge, right[0], axis), operation.line, (edge,), vector)

    def kind_of_unsummed(self, edge: Edge, right: int, axis: int | None) -> Change:
        """What it is called if a sum is left out, or taken over another axis."""
        if axis is not None:
            return Change("wrong-axis", 1.5, f"summed over axis {axis} where it is axis {right}", passed_on(1.0))
        if any(region.scores < edge.operation <= region.weights for region in self.softmaxes):
            text = "of the Jacobian of the softmax only the diagonal is used"
            return Change("diagonal-softmax", 1.4, text, passed_on(1.0))
        return Change("missing-broadcast-sum", 1.5, f"not summed over axis {right}", passed_on(1.0))

    def passed_back(self, place: int, right: Array, sent: Array) -> Array | None:
        """The shift if `sent`, too wide for a result, goes on in the place of `right`, up to where it fits.

        On the way operations work element by element, or add an axis of length one, or are the reduction that it was
        all about: each multiplies by an array, found by sending ones through it.
        """
        operation = self.graph.operations[place]
        total = np.zeros_like(self.target)
        links = list(operation.links())
        if not links:
            return None
        for position, parent in links:
            ones = np.ones_like(operation.value)
            factor = uncalled(operation.contribution, position, ones)
            if factor is None:
                return None
            if factor.size == ones.size:  # the same numbers, perhaps without an axis of length one
                factor = factor.reshape(np.broadcast_shapes(operation.value.shape, (1,) * right.ndim))
                given = factor.shape
            else:
                given = factor.shape
            try:
                wide, narrow = sent * factor, right * factor
            except ValueError:
                return None
            value = self.graph.operations[parent].value
            if wide.shape == value.shape and np.shape(np.broadcast_to(narrow, given)) == value.shape:
                total = total + self.pulled(parent, wide - narrow)
            elif factor.size == ones.size:
                further = self.passed_back(parent, narrow, wide)
                if further is None:
                    return None
                total = total + further
            else:
                return None
        return total

    def one_use_kept(self) -> Iterator[Explanation]:
        """Of three or more uses of a result only the last, or the first, arrives."""
        uses: dict[int, dict[int, list[Edge]]] = defaultdict(lambda: defaultdict(list))
        for edge, parent in self.edges():
            uses[parent][edge.operation].append(edge)
        for parent, operations in uses.items():
            sent = [
                np.sum([c for edge in edges if (c := self.sent(edge)) is not None], axis=0)
                for edges in operations.values()
            ]
            visits = {self.graph.operations[operation].visit for operation in operations}
            lines = {self.graph.operations[operation].line for operation in operations}
            if len(sent) < 2 or len(visits) < len(operations) or len(lines) > 1:
                continue  # not the turns of a loop: of several uses, some are left out
            total = np.sum(sent, axis=0)
            for kept in (sent[0], sent[-1]):
                vector = self.pulled(parent, kept - total)
                if self.fits(vector) and np.any(vector):
                    line = self.line_of([edge for edges in operations.values() for edge in edges])
                    text = f"of {len(sent)} uses of one value there only one arrives"
                    support = int(np.count_nonzero(vector))
                    cost = 1.4 if len(sent) > 2 else 1.6  # of two uses, one may as well be left out
                    yield Explanation("last-only", cost, self.miss(vector), text, line, support)

    def groups(self) -> Iterator[Explanation]:
        """The same change wherever a line of the forward is run: in every turn of a loop, in every call of a helper."""
        for members in self.alike():
            (place, position), _ = members[0]
            operation = self.graph.operations[place]
            line = operation.line
            assert line is not None  # edges without one are not alike
            for factor, mistake in ((-1.0, "wrong-sign"), (0.0, "held-constant"), (2.0, "double-counted")):
                change = Change(mistake, 1.7, f"times {factor:g}", times(factor))
                yield from self.replayed(change, line, members)
            vectors = [self.pulled(p, c) for e, p in members if (c := self.sent(e)) is not None]
            step = fitted(self.target, np.sum(vectors, axis=0))
            if step is not None and not any(abs(1 + step - f) < 1e-6 for f in (-1.0, 0.0, 1.0, 2.0)):
                named = name_factor(1 + step, self.case)
                change = Change(named.mistake, 1.8 if named.known else 2.8, f"off by {named.text}", times(1 + step))
                yield from self.replayed(change, line, members)
            last = self.graph.operations[members[-1][0].operation]  # the first turn of a loop can be a special one
            for change in (*changes_at(operation, position), *changes_at(last, position)):
                yield from self.replayed(change, line, members)
            yield from self.of_other_turns(line, members)

    def without_masks(self) -> Iterator[Explanation]:
        """Nothing masked on the whole way back, where the forward masks in several places."""
        changes = {}
        for edge, _ in self.every_edge():
            operation = self.graph.operations[edge.operation]
            masks = [change for change in changes_at(operation, edge.position) if change.mistake == "missing-mask"]
            if masks:
                changes[edge] = masks[0]
        vector = self.replay(changes) if len(changes) > 1 else None
        if vector is not None and self.fits(vector):
            text = "sent on as if nothing were masked, in all places"
            yield Explanation("missing-mask", 1.7, self.miss(vector), text, self.line_of(list(changes)))

    def of_other_turns(self, line: Line, members: list[tuple[Edge, int]]) -> Iterator[Explanation]:
        """In every turn of a loop the value of another line, of this turn or the one before or after."""
        names = self.identities()
        turns: dict[Any, list[int]] = defaultdict(list)
        for place, name in enumerate(names):
            if name is not None:
                turns[name].append(place)
        first = self.graph.operations[members[0][0].operation]
        for other, given in enumerate(first.values):
            if not isinstance(given, np.ndarray) or given.dtype.kind != "f" or given.size < 2:
                continue
            for places in turns.values():
                if len(places) < len(members) or self.graph.operations[places[0]].value.shape != given.shape:
                    continue
                for shift in range(-1, len(places) - len(members) + 2):
                    changes = {
                        edge: Change(
                            "stale-value", 1.7, "", with_value(other, self.graph.operations[places[turn]].value)
                        )
                        for turn, (edge, _) in enumerate(members, start=shift)
                        if 0 <= turn < len(places)
                    }
                    vector = self.replay(changes) if len(changes) >= len(members) - 1 else None
                    if vector is not None and self.fits(vector):
                        source = self.graph.operations[places[0]].line
                        text = f"in every turn the value of {source} is used, of this turn or one beside it"
                        yield Explanation("stale-value", 1.8, self.miss(vector), text, line)

    def replayed(self, change: Change, line: Line, members: list[tuple[Edge, int]]) -> Iterator[Explanation]:
        """A change of several edges at once, if it explains everything."""
        vector = self.replay({edge: change for edge, _ in members})
        if vector is not None and self.fits(vector):
            edges = [edge for edge, _ in members]
            mistake = change.mistake
            if mistake == "held-constant":
                mistake = self.name_of_cut(tuple(edges))[0]
            if mistake == "double-counted" and not self.uses_of_input(edges):
                mistake = "constant-factor"
            text = f"at each of the {len(members)} times that the line is run: {change.text}"
            support = int(np.count_nonzero(np.abs(vector) > 1e-9))
            yield Explanation(mistake, change.cost + 0.2, self.miss(vector), text, line, support)

    def replay(self, changes: dict[Edge, Change]) -> Array | None:
        """What several changes do together, found by carrying all gradients back anew; None where it is nothing."""
        if time.perf_counter() > self.deadline:
            raise OutOfTimeError
        instead = {edge: or_right(change) for edge, change in changes.items()}
        gradients = uncalled(self.graph.gradients, self.case.grad_outs, instead)
        if gradients is None:
            return None
        found = zip(self.graph.at_inputs(gradients), self.case.right, strict=True)
        vector = self.vector([g - r for g, r in found])
        return vector if np.all(np.isfinite(vector)) and np.any(vector) else None


def times(factor: float) -> Contribution:
    """The right contribution times a factor."""
    return lambda operation, position, g: factor * operation.contribution(position, g)


def or_right(change: Change) -> Contribution:
    """What a change sends, or the right contribution where it makes no sense."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        right = operation.contribution(position, g)
        other = uncalled(change.sent, operation, position, g)
        return right if other is None or np.shape(other) != right.shape else np.asarray(other)

    return sent


def selects(operation: Operation) -> bool:
    """Whether an operation picks some elements of its first argument, and reduces nothing."""
    given = operation.values[0]
    if not isinstance(given, np.ndarray):
        return False
    counted = np.arange(given.size, dtype=float).reshape(given.shape)
    picked = uncalled(operation.again, [counted, *operation.values[1:]])
    return (
        picked is not None
        and len(operation.args) <= 2
        and bool(np.all(np.isin(picked, counted)))
        and "axis" not in (operation.options or {})
    )


def is_constant(value: Array) -> bool:
    """Whether an array holds one number throughout."""
    return bool(np.all(value == value.flat[0]))


def arranges(graph: Graph, place: int) -> bool:
    """Whether a result has the numbers of one argument and no others, in whatever order or shape."""
    operation = graph.operations[place]
    links = list(operation.links())
    if len(links) != 1:
        return False
    given = np.asarray(operation.values[links[0][0]])
    return given.size == operation.value.size and bool(
        np.array_equal(np.sort(given, axis=None), np.sort(operation.value, axis=None))
    )
