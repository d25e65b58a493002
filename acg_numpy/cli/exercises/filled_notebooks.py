"""Exercises that are filled in in notebooks: what stands there goes to the check of the installed chapter."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from acg_numpy.cli.exercises.answer_check import Verdict
from acg_numpy.cli.exercises.book import Cell, read_cells
from acg_numpy.cli.exercises.exercise import Exercise, chapter_exercises, exercise_cells, split_answer
from acg_numpy.cli.exercises.practice_folder import check_answer_text


def check_notebooks(folder: Path, filled: Path, chapters: Sequence[Path]) -> list[tuple[Exercise, Verdict]]:
    """Check the exercises of all notebooks that are there.

    Parameters
    ----------
    folder : path
        Of the installed chapters.
    filled : path
        Of the notebooks.
    chapters : sequence of path
        Those of the installed chapters that are wanted.

    Raises
    ------
    ValueError
        If a file is not a notebook.
    """
    work = []
    for chapter in chapters:
        notebook = filled / f"{chapter.stem}.ipynb"
        if notebook.exists():
            answers = filled_answers(chapter, notebook)
            work += [(exercise, answer, notebook) for exercise, answer in answers]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        verdicts = list(pool.map(lambda one: check_answer_text(folder, *one), work))
    return [(exercise, verdict) for (exercise, *_), verdict in zip(work, verdicts, strict=True)]


def filled_answers(chapter: Path, notebook: Path) -> list[tuple[Exercise, str]]:
    """Return the exercises of a chapter with what stands in a notebook as their answers.

    An answer is what stands under the heading of its exercise in cells of code, those that were added too, but for
    what the chapter gives, its check and its solution.
    """
    sections = exercise_cells(read_cells(notebook))
    known = exercise_cells(read_cells(chapter))
    found = []
    for exercise in chapter_exercises(chapter):
        given = {_bare(cell) for cell in known[exercise.label] if "skip-execution" not in cell.tags}
        own = [c for c in sections.get(exercise.label, []) if "hide-cell" not in c.tags and _bare(c) not in given]
        found.append((exercise, "\n".join(_answer(cell.text, exercise.check) for cell in own)))
    return found


def _bare(cell: Cell) -> str:
    return "".join(cell.text.split())


def _answer(text: str, check: str) -> str:
    try:
        return split_answer(text, check)[0]
    except SyntaxError:  # which is reported when the answer is run
        return text
