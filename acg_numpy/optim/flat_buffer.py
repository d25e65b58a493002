"""In-place parameter updates over one flat buffer: small parameters fused, large ones in cache-sized blocks.

How are many parameters updated in place?  Small ones together, a large one a block at a time.

A step makes about a dozen passes over a parameter and its running averages.  Over arrays of a few hundred numbers,
calling NumPy costs more than the passes; over arrays of millions, fetching them from memory does.  So the averages of
all parameters lie in one flat buffer, one parameter after another, the smallest first.  Small neighbours in the buffer
are updated as one slice of it; a large parameter is updated a block at a time, so that the block stays in cache for all
of its passes.

If the gradient of a table is row-sparse, only the rows that it holds are touched.

A step also needs two blocks of scratch space, which are kept from step to step: it allocates nothing else of any
parameter's size.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.shapes import Array

BLOCK = 1 << 17  # numbers that are updated together
SMALL = 1 << 14  # numbers of a parameter up to which copying its gradient, to update it with others, is worth the time

UpdateRule = Callable[[Array, Sequence[Array], Any, Array], None]
"""`update_rule(grad, averages, t, out)`: update the averages in place, and write to `out` what step number t subtracts
from the parameter; all of one shape.  For rows of a table t may be an array, one number for each row."""


class HasGradient(Protocol):
    """Attributes that an optimiser needs of a parameter; `acg_numpy.module.Parameter` has them."""

    @property
    def data(self) -> Array:
        """Values, which are updated in place."""

    grad: Any
    """Gradient, an array of the shape of `data` or a RowSparseGradient; None if the parameter took no part: then it is
    not updated."""


class FlatBuffer:
    """Running averages of all parameters in one flat array, and the space that their updates need.

    Parameters
    ----------
    parameters : sequence of Parameter
    count : int
        Number of averages of each parameter.

    Attributes
    ----------
    averages : list of tuples of arrays
        For each parameter `count` arrays of its shape, zero at first: views of the flat buffer.
    """

    def __init__(self, parameters: Sequence[HasGradient], count: int) -> None:
        self.parameters = parameters
        self._order = sorted(
            range(len(parameters)), key=lambda i: (parameters[i].data.dtype.str, parameters[i].data.size)
        )
        lengths: dict[Any, int] = {}  # one buffer for each dtype
        self._spans = [(0, 0)] * len(parameters)
        for i in self._order:
            value = parameters[i].data
            start = lengths.get(value.dtype, 0)
            lengths[value.dtype] = stop = start + value.size
            self._spans[i] = (start, stop)
        self._flat = {dtype: np.zeros((count, length), dtype) for dtype, length in lengths.items()}
        self._space = {dtype: np.empty((2, min(length, BLOCK)), dtype) for dtype, length in lengths.items()}
        self.averages = [
            tuple(row[start:stop].reshape(p.data.shape) for row in self._flat[p.data.dtype])
            for p, (start, stop) in zip(parameters, self._spans, strict=True)
        ]

    def update(self, grads: Sequence[Any], steps: Sequence[Any], keep: float, update_rule: UpdateRule) -> None:
        """Set p <- keep p - (what `update_rule` gives) for each parameter p with a gradient; `steps` are their t."""
        for run in self._runs(grads, steps):
            if len(run) > 1:
                self._update_slice(run, grads, steps[run[0]], keep, update_rule)
                continue
            (i,) = run
            if isinstance(grads[i], RowSparseGradient):
                self._update_rows(i, grads[i], steps[i], keep, update_rule)
                continue
            for value, grad, *averages in blocks(self.parameters[i].data, grads[i], *self.averages[i], size=BLOCK):
                step = self._space[value.dtype][0, : value.size].reshape(value.shape)
                update_rule(grad, averages, steps[i], step)
                value *= keep
                value -= step

    def _update_rows(self, i: int, grad: RowSparseGradient, t: Any, keep: float, update_rule: UpdateRule) -> None:
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

    def _update_slice(self, run: list[int], grads: Sequence[Any], t: int, keep: float, update_rule: UpdateRule) -> None:
        """Update several neighbours as one slice of the flat buffer."""
        dtype, start, stop = self.parameters[run[0]].data.dtype, self._spans[run[0]][0], self._spans[run[-1]][1]
        step, grad = self._space[dtype][:, : stop - start]
        np.concatenate([grads[i] for i in run], axis=None, out=grad)
        update_rule(grad, self._flat[dtype][:, start:stop], t, step)  # type: ignore[arg-type]  # rows are a sequence
        for i in run:
            value, (begin, end) = self.parameters[i].data, self._spans[i]
            value *= keep
            value -= step[begin - start : end - start].reshape(value.shape)

    def _runs(self, grads: Sequence[Any], steps: Sequence[Any]) -> Iterator[list[int]]:
        """Yield the parameters with a gradient in runs: neighbours at the same step that fit in one block."""
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
    """Yield arrays of one shape in blocks, together, at most `size` numbers at a time.

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
    flat = [a.reshape(-1) if a.flags.c_contiguous else a.flat for a in arrays]  # a slice of .flat is a copy
    for start in range(0, first.size, size):
        here = slice(start, start + size)
        block = tuple(a[here] for a in flat)
        yield block
        if not first.flags.c_contiguous:
            first.flat[here] = block[0]
