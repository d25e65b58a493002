"""The check of an answer to an exercise: whether it is right, and if not, what can be told about it, level by level.

Level 0 is shown at once: what fails.  Three levels of hints follow: where, a hint at the mistake, and its name.
"""

import ast
import io
import linecache
import re
import traceback
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from acg_numpy.checks import GradientMismatch, GradientReport
from acg_numpy.checks.learner.errors import LearnerError, error_at_line, syntax_error
from acg_numpy.checks.report.hints import best_hint, hint_lines
from acg_numpy.cli.exercises.answers import WrongAnswer
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.text import counted, joined

LEVELS = 4  # what fails, and three levels of hints
MOST_PRINTED = 4000  # letters of what an answer prints
INSTALLED = {"scipy": "SciPy", "hypothesis": "Hypothesis", "matplotlib": "Matplotlib"}


class Verdict(NamedTuple):
    """What came of an answer.

    Attributes
    ----------
    status : {"right", "wrong", "untouched", "unavailable"}
        unavailable: a library that the exercise needs is not installed.
    mistake : str
        The id of what is wrong; empty where it is right.
    levels : tuple of str
        What to say about it, from what fails to the name of the mistake.
    printed : str
        What the answer printed.
    """

    status: str
    mistake: str = ""
    levels: tuple[str, ...] = ()
    printed: str = ""


UNTOUCHED = Verdict("untouched", "untouched", ("Nothing is filled in yet.",))


def judge(exercise: Exercise, answer: str, file: Path) -> Verdict:
    """Run an answer and its check, in this process.

    Parameters
    ----------
    exercise : Exercise
    answer : str
        Python that is to stand in place of `exercise.blank`.
    file : path
        Where it stands, for messages.  It is not read.
    """
    if is_untouched(exercise, answer):
        return UNTOUCHED
    try:
        names = prepared(exercise, answer)
    except ImportError as error:
        library = INSTALLED.get((error.name or "").partition(".")[0], error.name)
        message = f"This exercise needs {library}, which cannot be imported here."
        return Verdict("unavailable", "unavailable", (message,))
    return judge_in(names, exercise, answer, file)


def is_untouched(exercise: Exercise, answer: str) -> bool:
    """Return whether an answer is what was handed out, but for comments and layout."""
    try:
        return _without_imports(answer) == _without_imports(exercise.blank)
    except (SyntaxError, ValueError):
        return False


def asks_for_value(exercise: Exercise) -> bool:
    """Return whether the answer is a value, which a hint must not give away, and not a function."""
    return exercise.blank.partition("#")[0].strip() == f"{exercise.name} = ..."


def _without_imports(source: str) -> list[str]:
    return [ast.dump(node) for node in ast.parse(source).body if not isinstance(node, ast.Import | ast.ImportFrom)]


def prepared(exercise: Exercise, answer: str = "") -> dict[str, Any]:
    """Run what an exercise needs and gives, and what an answer needs of its chapter, and return the names."""
    try:
        setup = exercise.setup(answer)
    except (SyntaxError, ValueError):  # which is reported when the answer is run
        setup = exercise.setup()
    names: dict[str, Any] = {"__name__": "__exercise__"}
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source, part in ((setup, "chapter"), (exercise.given, "given")):
            _execute(source, f"<{part} {exercise.label}>", names)
    return names


def judge_in(names: dict[str, Any], exercise: Exercise, answer: str, file: Path) -> Verdict:
    """Run an answer and its check where `names` are known, which `prepared` returned."""
    names, printed = dict(names), io.StringIO()
    try:
        with redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _execute(answer, str(file), names)
            # a short check has names of its own, which do not replace those of an answer; the book's may replace them
            for_check = dict(names) if exercise.letter else names
            _execute(exercise.check, f"<check {exercise.label}>", for_check)
    except (Exception, SystemExit) as error:
        mistake, levels = _explain(error, exercise, answer, file)
        return Verdict("wrong", mistake, tuple(levels), printed.getvalue()[:MOST_PRINTED])
    return Verdict("right", printed=printed.getvalue()[:MOST_PRINTED])


def _execute(source: str, name: str, names: dict[str, Any]) -> None:
    """Run source, such that a report of an error finds its lines."""
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    exec(compile(source.encode("utf-8", "surrogateescape"), name, "exec"), names)


def _explain(error: BaseException, exercise: Exercise, answer: str, file: Path) -> tuple[str, list[str]]:
    """Return the id of a mistake, and what to say at each level."""
    if isinstance(error, GradientMismatch):
        return _explain_gradient(error.report)
    if isinstance(error, WrongAnswer):
        what = f"Not right yet. Wrong for: {error.what}." if error.what else "Not right yet."
        where = what if asks_for_value(exercise) else error.numbers or what  # numbers hold what is right
        return error.mistake, [what, where, f"Hint: {error.explanation}.", f"{error.mistake}: {error.explanation}."]
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return "syntax", [str(syntax_error(error, file))] * LEVELS
    if isinstance(error, AssertionError):
        return _explain_assertion(error)
    passed = any(frame.f_code.co_filename == str(file) for frame, _ in traceback.walk_tb(error.__traceback__))
    own = error_at_line(error, file) if passed and not isinstance(error, LearnerError) else None
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, NameError) and not passed:
        message = f"{error.name} is not defined: the check asks for it"
    return "error", [str(own or message)] * LEVELS


def _explain_gradient(report: GradientReport) -> tuple[str, list[str]]:
    """Say what a report says, level by level."""
    found = report.diagnoses[0].mistake if report.diagnoses else "form" if report.faults else "unnamed"
    worst, wrong = report.worst, [c.name for c in report.comparisons if not c.passed]
    where = f"Wrong: {joined(wrong)}." if wrong else "Something is wrong with the form of what is returned."
    if worst is not None and not report.faults:
        count = counted(report.per_input[worst.input].num_wrong, "element")
        where += f" Furthest off is {worst.input}{list(worst.index) or ''}: {worst.analytic:.6g}, and differences give"
        where += f" {worst.numeric:.6g} ({count} of {worst.input} wrong)."
    faults = "\n".join(report.faults)
    return found, ["\n".join(hint_lines(report, 0)), faults or where, f"Hint: {best_hint(report)}", str(report)]


def _explain_assertion(error: AssertionError) -> tuple[str, list[str]]:
    """Say what an assertion of a check says, or a property that was violated."""
    name = getattr(error, "name", "") or "assertion"
    message = str(error) or "What the check asks for does not hold."
    first = re.split(r"\n\s*\n", message)[0]
    return name, [first, message, message, f"{name}: {message}"]
