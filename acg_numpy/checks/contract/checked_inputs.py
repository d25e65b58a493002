"""Inputs of a check: which are checked and which are held fixed, their names, and the error if one is unusable."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.shapes import Array
from acg_numpy.text import counted

Outputs: TypeAlias = tuple[Array, ...]
Evaluate: TypeAlias = Callable[[Sequence[Any]], Outputs]


class ContractError(Exception):
    """Inputs, or what a function returned, with which a check cannot work.

    The message is about the function as its author wrote it, so a tool that runs checks for others can pass it on.
    Each such error is also a TypeError or a ValueError.
    """


class ContractTypeError(ContractError, TypeError):
    """Contract error on the type of a value."""


class ContractValueError(ContractError, ValueError):
    """Contract error on a value of the right type."""


class Argument(NamedTuple):
    """Input of a check: a float64 copy to be shifted, or a value held fixed."""

    name: str
    value: Any
    shape: tuple[int, ...]
    held: str | None
    """Why it is held fixed; None if it is checked."""

    @property
    def checked(self) -> bool:
        """Whether the input's gradient is compared."""
        return self.held is None


def read_argument(name: str, value: Any) -> Argument:
    """Read one input: floating ones are checked, in float64; integers, booleans and None are held fixed."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if value is None:
        return Argument(name, None, (), "None")
    array = read_array(value, f"input {name!r}")
    if np.issubdtype(array.dtype, np.floating):
        return Argument(name, np.array(array, dtype=np.float64), array.shape, None)
    if np.issubdtype(array.dtype, np.integer) or array.dtype == bool:
        kept = value if np.isscalar(value) else array.copy()
        return Argument(name, kept, array.shape, str(array.dtype))
    raise ContractTypeError(
        f"input {name!r} has dtype {array.dtype}; floating inputs are checked, integers, booleans and None are held "
        "fixed. Bind anything else beforehand: functools.partial(forward, option=...)"
    )


def read_array(value: Any, what: str) -> Array:
    """Read a value as an array.

    Examples
    --------
    >>> read_array([[1.0, 2.0], [3.0]], "the output")
    Traceback (most recent call last):
    ...
    acg_numpy.checks.contract.checked_inputs.ContractValueError: the output is a list that makes no array
    """
    try:
        return np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ContractValueError(f"{what} is a {type(value).__name__} that makes no array") from error


def read_arguments(
    function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] | None
) -> tuple[Argument, ...]:
    """Name the inputs and find which are checked and which are held fixed.

    Raises
    ------
    ContractTypeError
        For an input that is neither numeric nor None.
    ContractValueError
        If `names` does not fit the inputs, or no input is floating.

    Examples
    --------
    >>> def embedding(table, ids): ...
    >>> [(a.name, a.shape, a.held) for a in read_arguments(embedding, [np.ones((4, 2)), np.array([1, 3])], None)]
    [('table', (4, 2), None), ('ids', (2,), 'int64')]
    """
    if names is None:
        names = names_from_signature(function, len(inputs))
    elif len(names) != len(inputs) or len(set(names)) != len(names):
        raise ContractValueError(
            f"names={list(names)} should hold a different name for each of the {counted(len(inputs), 'input')}"
        )
    arguments = tuple(map(read_argument, names, inputs))
    if not any(argument.checked for argument in arguments):
        given = ", ".join(f"{argument.name}: {argument.held}" for argument in arguments) or "no inputs at all"
        raise ContractValueError(
            f"no input is floating ({given}), so there is no gradient to check; pass 1.0 and not 1"
        )
    return arguments


def names_from_signature(function: Callable[..., Any], count: int) -> list[str]:
    """Return the names of a function's first `count` positional parameters.

    Examples
    --------
    >>> names_from_signature(lambda x, *rest: x, 3)
    ['x', 'rest[0]', 'rest[1]']
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    rest = range(count - len(names))
    variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if variadic is None:
        return [*names, *(f"input_{len(names) + i}" for i in rest)]
    return [*names, *(f"{variadic}[{i}]" for i in rest)]


def function_name(function: Callable[..., Any]) -> str:
    """Return the name of a function, also of a partial or of an object that can be called.

    Examples
    --------
    >>> from functools import partial
    >>> function_name(function_name), function_name(partial(function_name))
    ('function_name', 'function_name')
    """
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def copy_arrays(values: Sequence[Any]) -> list[Any]:
    """Copy the arrays among the values, so that a function that changes them changes nothing outside."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]
