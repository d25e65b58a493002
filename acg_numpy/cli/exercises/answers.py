"""Checks of an answer that is a number or an array, which name the mistake as `check_backward` does.

A check computes what plausible mistakes give, and compares: an answer that equals one of them has its name.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from acg_numpy.text import counted, joined

RELATIVE, ABSOLUTE = 1e-7, 1e-9


class WrongAnswer(AssertionError):
    """Error for an answer that is not right.

    Parameters
    ----------
    mistake : str
        Its id and what it is, ``"by-pairs: pairs were drawn where users should be"``.
    what : str, optional
        Which part of the check failed.
    numbers : str, optional
        What was found there, and what is right.

    Attributes
    ----------
    mistake, explanation, what, numbers : str

    Examples
    --------
    >>> WrongAnswer("by-pairs: pairs were drawn where users should be", "for 100 users")
    WrongAnswer('for 100 users: by-pairs: pairs were drawn where users should be')
    """

    def __init__(self, mistake: str, what: str = "", numbers: str = "") -> None:
        super().__init__("\n".join(filter(None, [f"{what}: {mistake}" if what else mistake, numbers])))
        self.mistake, _, self.explanation = mistake.partition(": ")
        self.what, self.numbers = what, numbers

    def _render_traceback_(self) -> list[str]:
        """Show the message; IPython calls this instead of printing a traceback."""
        return [f"{type(self).__name__}: {self}"]


def check_answer(
    found: object,
    expected: object,
    mistakes: Mapping[str, object] | None = None,
    *,
    what: str = "",
    rtol: float = RELATIVE,
    atol: float = ABSOLUTE,
) -> None:
    """Raise an error unless an answer is right; if it is what a known mistake gives, the error names that.

    Parameters
    ----------
    found : array_like
        The answer.
    expected : array_like
        The right one.
    mistakes : dict, optional
        From id and explanation, ``"by-pairs: pairs were drawn where users should be"``, to what that mistake gives.
    what : str, optional
        Which part of a check this is, for the message.
    rtol, atol : float
        How far off an answer may be, as in `numpy.allclose`.

    Raises
    ------
    WrongAnswer

    Examples
    --------
    >>> check_answer(0.5, 1 / 2)
    >>> check_answer(2.0, 1 / 2, {"inverted: numerator and denominator are exchanged": 2 / 1}, what="half of 1")
    Traceback (most recent call last):
    ...
    acg_numpy.cli.exercises.answers.WrongAnswer: half of 1: inverted: numerator and denominator are exchanged
    found 2, expected 0.5
    """
    right = np.asarray(expected)
    answer = _read_answer(found, what)
    if _is_close(answer, right, rtol, atol):
        return
    numbers = _difference(answer, right)
    for mistake, value in (mistakes or {}).items():
        wrong = np.asarray(value)
        if _is_close(answer, wrong, rtol, atol) and not _is_close(wrong, right, rtol, atol):
            raise WrongAnswer(mistake, what, numbers)
    if answer.shape != right.shape:
        raise WrongAnswer(f"wrong-shape: the shape is {answer.shape}, and {right.shape} is asked for", what)
    if not np.all(np.isfinite(answer)) and np.all(np.isfinite(right)):
        raise WrongAnswer("not-finite: there are nan or inf in it", what, numbers)
    raise WrongAnswer("different: the values are not right, and no known mistake gives them", what, numbers)


def check_choice(found: object, right: str, mistakes: Mapping[str, str]) -> None:
    """Raise an error unless the right one of several options was chosen.

    Parameters
    ----------
    found : str
        A letter; brackets and capitals do not matter.
    right : str
    mistakes : dict
        From each other option to what is wrong with it, as id and explanation.

    Raises
    ------
    WrongAnswer

    Examples
    --------
    >>> check_choice("(B)", "b", {"a": "unscaled: the scores are divided by a root"})
    >>> check_choice("a", "b", {"a": "unscaled: the scores are divided by a root"})
    Traceback (most recent call last):
    ...
    acg_numpy.cli.exercises.answers.WrongAnswer: unscaled: the scores are divided by a root
    """
    if found is None or found is ...:
        raise WrongAnswer("nothing-returned: there is no answer yet")
    letter = found.strip(" ().:").lower() if isinstance(found, str) else ""
    if letter == right:
        return
    if letter not in mistakes:
        options = joined([f'"{option}"' for option in sorted([right, *mistakes])], last="or")
        raise WrongAnswer(f"no-option: {found!r} is none of the options; give {options}, as text")
    raise WrongAnswer(mistakes[letter])


def check_shape(found: object, right: tuple[int, ...], mistakes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise an error unless a shape is right; if it is what a known mistake gives, the error names that.

    Parameters
    ----------
    found : sequence of int
        A number is the shape of one axis.
    right : tuple of int
    mistakes : dict
        From id and explanation to the shape that the mistake gives.

    Raises
    ------
    WrongAnswer

    Examples
    --------
    >>> check_shape([2, 3], (2, 3), {"transposed: rows come first": (3, 2)})
    """
    if found is None or found is ...:
        raise WrongAnswer("nothing-returned: there is no answer yet")
    try:
        sizes = np.atleast_1d(np.asarray(found))
    except ValueError:  # a list of several lengths
        sizes = np.asarray(None)
    if sizes.ndim != 1 or (sizes.size and sizes.dtype.kind not in "iu"):
        raise WrongAnswer(f"no-shape: {found!r} is no shape; give one as (2, 3)")
    shape = tuple(int(size) for size in sizes)
    if shape == right:
        return
    for mistake, wrong in mistakes.items():
        if shape == wrong:
            raise WrongAnswer(mistake, numbers=f"found {shape}")
    if len(shape) != len(right):
        raise WrongAnswer(f"number-of-axes: {counted(len(shape), 'number')}, and the right shape has {len(right)}")
    raise WrongAnswer(f"different: {shape} is not right, and no known mistake gives it")


def check_property(holds: object, right: Sequence[Any], wrong: Mapping[str, Any]) -> None:
    """Raise an error unless a test of a property accepts what has it, and refutes what has not.

    Parameters
    ----------
    holds : callable
        Given an implementation, it returns whether the property holds, or raises AssertionError if not.
    right : sequence
        Implementations that have the property.
    wrong : dict
        From id and explanation to an implementation without it.

    Raises
    ------
    WrongAnswer
        With the id of the one that was not refuted, or ``refuses-right``.

    Examples
    --------
    >>> check_property(lambda x: x > 0, [1, 2], {"negative: a number below zero": -1})
    """
    test = on_copies(cast(Callable[..., Any], holds))

    def refutes(implementation: Any) -> bool:
        try:
            answer = test(implementation)
        except AssertionError:
            return True
        if answer is ...:
            raise WrongAnswer("nothing-returned: there is no answer yet")
        if answer is not None and not isinstance(answer, bool | np.bool_):
            raise WrongAnswer(f"no-verdict: True or False is to be returned, and {type(answer).__name__} was")
        return answer is not None and not answer

    missed = [mistake for mistake, implementation in wrong.items() if not refutes(implementation)]
    if len(missed) == len(wrong):
        raise WrongAnswer("refutes-nothing: it accepts everything that was tried, right and wrong")
    if any(refutes(implementation) for implementation in right):
        raise WrongAnswer("refuses-right: it refuses what has the property")
    if missed:
        name, _, explanation = missed[0].partition(": ")
        raise WrongAnswer(f"accepts-{name}: it accepts {explanation}")


def on_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function work on copies of its arrays, so that what it does to them does not reach the next check.

    Parameters
    ----------
    function : callable

    Raises
    ------
    WrongAnswer
        If it is not a function.

    Examples
    --------
    >>> x = np.ones(2)
    >>> on_copies(lambda a: a.sort() or a.fill(0.0))(x)
    >>> x
    array([1., 1.])
    """
    if not callable(function):
        raise WrongAnswer(f"not-a-function: {function!r} cannot be called")

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(*map(_copy, arguments), **{name: _copy(value) for name, value in options.items()})

    return call


def _copy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _read_answer(found: object, what: str) -> Any:
    if found is None or found is ...:
        raise WrongAnswer("nothing-returned: there is no answer yet", what)
    if isinstance(found, list | tuple) and any(part is None or part is ... for part in found):
        raise WrongAnswer("nothing-returned: None is returned where a result is asked for", what)
    try:
        answer = np.asarray(found)
    except ValueError:  # a list of arrays of several shapes
        answer = np.asarray(None)
    if answer.dtype.kind not in "biufc":
        raise WrongAnswer(f"not-numbers: {type(found).__name__} where numbers are asked for", what)
    return answer


def _is_close(one: Any, other: Any, rtol: float, atol: float) -> bool:
    return bool(one.shape == other.shape and np.allclose(one, other, rtol=rtol, atol=atol))


def _difference(answer: Any, right: Any) -> str:
    """Put into words how an answer differs."""
    if answer.size == right.size == 1:
        return f"found {answer.item():.6g}, expected {right.item():.6g}"
    if answer.shape != right.shape:
        return f"found the shape {answer.shape}, expected {right.shape}"
    off = np.nan_to_num(np.abs(np.subtract(answer, right, dtype=float)), nan=np.inf)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(off), off.shape))
    return f"furthest off at {list(index)}: found {answer[index]:.6g}, expected {right[index]:.6g}"
