"""Every pass as an exercise: its own backward passes, what is handed out does not."""

from pathlib import Path

import pytest

from acg_numpy.cli.exercises.answer_check import judge, judge_in, prepared
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.cli.exercises.pass_exercises import pass_exercises
from acg_numpy.cli.exercises.worker import every_exercise

CHAPTERS = Path(__file__).parents[3] / "tutorials"
EXERCISES = pass_exercises(18)
ANSWER = Path("/nowhere/answer.py")


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.title)
def test_the_package_s_own_backward_is_right_and_the_gap_is_not(exercise: Exercise) -> None:
    assert judge(exercise, exercise.blank, ANSWER).status == "untouched"
    assert judge(exercise, exercise.solution, ANSWER).status == "right"
    verdict = judge_in(prepared(exercise), exercise, exercise.blank, ANSWER)
    assert "NotImplementedError" in verdict.levels[0]


def test_another_forward_is_refused() -> None:
    exercise = next(exercise for exercise in EXERCISES if exercise.title == "mse")
    twice = "def mse_forward(*inputs):\n    out, cache = own(*inputs)\n    return 2 * out, cache\n"
    answer = f"{exercise.solution}\n\nown = mse_forward\n{twice}"
    assert "the forward" in judge(exercise, answer, ANSWER).levels[0]


def test_names_are_unique_with_those_of_the_book() -> None:
    exercises = every_exercise(CHAPTERS)
    assert len({exercise.name for exercise in exercises}) == len(exercises) == 60 + 58 + len(EXERCISES)
    assert exercises[-1].chapter == 21
