"""Every exercise: its solution and unusual right answers pass, the skeleton and wrong answers fail for their reason."""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings

from acg_numpy.cli.exercises.answer_check import LEVELS, asks_for_value, judge, judge_in, prepared
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.cli.exercises.short_exercises import with_short_exercises
from acg_numpy.testing.properties import runner
from tests.thoroughness import one_in

pytestmark = pytest.mark.slow

CHAPTERS = Path(__file__).parents[3] / "tutorials"
TABLES = sorted((Path(__file__).parent / "attempts").glob("*.txt"))
ANSWER = Path("/nowhere/answer.py")


class Attempt(NamedTuple):
    """An answer to an exercise, and what should come of it.

    In a table `== NAME` begins an exercise; `-- right: WHY` and `-- wrong MISTAKE: WHY` begin answers.  An answer is
    Python, or lines `~ old => new`, each of which changes the solution.  See `short_answers` for those of one line.
    """

    file: str
    line: int
    exercise: str
    mistake: str  # empty for one that is right
    why: str
    text: str

    @property
    def right(self) -> bool:
        return not self.mistake

    def answer(self, exercise: Exercise) -> str:
        changes = re.findall(r"^~ (.*?) =>(?: (.*))?$", self.text, re.MULTILINE)
        answer = exercise.solution if changes else self.text
        for old, new in changes:
            assert old in answer, f"{self.file}:{self.line}: {old!r} is not in the solution of {self.exercise}"
            answer = answer.replace(old, new)
        return answer


def read_attempts() -> Iterator[Attempt]:
    for table in TABLES:
        exercise, text = "", table.read_text()
        for block in re.finditer(r"^(?:== (.*)|-- (\w+)(.*)\n((?:(?!== |-- ).*\n?)*))", text, re.M):
            line = text[: block.start()].count("\n") + 1
            if block[1]:
                exercise = block[1].strip()
            elif block[2] in ("right", "wrong"):
                mistake, _, why = block[3].partition(":")
                yield Attempt(table.name, line, exercise, mistake.strip(), why.strip(), block[4])
            else:
                for mistake, value in short_answers(block[2], block[3].strip(), block[4].split("\n")):
                    yield Attempt(
                        table.name, line, exercise, mistake, "", f"import numpy as np\n{exercise} = {value}\n"
                    )


def short_answers(kind: str, right: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is given for `-- choice b`, `-- shape (2, 3)` or `-- value 7`: forms of the right one, and wrong ones.

    Below such a line stand an option and its mistake, or a mistake and its shape or value.
    """
    wrong = [line.split(maxsplit=1) for line in lines if line.strip()]
    yield from [("nothing-returned", "None"), ("nothing-returned", "...")]
    if kind == "choice":
        yield from (("", text) for text in (f'"{right}"', f'"{right.upper()}"', f'"({right})"', f'" {right}. "'))
        yield from [("no-option", '"e"'), ("no-option", "2")]
        yield from ((mistake, f'"{option}"') for option, mistake in wrong)
        return
    yield from (("", text) for text in (right, f"np.array({right}) + 0", f"np.asarray({right}).tolist()"))
    yield from ((mistake, value) for mistake, value in wrong)
    if kind == "shape":
        yield "", f"np.zeros({right}).shape"
        yield from [("number-of-axes", "(9, 9, 9, 9, 9, 9)"), ("no-shape", '"2, 3"'), ("no-shape", "0.5")]
    else:
        yield "", f"np.multiply({right}, 1 + 1e-12)"
        yield from [("not-numbers", '"7"'), ("wrong-shape", f"[{right}, {right}, {right}]")]


EXERCISES = with_short_exercises(CHAPTERS)
ATTEMPTS = list(read_attempts())
# each attempt is a search of its own: a fifth of them is tried, unless the profile is "thorough"
SLOW = {
    *("my_softmax", "safe", "norm_inputs", "exchange_test", "my_backward", "frugal_backward", "open_backward"),
    *("popular_backward", "self_backward", "shared_backward", "block_backward", "batch_norm_backward", "sampled_ndcg"),
    *("entropy_backward", "tempered_backward", "largest_eigenvalue", "rms_norm_backward", "seat_backward"),
}


@pytest.fixture(autouse=True)
def same_examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same examples in every run, any counterexample instead of the smallest, and afterwards what was there."""
    monkeypatch.setattr(runner, "PHASES", [Phase.generate])
    before = settings.get_current_profile_name()
    settings.load_profile("ci")
    yield
    settings.load_profile(before)


def names_for(exercise: Exercise, answer: str = "") -> dict[str, Any]:
    try:
        return prepared(exercise, answer)
    except ImportError as error:
        pytest.skip(f"{error.name} is not installed")


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: f"{exercise.label}-{exercise.name}")
def test_right_answers_pass_and_wrong_ones_get_their_reason(exercise: Exercise) -> None:
    names = names_for(exercise)
    assert judge_in(names, exercise, exercise.solution, ANSWER).status == "right"
    assert judge_in(names, exercise, exercise.blank, ANSWER).status == "wrong"
    attempts = [attempt for attempt in ATTEMPTS if attempt.exercise == exercise.name]
    for attempt in one_in(5 if exercise.name in SLOW else 1, attempts):
        answer = attempt.answer(exercise)
        if exercise.setup(answer) != exercise.setup():
            names = names_for(exercise, answer)  # which an answer may have changed, but for what checks copy
        verdict = judge_in(names, exercise, answer, ANSWER)
        where = f"{attempt.file}:{attempt.line}"
        if attempt.right:
            assert verdict.status == "right", f"{where}: refused, {verdict.levels}"
        else:
            assert (verdict.status, verdict.mistake) == ("wrong", attempt.mistake), f"{where}: {verdict.levels}"
            assert len(verdict.levels) == LEVELS
            assert all(verdict.levels)
            assert not (asks_for_value(exercise) and any("expected" in level for level in verdict.levels)), where


def test_every_exercise_has_three_right_and_five_wrong_attempts() -> None:
    counts = Counter((attempt.exercise, attempt.right) for attempt in ATTEMPTS)
    names = [exercise.name for exercise in EXERCISES]
    assert len(set(names)) == len(names) == 60 + 58
    assert {name for name, _ in counts} == set(names)
    assert [name for name in names if counts[name, True] < 3 or counts[name, False] < 5] == []


def test_no_check_ends_in_a_bare_assertion() -> None:
    assert [attempt for attempt in ATTEMPTS if attempt.mistake == "assertion"] == []


def test_what_was_handed_out_is_told_from_an_attempt() -> None:
    exercise = next(exercise for exercise in EXERCISES if exercise.name == "attend_at")
    for answer in (exercise.blank, f"# mine\nimport numpy as np\n\n{exercise.blank}"):
        assert judge(exercise, answer, ANSWER).status == "untouched"
    assert judge(exercise, exercise.blank.replace("...", "return None"), ANSWER).mistake == "nothing-returned"


def test_an_answer_may_use_whatever_its_chapter_has() -> None:
    exercise = next(exercise for exercise in EXERCISES if exercise.name == "my_unbroadcast")
    answer = "def my_unbroadcast(grad, like):\n    return unbroadcast(grad, like)\n"
    assert "unbroadcast" not in prepared(exercise)
    assert judge(exercise, answer, ANSWER).status == "right"


@pytest.mark.parametrize(
    ("answer", "mistake", "says"),
    [
        ("def direction_backward(grad_out, cache)\n    return 1\n", "syntax", "answer.py:1: SyntaxError"),
        ("def direction_backward(grad_out, cache):\n    return y\n", "error", "NameError: name 'y' is not defined"),
        ("def other(grad_out, cache):\n    return 1\n", "error", "direction_backward is not defined"),
        ("raise SystemExit\n", "error", "the file ends the program"),
        ("def direction_backward(grad_out, cache):\n    return None\n", "*", "FAILED"),
    ],
)
def test_an_answer_that_breaks_says_where(answer: str, mistake: str, says: str) -> None:
    exercise = next(exercise for exercise in EXERCISES if exercise.name == "direction_backward")
    verdict = judge(exercise, answer, ANSWER)
    assert mistake in (verdict.mistake, "*")
    assert says in verdict.levels[0]


def test_a_hint_names_the_mistake_at_the_last_level_only() -> None:
    exercise = next(exercise for exercise in EXERCISES if exercise.name == "direction_backward")
    verdict = judge(exercise, exercise.solution.replace("axis=-1", "axis=0"), ANSWER)
    assert verdict.mistake == "wrong-axis"
    assert ["wrong-axis" in level for level in verdict.levels] == [False, False, False, True]


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = next(exercise for exercise in EXERCISES if exercise.name == "exprel_rule")
    monkeypatch.setitem(sys.modules, "scipy", None)
    verdict = judge(exercise, exercise.solution, ANSWER)
    assert verdict.status == "unavailable"
    assert "needs SciPy" in verdict.levels[0]
