"""Gradients that are still to be written: placeholders, and arrays from outside that a backward returns untouched.

In a skeleton `dx` may be a name to which nothing is assigned yet.  If the file, or the page of a notebook, has a `dx`
of its own, the backward returns that one without an error.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.shapes import Array
from acg_numpy.text import joined


class OutsideArray(NamedTuple):
    """Array that a function reads by a name from outside of it, with a copy made before a call."""

    name: str
    array: Array
    before: Array


def is_placeholder(entry: Any) -> bool:
    """Check whether a value stands where something is still to be written.

    Examples
    --------
    >>> is_placeholder(...), is_placeholder(0.0)
    (True, False)
    """
    return entry is Ellipsis or entry is NotImplemented


def outside_arrays(function: Callable[..., Any]) -> list[OutsideArray]:
    """Find the arrays that a function reads as globals or from the function around it.

    Examples
    --------
    >>> dx = np.zeros(3)
    >>> [outside.name for outside in outside_arrays(lambda grad_out, cache: dx)]
    ['dx']
    """
    inner: Any = function
    try:
        while isinstance(inner := inspect.unwrap(inner), partial):
            inner = inner.func
        known = inspect.getclosurevars(inner)
    except (TypeError, ValueError):  # a builtin, an object that can be called, a variable without a value yet
        return []
    return [
        OutsideArray(name, value, value.copy())
        for name, value in {**known.globals, **known.nonlocals}.items()
        if isinstance(value, np.ndarray)
    ]


def describe_outside_gradients(
    entries: Sequence[Any], arguments: Sequence[Argument], outside: Sequence[OutsideArray]
) -> str | None:
    """Say which gradients are arrays from outside that the call left as they were; None if none is.

    Parameters
    ----------
    entries : sequence
        What the backward returned, one an argument, no copies.
    arguments : sequence of Argument
    outside : sequence of OutsideArray
        Found before the call.
    """
    found = [
        (argument.name, one.name)
        for argument, entry in zip(arguments, entries, strict=False)
        for one in outside
        if argument.checked and entry is one.array and np.array_equal(entry, one.before, equal_nan=True)
    ]
    if not found:
        return None
    inputs, names = joined([name for name, _ in found]), joined([f"`{name}`" for _, name in found])
    if len(found) == 1:
        return (
            f"the gradient of {inputs} is {names}, an array from outside backward, which the call leaves as it was: "
            "is it still to be computed?"
        )
    return (
        f"the gradients of {inputs} are {names}, arrays from outside backward, which the call leaves as they were: "
        "are they still to be computed?"
    )
