"""Report at the lower levels of hints: the verdicts alone, or the verdicts and a hint.

0    right or wrong, and which inputs
1    how many elements, and a hint at the likeliest mistake that does not name it
"""

from typing import TYPE_CHECKING

import numpy as np

from acg_numpy.checks.report.rendering import passed_as_far
from acg_numpy.text import paragraph, text_list, text_table

if TYPE_CHECKING:
    from acg_numpy.checks.numeric.verdicts import InputComparison
    from acg_numpy.checks.report.report import GradientReport


def hint_lines(report: "GradientReport", hints: int) -> list[str]:
    """Write the report in words, as far as the hints allow.

    Parameters
    ----------
    report : GradientReport
    hints : {0, 1}
    """
    head = f"{report.title}: {passed_as_far(report) if report.passed else 'FAILED'}"
    headings = ("input", "shape", "verdict") if hints == 0 else ("input", "shape", "verdict", "wrong", "undecided")
    rows = [_comparison_row(comparison)[: len(headings)] for comparison in report.comparisons]
    lines = [head, "", *text_table([headings, *rows])]
    if hints == 1 and not report.passed:
        lines += ["", *paragraph(f"Hint: {best_hint(report)}").split("\n")]
    if hints == 1 and report.passed:
        lines += text_list("Not seen at these inputs", [spot.message for spot in report.blind_spots])
    return lines


def best_hint(report: "GradientReport") -> str:
    """Return the hint of the best diagnosis or, where there is none, where to look."""
    if report.diagnoses:
        return str(report.diagnoses[0].hint)
    if report.faults:
        return "Compare what the backward returns with the inputs of the forward: how many, which shapes, which dtypes?"
    if report.worst is None or report.nothing_decided:
        return "Nothing could be decided here; try inputs of another size."
    if report.per_input[report.worst.input].directions is not None:
        return f"Begin with {report.worst.input}; another method than directional says which of its elements are off."
    if np.isnan(report.worst.analytic):
        return (
            f"{report.worst.input} holds NaN: which line of the backward makes it? 0 / 0, inf - inf and 0 * inf do, "
            "and so do the log and the root of a negative number."
        )
    where = f"[{', '.join(map(str, report.worst.index))}]" if report.worst.index else ""
    return f"Work out {report.worst.input}{where} with pencil and paper: it is furthest off."


def _comparison_row(comparison: "InputComparison") -> tuple[str, ...]:
    """Return name, shape, verdict, and how many elements are wrong and undecided."""
    shape = "" if comparison.held == "None" else str(comparison.shape)
    counts = (comparison.num_wrong, comparison.num_undecided) if comparison.analytic is not None else ("", "")
    return (comparison.name, shape, verdict(comparison), *map(str, counts))


def verdict(comparison: "InputComparison") -> str:
    """Return one of right, wrong, undecided, form, held and uncompared."""
    if comparison.fault is not None:
        return "form"
    if comparison.held is not None:
        return "held"
    if comparison.num_wrong:
        return "wrong"
    if comparison.analytic is None:
        return "uncompared"
    return "undecided" if comparison.num_undecided > comparison.num_right else "right"
