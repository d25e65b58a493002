"""Rows and entries picked by ids: gradients assigned or averaged where an id repeats, or sent to whole columns."""

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
        text = "the target is taken off whole columns, and not off the entries that it points at"
        yield Corruption("target-not-subtracted", 1.5, text, _whole_columns)


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


def source_indices(operation: Operation, position: int) -> Array | None:
    """Return from which element of an argument each element of the result was picked; None if it was not picked."""
    arg = operation.values[position]
    counted = np.arange(arg.size).reshape(arg.shape)
    places = try_call(operation.evaluate, [counted if i == position else v for i, v in enumerate(operation.values)])
    if places is None or places.shape != operation.value.shape or places.dtype.kind not in "iu":
        return None
    if places.size and not 0 <= np.min(places) <= np.max(places) < arg.size:
        return None
    return np.asarray(places) if np.array_equal(np.ravel(arg)[places], operation.value, equal_nan=True) else None


def assign_rows(operation: Operation, position: int, g: Array) -> Array | None:
    """Assign rows to the places that they came from; of several from one place, the last one stays."""
    places = source_indices(operation, position)
    if places is None:
        return None
    flat = np.zeros(operation.values[position].size)
    flat[places.ravel()] = g.ravel()
    return flat.reshape(operation.values[position].shape)


def _whole_columns(operation: Operation, position: int, g: Array) -> Array | None:
    """Send what belongs to one entry of a row to all columns that some entry lies in.

    That is what `d[:, ids] -= 1` does, where `d[np.arange(n), ids] -= 1` is meant.
    """
    places, arg = source_indices(operation, position), operation.values[position]
    if places is None or arg.ndim != 2 or places.ndim != 1:
        return None
    rows, columns = np.divmod(places, arg.shape[1])
    if len(np.unique(rows)) < len(rows):
        return None
    sent = np.zeros(arg.shape)
    sent[np.ix_(rows, np.unique(columns))] = g[:, None]
    return sent


def _average_rows(operation: Operation, position: int, g: Array) -> Array | None:
    """Add rows to the places that they came from, and divide each sum by the number of its rows."""
    places = source_indices(operation, position)
    if places is None:
        return None
    size = operation.values[position].size
    flat = places.ravel()
    total, number = np.bincount(flat, g.ravel(), size), np.bincount(flat, minlength=size)
    return (total / np.maximum(number, 1)).reshape(operation.values[position].shape)
