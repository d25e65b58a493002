"""Maxima and minima, whose gradient goes to the element that was picked: sent to others instead.

An operation is known by its values: each of its results is the largest, or the smallest, of its argument along some
axes, whether `max`, a comparison or an index of `argmax` has picked it.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from acg_numpy.checks.explain.corruptions import Contribution, Corruption
from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array


def extremum_corruptions(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions of where the gradient of a maximum or a minimum goes."""
    arg, value = operation.values[position], operation.value
    if not isinstance(arg, np.ndarray) or arg.dtype.kind != "f" or not value.size < arg.size or not value.size:
        return
    axes = _extremum_axes(arg, value)
    if axes is None:
        return
    count = arg.size // value.size
    here = arg == np.max(arg, axis=axes, keepdims=True)
    if not np.array_equal(np.max(arg, axis=axes).ravel(), value.ravel()):
        here = arg == np.min(arg, axis=axes, keepdims=True)
    ordered = np.moveaxis(arg, axes, range(-len(axes), 0))
    flat = ordered.reshape(*ordered.shape[: arg.ndim - len(axes)], -1)

    def only(number: int) -> Array:
        """Mark one element of each group, by its number in it."""
        marked = np.zeros(flat.shape)
        marked[..., number] = 1.0
        return np.moveaxis(marked.reshape(ordered.shape), range(-len(axes), 0), axes)

    begin = "the gradient of an extremum is sent"
    everywhere = np.ones(arg.shape)
    to = _send_to(axes, value.shape)
    yield Corruption("missing-mask", 1.6, f"{begin} to all elements that it was taken of", to(everywhere))
    yield Corruption(
        "stale-value", 1.7, f"{begin} in equal parts to all elements, as a mean's is", to(everywhere / count)
    )
    for other in (np.max, np.min):
        marked = arg == other(arg, axis=axes, keepdims=True)
        if not np.array_equal(marked, here):
            yield Corruption("stale-value", 1.7, f"{begin} to the extremum at the other end", to(marked))
    others = [a for a in range(arg.ndim) if a not in axes]
    for more in (more for count in range(1, len(others) + 1) for more in combinations(others, count)):
        for other in (np.max, np.min):
            alone = here & (arg == other(arg, axis=(*axes, *more), keepdims=True))
            if np.any(alone) and not np.array_equal(alone, here):
                yield Corruption("wrong-axis", 1.8, f"{begin} only where the extremum of several groups is", to(alone))
    yield Corruption("stale-value", 1.8, f"{begin} to the first element", to(only(0)))
    yield Corruption("stale-value", 1.8, f"{begin} to the last element", to(only(-1)))
    yield Corruption("stale-value", 1.8, f"{begin} times the extremum itself", to(here * arg))
    for axis in (a for a in range(arg.ndim) if a not in axes and arg.shape[a] > 1):
        shared = np.broadcast_to(np.take(here, [0], axis=axis), here.shape)
        yield Corruption("stale-value", 1.8, f"{begin} where the first one along axis {axis} was found", to(shared))


def _extremum_axes(arg: Array, value: Array) -> tuple[int, ...] | None:
    """Return the axes along which a value is the maximum or the minimum of an array; None if it is neither."""
    for count in range(1, arg.ndim + 1):
        for axes in combinations(range(arg.ndim), count):
            if np.prod([arg.shape[a] for a in axes]) * value.size != arg.size:
                continue
            for extremum in (np.max, np.min):
                if np.array_equal(extremum(arg, axis=axes).ravel(), value.ravel()):
                    return axes
    return None


def _send_to(axes: tuple[int, ...], shape: tuple[int, ...]) -> Callable[[Array], Contribution]:
    """Return what makes a contribution of the weights with which each element gets its group's gradient."""

    def weighted(weights: Array) -> Contribution:
        def contribution(operation: Operation, position: int, g: Array) -> Array | None:
            arg = operation.values[position]
            if arg.shape != weights.shape or g.shape != shape:
                return None  # of another turn of a loop
            kept = [1 if a in axes else n for a, n in enumerate(arg.shape)]
            return np.asarray(weights * g.reshape(kept))

        return contribution

    return weighted
