"""Submissions: the files of a class, by student, from a folder or a zip as Canvas, Moodle or a teacher names them."""

import os
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from acg_numpy.text import counted, first_few

LARGEST_FILE = 1 << 20  # bytes
MOST_FILES = 20_000
IGNORED = re.compile(r"^(\.|__MACOSX$|__pycache__$|Thumbs\.db$)")
CANVAS = re.compile(r"^(?P<name>[^_]+(?:_[^_\d]+)*?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<upload>\d+)_(?P<file>.+)$")
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
    """One file among the submissions, and how to read it."""

    parts: tuple[str, ...]
    place: Path | zipfile.ZipInfo


def read_source(file: Path) -> str:
    """Read a file of a student's.

    Raises
    ------
    SubmissionError
        If it is no ordinary file, is too large, or is not text.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise SubmissionError(f"it cannot be read: {(error.strerror or str(error)).lower()}") from None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise SubmissionError("it is no ordinary file")
        return _as_text(opened.read(LARGEST_FILE + 1))


def _as_text(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        raise SubmissionError(f"it is larger than {LARGEST_FILE >> 20} MB, which no backward needs")
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
        return _sorted(_folder_entries(source), exercise, None, source)
    try:
        with zipfile.ZipFile(source) as archive:
            return _sorted(_zip_entries(archive), exercise, archive, source)
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
            yield _Entry(path.relative_to(folder).parts, path)


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    """Yield the files in a zip; a single folder around all of them is left out."""
    found = [one for one in archive.infolist() if not one.is_dir()]
    parts = [
        tuple(p for p in PurePosixPath(one.filename.replace("\\", "/")).parts if p not in ("/", "..")) for one in found
    ]
    tops = {part[0] for part in parts if not IGNORED.match(part[0])}
    inside = len(tops) == 1 and all(len(part) > 1 for part in parts) and not _named(next(iter(tops)))
    nested = inside and any(len(part) > 2 or _named(part[1]) for part in parts)
    for part, one in zip(parts, found, strict=True):
        yield _Entry(part[1:] if nested or (inside and len(found) > 1) else part, one)


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


def _sorted(
    entries: Iterator[_Entry], exercise: str, archive: zipfile.ZipFile | None, source: Path
) -> list[Submission]:
    """Sort files by student, and read the one that counts of each."""
    found: dict[tuple[str, str], list[_Candidate]] = {}
    for number, entry in enumerate(entries):
        if number >= MOST_FILES:
            raise SubmissionError(f"{source}: it holds more than {MOST_FILES:,} files; give the folder of one class")
        if entry.parts and not any(IGNORED.match(part) for part in entry.parts):
            one = _candidate(entry)
            found.setdefault((one.student, one.id), []).append(one)
    if not found:
        raise SubmissionError(f"{source}: it holds no submissions: a file, or a folder with one, for each student")
    return [_read_best(found[key], exercise, archive) for key in sorted(found)]


def _candidate(entry: _Entry) -> _Candidate:
    """Tell whose a file is, and which version of it, by its name and its folder."""
    top, name = entry.parts[0], entry.parts[-1]
    if (canvas := CANVAS.match(name)) and len(entry.parts) == 1:
        version = VERSION.search(canvas["file"])
        order = (int(version[1]) if version else 0, int(canvas["upload"]))
        return _Candidate(
            canvas["name"], canvas["id"], VERSION.sub("", canvas["file"]), canvas["late"] is not None, order, entry
        )
    if moodle := MOODLE.match(top):
        file = name if len(entry.parts) > 1 else moodle["file"]
        return _Candidate(moodle["name"], moodle["id"], file, False, (), entry)
    student = top if len(entry.parts) > 1 else PurePosixPath(top).stem
    late = student.endswith("_LATE")
    return _Candidate(student.removesuffix("_LATE"), "", name, late, (), entry)


def _read_best(candidates: list[_Candidate], exercise: str, archive: zipfile.ZipFile | None) -> Submission:
    """Read the file that counts: the latest in Python, of those named as it was handed out if there are any."""
    python = [one for one in candidates if one.file.endswith(".py")]
    named = [one for one in python if re.fullmatch(rf"{re.escape(exercise)}( ?\(\d+\))?\.py", one.file)]
    chosen = named or python or candidates
    best = max(chosen, key=lambda one: (one.order, one.entry.parts))
    versions = [one for one in chosen if one is not best]
    notes = ["late"] * best.late
    problem, source = "", ""
    if not python:
        problem = f"there is no Python file, only {first_few([one.file for one in candidates], 3)}"
    elif versions and not best.order:
        problem = (
            f"there are {counted(len(chosen), 'file')}, {first_few([one.file for one in chosen], 3)}: which counts"
        )
    else:
        if versions:
            notes.append(f"the latest of {len(chosen)} versions")
        try:
            source = _read_entry(best.entry, archive)
        except SubmissionError as error:
            problem = str(error)
    return Submission(best.student, best.id, best.file, source, problem, tuple(notes))


def _read_entry(entry: _Entry, archive: zipfile.ZipFile | None) -> str:
    """Read a file from its folder or its zip."""
    if isinstance(entry.place, Path):
        if entry.place.is_symlink():
            raise SubmissionError("it is a link to another file, which is not followed")
        return read_source(entry.place)
    assert archive is not None
    try:
        if stat.S_ISLNK(entry.place.external_attr >> 16):
            raise SubmissionError("it is a link to another file, which is not followed")
        with archive.open(entry.place) as opened:
            return _as_text(opened.read(LARGEST_FILE + 1))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise SubmissionError(f"it cannot be read from the zip: {error}") from None
    except Exception as error:  # of zlib, lzma or bz2, whose data is damaged
        if isinstance(error, SubmissionError):
            raise
        raise SubmissionError(f"it cannot be read from the zip: {type(error).__name__}") from None
