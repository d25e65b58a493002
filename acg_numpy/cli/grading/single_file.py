"""The points of one file, which is what `grade.py` of a hand-out counts."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.cli.gradcheck_output import HINTS
from acg_numpy.cli.grading.child_process import ISOLATIONS, ChildStartError, Limits
from acg_numpy.cli.grading.graded_exercise import HandoutError, fresh_inputs, load_exercise, read_description
from acg_numpy.cli.grading.judge import OTHER_FORWARD, Result, judge_file, zero_result
from acg_numpy.cli.grading.submissions import SubmissionError, read_source
from acg_numpy.cli.options import Parser, seconds_of_a_day, whole_number
from acg_numpy.cli.printing import echo, echo_json
from acg_numpy.text import text_table

SECONDS = 60.0
FOR_TEACHERS = ("printed", "looks", "held", "mistakes", "seconds")


def main(folder: Path, argv: Sequence[str] | None = None) -> int:
    """Grade a file, print the points, and return the exit code.

    Parameters
    ----------
    folder : path
        The hand-out.
    argv : sequence of str, optional
        By default those of the process.
    """
    try:
        described = read_description(folder)
    except HandoutError as error:
        return _failed(error)
    name, backward = described["exercise"], described["backward"]
    parser = Parser(prog="python grade.py", description=f"Check {backward}, and count its points.")
    parser.add_argument("file", nargs="?", type=Path, help=f"the student's file (default: {name}.py beside this one)")
    parser.add_argument("--json", metavar="FILE", help="write the results there as JSON; - is standard output")
    parser.add_argument("--hints", type=int, choices=HINTS, help="0: right or wrong; 1: a hint, too; 2: everything")
    parser.add_argument(
        "--seconds", type=seconds_of_a_day(), default=SECONDS, metavar="S", help="how long the file may take"
    )
    parser.add_argument(
        "--isolate", choices=ISOLATIONS, default="process", help="what holds the file back while it is run"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="N", help="draw other inputs than those of the hand-out"
    )
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said all there is to say
        return int(stop.code or 0)
    hints = arguments.hints if arguments.hints is not None else 2 if arguments.json else 0
    limits = Limits(seconds=arguments.seconds, isolate=arguments.isolate)
    try:
        text = None if arguments.seed is None else fresh_inputs(folder, arguments.seed)
        found = grade_file(folder, arguments.file or folder / f"{name}.py", limits, hints, text)
        reports = [case.pop("lines", []) for case in found["cases"]]
        if arguments.json == "-":
            echo_json(found)
            return 0 if found["passed"] else 1
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except (LearnerError, HandoutError, ChildStartError, OSError) as error:  # of the hand-out, or of the results
        return _failed(error)
    echo(*_result_lines(found, reports, hints))
    return 0 if found["passed"] else 1


def _failed(error: Exception) -> int:
    echo(*f"grade.py: {error}".split("\n"), file=sys.stderr)
    return 2


def grade_file(folder: Path, file: Path, limits: Limits, hints: int = 2, inputs: str | None = None) -> Result:
    """Grade a file, and return the result as JSON takes it.

    Parameters
    ----------
    folder : path
        The hand-out.
    file : path
    limits : Limits
    hints : {0, 1, 2}
    inputs : str, optional
        The text of another file of inputs than that of the hand-out.
    """
    exercise = load_exercise(folder, inputs)
    try:
        found = judge_file(exercise, str(file), read_source(file), limits, hints)
    except SubmissionError as error:
        found = zero_result(exercise, str(file), LearnerError(str(error), Place(file)))
    for case in found["cases"]:
        case.pop("all_lines", None)
    return {key: value for key, value in found.items() if key not in FOR_TEACHERS}


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
