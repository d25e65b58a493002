"""The student's file as a module: run from its source, called, and its errors described by line."""

import ast
import builtins
import linecache
import math
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

MOST_NAMES = 400
DEEPEST = 5
MOST_ARRAYS = 64
MOST_OPTIONS = 8  # numbers beside the inputs, such as that of the heads
COMPUTING = ("__array__", "__array_ufunc__", "__array_function__", "__matmul__", "__rmatmul__", "__mul__", "__add__")


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

    The forward is told by four signs: its name, the instructions of the one that was handed out, and the first function
    of the file that runs when it is called, if that is called again with arrays of the same shapes.

    Parameters
    ----------
    file : str
    forward : str
        The name of the forward.
    handed_out : str
        The source of the file as it was handed out, if there is one.

    Attributes
    ----------
    counts : dict
        From the name of another function of the file to the number of calls since `begin`.
    calls : int
        How many calls of the forward there were.
    odd : int
        How many of them had other arguments than its own: more numbers, complex ones, or objects that compute.
    """

    def __init__(self, file: str, forward: str = "", handed_out: str = "") -> None:
        self.file, self.forward = file, forward
        self.instructions = frozenset(_instructions_of(handed_out, forward))
        self.codes: dict[int, tuple[CodeType, bool]] = {}
        self.entries: list[CodeType] = []
        self.counts: dict[str, int] = {}
        self.calls, self.odd = 0, 0
        self.shapes: list[tuple[int, ...]] = []
        self.counting = self.entering = False

    def enter(self) -> None:
        """Learn which function of the file runs first from here on: the forward is about to be called."""
        self.entering = True

    def begin(self, values: Sequence[Any]) -> None:
        """Count from here on, where the forward was called with these values."""
        self.counts, self.calls, self.odd = {}, 0, 0
        self.shapes = [np.shape(value) for value in values if value is not None]
        self.counting, self.entering = True, False

    def end(self) -> None:
        """Stop counting."""
        self.counting = self.entering = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Count an event."""
        if event != "call" or not (self.counting or self.entering):
            return
        code = frame.f_code
        known, forward = self.codes.get(id(code), (None, False))
        if known is not code:
            forward = self._is_forward(code)
            self.codes[id(code)] = code, forward
        if self.entering:
            if code.co_filename == self.file:
                self.entering = False
                self.entries += [code] if code not in self.entries else []
        elif forward or code in self.entries:
            leaves = list(_leaves(list(frame.f_locals.values()), 0))
            odd = any(map(_is_odd, leaves))
            shapes = [np.shape(leaf) for leaf in leaves if isinstance(leaf, (np.ndarray, np.generic))]
            numbers = sum(map(math.prod, shapes)) + sum(type(leaf) in (int, float) for leaf in leaves)
            more = numbers > sum(map(math.prod, self.shapes)) + MOST_OPTIONS
            if forward or odd or shapes == self.shapes:  # a decorator's code is that of all it decorates
                self.calls += 1
                self.odd += odd or (forward and more)
        elif code.co_filename == self.file and (code.co_name == "<lambda>" or code.co_name[0] != "<"):
            self.counts[code.co_name] = self.counts.get(code.co_name, 0) + 1

    def _is_forward(self, code: CodeType) -> bool:
        own = code.co_filename == self.file and code.co_name == self.forward
        return own or (bool(self.instructions) and (code.co_code, code.co_names) in self.instructions)


def _instructions_of(source: str, name: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield the instructions of a function, and those that it has without its docstring."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            for body in (node.body, node.body[1:] if ast.get_docstring(node) else node.body):
                node.body = body
                module = compile(ast.Module([node], []), "", "exec")
                yield from ((c.co_code, c.co_names) for c in module.co_consts if isinstance(c, CodeType))


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    """Yield what is in a nest of tuples, lists and dicts, of types of Python's own and of named tuples."""
    if depth > DEEPEST or not isinstance(value, (tuple, list, dict)) or _computes(value):
        yield value
        return
    for item in value.values() if isinstance(value, dict) else value:
        yield from _leaves(item, depth + 1)


def _is_odd(value: Any) -> bool:
    """Return whether something computes with more than a real number: a complex one, or an object of the file's own."""
    return isinstance(value, complex) or _computes(value) or (type(value) is np.ndarray and value.dtype.kind in "cO")


def _computes(value: Any) -> bool:
    """Return whether something is an object, of a class of the file, that NumPy or an operator would compute with."""
    if isinstance(value, (type, ModuleType)):
        return False
    own = [kind for kind in type(value).__mro__ if kind.__module__.partition(".")[0] not in ("builtins", "numpy")]
    return any(name in vars(kind) for kind in own for name in COMPUTING)
