"""Practising: the current exercise is checked at every save, hints come when asked for, and then it moves on."""

import ast
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable

from acg_numpy.cli.exercises.answer_check import LEVELS, Verdict
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.cli.exercises.keyboard import END, SAVED
from acg_numpy.cli.exercises.plain_formulas import plain_text
from acg_numpy.cli.exercises.practice_folder import WIDTH, PracticeFolder
from acg_numpy.cli.exercises.worker import start_ahead
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, joined

KEYS = "h hint, s solution, n next, l list, r reset, q quit"
TRIES = 3  # before the solution is shown


class Practice:
    """One sitting.

    Parameters
    ----------
    folder : PracticeFolder
    start : int, optional
        The chapter to begin at; by default where the last sitting ended.
    plain : bool
        Lines alone, without a progress bar.
    """

    def __init__(self, folder: PracticeFolder, start: int | None = None, *, plain: bool = False) -> None:
        self.folder, self.plain = folder, plain
        exercises = folder.exercises
        names = [exercise.name for exercise in exercises]
        if start is not None:
            at = next(i for i, exercise in enumerate(exercises) if exercise.chapter >= start)
        else:
            at = names.index(folder.state["current"]) if folder.state["current"] in names else 0
        self.current: Exercise = exercises[at]
        self.verdict = Verdict("untouched")
        self.level = 0
        self._checked = ""

    def run(self, events: Iterable[str]) -> None:
        """Practise until the learner ends it."""
        if self.folder.solved(self.current):
            self._move_on()
        self._present()
        keys: dict[str, Callable[[], None]] = {
            "h": self._hint,
            "s": self._solution,
            "n": self._skip,
            "l": self._list,
            "r": self._reset,
        }
        for event in events:
            if event in ("q", END):
                self._say("", "What is done is kept. To go on, give the same command.")
                return
            if event == SAVED:
                self._check()
            elif event in keys:
                keys[event]()
            elif event.strip():
                self._say(f"There is no key {event!r}: {KEYS}.")

    def _present(self) -> None:
        """Show where the learner is, and what is to be done."""
        start_ahead()
        self.folder.state["current"] = self.current.name
        self.folder.keep()
        self.level, self.verdict, self._checked = 0, Verdict("untouched"), self.folder.answer(self.current)
        echo("", self._progress(), "")
        self._say(f"{self.current.label}  {self.current.title}")
        self._say("", reflowed(plain_text(self.current.task)))
        self._say("", f"Fill in: {self.folder.file(self.current)}")
        self._say(f"It is checked when you save it. Keys: {KEYS}.")
        if self._checked.strip():
            self._check(again=True)

    def _check(self, *, again: bool = False) -> None:
        """Check the current exercise, if it was changed."""
        answer = self.folder.answer(self.current)
        if answer == self._checked and not again:
            return
        self._checked = answer
        verdict = self.folder.check(self.current)
        if verdict.mistake != self.verdict.mistake:
            self.level = 0
        self.verdict = verdict
        if verdict.status == "untouched":
            if not again:
                same = "It is still as it was handed out, but for comments and layout."
                self._say(same if answer.strip() else "The file is empty; r writes it as it was handed out.")
            return
        start_ahead()
        if verdict.printed.strip():
            self._say(verdict.printed)
        if verdict.status == "right":
            self._say(f"Right: {self.current.label}, {self.current.title.rstrip('?')}.")
            if self.current.afterword:
                self._say(reflowed(plain_text(self.current.afterword)))
            self._next()
        else:
            self._say("", verdict.levels[0])
            self._say("n goes on." if verdict.status == "unavailable" else "h gives a hint.")

    def _hint(self) -> None:
        """Say a little more than before, of an attempt; hints before the first would be hints at nothing."""
        if self.verdict.status != "wrong":
            self._say(_first_hint(self.current), "Hints are about what you wrote: save an attempt, even a wrong one.")
            return
        hints = self._hints()
        if self.level == len(hints):
            self._say("There is no further hint. s shows a solution after three tries that differ.")
            return
        self.level += 1
        self._say("", f"Hint {self.level} of {len(hints)}", hints[self.level - 1])

    def _hints(self) -> list[str]:
        """List the hints about an attempt, from the vaguest on; one that says what was said is left out."""
        levels, mistake = self.verdict.levels, self.verdict.mistake
        first = 1 if mistake in ("error", "syntax") else 2 if mistake == "different" else LEVELS
        general = [_general_hint(self.current, level) for level in range(first, LEVELS)]
        found = [text.removeprefix("Hint: ") for text in [*levels[1:first], *general]]
        return [text for text in dict.fromkeys(found) if text != levels[0]]

    def _solution(self) -> None:
        left = TRIES - self.folder.tries(self.current)
        if left > 0 and not self.folder.solved(self.current):
            self._say(f"The solution is shown after {counted(left, 'more try').replace('trys', 'tries')}.")
            return
        echo("", *self.current.solution.rstrip().split("\n"), "")

    def _skip(self) -> None:
        self._next()

    def _next(self) -> None:
        """Go to the next exercise that is not solved, if there is one."""
        if self._move_on():
            self._present()
        else:
            echo("", self._progress())
            alone = "No other is left to solve" if not self.folder.solved(self.current) else "All are solved"
            self._say(f"{alone}. q ends it.")

    def _move_on(self) -> bool:
        exercises = self.folder.exercises
        at = exercises.index(self.current)
        following = [e for e in [*exercises[at + 1 :], *exercises[:at]] if not self.folder.solved(e)]
        if following:
            self.current = following[0]
        return bool(following)

    def _list(self) -> None:
        for exercise in self.folder.exercises:
            mark = "x" if self.folder.solved(exercise) else ">" if exercise is self.current else " "
            echo(f"{mark} {exercise.label:5} {exercise.title}"[: self._width])

    def _reset(self) -> None:
        kept = self.folder.reset(self.current)
        self._checked = self.folder.answer(self.current)
        self._say(f"As it was handed out. What stood there is in {kept}." if kept else "It is as it was handed out.")

    @property
    def _width(self) -> int:
        return max(20, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))

    def _progress(self) -> str:
        """Return the progress bar, or the same in words."""
        total = len(self.folder.exercises)
        done = sum(map(self.folder.solved, self.folder.exercises))
        words = f"{done} of {total}, chapter {self.current.chapter}"
        room = self._width - len(words) - 3
        if self.plain or room < 5:
            return words
        full = min(room, 40) * done // total
        return f"[{'#' * full}{'.' * (min(room, 40) - full)}] {words}"

    def _say(self, *paragraphs: str) -> None:
        """Print text, each line wrapped to the terminal."""
        for line in "\n".join(paragraphs).rstrip().split("\n"):
            indent = " " * (len(line) - len(line.lstrip()))
            wrapped = textwrap.wrap(
                line,
                self._width,
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=False,
                replace_whitespace=False,
            )
            echo(*(wrapped if len(line) > self._width else [line]))


def reflowed(text: str) -> str:
    r"""Make one line of each paragraph, so that it can be wrapped to any width; lists and tables stay as they are.

    Examples
    --------
    >>> reflowed("one\ntwo\n\nthree")
    'one two\n\nthree'
    """
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(p if p.startswith(("- ", "|")) else " ".join(p.split("\n")) for p in paragraphs)


def _first_hint(exercise: Exercise) -> str:
    """Return what helps to begin: the size of the solution, and what it calls on."""
    tree = ast.parse(exercise.solution)
    blank = {ast.unparse(node.func) for node in ast.walk(ast.parse(exercise.blank)) if isinstance(node, ast.Call)}
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [name for name in dict.fromkeys(calls) if name not in blank and re.fullmatch(r"np(\.\w+)+", name)]
    calling = f", and it calls {joined(names)}" if names else ""
    return f"The solution has {counted(len(_code_lines(exercise)), 'line')}{calling}."


def _code_lines(exercise: Exercise) -> list[str]:
    return [line for line in exercise.solution.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _general_hint(exercise: Exercise, level: int) -> str:
    """Return a hint that does not depend on an answer: the size of the solution, how it begins, how it goes on."""
    lines = _code_lines(exercise)
    if level == 1:
        return _first_hint(exercise)
    if len(lines) <= level:
        return "The solution is too short to show a part of it. After three different tries, s shows all of it."
    return "It begins:\n" + "\n".join(lines[:level])
