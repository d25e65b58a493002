"""A student's forward and backward in the child, as a pair that the checks can call.

The forward that is differentiated is the reference's, in this process.  Where a check looks at conduct, the child's own
forward is called, and what the child says that it changed in place is repeated here on the arrays that the check holds.
"""

import ast
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.checks.contract.checked_inputs import ContractTypeError, copy_arrays
from acg_numpy.checks.contract.side_effects import alike
from acg_numpy.checks.learner.errors import LearnerError, Place, likely_fix, values_sentence
from acg_numpy.cli.grading.child.messages import MessageError, pack, unpack
from acg_numpy.cli.grading.child_process import ChildEnded, ChildProcess
from acg_numpy.text import counted, did_you_mean, joined

MOST_CALLS = 2  # of the forward in a backward: to compute something again is honest, a numeric derivative takes more
KEPT = 10  # caches, of those that the child keeps
LARGEST_CACHED = 1_000_000  # numbers of an array in a cache that is stood for here
LIKELY_NUMERIC = 8  # calls of another function of the file in one backward that are worth a look


class Point(NamedTuple):
    """Inputs at which the reference was run, and for which the child has not been asked yet."""

    values: tuple[Any, ...]


class RemoteCache(NamedTuple):
    """A cache that the child holds."""

    token: int
    arrays: list[Any]


class RemotePair:
    """The pair of a student's file in a child.

    Parameters
    ----------
    child : ChildProcess
    reference : callable, optional
        The teacher's forward, `out, cache = reference(*inputs)`, if there is one.
    names : tuple of str
        The names of the student's functions.

    Attributes
    ----------
    same_forward : bool or None
        Whether the student's forward gave what the reference gives, at every call; None before the first.
    numeric : str
        A sentence, where the backward calls the forward as numeric derivatives do.
    looks : list of str
        What is worth a look at the file.
    """

    def __init__(self, child: ChildProcess, reference: Callable[..., Any] | None, names: Sequence[str]) -> None:
        self.child, self.reference, self.names = child, reference, tuple(names)
        self.same_forward: bool | None = None
        self.numeric = ""
        self.looks: list[str] = []
        self._tokens = 0
        self._given: dict[int, tuple[Any, ...]] = {}

    def reference_forward(self, *values: Any) -> tuple[Any, Point]:
        """Run the reference, on arrays or Tensors."""
        assert self.reference is not None
        out, _ = self.reference(*values)
        return out, Point(values)

    def forward(self, *values: Any) -> tuple[Any, RemoteCache]:
        """Run the student's forward in the child."""
        if any(isinstance(value, Tensor) for value in values):
            raise TypeError("a forward in another process cannot be traced")
        arrays: list[Any] = []
        token = self._tokens
        self._tokens += 1
        described = [pack(value, arrays) for value in values]
        expected = None
        if self.reference is not None:
            expected, _ = self.reference(*copy_arrays(values))
        parts = [*values, *(expected if isinstance(expected, tuple) else (expected,))]
        answer, found = self._ask({"do": "forward", "token": token, "inputs": described}, arrays, parts)
        if "returned" in answer:
            returned = unpack(answer["returned"], found)
            was = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
            raise ContractTypeError(f"forward should return (out, cache), two things; it returned {was}")
        out = unpack(answer.get("out"), found)
        self._given[token] = values
        if len(self._given) > KEPT:
            del self._given[next(iter(self._given))]
        same = expected is None or _same_outputs(out, expected)
        self.same_forward = same if self.same_forward is None else self.same_forward and same
        for place in _places(answer.get("changed"), len(values)):
            _disturb(values[place])
        return out, RemoteCache(token, _stand_ins(answer.get("cached")))

    def backward(self, grad_out: Any, cache: Point | RemoteCache) -> Any:
        """Run the student's backward in the child."""
        if isinstance(cache, Point):
            _, cache = self.forward(*cache.values)
        arrays: list[Any] = []
        values = self._given[cache.token]
        request = {"do": "backward", "token": cache.token, "grad_out": pack(grad_out, arrays)}
        answer, found = self._ask(request, arrays, [*values])
        grads = unpack(answer.get("grads"), found)
        for place in _places(answer.get("cache_changed"), len(cache.arrays)):
            _disturb(cache.arrays[place])
        for place in _places(answer.get("inputs_changed"), len(values)):
            _disturb(values[place])
        parts = grad_out if isinstance(grad_out, tuple) else (grad_out,)
        for place in _places(answer.get("grad_out_changed"), len(parts)):
            _disturb(parts[place])
        self._count_calls(answer)
        return grads

    def _count_calls(self, answer: dict[str, Any]) -> None:
        """Look at which functions the backward called, and how often."""
        calls, odd = (answer.get(key) if type(answer.get(key)) is int else 0 for key in ("forward_calls", "odd_calls"))
        forward, backward = self.names
        if (not self.numeric and (calls or 0) > MOST_CALLS) or odd:
            self.numeric = (
                f"{backward} calls {forward} {counted(calls or 0, 'time')}, as a numeric derivative does: "
                "it should compute the gradient from grad_out and the cache"
            )
        if not self.numeric and answer.get("uncounted") is True:
            self.numeric = f"{backward} switches off the profiling hook, by which calls of {forward} are counted"
        others = answer.get("calls")
        for name, number in others.items() if isinstance(others, dict) else ():
            look = f"{backward} calls {str(name)[:80]} {number} times"
            if type(number) is int and number >= LIKELY_NUMERIC and not self._has_look(name):
                self.looks.append(look)

    def _has_look(self, name: str) -> bool:
        return any(f" calls {name} " in look for look in self.looks)

    def _ask(self, head: dict[str, Any], arrays: list[Any], like: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Ask the child; what went wrong there becomes a `LearnerError`."""
        largest = (1 << 20) + 32 * sum(np.size(value) for value in like if value is not None)
        answer, found = self.child.ask(head, arrays, largest)
        if "error" in answer:
            raise error_in_words(answer["error"], self.child.file, self.child.source)
        return answer, found


def refuse_unloaded(child: ChildProcess) -> None:
    """Raise the error of a file that could not be run, or that lacks a function."""
    loaded = child.loaded
    if "error" in loaded:
        raise error_in_words(loaded["error"], child.file, child.source)
    if "missing" in loaded:
        name, own = str(loaded["missing"]), [str(one) for one in loaded.get("own", [])][:20]
        there = f"its functions are {joined(own)}" if own else "it defines no function"
        fix = did_you_mean(name, own, f"define {name}, as it was handed out")
        raise LearnerError(f"there is no {name}; {there}", Place(Path(child.file)), fix)
    if loaded.get("loaded") is not True:
        raise MessageError("an answer that is none")


def ended_in_words(ended: ChildEnded, file: str, source: str) -> LearnerError:
    """Return the error of a file whose process ended."""
    place = _place(file, source, ended.line)
    fix = "does every loop come to an end?" if ended.late else ""
    return LearnerError(ended.what, place, fix)


def error_in_words(record: Any, file: str, source: str) -> LearnerError:
    """Return the error that the child described."""
    if not isinstance(record, dict):
        raise MessageError("an error that is not described")
    kind, message = str(record.get("type", ""))[:80], " ".join(str(record.get("message", ""))[:500].split())
    line = record.get("line")
    place = _place(file, source, line if type(line) is int else None)
    function = str(record.get("function", ""))[:80]
    if record.get("syntax"):
        return LearnerError(f"{kind}: {message}", place, "look at this line, and at the end of the one above")
    if kind == "SystemExit":
        fix = 'put what only the program needs under if __name__ == "__main__":'
        return LearnerError("the file ends the program (sys.exit)", place, fix)
    where = "while the file was run: " if function == "<module>" else f"in {function}: " if function else ""
    values = record.get("values") if isinstance(record.get("values"), dict) else {}
    known = [str(name) for name in record.get("known", []) if isinstance(name, str)]
    kinds = [kind, *(parent for parent, child in PARENTS if kind == child)]
    fix = likely_fix(kinds, message, str(record.get("name", "")), known, values_sentence(values or {}))
    if "ImportError" in kinds:
        fix = "the file may import NumPy and the standard library: remove the import"
    return LearnerError(f"{where}{kind}: {message or 'no message'}", place, fix)


PARENTS = (("ImportError", "ModuleNotFoundError"), ("NameError", "UnboundLocalError"))


def _place(file: str, source: str, line: int | None) -> Place:
    """Return the place of a line of the source that was sent."""
    lines = source.splitlines()
    if line is None or not 1 <= line <= len(lines):
        return Place(Path(file))
    return Place(Path(file), line, lines[line - 1].strip())


def function_line(source: str, name: str) -> int | None:
    """Return the line at which a function is defined; None if it is not."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return next((node.lineno for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)


def _same_outputs(out: Any, expected: Any) -> bool:
    """Return whether a forward gave what the reference gives, but for rounding."""
    parts, right = (value if isinstance(value, tuple) else (value,) for value in (out, expected))
    arrays = [np.asarray(part) for part in parts]
    if any(array.dtype.kind not in "fiub" for array in arrays):
        return False
    return alike([np.asarray(part) for part in right], arrays)


def _places(listed: Any, number: int) -> list[int]:
    """Return the places in an answer that are places."""
    return [p for p in listed if type(p) is int and 0 <= p < number] if isinstance(listed, list) else []


def _stand_ins(shapes: Any) -> list[Any]:
    """Make arrays that stand for those in a cache of the child."""
    arrays = []
    for shape in shapes[:64] if isinstance(shapes, list) else []:
        fits = isinstance(shape, list) and len(shape) < 16 and all(type(size) is int and size >= 0 for size in shape)
        small = fits and np.prod(np.array(shape, dtype=float)) <= LARGEST_CACHED
        arrays.append(np.zeros(shape if small else ()))
    return arrays


def _disturb(array: Any) -> None:
    """Change an array in place, where the child has changed its own."""
    if isinstance(array, np.ndarray):
        array[...] = ~array if array.dtype == bool else array + 1
