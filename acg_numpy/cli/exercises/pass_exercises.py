"""Every pass of the package as an exercise: its file without the body of the backward, checked as in a hand-out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from acg_numpy import check_backward, passes
from acg_numpy.checks.all_passes import CALLS
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.cli.exercises.answers import check_answer
from acg_numpy.cli.exercises.exercise import Exercise
from acg_numpy.cli.handouts.student_file import pass_names, student_file

PART = "every pass of the package"
TASK = "Write `{name}_backward`, the last function of this file. The derivation says how."
CHECK = """\
from acg_numpy.cli.exercises.pass_exercises import check_pass

check_pass("{name}", {name}_forward, {name}_backward)
"""


class PassExercise(Exercise):
    """A pass whose backward is to be written; it needs nothing of any chapter."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name of the backward."""
        return f"{self.title}_backward"


def pass_exercises(chapter: int) -> list[Exercise]:
    """Make an exercise of each pass, numbered as those of a chapter after the book's last.

    Parameters
    ----------
    chapter : int

    Examples
    --------
    >>> [exercise.name for exercise in pass_exercises(18)][:2]
    ['bpr_backward', 'cosine_backward']
    """
    return [
        PassExercise(
            chapter, number, PART, name, TASK.format(name=name), (), "", "", student_file(name),
            CHECK.format(name=name), student_file(name, solved=True), "",
        )
        for number, name in enumerate(pass_names(), start=1)
    ]  # fmt: skip


def check_pass(name: str, forward: Callable[..., Any], backward: Callable[..., Any]) -> GradientReport:
    """Check a pair against the package's forward and numeric derivatives.

    Parameters
    ----------
    name : str
        One of `pass_names()`.
    forward, backward : callable

    Raises
    ------
    WrongAnswer
        If the forward no longer computes what it did.
    GradientMismatch
        If a gradient is wrong.
    """
    inputs, options = CALLS[name](np.random.default_rng(0))
    for found, right in zip(
        _outputs(forward(*inputs, **options)),
        _outputs(getattr(passes, f"{name}_forward")(*inputs, **options)),
        strict=False,
    ):
        check_answer(found, right, what="the forward, which is to stay as it was")
    return check_backward(partial(forward, **options), backward, *inputs)


def _outputs(returned: Any) -> list[Any]:
    """List the outputs of a forward, without its cache."""
    output = returned[0] if isinstance(returned, tuple) and len(returned) == 2 else None
    return list(output) if isinstance(output, tuple) else [output]
