"""A folder of exercises to fill in: its files, and what is known about them."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from acg_numpy.cli.exercises.answer_check import UNTOUCHED, Verdict, is_untouched
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.cli.exercises.plain_formulas import plain_text
from acg_numpy.cli.exercises.worker import check_in_process
from acg_numpy.text import text_table

STATE = ".acg-learn.json"
WIDTH = 88


class PracticeFolder:
    """The files of a learner, and which are solved.

    Files and state go by the names of exercises, which stay when chapters move.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    chapters : path
        The folder of the chapters.
    exercises : sequence of Exercise
    """

    def __init__(self, folder: Path, chapters: Path, exercises: Sequence[Exercise]) -> None:
        self.folder, self.chapters, self.exercises = folder, chapters, exercises
        folder.mkdir(parents=True, exist_ok=True)
        self._found = {match[1]: file for file in folder.rglob("*.py") if (match := _NAME.fullmatch(file.name))}
        self.state = _read_state(folder / STATE)
        self._lock = threading.Lock()
        for exercise in exercises:
            if not (file := self.file(exercise)).exists():
                file.parent.mkdir(exist_ok=True)
                file.write_text(exercise_text(exercise), encoding="utf-8")

    def file(self, exercise: Exercise) -> Path:
        """Return the file of an exercise: where it was laid out, or where it is to be."""
        place = exercise.letter or f"{exercise.number:02}"
        file = f"{exercise.chapter:02}-{_slug(exercise.part)}/{place}.{exercise.name}.py"
        return self._found.get(exercise.name, self.folder / file)

    def answer(self, exercise: Exercise) -> str:
        """Return what stands in a file; nothing where it was removed."""
        try:
            return self.file(exercise).read_bytes().decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n")
        except OSError:
            return ""

    def check(self, exercise: Exercise) -> Verdict:
        """Check what stands in a file, and keep what came of it; the same wrong answer is one try, however often."""
        answer = self.answer(exercise)
        verdict = check_answer_text(self.chapters, exercise, answer, self.file(exercise))
        if verdict.status == "untouched":
            return verdict
        with self._lock:  # several are checked at a time
            solved = [name for name in self.state["solved"] if name != exercise.name]
            self.state["solved"] = [*solved, exercise.name] if verdict.status == "right" else solved
            if verdict.status == "wrong":
                tries = self.state["tries"].setdefault(exercise.name, [])
                mark = hashlib.sha256(answer.encode("utf-8", "surrogateescape")).hexdigest()[:8]
                tries += [mark] if mark not in tries else []
            self.keep()
        return verdict

    def check_all(self) -> list[Verdict]:
        """Check every file, several at a time."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            return list(pool.map(self.check, self.exercises))

    def reset(self, exercise: Exercise) -> Path | None:
        """Lay a file out anew; what stood there is kept beside it, and its place is returned; None if nothing did."""
        file = self.file(exercise)
        if is_untouched(exercise, self.answer(exercise)):
            return None
        kept = file.with_name(f"{file.name}.old")
        if file.exists():
            file.replace(kept)
        file.write_text(exercise_text(exercise), encoding="utf-8")
        return kept

    def tries(self, exercise: Exercise) -> int:
        """Return how many different wrong answers were checked."""
        return len(self.state["tries"].get(exercise.name, []))

    def solved(self, exercise: Exercise) -> bool:
        """Return whether the last answer was right."""
        return exercise.name in self.state["solved"]

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        file = self.folder / STATE
        new = file.with_name(f"{STATE}.{os.getpid()}.tmp")
        new.write_text(json.dumps(self.state, indent=1), encoding="utf-8")
        new.replace(file)


def check_answer_text(chapters: Path, exercise: Exercise, answer: str, file: Path) -> Verdict:
    """Check an answer in a process of its own, which what is untouched does not need."""
    if not answer.strip() or is_untouched(exercise, answer):
        return UNTOUCHED
    return check_in_process(chapters, exercise, answer, file)


_NAME = re.compile(r"(?:\d\d|[a-z])\.(\w+)\.py")


def _read_state(file: Path) -> dict[str, Any]:
    """Read the state; of what was changed by hand or damaged, all that is in its form."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # there is none yet, or it is not JSON
        found = None
    found = found if isinstance(found, dict) else {}
    solved, tries, current = (found.get(key) for key in ("solved", "tries", "current"))
    return {
        "solved": [name for name in solved if isinstance(name, str)] if isinstance(solved, list) else [],
        "tries": {name: marks for name, marks in tries.items() if _is_texts(marks)} if isinstance(tries, dict) else {},
        "current": current if isinstance(current, str) else "",
    }


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def exercise_text(exercise: Exercise) -> str:
    """Write the file of an exercise: the task and what is given as comments, and the part to fill in."""
    lines = [f"{exercise.label}  {exercise.title}", f"Chapter {exercise.chapter}: {exercise.part}", ""]
    lines += plain_text(exercise.task).splitlines()
    if exercise.shown.strip():
        lines += ["", "Given, by the book (a change here changes nothing):", ""]
        lines += [f"    {line}".rstrip() for line in exercise.shown.strip().splitlines()]
    head = "\n".join(f"# {line}".rstrip() for line in lines)
    return "\n\n".join(part for part in (head, exercise.imports, exercise.blank) if part.strip())


def verdict_table(exercises: Sequence[Exercise], verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Lay verdicts out, and count what is right."""
    rows = [
        (exercise.label, exercise.name, verdict.status, verdict.mistake if verdict.status == "wrong" else "")
        for exercise, verdict in zip(exercises, verdicts, strict=True)
    ]
    yield from text_table([("", "exercise", "is", "mistake"), *rows], longest=None)
    right = sum(verdict.status == "right" for verdict in verdicts)
    yield from ("", f"{right} of {len(rows)} are right.")


def verdicts_as_json(exercises: Sequence[Exercise], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return verdicts as JSON takes them."""
    found = [
        {
            "name": exercise.name,
            "label": exercise.label,
            "title": exercise.title,
            "status": verdict.status,
            "mistake": verdict.mistake if verdict.status == "wrong" else "",
        }
        for exercise, verdict in zip(exercises, verdicts, strict=True)
    ]
    return {"right": sum(row["status"] == "right" for row in found), "of": len(found), "exercises": found}


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:24].rstrip("-")
