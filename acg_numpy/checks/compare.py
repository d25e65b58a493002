"""Is this element right, wrong, or is the numeric derivative too coarse to say?

For an analytic value a and a numeric one n that may be off by e, with tolerance t = atol + rtol max(|a|, |n|):

    right      e <= t and |a - n| <= t                          resolved, and they agree
    wrong      |a - n| > t + e, by a margin                     they differ by more than the numeric error explains
    undecided  otherwise

One case needs another measure.  A gradient that is exactly zero because terms cancel (an attention's key bias is the
classic: each row of dS sums to zero) comes out as rounding noise on both sides, and the relative error of two noises
means nothing.  So a value that is zero at the scale of the gradient, |a| <= 1000 eps * scale, is right where n is zero
to within e, provided that e itself is small against that scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.arguments import Argument
from acg_numpy.checks.numeric import (
    LADDER,
    NEIGHBOURS,
    Difference,
    Evaluate,
    Index,
    Outputs,
    agreed_difference,
    best_step,
    central_difference,
    resolution_of,
)
from acg_numpy.shapes import Array

ZERO = 1000  # in units of eps * scale: what a long sum whose terms cancel leaves behind
MARGIN = 10  # numeric errors are estimates; a verdict of wrong has to stand this many of them clear


class Verdict(Enum):
    """What can be said of one element."""

    RIGHT = "right"
    ZERO = "right, as zero at the scale of the gradient"
    WRONG = "wrong"
    UNDECIDED = "undecided"


class Tolerance(NamedTuple):
    """What counts as equal, and the step that was asked for (None: chosen for each element)."""

    rtol: float
    atol: float
    step: float | None


@dataclass(frozen=True, eq=False)
class InputComparison:
    """Analytic against numeric gradient of one input.

    Attributes
    ----------
    name : str
    shape : tuple of int
    held : str or None
        Why the input was held fixed and not checked ("int64"), if it was.
    fault : str or None
        What is wrong with the form of the gradient, where it could not be compared at all.
    analytic, numeric : array of `shape`, or None
    error : array of `shape`, or None
        What the numeric derivative may be off by.
    wrong, undecided, zero : boolean array of `shape`, or None
        `zero` marks right ones that are zero but for rounding.
    scale : float
        The largest numeric derivative by any input.
    """

    name: str
    shape: tuple[int, ...]
    held: str | None = None
    fault: str | None = None
    analytic: Array | None = None
    numeric: Array | None = None
    error: Array | None = None
    wrong: Array | None = None
    undecided: Array | None = None
    zero: Array | None = None
    scale: float = 0.0

    @property
    def num_wrong(self) -> int:
        """How many elements are wrong."""
        return 0 if self.wrong is None else int(np.sum(self.wrong))

    @property
    def num_undecided(self) -> int:
        """How many elements could not be decided."""
        return 0 if self.undecided is None else int(np.sum(self.undecided))

    @property
    def num_right(self) -> int:
        """How many elements agree."""
        return 0 if self.analytic is None else self.analytic.size - self.num_wrong - self.num_undecided

    @property
    def relative_error(self) -> Array:
        """|a - n| / max(|a|, |n|), at most 2; empty where nothing was compared.

        For elements that are zero but for rounding it is |a - n| over the gradient's scale.
        """
        if self.analytic is None or self.numeric is None or self.zero is None:
            return np.zeros(0)
        size = np.maximum(np.abs(self.analytic), np.abs(self.numeric))
        size = np.where(self.zero, self.scale, size)
        error: Array = np.abs(self.analytic - self.numeric) / np.where(size > 0, size, 1.0)
        return error

    @property
    def dead(self) -> bool:
        """Whether the gradient is right, and zero throughout."""
        return self.zero is not None and bool(np.all(self.zero)) and self.zero.size > 0

    @property
    def passed(self) -> bool:
        """Whether the gradient could be compared and no element is wrong."""
        return self.fault is None and self.num_wrong == 0


def resolved(analytic: float, numeric: Difference, tolerance: Tolerance) -> bool:
    """Whether the numeric derivative is known well enough to tell a right value from a wrong one."""
    return numeric.error <= allowed(analytic, numeric.derivative, tolerance)


def allowed(analytic: float, numeric: float, tolerance: Tolerance) -> float:
    """How far apart two values may be: atol + rtol max(|a|, |n|)."""
    return tolerance.atol + tolerance.rtol * max(abs(analytic), abs(numeric))


def verdict_on(analytic: float, numeric: Difference, scale: float, eps: float, tolerance: Tolerance) -> Verdict:
    """Decide on one element, by the rules at the head of this file.

    Examples
    --------
    >>> usual = Tolerance(rtol=1e-5, atol=0.0, step=None)
    >>> eps = 2.0**-52
    >>> verdict_on(1.000001, Difference(1.0, error=1e-9), 1.0, eps, usual)
    <Verdict.RIGHT: 'right'>
    >>> verdict_on(1.01, Difference(1.0, error=1e-9), 1.0, eps, usual)
    <Verdict.WRONG: 'wrong'>
    >>> verdict_on(1e-9, Difference(1.2e-9, error=1e-9), 1.0, eps, usual)  # who knows
    <Verdict.UNDECIDED: 'undecided'>
    >>> verdict_on(3e-17, Difference(2e-11, error=3e-11), 1.0, eps, usual)  # a key bias: zero, both of them
    <Verdict.ZERO: 'right, as zero at the scale of the gradient'>
    """
    if not np.isfinite(numeric.derivative):
        return Verdict.UNDECIDED
    if not np.isfinite(analytic):
        return Verdict.WRONG
    distance = abs(analytic - numeric.derivative)
    close = allowed(analytic, numeric.derivative, tolerance)
    zero = abs(analytic) <= ZERO * eps * scale and abs(numeric.derivative) <= MARGIN * numeric.error
    if zero and numeric.error <= tolerance.atol + tolerance.rtol * scale:
        return Verdict.ZERO
    if distance <= close and resolved(analytic, numeric, tolerance):
        return Verdict.RIGHT
    return Verdict.WRONG if distance > close + MARGIN * numeric.error else Verdict.UNDECIDED


def compare(
    evaluate: Evaluate,
    arguments: Sequence[Argument],
    outputs: Outputs,
    grad_outs: Outputs,
    gradients: Sequence[Array | str | None],
    tolerance: Tolerance,
) -> tuple[InputComparison, ...]:
    """Hold the gradient of every checked argument against central differences.

    Parameters
    ----------
    evaluate : callable
        Takes the list of inputs, returns the floating outputs.
    arguments : sequence of Argument
        The point at which to compare.
    outputs, grad_outs : tuples of arrays
        The outputs there, and the weights that they are contracted with.
    gradients : sequence, one entry an argument
        The analytic gradient, or a sentence on why it cannot be compared, or None for arguments held fixed.
    tolerance : Tolerance
    """
    values = [argument.value for argument in arguments]
    eps = resolution_of(outputs)
    comparable = [which for which, gradient in enumerate(gradients) if isinstance(gradient, np.ndarray)]

    def difference(which: int, index: Index, step: float) -> Difference:
        return central_difference(evaluate, values, which, index, grad_outs, step)

    def step_at(which: int, index: Index) -> float:
        return tolerance.step or best_step(values[which][index], eps)

    first = {
        (which, index): difference(which, index, step_at(which, index))
        for which in comparable
        for index in np.ndindex(values[which].shape)
    }
    largest = max((abs(d.derivative) for d in first.values() if np.isfinite(d.derivative)), default=0.0)

    def settle(which: int, index: Index, analytic: float) -> tuple[Difference, Verdict]:
        """One difference where it suffices, three where there is doubt, the whole ladder where doubt remains."""
        step, numeric = step_at(which, index), first[which, index]
        reach = step / max(abs(values[which][index]), 1.0)
        scale = max(largest, numeric.error * reach / eps)  # the latter is about |g| |y| / max(|x|, 1)
        verdict = verdict_on(analytic, numeric, scale, eps, tolerance)
        if verdict is Verdict.RIGHT or (verdict is Verdict.ZERO and numeric.derivative == 0):
            return numeric, verdict
        for ladder in (NEIGHBOURS,) if tolerance.step else (NEIGHBOURS, LADDER):
            numeric = agreed_difference(lambda h: difference(which, index, h), step, ladder)
            if resolved(analytic, numeric, tolerance):
                break
        return numeric, verdict_on(analytic, numeric, scale, eps, tolerance)

    def compare_one(which: int, argument: Argument, gradient: Array | str | None) -> InputComparison:
        if not isinstance(gradient, np.ndarray):
            return InputComparison(argument.name, argument.shape, held=argument.held, fault=gradient)
        shape = argument.shape
        numeric, error = np.zeros(shape), np.zeros(shape)
        verdicts = np.empty(shape, dtype=object)
        for index in np.ndindex(shape):
            (numeric[index], error[index]), verdicts[index] = settle(which, index, float(gradient[index]))
        wrong, undecided, zero = (
            np.asarray(verdicts == verdict) for verdict in (Verdict.WRONG, Verdict.UNDECIDED, Verdict.ZERO)
        )
        return InputComparison(
            argument.name, shape, None, None, gradient, numeric, error, wrong, undecided, zero, scale=largest
        )

    return tuple(
        compare_one(which, argument, gradient)
        for which, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True))
    )
