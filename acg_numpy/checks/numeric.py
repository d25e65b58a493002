"""What is the derivative, when all that can be done is to call the function?

Central differences.  A step h to both sides of one element, the outputs contracted with fixed weights g:

    D(h) = <g, y(x + h) - y(x - h)> / 2h  =  <g, y'> + h^2/6 <g, y'''> + ...  +  rounding / h

The even terms of the Taylor series cancel, so truncation falls with h^2, while the rounding of y, about eps |g| |y|, is
divided by a smaller and smaller h.  Their sum is least where the two are of a size: h^3 ~ eps, so

    h = eps^(1/3) * max(|x|, 1)

with eps that of the dtype that the outputs come in.  It grows with |x| because x itself is only held to eps |x|, and
does not shrink below |x| = 1 because most functions change over distances of about 1 there, however small x may be.
At best this knows a derivative to eps^(2/3), 4e-11 in float64, of |g| |y| / max(|x|, 1).

Where that is not good enough, or an element is in dispute, the same difference is taken at a ladder of steps.  A step
at which neither neighbour says otherwise is one where neither truncation (from above) nor rounding (from below) is at
work, so the disagreement with its neighbours is its error, measured and not assumed.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from acg_numpy.shapes import Array

Outputs: TypeAlias = tuple[Array, ...]
Evaluate: TypeAlias = Callable[[Sequence[Any]], Outputs]
Index: TypeAlias = tuple[int, ...]

NEIGHBOURS = tuple(4.0**power for power in (-1, 0, 1))  # a step and one either side
LADDER = tuple(4.0**power for power in range(-4, 5))  # h / 256 to 256 h


class Difference(NamedTuple):
    """A derivative with what it may be off by."""

    derivative: float
    error: float


def best_step(x: float, eps: float) -> float:
    """Where truncation and rounding of a central difference balance: eps^(1/3) * max(|x|, 1).

    Examples
    --------
    >>> round(best_step(0.0, 2.0**-52), 8), round(best_step(-1000.0, 2.0**-52), 5)
    (6.06e-06, 0.00606)
    """
    return float(eps ** (1 / 3) * max(abs(x), 1.0))


def resolution_of(outputs: Outputs) -> float:
    """The machine epsilon of the coarsest dtype among the outputs."""
    return max(float(np.finfo(output.dtype).eps) for output in outputs)


def central_difference(
    evaluate: Evaluate, inputs: Sequence[Any], which: int, index: Index, grad_outs: Outputs, step: float
) -> Difference:
    """Move one element of one input by `step` to both sides, and see what <grad_outs, outputs> does.

    Outputs that did not move at all add neither to the derivative nor to its error; differences are taken output by
    output, before they are weighed and summed, so what large outputs round off does not drown what small ones do.

    Parameters
    ----------
    evaluate : callable
        Takes the list of inputs, returns a tuple of floating arrays.  It must not change what it is given.
    inputs : sequence
        The point; `inputs[which]` is a float64 array.
    which, index : int, tuple of int
        The input and its element.
    grad_outs : tuple of arrays
        Weights, one array of its shape for each output.
    step : float

    Returns
    -------
    Difference
        The error is that of rounding alone: one unit in the last place of every output that moved, and if none did,
        of the largest.

    Examples
    --------
    >>> square = lambda inputs: (inputs[0] ** 2,)
    >>> x, g = np.array([3.0, 4.0]), np.array([1.0, 10.0])
    >>> round(central_difference(square, [x], 0, (1,), (g,), step=1e-5).derivative, 6)  # 10 * 2 * 4
    80.0
    """
    x = inputs[which]
    above, below = x.copy(), x.copy()
    above[index] += step
    below[index] -= step
    width = float(above[index] - below[index])  # twice the step, as the two floats really stand apart
    ups = evaluate([*inputs[:which], above, *inputs[which + 1 :]])
    downs = evaluate([*inputs[:which], below, *inputs[which + 1 :]])
    change = noise = loudest = 0.0
    for up, down, weight in zip(ups, downs, grad_outs, strict=True):
        moved = up != down  # also keeps inf - inf out
        size = np.maximum(np.abs(up), np.abs(down)) * np.abs(weight) * float(np.finfo(up.dtype).eps)
        change += float(np.sum(weight[moved] * (up[moved].astype(np.float64) - down[moved])))
        noise += float(np.sum(size[moved]))
        loudest = max(loudest, float(np.max(size, initial=0.0, where=np.isfinite(size))))
    return Difference(change / width, (noise or loudest) / width)


def agreed_difference(
    difference_at: Callable[[float], Difference], step: float, ladder: Sequence[float] = LADDER
) -> Difference:
    """Take the difference at each step of a ladder, and return the one its neighbours agree with best.

    Parameters
    ----------
    difference_at : callable
        From a step to the difference there.
    step : float
    ladder : sequence of float, at least three
        Multiples of `step`, ascending.  The outermost two serve as neighbours only.

    Returns
    -------
    Difference
        Its error is its rounding plus the distance to the farther of its two neighbours; inf where nothing finite was
        found.

    Examples
    --------
    >>> def wave(step):  # d/dx of sin(1000 x) at 0, whose default step is too long
    ...     return Difference(float(np.sin(1000 * step) / step), 2e-16 / step)
    >>> round(wave(6e-6).derivative, 3), round(agreed_difference(wave, 6e-6).derivative, 3)
    (999.994, 1000.0)
    """
    derivatives, roundings = np.array([difference_at(step * multiple) for multiple in ladder]).T
    with np.errstate(invalid="ignore"):
        gaps = np.abs(np.diff(derivatives))
    errors = roundings[1:-1] + np.maximum(gaps[:-1], gaps[1:])
    errors = np.where(np.isfinite(errors), errors, np.inf)
    best = int(np.argmin(errors))
    return Difference(float(derivatives[1 + best]), float(errors[best]))
