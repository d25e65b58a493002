"""The corruptions to try at one edge of the graph.

Operations are told apart by what they do to arrays, tried on the values at hand, and not by their names: whether one
moves numbers about, works element by element, broadcasts an argument, reduces it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from acg_numpy.checks.explain.axis_exchanges import axis_exchanges
from acg_numpy.checks.explain.broadcast_uses import use_corruptions
from acg_numpy.checks.explain.corruptions import (
    Contribution,
    Corruption,
    replace_argument,
    replace_result,
    try_call,
    weight_position,
)
from acg_numpy.checks.explain.elementwise_factors import missing_factors, stale_slopes
from acg_numpy.checks.explain.extrema import extremum_corruptions
from acg_numpy.checks.explain.indexed_rows import row_corruptions
from acg_numpy.checks.tracing import Link, Operation
from acg_numpy.shapes import Array


def edge_corruptions(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield the corruptions that make sense for this operation and argument, whatever the rest of the graph is."""
    yield from axis_exchanges(operation, position)
    yield from use_corruptions(operation, position)
    yield from missing_factors(operation, position)
    yield from mask_corruptions(operation)
    yield from stale_slopes(operation, position)
    yield from row_corruptions(operation)
    yield from extremum_corruptions(operation, position)
    yield from _argument_exchanges(operation)
    yield from _wrong_crops(operation, position)
    yield from _position_corruptions(operation)


def mask_corruptions(operation: Operation) -> Iterator[Corruption]:
    """Yield the contributions with a boolean argument all True, or all False."""
    for other, (value, arg) in enumerate(zip(operation.values, operation.args, strict=True)):
        if isinstance(value, np.ndarray) and value.dtype == bool and not isinstance(arg, Link):
            for all_of in (True, False):
                if np.any(value) and not np.all(value):
                    opened = _only_if_more(replace_argument(other, np.full_like(value, all_of)))
                    yield Corruption("missing-mask", 1.5, "sent on as if nothing were masked", opened)


def _only_if_more(wrong: Contribution) -> Contribution:
    """Restrict a contribution to where more comes back than is right; where less does, no mask was forgotten."""

    def contribution(operation: Operation, position: int, g: Array) -> Array | None:
        changed, right = wrong(operation, position, g), operation.contribution(position, g)
        if changed is None or np.count_nonzero(changed) < np.count_nonzero(right):
            return None
        return changed

    return contribution


def _position_corruptions(operation: Operation) -> Iterator[Corruption]:
    """Yield corruptions of one place along an axis: kept alone, left out, or counted twice."""
    for axis, n in enumerate(operation.value.shape):
        if n > 1:
            only_last, only_first = (weight_position(axis, which, 1.0, others=0.0) for which in (-1, 0))
            yield Corruption("last-only", 1.7, f"the last along axis {axis} alone", only_last)
            yield Corruption("last-only", 1.8, f"the first along axis {axis} alone", only_first)
            for which, name in ((0, "first"), (-1, "last")):
                none, twice = (weight_position(axis, which, weight) for weight in (0.0, 2.0))
                yield Corruption("missing-path", 1.85, f"the {name} along axis {axis} left out", none)
                yield Corruption("double-counted", 1.85, f"the {name} along axis {axis} twice", twice)


def _wrong_crops(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions of a padding: its whole width is cut off at the end of each axis, or at the beginning."""
    arg, shape = operation.values[position], operation.value.shape
    if not isinstance(arg, np.ndarray) or arg.ndim != len(shape) or arg.size >= operation.value.size:
        return
    counted = np.arange(operation.value.size, dtype=float).reshape(shape)
    sent = try_call(operation.contribution, position, counted)
    if sent is None or sent.shape != arg.shape or not arg.size or not 0 <= sent.flat[0] < operation.value.size:
        return
    offset = np.unravel_index(int(sent.flat[0]), shape)
    kept = tuple(slice(int(o), int(o) + n) for o, n in zip(offset, arg.shape, strict=True))
    if not np.array_equal(sent, counted[kept]):
        return
    for where, at in (("end", [0] * arg.ndim), ("beginning", [m - n for m, n in zip(shape, arg.shape, strict=True)])):
        text = f"what was added around is cut off at the {where} of each axis, and not on both sides"
        yield Corruption("stale-value", 1.8, text, _crop(at, arg.shape))


def _crop(at: Sequence[int], shape: tuple[int, ...]) -> Contribution:
    """Return the part of the gradient that begins at a place."""
    part = tuple(slice(a, a + n) for a, n in zip(at, shape, strict=True))
    return lambda operation, position, g: g[part]


def _argument_exchanges(operation: Operation) -> Iterator[Corruption]:
    """Yield corruptions that take the result for an argument, or an argument for the result or for another argument."""
    for other, given in enumerate(operation.values):
        if isinstance(given, np.ndarray) and given.shape == operation.value.shape and given.size > 1:
            yield Corruption("stale-value", 1.6, "what went in used for what came out", replace_result(given))
            yield Corruption(
                "stale-value", 1.6, "what came out used for what went in", replace_argument(other, operation.value)
            )
