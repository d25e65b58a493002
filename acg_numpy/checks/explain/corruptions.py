"""What could be sent back along an edge of the graph in place of the right contribution?

Operations are told apart by what they do to arrays, tried on the values at hand, and not by their names: whether one
moves numbers about, works element by element, broadcasts an argument, reduces it.

A `Change` turns the gradient g of a result into another contribution to one of the arguments, or into None where it
makes no sense there.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.tracing import Link, Operation
from acg_numpy.shapes import Array, unbroadcast

MOST_AXES = 5  # of an array whose every order of axes is tried

Contribution = Callable[[Operation, int, Array], "Array | None"]


class Change(NamedTuple):
    """One way to go wrong at an edge."""

    mistake: str
    cost: float
    text: str
    sent: Contribution


def uncalled(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function returns, or None where it cannot cope."""
    try:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)
    except Exception:  # a rule given shapes that it was not made for may raise anything
        return None


def changes_at(operation: Operation, position: int) -> Iterator[Change]:
    """The changes that make sense for this operation and argument, by themselves and whatever is around them."""
    if moves_numbers(operation, position):
        yield Change("reshaped-not-transposed", 1.5, "reshaped, without exchanging axes", reshaped)
    yield from orders_of(operation, position)
    if whole(operation, position, np.ones_like(operation.value)) is not None:
        yield Change("missing-broadcast-sum", 1.5, "the first of the broadcast uses alone", taken(0))
        yield Change("last-only", 1.5, "the last of the broadcast uses alone", taken(-1))
        yield from other_sums(operation, position)
    yield from without_factor(operation, position)
    yield from without_mask(operation)
    yield from other_factors(operation, position)
    if any(is_ids(value) for value in flattened((*operation.values, *(operation.options or {}).values()))):
        yield Change("overwritten-rows", 1.5, "assigned and not added where an id repeats", assigned)
        yield Change("mean-for-sum", 1.6, "averaged and not added where an id repeats", averaged)
    yield from exchanged_arguments(operation)
    for axis, n in enumerate(operation.value.shape):
        if n > 1:
            yield Change("last-only", 1.7, f"the last along axis {axis} alone", weighted(axis, -1, 1.0, others=0.0))
            yield Change("last-only", 1.8, f"the first along axis {axis} alone", weighted(axis, 0, 1.0, others=0.0))
            for which, name in ((0, "first"), (-1, "last")):
                yield Change("missing-path", 1.85, f"the {name} along axis {axis} left out", weighted(axis, which, 0.0))
                yield Change("double-counted", 1.85, f"the {name} along axis {axis} twice", weighted(axis, which, 2.0))


def flattened(values: Any) -> Iterator[Any]:
    """The values, and the values in tuples among them."""
    for value in values:
        if isinstance(value, tuple):
            yield from flattened(value)
        else:
            yield value


def is_ids(value: Any) -> bool:
    """Whether an argument is an array of integers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim > 0


def moves_numbers(operation: Operation, position: int) -> bool:
    """Whether an operation exchanges axes of its argument, and does nothing else."""
    arg = operation.values[position]
    if not isinstance(arg, np.ndarray) or arg.size != operation.value.size or not 2 <= arg.ndim <= MOST_AXES:
        return False
    counted = np.arange(arg.size, dtype=float).reshape(arg.shape)
    moved = uncalled(operation.again, [*operation.values[:position], counted, *operation.values[position + 1 :]])
    if moved is None or moved.shape != operation.value.shape or np.array_equal(moved.ravel(), counted.ravel()):
        return False
    return any(
        moved.shape == np.transpose(counted, order).shape and np.array_equal(moved, np.transpose(counted, order))
        for order in permutations(range(arg.ndim))
    )


def reshaped(operation: Operation, position: int, g: Array) -> Array:
    """The numbers as they lie, under the argument's shape."""
    return np.reshape(g, operation.values[position].shape)


def orders_of(operation: Operation, position: int) -> Iterator[Change]:
    """Two axes exchanged: of what is sent, or of what came in."""
    shape = np.shape(operation.values[position])
    for i, j in combinations(range(len(shape)), 2):
        if shape[i] == shape[j] and shape[i] > 1:
            yield Change("transposed", 1.6, f"axes {i} and {j} exchanged", swapped_after(i, j))
        elif min(shape[i], shape[j]) > 1 and operation.value.size == np.prod(shape):
            yield Change("transposed", 2.0, f"axes {i} and {j} in the order of the other", split_otherwise(i, j))
    for i, j in combinations(range(operation.value.ndim), 2):
        if operation.value.shape[i] == operation.value.shape[j] > 1:
            yield Change("transposed", 1.6, f"axes {i} and {j} of the gradient exchanged", swapped_before(i, j))
        elif min(operation.value.shape[i], operation.value.shape[j]) > 1:
            text = f"axes {i} and {j} of the gradient exchanged under the old shape"
            yield Change("transposed", 2.0, text, swapped_before(i, j))
    for other, value in enumerate(operation.values):
        if other != position and isinstance(value, np.ndarray) and value.ndim > 1:
            yield Change("transposed", 1.6, "the other factor transposed", with_transposed(other))


def swapped_after(i: int, j: int) -> Contribution:
    """The contribution with two axes exchanged."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        return np.swapaxes(operation.contribution(position, g), i, j)

    return sent


def swapped_before(i: int, j: int) -> Contribution:
    """The contribution of a gradient with two axes exchanged under its old shape."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        return operation.contribution(position, np.swapaxes(g, i, j).reshape(g.shape))

    return sent


def split_otherwise(i: int, j: int) -> Contribution:
    """The contribution as if two axes had been in each other's place when it was reshaped."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        right = operation.contribution(position, g)
        shape = list(right.shape)
        shape[i], shape[j] = shape[j], shape[i]
        return np.swapaxes(right.reshape(shape), i, j)

    return sent


def with_transposed(other: int) -> Contribution:
    """The contribution with another argument transposed."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        values = list(operation.values)
        values[other] = np.swapaxes(values[other], -1, -2)
        return operation.contribution(position, g, values=values)

    return sent


def whole(operation: Operation, position: int, g: Array) -> Array | None:
    """What is sent to an argument before it is summed over the axes that it was broadcast along; None if none were."""
    arg = operation.values[position]
    if not isinstance(arg, np.ndarray):
        return None
    arrays = [value for value in operation.values if isinstance(value, np.ndarray)]
    batch = uncalled(np.broadcast_shapes, *(a.shape[:-2] for a in arrays))

    def by_element(_: Array) -> tuple[int, ...]:
        return operation.value.shape

    def by_matrix(array: Array) -> tuple[int, ...]:
        return (*(batch or ()), *array.shape[-2:])

    for shape_of in (by_element, by_matrix):
        shape = shape_of(arg)
        if shape == arg.shape or np.prod(shape) == arg.size:
            continue
        wide = [
            uncalled(np.broadcast_to, value, shape_of(value)) if isinstance(value, np.ndarray) else value
            for value in operation.values
        ]
        if any(w is None and v is not None for w, v in zip(wide, operation.values, strict=True)):
            continue
        again = uncalled(operation.again, wide)
        if (
            again is None
            or again.shape != operation.value.shape
            or not np.allclose(again, operation.value, equal_nan=True)
        ):
            continue
        sent = uncalled(operation.contribution, position, g, values=wide)
        if sent is not None and sent.shape == shape:
            return np.asarray(sent)
    return None


def summed_axes(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    """The axes over which an array of `shape` has to be summed to have the shape `like`."""
    added = len(shape) - len(like)
    stretched = [added + i for i, n in enumerate(like) if n == 1 and shape[added + i] != 1]
    return (*range(added), *stretched)


def taken(which: int) -> Contribution:
    """One of the broadcast uses, not their sum."""

    def sent(operation: Operation, position: int, g: Array) -> Array | None:
        arg, full = operation.values[position], whole(operation, position, g)
        if full is None:
            return None
        for axis in summed_axes(full.shape, arg.shape):
            full = np.take(full, [which], axis=axis)
        return full.reshape(arg.shape)

    return sent


def other_sums(operation: Operation, position: int) -> Iterator[Change]:
    """Sums over other axes that leave the right shape behind."""
    arg = operation.values[position]
    full = whole(operation, position, np.ones_like(operation.value))
    if full is None:
        return
    right = set(summed_axes(full.shape, arg.shape))
    for axes in combinations(range(full.ndim), len(right)):
        rest = tuple(n for axis, n in enumerate(full.shape) if axis not in axes)
        if set(axes) != right and rest == tuple(n for n in arg.shape if n != 1):
            yield Change("wrong-axis", 1.6, f"summed over axes {axes}", summed_over(axes))


def summed_over(axes: tuple[int, ...]) -> Contribution:
    """The uses summed over given axes."""

    def sent(operation: Operation, position: int, g: Array) -> Array | None:
        full = whole(operation, position, g)
        return None if full is None else np.sum(full, axis=axes).reshape(operation.values[position].shape)

    return sent


def factor_of(operation: Operation, position: int) -> Array | None:
    """The array that g is multiplied by on its way to an argument of its shape, if that is all that happens to it."""
    g = np.random.default_rng(0).normal(size=operation.value.shape)
    wide = whole(operation, position, np.ones_like(operation.value))
    if wide is not None:
        tried = whole(operation, position, g)
    else:
        wide = uncalled(operation.contribution, position, np.ones_like(operation.value))
        tried = uncalled(operation.contribution, position, g)
    if wide is None or tried is None or wide.shape != g.shape or not np.allclose(tried, wide * g, equal_nan=True):
        return None
    return np.asarray(wide)


def without_factor(operation: Operation, position: int) -> Iterator[Change]:
    """The factor left out: a mask, where it holds zeros and one other value."""
    factor = factor_of(operation, position)
    if factor is None or factor.size < 2 or not np.all(np.isfinite(factor)):
        return
    different = np.unique(factor)
    if len(different) == 1:
        return  # a constant: what it would be to leave it out is found as a constant
    if len(different) == 2 and 0.0 in different:
        other = float(different[different != 0][0])
        yield Change("missing-mask", 1.5, "sent on as if nothing were masked", passed_on(1.0))
        if other != 1.0:
            yield Change("missing-mask", 1.6, "scaled, but not masked", passed_on(other))
    else:
        yield Change("stale-value", 2.2, "sent on without its factor", passed_on(1.0))


def other_factors(operation: Operation, position: int) -> Iterator[Change]:
    """Another function of the argument or the result in the place of the slope."""
    arg, factor = operation.values[position], factor_of(operation, position)
    if factor is None or len(operation.args) != 1 or arg.shape != factor.shape or len(np.unique(factor)) < 3:
        return
    for value in (operation.value, arg):
        for written, slope in SLOPES.items():
            with np.errstate(all="ignore"):
                other = np.asarray(slope(value))
            if np.all(np.isfinite(other)) and not np.allclose(other, factor):
                what = "result" if value is operation.value else "argument"
                yield Change(
                    "stale-value", 1.9, f"{written} used for the slope, v being the {what}", times_array(slope, what)
                )


SLOPES: dict[str, Callable[[Array], Array]] = {
    "v": lambda v: v,
    "1 - v": lambda v: 1 - v,
    "v (1 - v)": lambda v: v * (1 - v),
    "1 - v^2": lambda v: 1 - v * v,
    "v^2": lambda v: v * v,
    "1 / v": lambda v: 1 / v,
}


def times_array(slope: Callable[[Array], Array], what: str) -> Contribution:
    """The gradient times a function of the result or the argument."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        return g * slope(operation.value if what == "result" else operation.values[position])

    return sent


def passed_on(factor: float) -> Contribution:
    """The gradient as it came, times a number."""

    def sent(operation: Operation, position: int, g: Array) -> Array | None:
        arg = operation.values[position]
        if np.broadcast_shapes(arg.shape, g.shape) != g.shape:
            return None
        return unbroadcast(factor * g, arg)

    return sent


def without_mask(operation: Operation) -> Iterator[Change]:
    """Boolean arguments all True, or all False."""
    for other, (value, arg) in enumerate(zip(operation.values, operation.args, strict=True)):
        if isinstance(value, np.ndarray) and value.dtype == bool and not isinstance(arg, Link):
            for all_of in (True, False):
                if np.any(value) and not np.all(value):
                    opened = more_than_right(with_value(other, np.full_like(value, all_of)))
                    yield Change("missing-mask", 1.5, "sent on as if nothing were masked", opened)


def more_than_right(change: Contribution) -> Contribution:
    """A change where more comes back than is right; where less does, it is no mask that is forgotten."""

    def sent(operation: Operation, position: int, g: Array) -> Array | None:
        changed, right = change(operation, position, g), operation.contribution(position, g)
        if changed is None or np.count_nonzero(changed) < np.count_nonzero(right):
            return None
        return changed

    return sent


def with_value(other: int, value: Any) -> Contribution:
    """The contribution with one argument replaced."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        values = list(operation.values)
        values[other] = value
        return operation.contribution(position, g, values=values)

    return sent


def with_result(value: Array) -> Contribution:
    """The contribution with another array for the result."""
    return lambda operation, position, g: operation.contribution(position, g, ans=value)


def places_of(operation: Operation, position: int, g: Array) -> Array | None:
    """From which element of an argument each element of the result was picked."""
    arg = operation.values[position]
    counted = np.arange(arg.size).reshape(arg.shape)
    places = uncalled(operation.again, [counted if i == position else v for i, v in enumerate(operation.values)])
    if places is None or places.shape != g.shape or places.dtype.kind not in "iu":
        return None
    return np.asarray(places).ravel()


def assigned(operation: Operation, position: int, g: Array) -> Array | None:
    """Rows put where they came from, the last one staying where several came from one place."""
    places = places_of(operation, position, g)
    if places is None:
        return None
    flat = np.zeros(operation.values[position].size)
    flat[places] = g.ravel()
    return flat.reshape(operation.values[position].shape)


def averaged(operation: Operation, position: int, g: Array) -> Array | None:
    """Rows added where they came from, and divided by their number."""
    places = places_of(operation, position, g)
    if places is None:
        return None
    size = operation.values[position].size
    total, number = np.bincount(places, g.ravel(), size), np.bincount(places, minlength=size)
    return (total / np.maximum(number, 1)).reshape(operation.values[position].shape)


def weighted(axis: int, which: int, weight: float, others: float = 1.0) -> Contribution:
    """The contribution of a gradient of which one place along an axis counts more, or less, than the others."""

    def sent(operation: Operation, position: int, g: Array) -> Array:
        changed = others * g
        place = (slice(None),) * axis + (which,)
        changed[place] = weight * g[place]
        return operation.contribution(position, changed)

    return sent


def exchanged_arguments(operation: Operation) -> Iterator[Change]:
    """The result in the place of an argument, or an argument in the place of the result or of another."""
    for other, given in enumerate(operation.values):
        if isinstance(given, np.ndarray) and given.shape == operation.value.shape and given.size > 1:
            yield Change("stale-value", 1.6, "what went in used for what came out", with_result(given))
            yield Change("stale-value", 1.6, "what came out used for what went in", with_value(other, operation.value))
