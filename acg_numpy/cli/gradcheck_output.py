"""Gradient reports in words and as JSON, as far as the level of hints allows.

0    right or wrong, and which inputs
1    how many elements, and a hint at the likeliest mistake that does not name it
2    everything
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from acg_numpy.checks.report.hints import best_hint, verdict

if TYPE_CHECKING:
    from acg_numpy.checks.learner.errors import LearnerError
    from acg_numpy.checks.numeric.verdicts import InputComparison
    from acg_numpy.checks.report.report import GradientReport

HINTS = (0, 1, 2)


def report_lines(report: "GradientReport", hints: int) -> list[str]:
    """Write the report in words, as far as the hints allow.

    Parameters
    ----------
    report : GradientReport
    hints : {0, 1, 2}
    """
    return str(replace(report, hints=hints)).split("\n")


def report_as_json(report: "GradientReport", hints: int = 2) -> dict[str, Any]:
    """Write the report as JSON takes it, as far as the hints allow; `docs/gradcheck.md` has the schema."""
    everything = hints == 2
    worst = report.worst if everything and not report.passed else None
    diagnoses = [_record_as_json(diagnosis) for diagnosis in report.diagnoses] if everything else []
    if hints == 1 and not report.passed:
        diagnoses = [{"hint": best_hint(report)}]
    return {
        "title": report.title,
        "settings": report.settings,
        "passed": report.passed,
        "inputs": [_comparison_as_json(comparison, everything) for comparison in report.comparisons],
        "worst": None if worst is None else _record_as_json(worst),
        "undecided": report.undecided,
        "diagnoses": diagnoses,
        "blind_spots": [_record_as_json(spot) for spot in report.blind_spots] if hints else [],
        "notes": list(report.notes) if everything else [],
        "faults": list(report.faults) if everything else [],
        "error": None,
    }


def _comparison_as_json(comparison: "InputComparison", everything: bool) -> dict[str, Any]:
    """Write the comparison of one input as JSON takes it."""
    relative = comparison.relative_error
    decided = relative[~comparison.undecided] if comparison.undecided is not None else relative
    return {
        "name": comparison.name,
        "shape": list(comparison.shape),
        "held": comparison.held,
        "verdict": verdict(comparison),
        "right": comparison.num_right,
        "wrong": comparison.num_wrong,
        "undecided": comparison.num_undecided,
        "relative_error": _json_value(float(decided.max())) if everything and decided.size else None,
    }


def error_as_json(error: "LearnerError") -> dict[str, Any]:
    """Write the error of a file that failed before anything could be compared, under the same keys."""
    return {
        "title": str(error.place.file),
        "settings": "",
        "passed": False,
        "inputs": [],
        "worst": None,
        "undecided": 0,
        **{key: [] for key in ("diagnoses", "blind_spots", "notes", "faults")},
        "error": learner_error_as_json(error),
    }


def learner_error_as_json(error: "LearnerError") -> dict[str, Any]:
    """Write what broke, where, and the likely fix."""
    place = error.place
    found = {"message": error.what, "file": str(place.file), "line": place.line, "source": place.source}
    return {**found, "fix": error.fix}


def _record_as_json(record: Any) -> dict[str, Any]:
    """Return the public fields of a record as JSON takes them."""
    return {name: _json_value(value) for name, value in vars(record).items()}


def _json_value(value: Any) -> Any:
    """Return a finite float, or None for another one; a tuple as a list; every other value as it is."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value


def error_lines(error: "LearnerError") -> list[str]:
    """Write the error in words."""
    return str(error).split("\n")
