"""Missing sums: the gradient of something broadcast, passed on unsummed or summed over another axis.

What should have one number a row then has as many as the row, and meets the value that was reduced in the first place
further back: in a softmax, that leaves the diagonal of the Jacobian.
"""

from collections.abc import Iterator

import numpy as np

from acg_numpy.checks.explain.broadcast_uses import broadcast_axes, unsummed_contribution
from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import Corruption, pass_through, try_call
from acg_numpy.checks.explain.edge_search import Search, Shift
from acg_numpy.checks.tracing import Edge
from acg_numpy.shapes import Array


def missing_sums(search: Search) -> Iterator[Explanation]:
    """Yield explanations by something broadcast whose gradient is not summed, or summed over another axis."""
    for shift in missing_sum_shifts(search):
        if search.fits(shift.vector):
            yield search.explanation(shift)


def missing_sum_shifts(search: Search) -> Iterator[Shift]:
    """Yield the shifts by a gradient of something broadcast that is passed on unsummed, or summed over another axis.

    It meets the value that was reduced in the first place further back: in a softmax, that leaves the diagonal.
    """
    for edge, parent in search.edges():
        operation, g = search.graph.operations[edge.operation], search.case.grads[edge.operation]
        full = None if g is None else unsummed_contribution(operation, edge.position, g)
        if full is None:
            continue
        right = broadcast_axes(full.shape, np.shape(operation.values[edge.position]))
        if len(right) != 1 or full.ndim != operation.value.ndim:
            continue
        others = [axis for axis in range(full.ndim) if axis not in right and full.shape[axis] > 1]
        wide = [(None, full), *((axis, np.sum(full, axis=axis, keepdims=True)) for axis in others)]
        for axis, sent in wide:
            vector = _unsummed_vector(search, parent, np.sum(full, axis=right, keepdims=True), sent)
            if vector is not None and np.all(np.isfinite(vector)):
                yield Shift(_missing_sum_corruption(search, edge, right[0], axis), operation.line, (edge,), vector)


def _missing_sum_corruption(search: Search, edge: Edge, right: int, axis: int | None) -> Corruption:
    """Name the mistake if a sum is left out, or taken over another axis."""
    if axis is not None:
        return Corruption("wrong-axis", 1.5, f"summed over axis {axis} where it is axis {right}", pass_through(1.0))
    if any(region.scores < edge.operation <= region.weights for region in search.softmaxes):
        text = "of the Jacobian of the softmax only the diagonal is used"
        return Corruption("diagonal-softmax", 1.4, text, pass_through(1.0))
    return Corruption("missing-broadcast-sum", 1.5, f"not summed over axis {right}", pass_through(1.0))


def _unsummed_vector(search: Search, place: int, right: Array, sent: Array) -> Array | None:
    """Return the shift if `sent`, too wide for a result, goes on in the place of `right`, up to where it fits.

    On the way operations work element by element, or add an axis of length one, or are the reduction that it was
    all about: each multiplies by an array, found by sending ones through it.
    """
    operation = search.graph.operations[place]
    total = np.zeros_like(search.target)
    links = list(operation.links())
    if not links:
        return None
    for position, parent in links:
        ones = np.ones_like(operation.value)
        factor = try_call(operation.contribution, position, ones)
        if factor is None:
            return None
        if factor.size == ones.size:
            # the same numbers, perhaps without an axis of length one
            factor = factor.reshape(np.broadcast_shapes(operation.value.shape, (1,) * right.ndim))
            given = factor.shape
        else:
            given = factor.shape
        try:
            wide, narrow = sent * factor, right * factor
        except ValueError:
            return None
        value = search.graph.operations[parent].value
        if wide.shape == value.shape and np.shape(np.broadcast_to(narrow, given)) == value.shape:
            total = total + search.pull_vector(parent, wide - narrow)
        elif factor.size == ones.size:
            further = _unsummed_vector(search, parent, narrow, wide)
            if further is None:
                return None
            total = total + further
        else:
            return None
    return total
