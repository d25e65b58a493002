"""Holding gradients against numeric derivatives: one derivative for everything, better ones for what is in dispute.

The first is by the method that was asked for.  What it leaves undecided, or would call wrong, is settled by better,
from cheap to dear, see `Judge.settle`: so a check of a right gradient costs two calls an element, or fewer where many
fit in one call.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument, Evaluate, Outputs
from acg_numpy.checks.numeric.differences import (
    LADDER,
    NEIGHBOURS,
    Differences,
    at_kinks,
    beside_kinks,
    best_step,
    by_elements,
    central,
    complex_step,
    noise_near,
    on_ladder,
    one_sided,
    resolution_of,
    richardson,
)
from acg_numpy.checks.numeric.directional import settled, taken_along
from acg_numpy.checks.numeric.perturbations import Surroundings
from acg_numpy.checks.numeric.verdicts import MARGIN, ZERO, InputComparison, Tolerance, Verdict, allowed, verdicts_on
from acg_numpy.shapes import Array

SAMPLE = 16  # wrong elements of which the noise is measured, before it is of all
COARSE = 1000  # in units of the rounding that the outputs show: an error above it comes from rounding that they hide


class First(NamedTuple):
    """A first derivative of every element of an input.

    Attributes
    ----------
    numeric, base : Differences
        By the method asked for; by central differences.
    measured : boolean array
        Of which elements the error is measured, and not that of rounding alone.
    stepped : boolean array
        Which were taken by complex steps.
    in_vain : int
        For how many that was tried, and given up.
    """

    numeric: Differences
    base: Differences
    measured: Array
    stepped: Array
    in_vain: int = 0


class Judge:
    """Holds the gradient of one input after the other against numeric derivatives.

    Parameters
    ----------
    evaluate, evaluate_complex : callables
        From the list of inputs to the tuple of floating outputs; the second, None if there is none, takes complex ones.
    arguments : sequence of Argument
        The point at which to compare.
    outputs, grad_outs : tuples of arrays
        The outputs there, and the weights that they are contracted with.
    tolerance : Tolerance
    method : str
        One of `settings.METHODS`.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        evaluate_complex: Evaluate | None,
        arguments: Sequence[Argument],
        outputs: Outputs,
        grad_outs: Outputs,
        tolerance: Tolerance,
        method: str,
    ) -> None:
        values = [argument.value for argument in arguments]
        self.arguments, self.tolerance, self.method = arguments, tolerance, method
        self.eps = resolution_of(outputs)
        # What rounding does to a gradient behind outputs that no longer move, being saturated at about 1.
        loud = [np.sum(np.abs(g) * np.fmin(np.abs(y), 1.0)) for g, y in zip(grad_outs, outputs, strict=True)]
        self.least = MARGIN * self.eps * float(sum(loud))
        self.here = Surroundings(evaluate, values, grad_outs)
        self.analytic = None if evaluate_complex is None else Surroundings(evaluate_complex, values, grad_outs)

    # A first derivative of everything.

    def steps(self, which: int) -> Array:
        """The step for each element of an input."""
        x = np.ravel(self.here.values[which])
        return np.full(x.size, self.tolerance.step) if self.tolerance.step else np.atleast_1d(best_step(x, self.eps))

    def first(self, which: int) -> First:
        """By the method asked for, and by central differences."""
        flats = np.arange(np.size(self.here.values[which]))
        base = central(self.here, which, flats, self.steps(which))
        none = np.zeros(flats.size, dtype=bool)
        if self.method == "richardson":
            return First(richardson(self.here, which, flats, self.eps, self.tolerance.step), base, ~none, none)
        if self.method != "complex":
            return First(base, base, none, none)
        found = self.by_complex_step(which, flats, base)
        if found is None:
            return First(base, base, none, none, in_vain=flats.size)
        numeric, agrees = found
        doubtful = np.flatnonzero(~agrees)  # or is it the one central difference that is bad?
        if doubtful.size:
            better = on_ladder(by_elements(self.here, which, doubtful), self.steps(which)[doubtful], LADDER)
            again = self.by_complex_step(which, doubtful, better)
            if again is not None:
                numeric, agrees[doubtful] = numeric.replaced(doubtful, again[0]), again[1]
        return First(numeric, base, ~none, agrees, in_vain=int(np.sum(~agrees)))

    def by_complex_step(self, which: int, flats: Array, base: Differences) -> tuple[Differences, Array] | None:
        """Complex steps where they agree with other differences, those elsewhere; and where they do."""
        found = None if self.analytic is None else complex_step(self.analytic, which, flats)
        if found is None:
            return None
        with np.errstate(invalid="ignore"):
            give = (
                MARGIN * base.error
                + 1e-6 * np.abs(base.derivative)
                + allowed(found.derivative, found.derivative, self.tolerance)
            )
            agrees = np.abs(found.derivative - base.derivative) <= give
        return Differences(
            np.where(agrees, found.derivative, base.derivative), np.where(agrees, found.error, base.error)
        ), agrees

    def refined(self, which: int, a: Array, first: First, doubtful: Array) -> Differences:
        """The first derivative; for doubtful elements the best of three, and if that is not enough of a ladder."""
        numeric, steps = first.numeric, self.steps(which)
        for ladder in (NEIGHBOURS,) if self.tolerance.step else (NEIGHBOURS, LADDER):
            if doubtful.size:
                better = on_ladder(by_elements(self.here, which, doubtful), steps[doubtful], ladder)
                both = reconciled(numeric.at(doubtful), better, first.measured[doubtful])
                numeric = numeric.replaced(doubtful, both)
                with np.errstate(invalid="ignore"):
                    resolved = numeric.error[doubtful] <= allowed(a, numeric.derivative, self.tolerance)[doubtful]
                doubtful = doubtful[~resolved]
        return numeric

    def derivative(self, which: int) -> Differences:
        """The derivative by one input, in its shape, where there is no gradient to hold against it."""
        shape, first = self.arguments[which].shape, self.first(which)
        size = first.numeric.derivative.size
        found = self.refined(which, np.zeros(size), first, np.arange(size))
        return Differences(found.derivative.reshape(shape), found.error.reshape(shape))

    # What is left in dispute.

    def settle(self, which: int, gradient: Array, largest: float, first: First) -> InputComparison:
        """Compare one input.

        One difference where it suffices; three where there is doubt, and a ladder where doubt remains; a complex step
        where the ladder resolves too little; and before anything is called wrong, one-sided differences, as at a kink
        all others agree with each other on what is no derivative.
        """
        argument = self.arguments[which]
        x, steps, a = np.ravel(argument.value), self.steps(which), np.ravel(gradient)
        numeric, base, _, stepped, in_vain = first
        reach = steps / np.maximum(np.abs(x), 1.0)
        scale = np.maximum(largest, base.error * reach / self.eps)  # the latter is about |g| |y| / max(|x|, 1)

        def judged(numeric: Differences) -> Array:
            return verdicts_on(a, numeric, scale, self.eps, self.tolerance)

        verdicts = judged(numeric)
        sure = (verdicts == Verdict.RIGHT) | ((verdicts == Verdict.ZERO) & (numeric.derivative == 0))
        numeric = self.refined(which, a, first, np.flatnonzero(~sure))
        verdicts = judged(numeric)
        step_fault = None
        if self.tolerance.step:
            numeric, verdicts, step_fault = self.at_the_best_step(which, a, scale, numeric, verdicts)
        numeric, again = self.retried(which, numeric, verdicts == Verdict.UNDECIDED)
        stepped = stepped | again
        if step_fault is None:
            verdicts = judged(numeric)
        kink = self.kinks(which, a, verdicts)
        verdicts[kink] = Verdict.UNDECIDED
        if step_fault is None:
            wrong = np.flatnonzero(verdicts == Verdict.WRONG)
            numeric = self.with_noise(which, numeric, wrong[~stepped[wrong]])
            numeric = self.with_noise_of_gradients(which, numeric, wrong[stepped[wrong]], base, largest, scale)
            error = np.maximum(numeric.error[wrong], self.least)
            numeric = numeric.replaced(wrong, Differences(numeric.derivative[wrong], error))
            verdicts[wrong] = judged(numeric)[wrong]
        coarse = self.rounds_too_much(numeric, base, verdicts, kink)
        shape = argument.shape

        def shaped(array: Array) -> Array:
            return np.reshape(array, shape)

        return InputComparison(
            argument.name,
            shape,
            analytic=gradient,
            numeric=shaped(numeric.derivative),
            error=shaped(numeric.error),
            wrong=shaped(verdicts == Verdict.WRONG),
            undecided=shaped(verdicts == Verdict.UNDECIDED),
            zero=shaped(verdicts == Verdict.ZERO),
            scale=largest,
            kink=shaped(kink),
            step_fault=step_fault,
            coarse=coarse,
            not_analytic=in_vain,
        )

    def at_the_best_step(
        self, which: int, a: Array, scale: Array, numeric: Differences, verdicts: Array
    ) -> tuple[Differences, Array, str | None]:
        """Whether a given step is to blame: at the best one, the elements that it calls wrong are right."""
        off = np.flatnonzero((verdicts == Verdict.WRONG) | (verdicts == Verdict.UNDECIDED))
        if not off.size:
            return numeric, verdicts, None
        x = np.ravel(self.here.values[which])[off]
        best = np.atleast_1d(best_step(x, self.eps))
        better = on_ladder(by_elements(self.here, which, off), best, LADDER)
        again = verdicts_on(a[off], better, scale[off], self.eps, self.tolerance)
        right = (again == Verdict.RIGHT) | (again == Verdict.ZERO)
        if not np.any(right):
            return numeric, verdicts, None
        verdicts = verdicts.copy()
        verdicts[off[right]] = Verdict.UNDECIDED
        too_large = float(self.tolerance.step or 0.0) > float(np.median(best[right]))
        return numeric, verdicts, "step-too-large" if too_large else "step-too-small"

    def rounds_too_much(self, numeric: Differences, base: Differences, verdicts: Array, kink: Array) -> bool:
        """Whether what is undecided is so because differences are far noisier than the outputs' last places."""
        open_ones = (verdicts == Verdict.UNDECIDED) & ~kink
        with np.errstate(invalid="ignore"):
            noisy = open_ones & (numeric.error > COARSE * base.error) & np.isfinite(numeric.error)
        return bool(np.any(noisy)) and int(np.sum(noisy)) * 2 >= int(np.sum(open_ones))

    def retried(self, which: int, numeric: Differences, undecided: Array) -> tuple[Differences, Array]:
        """What is undecided, by complex step where that agrees with what is known; and where that is."""
        flats, stepped = np.flatnonzero(undecided), np.zeros(undecided.shape, dtype=bool)
        found = self.by_complex_step(which, flats, numeric.at(flats)) if flats.size else None
        if found is None:
            return numeric, stepped
        stepped[flats] = found[1]
        return numeric.replaced(flats, found[0]), stepped

    def with_noise(self, which: int, numeric: Differences, wrong: Array) -> Differences:
        """What is to be called wrong, on a ladder whose rungs know the noise that the function really has.

        Some elements are tried first, and the others only if these are noisy.
        """
        for tried in (wrong[:: max(1, len(wrong) // SAMPLE)], wrong):
            if not tried.size or self.tolerance.step:
                return numeric
            slope, steps = by_elements(self.here, which, tried), self.steps(which)[tried]
            noise = np.maximum(noise_near(slope, steps), self.least / MARGIN)  # half a last place may not show
            better = on_ladder(slope, steps, LADDER, noise)
            worse = better.error > np.maximum(
                MARGIN * numeric.error[tried], self.tolerance.rtol * np.abs(better.derivative)
            )
            if not np.any(worse):
                return numeric
        return numeric.replaced(wrong[worse], better.at(worse))

    def with_noise_of_gradients(
        self, which: int, numeric: Differences, wrong: Array, base: Differences, largest: float, scale: Array
    ) -> Differences:
        """What is to be called wrong by a complex step, with what rounding may have done to a right gradient.

        A complex step may know an element better than any backward can compute it: 1 - y * y where y is almost 1.  So
        a gradient is granted what its largest elements, and the outputs, round off, at the precision that the function
        really has.
        """
        if not wrong.size:
            return numeric
        steps = self.steps(which)[wrong]
        size = base.error[wrong] * 2 * steps / self.eps  # |g| |y|
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.maximum(noise_near(by_elements(self.here, which, wrong), steps) / size, self.eps)
        precision = np.where(np.isnan(precision), self.eps, precision)
        granted = precision * (ZERO * largest / MARGIN + MARGIN * scale[wrong])
        return numeric.replaced(
            wrong, Differences(numeric.derivative[wrong], np.maximum(numeric.error[wrong], granted))
        )

    def kinks(self, which: int, a: Array, verdicts: Array) -> Array:
        """Which wrong elements sit at a kink, or so close to one that the ladder steps across it."""
        found = np.zeros(a.shape, dtype=bool)
        off = np.flatnonzero(verdicts == Verdict.WRONG)
        if off.size:
            steps = np.atleast_1d(best_step(np.ravel(self.here.values[which])[off], self.eps))
            slope = by_elements(self.here, which, off)
            sides = one_sided(slope, steps)
            found[off] = at_kinks(slope, steps, a[off], sides) | beside_kinks(slope, steps, a[off], sides)
        return found


def reconciled(one: Differences, other: Differences, measured: Array) -> Differences:
    """Of two derivatives the one that is known better; where they contradict each other, that is the error.

    Where the error of the first was not measured, the other replaces it.
    """
    with np.errstate(invalid="ignore"):
        better = measured & (one.error < other.error)
        apart = np.abs(one.derivative - other.derivative)
        apart = np.where(np.isfinite(apart), apart, 0.0)
        contradict = measured & (apart > MARGIN * (one.error + other.error))
    derivative = np.where(better, one.derivative, other.derivative)
    error = np.where(better, one.error, other.error)
    return Differences(derivative, np.where(contradict, apart, error))


def compare(
    evaluate: Evaluate,
    arguments: Sequence[Argument],
    outputs: Outputs,
    grad_outs: Outputs,
    gradients: Sequence[Array | str | None],
    tolerance: Tolerance,
    *,
    method: str = "central",
    evaluate_complex: Evaluate | None = None,
    seed: int = 0,
) -> tuple[InputComparison, ...]:
    """Hold the gradient of every checked argument against numeric derivatives.

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
    method : {"central", "richardson", "complex", "directional"}
    evaluate_complex : callable, optional
        The same as `evaluate` for inputs of which one is complex.
    seed : int
        Draws the directions.
    """
    judge = Judge(evaluate, evaluate_complex, arguments, outputs, grad_outs, tolerance, method)
    comparable = [which for which, gradient in enumerate(gradients) if isinstance(gradient, np.ndarray)]
    rng = np.random.default_rng(seed)
    found: dict[int, InputComparison] = {}
    if method == "directional":
        checked = {which: arguments[which] for which in comparable}
        taken = {which: taken_along(judge.here, which, argument, judge.eps, rng) for which, argument in checked.items()}
        largest = max((finite_maximum(along.numeric.derivative) for along in taken.values()), default=0.0)
        for which, along in taken.items():
            found[which] = settled(along, np.asarray(gradients[which]), largest, judge.least, tolerance)
    else:
        first = {which: judge.first(which) for which in comparable}
        largest = max((finite_maximum(numeric.derivative) for numeric, *_ in first.values()), default=0.0)
        for which in comparable:
            found[which] = judge.settle(which, np.asarray(gradients[which]), largest, first[which])
    return tuple(
        found[which] if which in found else left_out(argument, gradient)
        for which, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True))
    )


def left_out(argument: Argument, gradient: Array | str | None) -> InputComparison:
    """The entry of an input that is not compared."""
    fault = gradient if isinstance(gradient, str) else None
    return InputComparison(argument.name, argument.shape, held=argument.held, fault=fault)


def finite_maximum(array: Array) -> float:
    """The largest finite absolute value."""
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
