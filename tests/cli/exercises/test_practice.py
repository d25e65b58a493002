"""Practising: what each key does, what is kept, and how it looks on narrow terminals."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from acg_numpy.cli.exercises import practice_folder
from acg_numpy.cli.exercises.answer_check import Verdict, judge
from acg_numpy.cli.exercises.exercise import Exercise, read_exercises
from acg_numpy.cli.exercises.keyboard import SAVED
from acg_numpy.cli.exercises.practice import Practice
from acg_numpy.cli.exercises.practice_folder import STATE, PracticeFolder

CHAPTERS = Path(__file__).parents[3] / "tutorials"
EXERCISES = [exercise for exercise in read_exercises(CHAPTERS) if exercise.chapter in (3, 4)]
Captured = pytest.CaptureFixture[str]


def check_here(chapters: Path, exercise: Exercise, answer: str, file: Path) -> Verdict:
    return judge(exercise, answer, file)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PracticeFolder:
    """Two chapters, checked in this process."""
    monkeypatch.setattr(practice_folder, "check_in_process", check_here)
    monkeypatch.setattr("acg_numpy.cli.exercises.practice.start_ahead", lambda: None)
    monkeypatch.setenv("COLUMNS", "88")
    return PracticeFolder(tmp_path / "mine", CHAPTERS, EXERCISES)


def sit(folder: PracticeFolder, events: Iterable[str], *, start: int | None = None) -> Practice:
    practice = Practice(folder, start, plain=True)
    practice.run(events)
    return practice


def fill(folder: PracticeFolder, number: int, *change: str) -> None:
    exercise = folder.exercises[number]
    folder.file(exercise).write_text(exercise.solution.replace(*change) if change else exercise.solution)


def test_a_right_answer_moves_on_and_is_kept(folder: PracticeFolder, capsys: Captured) -> None:
    def events() -> Iterator[str]:
        fill(folder, 0)
        yield SAVED
        yield SAVED  # nothing was changed
        yield "q"

    practice = sit(folder, events())
    said = capsys.readouterr().out
    assert said.count("Right: 3.1, only the direction.") == 1
    assert "Compare it with `share_backward`." in said
    assert "1 of 6, chapter 3" in said
    assert practice.current is EXERCISES[1]
    again = Practice(PracticeFolder(folder.folder, CHAPTERS, EXERCISES))
    assert again.current is EXERCISES[1]
    assert again.folder.solved(EXERCISES[0])


def test_hints_say_more_each_time_and_the_last_names_it(folder: PracticeFolder, capsys: Captured) -> None:
    fill(folder, 0, "axis=-1", "axis=0")
    sit(folder, ["h", "h", "h", "h"])
    said = capsys.readouterr().out
    assert "There is no further hint" in said
    first, *hints = map(str.strip, re.split(r"Hint \d of \d\n", said))
    assert "FAILED" in first
    assert ["wrong-axis" in text for text in (first, *hints)] == [False, False, False, True]
    assert len(set(hints)) == 3


def test_a_hint_that_says_what_was_said_is_left_out(folder: PracticeFolder, capsys: Captured) -> None:
    folder.file(EXERCISES[1]).write_text("def chain(first, second):\n    return 1\n")
    sit(folder, ["n", "h"])
    assert re.findall(r"Hint \d of \d\n.*", capsys.readouterr().out) == [
        "Hint 1 of 2\na forward and a backward are to be returned."
    ]


def test_the_solution_comes_after_three_tries(folder: PracticeFolder, capsys: Captured) -> None:
    def events() -> Iterator[str]:
        for factor in "234":
            yield "s"
            fill(folder, 0, "return", f"return {factor} *")
            yield SAVED
        yield "s"

    sit(folder, events())
    said = capsys.readouterr().out
    assert [f"after {count}" in said for count in ("3 more tries", "2 more tries", "1 more try")] == [True] * 3
    assert said.count(EXERCISES[0].solution.rstrip()) == 1


def test_an_untouched_file_gets_hints_of_another_kind(folder: PracticeFolder, capsys: Captured) -> None:
    sit(folder, ["h", "h", "h"])
    said = capsys.readouterr().out
    assert said.count("The solution has 4 lines, and it calls np.sum.") == 3
    assert "save an attempt" in said
    assert not any(text in said for text in ("FAILED", "Hint 1", "It begins"))


def test_a_save_without_an_answer_is_told(folder: PracticeFolder, capsys: Captured) -> None:
    def events() -> Iterator[str]:
        file = folder.file(EXERCISES[0])
        for text in (file.read_text("utf-8") + "# a thought\n", " \n"):
            file.write_text(text, "utf-8")
            yield SAVED

    sit(folder, events())
    said = capsys.readouterr().out
    assert said.count("It is still as it was handed out") == 1
    assert said.count("The file is empty") == 1


def test_one_wrong_answer_is_one_try_however_often_it_is_checked(folder: PracticeFolder) -> None:
    for change, tries in (("return 2 *", 1), ("return 3 *", 2), ("return 2 *", 2)):
        fill(folder, 0, "return", change)
        for _ in range(3):
            folder.check_all()
        assert PracticeFolder(folder.folder, CHAPTERS, EXERCISES).tries(EXERCISES[0]) == tries


@pytest.mark.parametrize("key", ["solved", "tries", "current"])
def test_a_damaged_entry_of_the_state_is_left_out(folder: PracticeFolder, key: str) -> None:
    for value in (None, 0, True, "", "x", [], [None], [["x"]], {}, {"chain": None}, {"chain": 3}, {"chain": [None]}):
        state = {"solved": ["chain"], "tries": {"chain": ["a", "b"]}, "current": "chain", key: value}
        (folder.folder / STATE).write_text(json.dumps(state))
        again = PracticeFolder(folder.folder, CHAPTERS, EXERCISES)
        practice = Practice(again)
        assert (practice.current is EXERCISES[1]) == (key != "current")
        assert again.solved(EXERCISES[1]) == (key != "solved")
        assert again.tries(EXERCISES[1]) == (0 if key == "tries" else 2)


def test_keys_go_on_list_and_lay_out_anew(folder: PracticeFolder, capsys: Captured) -> None:
    fill(folder, 1, "return z", "return y")
    practice = sit(folder, ["n", "r", "l", "x", "n"])
    said = capsys.readouterr().out
    assert "first-alone" not in said
    assert "> 3.2   the composition of two passes" in said
    assert "There is no key 'x'" in said
    assert "return y" in folder.file(EXERCISES[1]).with_name("02.chain.py.old").read_text()
    assert folder.answer(EXERCISES[1]) == practice_folder.exercise_text(EXERCISES[1])
    assert practice.current is EXERCISES[2]


def test_laying_out_anew_twice_keeps_the_learner_s_work(folder: PracticeFolder) -> None:
    fill(folder, 1, "return z", "return y")
    kept = folder.reset(EXERCISES[1])
    assert kept is not None
    assert folder.reset(EXERCISES[1]) is None
    assert "return y" in kept.read_text()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_what_any_editor_saves_is_read(folder: PracticeFolder, encoding: str) -> None:
    """A byte order mark is no part of the answer, and a file that is not UTF-8 is checked, not passed over."""
    text = practice_folder.exercise_text(EXERCISES[1]) + "# caf\u00e9\n"
    folder.file(EXERCISES[1]).write_bytes(text.encode(encoding))
    if encoding == "utf-8-sig":
        assert folder.answer(EXERCISES[1]) == text
    else:
        assert folder.answer(EXERCISES[1]) not in ("", text)


def test_it_begins_at_a_chapter(folder: PracticeFolder, capsys: Captured) -> None:
    assert sit(folder, [], start=4).current is EXERCISES[3]


def test_when_all_is_solved_it_says_so(folder: PracticeFolder, capsys: Captured) -> None:
    folder.state["solved"] = [exercise.name for exercise in EXERCISES[1:]]

    def events() -> Iterator[str]:
        fill(folder, 0)
        yield SAVED

    sit(folder, events())
    assert "6 of 6, chapter 3\nAll are solved." in capsys.readouterr().out


@pytest.mark.parametrize("columns", [20, 40, 88])
def test_lines_fit_the_terminal(
    columns: int, folder: PracticeFolder, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    fill(folder, 0, "axis=-1", "axis=0")
    Practice(folder).run(["h", "h", "h", "l", "n"])
    longest = [line for line in capsys.readouterr().out.splitlines() if len(line) > columns]
    assert [line for line in longest if " " in line.strip()] == []  # a path is not cut


def test_the_state_outlives_damage_and_moved_files(folder: PracticeFolder) -> None:
    fill(folder, 0)
    assert folder.check(EXERCISES[0]).status == "right"
    moved = folder.folder / "elsewhere"
    moved.mkdir()
    folder.file(EXERCISES[0]).rename(moved / "09.direction_backward.py")
    again = PracticeFolder(folder.folder, CHAPTERS, EXERCISES)
    assert again.file(EXERCISES[0]).parent == moved
    assert again.solved(EXERCISES[0])
    for text in ("", "[1]", "null", '{"solved": ', "[" * 100_000):
        (folder.folder / STATE).write_text(text)
        assert PracticeFolder(folder.folder, CHAPTERS, EXERCISES).check(EXERCISES[0]).status == "right"
    assert json.loads((folder.folder / STATE).read_text())["solved"] == ["direction_backward"]


def test_a_file_has_task_and_imports_and_hides_the_check(folder: PracticeFolder) -> None:
    text = folder.answer(EXERCISES[1])
    head = "# 3.2  the composition of two passes\n# Chapter 3: What backward is given\n#\n# Write `chain"
    assert text.startswith(head)
    assert "wrong-order" not in text
    assert "import numpy as np" in folder.answer(EXERCISES[0])
    assert "#     def direction_forward(x):" in folder.answer(EXERCISES[0])
