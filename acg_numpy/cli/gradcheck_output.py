"""How much of a report is given away, in words and as JSON?

0    right or wrong, and which inputs
1    how many elements, and a nudge towards the likeliest mistake that does not name it
2    everything
"""

import math
from typing import TYPE_CHECKING, Any

from acg_numpy.text import paragraph, printable, text_list, text_table

if TYPE_CHECKING:
    from acg_numpy.checks.learner.errors import LearnerError
    from acg_numpy.checks.numeric.verdicts import InputComparison
    from acg_numpy.checks.report.report import GradientReport

HINTS = (0, 1, 2)


def as_told(report: "GradientReport", hints: int) -> str:
    """The report, as far as it is to be told.

    Parameters
    ----------
    report : GradientReport
    hints : {0, 1, 2}
    """
    if hints == 2:
        return str(report)
    head = f"{report.title}: {'passed' if report.passed else 'FAILED'}"
    headings = ("input", "shape", "verdict") if hints == 0 else ("input", "shape", "verdict", "wrong", "undecided")
    rows = [row(comparison)[: len(headings)] for comparison in report.comparisons]
    lines = [head, "", *text_table([headings, *rows])]
    if hints == 1 and not report.passed:
        lines += ["", paragraph(f"Hint: {hint_of(report)}")]
    if hints == 1 and report.passed:
        lines += text_list("Not seen at these inputs", [spot.message for spot in report.blind_spots])
    return "\n".join(lines)


def hint_of(report: "GradientReport") -> str:
    """The nudge of the best diagnosis or, where there is none, where to look."""
    if report.diagnoses:
        return str(report.diagnoses[0].hint)
    if report.faults:
        return "Compare what the backward returns with the inputs of the forward: how many, which shapes, which dtypes?"
    if report.worst is None or report.nothing_decided:
        return "Nothing could be decided here; try inputs of another size."
    if report.per_input[report.worst.input].directions is not None:
        return f"Begin with {report.worst.input}; another method than directional says which of its elements are off."
    where = f"[{', '.join(map(str, report.worst.index))}]" if report.worst.index else ""
    return f"Work out {report.worst.input}{where} with pencil and paper: it is furthest off."


def row(comparison: "InputComparison") -> tuple[str, ...]:
    """Name, shape, verdict, and how many elements are wrong and undecided."""
    shape = "" if comparison.held == "None" else str(comparison.shape)
    counts = (comparison.num_wrong, comparison.num_undecided) if comparison.analytic is not None else ("", "")
    return (comparison.name, shape, verdict(comparison), *map(str, counts))


def verdict(comparison: "InputComparison") -> str:
    """One of right, wrong, undecided, form, held and uncompared."""
    if comparison.fault is not None:
        return "form"
    if comparison.held is not None:
        return "held"
    if comparison.num_wrong:
        return "wrong"
    if comparison.analytic is None:
        return "uncompared"
    return "undecided" if comparison.num_undecided and not comparison.num_right else "right"


def as_json(report: "GradientReport", hints: int = 2) -> dict[str, Any]:
    """The report for a program, as far as it is to be told; `docs/gradcheck.md` has the schema."""
    everything = hints == 2
    worst = report.worst if everything and not report.passed else None
    diagnoses = [plain(diagnosis) for diagnosis in report.diagnoses] if everything else []
    if hints == 1 and not report.passed:
        diagnoses = [{"hint": hint_of(report)}]
    return {
        "title": report.title,
        "settings": report.settings,
        "passed": report.passed,
        "inputs": [input_as_json(comparison, everything) for comparison in report.comparisons],
        "worst": None if worst is None else plain(worst),
        "undecided": report.undecided,
        "diagnoses": diagnoses,
        "blind_spots": [plain(spot) for spot in report.blind_spots] if hints else [],
        "notes": list(report.notes) if everything else [],
        "faults": list(report.faults) if everything else [],
        "error": None,
    }


def input_as_json(comparison: "InputComparison", everything: bool) -> dict[str, Any]:
    """One input: what came out, and how many elements."""
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
        "relative_error": number(float(decided.max())) if everything and decided.size else None,
    }


def error_as_json(error: "LearnerError") -> dict[str, Any]:
    """A file that broke before anything could be compared, under the same keys."""
    place = error.place
    told = {"message": error.what, "file": str(place.file), "line": place.line, "source": place.source}
    return {
        "title": str(place.file),
        "settings": "",
        "passed": False,
        "inputs": [],
        "worst": None,
        "undecided": 0,
        **{key: [] for key in ("diagnoses", "blind_spots", "notes", "faults")},
        "error": {**told, "mend": error.fix},
    }


def plain(record: Any) -> dict[str, Any]:
    """The public fields of a record, as JSON takes them."""
    return {name: number(value) for name, value in vars(record).items()}


def number(value: Any) -> Any:
    """A float that JSON has a word for, or None; a tuple as a list; all else as it is."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value


def error_as_told(error: "LearnerError") -> str:
    """The error for a terminal."""
    return "\n".join(printable(line) for line in str(error).splitlines())
