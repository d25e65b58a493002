"""Submissions: the files of a class, by student, from a folder or a zip as Canvas, Moodle or a teacher names them."""

import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from acg_numpy.text import counted, first_few

LARGEST_FILE = 1 << 18  # bytes; one that Python takes seconds to parse would cost the class's time
LARGEST_ZIP = 1 << 25  # of one student's
MOST_IN_ZIP = 1000
LINK = "it is a link to another file, which is not followed"
MOST_FILES = 20_000
IGNORED = re.compile(r"^(\.|__MACOSX$|__pycache__$|Thumbs\.db$)")
CANVAS = re.compile(
    r"^(?P<name>[^_]+(?:_[^_\d]+)*?)(?P<late>_LATE)?_(?P<id>\d+)_(?:(?P<upload>\d+)_(?P<file>.+)|(?P<text>(?:text|link)\.html))$"
)
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)$")
VERSION = re.compile(r"-(\d+)(?=\.[A-Za-z0-9]+$|$)")


class SubmissionError(ValueError):
    """A submission, or a whole folder of them, that cannot be read."""


class Submission(NamedTuple):
    """What one student handed in.

    Attributes
    ----------
    student : str
        The name, as the folder or the file has it.
    id : str
        The number that Canvas or Moodle gave the student; "" where there is none.
    file : str
        The name of the file that counts, for reports.
    source : str
        What is in it; "" where it cannot be read.
    problem : str
        Why it cannot be read.
    notes : tuple of str
        That it was late, or is one of several versions.
    """

    student: str
    id: str
    file: str
    source: str
    problem: str
    notes: tuple[str, ...]


class _Entry(NamedTuple):
    """One file among the submissions: its folders and its name, and how so many bytes of it are read."""

    parts: tuple[str, ...]
    read: Callable[[int], bytes]


def read_source(file: Path) -> str:
    """Read a file of a student's.

    Raises
    ------
    SubmissionError
        If it is no ordinary file, is too large, or is not text.
    """
    return _as_text(_read_file(file, LARGEST_FILE + 1))


def _read_file(file: Path, most: int) -> bytes:
    """Read the beginning of an ordinary file."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise SubmissionError(f"it cannot be read: {(error.strerror or str(error)).lower()}") from None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise SubmissionError("it is no ordinary file")
        return opened.read(most)


def _read_unlinked(file: Path, most: int) -> bytes:
    """Read the beginning of a file that is no link."""
    if file.is_symlink():
        raise SubmissionError(LINK)
    return _read_file(file, most)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """Read the beginning of a file in a zip."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise SubmissionError(LINK)
    try:
        with archive.open(member) as opened:
            return opened.read(most)
    except Exception as error:  # of zipfile, or of the library that unpacks, whose data is damaged
        raise SubmissionError(f"it cannot be read from the zip: {str(error) or type(error).__name__}") from None


def _as_text(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        raise SubmissionError(f"it is larger than {LARGEST_FILE >> 10} kB, which no backward needs")
    if b"\0" in data:
        raise SubmissionError("it is not Python: it holds null bytes; is this the right file?")
    return data.decode("utf-8-sig", "surrogateescape")


def read_submissions(source: Path, exercise: str) -> list[Submission]:
    """Read the submissions of a class, one for each student, in the order of their names.

    Parameters
    ----------
    source : path
        A folder or a zip: a file or a folder for each student, named by the teacher, Canvas or Moodle.
    exercise : str
        The name of the file that was handed out, without `.py`.

    Raises
    ------
    SubmissionError
        If the folder or the zip cannot be read, or holds nothing.
    """
    if source.is_dir():
        return _sorted(_folder_entries(source), exercise, source)
    try:
        with zipfile.ZipFile(source) as archive:
            return _sorted(_class_entries(archive), exercise, source)
    except OSError as error:
        raise SubmissionError(f"{source}: it cannot be read ({(error.strerror or str(error)).lower()})") from None
    except zipfile.BadZipFile:
        raise SubmissionError(f"{source}: it is neither a folder nor a zip file") from None


def _folder_entries(folder: Path) -> Iterator[_Entry]:
    """Yield the files in a folder; links to other folders are not followed."""
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not IGNORED.match(name))
        for name in sorted(files):
            path = Path(top, name)
            yield _Entry(path.relative_to(folder).parts, partial(_read_unlinked, path))


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    """Yield the files in a zip."""
    for member in archive.infolist():
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        if not member.is_dir():
            yield _Entry(
                tuple(part for part in parts if part not in ("/", "..")), partial(_read_member, archive, member)
            )


def _class_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    """Yield the files in the zip of a class; a single folder around all of them is left out."""
    found = [entry for entry in _zip_entries(archive) if entry.parts and not IGNORED.match(entry.parts[0])]
    tops = {entry.parts[0] for entry in found}
    around = len(tops) == 1 and len(found) > 1 and all(len(entry.parts) > 1 for entry in found)
    for entry in found:
        yield entry._replace(parts=entry.parts[1:]) if around and not _named(entry.parts[0]) else entry


def _named(name: str) -> bool:
    return bool(CANVAS.match(name) or MOODLE.match(name))


class _Candidate(NamedTuple):
    """A file that a student may have meant."""

    student: str
    id: str
    file: str
    late: bool
    order: tuple[int, ...]
    entry: _Entry


def _sorted(entries: Iterator[_Entry], exercise: str, source: Path) -> list[Submission]:
    """Sort files by student, and read the one that counts of each."""
    found: dict[tuple[str, str], list[_Candidate]] = {}
    for number, entry in enumerate(entries):
        if number >= MOST_FILES:
            raise SubmissionError(f"{source}: it holds more than {MOST_FILES:,} files; give the folder of one class")
        if entry.parts and not any(IGNORED.match(part) for part in entry.parts):
            one = _candidate(entry)
            found.setdefault((one.student, one.id), []).extend(_inside(one))
    if not found:
        raise SubmissionError(f"{source}: it holds no submissions: a file, or a folder with one, for each student")
    return [_read_best(found[key], exercise) for key in sorted(found)]


def _inside(candidate: _Candidate) -> list[_Candidate]:
    """Return the Python files in a student's own zip; any other file as it is."""
    if not candidate.file.lower().endswith(".zip"):
        return [candidate]
    try:
        data = candidate.entry.read(LARGEST_ZIP)
        inside = list(_zip_entries(zipfile.ZipFile(io.BytesIO(data))))[:MOST_IN_ZIP]
    except (SubmissionError, zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return [candidate]
    python = [
        one for one in inside if one.parts and one.parts[-1].lower().endswith(".py") and not IGNORED.match(one.parts[0])
    ]
    return [candidate._replace(file=one.parts[-1], entry=one) for one in python] or [candidate]


def _candidate(entry: _Entry) -> _Candidate:
    """Tell whose a file is, and which version of it, by its name and its folder."""
    top, name = entry.parts[0], entry.parts[-1]
    if (canvas := CANVAS.match(name)) and len(entry.parts) == 1:
        file = canvas["file"] or canvas["text"]
        version = VERSION.search(file)
        order = (int(version[1]) if version else 0, int(canvas["upload"] or 0))
        return _Candidate(canvas["name"], canvas["id"], VERSION.sub("", file), canvas["late"] is not None, order, entry)
    if moodle := MOODLE.match(top):
        file = name if len(entry.parts) > 1 else moodle["file"]
        return _Candidate(moodle["name"], moodle["id"], file, False, (), entry)
    student = top if len(entry.parts) > 1 else PurePosixPath(top).stem
    late = student.endswith("_LATE")
    return _Candidate(student.removesuffix("_LATE"), "", name, late, (), entry)


def _read_best(candidates: list[_Candidate], exercise: str) -> Submission:
    """Read the file that counts: the latest in Python, of those named as it was handed out if there are any."""
    python = [one for one in candidates if one.file.lower().endswith(".py")]
    copies = {one.entry: re.fullmatch(rf"{re.escape(exercise)}(?: ?\((\d+)\))?\.(?i:py)", one.file) for one in python}
    named = [
        one._replace(order=(*one.order, int(copy[1] or 0))) for one in python if (copy := copies[one.entry]) is not None
    ]
    chosen = named or python or candidates
    orders = [one.order for one in chosen]
    best = max(chosen, key=lambda one: one.order)
    notes = ["late"] * best.late
    problem, source = "", ""
    if not python:
        problem = f"there is no Python file, only {first_few([one.file for one in candidates], 3)}"
    elif orders.count(best.order) > 1:
        problem = (
            f"there are {counted(len(chosen), 'file')}, {first_few([one.file for one in chosen], 3)}: which counts"
        )
    else:
        if len(chosen) > 1:
            notes.append(f"the latest of {len(chosen)} versions")
        try:
            source = _as_text(best.entry.read(LARGEST_FILE + 1))
        except SubmissionError as error:
            problem = str(error)
    return Submission(best.student, best.id, best.file, source, problem, tuple(notes))
