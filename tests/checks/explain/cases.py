"""Forwards traced, with their right gradients or others in their place: what the search for a mistake is given."""

import numpy as np

from acg_numpy.checks.explain.case import Case
from acg_numpy.checks.explain.edge_corruptions import edge_corruptions
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.time_budget import TimeBudget
from acg_numpy.checks.tracing import trace

RNG = np.random.default_rng(0)
X, Y, SQUARE = (RNG.normal(size=shape) for shape in [(3, 4), (3, 4), (4, 4)])


def right_case(forward, *values):
    """Return the case of a forward with one output, the right gradients submitted."""
    graph = trace(lambda *given: (forward(*given),), values, [True] * len(values))
    g = np.random.default_rng(1).normal(size=graph.operations[graph.outputs[0]].value.shape)
    grads = graph.gradients([g])
    right = tuple(graph.at_inputs(grads))
    return Case(tuple("xyzw"[: len(values)]), values, {}, right, right, (g,), graph, tuple(grads), 1e-8)


def submitting(case, *gradients):
    """Return the same case with other gradients submitted."""
    return Case(
        case.names, case.values, case.others, gradients, case.right, case.grad_outs, case.graph, case.grads, 1e-8
    )


def search_of(case):
    return Search(case, case.graph, TimeBudget(np.inf))


def corruptions_of(forward, *values, position=0):
    """Return the last operation, the gradient of its result, and the corruptions for one argument, by text."""
    case = right_case(forward, *values)
    (place,) = case.graph.outputs
    operation = case.graph.operations[place]
    return (
        operation,
        case.grad_outs[0],
        {corruption.text: corruption for corruption in edge_corruptions(operation, position)},
    )
