"""Text of a report for a terminal, and its HTML for a notebook."""

from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.shapes import Array
from acg_numpy.text import counted, html_table, joined_among, printable, text_table, wrapped

if TYPE_CHECKING:
    from acg_numpy.checks.report.report import GradientReport, WorstElement

HEADINGS = ("", "input", "shape", "right", "wrong", "undecided", "largest", "relative error")
INDENT = " " * 11
MOST_OTHERS = 3  # explanations shown beside the likeliest
MOST_ROWS = 8  # of a table with a row for each input; in a longer one inputs share a row
FEWEST_IN_A_ROW = 4
CONTEXT = 6  # how much of a row is shown around its worst element
GUIDE = "https://github.com/acg-numpy/acg_numpy/blob/main/docs/reading-a-report.md"


def _verdict_line(report: "GradientReport") -> str:
    """Write in one sentence what was checked and with what result."""
    undecided = f"; {counted(report.undecided, 'element')} undecided" if report.undecided else ""
    if report.passed:
        return f"{report.title}: {passed_as_far(report)}"
    reasons = [f"{_subject(wrong, report)} wrong" for wrong in [_wrong_inputs(report)] if wrong]
    if report.faults:
        reasons.append("not in the form expected")
    if report.nothing_decided:
        reasons.append("nothing could be decided, the numeric derivative is too coarse here")
    if not reasons:
        second = report.second_order
        wrong = _wrong_inputs(second) if second else []
        reasons.append(f"at second order {_subject(wrong, second)} wrong" if second and wrong else "at second order")
    return f"{report.title}: FAILED, {' and '.join(reasons)}{undecided}"


def passed_as_far(report: "GradientReport") -> str:
    """Write how much of a report that passed was decided."""
    if not report.undecided:
        return "passed"
    if report.mostly_undecided:
        return f"passed, but most elements are undecided: {report.undecided} of {report.compared}"
    return f"passed; {counted(report.undecided, 'element')} undecided"


def _wrong_inputs(report: "GradientReport") -> list[str]:
    """Return the names of the inputs with a wrong element."""
    return [comparison.name for comparison in report.comparisons if comparison.num_wrong]


def _worst_wrong(report: "GradientReport") -> "WorstElement | None":
    """Return the worst element where one is wrong: under a fault alone, a right one would be misleading."""
    return report.worst if any(map(_wrong_inputs, filter(None, (report, report.second_order)))) else None


def _table_rows(report: "GradientReport") -> list[tuple[str, ...]]:
    """Return a row of cells for each input, under `HEADINGS`; a fourth and last cell says why nothing was compared."""
    comparisons = report.comparisons
    if len(comparisons) <= MOST_ROWS:
        return [_table_row(comparison) for comparison in comparisons]
    groups: dict[Any, list[InputComparison]] = {}
    for comparison in comparisons:
        groups.setdefault(_group(comparison), []).append(comparison)
    names = [comparison.name for comparison in comparisons]
    rows = []
    for group in groups.values():
        if len(group) < FEWEST_IN_A_ROW:
            rows += [_table_row(comparison) for comparison in group]
        else:
            rows.append(_common_row(group, names))
    return rows


def _group(comparison: InputComparison) -> Any:
    """Return what inputs have in common that share a row: all is right, all is wrong, or held fixed for one reason."""
    if comparison.held is not None:
        return comparison.held
    verdicts = (comparison.num_right > 0, comparison.num_wrong > 0, comparison.num_undecided > 0)
    if comparison.directions is None and sum(verdicts) == 1 and comparison.fault is None:
        return verdicts
    return comparison.name, "alone"


def _common_row(group: list[InputComparison], names: list[str]) -> tuple[str, ...]:
    """Return the cells of inputs of one group: numbers of elements are added up, and the others are the largest."""
    own = [comparison.name for comparison in group]
    name = joined_among(own, names)
    if not name.startswith("all "):
        name = f"{own[0]} and {len(own) - 1} more"
    shapes = {comparison.shape for comparison in group}
    shape = str(shapes.pop()) if len(shapes) == 1 else "several"
    if group[0].held is not None:
        return ("", name, shape, f"held fixed ({group[0].held})")

    def together(part: str) -> Array:
        return np.concatenate([np.ravel(getattr(comparison, part)) for comparison in group])

    scale = max(comparison.scale for comparison in group)
    arrays: dict[str, Any] = {
        part: together(part) for part in ("analytic", "numeric", "error", "wrong", "undecided", "zero")
    }
    row = _table_row(replace(group[0], name=name, scale=scale, **arrays))
    return (*row[:2], shape, *row[3:])


def _table_row(comparison: InputComparison) -> tuple[str, ...]:
    """Return the cells of one input."""
    mark = "" if comparison.passed else "x"
    shape = "" if comparison.held == "None" else str(comparison.shape)
    if comparison.directions is not None:
        shape += f", {len(comparison.directions)} directions"
    head = (mark, comparison.name, shape)
    analytic, numeric = comparison.analytic, comparison.numeric
    if comparison.fault is not None:
        return (*head, "not compared, see below")
    if analytic is None or numeric is None or comparison.undecided is None:
        return (*head, f"held fixed ({comparison.held})" if comparison.held else "not compared")
    decided = ~comparison.undecided
    largest = f"{np.max(np.abs(analytic)):.3g}" if analytic.size else ""
    off = f"{np.max(comparison.relative_error[decided]):.1e}" if np.any(decided) else ""
    counts = (comparison.num_right, comparison.num_wrong, comparison.num_undecided)
    return (*head, *(f"{number or '.'}" for number in counts), largest, off)


def _worst_lines(report: "GradientReport", worst: "WorstElement") -> list[str]:
    """Write the worst element: its place, both values, and the row around it."""
    source = report if worst.order == report.order or report.second_order is None else report.second_order
    comparison = source.per_input[worst.input]
    analytic, numeric, error = comparison.analytic, comparison.numeric, comparison.error
    if analytic is None or numeric is None or error is None:
        return []
    of_order = " at second order" if worst.order == 2 else ""
    at = f"[{', '.join(map(str, worst.index))}]" if worst.index else ""
    where = f"worst element: {worst.input}{at}{of_order}"
    if comparison.directions is not None:
        where = f"worst direction of {worst.input}: number {worst.index[0]}{of_order}"
    lines = [
        where,
        f"    your gradient       {worst.analytic: .8g}",
        f"    numeric derivative  {worst.numeric: .8g}  (uncertain by {error[worst.index]:.1g})",
        f"    absolute error {worst.absolute_error:.2g}, relative error {worst.relative_error:.2g}",
    ]
    if worst.index and comparison.directions is None and comparison.shape[-1] > 1:
        start = max(0, min(worst.index[-1] - CONTEXT // 2, comparison.shape[-1] - CONTEXT))
        part = slice(start, start + CONTEXT)
        stop = min(start + CONTEXT, comparison.shape[-1])
        columns = ":" if stop - start == comparison.shape[-1] else f"{start}:{stop}"
        row = ", ".join([*map(str, worst.index[:-1]), columns])
        lines += [
            f"  its row, {worst.input}[{row}]",
            f"    your gradient       {_number_row(analytic[worst.index[:-1]][part])}",
            f"    numeric derivative  {_number_row(numeric[worst.index[:-1]][part])}",
        ]
    return lines


def as_text(report: "GradientReport") -> str:
    """Write the report for a terminal."""
    lines = [_verdict_line(report), f"({report.settings})", ""]
    lines += _text_table(report)
    if report.second_order is not None:
        lines += ["", "gradient of the gradient, <grads, random>, with respect to:"]
        lines += _text_table(report.second_order)
    for fault in _all_faults(report):
        lines += ["", *wrapped(fault, "fault: ")]
    worst = _worst_wrong(report)
    if worst is not None:
        lines += ["", *_worst_lines(report, worst)]
    lines += _diagnosis_lines(report)
    for note in _all_notes(report):
        lines += ["", *wrapped(note, "note: ")]
    lines += _blind_spot_lines(report)
    if not report.passed:
        lines += ["", f"how to read a report: {GUIDE}"]
    return "\n".join(map(printable, lines))


def _diagnosis_lines(report: "GradientReport") -> list[str]:
    """Write the likeliest mistake in full, the others in a line each."""
    if not report.diagnoses:
        return []
    best, *others = report.diagnoses
    lines = ["", *wrapped(f"{best.mistake} (confidence {best.confidence:.2f})", "diagnosis: ")]
    lines += [*wrapped(_sentence(best.message), INDENT), *wrapped(f"Evidence: {best.evidence}.", INDENT)]
    for other in others[:MOST_OTHERS]:
        lines += wrapped(f"{other.mistake} ({other.confidence:.2f}): {other.message}; {other.evidence}", "       or: ")
    if len(others) > MOST_OTHERS:
        lines.append(f"{INDENT}and {counted(len(others) - MOST_OTHERS, 'less likely explanation')}")
    return lines


def _blind_spot_lines(report: "GradientReport") -> list[str]:
    """Write what a passed check could not have seen."""
    if not report.blind_spots:
        return []
    lines = ["", "blind spots, mistakes that would have passed at these inputs:"]
    for spot in report.blind_spots:
        lines += wrapped(str(spot), "  - ")
    return lines


def _findings_html(report: "GradientReport") -> list[str]:
    """Write diagnoses and blind spots for a notebook."""
    parts = []
    if report.diagnoses:
        items = [
            f"<li><strong>{escape(d.mistake)}</strong> (confidence {d.confidence:.2f}): {escape(_sentence(d.message))} "
            f"<small>Evidence: {escape(d.evidence)}.</small></li>"
            for d in report.diagnoses[: MOST_OTHERS + 1]
        ]
        parts.append(f"<p><strong>diagnosis</strong></p><ol>{''.join(items)}</ol>")
    if report.blind_spots:
        items = [
            f"<li><strong>{escape(s.mistake)}</strong>: {escape(s.message)}; {escape(s.remedy)}</li>"
            for s in report.blind_spots
        ]
        parts.append(f"<p>blind spots, mistakes that would have passed at these inputs</p><ul>{''.join(items)}</ul>")
    return parts


def as_html(report: "GradientReport") -> str:
    """Write the report for a notebook; everything that came from outside is escaped."""
    parts = [f"<p><strong>{escape(_verdict_line(report))}</strong><br><small>{escape(report.settings)}</small></p>"]
    parts.append(_html_table(report))
    if report.second_order is not None:
        parts.append("<p>gradient of the gradient, with respect to:</p>")
        parts.append(_html_table(report.second_order))
    parts += [f"<p><strong>fault:</strong> {escape(fault)}</p>" for fault in _all_faults(report)]
    worst = _worst_wrong(report)
    if worst is not None:
        parts.append(f"<pre>{escape(chr(10).join(_worst_lines(report, worst)))}</pre>")
    parts += [f"<p><em>note:</em> {escape(note)}</p>" for note in _all_notes(report)]
    parts += _findings_html(report)
    if not report.passed:
        parts.append(f'<p><a href="{GUIDE}">How to read a report</a></p>')
    return f"<div class='acg-gradient-report'>{''.join(parts)}</div>"


def _text_table(report: "GradientReport") -> Iterator[str]:
    return text_table([HEADINGS, *_table_rows(report)], longest=None, rule=False)


def _html_table(report: "GradientReport") -> str:
    """Write the same cells as HTML; the name of an input names its row, so the mark stands beside it, in a word."""
    rows = [(f"{name} (wrong)" if mark else name, *cells) for mark, name, *cells in _table_rows(report)]
    return html_table(HEADINGS[1:], rows)


def _all_faults(report: "GradientReport") -> tuple[str, ...]:
    """Return the faults at both orders."""
    return report.faults + (report.second_order.faults if report.second_order else ())


def _all_notes(report: "GradientReport") -> tuple[str, ...]:
    """Return the notes at both orders."""
    return report.notes + (report.second_order.notes if report.second_order else ())


def _sentence(message: str) -> str:
    """End a message with a full stop, unless it asks."""
    return message if message.endswith("?") else f"{message}."


def _number_row(row: Array) -> str:
    return " ".join(f"{value:>11.4g}" for value in row)


def _subject(names: list[str], report: "GradientReport") -> str:
    """Write the names of inputs as the subject of a sentence, with its verb."""
    compared = [comparison.name for comparison in report.comparisons if comparison.analytic is not None]
    return f"{joined_among(names, compared)} {'is' if len(names) == 1 else 'are'}"
