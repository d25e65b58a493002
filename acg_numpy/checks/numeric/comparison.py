"""Comparison of gradients with numeric derivatives: one derivative of each element, better ones if in doubt.

The first derivative is by the method that was asked for.  What it leaves undecided, or would call wrong, is decided by
better derivatives, from cheap to expensive, see `Comparator.compare`: so a check of a right gradient costs two calls an
element, or fewer if many fit in one call.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument, Evaluate, Outputs
from acg_numpy.checks.numeric.differences import (
    LADDER,
    MARGIN,
    NEIGHBOURS,
    SETTLED,
    Differences,
    best_step,
    central_differences,
    closer_differences,
    complex_step,
    element_slope,
    is_at_kink,
    is_beside_kink,
    ladder_differences,
    noise_level,
    one_sided_differences,
    output_eps,
    richardson,
)
from acg_numpy.checks.numeric.directional import compare_directional, directional_derivatives
from acg_numpy.checks.numeric.perturbations import PerturbedFunction
from acg_numpy.checks.numeric.verdicts import (
    ZERO,
    InputComparison,
    Tolerance,
    Verdict,
    allowed,
    decide_verdicts,
)
from acg_numpy.shapes import Array

FEW = 4  # vague elements whose differences are taken at steps far smaller than usual before those of all
SAMPLE = 16  # wrong elements whose noise is measured before that of all
COARSE = 1000  # in units of the rounding of the outputs: a larger error comes from rounding inside the function


class FirstDerivative(NamedTuple):
    """First derivatives of every element of an input, before any refinement.

    Attributes
    ----------
    numeric, base : Differences
        By the method asked for; by central differences.
    measured : boolean array
        For which elements the error is measured, and is not that of rounding alone.
    stepped : boolean array
        Which were taken by complex steps.
    not_analytic : int
        For how many elements complex steps were tried and could not be used.
    """

    numeric: Differences
    base: Differences
    measured: Array
    stepped: Array
    not_analytic: int = 0


class Comparator:
    """Comparator of the gradients of one input after the other with numeric derivatives.

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
        self.eps = output_eps(outputs)
        # what rounding does to a gradient behind outputs that no longer move, because they are saturated at about 1
        loud = [np.sum(np.abs(g) * np.fmin(np.abs(y), 1.0)) for g, y in zip(grad_outs, outputs, strict=True)]
        self.least = MARGIN * self.eps * float(sum(loud))
        self.function = PerturbedFunction(evaluate, values, grad_outs)
        self.complex_function = (
            None if evaluate_complex is None else PerturbedFunction(evaluate_complex, values, grad_outs)
        )

    # First derivatives

    def steps(self, which: int) -> Array:
        """Return the step for each element of an input."""
        x = np.ravel(self.function.values[which])
        return np.full(x.size, self.tolerance.step) if self.tolerance.step else np.atleast_1d(best_step(x, self.eps))

    def first_derivative(self, which: int) -> FirstDerivative:
        """Return derivatives by the method asked for, and by central differences."""
        flats = np.arange(np.size(self.function.values[which]))
        base = central_differences(self.function, which, flats, self.steps(which))
        none = np.zeros(flats.size, dtype=bool)
        if self.method == "richardson":
            return FirstDerivative(
                richardson(self.function, which, flats, self.eps, self.tolerance.step), base, ~none, none
            )
        if self.method != "complex":
            return FirstDerivative(base, base, none, none)
        found = self._by_complex_step(which, flats, base)
        if found is None:
            return FirstDerivative(base, base, none, none, not_analytic=flats.size)
        numeric, agrees = found
        doubtful = np.flatnonzero(~agrees)  # it may be the one central difference that is bad
        if doubtful.size:
            better = ladder_differences(
                element_slope(self.function, which, doubtful), self.steps(which)[doubtful], LADDER
            )
            again = self._by_complex_step(which, doubtful, better)
            if again is not None:
                numeric, agrees[doubtful] = numeric.replaced(doubtful, again[0]), again[1]
        return FirstDerivative(numeric, base, ~none, agrees, not_analytic=int(np.sum(~agrees)))

    def _by_complex_step(self, which: int, flats: Array, base: Differences) -> tuple[Differences, Array] | None:
        """Return complex steps where they agree with other differences, those elsewhere; and where they agree."""
        found = None if self.complex_function is None else complex_step(self.complex_function, which, flats)
        if found is None:
            return None
        with np.errstate(invalid="ignore"):
            margin = (
                MARGIN * base.error
                + 1e-6 * np.abs(base.derivative)
                + allowed(found.derivative, found.derivative, self.tolerance)
            )
            agrees = np.abs(found.derivative - base.derivative) <= margin
        return Differences(
            np.where(agrees, found.derivative, base.derivative), np.where(agrees, found.error, base.error)
        ), agrees

    def refine(self, which: int, a: Array, first: FirstDerivative, doubtful: Array) -> Differences:
        """Return the first derivative, for doubtful elements the best of three, or of a ladder where needed."""
        numeric, steps = first.numeric, self.steps(which)
        for ladder in (NEIGHBOURS,) if self.tolerance.step else (NEIGHBOURS, LADDER):
            if doubtful.size:
                better = ladder_differences(element_slope(self.function, which, doubtful), steps[doubtful], ladder)
                both = reconcile(numeric.at(doubtful), better, first.measured[doubtful])
                numeric = numeric.replaced(doubtful, both)
                with np.errstate(invalid="ignore"):
                    resolved = numeric.error[doubtful] <= allowed(a, numeric.derivative, self.tolerance)[doubtful]
                doubtful = doubtful[~resolved]
        return numeric

    def derivative(self, which: int) -> Differences:
        """Return the derivative by one input, in its shape, where there is no gradient to compare it with."""
        shape, first = self.arguments[which].shape, self.first_derivative(which)
        size = first.numeric.derivative.size
        found = self.refine(which, np.zeros(size), first, np.arange(size))
        return Differences(found.derivative.reshape(shape), found.error.reshape(shape))

    # Comparison and refinement

    def compare(self, which: int, gradient: Array, others: float, first: FirstDerivative) -> InputComparison:
        """Compare one input; `others` is the largest derivative by another one.

        One difference if it suffices; three if there is doubt, and a ladder if doubt remains; a complex step if the
        ladder resolves too little; and before an element is called wrong, one-sided differences, because at
        a kink all others agree with each other on a value that is no derivative.
        """
        argument = self.arguments[which]
        x, steps, a = np.ravel(argument.value), self.steps(which), np.ravel(gradient)
        numeric, base, _, stepped, not_analytic = first
        largest = max(others, finite_maximum(numeric.derivative))
        loudest = self._loudness(base, x, steps)
        scale = np.maximum(largest, loudest)

        def decide(numeric: Differences) -> Array:
            return decide_verdicts(a, numeric, scale, self.eps, self.tolerance)

        verdicts = decide(numeric)
        sure = (verdicts == Verdict.RIGHT) | ((verdicts == Verdict.ZERO) & (numeric.derivative == 0))
        numeric = self.refine(which, a, first, np.flatnonzero(~sure))
        verdicts = decide(numeric)
        step_fault = None
        if self.tolerance.step:
            numeric, verdicts, step_fault = self._retry_at_best_step(which, a, scale, numeric, verdicts)
        else:
            # steps longer than the input may find a scale at which all of the gradient is zero
            beyond = (verdicts >= Verdict.ZERO) & (steps > root_mean_square(x)) & np.any(x)
            numeric, steps = self._look_closer(which, numeric, np.flatnonzero(beyond | (verdicts >= Verdict.WRONG)))
            largest = max(others, finite_maximum(numeric.derivative))
            if np.any(beyond):
                far = np.flatnonzero(beyond)
                shorter = np.maximum(self.eps ** (1 / 3) * self._sizes(which), np.finfo(np.float64).tiny)
                steps[far] = np.minimum(steps, shorter)[far]
                near = central_differences(self.function, which, far, steps[far])
                loudest[far] = self._loudness(near, x[far], steps[far])
            scale = np.maximum(largest, loudest)
            verdicts = decide(numeric)
        numeric, again = self._retry_by_complex_step(which, numeric, verdicts == Verdict.UNDECIDED)
        stepped = stepped | again
        if step_fault is None:
            verdicts = decide(numeric)
        kink = self._kinks(which, a, verdicts)
        verdicts[kink] = Verdict.UNDECIDED
        if step_fault is None:
            wrong = np.flatnonzero(verdicts == Verdict.WRONG)
            numeric = self._add_noise(which, numeric, wrong[~stepped[wrong]], steps)
            numeric = self._add_gradient_rounding(which, numeric, wrong[stepped[wrong]], steps, largest, scale)
            error = np.maximum(numeric.error[wrong], self.least)
            numeric = numeric.replaced(wrong, Differences(numeric.derivative[wrong], error))
            verdicts[wrong] = decide(numeric)[wrong]
        coarse = self._is_too_coarse(numeric, base, verdicts, kink)
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
            not_analytic=not_analytic,
        )

    def _loudness(self, differences: Differences, x: Array, steps: Array) -> Array:
        """Return about |g| |y| / max(|x|, 1), from the rounding of differences at these steps."""
        return np.asarray(differences.error * steps / np.maximum(np.abs(x), 1.0) / self.eps)

    def _sizes(self, which: int) -> Array:
        """Return how large the elements of an input are, but none larger than is typical, and none zero."""
        x = np.ravel(self.function.values[which])
        typical = root_mean_square(x)
        return np.where(x != 0, np.minimum(np.abs(x), typical), typical)

    def _look_closer(self, which: int, numeric: Differences, doubtful: Array) -> tuple[Differences, Array]:
        """Return doubtful elements as their differences settle at steps far smaller than usual, and the steps of all.

        Those that are known well have settled.  Of the others some are tried first, and the rest only if these change.
        """
        with np.errstate(invalid="ignore"):
            vague = ~(numeric.error[doubtful] <= SETTLED * np.abs(numeric.derivative[doubtful]))
        doubtful, steps, sizes_of_all = doubtful[vague], self.steps(which), self._sizes(which)
        for tried in (doubtful[:: max(1, len(doubtful) // FEW)], doubtful):
            if not tried.size:
                return numeric, steps
            sizes = sizes_of_all[tried]
            slope, known = element_slope(self.function, which, tried), numeric.at(tried)
            closer = closer_differences(slope, steps[tried], sizes, known)
            changed = closer.error != known.error
            if not np.any(changed):
                return numeric, steps
        settled = changed & np.isfinite(closer.error)
        steps[tried[settled]] = np.minimum(steps[tried], self.eps ** (1 / 3) * sizes)[settled]
        return numeric.replaced(tried, closer), steps

    def _retry_at_best_step(
        self, which: int, a: Array, scale: Array, numeric: Differences, verdicts: Array
    ) -> tuple[Differences, Array, str | None]:
        """Find elements that are right at the best step, and for which the given step is therefore at fault."""
        off = np.flatnonzero((verdicts == Verdict.WRONG) | (verdicts == Verdict.UNDECIDED))
        if not off.size:
            return numeric, verdicts, None
        x = np.ravel(self.function.values[which])[off]
        best = np.atleast_1d(best_step(x, self.eps))
        better = ladder_differences(element_slope(self.function, which, off), best, LADDER)
        again = decide_verdicts(a[off], better, scale[off], self.eps, self.tolerance)
        right = (again == Verdict.RIGHT) | (again == Verdict.ZERO)
        if not np.any(right):
            return numeric, verdicts, None
        verdicts = verdicts.copy()
        verdicts[off[right]] = Verdict.UNDECIDED
        too_large = float(self.tolerance.step or 0.0) > float(np.median(best[right]))
        return numeric, verdicts, "step-too-large" if too_large else "step-too-small"

    def _is_too_coarse(self, numeric: Differences, base: Differences, verdicts: Array, kink: Array) -> bool:
        """Check whether elements are undecided because differences are far noisier than the outputs' last places."""
        open_ones = (verdicts == Verdict.UNDECIDED) & ~kink
        with np.errstate(invalid="ignore"):
            noisy = open_ones & (numeric.error > COARSE * base.error) & np.isfinite(numeric.error)
        return bool(np.any(noisy)) and int(np.sum(noisy)) * 2 >= int(np.sum(open_ones))

    def _retry_by_complex_step(self, which: int, numeric: Differences, undecided: Array) -> tuple[Differences, Array]:
        """Return undecided elements by complex steps where these agree with what is known; and where that is."""
        flats, stepped = np.flatnonzero(undecided), np.zeros(undecided.shape, dtype=bool)
        found = self._by_complex_step(which, flats, numeric.at(flats)) if flats.size else None
        if found is None:
            return numeric, stepped
        stepped[flats] = found[1]
        return numeric.replaced(flats, found[0]), stepped

    def _add_noise(self, which: int, numeric: Differences, wrong: Array, all_steps: Array) -> Differences:
        """Return wrong elements on a ladder whose errors include the measured noise of the function.

        Some elements are tried first, and the others only if these are noisy.
        """
        for tried in (wrong[:: max(1, len(wrong) // SAMPLE)], wrong):
            if not tried.size or self.tolerance.step:
                return numeric
            slope, steps = element_slope(self.function, which, tried), all_steps[tried]
            # half a last place may not show in the outputs, so the noise is never taken as less than that
            noise = np.maximum(noise_level(slope, steps), self.least / MARGIN)
            better = ladder_differences(slope, steps, LADDER, noise)
            worse = better.error > np.maximum(
                MARGIN * numeric.error[tried], self.tolerance.rtol * np.abs(better.derivative)
            )
            if not np.any(worse):
                return numeric
        return numeric.replaced(wrong[worse], better.at(worse))

    def _add_gradient_rounding(
        self, which: int, numeric: Differences, wrong: Array, all_steps: Array, largest: float, scale: Array
    ) -> Differences:
        """Return elements wrong by a complex step with an error that allows for the rounding of a right gradient.

        A complex step may know an element better than any backward can compute it: 1 - y * y where y is almost 1.  So
        a gradient is allowed the rounding of its largest elements, and of the outputs, at the precision that the
        function really has.
        """
        if not wrong.size:
            return numeric
        steps, slope = all_steps[wrong], element_slope(self.function, which, wrong)
        size = slope(np.arange(len(wrong)), steps, steps).error * 2 * steps / self.eps  # |g| |y|
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.maximum(noise_level(slope, steps) / size, self.eps)
        precision = np.where(np.isnan(precision), self.eps, precision)
        rounding = precision * (ZERO * largest / MARGIN + MARGIN * scale[wrong])
        return numeric.replaced(
            wrong, Differences(numeric.derivative[wrong], np.maximum(numeric.error[wrong], rounding))
        )

    def _kinks(self, which: int, a: Array, verdicts: Array) -> Array:
        """Find wrong elements that lie at a kink, or so close to one that the ladder steps across it."""
        found = np.zeros(a.shape, dtype=bool)
        off = np.flatnonzero(verdicts == Verdict.WRONG)
        if off.size:
            steps = np.atleast_1d(best_step(np.ravel(self.function.values[which])[off], self.eps))
            slope = element_slope(self.function, which, off)
            sides = one_sided_differences(slope, steps)
            found[off] = is_at_kink(slope, steps, a[off], sides) | is_beside_kink(slope, steps, a[off], sides)
        return found


def reconcile(one: Differences, other: Differences, measured: Array) -> Differences:
    """Return the better known of two derivatives; where they contradict each other, their distance is the error.

    If the error of the first was not measured, the other replaces it.
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
    """Compare the gradient of every checked argument with numeric derivatives.

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
    comparator = Comparator(evaluate, evaluate_complex, arguments, outputs, grad_outs, tolerance, method)
    comparable = [which for which, gradient in enumerate(gradients) if isinstance(gradient, np.ndarray)]
    rng = np.random.default_rng(seed)
    found: dict[int, InputComparison] = {}
    if method == "directional":
        checked = {which: arguments[which] for which in comparable}
        derivatives = {
            which: directional_derivatives(comparator.function, which, argument, comparator.eps, rng)
            for which, argument in checked.items()
        }
        largest = max((finite_maximum(one.numeric.derivative) for one in derivatives.values()), default=0.0)
        for which, one in derivatives.items():
            gradient = np.asarray(gradients[which])
            found[which] = compare_directional(one, gradient, largest, comparator.least, tolerance)
    else:
        first = {which: comparator.first_derivative(which) for which in comparable}
        maxima = {which: finite_maximum(numeric.derivative) for which, (numeric, *_) in first.items()}
        for which in comparable:
            others = max((size for other, size in maxima.items() if other != which), default=0.0)
            found[which] = comparator.compare(which, np.asarray(gradients[which]), others, first[which])
    return tuple(
        found[which] if which in found else _uncompared(argument, gradient)
        for which, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True))
    )


def _uncompared(argument: Argument, gradient: Array | str | None) -> InputComparison:
    """Return the entry of an input that is not compared."""
    fault = gradient if isinstance(gradient, str) else None
    return InputComparison(argument.name, argument.shape, held=argument.held, fault=fault)


def root_mean_square(array: Array) -> float:
    """Return the typical size of the elements, 0 where there is none; squares neither underflow nor overflow."""
    largest = float(np.max(np.abs(array), initial=0.0))
    if not 0.0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(np.mean(np.square(array / largest))))


def finite_maximum(array: Array) -> float:
    """Return the largest finite absolute value."""
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
