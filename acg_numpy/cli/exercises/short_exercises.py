"""Short exercises between those of the book: predict a shape or a number, choose, find the mistake, write a property.

Each chapter has a file of them in `short/`, by the chapter's name without its number: a heading `## title`, the task,
and blocks of Python called answer (what is handed out), check and solution; what follows is read when it is solved.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from acg_numpy.cli.exercises.book import chapter_files
from acg_numpy.cli.exercises.exercise import Exercise, chapter_exercises

FOLDER = Path(__file__).parent / "short"
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```python (answer|check|solution)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOR_CHECKS = """\
import numpy as np
from acg_numpy.cli.exercises import WrongAnswer, check_answer, check_choice, check_property, check_shape, on_copies
"""


def with_short_exercises(folder: Path) -> list[Exercise]:
    """Read the exercises of all chapters in a folder, with short ones between: one before each of the book's.

    Parameters
    ----------
    folder : path
        Of the chapters.
    """
    return [exercise for file in chapter_files(folder) for exercise in chapter_with_short_exercises(file)]


def chapter_with_short_exercises(file: Path) -> list[Exercise]:
    """Read the exercises of one chapter, with short ones between."""
    book = chapter_exercises(file)
    return list(_alternating(short_exercises(file, book), book))


def short_exercises(file: Path, book: Sequence[Exercise]) -> list[Exercise]:
    """Read the short exercises of a chapter.

    Parameters
    ----------
    file : path
        The chapter.
    book : sequence of Exercise
        Its own exercises, whose chapter the short ones share.
    """
    source = FOLDER / f"{file.stem[3:]}.md"
    if not book or not source.exists():
        return []
    first = book[0]
    _, *parts = HEADING.split(source.read_text(encoding="utf-8"))
    found = []
    for place, (title, text) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        blocks: dict[str, str] = dict(BLOCK.findall(text))
        matches = list(BLOCK.finditer(text))
        exercise = first._replace(
            number=0, letter=chr(ord("a") + place), title=title, given="", shown="", blank=blocks["answer"],
            task=text[: matches[0].start()].strip(), check=FOR_CHECKS + blocks["check"], solution=blocks["solution"],
            afterword=text[matches[-1].end() :].strip(),
        )  # fmt: skip
        found.append(exercise)
    return found


def _alternating(short: Sequence[Exercise], book: Sequence[Exercise]) -> Iterator[Exercise]:
    """Yield one short exercise before each of the book's; those that are left over come first."""
    extra = max(0, len(short) - len(book))
    yield from short[:extra]
    for place, exercise in enumerate(book):
        yield from short[extra + place : extra + place + 1]
        yield exercise
