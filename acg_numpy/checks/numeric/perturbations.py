"""The function at points close by: as many as possible in one call, where that is proved to be the same.

A full check moves every element of every input, so it calls the function some thousand times with arrays of a hundred
numbers, and most of the time goes to the calls.  If the function lets an input have one more leading axis, n moved
copies of it are one call.  Whether it does is not assumed: a few moved copies are put through both ways, and the input
is moved one element a call unless shapes and numbers agree; and in every larger call one copy is tried again by itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Evaluate, Outputs
from acg_numpy.shapes import Array

MOST = 2**20  # numbers in the largest array of one call: some megabytes
FEWEST = 8  # moves below which batching is not worth its proof
SAME = 1e-12  # relative; a batched product may sum in another order


class Surroundings:
    """A function near a point.

    Parameters
    ----------
    evaluate : callable
        Takes the list of inputs, returns a tuple of floating arrays.  It must not change what it is given.
    values : sequence
        The point; checked inputs are float64 arrays.
    grad_outs : tuple of arrays
        The weights that the outputs are contracted with.
    """

    def __init__(self, evaluate: Evaluate, values: Sequence[Any], grad_outs: Outputs) -> None:
        self.evaluate, self.values, self.grad_outs = evaluate, list(values), grad_outs
        self.layouts: dict[int, tuple[int, ...] | None] = {}

    def moved(self, which: int, flats: Array, shifts: Array) -> Outputs:
        """The outputs with one element of one input shifted, for each of n shifts, along a new first axis.

        Parameters
        ----------
        which : int
        flats : int array, shape (n,)
            Which element, counted in C order.
        shifts : array, shape (n,)
            Complex ones make the input complex.
        """
        if not len(flats):
            return tuple(np.zeros((0, *g.shape), g.dtype) for g in self.grad_outs)
        if len(flats) >= FEWEST:
            layout = self.layout(which)
            if layout is not None:
                found = self.batched(which, flats, shifts, layout)
                if found is not None:
                    return found
                self.layouts[which] = None  # the proof did not hold
        return self.one_by_one(which, flats, shifts)

    def along(self, which: int, directions: Array, steps: Array) -> Outputs:
        """The outputs with one input moved along each of n directions, a call each."""
        x = self.values[which]
        found = [self.evaluate(self.with_input(which, x + h * v)) for h, v in zip(steps, directions, strict=True)]
        return tuple(np.stack(arrays) for arrays in zip(*found, strict=True))

    def one_by_one(self, which: int, flats: Array, shifts: Array) -> Outputs:
        """One call a shift."""
        found = [self.evaluate(self.with_input(which, copy)) for copy in self.copies(which, flats, shifts)]
        return tuple(np.stack(arrays) for arrays in zip(*found, strict=True))

    def batched(self, which: int, flats: Array, shifts: Array, layout: tuple[int, ...]) -> Outputs | None:
        """Many shifts a call; None where that turns out not to be the same."""
        widest = max([np.size(self.values[which]), *(g.size for g in self.grad_outs)])
        size = max(1, MOST // widest)
        parts = []
        for start in range(0, len(flats), size):
            part = slice(start, start + size)
            found = self.in_one_call(which, self.copies(which, flats[part], shifts[part]), layout)
            if found is None:
                return None
            last = slice(min(start + size, len(flats)) - 1, min(start + size, len(flats)))
            if not same([f[-1:] for f in found], self.one_by_one(which, flats[last], shifts[last])):
                return None
            parts.append(found)
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def in_one_call(self, which: int, copies: Array, layout: tuple[int, ...]) -> Outputs | None:
        """The outputs for n copies of an input in one call, if it works and they have the shapes that they should."""
        n = len(copies)
        try:
            found = self.evaluate(self.with_input(which, copies.reshape((n, *layout, *copies.shape[1:]))))
        except Exception:  # whatever a function does with an axis that it did not expect
            return None
        shapes = [(n, *g.shape) for g in self.grad_outs]
        return found if [f.shape for f in found] == shapes else None

    def layout(self, which: int) -> tuple[int, ...] | None:
        """The axes of length one between the new first axis and the input's own that make it work, if any do."""
        if which not in self.layouts:
            self.layouts[which] = self.proved_layout(which)
        return self.layouts[which]

    def proved_layout(self, which: int) -> tuple[int, ...] | None:
        """Try a few copies both ways, each different all over, so that whatever mixes them up shows."""
        x = self.values[which]
        if x.size < 2:
            return None
        sizes = np.reshape([0.01, 0.03, 0.1], (3,) + (1,) * x.ndim)
        copies = x + sizes * np.random.default_rng(0).normal(size=(3, *x.shape)) * np.maximum(np.abs(x), 1.0)
        alone = None
        for extra in range(max(0, max(g.ndim for g in self.grad_outs) - x.ndim) + 1):
            found = self.in_one_call(which, copies, (1,) * extra)
            if found is None:
                continue
            if alone is None:
                each = [self.evaluate(self.with_input(which, copy)) for copy in copies]
                alone = tuple(np.stack(arrays) for arrays in zip(*each, strict=True))
            if same(found, alone):
                return (1,) * extra
        return None

    def copies(self, which: int, flats: Array, shifts: Array) -> Array:
        """Copies of one input, each with one element shifted."""
        x = self.values[which]
        dtype = np.result_type(x.dtype, shifts.dtype)
        copies = np.broadcast_to(x, (len(flats), *x.shape)).astype(dtype, order="C")  # or the next line shifts a copy
        copies.reshape(len(flats), -1)[np.arange(len(flats)), flats] += shifts
        return copies

    def with_input(self, which: int, value: Any) -> list[Any]:
        """The point with another value for one input."""
        return [*self.values[:which], value, *self.values[which + 1 :]]


def same(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Whether two sets of outputs are the same but for the order in which sums were taken."""
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        finite = np.isfinite(b)
        scale = float(np.max(np.abs(b), initial=0.0, where=finite))
        eps = max(SAME, 8 * float(np.finfo(b.dtype).eps))
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return False
        if np.any(np.abs(a[finite] - b[finite]) > eps * scale):
            return False
    return True
