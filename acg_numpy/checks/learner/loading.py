"""Somebody's own forward and backward, in a file: load it, check it, and say where it breaks.

Whatever goes wrong inside the file becomes a `LearnerError`: the place, what happened there, the shapes that met, and
what is likely to mend it.  The file is run, as `python FILE.py` would run it, with the rights of whoever checks it.
"""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.backward_pass import check_backward
from acg_numpy.checks.learner.errors import LearnerError, Place, broken, nearest, of_syntax
from acg_numpy.checks.report.report import GradientReport


class Learner(NamedTuple):
    """What a file gives: a forward, its backward, and maybe inputs to check them at."""

    file: Path
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: Callable[[np.random.Generator], Any] | None


def load_learner(file: Path, forward: str = "forward", backward: str = "backward") -> Learner:
    """Run a file and take its functions.

    Parameters
    ----------
    file : path
    forward, backward : str
        The names of the functions.

    Raises
    ------
    LearnerError
        Where the file cannot be read or run, or has no such functions.
    """
    module = run_file(file)
    inputs = getattr(module, "inputs", None)
    return Learner(
        file,
        function_named(forward, module, file),
        function_named(backward, module, file),
        inputs if callable(inputs) else None,
    )


def run_file(file: Path) -> ModuleType:
    """The file as a module, which is not called __main__; modules beside it can be imported."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise LearnerError(f"it cannot be read: {(error.strerror or str(error)).lower()}", Place(file)) from None
    if file.suffix == ".ipynb":
        raise LearnerError(
            "this is a notebook, not a Python file", Place(file), f"jupyter nbconvert --to script {file.name}"
        )
    try:
        code = compile(source, str(file), "exec")
    except (SyntaxError, ValueError) as error:  # the latter for null bytes
        raise of_syntax(error, file) from None
    module = ModuleType(f"learner_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # where dataclasses and pickle look
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with telling(file, "while the file was run"):
        exec(code, module.__dict__)
    return module


def function_named(name: str, module: ModuleType, file: Path) -> Callable[..., Any]:
    """A function of the module, or the names of those that there are."""
    found: Callable[..., Any] | None = getattr(module, name, None)
    if callable(found):
        return found
    if found is not None:
        raise LearnerError(f"{name} is no function but of type {type(found).__name__}", Place(file))
    own = [
        key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    there = f"its functions are {', '.join(own)}" if own else "it defines no function"
    near = nearest(name, own)
    mend = f"say which to check: {file}:FORWARD,BACKWARD" if len(own) > 1 else f"define {name}"
    raise LearnerError(f"there is no {name}; {there}", Place(file), f"did you mean {near}?  {mend}" if near else mend)


def draw_own_inputs(learner: Learner, rng: np.random.Generator) -> tuple[Any, ...]:
    """What the file's own `inputs(rng)` gives."""
    if learner.inputs is None:
        raise ValueError("the file has no function inputs(rng)")
    refuse_call(learner.inputs, (rng,), learner.file, "but is called with a random generator", "define inputs(rng)")
    with telling(learner.file, "in inputs"):
        drawn = learner.inputs(rng)
    if isinstance(drawn, (tuple, list)):
        return tuple(drawn)
    if drawn is None or isinstance(drawn, dict):
        raise LearnerError(
            f"inputs(rng) returned a {type(drawn).__name__}",
            Place.of(learner.inputs, learner.file),
            "return a tuple with one entry for each input of the forward",
        )
    return (drawn,)


def check_learner(learner: Learner, inputs: Sequence[Any], *, method: str = "central", seed: int = 0) -> GradientReport:
    """Check a learner's pair, as `check_backward` does.

    Parameters
    ----------
    learner : Learner
    inputs : sequence
        One for each positional parameter of the forward.
    method, seed
        As for `check_backward`.

    Raises
    ------
    LearnerError
        Where forward or backward raise, or do not keep to `out, cache = forward(*inputs)` and
        `grads = backward(grad_out, cache)`.
    """
    refuse_other_inputs(learner, inputs)
    with telling(learner.file, "", learner.forward):
        return check_backward(
            learner.forward, learner.backward, *inputs, method=method, seed=seed, raise_on_failure=False
        )


def refuse_other_inputs(learner: Learner, inputs: Sequence[Any]) -> None:
    """Say so where the functions cannot be called with what they will get."""
    shapes = ", ".join("None" if value is None else str(np.shape(value)) for value in inputs)
    given = f"{len(inputs)} input{'s' * (len(inputs) != 1)} ({shapes})"
    mend = "give one input for each parameter, in order"
    refuse_call(learner.forward, inputs, learner.file, f"but is given {given}", mend)
    mend = "define backward(grad_out, cache)"
    refuse_call(learner.backward, (None, None), learner.file, "but is called with grad_out and cache", mend)


def refuse_call(function: Callable[..., Any], arguments: Sequence[Any], file: Path, sentence: str, mend: str) -> None:
    """Say so where a function cannot be called with these arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        name = getattr(function, "__name__", "the function")
        message = f"{name} is defined as {name}{signature}, {sentence}"
        raise LearnerError(message, Place.of(function, file), mend) from None


@contextmanager
def telling(file: Path, during: str, function: Callable[..., Any] | None = None) -> Iterator[None]:
    """Turn whatever the learner's code raises into a `LearnerError`; errors of the package's own are let through."""
    try:
        yield
    except LearnerError:
        raise
    except (Exception, SystemExit) as error:
        told = broken(error, file, during) or unkept(error, file, function)
        if told is None:
            raise
        raise told from None


def unkept(error: BaseException, file: Path, function: Callable[..., Any] | None) -> LearnerError | None:
    """What a check says of a forward that does not keep to the form, with the place of the forward."""
    asked = {"acg_numpy.checks.contract.returned", "acg_numpy.checks.contract.checked_inputs"}
    last = last_module(error.__traceback__)
    if last not in asked or not isinstance(error, (TypeError, ValueError)):
        return None
    place = Place.of(function, file) if function is not None else Place(file)
    return LearnerError(str(error), place)


def last_module(trace: TracebackType | None) -> str:
    """The name of the module in which an exception was raised."""
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    return str(frames[-1].f_globals.get("__name__", "")) if frames else ""
