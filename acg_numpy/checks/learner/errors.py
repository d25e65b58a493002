"""Where did somebody's code break, on what, and what is likely to mend it?"""

import builtins
import difflib
import inspect
import linecache
import re
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeGuard

import numpy as np


class Place(NamedTuple):
    """A line of a file, as far as it is known."""

    file: Path
    line: int | None = None
    source: str = ""

    @classmethod
    def of(cls, function: Callable[..., Any], file: Path) -> "Place":
        """Where a function is defined, if that can be told."""
        code = getattr(inspect.unwrap(getattr(function, "func", function)), "__code__", None)
        if code is None or Path(code.co_filename) != file:
            return cls(file)
        return cls.at(file, code.co_firstlineno)

    @classmethod
    def at(cls, file: Path, line: int) -> "Place":
        """A line of a file, with its source."""
        return cls(file, line, linecache.getline(str(file), line).strip())

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else f"{self.file}"


class LearnerError(Exception):
    """What is wrong with somebody's code: what, where, and the likely mend.

    Attributes
    ----------
    what : str
    place : Place
    mend : str
        Empty where nobody knows.
    """

    def __init__(self, what: str, place: Place, mend: str = "") -> None:
        super().__init__(what, place, mend)
        self.what, self.place, self.mend = what, place, mend

    def __str__(self) -> str:
        source = [f"    {self.place.source}"] if self.place.source else []
        mend = [f"Mend: {self.mend}"] if self.mend else []
        return "\n".join([f"{self.place}: {self.what}", *source, *mend])


def broken(error: BaseException, file: Path, during: str = "") -> LearnerError | None:
    """Tell an exception by the innermost line of the learner's own code that it passed; None where it passed none.

    Parameters
    ----------
    error : exception
    file : path
        The learner's file; files beside it count as the learner's too.
    during : str
        What was being done, for exceptions from outside every function.
    """
    folder = file.resolve().parent
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if in_a_file(frame.f_code.co_filename) and Path(frame.f_code.co_filename).resolve().parent == folder
    ]
    if not frames:
        return None
    frame, line = frames[-1]
    name = frame.f_code.co_name
    where = during if name == "<module>" else f"in {name}"
    place = Place.at(Path(frame.f_code.co_filename), line)
    if isinstance(error, SystemExit):
        message = "the file ends the program (sys.exit)"
        return LearnerError(message, place, 'put what only the program needs under if __name__ == "__main__":')
    if isinstance(error, SyntaxError) and in_a_file(error.filename):  # in a module that the learner's file imports
        return of_syntax(error, Path(error.filename))
    text = message_of(error) or "no message"
    what = f"{where + ': ' if where else ''}{type(error).__name__}: {' '.join(text.split())}"
    return LearnerError(what, place, mend_of(error, frame, place.source))


def in_a_file(name: str | None) -> TypeGuard[str]:
    """Whether a code's file name is that of a file: what eval and exec are given has <string> for it."""
    return name is not None and not name.startswith("<")


def message_of(error: BaseException) -> str:
    """The message of an exception, whose own way of telling it may be broken too."""
    try:
        return str(error)
    except Exception:
        return ""


def of_syntax(error: SyntaxError | ValueError, file: Path) -> LearnerError:
    """Tell a file that is not Python."""
    if not isinstance(error, SyntaxError) or error.lineno is None:  # null bytes, an unknown encoding
        return LearnerError(f"it is not Python: {error}", Place(file), "is this the right file?")
    source = (error.text or "").strip()
    mends = {
        "TabError": "indent with spaces only, or with tabs only",
        "IndentationError": "indent all lines of a block alike",
    }
    mend = mends.get(type(error).__name__, "look at this line, and at the end of the one above")
    return LearnerError(f"{type(error).__name__}: {error.msg}", Place(file, error.lineno, source), mend)


def mend_of(error: BaseException, frame: FrameType, source: str) -> str:
    """What is likely to help, from the kind of exception and what was around."""
    if isinstance(error, ImportError):
        return "a check needs NumPy alone: do without it, or install it"
    if isinstance(error, UnboundLocalError):
        return "give it a value on every way that leads to this line"
    if isinstance(error, NameError):
        known = {*frame.f_locals, *frame.f_globals, *dir(builtins)}
        near = nearest(getattr(error, "name", None) or "", known)
        return f"did you mean {near}?" if near else "define it above, or import it"
    if isinstance(error, AttributeError):
        there = [name for name in dir(error.obj) if not name.startswith("_")]
        near = nearest(error.name or "", there)
        return f"did you mean .{near}?" if near else around(frame, source)
    if isinstance(error, RecursionError):
        return "the function calls itself without end"
    if "matmul" in message_of(error):
        return f"A @ B sums the last axis of A with the last but one of B; {around(frame, source)}"
    return around(frame, source)


def around(frame: FrameType, source: str) -> str:
    """The values that the line works on: arrays by shape, others as they are where that is short."""
    values = {**frame.f_globals, **frame.f_locals}
    names = dict.fromkeys(re.findall(r"\b[A-Za-z_]\w*\b", source))
    told = [f"{name} is {described(values[name])}" for name in names if name in values and tellable(values[name])]
    return f"at this line {', '.join(told)}" if told else ""


def tellable(value: Any) -> bool:
    """Whether a value is worth showing beside a line that broke."""
    return value is None or isinstance(value, (np.ndarray, np.generic, int, float, tuple, list))


def described(value: Any) -> str:
    """An array by shape and dtype, a number as it is, a collection by what is in it."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, (tuple, list)):
        inner = ", ".join(described(v) if tellable(v) else type(v).__name__ for v in value[:6])
        return f"a {type(value).__name__} of {len(value)}: ({inner}{', ...' if len(value) > 6 else ''})"
    return repr(value)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearly this one.

    Examples
    --------
    >>> nearest("grad_ouy", ["grad_out", "cache"])
    'grad_out'
    """
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return near[0] if near else None
