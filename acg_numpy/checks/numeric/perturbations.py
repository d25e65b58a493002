"""A function at points close to one point: as many as possible in one call, if that is shown to be the same.

A full check moves every element of every input, so it calls the function some thousand times with arrays of a hundred
numbers, and most of the time goes to the calls.  If the function lets an input have one more leading axis, n shifted
copies of it are one call.  Whether it does is not assumed: a few shifted copies are evaluated both ways, and the input
is shifted one element a call unless shapes and numbers agree; in every larger call one copy is evaluated by itself too.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Evaluate, Outputs
from acg_numpy.shapes import Array

LARGEST_ARRAY = 2**20  # numbers in the largest array of one call: some megabytes
FEWEST_SHIFTS = 8  # below which batching does not repay its test
SAME = 1e-12  # relative; a batched product may sum in another order


class PerturbedFunction:
    """A function of several inputs, evaluated near a point.

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

    def evaluate_shifted(self, which: int, flats: Array, shifts: Array) -> Outputs:
        """Return the outputs with one element of one input shifted, for each of n shifts, along a new first axis.

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
        if len(flats) >= FEWEST_SHIFTS:
            layout = self._layout(which)
            if layout is not None:
                found = self._evaluate_batched(which, flats, shifts, layout)
                if found is not None:
                    return found
                self.layouts[which] = None  # what held for a few copies does not hold for all
        return self.evaluate_one_by_one(which, flats, shifts)

    def evaluate_directions(self, which: int, directions: Array, steps: Array) -> Outputs:
        """Return the outputs with one input moved along each of n directions, one call a direction."""
        x = self.values[which]
        found = [self.evaluate(self._replace_input(which, x + h * v)) for h, v in zip(steps, directions, strict=True)]
        return tuple(np.stack(arrays) for arrays in zip(*found, strict=True))

    def evaluate_one_by_one(self, which: int, flats: Array, shifts: Array) -> Outputs:
        """Return the outputs for each shift, one call a shift."""
        found = [self.evaluate(self._replace_input(which, copy)) for copy in self._shifted_copies(which, flats, shifts)]
        return tuple(np.stack(arrays) for arrays in zip(*found, strict=True))

    def _evaluate_batched(self, which: int, flats: Array, shifts: Array, layout: tuple[int, ...]) -> Outputs | None:
        """Return the outputs with many shifts in one call, or None if that turns out not to be the same."""
        widest = max([np.size(self.values[which]), *(g.size for g in self.grad_outs)])
        size = max(1, LARGEST_ARRAY // widest)
        parts = []
        for start in range(0, len(flats), size):
            part = slice(start, start + size)
            found = self._evaluate_in_one_call(which, self._shifted_copies(which, flats[part], shifts[part]), layout)
            if found is None:
                return None
            last = slice(min(start + size, len(flats)) - 1, min(start + size, len(flats)))
            if not outputs_agree([f[-1:] for f in found], self.evaluate_one_by_one(which, flats[last], shifts[last])):
                return None
            parts.append(found)
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _evaluate_in_one_call(self, which: int, copies: Array, layout: tuple[int, ...]) -> Outputs | None:
        """Return the outputs for n copies of an input in one call, if it works and their shapes are as expected."""
        n = len(copies)
        try:
            found = self.evaluate(self._replace_input(which, copies.reshape((n, *layout, *copies.shape[1:]))))
        except Exception:  # anything that a function may do with an axis that it did not expect
            return None
        shapes = [(n, *g.shape) for g in self.grad_outs]
        return found if [f.shape for f in found] == shapes else None

    def _layout(self, which: int) -> tuple[int, ...] | None:
        """Return the axes of length one between the new first axis and the input's own that work, if any do."""
        if which not in self.layouts:
            self.layouts[which] = self._find_layout(which)
        return self.layouts[which]

    def _find_layout(self, which: int) -> tuple[int, ...] | None:
        """Evaluate a few copies both ways, each with every element changed, so that any mixing of copies shows."""
        x = self.values[which]
        if x.size < 2:
            return None
        sizes = np.reshape([0.01, 0.03, 0.1], (3,) + (1,) * x.ndim)
        copies = x + sizes * np.random.default_rng(0).normal(size=(3, *x.shape)) * np.maximum(np.abs(x), 1.0)
        alone = None
        for extra in range(max(0, max(g.ndim for g in self.grad_outs) - x.ndim) + 1):
            found = self._evaluate_in_one_call(which, copies, (1,) * extra)
            if found is None:
                continue
            if alone is None:
                each = [self.evaluate(self._replace_input(which, copy)) for copy in copies]
                alone = tuple(np.stack(arrays) for arrays in zip(*each, strict=True))
            if outputs_agree(found, alone):
                return (1,) * extra
        return None

    def _shifted_copies(self, which: int, flats: Array, shifts: Array) -> Array:
        """Return copies of one input, each with one element shifted."""
        x = self.values[which]
        dtype = np.result_type(x.dtype, shifts.dtype)
        # in C order, because otherwise the reshape below would copy, and the shifts would be lost
        copies = np.broadcast_to(x, (len(flats), *x.shape)).astype(dtype, order="C")
        copies.reshape(len(flats), -1)[np.arange(len(flats)), flats] += shifts
        return copies

    def _replace_input(self, which: int, value: Any) -> list[Any]:
        """Return the point with another value for one input."""
        return [*self.values[:which], value, *self.values[which + 1 :]]


def outputs_agree(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Check whether two sets of outputs are equal but for the order in which sums were taken.

    Examples
    --------
    >>> exact = np.array([1.0, np.nan])
    >>> outputs_agree([exact + 1e-15], [exact]), outputs_agree([exact + 1e-9], [exact])
    (True, False)
    >>> outputs_agree([np.array([np.nan, np.nan])], [exact])
    False
    """
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        finite = np.isfinite(b)
        scale = float(np.max(np.abs(b), initial=0.0, where=finite))
        eps = max(SAME, 8 * float(np.finfo(b.dtype).eps))
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return False
        with np.errstate(invalid="ignore", over="ignore"):
            if not np.all(np.abs(a[finite] - b[finite]) <= eps * scale):  # also where a is NaN and b is not
                return False
    return True
