"""How are many parameters updated in place?  Small ones together, a large one a block at a time.

A step makes about a dozen passes over a parameter and its running averages.  Over arrays of a few hundred numbers,
calling NumPy costs more than the passes; over arrays of millions, fetching them from memory does.  So the averages of
all parameters lie on one line, one parameter after another, the smallest first.  Neighbours on it that are small are
moved as one stretch; one that is large is moved a block at a time, so that the block stays near the processor for all
of its passes.

Of a table whose gradient is row-sparse only the rows that the gradient holds are touched.

What a step needs besides is two blocks of scratch space, kept from step to step: it allocates nothing else of any
parameter's size.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.shapes import Array

BLOCK = 1 << 17  # numbers that are updated together
SMALL = 1 << 14  # numbers of a parameter for which it is worth while to copy its gradient, to be updated with others

UpdateRule = Callable[[Array, Sequence[Array], Any, Array], None]
"""`update_rule(grad, averages, t, out)`: update the averages in place, and leave in `out` what step number t
takes away from the parameter; all of one shape.  For rows of a table t may be an array, a number for each row."""


class HasGradient(Protocol):
    """What an optimiser asks of a parameter; `acg_numpy.module.Parameter` has it."""

    @property
    def data(self) -> Array:
        """The values, which are updated in place."""

    grad: Any
    """The gradient, an array of the shape of `data` or a RowSparseGradient; None where the parameter took no part: then
    it is left alone."""


class FlatBuffer:
    """The running averages of all parameters, and the space that their updates need.

    Parameters
    ----------
    parameters : sequence of Parameter
    count : int
        Averages of a parameter.

    Attributes
    ----------
    averages : list of tuples of arrays
        For each parameter `count` arrays of its shape, zero at first: views of the line.
    """

    def __init__(self, parameters: Sequence[HasGradient], count: int) -> None:
        self.parameters = parameters
        self._order = sorted(
            range(len(parameters)), key=lambda i: (parameters[i].data.dtype.str, parameters[i].data.size)
        )
        lengths: dict[Any, int] = {}  # a line for each dtype
        self._spans = [(0, 0)] * len(parameters)
        for i in self._order:
            value = parameters[i].data
            start = lengths.get(value.dtype, 0)
            lengths[value.dtype] = stop = start + value.size
            self._spans[i] = (start, stop)
        self._lines = {dtype: np.zeros((count, length), dtype) for dtype, length in lengths.items()}
        self._space = {dtype: np.empty((2, min(length, BLOCK)), dtype) for dtype, length in lengths.items()}
        self.averages = [
            tuple(row[start:stop].reshape(p.data.shape) for row in self._lines[p.data.dtype])
            for p, (start, stop) in zip(parameters, self._spans, strict=True)
        ]

    def update(self, grads: Sequence[Any], steps: Sequence[Any], keep: float, update_rule: UpdateRule) -> None:
        """Set p <- keep p - (what `update_rule` gives) for each parameter p with a gradient; `steps` are their t."""
        for run in self._runs(grads, steps):
            if len(run) > 1:
                self._together(run, grads, steps[run[0]], keep, update_rule)
                continue
            (i,) = run
            if isinstance(grads[i], RowSparseGradient):
                self._by_rows(i, grads[i], steps[i], keep, update_rule)
                continue
            for value, grad, *averages in blocks(self.parameters[i].data, grads[i], *self.averages[i], size=BLOCK):
                step = self._space[value.dtype][0, : value.size].reshape(value.shape)
                update_rule(grad, averages, steps[i], step)
                value *= keep
                value -= step

    def _by_rows(self, i: int, grad: RowSparseGradient, t: Any, keep: float, update_rule: UpdateRule) -> None:
        """Update the rows of a table that its gradient holds, and no others."""
        values = self.parameters[i].data
        at_once = max(1, BLOCK // max(1, math.prod(grad.shape[1:])))
        for start in range(0, len(grad.rows), at_once):
            here = slice(start, start + at_once)
            rows = grad.rows[here]
            averages, value = [average[rows] for average in self.averages[i]], values[rows]
            step = np.empty_like(value)
            update_rule(grad.values[here], averages, t if np.ndim(t) == 0 else t[here], step)
            value *= keep
            value -= step
            for whole, part in zip((*self.averages[i], values), (*averages, value), strict=True):
                whole[rows] = part

    def _together(self, run: list[int], grads: Sequence[Any], t: int, keep: float, update_rule: UpdateRule) -> None:
        """Update several neighbours as one stretch of the line."""
        dtype, start, stop = self.parameters[run[0]].data.dtype, self._spans[run[0]][0], self._spans[run[-1]][1]
        step, grad = self._space[dtype][:, : stop - start]
        np.concatenate([grads[i] for i in run], axis=None, out=grad)
        update_rule(grad, self._lines[dtype][:, start:stop], t, step)  # type: ignore[arg-type]  # rows are a sequence
        for i in run:
            value, (begin, end) = self.parameters[i].data, self._spans[i]
            value *= keep
            value -= step[begin - start : end - start].reshape(value.shape)

    def _runs(self, grads: Sequence[Any], steps: Sequence[Any]) -> Iterator[list[int]]:
        """Go through the parameters with a gradient: neighbours at the same step, as long as a block holds them."""
        run: list[int] = []
        for i in self._order:
            if grads[i] is None:
                continue
            if isinstance(grads[i], RowSparseGradient):
                yield [i]
                continue
            start, stop = self._spans[i]
            if run:
                first, last = run[0], run[-1]
                if (
                    stop - start > SMALL
                    or start != self._spans[last][1]
                    or stop - self._spans[first][0] > BLOCK
                    or steps[i] != steps[first]
                    or self.parameters[i].data.dtype != self.parameters[first].data.dtype
                ):
                    yield run
                    run = []
            run.append(i)
        if run:
            yield run


def blocks(*arrays: Array, size: int) -> Iterator[tuple[Array, ...]]:
    """Go through arrays of one shape together, at most `size` numbers at a time.

    The first of them, and those that are C-contiguous, may be written to.

    Examples
    --------
    >>> x, y = np.arange(5.0), np.ones(5)
    >>> for a, b in blocks(x, y, size=2):
    ...     a += b
    >>> x
    array([1., 2., 3., 4., 5.])
    """
    first = arrays[0]
    if first.size <= size:
        yield arrays
        return
    in_line = [a.reshape(-1) if a.flags.c_contiguous else a.flat for a in arrays]  # a slice of .flat is a copy
    for start in range(0, first.size, size):
        here = slice(start, start + size)
        block = tuple(a[here] for a in in_line)
        yield block
        if not first.flags.c_contiguous:
            first.flat[here] = block[0]
