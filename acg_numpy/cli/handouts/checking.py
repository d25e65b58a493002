"""The check of a student's file, case by case, in a process of its own, because the file may loop or end the process.

`grade.py` starts it.  Its argument is the request, in JSON; it prints a line of JSON as soon as a case is done, and one
without a case where it cannot go on: the file does not run, or it still runs when time is up.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from acg_numpy import passes
from acg_numpy.checks.contract.checked_inputs import copy_arrays
from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.checks.learner.loading import Learner, check_learner, load_learner, report_errors, run_file
from acg_numpy.cli.gradcheck_output import error_as_json, error_lines, report_as_json, report_lines

Result = dict[str, Any]
OTHER_FORWARD = "the forward no longer computes what it did, so the backward cannot be judged: restore the forward"


def main() -> None:
    """Check the file of the request, and answer."""
    request = json.loads(sys.argv[1])
    file, name, hints = Path(request["file"]), request["name"], request["hints"]
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # so that what the student's file prints is not read as an answer

        def answer(result: Result) -> None:
            answers.write(json.dumps(result) + "\n")
            answers.flush()

        done = _start_timeout(file, request["seconds"], answer)
        try:
            for result in check_cases(file, name, *load_inputs(Path(request["inputs"])), hints):
                answer(result)
        except LearnerError as error:
            answer({"case": None, **error_result(error)})
        done.set()


def load_inputs(file: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Load the cases of a hand-out, and the options of its forward."""
    module = run_file(file)
    return module.CASES, module.OPTIONS


def check_cases(
    file: Path, name: str, cases: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any], hints: int = 2
) -> Iterator[Result]:
    """Check a file in each case, and yield the report as JSON, with points.

    Parameters
    ----------
    file : path
        The student's.
    name : str
        The pass of the hand-out.
    cases : mapping
        From the name of a case to its inputs, by name.
    options : mapping
        Keyword arguments of the forward.
    hints : {0, 1, 2}
        How much is revealed.

    Raises
    ------
    LearnerError
        Where the file cannot be run, or lacks a function.
    """
    learner = load_learner(file, f"{name}_forward", f"{name}_backward")
    learner = learner._replace(forward=partial(learner.forward, **options))
    package = partial(getattr(passes, f"{name}_forward"), **options)
    for case, inputs in cases.items():
        values = list(inputs.values())
        try:
            report = check_learner(learner, values)
            unchanged = _has_same_output(learner, package, values)
        except LearnerError as error:
            yield {"case": case, **zero_points(inputs, error_result(error))}
            continue
        lines = report_lines(report, hints) + ["", OTHER_FORWARD] * (not unchanged)
        yield {"case": case, **_add_points(report_as_json(report, hints), report.passed, unchanged), "lines": lines}


def _has_same_output(learner: Learner, package: Callable[..., Any], values: list[Any]) -> bool:
    """Return whether the student's forward gives the same output as the package's."""
    with report_errors(learner.file, "", learner.forward):
        out, _ = learner.forward(*copy_arrays(values))
    expected, _ = package(*copy_arrays(values))
    return np.array_equal(out, expected)


def _add_points(report: Result, passed: bool, unchanged: bool) -> Result:
    """Add points to a report as JSON: one for each gradient that is right, and one where nothing at all is wrong."""
    inputs = []
    for entry in report["inputs"]:
        held = entry["held"] is not None
        inputs.append({**entry, "points": None if held else int(unchanged and entry["verdict"] == "right")})
    whole = int(unchanged and passed)
    return {
        **report,
        "passed": bool(whole),
        "inputs": inputs,
        "forward_unchanged": unchanged,
        **_sum_points(inputs, whole),
    }


def zero_points(inputs: Mapping[str, Any], error: Result) -> Result:
    """Return the result of a case that could not be checked: the error, and no point for any gradient."""
    entries = [
        {
            "name": name,
            "shape": list(np.shape(value)),
            "held": None if _is_floating(value) else "None" if value is None else str(np.asarray(value).dtype),
            "verdict": "uncompared" if _is_floating(value) else "held",
            "points": 0 if _is_floating(value) else None,
        }
        for name, value in inputs.items()
    ]
    return {**error, "inputs": entries, "forward_unchanged": None, **_sum_points(entries, 0)}


def _sum_points(inputs: list[Result], whole: int) -> Result:
    """Sum the points of a case: one for each gradient, and one for the whole."""
    points = [entry["points"] for entry in inputs if entry["points"] is not None]
    return {"whole": {"points": whole}, "points": sum(points) + whole, "out_of": len(points) + 1}


def _is_floating(value: Any) -> bool:
    """Return whether an input has a gradient."""
    return value is not None and np.asarray(value).dtype.kind == "f"


def error_result(error: LearnerError) -> Result:
    """Return the result of a file that failed, as JSON and in words."""
    return {**error_as_json(error), "lines": error_lines(error)}


def _start_timeout(file: Path, seconds: float, answer: Callable[[Result], None]) -> threading.Event:
    """End this process when time is up, and answer at which line the student's file is; unless the event is set."""
    done, main_thread = threading.Event(), threading.get_ident()

    def watch() -> None:
        if not done.wait(seconds):
            answer({"case": None, **error_result(timeout_error(file, seconds, _current_line(file, main_thread)))})
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    return done


def timeout_error(file: Path, seconds: float, line: int | None = None) -> LearnerError:
    """Return the error of a file that does not come to an end."""
    place = Place(file) if line is None else Place.from_line(file, line)
    return LearnerError(f"it still runs after {seconds:g} seconds", place, "does every loop come to an end?")


def _current_line(file: Path, thread: int) -> int | None:
    """Return the line of a file that a thread is at."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_filename != str(file):
        frame = frame.f_back
    return None if frame is None else frame.f_lineno


if __name__ == "__main__":
    main()
