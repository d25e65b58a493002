"""What does a report say beyond right and wrong: the mistake where it failed, what it could not see where it passed?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from acg_numpy.checks.blind_spots import blind_spots
from acg_numpy.checks.contract.checked_inputs import Argument, Evaluate, copied
from acg_numpy.checks.contract.side_effects import Misconduct
from acg_numpy.checks.explain import explain
from acg_numpy.checks.explain.case import Case, make_case
from acg_numpy.checks.numeric.comparison import Judge
from acg_numpy.checks.numeric.differences import Differences
from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import BlindSpot, Diagnosis
from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.checks.settings import Settings
from acg_numpy.checks.tracing import trace
from acg_numpy.shapes import Array

COARSE = 1e-5  # how far float32 may be from float64


@dataclass(frozen=True)
class Subject:
    """What was checked, and how to run it again.

    Attributes
    ----------
    arguments : sequence of Argument
    outputs : callable
        From all inputs to the tuple of floating outputs, on Tensors.
    evaluate : callable
        From the list of inputs to the tuple of floating outputs, on arrays.
    grad_outs : tuple of arrays
    entries : sequence
        What the backward returned, one an argument; fewer or more where the count is wrong.
    miscount : bool
        Whether it is.
    """

    arguments: Sequence[Argument]
    outputs: Callable[..., Any]
    evaluate: Evaluate
    grad_outs: tuple[Array, ...]
    entries: Sequence[Any]
    miscount: bool = False


def with_findings(
    report: GradientReport, subject: Subject, settings: Settings, conduct: Sequence[Misconduct] = ()
) -> GradientReport:
    """A report with diagnoses where it failed, with blind spots where it passed."""
    said = [m.message for m in conduct if not (m.mistake == "random-forward" and report.faults)]
    report = replace(report, faults=(*report.faults, *said))
    if conduct:
        return replace(report, diagnoses=tuple(told(m.mistake, m.message) for m in conduct))
    own = tuple(of_the_check(report.comparisons, settings))
    if report.passed:
        return replace(report, diagnoses=own, blind_spots=spots(subject))
    if any("called twice" in fault for fault in report.faults):
        return replace(report, diagnoses=(told("random-forward", report.faults[0]),))
    if subject.miscount or held_but_given(subject):
        return replace(report, diagnoses=(told("wrong-count", report.faults[0]),))
    if not report.faults and not any(c.num_wrong for c in report.comparisons):
        return replace(report, diagnoses=own)  # nothing was decided
    report = diagnosed(report, subject, settings)
    return replace(report, diagnoses=(*report.diagnoses, *own))


def of_the_check(comparisons: Sequence[InputComparison], settings: Settings) -> Iterator[Diagnosis]:
    """Where the check is off and not the gradient: a kink, a step, a forward with too few digits."""
    kinks = [c for c in comparisons if c.num_kinks]
    if kinks:
        counted = ", ".join(f"{c.num_kinks} of {c.name}" for c in kinks)
        yield told("kink", f"{counted} undecided; move these elements a little, or leave them out")
    for fault, mend in (("step-too-large", "smaller"), ("step-too-small", "larger")):
        names = [c.name for c in comparisons if c.step_fault == fault]
        if names:
            message = f"step {settings.step:g} for {', '.join(names)}: a {mend} one decides them; leave step out"
            yield told(fault, message)
    coarse = [c.name for c in comparisons if c.coarse]
    if coarse:
        yield told(
            "low-precision",
            f"by {', '.join(coarse)} it changes in steps far coarser than the last places of its outputs: something "
            "inside is computed in float32, or large numbers cancel",
        )


def told(mistake: str, message: str) -> Diagnosis:
    """A diagnosis of something that was seen and not inferred."""
    naming = MISTAKES[mistake]
    return Diagnosis(mistake, 1.0, f"{naming.meaning}: {message}", "seen, not inferred", naming.hint)


def held_but_given(subject: Subject) -> bool:
    """Whether a gradient was returned for an input that has none, and no other fault explains it."""
    return any(
        not argument.checked and entry is not None
        for argument, entry in zip(subject.arguments, subject.entries, strict=False)
    )


def spots(subject: Subject) -> tuple[BlindSpot, ...]:
    """What a passed check could not have seen, as far as its forward can be traced."""
    with np.errstate(all="ignore"):
        return spots_of(subject)


def spots_of(subject: Subject) -> tuple[BlindSpot, ...]:
    """The same, warnings aside."""
    try:
        values = copied([argument.value for argument in subject.arguments])
        graph = trace(subject.outputs, values, [argument.checked for argument in subject.arguments])
        grads = graph.gradients(subject.grad_outs)
        return blind_spots(subject.arguments, graph, grads)
    except Exception:  # whatever somebody's function does when it meets Tensors
        return ()


def diagnosed(report: GradientReport, subject: Subject, settings: Settings) -> GradientReport:
    """A failed report with the mistake, or with what is known about it."""
    case = case_of(report, subject, settings)
    if of_dtype_alone(case, subject):
        message = next(fault for fault in report.faults if "dtype" in fault)
        return replace(report, diagnoses=(told("wrong-dtype", message),))
    findings = explain(case)
    notes = [*report.notes, *findings.notes]
    if not findings.diagnoses and case.wrong:
        notes.append(what_is_known(case))
    return replace(report, diagnoses=findings.diagnoses, notes=tuple(notes))


def case_of(report: GradientReport, subject: Subject, settings: Settings) -> Case:
    """The gradients submitted beside the right ones."""
    case = make_case(
        subject.outputs,
        subject.arguments,
        subject.grad_outs,
        subject.entries,
        numeric_derivatives(report.comparisons, subject, settings),
    )
    if any(dtype_of(entry) == np.float32 for entry in subject.entries):
        case = replace(case, tolerance=max(case.tolerance, COARSE))
    if any(dtype_of(entry) == np.float16 for entry in subject.entries):
        case = replace(case, tolerance=max(case.tolerance, 1e3 * COARSE))
    return case


def numeric_derivatives(
    comparisons: Sequence[InputComparison], subject: Subject, settings: Settings
) -> dict[int, Differences]:
    """The derivative by each checked input, taken now where its gradient had no form to be compared in."""
    known = {
        which: Differences(c.numeric, c.error)
        for which, c in enumerate(comparisons)
        if c.numeric is not None and c.error is not None and c.directions is None
    }
    missing = [which for which, c in enumerate(comparisons) if c.held is None and which not in known]
    if not missing:
        return known
    values = [argument.value for argument in subject.arguments]
    judge = Judge(
        subject.evaluate,
        None,
        subject.arguments,
        subject.evaluate(values),
        subject.grad_outs,
        settings.tolerance,
        "central",
    )
    return known | {which: judge.derivative(which) for which in missing}


def dtype_of(entry: Any) -> Any:
    """The dtype of an array, None for what is none."""
    return getattr(entry, "dtype", None)


def of_dtype_alone(case: Case, subject: Subject) -> bool:
    """Whether all that is wrong is a dtype: the values are right, or right but for a cast to integers."""
    entries = [e for a, e in zip(subject.arguments, subject.entries, strict=False) if a.checked]
    others = [e for e in entries if dtype_of(e) not in (None, np.float64)]
    if not others:
        return False
    for which in case.wrong:
        entry, mine = entries[which], case.submitted[which]
        dtype = dtype_of(entry)
        if mine is None or dtype is None or dtype.kind not in "iu" or mine.shape != case.right[which].shape:
            return False
        if not any(np.array_equal(mine, cast(case.right[which])) for cast in (np.trunc, np.round, np.floor)):
            return False
    return True


def what_is_known(case: Case) -> str:
    """Where nothing fits: which inputs are right, where the errors sit, what part of the forward they lie behind."""
    right = [name for i, name in enumerate(case.names) if i not in case.wrong]
    parts = ["no corruption of one or two places in the backward gives these gradients"]
    if right:
        parts.append(f"right: {', '.join(right)}")
    parts += [where_wrong(case, i) for i in case.wrong]
    if case.graph is not None:
        wrong = set(case.wrong)
        behind = [
            operation.line
            for operation, reached in zip(case.graph.operations, case.graph.reached, strict=True)
            if reached == wrong and operation.line is not None
        ]
        if behind:
            parts.append(f"all that is wrong, and nothing else, lies behind {behind[-1]}: look for it from there on")
    return "; ".join(parts)


def where_wrong(case: Case, which: int) -> str:
    """Which elements of one gradient are wrong: all, some of an axis's places, or how many."""
    name, mine, right = case.names[which], case.submitted[which], case.right[which]
    if mine is None or mine.shape != right.shape:
        return f"{name} has another shape than its gradient"
    off = np.abs(mine - right) > case.tolerance * np.max(np.abs(right), initial=0.0)
    if np.all(off):
        return f"{name} is wrong everywhere"
    for axis in range(off.ndim):
        places = np.flatnonzero(np.any(off, axis=tuple(a for a in range(off.ndim) if a != axis)))
        if len(places) < off.shape[axis]:
            shown = ", ".join(map(str, places[:6])) + (", ..." if len(places) > 6 else "")
            return f"{name} is wrong only at {shown} along axis {axis}"
    return f"{name} is wrong in {int(np.sum(off))} of {off.size} elements"
