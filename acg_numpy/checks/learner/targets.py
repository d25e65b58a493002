"""What is checked in a learner's file: a pair of functions, a class, or a loss that returns its gradients.

FILE.py:forward,backward                      two functions
FILE.py:Class --init 'width=4' --params W     a layer
FILE.py:loss                                  a function that returns (loss, gradients)
"""

import ast
import copy
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.layer import check_layer, check_loss
from acg_numpy.checks.learner.errors import LearnerError, Place
from acg_numpy.checks.learner.input_specs import InputsError, draw_inputs, read_inputs
from acg_numpy.checks.learner.loading import (
    Learner,
    check_learner,
    find_function,
    inputs_fix,
    refuse_call,
    report_errors,
    run_file,
    spellings,
)
from acg_numpy.checks.report.report import GradientReport
from acg_numpy.text import counted, did_you_mean, joined


class LayerOptions(NamedTuple):
    """What is said about a class on the command line."""

    init: str = ""
    params: str = ""
    grads: str | None = None
    forward: str = "forward"
    backward: str = "backward"


class Target(NamedTuple):
    """What is checked, with a function that checks it at given inputs."""

    learner: Learner
    check: Callable[..., GradientReport]


def load_target(
    file: Path, names: Sequence[str], bound: Mapping[str, Any], layer: LayerOptions, seed: int = 0
) -> Target:
    """Run a file and take what is to be checked.

    Parameters
    ----------
    file : path
    names : sequence of str
        Two for a pair, one for a class or a loss.
    bound : mapping
        Values of parameters that are no inputs, by name.
    layer : LayerOptions
    seed : int
        Draws the arrays of `layer.init`.

    Raises
    ------
    LearnerError
        If the file cannot be run, or has nothing of these names that can be checked.
    """
    module = run_file(file)
    functions = [_find(name, module, file) for name in names]
    inputs = getattr(module, "inputs", None)
    inputs = inputs if callable(inputs) else None
    if len(functions) == 1 and isinstance(functions[0], type):
        return _layer_target(functions[0], module, file, inputs, bound, layer, seed)
    if len(functions) == 1:
        if layer.init or layer.params or layer.grads:
            raise LearnerError(f"{names[0]} is a function, so it takes no --init, --params and --grads", Place(file))
        (loss,) = bind_all(functions, bound, file)
        return Target(Learner(file, loss, loss, inputs), functools.partial(_check_loss, loss, file))
    forward, backward = bind_all(functions, bound, file)
    learner = Learner(file, forward, backward, inputs)
    return Target(learner, functools.partial(check_learner, learner))


def _find(name: str, module: ModuleType, file: Path) -> Callable[..., Any]:
    """Return what a name stands for; it may be that of a method, `Class.method`."""
    first, *rest = name.split(".")
    found = find_function(first, module, file)
    for part in rest:
        inner = getattr(found, part, None)
        if not callable(inner):
            there = [key for key in dir(found) if not key.startswith("_")]
            raise LearnerError(f"{first} has no {part}", Place(file), did_you_mean(part, there))
        found = inner
    return found


def bind_all(functions: Sequence[Callable[..., Any]], bound: Mapping[str, Any], file: Path) -> list[Callable[..., Any]]:
    """Bind values to the functions that have parameters of their names.

    Raises
    ------
    LearnerError
        If none has.
    """
    known = {name for function in functions for name in _parameter_names(function)}
    for name in bound:
        if name not in known:
            near = did_you_mean(name, known, f"the parameters are {joined(sorted(known))}")
            raise LearnerError(f"--bind names {name!r}, which is no parameter of what is checked", Place(file), near)
    return [bind(function, bound) for function in functions]


def bind(function: Callable[..., Any], bound: Mapping[str, Any]) -> Callable[..., Any]:
    """Bind values by name, so that the other parameters can still be given by position.

    Each call has a copy of the values: a forward may keep running averages in them.

    Examples
    --------
    >>> bind(lambda x, scale, y: x * scale + y, {"scale": 3})(1, 2)
    5
    """
    names = _parameter_names(function)
    values = {name: value for name, value in bound.items() if name in names}
    if not values:
        return function
    signature = inspect.signature(function)
    free = [p for p in signature.parameters.values() if p.name not in values]
    positional = [p.name for p in free if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]

    @functools.wraps(function)
    def bound_function(*args: Any, **kwargs: Any) -> Any:
        named = dict(zip(positional, args, strict=False))
        rest = args[len(positional) :]
        if len(args) > len(positional) and not any(p.kind is p.VAR_POSITIONAL for p in free):
            signature.replace(parameters=free).bind(*args)
        return function(*rest, **named, **copy.deepcopy(values), **kwargs)

    bound_function.__signature__ = signature.replace(parameters=free)  # type: ignore[attr-defined]
    return bound_function


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a builtin without a signature
        return []


def _check_loss(loss: Callable[..., Any], file: Path, inputs: Sequence[Any], **options: Any) -> GradientReport:
    """Check a loss of a learner's file."""
    refuse_call(
        loss,
        inputs,
        file,
        f"but is given {counted(len(inputs), 'input')}",
        inputs_fix(loss, inputs),
    )
    try:
        with report_errors(file, "", loss):
            return check_loss(loss, *inputs, raise_on_failure=False, **options)
    except LearnerError as error:
        if "a loss should return" in error.what:
            raise LearnerError(error.what, error.place, f"say what it is: {spellings(file)}") from None
        raise


def _layer_target(
    cls: type,
    module: ModuleType,
    file: Path,
    inputs: Callable[..., Any] | None,
    bound: Mapping[str, Any],
    layer: LayerOptions,
    seed: int,
) -> Target:
    """Make the target of a class."""
    args, kwargs = _read_init(layer.init, module, file, seed)
    methods = [getattr(cls, name, None) for name in (layer.forward, layer.backward)]
    for name, method in zip((layer.forward, layer.backward), methods, strict=True):
        if not callable(method):
            there = [key for key in dir(cls) if callable(getattr(cls, key, None)) and not key.startswith("_")]
            fix = did_you_mean(name, there, f"it has {joined(there)}: say which by --forward and --backward")
            raise LearnerError(f"the class {cls.__name__} has no method {name}", Place.from_function(cls, file), fix)
    forward, backward = (method for method in bind_all([m for m in methods if m is not None], bound, file))
    constructor = bind(cls, {k: v for k, v in bound.items() if k not in kwargs})
    refuse_call(
        constructor,
        args,
        file,
        f"but is given --init {layer.init!r}",
        "give its parameters by --init 'name=value'",
        kwargs,
    )

    def make() -> Any:
        return constructor(*copy.deepcopy(args), **copy.deepcopy(kwargs))

    def check(values: Sequence[Any], **options: Any) -> GradientReport:
        given = f"but is given {counted(len(values), 'input')}"
        refuse_call(forward, (None, *values), file, given, inputs_fix(forward, (None, *values)))
        with report_errors(file, f"in {cls.__name__}()", forward):
            return check_layer(
                make, *values, params=layer.params, grads=layer.grads, forward=forward, backward=backward,
                raise_on_failure=False, **options,
            )  # fmt: skip

    return Target(Learner(file, forward, backward, inputs), check)


def _read_init(text: str, module: ModuleType, file: Path, seed: int) -> tuple[list[Any], dict[str, Any]]:
    """Read `4, name='x', W=3x4`: Python's literals, arrays by shape, and names of the file."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    rng = np.random.default_rng(seed)
    for piece in _split(text):
        match = re.fullmatch(r"(\w+)\s*=\s*(.+)", piece, flags=re.DOTALL)
        value = _read_value(match[2] if match else piece, module, file, rng)
        if match:
            kwargs[match[1]] = value
        elif kwargs:
            raise LearnerError(f"--init: {piece!r} has no name, and comes after one that has", Place(file))
        else:
            args.append(value)
    return args, kwargs


def _read_value(text: str, module: ModuleType, file: Path, rng: np.random.Generator) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if text.isidentifier() and hasattr(module, text):
        return getattr(module, text)
    if text.isidentifier() and text not in ("scalar", "none"):
        return text
    try:
        (value,) = draw_inputs(read_inputs(text.removeprefix("array:")), rng)
    except (InputsError, ValueError) as error:
        fix = "write Python's numbers, texts, lists and dicts, a shape as in 3x4 or array:3, or a name of the file"
        raise LearnerError(f"--init: {text!r} cannot be read: {error}", Place(file), fix) from None
    return value


def _split(text: str) -> list[str]:
    """Split at the commas that are in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += 0 if quote else (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
