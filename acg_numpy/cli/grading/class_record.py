"""The record of a class: what is known about each student, kept as a file each, so that what is done is recognised."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from acg_numpy.cli.grading.submissions import Submission

REPORTS = "reports"
SETTINGS = "grading.json"


class Graded(NamedTuple):
    """A student with a result.

    Attributes
    ----------
    submission : Submission
    stem : str
        The name of the student's files.
    fingerprint : str
        A hash of the submission and the options.
    options : dict
        The hand-out, the seed, the options and the version that it was judged by, in words for a message.
    result : dict
        As from `judge_file`.
    note : str
        What is worth saying in a spreadsheet.
    """

    submission: Submission
    stem: str
    fingerprint: str
    options: dict[str, Any]
    result: dict[str, Any]
    note: str

    @property
    def columns(self) -> dict[str, int]:
        """The points of each gradient and each whole case, by a name for a column."""
        found = {}
        for case in self.result["cases"]:
            for entry in case["inputs"]:
                if entry["points"] is not None:
                    found[f"{case['case']}: {entry['name']}"] = entry["points"]
            found[f"{case['case']}: whole"] = case["whole"]["points"]
        return found


def fingerprint(submission: Submission, options: dict[str, Any]) -> str:
    """Hash a submission with all that its result depends on."""
    return _hash([submission.file, submission.source, submission.problem, submission.notes, options])


def _hash(found: Any) -> str:
    return hashlib.sha256(json.dumps(found).encode("utf-8", "surrogatepass")).hexdigest()


def file_stems(submissions: Sequence[Submission]) -> list[str]:
    """Return a name for the files of each student, different ones for different students.

    Examples
    --------
    >>> file_stems([Submission(name, "", "", "", "", ()) for name in ("ann", "J. Doe/x", "J. Doe:x", "con")])
    ['ann', 'J. Doe_x', 'J. Doe_x-2', 'con_']
    """
    stems: list[str] = []
    for submission in submissions:
        name = f"{submission.student}_{submission.id}" if submission.id else submission.student
        stem = re.sub(r"[^\w. -]+", "_", name).strip(". ")[:80] or "student"
        if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", stem):  # which Windows keeps for devices
            stem += "_"
        number, unique = 1, stem
        while unique.casefold() in (other.casefold() for other in stems):
            number += 1
            unique = f"{stem}-{number}"
        stems.append(unique)
    return stems


def read_record(out: Path, stem: str) -> dict[str, Any] | None:
    """Read what was found about a student before; None if nothing was, or the file is not as it was written."""
    try:
        return read_sealed(out / REPORTS / f"{stem}.json")
    except (OSError, ValueError):
        return None


def recorded_stems(out: Path) -> list[str]:
    """List the students of whom a folder holds a record."""
    return [stem for file in sorted((out / REPORTS).glob("*.json")) if read_record(out, stem := file.stem) is not None]


def write_record(out: Path, graded: Graded) -> None:
    """Keep what was found about a student."""
    known = {"student": graded.submission.student, "id": graded.submission.id, "file": graded.submission.file}
    how = {"fingerprint": graded.fingerprint, "options": graded.options}
    write_sealed(out / REPORTS / f"{graded.stem}.json", {**known, **how, "note": graded.note, "result": graded.result})


def write_sealed(file: Path, found: dict[str, Any]) -> None:
    """Write JSON with a hash of itself, so that what was changed or damaged since is told from what was written."""
    replace_text(file, json.dumps({**found, "written": _hash(found)}, indent=1) + "\n")


def read_sealed(file: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not as it was written.
    """
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.pop("written", None) != _hash(found):
        raise ValueError(f"{file} is not as it was written")
    return found


def replace_text(file: Path, text: str) -> None:
    """Write a file at once: what is there is whole, whenever this process ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    os.replace(part, file)


def result_note(submission: Submission, result: dict[str, Any]) -> str:
    """Write what a spreadsheet should say beside the points."""
    notes = [*submission.notes]
    errors = dict.fromkeys(case["error"]["message"] for case in result["cases"] if case.get("error"))
    notes += errors
    if any(case["forward_unchanged"] is False for case in result["cases"]):
        notes.append("the forward was changed")
    notes += dict.fromkeys(case["numeric"] for case in result["cases"] if case.get("numeric"))
    if result["looks"]:
        notes.append("look at the file")
    return "; ".join(notes)


def differences(before: dict[str, Any] | None, now: Graded) -> Iterator[str]:
    """Yield what has changed since a student was graded before, a sentence each."""
    if before is None:
        yield "was not graded before"
        return
    was, result = before["result"], now.result
    if was["points"] != result["points"]:
        yield f"{was['points']} -> {result['points']} of {result['out_of']} points"
    old = now._replace(result=was).columns
    for name, points in now.columns.items():
        if old.get(name) != points:
            yield f"{name}: {old.get(name, 'nothing')} -> {points}"
    if was["mistakes"] != result["mistakes"]:
        yield f"mistakes: {', '.join(was['mistakes']) or 'none'} -> {', '.join(result['mistakes']) or 'none'}"
    if before["fingerprint"] != now.fingerprint:
        yield "the submission, the hand-out, the options or the version are others than before"
