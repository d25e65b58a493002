"""Pages of a graded class: one for each student, one for the teacher, and the results as Gradescope reads them."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from acg_numpy.checks.report.mistake_names import MISTAKES
from acg_numpy.cli.grading.class_record import Graded
from acg_numpy.text import counted, html_table, printable

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a;
  background: #fff }
.table { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse }
th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid #ccc; vertical-align: top }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }
@media (max-width: 34rem) { pre { font-size: .7rem; padding: .75rem .5rem } th, td { padding: .25rem .4rem } }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #181818 } pre { background: #262626 } th, td { border-color: #555 } }
"""
NOT_ACCEPTED = "The gradients were not accepted; your teacher has the reason."


def page(title: str, parts: Iterator[str] | Sequence[str]) -> str:
    """Write a page; its parts are HTML."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{escape(title)}</title><style>\n{STYLE}</style></head>\n'
        f"<body><main>\n<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def _table(label: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table that scrolls within a narrow page; the keyboard reaches it, and a screen reader names it."""
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(label)}">{html_table(header, rows)}</div>'
    )


def student_page(graded: Graded, hints: int) -> str:
    """Write the page of a student, with the report at the level of the hints."""
    result = graded.result
    title = f"{result['pass']}: {graded.submission.student}"
    return page(title, _student_parts(graded, hints))


def _student_parts(graded: Graded, hints: int) -> Iterator[str]:
    result = graded.result
    yield f"<p><strong>{result['points']} of {result['out_of']} points.</strong> {escape(graded.submission.file)}</p>"
    yield from (f"<p>{escape(note.capitalize())}.</p>" for note in graded.submission.notes)
    rows = [(case, name, verdict, str(points)) for case, name, verdict, points in _verdicts(result)]
    yield _table("Verdicts", ["case", "gradient of", "verdict", "points"], rows)
    for title, lines in _student_reports(result, hints):
        yield f"<h2>{escape(title)}</h2>"
        yield _pre("\n".join(lines))


def _student_reports(result: dict[str, Any], hints: int) -> Iterator[tuple[str, list[str]]]:
    """Yield what a student may read: a title and lines for each case; an error that ends all cases once."""
    shown: set[str] = set()
    for case in result["cases"]:
        lines = [line for line in case.get("lines", []) if hints or line != case.get("numeric")]
        if case.get("numeric") and not hints:
            lines.append(NOT_ACCEPTED)
        text = "\n".join(lines)
        if (case["passed"] and not hints) or (case.get("error") and text in shown):
            continue
        shown.add(text)
        yield case["case"], lines


def _verdicts(result: dict[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """Yield case, gradient, verdict and points."""
    for case in result["cases"]:
        for entry in case["inputs"]:
            if entry["points"] is not None:
                accepted = entry["points"] or entry["verdict"] != "right"
                yield case["case"], entry["name"], entry["verdict"] if accepted else "not accepted", entry["points"]
        yield case["case"], "(the whole)", "right" if case["passed"] else "wrong", case["whole"]["points"]


def _pre(text: str) -> str:
    """Write text as it is, control characters as codes."""
    return "<pre>" + escape("\n".join(map(printable, text.splitlines()))) + "</pre>"


def gradescope_results(graded: Graded, hints: int) -> str:
    """Write the results of a student as `results.json` of Gradescope."""
    result = graded.result
    reports = dict(_student_reports(result, hints))
    tests = [
        {
            "name": f"{case}: {name}",
            "score": points,
            "max_score": 1,
            "status": "passed" if points else "failed",
            "output": verdict,
            "visibility": "visible",
        }
        for case, name, verdict, points in _verdicts(result)
    ]
    output = "\n\n".join("\n".join([f"{case}:", *map(printable, lines)]) for case, lines in reports.items())
    found = {
        "score": result["points"],
        "execution_time": result["seconds"],
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    return json.dumps(found, indent=2) + "\n"


def class_page(exercise: str, graded: Sequence[Graded], missing: Sequence[str], settings: dict[str, Any]) -> str:
    """Write the page of the teacher: which mistakes, how often, who, and what to look at."""
    return page(f"{exercise}: the class", _class_parts(graded, missing, settings))


def _class_parts(graded: Sequence[Graded], missing: Sequence[str], settings: dict[str, Any]) -> Iterator[str]:
    passed = sum(bool(one.result["passed"]) for one in graded)
    points = sum(one.result["points"] for one in graded) / max(1, len(graded))
    out_of = max([one.result["out_of"] for one in graded], default=0)
    yield (
        f"<p>{counted(len(graded), 'submission')}, {passed} with all points; "
        f"{points:.1f} of {out_of} points on average; {len(missing)} missing.</p>"
    )
    yield "<h2>What to say in the next lecture</h2>"
    counts = Counter(mistake for one in graded for mistake in one.result["mistakes"])
    rows = []
    for mistake, number in counts.most_common():
        naming = MISTAKES.get(mistake)
        who = [one.submission.student for one in graded if mistake in one.result["mistakes"]]
        names = ", ".join(who[:8]) + (f" and {len(who) - 8} more" if len(who) > 8 else "")
        rows.append((mistake, str(number), naming.meaning if naming else "", naming.hint if naming else "", names))
    yield (
        _table("Mistakes", ["mistake", "students", "what it is", "a question that leads to it", "who"], rows)
        if rows
        else ("<p>No mistake was named.</p>")
    )
    yield "<h2>Where points were lost</h2>"
    lost: dict[str, list[int]] = {}
    for one in graded:
        for name, found in one.columns.items():
            lost.setdefault(name, []).append(found)
    share = [(name, f"{sum(found)} of {len(found)}") for name, found in lost.items()]
    yield _table("Where points were lost", ["case: gradient", "right"], share)
    yield "<h2>Students</h2>"
    table = [
        (
            one.submission.student,
            f"{one.result['points']} of {one.result['out_of']}",
            " ".join(one.result["mistakes"]),
            one.note,
        )
        for one in graded
    ]
    yield _table("Students", ["student", "points", "mistakes", "note"], table)
    if missing:
        yield f"<p>Missing: {escape(', '.join(missing))}.</p>"
    yield from _looks(graded)
    yield from _how_graded(graded, settings)


def _looks(graded: Sequence[Graded]) -> Iterator[str]:
    """Yield what a teacher should look at: unusual names in a file, what it tried, and what it printed."""
    suspects = [one for one in graded if one.result["looks"] or any(c.get("numeric") for c in one.result["cases"])]
    yield "<h2>Read these files</h2>"
    yield (
        "<p>No grader can tell a derivation from code that computes a derivative by other means: a copied engine, "
        "numeric derivatives by code of the file's own. These files use, try or call what a backward has no use "
        "for.</p>"
    )
    rows = []
    for one in suspects:
        numeric = dict.fromkeys(case["numeric"] for case in one.result["cases"] if case.get("numeric"))
        rows.append((one.submission.student, "; ".join([*numeric, *one.result["looks"]])))
    yield _table("Files to read", ["student", "what"], rows) if rows else "<p>None.</p>"
    printed = [one for one in graded if one.result["printed"].strip()]
    if printed:
        yield "<h2>What the files printed</h2>"
    for one in printed:
        text = one.result["printed"]
        yield f"<details><summary>{escape(one.submission.student)}, {counted(len(text), 'letter')}</summary>"
        yield f"{_pre(text)}</details>"


def _how_graded(graded: Sequence[Graded], settings: dict[str, Any]) -> Iterator[str]:
    """Yield how the class was graded, and what held the files back."""
    held = dict.fromkeys(one for student in graded for one in student.result["held"])
    yield "<h2>How this was graded</h2>"
    rows = [(str(name), str(value)) for name, value in settings.items()]
    yield _table(
        "How this was graded", ["setting", "value"], [*rows, ("held back by this system", ", ".join(held) or "nothing")]
    )
