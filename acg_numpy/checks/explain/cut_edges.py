"""Names for a factor on what is sent along a chain of edges: a sign, a scale, a path left out.

The edges of a chain all do the same to the gradients of the inputs, so cutting it anywhere is one and the same mistake.
What it is called depends on what the chain is: one use of an input, a statistic that the input then meets again, or the
way to a target.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import try_call
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.named_constants import factor_names
from acg_numpy.checks.explain.whole_gradient import fit_factor, is_target
from acg_numpy.checks.tracing import Edge, Graph, Link, Operation
from acg_numpy.shapes import Array


def factor_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by a factor on what is sent along one edge; two equal arguments count as one."""
    for edges, _, vector in search.chains():
        step = fit_factor(search.target, vector)
        if step is not None and search.fits(step * vector):
            yield from name_factor(search, 1 + step, edges, vector)


def missing_outputs(search: Search) -> Iterator[Explanation]:
    """Yield explanations by the incoming gradient of an output left out.

    The output is also used within the forward, and no edge carries the gradient that comes in for it.
    """
    operations, outputs = search.graph.operations, search.graph.outputs
    used = [parent for operation in operations for _, parent in operation.links()] + [*outputs]
    for number, (place, grad) in enumerate(zip(outputs, search.case.grad_outs, strict=True)):
        if place is None or used.count(place) < 2:
            continue
        vector = search.pull_vector(place, grad)
        if np.any(vector) and search.fits(-vector):
            text = f"the gradient of output {number} is left out, and only what comes back from its other use is kept"
            yield Explanation("missing-path", 1.5, search.misfit(-vector), text, operations[place].line, vector.size)


def name_factor(search: Search, factor: float, edges: tuple[Edge, ...], vector: Array) -> list[Explanation]:
    """Name a factor on what is sent along some edges, the likeliest name first."""
    residual, close = search.misfit((factor - 1) * vector), search.case.factor_tolerance
    support = int(np.count_nonzero(np.abs(vector) > 1e-9))
    line = search.first_line(edges)

    def explanation(mistake: str, cost: float, text: str, chosen: int = 0) -> Explanation:
        return Explanation(mistake, cost, residual, text, line, support - chosen)

    if abs(factor) <= close:
        mistake, text = name_cut(search, edges)
        return [explanation(mistake, 1.5, text)]
    if abs(factor + 1) <= close:
        return [explanation("wrong-sign", 1.5, "what comes back from there has the wrong sign")]
    uses = is_input_use(search, edges)
    if abs(factor - 2) <= close and uses:
        return [explanation("double-counted", 1.5, "what comes back from there counts twice")]
    if abs(factor - 0.5) <= close and _uses_both_arguments(search, edges):
        mistake = "missing-path" if uses else "held-constant"
        return [explanation(mistake, 1.9, "one of the two uses of a value there is left out")]
    return [
        explanation(name.mistake, name.cost + 0.9, f"what comes back from there is off by {name.text}", chosen=1)
        for name in factor_names(factor, search.case)
    ]


def _uses_both_arguments(search: Search, edges: Sequence[Edge]) -> bool:
    """Check whether these are two arguments of one operation, as in x * x."""
    return any(e.operation == f.operation and e.position < f.position for e in edges for f in edges)


def is_statistic(search: Search, edges: Sequence[Edge]) -> bool:
    """Check whether a chain of edges makes a statistic of the value, a mean or a norm, that the value then meets again.

    It reduces, and what it ends in is broadcast, or multiplies or divides.  A penalty that is added to a loss
    reduces as well, but is a term of its own.
    """
    operations = search.graph.operations
    if not any(_is_reduction(search, edge, edges) for edge in edges):
        return False
    last = max(edges)
    operation = operations[last.operation]
    if last.operation in search.graph.outputs and _is_reduction(search, last, edges):
        return False  # an output of its own
    if operation.value.size > np.size(operation.values[last.position]):
        return True
    g = np.random.default_rng(0).normal(size=operation.value.shape)
    sent = operation.contribution(last.position, g)
    return not (sent.shape == g.shape and (np.array_equal(sent, g) or np.array_equal(sent, -g)))


def _is_reduction(search: Search, edge: Edge, edges: Sequence[Edge]) -> bool:
    """Check whether an operation reduces its argument, by itself or, as x @ x does, with itself."""
    operation = search.graph.operations[edge.operation]
    if operation.value.size >= np.size(operation.values[edge.position]) or is_selection(operation):
        return False
    return len([arg for arg in operation.args if isinstance(arg, Link)]) == 1 or _uses_both_arguments(search, edges)


def is_input_use(search: Search, edges: Sequence[Edge]) -> bool:
    """Check whether a chain begins at an input that has other uses, or at a function of one, element by element."""
    for edge in edges:
        place = search.graph.operations[edge.operation].args[edge.position].place
        begins = _source_inputs(search, place)
        if begins is not None and all(_use_count(search, source) > 1 for source in begins):
            return True
    return False


def _source_inputs(search: Search, place: int) -> set[int] | None:
    """Return the one input that a result is made of element by element, or by moving elements; None if none is."""
    operation = search.graph.operations[place]
    if operation.entry is None:
        return {place}
    found: set[int] = set()
    for _, parent in operation.links():
        if search.graph.operations[parent].value.size != operation.value.size:
            return None
        further = _source_inputs(search, parent)
        if further is None:
            return None
        found |= further
    return found if len(found) == 1 else None


def _use_count(search: Search, place: int) -> int:
    """Count the operations that use a result, also through views of it."""
    count = 0
    for later, operation in enumerate(search.graph.operations):
        for _, parent in operation.links():
            if parent == place:
                count += _use_count(search, later) if _is_rearrangement(search.graph, later) else 1
    return count


def name_cut(search: Search, edges: tuple[Edge, ...]) -> tuple[str, str]:
    """Name the mistake of sending nothing along a chain."""
    if _cuts_target(search, edges):
        return "target-not-subtracted", "what comes back from there is the target, or points at it, and is left out"
    if _is_recurrence(search, edges):
        return "missing-path", "what the next turn of the loop sends back is left out, the path through time"
    if is_input_use(search, edges) and not is_statistic(search, edges):
        return "missing-path", "what comes back from there, one use of the input, is left out"
    return "held-constant", "what comes back from there is left out, as if it did not depend on the input"


def _is_recurrence(search: Search, edges: Sequence[Edge]) -> bool:
    """Check whether what is used there comes from the turn of a loop before: its expression runs after the one there.

    Of two expressions of a loop, the one that runs first in the first turn comes first in every turn.
    """
    names = search.line_identities()
    reads = {edge.operation for edge in edges if is_selection(search.graph.operations[edge.operation])}
    # what reads a state out of a buffer stands for the expression that uses it
    users = [edge for edge, parent in search.graph.edges() if parent in reads]
    for edge in (*edges, *users):
        own, used = names[edge.operation], names[search.graph.operations[edge.operation].args[edge.position].place]
        if own is None or used is None:
            continue
        # two turns may as well be two calls of a helper, one after the other
        turns = max(names.count(own), len(edges) + 1)
        if turns > 2 and names.index(own) <= names.index(used):
            return True
    return False


def _cuts_target(search: Search, edges: tuple[Edge, ...]) -> bool:
    """Check whether what is left out is an input that is not wrong, times a number, or ones where integers point."""
    sent = (search.contribution(edge) for edge in edges)
    return any(c is not None and is_target(c, search.case) for c in sent)


def is_selection(operation: Operation) -> bool:
    """Check whether an operation picks some elements of its first argument, and reduces nothing.

    To pick and then take a function of each element is to take the function and then pick, whatever the function; no
    sum, mean, product or extremum allows that for one that falls, and in a curve.
    """
    given = operation.values[0]
    if not isinstance(given, np.ndarray):
        return False
    counted = np.arange(given.size, dtype=float).reshape(given.shape)
    falling = 1 / (1 + counted * counted)
    first, then = (try_call(operation.evaluate, [value, *operation.values[1:]]) for value in (counted, falling))
    return first is not None and np.array_equal(1 / (1 + first * first), then)


def _is_rearrangement(graph: Graph, place: int) -> bool:
    """Check whether a result has the numbers of one argument and no others, in any order or shape."""
    operation = graph.operations[place]
    links = list(operation.links())
    if len(links) != 1:
        return False
    given = np.asarray(operation.values[links[0][0]])
    return given.size == operation.value.size and bool(
        np.array_equal(np.sort(given, axis=None), np.sort(operation.value, axis=None))
    )
