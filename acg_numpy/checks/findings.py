"""Findings of a check beside its verdicts: diagnoses if it failed, blind spots if it passed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from acg_numpy.checks.blind_spots import blind_spots
from acg_numpy.checks.build_report import NOT_REPEATABLE
from acg_numpy.checks.contract.checked_inputs import Argument, Evaluate, copy_arrays
from acg_numpy.checks.contract.side_effects import SideEffect
from acg_numpy.checks.explain import explain
from acg_numpy.checks.explain.case import Case, make_case
from acg_numpy.checks.numeric.comparison import Comparator
from acg_numpy.checks.numeric.differences import Differences
from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import BlindSpot, Diagnosis
from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.checks.settings import Settings
from acg_numpy.checks.tracing import trace
from acg_numpy.shapes import Array
from acg_numpy.text import counted, first_few, joined, joined_among

FOLLOWED = 1e-2  # how far a traced gradient may be from one that passed, relative to the largest element
FLOAT32 = 1e-5  # how far a gradient in float32 may be from one in float64, relative to its largest element
FLOAT16 = 1e-2


@dataclass(frozen=True)
class Subject:
    """Subject of a check, with what is needed to run it again.

    Attributes
    ----------
    arguments : sequence of Argument
    outputs : callable
        From all inputs to the tuple of floating outputs, on Tensors.
    evaluate : callable
        From the list of inputs to the tuple of floating outputs, on arrays.
    grad_outs : tuple of arrays
    entries : sequence
        What the backward returned, one an argument; fewer or more if the count is wrong.
    wrong_count : bool
        Whether the number of entries is wrong.
    coarse : bool
        Whether the entries hold no more digits than float32, whatever their dtype.
    """

    arguments: Sequence[Argument]
    outputs: Callable[..., Any]
    evaluate: Evaluate
    grad_outs: tuple[Array, ...]
    entries: Sequence[Any]
    wrong_count: bool = False
    coarse: bool = False


def add_findings(
    report: GradientReport, subject: Subject, settings: Settings, side_effects: Sequence[SideEffect] = ()
) -> GradientReport:
    """Add diagnoses to a report that failed, blind spots to one that passed."""
    # that a forward is random may be among the faults already
    messages = [one.message for one in side_effects if not (one.mistake == "random-forward" and report.faults)]
    report = replace(report, faults=(*report.faults, *messages))
    if side_effects:
        return replace(report, diagnoses=tuple(_observed(one.mistake, one.message) for one in side_effects))
    own = tuple(_diagnoses_of_check(report.comparisons, settings))
    if report.passed:
        return replace(report, diagnoses=own, blind_spots=_find_blind_spots(report, subject))
    if NOT_REPEATABLE in report.faults:
        return replace(report, diagnoses=(_observed("random-forward", NOT_REPEATABLE),))
    if subject.wrong_count or _has_gradient_of_held_input(subject):
        return replace(report, diagnoses=(_observed("wrong-count", report.faults[0]),))
    if not report.faults and not any(c.num_wrong for c in report.comparisons):
        return replace(report, diagnoses=own)  # nothing was decided
    report = _diagnose(report, subject, settings)
    return replace(report, diagnoses=(*report.diagnoses, *own))


def _diagnoses_of_check(comparisons: Sequence[InputComparison], settings: Settings) -> Iterator[Diagnosis]:
    """Diagnose the check where it is at fault and not the gradient: a kink, a step, a forward with too few digits."""
    kinks = [c for c in comparisons if c.num_kinks]
    if kinks:
        counts = joined([f"{c.num_kinks} of {c.name}" for c in kinks])
        yield _observed("kink", f"{counts} undecided; move these elements a little, or leave them out")
    for fault, better in (("step-too-large", "smaller"), ("step-too-small", "larger")):
        names = [c.name for c in comparisons if c.step_fault == fault]
        if names:
            message = f"step {settings.step:g} for {joined(names)}: a {better} one decides them; leave step out"
            yield _observed(fault, message)
    coarse = [c.name for c in comparisons if c.coarse]
    if coarse:
        yield _observed(
            "low-precision",
            f"by {joined(coarse)} it changes in steps far coarser than the last places of its outputs: something "
            "inside is computed in float32, or large numbers cancel",
        )


def _observed(mistake: str, message: str) -> Diagnosis:
    """Make a diagnosis of something that was seen and not inferred."""
    naming = MISTAKES[mistake]
    return Diagnosis(mistake, 1.0, f"{naming.meaning}: {message}", "seen, not inferred", naming.hint)


def _has_gradient_of_held_input(subject: Subject) -> bool:
    """Check whether a gradient was returned for an input that is held fixed."""
    return any(
        not argument.checked and entry is not None
        for argument, entry in zip(subject.arguments, subject.entries, strict=False)
    )


def _find_blind_spots(report: GradientReport, subject: Subject) -> tuple[BlindSpot, ...]:
    """Find the mistakes that a passed check could not have seen, as far as its forward can be traced.

    A graph whose gradients are not those that passed is not what the forward computes, and says nothing.
    """
    values = copy_arrays([argument.value for argument in subject.arguments])
    with np.errstate(all="ignore"):
        try:
            graph = trace(subject.outputs, values, [argument.checked for argument in subject.arguments])
            grads = graph.gradients(subject.grad_outs)
            if not _agree(report, subject, graph.at_inputs(grads)):
                return ()
            return blind_spots(subject.arguments, graph, grads)
        except Exception:  # anything that a user's function may do with Tensors
            return ()


def _agree(report: GradientReport, subject: Subject, traced: Sequence[Array]) -> bool:
    """Check whether the gradients of a trace are those that passed, where these were decided."""
    checked = [which for which, argument in enumerate(subject.arguments) if argument.checked]
    scale = max((float(np.max(np.abs(gradient), initial=0.0)) for gradient in traced), default=0.0)
    for which, gradient in zip(checked, traced, strict=True):
        comparison = report.comparisons[which]
        if comparison.analytic is None or comparison.undecided is None or comparison.directions is not None:
            continue
        off = ~(
            np.abs(gradient - comparison.analytic)
            <= FOLLOWED * max(scale, np.max(np.abs(comparison.analytic), initial=0.0))
        )
        if np.any(off & ~comparison.undecided):
            return False
    return True


def _diagnose(report: GradientReport, subject: Subject, settings: Settings) -> GradientReport:
    """Add the mistake to a failed report, or what is known about it."""
    case = _make_case(report, subject, settings)
    if _only_dtype_is_wrong(case, subject):
        pairs = zip(report.comparisons, subject.entries, strict=False)
        faults = [c.fault for c, entry in pairs if c.fault is not None and _dtype_of(entry) not in (None, np.float64)]
        return replace(report, diagnoses=(_observed("wrong-dtype", faults[0]),))
    findings = explain(case)
    notes = [*report.notes, *findings.notes]
    if not findings.diagnoses and case.wrong:
        notes.append(_summarise(case, findings.complete))
    return replace(report, diagnoses=findings.diagnoses, notes=tuple(notes))


def _make_case(report: GradientReport, subject: Subject, settings: Settings) -> Case:
    """Make the case of the submitted gradients beside the right ones."""
    case = make_case(
        subject.outputs,
        subject.arguments,
        subject.grad_outs,
        subject.entries,
        _numeric_derivatives(report.comparisons, subject, settings),
    )
    if subject.coarse or any(_dtype_of(entry) == np.float32 for entry in subject.entries):
        case = replace(case, tolerance=max(case.tolerance, FLOAT32))
    if any(_dtype_of(entry) == np.float16 for entry in subject.entries):
        case = replace(case, tolerance=max(case.tolerance, FLOAT16))
    return case


def _numeric_derivatives(
    comparisons: Sequence[InputComparison], subject: Subject, settings: Settings
) -> dict[int, Differences]:
    """Return the derivative by each checked input, computed now where its gradient could not be compared."""
    known = {
        which: Differences(c.numeric, c.error)
        for which, c in enumerate(comparisons)
        if c.numeric is not None and c.error is not None and c.directions is None
    }
    missing = [which for which, c in enumerate(comparisons) if c.held is None and which not in known]
    if not missing:
        return known
    values = [argument.value for argument in subject.arguments]
    comparator = Comparator(
        subject.evaluate,
        None,
        subject.arguments,
        subject.evaluate(values),
        subject.grad_outs,
        settings.tolerance,
        "central",
    )
    return known | {which: comparator.derivative(which) for which in missing}


def _dtype_of(entry: Any) -> Any:
    """Return the dtype of an array, None for anything else."""
    return getattr(entry, "dtype", None)


def _only_dtype_is_wrong(case: Case, subject: Subject) -> bool:
    """Check whether only a dtype is wrong: the values are right, or right but for a cast to integers."""
    entries = [e for a, e in zip(subject.arguments, subject.entries, strict=False) if a.checked]
    others = [e for e in entries if _dtype_of(e) not in (None, np.float64)]
    if not others:
        return False
    for which in case.wrong:
        entry, mine = entries[which], case.submitted[which]
        dtype = _dtype_of(entry)
        if mine is None or dtype is None or dtype.kind not in "iu" or mine.shape != case.right[which].shape:
            return False
        if not any(np.array_equal(mine, cast(case.right[which])) for cast in (np.trunc, np.round, np.floor)):
            return False
    return True


def _summarise(case: Case, complete: bool) -> str:
    """Summarise which inputs are right, where the errors are, and which part of the forward causes all of them."""
    right = [name for i, name in enumerate(case.names) if i not in case.wrong]
    tried = complete and case.graph is not None
    parts = ["no corruption of one or two places in the backward gives these gradients"] if tried else []
    if right:
        parts.append(f"right: {joined_among(right, case.names)}")
    parts += [_location_of_errors(case, i) for i in case.wrong]
    if case.graph is not None:
        wrong = set(case.wrong)
        behind = [
            operation.line
            for operation, inputs in zip(case.graph.operations, case.graph.dependencies, strict=True)
            if inputs == wrong and operation.line is not None
        ]
        if behind:
            parts.append(f"all that is wrong, and nothing else, lies behind {behind[-1]}: look for it from there on")
    return "; ".join(parts)


def _location_of_errors(case: Case, which: int) -> str:
    """Describe which elements of one gradient are wrong: all, those at some places along an axis, or how many."""
    name, mine, right = case.names[which], case.submitted[which], case.right[which]
    if mine is None or mine.shape != right.shape:
        return f"the gradient of {name} has another shape than {name}"
    off = ~(np.abs(mine - right) <= case.tolerance * np.max(np.abs(right), initial=0.0))  # also where that is NaN
    if np.all(off):
        return f"{name} is wrong everywhere"
    for axis in range(off.ndim):
        places = np.flatnonzero(np.any(off, axis=tuple(a for a in range(off.ndim) if a != axis)))
        if len(places) < off.shape[axis]:
            return f"{name} is wrong only at {first_few(map(int, places), 6)} along axis {axis}"
    return f"{name} is wrong in {int(np.sum(off))} of {counted(off.size, 'element')}"
