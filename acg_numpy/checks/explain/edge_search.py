"""The search for a corruption, at one edge or several edges of the graph, that gives the submitted gradients.

The gradients of the inputs are linear in what is sent along one edge: a contribution c' in the place of the right c
changes them by pull(c' - c).  For a factor k on c that is (k - 1) pull(c), so one pull and a least-squares fit find the
factor, whatever it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.explain.case import Case, Explanation, max_abs
from acg_numpy.checks.explain.corruptions import Contribution, Corruption, pass_through, try_call
from acg_numpy.checks.explain.edge_corruptions import edge_corruptions
from acg_numpy.checks.explain.elementwise_regions import Region, find_regions
from acg_numpy.checks.explain.known_regions import Softmax, find_softmaxes
from acg_numpy.checks.explain.stale_values import stale_corruptions, stale_gradients
from acg_numpy.checks.explain.time_budget import TimeBudget
from acg_numpy.checks.tracing import Edge, Graph, Line, Link, Operation
from acg_numpy.shapes import Array

# random directions of the inputs along which a shift is tried before it is carried back
_DIRECTIONS = 2
# relative to all that is added up; a difference quotient knows a tangent far better
_TANGENT_ERROR = 1e-4


class Shift(NamedTuple):
    """A corruption and what it does to the gradients of the inputs, as one long vector in units of their sizes."""

    corruption: Corruption
    line: Line | None
    edges: tuple[Edge, ...]
    vector: Array


@dataclass
class Search:
    """The edges of a case's graph, with what the strategies of the search share.

    Attributes
    ----------
    case : Case
    graph : Graph
    budget : TimeBudget
    wrong_only : bool
        Whether to look at the wrong gradients alone: each of a backward's formulas is written by itself, so a mistake
        in one of them need not show in the others, though it would if it had been made where they come from.
    """

    case: Case
    graph: Graph
    budget: TimeBudget
    wrong_only: bool = False
    softmaxes: list[Softmax] = field(default_factory=list)
    dependencies: list[set[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.softmaxes = find_softmaxes(self.graph)
        self.dependencies = self.graph.dependencies
        scales = [
            max(max_abs(right), max_abs(np.asarray(mine)), 1e-300)
            for right, mine in zip(self.case.right, self.case.submitted, strict=True)
        ]
        if self.wrong_only:
            scales = [scale if i in self.case.wrong else np.inf for i, scale in enumerate(scales)]
        self.scales = scales
        self.target = self.vector(
            [np.asarray(mine) - right for mine, right in zip(self.case.submitted, self.case.right, strict=True)]
        )

    def vector(self, gradients: Sequence[Array]) -> Array:
        """Return gradients of all inputs as one vector, each in units of its size."""
        return np.concatenate([np.ravel(g) / s for g, s in zip(gradients, self.scales, strict=True)])

    def pull_vector(self, place: int, gradient: Array) -> Array:
        """Return what a gradient of one result comes to at the inputs."""
        self.budget.check()
        return self.vector(self.graph.pull(place, gradient))

    @cached_property
    def tangents(self) -> list[tuple[float, list[Array]]]:
        """What moves each result along random directions r of the inputs, and target . r, for each direction.

        The pull of a gradient c of a result, times r, is c times what moves the result along r.  So a shift that cannot
        fit is told by one product, without a pull.  Empty where the forward cannot be evaluated beside the point.
        """
        rng, found = np.random.default_rng(0), []
        inputs = [self.graph.operations[place].value for place in self.graph.inputs]
        for _ in range(_DIRECTIONS):
            directions = [rng.normal(size=np.shape(x)) for x in inputs]
            moves = [r / scale for r, scale in zip(directions, self.scales, strict=True)]
            reach = [max_abs(x) / max_abs(m) for x, m in zip(inputs, moves, strict=True) if max_abs(m) and max_abs(x)]
            h = 1e-6 * min(reach, default=1.0)
            both = [
                try_call(self._results_at, [x + sign * h * m for x, m in zip(inputs, moves, strict=True)])
                for sign in (1.0, -1.0)
            ]
            if both[0] is None or both[1] is None:
                return []
            along = [(a - b) / (2 * h) for a, b in zip(*both, strict=True)]
            right = float(np.vdot(np.concatenate([np.ravel(r) for r in directions]), self.vector(self.case.right)))
            outputs = zip(self.graph.outputs, self.case.grad_outs, strict=True)
            parts = [np.sum(g * along[place]) for place, g in outputs if place is not None]
            if not abs(right - sum(parts)) <= _TANGENT_ERROR * max(1e-300, *map(abs, parts)):
                return []
            found.append((float(np.vdot(np.concatenate([np.ravel(r) for r in directions]), self.target)), along))
        return found

    def _results_at(self, inputs: Sequence[Array]) -> list[Array]:
        """Evaluate every result of the graph at other inputs."""
        values: list[Array] = []
        given = dict(zip(self.graph.inputs, inputs, strict=True))
        for place, operation in enumerate(self.graph.operations):
            if operation.entry is None:
                values.append(given[place])
                continue
            pairs = zip(operation.args, operation.values, strict=True)
            values.append(operation.evaluate([values[a.place] if isinstance(a, Link) else v for a, v in pairs]))
        return values

    @cached_property
    def regions(self) -> list[Region]:
        """The parts of the forward that work element by element."""
        return find_regions(self.graph)

    def might_fit(self, place: int, gradient: Array) -> bool:
        """Check whether a gradient of one result may come, at the inputs, to what is to be explained."""
        for target, along in self.tangents:
            moved = along[place]
            apart = abs(float(np.vdot(gradient, moved)) - target)
            size = float(np.linalg.norm(gradient) * np.linalg.norm(moved)) + abs(target)
            if apart > max(_TANGENT_ERROR, 100 * self.case.tolerance) * size:
                return False
        return True

    def misfit(self, vector: Array) -> float:
        """Return how far a shift is from the one that is to be explained."""
        with np.errstate(invalid="ignore", over="ignore"):
            off = float(np.max(np.abs(self.target - vector), initial=0.0))
        return off if np.isfinite(off) else np.inf

    def fits(self, vector: Array) -> bool:
        """Check whether a shift explains everything."""
        return self.misfit(vector) <= self.case.tolerance

    # The edges of the graph.

    def edges(self) -> Iterator[tuple[Edge, int]]:
        """Yield each edge that carries a gradient back to all wrong inputs, with the result that it uses."""
        wrong = set(self.case.wrong)
        for edge, parent in self.graph.edges():
            if self.case.grads[edge.operation] is not None and wrong <= self.dependencies[parent]:
                yield edge, parent

    def wrong_edges(self) -> Iterator[tuple[Edge, int]]:
        """Yield each edge that carries a gradient back to any wrong input, with the result that it uses."""
        wrong = set(self.case.wrong)
        for edge, parent in self.graph.edges():
            if self.case.grads[edge.operation] is not None and wrong & self.dependencies[parent]:
                yield edge, parent

    def is_behind(self, place: int) -> bool:
        """Check whether a wrong gradient of this result would make all wrong inputs wrong, and none that is right."""
        reached, wrong = self.dependencies[place], set(self.case.wrong)
        return wrong <= reached and (self.wrong_only or not wrong or reached - wrong <= self.dead)

    @cached_property
    def dead(self) -> set[int]:
        """The inputs whose right gradient is zero: they are right whatever is sent to them times a number."""
        return {i for i, right in enumerate(self.case.right) if not max_abs(right) > 1e-9 * self.case.scale}

    def contribution(self, edge: Edge) -> Array | None:
        """Return the right contribution along an edge."""
        g = self.case.grads[edge.operation]
        return None if g is None else self.graph.operations[edge.operation].contribution(edge.position, g)

    def line_identities(self) -> list[tuple[Line, str, int] | None]:
        """Return each result's line, its operation, and its number among such operations in one run of the line."""
        seen: dict[tuple[int, str], int] = defaultdict(int)
        names: list[tuple[Line, str, int] | None] = []
        for operation in self.graph.operations:
            if operation.line is None or operation.entry is None:
                names.append(None)
                continue
            names.append((operation.line, operation.name, seen[operation.visit, operation.name]))
            seen[operation.visit, operation.name] += 1
        return names

    # Corruptions of one edge, and factors on a chain of edges.

    def chains(self, *, all_edges: bool = False) -> list[tuple[tuple[Edge, ...], int, Array]]:
        """Return chains of edges, each with the result that it uses and the shift by doubling what it sends.

        The edges of a chain all do the same, so the chain is one entry, whose result is the latest along it.
        """
        found: list[tuple[list[Edge], int, Array]] = []
        pending: dict[tuple[int, int], tuple[list[Edge], Array]] = {}
        for edge, parent in self.wrong_edges() if all_edges else self.edges():
            c = self.contribution(edge)
            if c is None:
                continue
            both = pending.setdefault((edge.operation, parent), ([], np.zeros_like(c)))
            both[0].append(edge)
            pending[edge.operation, parent] = (both[0], both[1] + c)
        for (_, parent), (edges, c) in pending.items():
            vector = self.pull_vector(parent, c)
            if not np.any(vector) or not np.all(np.isfinite(vector)):
                continue
            for known, _, other in found:
                if np.max(np.abs(other - vector)) <= 1e-11 * max(1.0, float(np.max(np.abs(vector)))):
                    known.extend(edges)
                    break
            else:
                found.append((list(edges), parent, vector))
        return [(tuple(edges), parent, vector) for edges, parent, vector in found]

    def first_line(self, edges: Sequence[Edge]) -> Line | None:
        """Return the line of the first edge that has one."""
        lines = (self.graph.operations[edge.operation].line for edge in edges)
        return next((line for line in lines if line is not None), None)

    def single_edge_explanations(self) -> Iterator[Explanation]:
        """Yield explanations by another contribution along one edge."""
        for shift in self.single_corruptions(likely_only=True):
            if self.fits(shift.vector):
                yield self.explanation(shift)

    def explanations_by(self, corruptions: Callable[[Operation, int], Iterator[Corruption]]) -> Iterator[Explanation]:
        """Yield explanations by one of these corruptions of an edge."""
        for edge, parent in self.edges():
            operation, g, right = self.graph.operations[edge.operation], self.case.grads[edge.operation], None
            for corruption in corruptions(operation, edge.position):
                self.budget.check()
                right = self.contribution(edge) if right is None else right
                sent = try_call(corruption.contribution, operation, edge.position, g)
                if (
                    right is None
                    or sent is None
                    or sent.shape != right.shape
                    or not self.might_fit(parent, sent - right)
                ):
                    continue
                shift = Shift(corruption, operation.line, (edge,), self.pull_vector(parent, sent - right))
                if np.any(shift.vector) and self.fits(shift.vector):
                    yield self.explanation(shift)

    def explanation(self, shift: Shift) -> Explanation:
        """Return the explanation that a fitting shift gives."""
        support = int(np.count_nonzero(np.abs(shift.vector) > 1e-9))
        mistake, cost, text, _ = shift.corruption
        return Explanation(mistake, cost, self.misfit(shift.vector), text, shift.line, support)

    def single_corruptions(self, *, all_edges: bool = False, likely_only: bool = False) -> Iterator[Shift]:
        """Yield every corruption of one edge, with what it does; of those that may fit alone, if so asked."""
        for edge, parent in self.wrong_edges() if all_edges else self.edges():
            operation, g = self.graph.operations[edge.operation], self.case.grads[edge.operation]
            right = self.contribution(edge)
            if g is None or right is None:
                continue
            own = edge_corruptions(operation, edge.position)
            stale = stale_corruptions(self.graph, edge.operation, edge.position)
            seen = {right.tobytes()}
            for corruption in (*own, *stale):
                sent = try_call(corruption.contribution, operation, edge.position, g)
                if sent is None or np.shape(sent) != right.shape or not np.all(np.isfinite(sent)):
                    continue
                if (written := np.asarray(sent).tobytes()) in seen:
                    continue
                seen.add(written)
                self.budget.check()
                if likely_only and not self.might_fit(parent, sent - right):
                    continue
                yield Shift(corruption, operation.line, (edge,), self.pull_vector(parent, sent - right))
            for text, other in stale_gradients(self.graph, self.case.grads, edge.operation):
                sent = try_call(operation.contribution, edge.position, other)
                if sent is not None and np.shape(sent) == right.shape and np.all(np.isfinite(sent)):
                    self.budget.check()
                    if likely_only and not self.might_fit(parent, sent - right):
                        continue
                    corruption = Corruption("stale-value", 1.9, text, pass_through(1.0))
                    yield Shift(corruption, operation.line, (edge,), self.pull_vector(parent, sent - right))

    def replay(self, corruptions: dict[Edge, Corruption]) -> Array | None:
        """Return what several corruptions do together, by carrying all gradients back anew; None if they do nothing."""
        self.budget.check()
        replacements = {edge: _with_fallback(corruption) for edge, corruption in corruptions.items()}
        gradients = try_call(self.graph.gradients, self.case.grad_outs, replacements)
        if gradients is None:
            return None
        found = zip(self.graph.at_inputs(gradients), self.case.right, strict=True)
        vector = self.vector([g - r for g, r in found])
        return vector if np.all(np.isfinite(vector)) and np.any(vector) else None


def _with_fallback(corruption: Corruption) -> Contribution:
    """Return a corruption's contribution, or the right one where the corruption makes no sense."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        right = operation.contribution(position, g)
        other = try_call(corruption.contribution, operation, position, g)
        return right if other is None or np.shape(other) != right.shape else np.asarray(other)

    return contribution
