"""Corruptions of a whole operation: the same one in what is sent to each of its arguments.

A system solved with A where its transpose belongs sends the wrong gradient to A as well as to the right-hand side; a
condition turned round sends to both choices what belongs to the other.
"""

from collections.abc import Iterator

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import Contribution, Corruption, replace_argument, replace_result
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.tracing import Edge, Link, Operation


def operation_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by one corruption of all that an operation sends back."""
    for place, operation in enumerate(search.graph.operations):
        if search.case.grads[place] is None or not search.is_behind(place):
            continue
        edges = [Edge(place, position) for position, _ in operation.links()]
        for corruption in _corruptions(operation):
            vector = search.replay(dict.fromkeys(edges, corruption))
            if vector is not None and search.fits(vector):
                support = int(np.count_nonzero(np.abs(vector) > 1e-9))
                mistake, cost, text, _ = corruption
                yield Explanation(mistake, cost, search.misfit(vector), text, operation.line, support)


def _corruptions(operation: Operation) -> Iterator[Corruption]:
    """Yield the corruptions that make sense for an operation."""
    for other, (value, arg) in enumerate(zip(operation.values, operation.args, strict=True)):
        if not isinstance(value, np.ndarray):
            continue
        if value.dtype == bool and not isinstance(arg, Link) and np.any(value) and not np.all(value):
            text = "what is sent where the condition holds and where it does not is exchanged"
            yield Corruption("missing-mask", 1.9, text, replace_argument(other, ~value))
        if value.ndim > 1 and value.shape[-1] == value.shape[-2] and value.dtype.kind == "f":
            text = f"argument {other + 1} is transposed where it should not be, or not where it should be"
            yield Corruption("transposed", 1.7, text, replace_argument(other, np.swapaxes(value, -1, -2)))
    result = operation.value
    if result.ndim > 1 and result.shape[-1] == result.shape[-2] > 1 and operation.entry is not None:
        text = "the result is transposed where it should not be, or not where it should be"
        yield Corruption("transposed", 1.75, text, replace_result(np.swapaxes(result, -1, -2)))
        for text, contribution in _one_sided(operation):
            yield Corruption("transposed", 1.8, text, contribution)


def _one_sided(operation: Operation) -> Iterator[tuple[str, Contribution]]:
    """Yield -R g R^T and -R^T g R for -R^T g R^T, if that is what an operation with result R sends: an inverse does."""
    result, links = operation.value, list(operation.links())
    if len(links) != 1:
        return
    g, flipped = np.random.default_rng(0).normal(size=result.shape), np.swapaxes(result, -1, -2)
    sent = operation.contribution(links[0][0], g)
    if sent.shape != result.shape or not np.allclose(sent, -flipped @ g @ flipped):
        return
    yield "the inverse on the left is not transposed", lambda operation, position, g: -operation.value @ g @ flipped
    yield "the inverse on the right is not transposed", lambda operation, position, g: -flipped @ g @ operation.value
