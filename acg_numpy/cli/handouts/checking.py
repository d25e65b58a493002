"""Is a student's file right, case by case?  `grade.py` starts this in a process of its own, which may loop or die.

Its argument is the request, in JSON; it prints a line of JSON as soon as a case is done, and one without a case where
nothing more can be said: the file does not run, or it still runs when time is up.
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
from acg_numpy.cli.gradcheck_output import as_json, as_told, error_as_json, error_as_told

Result = dict[str, Any]
OTHER_FORWARD = "the forward no longer computes what it did, and without it a backward says nothing: take it as it was"


def main() -> None:
    """Answer the request."""
    request = json.loads(sys.argv[1])
    file, name, hints = Path(request["file"]), request["name"], request["hints"]
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what the student's file prints is no answer

        def say(result: Result) -> None:
            print(json.dumps(result), file=answers, flush=True)

        done = watched(file, request["seconds"], say)
        try:
            for result in checked(file, name, *inputs_of(Path(request["inputs"])), hints):
                say(result)
        except LearnerError as error:
            say({"case": None, **broken(error)})
        done.set()


def inputs_of(file: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The cases of a hand-out, and the options of its forward."""
    module = run_file(file)
    return module.CASES, module.OPTIONS


def checked(
    file: Path, name: str, cases: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any], hints: int = 2
) -> Iterator[Result]:
    """What a file is worth in each case: the report as JSON, with points.

    Parameters
    ----------
    file : path
        The student's.
    name : str
        The pass that it is about.
    cases : mapping
        From the name of a case to its inputs, by name.
    options : mapping
        Keyword arguments of the forward.
    hints : {0, 1, 2}
        How much is given away.

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
            unchanged = same_output(learner, package, values)
        except LearnerError as error:
            yield {"case": case, **without_points(inputs, broken(error))}
            continue
        told = "\n\n".join([as_told(report, hints)] + [OTHER_FORWARD] * (not unchanged))
        yield {
            "case": case,
            **with_points(as_json(report, hints), report.passed, unchanged),
            "told": told,
        }


def same_output(learner: Learner, package: Callable[..., Any], values: list[Any]) -> bool:
    """Whether the student's forward gives what that of the package gives."""
    with report_errors(learner.file, "", learner.forward):
        out, _ = learner.forward(*copy_arrays(values))
    expected, _ = package(*copy_arrays(values))
    return np.array_equal(out, expected)


def with_points(told: Result, passed: bool, unchanged: bool) -> Result:
    """A report as JSON with a point for each gradient that is right, and one where nothing is amiss at all."""
    inputs = []
    for entry in told["inputs"]:
        held = entry["held"] is not None
        inputs.append({**entry, "points": None if held else int(unchanged and entry["verdict"] == "right")})
    whole = int(unchanged and passed)
    return {**told, "passed": bool(whole), "inputs": inputs, "forward_unchanged": unchanged, **totals(inputs, whole)}


def without_points(inputs: Mapping[str, Any], error: Result) -> Result:
    """What is said of a case that could not be checked: the error, and no point for any gradient."""
    entries = [
        {
            "name": name,
            "shape": list(np.shape(value)),
            "held": None if is_floating(value) else "None" if value is None else str(np.asarray(value).dtype),
            "verdict": "uncompared" if is_floating(value) else "held",
            "points": 0 if is_floating(value) else None,
        }
        for name, value in inputs.items()
    ]
    return {**error, "inputs": entries, "forward_unchanged": None, **totals(entries, 0)}


def totals(inputs: list[Result], whole: int) -> Result:
    """The points of a case: one for each gradient, and one for the whole."""
    of_inputs = [entry["points"] for entry in inputs if entry["points"] is not None]
    return {"whole": {"points": whole}, "points": sum(of_inputs) + whole, "out_of": len(of_inputs) + 1}


def is_floating(value: Any) -> bool:
    """Whether an input has a gradient."""
    return value is not None and np.asarray(value).dtype.kind == "f"


def broken(error: LearnerError) -> Result:
    """A file that broke, as JSON and as text."""
    return {**error_as_json(error), "told": error_as_told(error)}


def watched(file: Path, seconds: float, say: Callable[[Result], None]) -> threading.Event:
    """End this process when time is up, and say at which line the student's file is; until the event is set."""
    done, main_thread = threading.Event(), threading.get_ident()

    def watch() -> None:
        if not done.wait(seconds):
            say({"case": None, **broken(unending(file, seconds, line_in(file, main_thread)))})
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    return done


def unending(file: Path, seconds: float, line: int | None = None) -> LearnerError:
    """The error of a file that does not come to an end."""
    place = Place(file) if line is None else Place.from_line(file, line)
    return LearnerError(f"it still runs after {seconds:g} seconds", place, "does every loop come to an end?")


def line_in(file: Path, thread: int) -> int | None:
    """The line of a file that a thread is at."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_filename != str(file):
        frame = frame.f_back
    return None if frame is None else frame.f_lineno


if __name__ == "__main__":
    main()
