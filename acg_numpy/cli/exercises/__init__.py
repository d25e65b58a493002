"""Exercises of the book: read out of its chapters, checked, and laid out as files.

What the chapters themselves import are `check_answer`, `on_copies` and `WrongAnswer`.
"""

from acg_numpy.cli.exercises.answers import WrongAnswer, check_answer, on_copies

__all__ = ["WrongAnswer", "check_answer", "on_copies"]
