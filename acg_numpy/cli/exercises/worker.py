"""A process of its own for each check, so that an answer may loop, end the process or change NumPy without harm.

`python -m acg_numpy.cli.exercises.worker` reads a request, in JSON, and writes the verdict, in JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from acg_numpy.cli.exercises.answer_check import Verdict, judge
from acg_numpy.cli.exercises.book import chapter_files
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.cli.exercises.pass_exercises import pass_exercises
from acg_numpy.cli.exercises.short_exercises import chapter_with_short_exercises, with_short_exercises
from acg_numpy.text import counted

SECONDS = 60


def every_exercise(folder: Path) -> list[Exercise]:
    """List the exercises of the book in a folder of chapters, with short ones between, and then those of every pass."""
    book = with_short_exercises(folder)
    return [*book, *pass_exercises(max((exercise.chapter for exercise in book), default=0) + 1)]


def check_in_process(folder: Path, exercise: Exercise, answer: str, file: Path, seconds: float = SECONDS) -> Verdict:
    """Check an answer in a process of its own.

    Parameters
    ----------
    folder : path
        Of the chapters.
    exercise : Exercise
    answer : str
        Python.
    file : path
        Where it stands, for messages.
    seconds : float
        After which it is ended.
    """
    process = _take_process()
    where = {"folder": str(folder), "chapter": exercise.chapter, "name": exercise.name}
    request = {**where, "answer": answer, "file": str(file)}
    try:
        found, said = process.communicate(json.dumps(request).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        message = f"It still runs after {counted(round(seconds), 'second')}. Is there a loop without an end?"
        return Verdict("wrong", "time", (message,) * 4)
    try:
        status, mistake, levels, printed = json.loads(found)
        return Verdict(status, mistake, tuple(levels), printed)
    except (ValueError, TypeError):
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        message = " ".join([f"The process of the check ended with code {process.returncode}.", *last])
        return Verdict("wrong", "ended", (message,) * 4)


def start_ahead() -> None:
    """Start the process of the next check, so that it imports what it needs while the learner writes."""
    if not _ahead:
        _ahead.append(_start_process())


_ahead: list["subprocess.Popen[bytes]"] = []


def _take_process() -> "subprocess.Popen[bytes]":
    """Return the process that was started ahead, if it is still there, or a new one."""
    if _ahead and (process := _ahead.pop()).poll() is None:
        return process
    return _start_process()


def _start_process() -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"}
    command = [sys.executable, "-P", "-m", "acg_numpy.cli.exercises.worker"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def _find(folder: Path, chapter: int, name: str) -> Exercise:
    """Read one chapter, because all of them take a second, and return the exercise of a name."""
    files = [file for file in chapter_files(folder) if file.name.startswith(f"{chapter:02}-")]
    exercises = chapter_with_short_exercises(files[0]) if files else pass_exercises(chapter)
    return next(exercise for exercise in exercises if exercise.name == name)


def main() -> None:
    """Answer one request; none comes to a process that was started ahead, if the learner ends."""
    asked = sys.stdin.buffer.read()
    if not asked:
        return
    request = json.loads(asked)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # so that what C code prints is not read as a verdict
        exercise = _find(Path(request["folder"]), request["chapter"], request["name"])
        json.dump(judge(exercise, request["answer"], Path(request["file"])), answers)


if __name__ == "__main__":
    main()
