"""Blind spots of a check: mistakes that would have passed at its inputs.

A check that passes can be one that could not have failed.  At its inputs some corruptions of the right backward change
nothing: assigning instead of adding where no id repeats, forgetting a mask that is all True.  They are found by trying:
the corrupted contribution equals the right one.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.checks.explain.case import NOTHING, max_abs
from acg_numpy.checks.explain.corruptions import try_call
from acg_numpy.checks.explain.indexed_rows import assign_rows, flat_values, is_ids, source_indices
from acg_numpy.checks.report.diagnosis import BlindSpot
from acg_numpy.checks.tracing import Graph, Operation
from acg_numpy.shapes import Array
from acg_numpy.text import joined, joined_among

PRODUCTS = ("np.multiply", "np.matmul", "np.dot", "np.einsum", "np.inner", "np.outer", "np.tensordot")


def blind_spots(arguments: Sequence[Argument], graph: Graph, grads: Sequence[Array | None]) -> tuple[BlindSpot, ...]:
    """Find every mistake that the inputs hide, one for each kind and remedy.

    Parameters
    ----------
    arguments : sequence of Argument
    graph : Graph
        Of the forward at these inputs.
    grads : sequence
        The right gradient of every result.
    """
    found = [*_mask_spots(arguments), *_zero_gradient_spots(arguments, graph, grads)]
    for place, operation in enumerate(graph.operations):
        g = grads[place]
        if operation.entry is not None and g is not None:
            found += [*_id_spots(operation, g), *_axis_spots(operation), *_constant_spots(operation)]
            found += _zero_factor_spots(operation, g, arguments)
    found += _equal_size_spots(arguments)
    first: dict[tuple[str, str], BlindSpot] = {}
    for spot in found:
        first.setdefault((spot.mistake, spot.remedy), spot)  # one of a kind, because what shows one shows the others
    return tuple(first.values())


def _mask_spots(arguments: Sequence[Argument]) -> Iterator[BlindSpot]:
    """Find masks that mask nothing."""
    for argument in arguments:
        value = argument.value
        if isinstance(value, np.ndarray) and value.dtype == bool and value.size and np.all(value):
            yield BlindSpot(
                "missing-mask",
                f"{argument.name} is all True, so forgetting it would look right",
                f"let some of {argument.name} be False",
            )
        if argument.checked and value.size > 1 and np.all(value == 1):
            yield BlindSpot(
                "missing-mask",
                f"{argument.name} is 1 throughout, so a product without it would look right",
                f"use other numbers for {argument.name}, zeros among them if it is a mask",
            )


def _zero_gradient_spots(
    arguments: Sequence[Argument], graph: Graph, grads: Sequence[Array | None]
) -> Iterator[BlindSpot]:
    """Find gradients that are zero throughout: minus zero is zero."""
    gradients = graph.at_inputs(grads)
    scale = max(map(max_abs, gradients), default=0.0)
    names = [argument.name for argument in arguments if argument.checked]
    zero = [name for name, g in zip(names, gradients, strict=True) if g.size and max_abs(g) <= 1e3 * NOTHING * scale]
    if zero:
        yield BlindSpot(
            "constant-factor",
            f"the gradient of {joined_among(zero, names)} is zero, as is any multiple of it: no sign or factor can be "
            "seen",
            "if it is not zero by the mathematics, use inputs at which it is not",
        )


def _zero_factor_spots(operation: Operation, g: Array, arguments: Sequence[Argument]) -> Iterator[BlindSpot]:
    """Find factors that are zero throughout, because of which nothing goes back to the factors beside them."""
    if operation.name not in PRODUCTS or not np.any(g):
        return
    for position, _ in operation.links():
        others = [value for place, value in enumerate(operation.values) if place != position]
        for zeros in [value for value in others if isinstance(value, np.ndarray) and value.size and not np.any(value)]:
            same = [a.name for a in arguments if np.array_equal(a.value, zeros)] if zeros.size > 1 else []
            name = joined(same, "or") or "a factor"
            yield BlindSpot(
                "missing-path",
                f"{name} is zero throughout in {operation.line}: nothing goes back to what it is multiplied with, so "
                "leaving that path out would look right",
                f"use numbers for {joined(same, 'or') or 'that factor'} that are not zero",
            )


def _id_spots(operation: Operation, g: Array) -> Iterator[BlindSpot]:
    """Find ids without repeats."""
    for position, _ in operation.links():
        if any(is_ids(value) for value in flat_values((*operation.values, *(operation.options or {}).values()))):
            sent = try_call(assign_rows, operation, position, g)
            if (
                sent is not None
                and not _picks_one_in_each_line(operation, position)
                and np.array_equal(sent, operation.contribution(position, g))
            ):
                yield BlindSpot(
                    "overwritten-rows",
                    f"the ids in {operation.line} hold no repeats: assigning instead of adding would look right",
                    "use ids of which some repeat",
                )


def _picks_one_in_each_line(operation: Operation, position: int) -> bool:
    """Check whether one entry was picked in each line, as by `x[np.arange(n), ids]`: none can repeat."""
    places, arg = source_indices(operation, position), operation.values[position]
    if places is None or arg.ndim < 2 or not 2 <= places.size < arg.size:
        return False
    lines = np.unravel_index(places.ravel(), arg.shape)
    return any(len(np.unique(along)) == places.size == n for along, n in zip(lines, arg.shape, strict=True))


def _axis_spots(operation: Operation) -> Iterator[BlindSpot]:
    """Find axes of length one, over which a sum, a mean, the first and the last are the same."""
    for position, _ in operation.links():
        given = operation.values[position]
        if not isinstance(given, np.ndarray):
            continue
        axis = (operation.options or {}).get("axis")
        if axis is not None and given.ndim and given.size == operation.value.size:
            axes = axis if isinstance(axis, tuple) else (axis,)
            if all(isinstance(a, (int, np.integer)) and given.shape[a] == 1 for a in axes) and _reduces(
                operation, given
            ):
                yield BlindSpot(
                    "held-constant",
                    f"the axis reduced in {operation.line} has length 1 (one key, say): a softmax over it is 1 and a "
                    "centred value 0 whatever the input, and a sum is a mean",
                    "let that axis have length 2 or more",
                )
        added = operation.value.ndim - given.ndim
        arrays = [v for v in operation.values if isinstance(v, np.ndarray)]
        broadcast = added > 0 and len(arrays) > 1 and operation.value.shape[added:] == given.shape
        if broadcast and np.prod(operation.value.shape[:added]) == 1:
            yield BlindSpot(
                "missing-broadcast-sum",
                f"{operation.line} broadcasts along an axis of length 1: the sum over it, its mean, its first "
                "and its last are the same",
                "let that axis have length 2 or more",
            )


def _reduces(operation: Operation, given: Array) -> bool:
    """Check whether an operation reduces its axis, by making that axis longer."""
    axis = (operation.options or {})["axis"]
    a = axis[0] if isinstance(axis, tuple) else axis
    longer = try_call(operation.evaluate, [np.repeat(given, 2, axis=a), *operation.values[1:]])
    return longer is not None and longer.size == operation.value.size


def _constant_spots(operation: Operation) -> Iterator[BlindSpot]:
    """Find factors that happen to be one, as 1 / sqrt(d) is for d = 1."""
    others = [v for v, arg in zip(operation.values, operation.args, strict=True) if v is arg]
    linked = [position for position, _ in operation.links()]
    if len(linked) != 1 or len(others) != 1 or not isinstance(others[0], (int, float)) or others[0] != 1:
        return
    g = np.random.default_rng(0).normal(size=operation.value.shape)
    given = operation.values[linked[0]]
    if np.array_equal(operation.value, given) and np.array_equal(try_call(operation.contribution, linked[0], g), g):
        yield BlindSpot(
            "missing-scale",
            f"the factor in {operation.line} is 1 at these shapes, so leaving it out would look right",
            "use shapes for which it is another number",
        )


def _equal_size_spots(arguments: Sequence[Argument]) -> Iterator[BlindSpot]:
    """Find axes of equal length, which a shape cannot distinguish."""
    for argument in arguments:
        if not argument.checked or argument.value.ndim < 2:
            continue
        sizes = [n for n in argument.shape if n > 1]
        twice = next((n for n in sizes if sizes.count(n) > 1), None)
        if twice is not None:
            symmetric = any(
                np.array_equal(argument.value, np.swapaxes(argument.value, i, j))
                for i in range(argument.value.ndim)
                for j in range(i)
            )
            tells = "not even its values tell them apart" if symmetric else "only values tell them apart"
            yield BlindSpot(
                "transposed",
                f"two axes of {argument.name} have length {twice}: its transpose has the same shape, and {tells}",
                "let all axes have different lengths",
            )
            return
