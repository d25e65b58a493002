"""Parts of the forward known by what they compute, not by what they are called: a softmax, wherever it is.

A value y is the softmax of an earlier x along an axis if a gradient g of y goes back to x as

    y * (g - sum y g)           and its logarithm if as         g - exp(y) * sum g

for a random g: a formula of two inputs cannot have that derivative by chance.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.checks.tracing import Graph
from acg_numpy.shapes import Array


class Softmax(NamedTuple):
    """A softmax in a graph."""

    scores: int  # the place of x
    weights: int  # the place of y
    axis: int
    log: bool


def between(graph: Graph, start: int, end: int, gradient: Array) -> Array | None:
    """What a gradient of the result at `end` comes to at `start`, an earlier one, through what lies between."""
    grads: list[Array | None] = [None] * len(graph.operations)
    grads[end] = gradient
    graph.carry(grads, stop=start)
    return grads[start]


def softmaxes(graph: Graph) -> list[Softmax]:
    """Every softmax in a graph: for each result that is one, of the earliest value that it is one of."""
    found = []
    rng = np.random.default_rng(0)
    for end, operation in enumerate(graph.operations):
        y = operation.value
        for axis, log in kinds(y):
            g = rng.normal(size=y.shape)
            with np.errstate(all="ignore"):
                if log:
                    expected = g - np.exp(y) * np.sum(g, axis=axis, keepdims=True)
                else:
                    expected = y * (g - np.sum(y * g, axis=axis, keepdims=True))
            for start in range(end):
                if graph.operations[start].value.shape != y.shape:
                    continue
                sent = between(graph, start, end, g)
                if sent is not None and np.allclose(sent, expected, rtol=1e-9, atol=1e-11):
                    found.append(Softmax(start, end, axis, log))
                    break
    return found


def kinds(y: Array) -> list[tuple[int, bool]]:
    """(axis, is it the logarithm) for which an array sums to one, all positive."""
    if y.ndim == 0 or y.dtype.kind != "f":
        return []
    kinds = []
    for log in (False, True):
        with np.errstate(over="ignore", invalid="ignore"):
            p = np.exp(y) if log else y
            for axis in range(y.ndim):
                if y.shape[axis] > 1 and np.all(p >= 0):
                    total = np.sum(p, axis=axis)
                    if np.all((np.abs(total - 1) < 1e-9) | (total == 0)) and np.any(total):
                        kinds.append((axis, log))
    return kinds
