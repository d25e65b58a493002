"""How many points?  What `grade.py` of a hand-out does: check a file in a process of its own, and add up."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.cli.gradcheck_output import HINTS
from acg_numpy.cli.handouts.checking import OTHER_FORWARD, Result, broken, inputs_of, unending, without_points
from acg_numpy.cli.options import Parser, positive
from acg_numpy.text import text_table

SECONDS = 60.0
GRACE = 10.0  # for the process to start, and to say where it was when time was up


def main(name: str, folder: Path, argv: Sequence[str] | None = None) -> int:
    """Grade a file, print, and return the exit code.

    Parameters
    ----------
    name : str
        The pass that the hand-out is about.
    folder : path
        The hand-out.
    argv : sequence of str, optional
        By default what the process was called with.
    """
    parser = Parser(prog="python grade.py", description=f"How many points does {name}_backward get?")
    parser.add_argument("file", nargs="?", type=Path, help=f"the student's file (default: {name}.py beside this one)")
    parser.add_argument("--json", metavar="FILE", help="write the results there as JSON; - is standard output")
    parser.add_argument("--hints", type=int, choices=HINTS, help="0: right or wrong; 1: a hint, too; 2: everything")
    parser.add_argument("--seconds", type=positive(), default=SECONDS, metavar="S", help="how long the file may take")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said all there is to say
        return int(stop.code or 0)
    hints = arguments.hints if arguments.hints is not None else 2 if arguments.json else 0
    try:
        found = graded(name, folder, arguments.file or folder / f"{name}.py", hints=hints, seconds=arguments.seconds)
        told = [case.pop("told") for case in found["cases"]]
        if arguments.json == "-":
            print(json.dumps(found, indent=2))
            return 0 if found["passed"] else 1
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except (LearnerError, OSError) as error:  # of the inputs, or where the results should go
        print(f"grade.py: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines_on(found, told, hints)))
    return 0 if found["passed"] else 1


def graded(name: str, folder: Path, file: Path, *, hints: int = 2, seconds: float = SECONDS) -> Result:
    """What a file is worth, for a program."""
    inputs = folder / f"{name}_inputs.py"
    cases, _ = inputs_of(inputs)
    answers = asked({"name": name, "file": str(file), "inputs": str(inputs), "hints": hints, "seconds": seconds})
    unfinished = next((one for one in answers if one["case"] is None), None) or ended(file)
    said = {one["case"]: one for one in answers}
    results = [
        said[case] if case in said else {**without_points(values, unfinished), "case": case}
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


def asked(request: dict[str, Any]) -> list[Result]:
    """What the process that runs the student's file says until it ends, or has to be ended."""
    command = [sys.executable, "-P", "-m", "acg_numpy.cli.handouts.checking", json.dumps(request)]
    limit = request["seconds"] + GRACE
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=limit)
        return [json.loads(line) for line in done.stdout.splitlines()]
    except subprocess.TimeoutExpired as late:
        unfinished = {"case": None, **broken(unending(Path(request["file"]), request["seconds"]))}
        return [*(json.loads(line) for line in (late.stdout or b"").splitlines()), unfinished]


def ended(file: Path) -> Result:
    """What is said where the process ended without a word."""
    error = LearnerError("the file ended the program before anything could be compared", Place(file))
    return broken(error)


def lines_on(found: Result, told: list[str], hints: int) -> list[str]:
    """A row for each point, what broke, the total, and as much more as is to be given away."""
    rows = [("case", "gradient of", "verdict", "points")]
    for case in found["cases"]:
        for entry in case["inputs"]:
            if entry["points"] is not None:
                rows.append((case["case"], entry["name"], entry["verdict"], str(entry["points"])))
        rows.append((case["case"], "(the whole)", "right" if case["passed"] else "amiss", str(case["whole"]["points"])))
    lines = [*text_table(rows), "", f"{found['points']} of {found['out_of']} points"]
    broke = {
        case["error"]["message"]: text
        for case, text in reversed([*zip(found["cases"], told, strict=True)])
        if case["error"]
    }
    lines += [line for text in broke.values() for line in ("", text)]
    if any(case["forward_unchanged"] is False for case in found["cases"]) and not hints:
        lines += ["", OTHER_FORWARD]
    for case, text in zip(found["cases"], told, strict=True):
        if hints and not case["passed"] and not case["error"]:
            lines += ["", f"{case['case']}: {text}"]
    return lines
