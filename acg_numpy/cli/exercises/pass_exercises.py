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
TASK = """\
`{name}_forward`: {forward}

Write `{name}_backward`, the last function of this file: {backward} The derivation at the top says how.\
"""
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
    """Make an exercise of each pass, from the shortest backward to the longest, numbered as those of a chapter.

    Parameters
    ----------
    chapter : int
        One after the book's last.

    Examples
    --------
    >>> first, *_, last = [exercise.name for exercise in pass_exercises(21)]
    >>> first, last
    ('split_heads_backward', 'multi_head_attention_backward')
    """
    files = [(name, student_file(name), student_file(name, solved=True)) for name in pass_names()]
    files.sort(key=lambda file: len(file[2]) - len(file[1]))
    return [
        PassExercise(
            chapter, number, PART, name, _task(name), (), "", "", blank, CHECK.format(name=name), solved, ""
        )
        for number, (name, blank, solved) in enumerate(files, start=1)
    ]  # fmt: skip


def _task(name: str) -> str:
    """Say what a pass computes, and what its backward is to do, by the first lines of their docstrings."""
    forward, backward = (
        str(getattr(passes, f"{name}_{part}").__doc__).partition("\n")[0] for part in ("forward", "backward")
    )
    return TASK.format(name=name, forward=forward, backward=backward[0].lower() + backward[1:])


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
