"""Errors of a learner's code: where it broke, on which values, and the likely fix.

Which line broke is found by the file of the frames that an exception passed: any exception may come from a learner's
code, so its type does not show where it comes from.  What is wrong by our own contract has a type of its own,
`ContractError`.
"""

import builtins
import inspect
import linecache
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from acg_numpy.text import did_you_mean, joined

PACKAGE = Path(__file__).resolve().parents[2]  # acg_numpy itself


class Place(NamedTuple):
    """Place in a file, with its line where that is known."""

    file: Path
    line: int | None = None
    source: str = ""

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: Path) -> "Place":
        """Return where a function is defined, as far as that is known."""
        code = getattr(inspect.unwrap(getattr(function, "func", function)), "__code__", None)
        if code is None or Path(code.co_filename) != file:
            return cls(file)
        return cls.from_line(file, code.co_firstlineno)

    @classmethod
    def from_line(cls, file: Path, line: int) -> "Place":
        """Return the place of a line, with its source."""
        return cls(file, line, linecache.getline(str(file), line).strip())

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else f"{self.file}"


class LearnerError(Exception):
    """Error in a learner's code: what is wrong, where, and the likely fix.

    Attributes
    ----------
    what : str
    place : Place
    fix : str
        Empty if none is known.
    """

    def __init__(self, what: str, place: Place, fix: str = "") -> None:
        super().__init__(what, place, fix)
        self.what, self.place, self.fix = what, place, fix

    def __str__(self) -> str:
        source = [f"    {self.place.source}"] if self.place.source else []
        fix = [f"Fix: {self.fix}"] if self.fix else []
        return "\n".join([f"{self.place}: {self.what}", *source, *fix])


def error_at_line(error: BaseException, file: Path, during: str = "") -> LearnerError | None:
    """Describe an exception by the innermost line of the learner's own code that it passed; None if it passed none.

    Parameters
    ----------
    error : exception
    file : path
        The learner's file; files beside it, in its package and in the working folder count as the learner's too.
    during : str
        What was being done, for exceptions from outside every function.
    """
    every = list(traceback.walk_tb(error.__traceback__))
    own = (
        (frame, line)
        for frame, line in reversed(every)
        if _is_file_name(frame.f_code.co_filename) and _is_own(Path(frame.f_code.co_filename).resolve(), file)
    )
    frame, line = next(own, (None, 0))
    if frame is None:
        return None
    name = frame.f_code.co_name
    where = during if name == "<module>" else f"in {name}"
    place = Place.from_line(Path(frame.f_code.co_filename), line)
    if isinstance(error, SystemExit):
        message = "the file ends the program (sys.exit)"
        return LearnerError(message, place, 'put what only the program needs under if __name__ == "__main__":')
    if isinstance(error, SyntaxError) and _is_file_name(error.filename):  # in a module that the learner's file imports
        return syntax_error(error, Path(error.filename))
    what = f"{where + ': ' if where else ''}{describe_error(error)}"
    return LearnerError(what, place, _likely_fix(error, frame, place.source))


def _is_own(source: Path, file: Path) -> bool:
    """Check whether a source belongs to the author of the file, and neither to this package nor to an installed one."""
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    if source.parent == file.resolve().parent:
        return True
    if any(source.is_relative_to(folder) for folder in (PACKAGE, *installed)):
        return False
    top = file.resolve().parent
    while (top / "__init__.py").exists() and top != top.parent:
        top = top.parent
    return source.is_relative_to(top) or source.is_relative_to(Path.cwd())


def _is_file_name(name: str | None) -> TypeGuard[str]:
    """Check whether a code's file name is that of a file: eval and exec use <string> instead."""
    return name is not None and not name.startswith("<")


def describe_error(error: BaseException) -> str:
    """Write the type of an exception and its message in one line."""
    return f"{type(error).__name__}: {' '.join(_message_of(error).split()) or 'no message'}"


def _message_of(error: BaseException) -> str:
    """Return the message of an exception, or nothing if its `__str__` fails as well."""
    try:
        return str(error)
    except BaseException:
        return ""


def syntax_error(error: SyntaxError | ValueError, file: Path) -> LearnerError:
    """Describe a file that is not Python."""
    if not isinstance(error, SyntaxError) or error.lineno is None:  # null bytes, an unknown encoding
        return LearnerError(f"it is not Python: {error}", Place(file), "is this the right file?")
    source = (error.text or "").strip()
    fixes = {
        "TabError": "indent with spaces only, or with tabs only",
        "IndentationError": "indent all lines of a block alike",
    }
    fix = fixes.get(type(error).__name__, "look at this line, and at the end of the one above")
    return LearnerError(f"{type(error).__name__}: {error.msg}", Place(file, error.lineno, source), fix)


def _likely_fix(error: BaseException, frame: FrameType, source: str) -> str:
    """Return the likely fix, from the kind of exception and the values at its line."""
    known: Iterable[str] = ()
    if isinstance(error, NameError):
        known = sorted({*frame.f_locals, *frame.f_globals, *dir(builtins)})
    elif isinstance(error, AttributeError):
        known = [name for name in dir(error.obj) if not name.startswith("_")]
    kinds = [kind.__name__ for kind in type(error).__mro__]
    name = getattr(error, "name", None)
    return likely_fix(kinds, _message_of(error), name or "", known, _values_at(frame, source))


def likely_fix(kinds: Sequence[str], message: str, name: str, known: Iterable[str], values: str) -> str:
    """Return the likely fix of an exception, from what is known about it.

    Parameters
    ----------
    kinds : sequence of str
        The names of its type and of the types that it is derived from.
    message : str
    name : str
        What a NameError or an AttributeError missed.
    known : iterable of str
        What could have been meant.
    values : str
        A sentence on the values at its line.
    """
    if "ImportError" in kinds:
        return "a check needs NumPy alone: remove the import, or install the package"
    if "UnboundLocalError" in kinds:
        return "give it a value on every path that leads to this line"
    if "NameError" in kinds:
        return did_you_mean(name, known, "define it above, or import it")
    if "AttributeError" in kinds:
        return did_you_mean(name, known, values)
    if "RecursionError" in kinds:
        return "the function calls itself endlessly"
    if "matmul" in message:
        return f"A @ B sums the last axis of A with the last but one of B; {values}"
    return values


def _values_at(frame: FrameType, source: str) -> str:
    """Describe the values that the line works on: arrays by shape, others as they are."""
    values = {**frame.f_globals, **frame.f_locals}
    names = dict.fromkeys(re.findall(r"\b[A-Za-z_]\w*\b", source))
    return values_sentence(
        {name: _summary(values[name]) for name in names if name in values and _is_shown(values[name])}
    )


def values_sentence(summaries: Mapping[str, str]) -> str:
    """Write which values a line works on, from summaries by name."""
    return f"at this line {joined([f'{name} is {text}' for name, text in summaries.items()])}" if summaries else ""


def _is_shown(value: Any) -> bool:
    """Check whether a value helps beside a line that broke."""
    return value is None or isinstance(value, (np.ndarray, np.generic, int, float, tuple, list))


def _summary(value: Any) -> str:
    """Describe an array by shape and dtype, a number as it is, a collection by what is in it."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, (tuple, list)):
        inner = ", ".join(_summary(v) if _is_shown(v) else type(v).__name__ for v in value[:6])
        return f"a {type(value).__name__} of {len(value)}: ({inner}{', ...' if len(value) > 6 else ''})"
    return repr(value)
