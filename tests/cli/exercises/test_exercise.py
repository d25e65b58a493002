"""The exercises of the book are read out of its chapters, in Markdown and as notebooks alike."""

import re
from pathlib import Path

import pytest

from acg_numpy.cli.exercises.exercise import chapter_exercises, read_exercises
from acg_numpy.cli.exercises.worker import every_exercise
from acg_numpy.cli.notebooks import to_notebook

CHAPTERS = Path(__file__).parents[3] / "tutorials"
EXERCISES = read_exercises(CHAPTERS)


def test_an_exercise_has_a_task_and_a_check_that_calls_the_answer() -> None:
    for exercise in EXERCISES:
        assert exercise.task, exercise.label
        assert exercise.name in exercise.check or exercise.name == "exprel_rule", exercise.label
        assert "..." in exercise.blank, exercise.label
        assert "## " not in exercise.afterword


def test_a_task_speaks_of_nothing_that_its_file_lacks() -> None:
    """Of a file of `acg learn`, which has no cells and nothing of the page around."""
    words = re.compile(r"\b(cells?|above|below|page|figure|picture)\b")
    assert [exercise.label for exercise in every_exercise(CHAPTERS) if words.search(exercise.task)] == []


def test_no_exercise_needs_pictures_or_training() -> None:
    for exercise in EXERCISES:
        setup = exercise.setup()
        assert "matplotlib" not in setup, exercise.label
        assert "fit(" not in setup, exercise.label


def test_a_notebook_has_the_same_exercises_as_its_chapter(tmp_path: Path) -> None:
    pytest.importorskip("jupytext", reason="converts Markdown to notebooks")
    chapter = CHAPTERS / "03-what-backward-is-given.md"
    notebook = tmp_path / "03-what-backward-is-given.ipynb"
    notebook.write_text(to_notebook(chapter.read_text(encoding="utf-8")), encoding="utf-8")
    for one, other in zip(chapter_exercises(chapter), chapter_exercises(notebook), strict=True):
        for field in ("label", "title", "name", "given", "blank", "check", "solution"):
            assert getattr(one, field).split() == getattr(other, field).split(), field
        assert one.setup().split() == other.setup().split()


def test_another_file_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", '{"cells": [1]}'):
        file = tmp_path / "01-mine.ipynb"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"01-mine\.ipynb is not a notebook"):
            chapter_exercises(file)
