"""Grading, which is what `grade.py` of a hand-out does: check a file in a process of its own, and add up its points."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.cli.gradcheck_output import HINTS
from acg_numpy.cli.handouts.checking import OTHER_FORWARD, Result, error_result, load_inputs, timeout_error, zero_points
from acg_numpy.cli.options import Parser, positive_number
from acg_numpy.cli.printing import echo, echo_json
from acg_numpy.text import text_table

SECONDS = 60.0
GRACE = 10.0  # seconds for the process to start, and to answer where it was when time was up


def main(name: str, folder: Path, argv: Sequence[str] | None = None) -> int:
    """Grade a file, print the points, and return the exit code.

    Parameters
    ----------
    name : str
        The pass of the hand-out.
    folder : path
        The hand-out.
    argv : sequence of str, optional
        By default those of the process.
    """
    parser = Parser(prog="python grade.py", description=f"Check {name}_backward, and count its points.")
    parser.add_argument("file", nargs="?", type=Path, help=f"the student's file (default: {name}.py beside this one)")
    parser.add_argument("--json", metavar="FILE", help="write the results there as JSON; - is standard output")
    parser.add_argument("--hints", type=int, choices=HINTS, help="0: right or wrong; 1: a hint, too; 2: everything")
    parser.add_argument(
        "--seconds", type=positive_number(), default=SECONDS, metavar="S", help="how long the file may take"
    )
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said all there is to say
        return int(stop.code or 0)
    hints = arguments.hints if arguments.hints is not None else 2 if arguments.json else 0
    try:
        found = _grade_file(
            name, folder, arguments.file or folder / f"{name}.py", hints=hints, seconds=arguments.seconds
        )
        reports = [case.pop("lines") for case in found["cases"]]
        if arguments.json == "-":
            echo_json(found)
            return 0 if found["passed"] else 1
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except (LearnerError, OSError) as error:  # of the inputs, or of the file for the results
        echo(*f"grade.py: {error}".split("\n"), file=sys.stderr)
        return 2
    echo(*_result_lines(found, reports, hints))
    return 0 if found["passed"] else 1


def _grade_file(name: str, folder: Path, file: Path, *, hints: int = 2, seconds: float = SECONDS) -> Result:
    """Grade a file, and return the result as JSON takes it."""
    inputs = folder / f"{name}_inputs.py"
    cases, _ = load_inputs(inputs)
    answers = _run_checks({"name": name, "file": str(file), "inputs": str(inputs), "hints": hints, "seconds": seconds})
    unfinished = next((one for one in answers if one["case"] is None), None) or _no_answer_result(file)
    checked = {one["case"]: one for one in answers}
    results = [
        checked[case] if case in checked else {**zero_points(values, unfinished), "case": case}
        for case, values in cases.items()
    ]
    return {
        "pass": name,
        "file": str(file),
        "passed": all(one["passed"] for one in results),
        "points": sum(one["points"] for one in results),
        "out_of": sum(one["out_of"] for one in results),
        "cases": results,
    }


def _run_checks(request: dict[str, Any]) -> list[Result]:
    """Run the student's file in a process of its own, and return its answers until it ends, or has to be ended."""
    command = [sys.executable, "-P", "-m", "acg_numpy.cli.handouts.checking", json.dumps(request)]
    limit = request["seconds"] + GRACE
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=limit)
        return [json.loads(line) for line in done.stdout.splitlines()]
    except subprocess.TimeoutExpired as late:
        unfinished = {"case": None, **error_result(timeout_error(Path(request["file"]), request["seconds"]))}
        return [*(json.loads(line) for line in (late.stdout or b"").splitlines()), unfinished]


def _no_answer_result(file: Path) -> Result:
    """Return the result where the process ended without an answer."""
    error = LearnerError("the file ended the program before anything could be compared", Place(file))
    return error_result(error)


def _result_lines(found: Result, reports: list[list[str]], hints: int) -> list[str]:
    """Write a row for each point, the total, what failed, and as much more as the hints reveal."""
    rows = [("case", "gradient of", "verdict", "points")]
    for case in found["cases"]:
        for entry in case["inputs"]:
            if entry["points"] is not None:
                rows.append((case["case"], entry["name"], entry["verdict"], str(entry["points"])))
        rows.append((case["case"], "(the whole)", "right" if case["passed"] else "wrong", str(case["whole"]["points"])))
    lines = [*text_table(rows), "", f"{found['points']} of {found['out_of']} points"]
    failures = {
        case["error"]["message"]: report
        for case, report in reversed([*zip(found["cases"], reports, strict=True)])
        if case["error"]
    }
    lines += [line for report in failures.values() for line in ("", *report)]
    if any(case["forward_unchanged"] is False for case in found["cases"]) and not hints:
        lines += ["", OTHER_FORWARD]
    for case, report in zip(found["cases"], reports, strict=True):
        if hints and not case["passed"] and not case["error"]:
            lines += ["", f"{case['case']}: {report[0]}", *report[1:]]
    return lines
