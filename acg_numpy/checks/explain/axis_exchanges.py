"""Axes exchanged where they should not be, or not exchanged where they should."""

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from acg_numpy.checks.explain.corruptions import Contribution, Corruption, try_call
from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array

# of an array whose every order of axes is tried
MOST_AXES = 5


def is_transposition(operation: Operation, position: int) -> bool:
    """Check whether an operation exchanges axes of its argument, and does nothing else."""
    arg = operation.values[position]
    if not isinstance(arg, np.ndarray) or arg.size != operation.value.size or not 2 <= arg.ndim <= MOST_AXES:
        return False
    counted = np.arange(arg.size, dtype=float).reshape(arg.shape)
    moved = try_call(operation.evaluate, [*operation.values[:position], counted, *operation.values[position + 1 :]])
    if moved is None or moved.shape != operation.value.shape or np.array_equal(moved.ravel(), counted.ravel()):
        return False
    return any(
        moved.shape == np.transpose(counted, order).shape and np.array_equal(moved, np.transpose(counted, order))
        for order in permutations(range(arg.ndim))
    )


def _reshape_only(operation: Operation, position: int, g: Array) -> Array:
    """Return the numbers in their order in memory, in the argument's shape."""
    return np.reshape(g, operation.values[position].shape)


def axis_exchanges(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions that exchange two axes: of what is sent, or of what came in."""
    if is_transposition(operation, position):
        yield Corruption("reshaped-not-transposed", 1.5, "reshaped, without exchanging axes", _reshape_only)
    shape = np.shape(operation.values[position])
    for i, j in combinations(range(len(shape)), 2):
        if shape[i] == shape[j] and shape[i] > 1:
            yield Corruption("transposed", 1.6, f"axes {i} and {j} exchanged", _exchange_after(i, j))
        elif min(shape[i], shape[j]) > 1 and operation.value.size == np.prod(shape):
            text = f"axes {i} and {j} in the order of the other"
            yield Corruption("transposed", 2.0, text, _exchange_under_shape(i, j))
    for i, j in combinations(range(operation.value.ndim), 2):
        if operation.value.shape[i] == operation.value.shape[j] > 1:
            yield Corruption("transposed", 1.6, f"axes {i} and {j} of the gradient exchanged", _exchange_before(i, j))
        elif min(operation.value.shape[i], operation.value.shape[j]) > 1:
            text = f"axes {i} and {j} of the gradient exchanged under the old shape"
            yield Corruption("transposed", 2.0, text, _exchange_before(i, j))
    for other, value in enumerate(operation.values):
        if other != position and isinstance(value, np.ndarray) and value.ndim > 1:
            yield Corruption("transposed", 1.6, "the other factor transposed", _transpose_argument(other))


def _exchange_after(i: int, j: int) -> Contribution:
    """Return the contribution with two axes exchanged."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        return np.swapaxes(operation.contribution(position, g), i, j)

    return contribution


def _exchange_before(i: int, j: int) -> Contribution:
    """Return the contribution of a gradient with two axes exchanged under its old shape."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        return operation.contribution(position, np.swapaxes(g, i, j).reshape(g.shape))

    return contribution


def _exchange_under_shape(i: int, j: int) -> Contribution:
    """Return the contribution as if two axes had been in each other's place when it was reshaped."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        right = operation.contribution(position, g)
        shape = list(right.shape)
        shape[i], shape[j] = shape[j], shape[i]
        return np.swapaxes(right.reshape(shape), i, j)

    return contribution


def _transpose_argument(other: int) -> Contribution:
    """Return the contribution with another argument transposed."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        values = list(operation.values)
        values[other] = np.swapaxes(values[other], -1, -2)
        return operation.contribution(position, g, values=values)

    return contribution
