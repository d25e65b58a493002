"""Comparison of a gradient with derivatives along random directions, at a cost that does not depend on its size.

A direction v in which every element takes part turns a gradient into one number, sum(v * gradient), and so does a
difference of the function along v.  One wrong element shows in all of them; which element it is does not.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.checks.numeric.differences import (
    FINE,
    LADDER,
    MARGIN,
    NEIGHBOURS,
    Differences,
    Slope,
    closer_differences,
    direction_slope,
    direction_steps,
    is_at_kink,
    ladder_differences,
    noise_level,
    one_sided_differences,
)
from acg_numpy.checks.numeric.perturbations import PerturbedFunction
from acg_numpy.checks.numeric.verdicts import InputComparison, Tolerance, Verdict, decide_verdicts
from acg_numpy.shapes import Array

DIRECTIONS = 4  # for each input


class DirectionalDerivatives(NamedTuple):
    """Derivatives along some directions of one input, and what is needed to take better ones.

    Attributes
    ----------
    argument : Argument
    directions : array, shape (n, *argument.shape)
    slope, steps : Slope, array of shape (n,)
    numeric : Differences
    eps : float
        The resolution of the outputs.
    """

    argument: Argument
    directions: Array
    slope: Slope
    steps: Array
    numeric: Differences
    eps: float


def directional_derivatives(
    function: PerturbedFunction, which: int, argument: Argument, eps: float, rng: np.random.Generator
) -> DirectionalDerivatives:
    """Draw directions of an input, in each of which every element takes part, and take derivatives along them."""
    shape = (DIRECTIONS, *argument.shape)
    directions = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
    slope, steps = direction_slope(function, which, directions), direction_steps(argument.value, directions, eps)
    return DirectionalDerivatives(argument, directions, slope, steps, ladder_differences(slope, steps, NEIGHBOURS), eps)


def compare_directional(
    derivatives: DirectionalDerivatives, gradient: Array, largest: float, least: float, tolerance: Tolerance
) -> InputComparison:
    """Compare the gradient of one input with its directional derivatives.

    A ladder of steps is used if the first three leave doubt, and kinks and noise are looked for before anything is
    called wrong.

    Parameters
    ----------
    derivatives : DirectionalDerivatives
    gradient : array
    largest : float
        The largest derivative along any direction of any input.
    least : float
        The error that rounding may make in one element of a right gradient, times a margin.
    tolerance : Tolerance
    """
    argument, directions, slope, steps, numeric, eps = derivatives
    each = np.reshape(directions * gradient, (len(directions), -1))
    with np.errstate(invalid="ignore"):
        analytic = np.sum(each, axis=1)
        scale = np.maximum(np.sum(np.abs(each), axis=1), largest)
    loud = slope(np.arange(len(steps)), steps, steps).error * eps ** (-2 / 3)  # about |g| |y| / max(|x|, 1)
    scale = np.maximum(np.where(np.isfinite(scale), scale, largest), loud)

    def decide(numeric: Differences) -> Array:
        return decide_verdicts(analytic, numeric, scale, eps, tolerance)

    x = np.abs(argument.value)
    smallest = np.full(len(steps), np.min(x, initial=1.0, where=x > 0))

    def closer(numeric: Differences) -> Differences:
        return closer_differences(slope, steps, smallest, numeric)

    verdicts, kink = decide(numeric), np.zeros(len(steps), dtype=bool)
    if np.any((verdicts == Verdict.WRONG) | (verdicts == Verdict.UNDECIDED)):
        numeric = ladder_differences(slope, steps, LADDER)
        verdicts = decide(numeric)
    if np.any(verdicts == Verdict.WRONG):
        kink = (verdicts == Verdict.WRONG) & is_at_kink(slope, steps, analytic, one_sided_differences(slope, steps))
        noise = np.maximum(noise_level(slope, steps), least / MARGIN)
        numeric = closer(ladder_differences(slope, steps, LADDER, noise))
        fine = ladder_differences(slope, steps, FINE)  # a kink may lie between the steps of the ladder
        with np.errstate(invalid="ignore"):
            apart = np.abs(fine.derivative - numeric.derivative)
            contradict = apart > MARGIN * (fine.error + numeric.error)
        error = np.where(contradict, apart, np.maximum(numeric.error, least * np.sqrt(gradient.size)))
        numeric = Differences(numeric.derivative, error)
        verdicts = np.where(kink, Verdict.UNDECIDED, decide(numeric))
    return InputComparison(
        argument.name,
        argument.shape,
        analytic=analytic,
        numeric=numeric.derivative,
        error=numeric.error,
        wrong=verdicts == Verdict.WRONG,
        undecided=verdicts == Verdict.UNDECIDED,
        zero=verdicts == Verdict.ZERO,
        scale=largest,
        kink=kink,
        directions=directions,
    )
