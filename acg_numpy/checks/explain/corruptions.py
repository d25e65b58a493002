"""Corruptions: what a wrong backward may send along an edge of the graph in place of the right contribution.

A `Corruption` turns the gradient g of a result into another contribution to one of the arguments, or into None if it
makes no sense there.  Here are the type and the contributions that several kinds of mistakes are made of;
`edge_corruptions` lists the corruptions to try at an edge.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array, unbroadcast

Contribution = Callable[[Operation, int, Array], "Array | None"]


class Corruption(NamedTuple):
    """One way to go wrong at an edge of the graph."""

    mistake: str
    cost: float
    text: str
    contribution: Contribution


def try_call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a function returns, or None if it raises."""
    try:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)
    except Exception:
        # a rule given shapes that it was not made for may raise anything
        return None


def scaled_contribution(factor: float) -> Contribution:
    """Return the right contribution times a factor."""
    return lambda operation, position, g: factor * operation.contribution(position, g)


def pass_through(factor: float) -> Contribution:
    """Return the gradient as it came, times a number."""

    def contribution(operation: Operation, position: int, g: Array) -> Array | None:
        arg = operation.values[position]
        if np.broadcast_shapes(arg.shape, g.shape) != g.shape:
            return None
        return unbroadcast(factor * g, arg)

    return contribution


def replace_argument(other: int, value: Any) -> Contribution:
    """Return the contribution with one argument replaced."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        values = list(operation.values)
        values[other] = value
        return operation.contribution(position, g, values=values)

    return contribution


def replace_result(value: Array) -> Contribution:
    """Return the contribution with another array for the result."""
    return lambda operation, position, g: operation.contribution(position, g, ans=value)


def weight_position(axis: int, which: int, weight: float, others: float = 1.0) -> Contribution:
    """Return the contribution of a gradient of which one place along an axis counts more, or less, than the others."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        changed = others * g
        place = (slice(None),) * axis + (which,)
        changed[place] = weight * g[place]
        return operation.contribution(position, changed)

    return contribution
