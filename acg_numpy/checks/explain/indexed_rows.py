"""Rows picked by ids, whose gradients are to be added where an id repeats: assigned or averaged instead."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from acg_numpy.checks.explain.corruptions import Corruption, try_call
from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array


def row_corruptions(operation: Operation) -> Iterator[Corruption]:
    """Yield corruptions of how rows are added up where an id repeats; none if the operation takes no ids."""
    if any(is_ids(value) for value in flat_values((*operation.values, *(operation.options or {}).values()))):
        yield Corruption("overwritten-rows", 1.5, "assigned and not added where an id repeats", assign_rows)
        yield Corruption("mean-for-sum", 1.6, "averaged and not added where an id repeats", _average_rows)


def flat_values(values: Any) -> Iterator[Any]:
    """Yield the values, and the values in tuples among them."""
    for value in values:
        if isinstance(value, tuple):
            yield from flat_values(value)
        else:
            yield value


def is_ids(value: Any) -> bool:
    """Check whether an argument is an array of integers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim > 0


def _source_indices(operation: Operation, position: int, g: Array) -> Array | None:
    """Return from which element of an argument each element of the result was picked."""
    arg = operation.values[position]
    counted = np.arange(arg.size).reshape(arg.shape)
    places = try_call(operation.evaluate, [counted if i == position else v for i, v in enumerate(operation.values)])
    if places is None or places.shape != g.shape or places.dtype.kind not in "iu":
        return None
    return np.asarray(places).ravel()


def assign_rows(operation: Operation, position: int, g: Array) -> Array | None:
    """Assign rows to the places that they came from; of several from one place, the last one stays."""
    places = _source_indices(operation, position, g)
    if places is None:
        return None
    flat = np.zeros(operation.values[position].size)
    flat[places] = g.ravel()
    return flat.reshape(operation.values[position].shape)


def _average_rows(operation: Operation, position: int, g: Array) -> Array | None:
    """Add rows to the places that they came from, and divide each sum by the number of its rows."""
    places = _source_indices(operation, position, g)
    if places is None:
        return None
    size = operation.values[position].size
    total, number = np.bincount(places, g.ravel(), size), np.bincount(places, minlength=size)
    return (total / np.maximum(number, 1)).reshape(operation.values[position].shape)
