"""Exercises of the book: read out of its chapters, checked, and laid out as files.

The chapters themselves import the checks, `on_copies` and `WrongAnswer`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acg_numpy.cli.exercises.answers import (
        WrongAnswer,
        check_answer,
        check_choice,
        check_property,
        check_shape,
        on_copies,
    )

__all__ = ["WrongAnswer", "check_answer", "check_choice", "check_property", "check_shape", "on_copies"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562): the commands read chapters here without NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from acg_numpy.cli.exercises import answers

    value = globals()[name] = getattr(answers, name)
    return value
