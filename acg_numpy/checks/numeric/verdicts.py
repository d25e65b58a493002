"""Verdicts on the elements of a gradient: right, wrong, or undecided where the numeric derivative is too coarse.

For an analytic value a and a numeric one n that may be off by e, with tolerance t = atol + rtol max(|a|, |n|):

    right      e <= t and |a - n| <= t                          resolved, and they agree
    wrong      |a - n| > t + e, by a margin                     they differ by more than the numeric error explains
    undecided  otherwise

One case needs another measure.  A gradient that is exactly zero because terms cancel (an attention's key bias is the
classic: each row of dS sums to zero) comes out as rounding noise on both sides, and the relative error of two such
values means nothing.  So a value that is zero at the scale of the gradient, |a| <= 1000 eps * scale, is right where n
is zero to within e, provided that e itself is small against that scale.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.numeric.differences import MARGIN, Differences
from acg_numpy.shapes import Array

ZERO = 1000  # in units of eps * scale: what a long sum whose terms cancel leaves behind


class Verdict(IntEnum):
    """Verdict on one element."""

    RIGHT = 0
    ZERO = 1  # right, as zero at the scale of the gradient
    WRONG = 2
    UNDECIDED = 3


class Tolerance(NamedTuple):
    """Tolerances within which two values are equal, and the step asked for (None: chosen for each element)."""

    rtol: float
    atol: float
    step: float | None


@dataclass(frozen=True, eq=False)
class InputComparison:
    """Comparison of the analytic with the numeric gradient of one input.

    Attributes
    ----------
    name : str
    shape : tuple of int
    held : str or None
        Why the input was held fixed and not checked ("int64"), if it was.
    fault : str or None
        What is wrong with the form of the gradient, if it could not be compared at all.
    analytic, numeric : array of `shape`, or None
        With directional derivatives, arrays with one number for each direction, and so are all that follow.
    error : array of `shape`, or None
        What the numeric derivative may be off by.
    wrong, undecided, zero : boolean array of `shape`, or None
        `zero` marks right ones that are zero but for rounding.
    scale : float
        The largest numeric derivative by any input.
    kink : boolean array of `shape`, or None
        Undecided ones at which left and right derivatives differ, with the analytic value between them, or beside such
        a place.
    step_fault : str or None
        "step-too-large" or "step-too-small", where a given step is what makes elements undecided.
    coarse : bool
        Whether elements are undecided because the function rounds by more than its outputs show.
    not_analytic : int
        For how many elements a complex step was tried and could not be used.
    directions : array, shape (n, *shape), or None
        The directions, if derivatives were taken along some.
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
    kink: Array | None = None
    step_fault: str | None = None
    coarse: bool = False
    not_analytic: int = 0
    directions: Array | None = None

    @property
    def num_wrong(self) -> int:
        """The number of wrong elements."""
        return 0 if self.wrong is None else int(np.sum(self.wrong))

    @property
    def num_undecided(self) -> int:
        """The number of elements that could not be decided."""
        return 0 if self.undecided is None else int(np.sum(self.undecided))

    @property
    def num_right(self) -> int:
        """The number of elements that agree."""
        return 0 if self.analytic is None else self.analytic.size - self.num_wrong - self.num_undecided

    @property
    def num_kinks(self) -> int:
        """The number of undecided elements that lie at a kink."""
        return 0 if self.kink is None else int(np.sum(self.kink))

    @property
    def relative_error(self) -> Array:
        """The relative error, |a - n| / max(|a|, |n|), at most 2; empty if nothing was compared.

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


def allowed(analytic: Array, numeric: Array, tolerance: Tolerance) -> Array:
    """Return how far apart two values may be: atol + rtol max(|a|, |n|)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(tolerance.atol + tolerance.rtol * np.maximum(np.abs(analytic), np.abs(numeric)))


def decide_verdicts(analytic: Array, numeric: Differences, scale: Array, eps: float, tolerance: Tolerance) -> Array:
    """Decide on every element, by the rules at the head of this file.

    Examples
    --------
    >>> usual, eps, one = Tolerance(rtol=1e-5, atol=0.0, step=None), 2.0**-52, np.ones(1)
    >>> def verdict(analytic, numeric, error):
    ...     found = Differences(numeric * one, error * one)
    ...     return Verdict(int(decide_verdicts(analytic * one, found, one, eps, usual)[0])).name
    >>> verdict(1.000001, 1.0, error=1e-9), verdict(1.01, 1.0, error=1e-9)
    ('RIGHT', 'WRONG')
    >>> verdict(1e-9, 1.2e-9, error=1e-9)  # the error is as large as the values
    'UNDECIDED'
    >>> verdict(3e-17, 2e-11, error=3e-11)  # a key bias: zero, both of them
    'ZERO'
    """
    n, e = numeric.derivative, numeric.error
    close = allowed(analytic, n, tolerance)
    with np.errstate(invalid="ignore"):
        distance = np.abs(analytic - n)
        zero = (np.abs(analytic) <= ZERO * eps * scale) & (np.abs(n) <= np.maximum(MARGIN * e, ZERO * eps * scale))
        zero &= e <= tolerance.atol + tolerance.rtol * scale
        right = (distance <= close) & (e <= close)
        wrong = distance > close + MARGIN * e
    found = np.full(np.shape(analytic), Verdict.UNDECIDED, dtype=np.int64)
    found[wrong] = Verdict.WRONG
    found[right] = Verdict.RIGHT
    found[zero] = Verdict.ZERO
    found[~np.isfinite(analytic)] = Verdict.WRONG
    found[~np.isfinite(n)] = Verdict.UNDECIDED
    return found
