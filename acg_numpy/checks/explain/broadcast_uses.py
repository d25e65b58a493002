"""The uses of an argument that is broadcast: their gradients before they are summed, and wrong sums of them."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from acg_numpy.checks.explain.corruptions import Contribution, Corruption, try_call
from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array


def unsummed_contribution(operation: Operation, position: int, g: Array) -> Array | None:
    """Return what is sent to an argument before it is summed over the axes of its broadcast; None if there are none."""
    arg = operation.values[position]
    if not isinstance(arg, np.ndarray):
        return None
    arrays = [value for value in operation.values if isinstance(value, np.ndarray)]
    batch = try_call(np.broadcast_shapes, *(a.shape[:-2] for a in arrays))

    def by_element(_: Array) -> tuple[int, ...]:
        return operation.value.shape

    def by_matrix(array: Array) -> tuple[int, ...]:
        return (*(batch or ()), *array.shape[-2:])

    for shape_of in (by_element, by_matrix):
        shape = shape_of(arg)
        if shape == arg.shape or np.prod(shape) == arg.size:
            continue
        wide = [
            try_call(np.broadcast_to, value, shape_of(value)) if isinstance(value, np.ndarray) else value
            for value in operation.values
        ]
        if any(w is None and v is not None for w, v in zip(wide, operation.values, strict=True)):
            continue
        again = try_call(operation.evaluate, wide)
        if (
            again is None
            or again.shape != operation.value.shape
            or not np.allclose(again, operation.value, equal_nan=True)
        ):
            continue
        sent = try_call(operation.contribution, position, g, values=wide)
        if sent is not None and sent.shape == shape:
            return np.asarray(sent)
    return None


def broadcast_axes(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes over which an array of `shape` has to be summed to have the shape `like`."""
    added = len(shape) - len(like)
    stretched = [added + i for i, n in enumerate(like) if n == 1 and shape[added + i] != 1]
    return (*range(added), *stretched)


def use_corruptions(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions of the sum over the broadcast uses of an argument; none if it is not broadcast."""
    if unsummed_contribution(operation, position, np.ones_like(operation.value)) is not None:
        yield Corruption("missing-broadcast-sum", 1.5, "the first of the broadcast uses alone", _one_broadcast_use(0))
        yield Corruption("last-only", 1.5, "the last of the broadcast uses alone", _one_broadcast_use(-1))
        yield from _wrong_axis_sums(operation, position)


def _one_broadcast_use(which: int) -> Contribution:
    """Return the gradient of one of the broadcast uses, not their sum."""

    def contribution(operation: Operation, position: int, g: Array) -> Array | None:
        arg, full = operation.values[position], unsummed_contribution(operation, position, g)
        if full is None:
            return None
        for axis in broadcast_axes(full.shape, arg.shape):
            full = np.take(full, [which], axis=axis)
        return full.reshape(arg.shape)

    return contribution


def _wrong_axis_sums(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield sums over other axes that have the right shape."""
    arg = operation.values[position]
    full = unsummed_contribution(operation, position, np.ones_like(operation.value))
    if full is None:
        return
    right = set(broadcast_axes(full.shape, arg.shape))
    for axes in combinations(range(full.ndim), len(right)):
        rest = tuple(n for axis, n in enumerate(full.shape) if axis not in axes)
        if set(axes) != right and rest == tuple(n for n in arg.shape if n != 1):
            yield Corruption("wrong-axis", 1.6, f"summed over axes {axes}", _sum_over(axes))


def _sum_over(axes: tuple[int, ...]) -> Contribution:
    """Return the sum of the uses over the given axes."""

    def contribution(operation: Operation, position: int, g: Array) -> Array | None:
        full = unsummed_contribution(operation, position, g)
        return None if full is None else np.sum(full, axis=axes).reshape(operation.values[position].shape)

    return contribution
