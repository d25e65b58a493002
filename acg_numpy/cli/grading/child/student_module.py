"""The student's file as a module: run from its source, called, and its errors described by line."""

import ast
import builtins
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any

import numpy as np

MOST_NAMES = 400
DEEPEST = 5
MOST_ARRAYS = 64


def run_source(source: bytes, name: str) -> ModuleType:
    """Run the source of a file as a module of that name; whatever it raises is passed on."""
    tree = ast.parse(source, name)
    tree.body = [node for node in tree.body if not is_program(node)]
    code = compile(tree, name, "exec")
    linecache.cache[name] = (len(source), None, source.decode("utf-8", "replace").splitlines(True), name)
    module = ModuleType("student")
    module.__file__ = name
    sys.modules["student"] = module
    exec(code, module.__dict__)
    return module


def is_program(node: ast.stmt) -> bool:
    """Return whether a statement is for the file run as a program: `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) == "__name__ == '__main__'"


def describe_error(error: BaseException, file: str) -> dict[str, Any]:
    """Describe an exception by the innermost line of the student's file that it passed, for the parent to word."""
    frames = [(f, line) for f, line in traceback.walk_tb(error.__traceback__) if f.f_code.co_filename == file]
    found: dict[str, Any] = {"type": type(error).__name__[:80], "message": _message(error)}
    if isinstance(error, SyntaxError) and error.filename == file:
        return {**found, "message": str(error.msg)[:500], "line": error.lineno, "syntax": True}
    if not frames:
        return {**found, "line": None}
    frame, line = frames[-1]
    name = getattr(error, "name", None)
    source = linecache.getline(file, line)
    return {
        **found,
        "line": line,
        "function": frame.f_code.co_name[:80],
        "name": name[:80] if isinstance(name, str) else "",
        "known": [str(known)[:80] for known in _known_names(error, frame)][:MOST_NAMES],
        "values": dict(list(_values_at(frame, source))[:10]),
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)[:500]
    except BaseException:
        return ""


def _known_names(error: BaseException, frame: FrameType) -> list[str]:
    """List what could have been meant by a name that is not there."""
    if isinstance(error, NameError):
        return sorted({*frame.f_locals, *frame.f_globals, *dir(builtins)})
    if isinstance(error, AttributeError):
        return [known for known in dir(error.obj) if not known.startswith("_")]
    return []


def _values_at(frame: FrameType, source: str) -> Iterator[tuple[str, str]]:
    """Yield the values that a line works on: arrays by shape and dtype, numbers as they are."""
    values = {**frame.f_globals, **frame.f_locals}
    for name in dict.fromkeys(re.findall(r"\b[A-Za-z_]\w*\b", source)):
        value = values.get(name)
        if isinstance(value, np.ndarray):
            yield name, f"{value.shape} {value.dtype}"
        elif name in values and (value is None or type(value) in (int, float, bool)):
            yield name, repr(value)[:80]
        elif isinstance(value, (tuple, list)):
            yield name, f"a {type(value).__name__[:40]} of {len(value)}"


def arrays_in(value: Any) -> list[Any]:
    """List the arrays of numbers in a nest of tuples, lists, dicts and objects: what a cache holds."""
    return list(_arrays_in(value, 0, set()))[:MOST_ARRAYS]


def _arrays_in(value: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fiub":
            yield value.view(np.ndarray)
        return
    if depth > DEEPEST or id(value) in seen or isinstance(value, (str, bytes, int, float, type, ModuleType)):
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        inside: list[Any] = list(value.values())
    elif isinstance(value, (tuple, list)):
        inside = list(value)
    elif callable(value):
        return
    else:
        inside = list(getattr(value, "__dict__", {}).values())
    for item in inside:
        yield from _arrays_in(item, depth + 1, seen)


class CallCounter:
    """A count of calls, by the profiling hook of Python, which sees a function whatever name it is called by.

    Attributes
    ----------
    counts : dict
        From the name of a function of the file to the number of calls since `begin`.
    odd : int
        How many calls of the forward had other arguments than its own: complex numbers, or more of them.
    """

    def __init__(self, file: str) -> None:
        self.file, self.counting = file, False
        self.counts: dict[str, int] = {}
        self.odd, self.sizes, self.forward = 0, 0, ""

    def begin(self, forward: Callable[..., Any], sizes: int) -> None:
        """Count from here on.

        Parameters
        ----------
        forward : callable
        sizes : int
            How many numbers its arguments hold together.
        """
        code = getattr(forward, "__code__", None)
        self.counts, self.odd, self.sizes, self.forward = {}, 0, sizes, getattr(code, "co_name", "")
        self.counting = True

    def end(self) -> None:
        """Stop counting."""
        self.counting = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Count an event."""
        if not self.counting or event != "call" or frame.f_code.co_filename != self.file:
            return
        name = frame.f_code.co_name
        self.counts[name] = self.counts.get(name, 0) + 1
        if name == self.forward:
            given = [value for value in frame.f_locals.values() if isinstance(value, (np.ndarray, np.generic, complex))]
            numbers = sum(np.size(value) for value in given)
            self.odd += numbers > self.sizes or any(np.asarray(value).dtype.kind == "c" for value in given)
