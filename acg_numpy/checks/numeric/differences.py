"""Numeric derivatives of a function that can only be called: differences and complex steps, each with its error.

Central differences.  A step h to both sides of one element, the outputs contracted with fixed weights g:

    D(h) = <g, y(x + h) - y(x - h)> / 2h  =  <g, y'> + h^2/6 <g, y'''> + ...  +  rounding / h

The even terms of the Taylor series cancel, so truncation falls with h^2, while the rounding of y, about eps |g| |y|, is
divided by a smaller and smaller h.  Their sum is least where the two are about equal: h^3 ~ eps, so

    h = eps^(1/3) * max(|x|, 1)

with eps that of the dtype that the outputs come in.  It grows with |x| because x itself is only held to eps |x|, and
does not shrink below |x| = 1 because most functions change over distances of about 1 there, however small x may be.
At best this knows a derivative to eps^(2/3), 4e-11 in float64, of |g| |y| / max(|x|, 1).

If that is not precise enough, or an element may be wrong, the same difference is taken at a ladder of steps.  At a
step at which both neighbours agree, neither truncation (from above) nor rounding (from below) matters, so the
disagreement with the neighbours is the error, measured and not assumed.  Before an element is called wrong, or left
undecided, steps are tried down to some thousandth of |x|: a function of inputs of 1e-9 needs them.

Richardson's extrapolation.  Halve the step: the leading error falls to a quarter, so (4 D(h/2) - D(h)) / 3 is without
it, and the next combination, with 16, without the one after.  Larger steps can then be taken, at which rounding is
smaller, and eps^(4/5) and better is reached.  The error is how far an entry of the tableau is from the two that it was
made of (Ridders 1982), or what rounding alone makes of it, if that is more.

Complex step.  For a function that is analytic, y(x + ih) = y(x) + ih y'(x) + O(h^2): the imaginary part over h is the
derivative, nothing is subtracted, and h can be so small that the rest is nothing (Squire and Trapp 1998).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Outputs
from acg_numpy.checks.numeric.perturbations import PerturbedFunction
from acg_numpy.shapes import Array

RATIO = 3.7  # of two steps of a ladder; with a power of 2, the lattice that a cast to float32 leaves looks smooth
NEIGHBOURS = tuple(RATIO**power for power in (-1, 0, 1))  # a step and one either side
LADDER = tuple(RATIO**power for power in range(-4, 5))  # h / 187 to 187 h
FINE = tuple(RATIO**power for power in range(-9, -3))  # below the ladder, for a last look
DEEPEST = 1e-9  # the least step of a last look, in units of the usual one; shorter where the input is smaller
SETTLED = 2e-2  # relative error at which a difference counts as the limit of small steps
VAGUE = 0.3  # relative error at which a difference may be nothing like the derivative
MARGIN = 10  # numeric errors are estimates: two values differ if they are apart by this many of them
LEVELS = 6  # of Richardson's tableau
FIRST = 2.0**-6  # its largest step, in units of max(|x|, 1)
TINY = 2.0**-200  # the complex step, in the same units


@dataclass(frozen=True, eq=False)
class Differences:
    """Derivatives with their possible errors, element by element.

    Attributes
    ----------
    derivative, error : array
    frozen_error : array, optional
        What the error would be if outputs that did not move count too: one may be frozen by its rounding, so that its
        part of the derivative is missing.
    """

    derivative: Array
    error: Array
    frozen_error: Array | None = None

    def at(self, chosen: Any) -> "Differences":
        """Return those of some elements."""
        return Differences(self.derivative[chosen], self.error[chosen])

    def replaced(self, chosen: Any, others: "Differences") -> "Differences":
        """Return a copy with other ones for some elements."""
        derivative, error = self.derivative.copy(), self.error.copy()
        derivative[chosen], error[chosen] = others.derivative, others.error
        return Differences(derivative, error)


Slope: TypeAlias = Callable[[Array, Array, Array], Differences]
"""From the numbers of some lines through the point, and how far up and down each to go, to the difference quotients."""


def best_step(x: Any, eps: float) -> Any:
    """Return the step at which truncation and rounding of a central difference balance: eps^(1/3) * max(|x|, 1).

    Examples
    --------
    >>> round(best_step(0.0, 2.0**-52), 8), round(best_step(-1000.0, 2.0**-52), 5)
    (6.06e-06, 0.00606)
    """
    step = eps ** (1 / 3) * np.maximum(np.abs(x), 1.0)
    return float(step) if np.ndim(step) == 0 else step


def output_eps(outputs: Outputs) -> float:
    """Return the machine epsilon of the coarsest dtype among the outputs."""
    return max(float(np.finfo(output.dtype).eps) for output in outputs)


def slopes(function: PerturbedFunction, which: int, flats: Array, ups: Array, downs: Array) -> Differences:
    """Return (<g, y(x + up)> - <g, y(x - down)>) / (up + down), for n elements of one input at once.

    Outputs that did not move at all add neither to the derivative nor to its error; differences are taken output by
    output, before they are weighted and summed, so that the rounding of large outputs does not hide small ones.

    Parameters
    ----------
    function : PerturbedFunction
    which : int
        The input.
    flats : int array, shape (n,)
        Which of its elements, in C order.
    ups, downs : arrays, shape (n,)

    Returns
    -------
    Differences, shape (n,)
        The error is that of rounding alone: one unit in the last place of every output that moved, or of the largest
        where none did.
    """
    x = np.ravel(function.values[which])[flats]
    widths = (x + ups) - (x - downs)  # as the two floats really stand apart
    if np.any(downs):
        both = function.evaluate_shifted(which, np.concatenate([flats, flats]), np.concatenate([ups, -downs]))
    else:  # the point itself, which is one and the same for all
        above, point = function.evaluate_shifted(which, flats, ups), function.evaluate(function.values)
        both = tuple(np.concatenate([a, np.broadcast_to(p, a.shape)]) for a, p in zip(above, point, strict=True))
    return quotients(both, function.grad_outs, widths)


def quotients(both: Outputs, grad_outs: Outputs, widths: Array) -> Differences:
    """Return difference quotients, from the outputs at n points above and then at n points below."""
    n = len(widths)
    change, noise, loudest, total = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for values, weight in zip(both, grad_outs, strict=True):
        above, below = values[:n], values[n:]
        axes = tuple(range(1, above.ndim))
        moved = above != below  # also keeps inf - inf out
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.maximum(np.abs(above), np.abs(below)) * np.abs(weight) * float(np.finfo(above.dtype).eps)
            apart = weight * (above.astype(np.float64) - below)
        change += np.sum(apart, axis=axes, where=moved)
        noise += np.sum(size, axis=axes, where=moved)
        total += np.sum(size, axis=axes, where=np.isfinite(size))
        loudest = np.maximum(loudest, np.max(size, axis=axes, initial=0.0, where=np.isfinite(size)))
    width = np.abs(widths)
    return Differences(change / widths, np.where(noise > 0, noise, loudest) / width, total / width)


def central_differences(function: PerturbedFunction, which: int, flats: Array, steps: Array) -> Differences:
    """Return central differences of n elements of one input, each with its step."""
    return slopes(function, which, flats, steps, steps)


def best_agreeing(found: Differences) -> Differences:
    """Return, of differences at ascending steps along the last axis, the one that its neighbours agree with best.

    The outermost two serve as neighbours only.  Its error is its rounding plus the distance to the farther of its two
    neighbours; inf if nothing finite was found.

    Examples
    --------
    >>> steps = 6e-6 * np.asarray(LADDER)  # the derivative of sin(1000 x) at 0: the usual step is too long
    >>> found = best_agreeing(Differences(np.sin(1000 * steps) / steps, 2e-16 / steps))
    >>> round(float(found.derivative), 3)
    1000.0
    """
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(np.diff(found.derivative, axis=-1))
        errors = found.error[..., 1:-1] + np.maximum(gaps[..., :-1], gaps[..., 1:])
    errors = np.where(np.isfinite(errors), errors, np.inf)
    best = np.argmin(errors, axis=-1, keepdims=True)
    return Differences(
        np.take_along_axis(found.derivative[..., 1:-1], best, axis=-1)[..., 0],
        np.take_along_axis(errors, best, axis=-1)[..., 0],
    )


def element_slope(function: PerturbedFunction, which: int, flats: Array) -> Slope:
    """Return the difference quotients along some elements of an input, as a function of the steps."""
    return lambda lines, ups, downs: slopes(function, which, flats[lines], ups, downs)


def direction_slope(function: PerturbedFunction, which: int, directions: Array) -> Slope:
    """Return the difference quotients along directions of an input, as a function of the steps."""

    def slope(lines: Array, ups: Array, downs: Array) -> Differences:
        both = function.evaluate_directions(
            which, directions[np.concatenate([lines, lines])], np.concatenate([ups, -downs])
        )
        return quotients(both, function.grad_outs, ups + downs)

    return slope


def ladder_differences(slope: Slope, steps: Array, ladder: Sequence[float], noise: Array | None = None) -> Differences:
    """Return for each of n lines the difference that agrees best with its neighbours on a ladder of steps.

    The ladder holds ascending multiples of the line's step.  `noise`, if given, is the uncertainty of <g, y> near the
    point; divided by the step it adds to a rung's error.

    An output that moves at a long step, and not at a short one, is frozen there by its rounding, so that its part of
    the derivative is missing.  Differences at several short steps then agree on the wrong value.  So the rounding of
    the outputs that move at a step counts at all shorter ones.

    Examples
    --------
    >>> at = np.array([1.0])  # 1 + x * 1e-11, next to an output that moves at all steps
    >>> function = PerturbedFunction(lambda x: (1 + 1e-11 * x[0], -1e-11 * x[0]), [at], (np.ones(1), np.full(1, 2.0)))
    >>> found = ladder_differences(element_slope(function, 0, np.array([0])), np.array([6e-6]), LADDER)
    >>> bool(abs(found.derivative[0] + 1e-11) < 10 * found.error[0])
    True
    """
    rungs = steps[:, None] * np.asarray(ladder)
    each = np.ravel(rungs)
    found = slope(np.repeat(np.arange(len(steps)), len(ladder)), each, each)
    rounding = found.error.reshape(rungs.shape) * rungs
    error = np.maximum.accumulate(rounding[:, ::-1], axis=1)[:, ::-1] / rungs
    if noise is not None:
        error = error + noise[:, None] / rungs
    return best_agreeing(Differences(found.derivative.reshape(rungs.shape), error))


def closer_differences(slope: Slope, steps: Array, sizes: Array, known: Differences) -> Differences:
    """Return differences along n lines that are in doubt, as they settle where steps get far smaller than usual.

    Where they settle nowhere, and what is known is in doubt by as much as it is large, nothing is known: the error is
    infinite.
    """
    limit, settled = small_step_limit(slope, steps, sizes)
    with np.errstate(invalid="ignore"):
        apart = np.abs(limit.derivative - known.derivative) > MARGIN * (limit.error + known.error)
        better = settled & (apart | (limit.error < known.error))
        lost = ~settled & apart & (known.error >= VAGUE * np.abs(known.derivative))
    error = np.where(better, limit.error, np.where(lost, np.inf, known.error))
    return Differences(np.where(better, limit.derivative, known.derivative), error)


def small_step_limit(slope: Slope, steps: Array, sizes: Array) -> tuple[Differences, Array]:
    """Return what differences along n lines settle at, as steps get far smaller than usual.

    The usual step does not shrink below |x| = 1, and a function of inputs of 1e-9, or a wave of a millionth, needs it
    to.  Of all steps down to some thousandth of the input's own size, the one counts whose difference is known best for
    its size: where steps are too long, differences change with the step as much as they are large.

    Parameters
    ----------
    slope : Slope
    steps : array, shape (n,)
        The usual ones.
    sizes : array, shape (n,)
        How large the inputs are.

    Returns
    -------
    Differences, shape (n,)
    settled : boolean array, shape (n,)
        Whether the relative error is small.

    Examples
    --------
    >>> def slope(lines, ups, downs):  # of 1 / x at 1e-9
    ...     value = (1 / (1e-9 + ups) - 1 / (1e-9 - downs)) / (ups + downs)
    ...     return Differences(value, 1e-7 / ups)
    >>> found, settled = small_step_limit(slope, np.array([6e-6]), np.array([1e-9]))
    >>> bool(settled[0]), bool(abs(found.derivative[0] / -1e18 - 1) < 1e-4)
    (True, True)
    """
    least = np.minimum(DEEPEST, np.where(sizes > 0, sizes, 1.0) / 1000)
    count = int(np.ceil(-np.log(np.min(least, initial=DEEPEST)) / np.log(RATIO))) + 2
    rungs = steps[:, None] * RATIO ** np.arange(1.0 - count, 2.0)
    each = np.ravel(rungs)
    found = slope(np.repeat(np.arange(len(steps)), rungs.shape[1]), each, each)
    # without what is frozen, differences at short steps agree, however wrong they are
    error = found.error if found.frozen_error is None else np.fmax(found.error, found.frozen_error)
    derivative, error = found.derivative.reshape(rungs.shape), error.reshape(rungs.shape)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        gaps = np.abs(np.diff(derivative, axis=1))
        error = error[:, 1:-1] + np.maximum(gaps[:, :-1], gaps[:, 1:])
        relative = error / np.abs(derivative[:, 1:-1])
    relative = np.where(np.isfinite(relative), relative, np.inf)
    best = np.argmin(relative, axis=1)[:, None]
    value, off, miss = (np.take_along_axis(a, best, axis=1)[:, 0] for a in (derivative[:, 1:-1], error, relative))
    return Differences(value, off), miss <= SETTLED


def noise_level(slope: Slope, steps: Array) -> Array:
    """Return how far <g, y> is from smooth over a few tiny steps, along n lines.

    A parabola is fitted to the values at nine points, so close together that any smooth function is one; the residual
    is rounding, all of it, also the rounding inside the function.
    """
    offsets = np.array([-4.1, -2.7, -1.9, -0.83, 0.71, 1.6, 3.1, 4.4])
    shifts = steps[:, None] / 16 * offsets
    ups = np.ravel(shifts)
    found = slope(np.repeat(np.arange(len(steps)), len(offsets)), ups, np.zeros(ups.size))
    changes = found.derivative.reshape(shifts.shape) * shifts
    basis = np.stack([offsets, offsets**2], axis=1)
    with np.errstate(invalid="ignore"):
        missed = changes - changes @ np.linalg.pinv(basis).T @ basis.T
    noise = np.max(np.abs(missed), axis=1)
    return np.where(np.isfinite(noise), noise, np.inf)


def one_sided_differences(slope: Slope, steps: Array) -> tuple[Differences, Differences]:
    """Return the differences along n lines from the point to a step above it, and from a step below."""
    lines, nothing = np.arange(len(steps)), np.zeros(len(steps))
    return slope(lines, steps, nothing), slope(lines, nothing, steps)


def is_at_kink(slope: Slope, steps: Array, analytic: Array, sides: tuple[Differences, Differences]) -> Array:
    """Find on which of n lines left and right derivatives differ, with the analytic value between them.

    At a kink the two stay apart however small the step; elsewhere they come together with it.  `sides` are the
    differences at the steps themselves.
    """
    (right, left), (right_, left_) = sides, one_sided_differences(slope, steps / 16)
    with np.errstate(invalid="ignore"):
        far, near = np.abs(right.derivative - left.derivative), np.abs(right_.derivative - left_.derivative)
        size = np.maximum(np.abs(right_.derivative), np.abs(left_.derivative))
        stays = (near > 0.5 * far) & (near > 1e-4 * size) & (near > 100 * (right_.error + left_.error))
        low = np.minimum(right_.derivative, left_.derivative) - 1e-3 * near
        high = np.maximum(right_.derivative, left_.derivative) + 1e-3 * near
        found: Array = stays & (low <= analytic) & (analytic <= high)
    return found


def is_beside_kink(slope: Slope, steps: Array, analytic: Array, sides: tuple[Differences, Differences]) -> Array:
    """Find which of n lines have a kink within a step, and as analytic value the slope on this side of the kink.

    Closer to the point than the ladder reaches, and on the whole other side, the slope has one value; beyond the kink
    it has another.  Such a kink lies between the rungs: most of them mix the two slopes, and agree with each other.
    Most lines have no kink: on them the two sides agree, and no finer step is taken.
    """
    right, left = sides
    with np.errstate(invalid="ignore"):
        apart = np.abs(right.derivative - left.derivative)
        size = np.maximum(np.abs(right.derivative), np.abs(left.derivative))
        found: Array = (apart > 1e-4 * size) & (apart > 100 * (right.error + left.error))
        broken = np.flatnonzero(found)
        if broken.size:
            fine = ladder_differences(
                lambda lines, *steps: slope(broken[lines], *steps), steps[broken], FINE
            ).derivative
            off = np.minimum(np.abs(right.derivative[broken] - fine), np.abs(left.derivative[broken] - fine))
            margin = 1e-3 * apart[broken]
            found[broken] = (off <= margin) & (np.abs(analytic[broken] - fine) <= margin)
    return found


def richardson(
    function: PerturbedFunction, which: int, flats: Array, eps: float, first: float | None = None
) -> Differences:
    """Return extrapolated central differences of n elements, each from the best known entry of its tableau.

    `first` is the largest step; if it is None, the step is chosen for each element.

    Examples
    --------
    >>> function = PerturbedFunction(lambda inputs: (np.exp(inputs[0]),), [np.array([0.0, 1.0])], (np.ones(2),))
    >>> found = richardson(function, 0, np.array([0, 1]), 2.0**-52)
    >>> bool(np.all(np.abs(found.derivative - [1.0, np.e]) < 1e-12)), bool(np.all(found.error < 1e-10))
    (True, True)
    """
    x = np.ravel(function.values[which])[flats]
    # h^(2 LEVELS) of truncation is left, and eps / h of rounding
    balance = (eps / 2.0**-52) ** (1 / (2 * LEVELS + 1))
    longest = FIRST * np.maximum(np.abs(x), 1.0) * balance
    steps = longest if first is None else np.full(len(flats), first)
    halves = 0.5 ** np.arange(LEVELS)
    found = central_differences(function, which, np.repeat(flats, LEVELS), np.ravel(steps[:, None] * halves))
    tableau = found.derivative.reshape(len(flats), LEVELS)
    rounding = found.error.reshape(len(flats), LEVELS)
    best, error = np.full(len(flats), np.nan), np.full(len(flats), np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        for order in range(1, LEVELS):
            weight = 4.0**order
            refined = (weight * tableau[:, 1:] - tableau[:, :-1]) / (weight - 1)
            rounding = (weight * rounding[:, 1:] + rounding[:, :-1]) / (weight - 1)
            gap = np.maximum(np.abs(refined - tableau[:, 1:]), np.abs(refined - tableau[:, :-1])) + rounding
            gap = np.where(np.isfinite(gap), gap, np.inf)
            column = np.argmin(gap, axis=1)
            rows = np.arange(len(flats))
            better = gap[rows, column] < error
            best = np.where(better, refined[rows, column], best)
            error = np.where(better, gap[rows, column], error)
            tableau = refined
    # a central difference shows an oscillation that all the longer steps would have jumped over
    anchor = central_differences(function, which, flats, np.atleast_1d(best_step(x, eps)))
    with np.errstate(invalid="ignore"):
        apart = np.abs(best - anchor.derivative) - 10 * anchor.error - 1e-7 * np.abs(best)
    return Differences(best, np.where(apart > 0, np.maximum(error, apart), error))


def complex_step(function: PerturbedFunction, which: int, flats: Array) -> Differences | None:
    """Return Im y(x + ih) / h for n elements, h tiny; None if the function does not take complex numbers.

    Examples
    --------
    >>> function = PerturbedFunction(lambda inputs: (np.exp(inputs[0]),), [np.array([0.0, 1.0])], (np.ones(2),))
    >>> complex_step(function, 0, np.array([0, 1])).derivative.round(15)
    array([1.        , 2.71828183])
    """
    x = np.ravel(function.values[which])[flats]
    steps = TINY * np.maximum(np.abs(x), 1.0)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # of imaginary parts that a cast discards: the function's author has asked for no complex numbers
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            found = function.evaluate_shifted(which, flats, 1j * steps)
    except Exception:  # anything that a function may raise at complex numbers
        return None
    derivative, error = np.zeros(len(flats)), np.zeros(len(flats))
    for values, weight in zip(found, function.grad_outs, strict=True):
        if values.dtype.kind != "c" or values.shape[1:] != weight.shape:
            return None
        axes = tuple(range(1, values.ndim))
        each = weight * (values.imag / np.reshape(steps, (-1,) + (1,) * (values.ndim - 1)))
        derivative += np.sum(each, axis=axes)
        error += 8 * float(np.finfo(values.dtype).eps) * np.sum(np.abs(each), axis=axes)
    return Differences(derivative, error)


def direction_steps(x: Array, directions: Array, eps: float) -> Array:
    """Return the step along each of n directions by which elements move about as far as they would alone."""
    usual = best_step(np.sqrt(np.mean(x * x)) if x.size else 0.0, eps)
    squares = np.reshape(directions, (len(directions), -1)) ** 2
    return np.asarray(usual / np.sqrt(np.mean(squares, axis=1)) if x.size else np.full(len(directions), usual))
