"""Parts of the forward known by what they compute, not by what they are called: a softmax, a layer norm.

A value y is the softmax of an earlier x along an axis if a gradient g of y goes back to x as

    y * (g - sum y g)           and its logarithm if as         g - exp(y) * sum g

for a random g: a formula of two inputs cannot have that derivative by chance.  So with one number r a row:

    r * (g - y sum y g)                     y is the direction of x, of length 1
    r * (g - y mean y g)                    the same with mean square 1
    r * (g - mean g - y mean y g)           y is x with its mean taken off and its deviation divided out
"""

import math
from itertools import combinations
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


def pull_between(graph: Graph, start: int, end: int, gradient: Array) -> Array | None:
    """Carry a gradient of the result at `end` back to `start`, an earlier one, through what lies between."""
    grads: list[Array | None] = [None] * len(graph.operations)
    grads[end] = gradient
    graph.carry(grads, stop=start)
    return grads[start]


def find_softmaxes(graph: Graph) -> list[Softmax]:
    """Find every softmax in a graph: for each result that is one, of every value that it is one of.

    Of `softmax(a + b)` these are a, b and their sum, if they have one shape: a mistake in the formula shows in both,
    so it is one of the sum.
    """
    found = []
    rng = np.random.default_rng(0)
    for end, operation in enumerate(graph.operations):
        y = operation.value
        for axis, log in _softmax_axes(y):
            g = rng.normal(size=y.shape)
            with np.errstate(all="ignore"):
                if log:
                    expected = g - np.exp(y) * np.sum(g, axis=axis, keepdims=True)
                else:
                    expected = y * (g - np.sum(y * g, axis=axis, keepdims=True))
            for start in range(end):
                if graph.operations[start].value.shape != y.shape:
                    continue
                sent = pull_between(graph, start, end, g)
                if sent is not None and np.allclose(sent, expected, rtol=1e-9, atol=1e-11):
                    found.append(Softmax(start, end, axis, log))
    return found


def _softmax_axes(y: Array) -> list[tuple[int, bool]]:
    """Return (axis, whether it is the logarithm) for which an array sums to one, all positive."""
    if y.ndim == 0 or y.dtype.kind != "f":
        return []
    found = []
    for log in (False, True):
        with np.errstate(over="ignore", invalid="ignore"):
            p = np.exp(y) if log else y
            for axis in range(y.ndim):
                if y.shape[axis] > 1 and np.all(p >= 0):
                    total = np.sum(p, axis=axis)
                    if np.all((np.abs(total - 1) < 1e-9) | (total == 0)) and np.any(total):
                        found.append((axis, log))
    return found


class Normalisation(NamedTuple):
    """A value with its length, or its mean and deviation, taken out along one axis or several."""

    source: int  # the place of x
    result: int  # the place of y
    axes: tuple[int, ...]
    kind: str  # length, square or centred
    factor: Array  # r, axes kept


def find_normalisations(graph: Graph) -> list[Normalisation]:
    """Find every direction and every normalised value in a graph, of the earliest value that it is one of."""
    found = []
    rng = np.random.default_rng(0)
    for end, operation in enumerate(graph.operations):
        y = operation.value
        for axes, kind in _normalised_axes(y):
            g = rng.normal(size=y.shape)
            expected = projection(g, y, axes, kind)
            for start in range(end):
                if graph.operations[start].value.shape != y.shape:
                    continue
                sent = pull_between(graph, start, end, g)
                if sent is None:
                    continue
                squares = np.sum(expected * expected, axis=axes, keepdims=True)
                factor = np.sum(sent * expected, axis=axes, keepdims=True) / squares
                if np.allclose(sent, factor * expected, rtol=1e-9, atol=1e-11 * float(np.max(np.abs(sent)))):
                    found.append(Normalisation(start, end, axes, kind, factor))
                    break
    return found


def projection(g: Array, y: Array, axes: tuple[int, ...], kind: str) -> Array:
    """Return the part of a gradient that a normalised value lets through, except for a factor."""
    if kind == "length":
        return np.asarray(g - y * np.sum(y * g, axis=axes, keepdims=True))
    mean = np.mean(g, axis=axes, keepdims=True) if kind == "centred" else 0.0
    return np.asarray(g - mean - y * np.mean(y * g, axis=axes, keepdims=True))


def _normalised_axes(y: Array) -> list[tuple[tuple[int, ...], str]]:
    """Return (axes, kind) along which an array has length one, or mean square one or a little less.

    The kind is "length", "square", or "centred" if the mean is zero as well.
    """
    if y.ndim == 0 or y.dtype.kind != "f" or not np.all(np.isfinite(y)):
        return []
    found: list[tuple[tuple[int, ...], str]] = []
    for axes in (axes for count in range(1, y.ndim + 1) for axes in combinations(range(y.ndim), count)):
        size = math.prod(y.shape[axis] for axis in axes)
        squares = np.sum(y * y, axis=axes)
        if size > 1 and np.all(np.abs(squares - 1) < 0.05):
            found.append((axes, "length"))
        if size > 2 and np.all(np.abs(squares / size - 1) < 0.05):
            no_mean = bool(np.all(np.abs(np.sum(y, axis=axes)) < 1e-9 * size))
            found.append((axes, "centred" if no_mean else "square"))
    return found
