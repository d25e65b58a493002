"""The report on the gradients of a function that can be evaluated: faults, comparisons and notes."""

from collections.abc import Sequence

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument, Evaluate, Outputs
from acg_numpy.checks.numeric.comparison import compare
from acg_numpy.checks.numeric.differences import output_eps
from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.checks.settings import Settings
from acg_numpy.shapes import Array
from acg_numpy.text import counted, joined

NOT_REPEATABLE = (
    "called twice at the same inputs, the function gives different outputs, and so has no derivative; draw random "
    "numbers outside and pass them in"
)


def build_report(
    title: str,
    settings: Settings,
    arguments: Sequence[Argument],
    evaluate: Evaluate,
    grad_outs: Outputs,
    gradients: Sequence[Array | str | None],
    fault: str | None = None,
    order: int = 1,
    evaluate_complex: Evaluate | None = None,
) -> GradientReport:
    """Compare what can be compared, and collect faults and notes.

    Parameters
    ----------
    title : str
        What is being checked.
    settings : Settings
    arguments : sequence of Argument
        The point at which to compare.
    evaluate : callable
        Takes the list of inputs, returns the floating outputs.
    grad_outs : tuple of arrays
        What the outputs are contracted with.
    gradients : sequence, one entry an argument
        The gradient under test, or a sentence on why it cannot be compared, or None.
    fault : str, optional
        What is wrong with the gradients as a whole.
    order : {1, 2}
    evaluate_complex : callable, optional
        The same as `evaluate`, for complex inputs.
    """
    values = [argument.value for argument in arguments]
    outputs, again = evaluate(values), evaluate(values)
    faults = [fault] if fault else []
    if not all(np.array_equal(one, other, equal_nan=True) for one, other in zip(outputs, again, strict=True)):
        faults.append(NOT_REPEATABLE)
        gradients = [None] * len(arguments)
    comparisons = compare(
        evaluate,
        arguments,
        outputs,
        grad_outs,
        gradients,
        settings.tolerance,
        method=settings.method,
        evaluate_complex=evaluate_complex,
        seed=settings.seed,
    )
    faults += [comparison.fault for comparison in comparisons if comparison.fault is not None]
    notes = _notes(outputs, comparisons, order)
    return GradientReport(title, str(settings), comparisons, tuple(faults), tuple(notes), order=order)


def _notes(outputs: Outputs, comparisons: Sequence[InputComparison], order: int) -> list[str]:
    """Write what is worth knowing about a check beside its verdict."""
    notes = []
    if output_eps(outputs) > np.finfo(np.float64).eps:
        dtypes = joined(sorted({str(output.dtype) for output in outputs}))
        notes.append(
            f"inputs were given in float64, and outputs came back in {dtypes}: something on the way casts them down, "
            "and numeric derivatives are too coarse to check much; look for astype and dtype="
        )
    notes += [
        f"the gradient of {c.name} holds NaN at {int(np.sum(np.isnan(c.analytic)))} of "
        f"{counted(c.analytic.size, 'element')}"
        for c in comparisons
        if c.analytic is not None and np.any(np.isnan(c.analytic))
    ]
    not_analytic = [c.name for c in comparisons if c.not_analytic]
    if not_analytic:
        notes.append(
            f"{joined(not_analytic)}: for {counted(sum(c.not_analytic for c in comparisons), 'element')} complex steps "
            "and central differences disagree, or the function takes no complex numbers: it is not complex-analytic "
            "there (abs, maximum and casts are not), and central differences were used"
        )
    dead = [comparison.name for comparison in comparisons if comparison.dead]
    if dead and order == 1:
        notes.append(
            f"{joined(dead)}: the gradient is right, and identically zero: "
            f"{'these inputs' if len(dead) > 1 else 'this input'} cannot learn"
        )
    for comparison in comparisons:
        if comparison.undecided is None or comparison.error is None or comparison.step_fault is not None:
            continue  # a step that is at fault has a diagnosis of its own
        coarse = comparison.undecided if comparison.kink is None else comparison.undecided & ~comparison.kink
        if not np.any(coarse):
            continue
        uncertain = np.max(comparison.error[coarse])
        notes.append(
            f"{comparison.name}: {int(np.sum(coarse))} of {coarse.size} elements undecided: there "
            f"the numeric derivative is uncertain by up to {uncertain:.1g}, more than rtol and atol allow for; inputs "
            "of other sizes, a larger rtol or an atol may decide them"
        )
    return notes
