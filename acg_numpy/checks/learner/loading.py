"""A learner's own forward and backward, loaded from a file and checked.

Anything that goes wrong inside the file becomes a `LearnerError`: the place, what happened there, the shapes that met,
and the likely fix.  The file is run, as `python FILE.py` would run it, with the rights of the user who checks it.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.backward_pass import check_backward
from acg_numpy.checks.contract.call_form import required_parameters
from acg_numpy.checks.contract.checked_inputs import ContractError
from acg_numpy.checks.learner.errors import LearnerError, Place, error_at_line, syntax_error
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.text import counted, did_you_mean, joined


class Learner(NamedTuple):
    """Functions of a file: a forward, its backward, and maybe inputs to check them at."""

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
        If the file cannot be read or run, or has no such functions.
    """
    module = run_file(file)
    inputs = getattr(module, "inputs", None)
    return Learner(
        file,
        find_function(forward, module, file),
        find_function(backward, module, file),
        inputs if callable(inputs) else None,
    )


def run_file(file: Path) -> ModuleType:
    """Run a file as a module, which is not called __main__.

    Modules beside it, from the root of its package and from the working folder can be imported.
    """
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
        raise syntax_error(error, file) from None
    module = ModuleType(f"learner_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # where dataclasses and pickle look
    root = package_root(file)
    module.__package__ = ".".join(file.resolve().parent.relative_to(root).parts)  # for `from .beside import twice`
    for folder in (Path.cwd(), root, file.resolve().parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    with report_errors(file, "while the file was run"):
        exec(code, module.__dict__)
    return module


def spellings(file: Path) -> str:
    """Return the three ways to say what is to be checked."""
    return (
        f"{file}:forward,backward for two functions; {file}:Class --init 'width=4' --params W,b for a layer; "
        f"{file}:loss for a function that returns (loss, gradients)"
    )


def package_root(file: Path) -> Path:
    """Return the folder from which a file's package is imported: the first above it that is no package itself.

    A file in a folder that is no package belongs to the working folder, if it lies in it.
    """
    folder, here = file.resolve().parent, Path.cwd()
    if not (folder / "__init__.py").exists():
        return here if folder.is_relative_to(here) else folder
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def find_function(name: str, module: ModuleType, file: Path) -> Callable[..., Any]:
    """Return a function of the module.

    Raises
    ------
    LearnerError
        If there is none of that name; the message has the names that there are.
    """
    found: Callable[..., Any] | None = getattr(module, name, None)
    if callable(found):
        return found
    if found is not None:
        raise LearnerError(f"{name} is not a function but of type {type(found).__name__}", Place(file))
    own = [
        key
        for key, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__
    ]
    there = f"its functions are {joined(own)}" if own else "it defines no function"
    several = len(own) > 1 or any(inspect.isclass(getattr(module, key)) for key in own)
    fix = f"say which to check: {spellings(file)}" if several else f"define {name}"
    near = did_you_mean(name, own)
    raise LearnerError(f"there is no {name}; {there}", Place(file), f"{near}  {fix}" if near else fix)


def draw_own_inputs(learner: Learner, rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw inputs with the file's own `inputs(rng)`."""
    if learner.inputs is None:
        raise ValueError("the file has no function inputs(rng)")
    refuse_call(learner.inputs, (rng,), learner.file, "but is called with a random generator", "define inputs(rng)")
    with report_errors(learner.file, "in inputs"):
        drawn = learner.inputs(rng)
    if isinstance(drawn, (tuple, list)):
        return tuple(drawn)
    if drawn is None or isinstance(drawn, dict):
        raise LearnerError(
            f"inputs(rng) returned a {type(drawn).__name__}",
            Place.from_function(learner.inputs, learner.file),
            "return a tuple with one entry for each input of the forward",
        )
    return (drawn,)


def check_learner(learner: Learner, inputs: Sequence[Any], **options: Any) -> GradientReport:
    """Check a learner's pair, as `check_backward` does.

    Parameters
    ----------
    learner : Learner
    inputs : sequence
        One for each positional parameter of the forward.
    **options
        As for `check_backward`: `method`, `seed`, `dtype` and more.

    Raises
    ------
    LearnerError
        If forward or backward raise, or do not keep to `out, cache = forward(*inputs)` and
        `grads = backward(grad_out, cache)`.
    """
    refuse_inputs(learner, inputs)
    with report_errors(learner.file, "", learner.forward):
        return check_backward(learner.forward, learner.backward, *inputs, raise_on_failure=False, **options)


def refuse_inputs(learner: Learner, inputs: Sequence[Any]) -> None:
    """Refuse functions that cannot be called with what a check gives them."""
    shapes = ", ".join("None" if value is None else str(np.shape(value)) for value in inputs)
    given = f"{counted(len(inputs), 'input')} ({shapes})"
    refuse_call(learner.forward, inputs, learner.file, f"but is given {given}", inputs_fix(learner.forward, inputs))
    if required_parameters(learner.backward, least=1) == []:
        fix = "define backward(grad_out, cache)"
        refuse_call(learner.backward, (None, None), learner.file, "but is called with grad_out and cache", fix)


def inputs_fix(function: Callable[..., Any], inputs: Sequence[Any]) -> str:
    """Return what to do about inputs that are too few or too many.

    Examples
    --------
    >>> inputs_fix(lambda x, bn_param: x, [1.0])
    'give one input for each parameter, in order; give a parameter that is no input by --bind bn_param=JSON'
    """
    missing = (required_parameters(function, least=0) or [])[len(inputs) :]
    bound = f"; give a parameter that is no input by --bind {missing[0]}=JSON" if missing else ""
    return f"give one input for each parameter, in order{bound}"


def refuse_call(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    file: Path,
    sentence: str,
    fix: str,
    named: Mapping[str, Any] | None = None,
) -> None:
    """Refuse a function that cannot be called with these arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin without a signature
        return
    try:
        signature.bind(*arguments, **(named or {}))
    except TypeError:
        name = getattr(function, "__name__", "the function")
        message = f"{name} is defined as {name}{signature}, {sentence}"
        raise LearnerError(message, Place.from_function(function, file), fix) from None


@contextmanager
def report_errors(file: Path, during: str, function: Callable[..., Any] | None = None) -> Iterator[None]:
    """Turn an error of the learner's code into a `LearnerError`.

    A `ContractError` of the check is reported at `function`, the forward that is checked; any other exception at the
    innermost line of the learner's own that it passed.  An exception that passed none is the package's own, and is
    raised as it is.
    """
    try:
        yield
    except LearnerError:
        raise
    except BaseException as error:  # a file may raise anything
        if isinstance(error, ContractError) and function is not None:
            raise LearnerError(str(error), Place.from_function(function, file)) from None
        located = error_at_line(error, file, during)
        if located is None:
            raise
        raise located from None
