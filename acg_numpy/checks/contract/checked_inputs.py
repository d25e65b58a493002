"""Which inputs are checked, which are held fixed, and what are they called?"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.shapes import Array

Outputs: TypeAlias = tuple[Array, ...]
Evaluate: TypeAlias = Callable[[Sequence[Any]], Outputs]


class Argument(NamedTuple):
    """One input: a float64 copy to be moved about, or a value held fixed."""

    name: str
    value: Any
    shape: tuple[int, ...]
    held: str | None  # why it is held fixed; None: it is checked

    @property
    def checked(self) -> bool:
        """Whether the input's gradient is compared."""
        return self.held is None


def read_argument(name: str, value: Any) -> Argument:
    """Sort one input: floating ones are checked, in float64; integers, booleans and None are held fixed."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if value is None:
        return Argument(name, None, (), "None")
    array = np.asarray(value)
    if np.issubdtype(array.dtype, np.floating):
        return Argument(name, np.array(array, dtype=np.float64), array.shape, None)
    if np.issubdtype(array.dtype, np.integer) or array.dtype == bool:
        kept = value if np.isscalar(value) else array.copy()
        return Argument(name, kept, array.shape, str(array.dtype))
    raise TypeError(
        f"input {name!r} has dtype {array.dtype}; floating inputs are checked, integers, booleans and None are held "
        "fixed. Bind anything else beforehand: functools.partial(forward, option=...)"
    )


def read_arguments(
    function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] | None
) -> tuple[Argument, ...]:
    """Name the inputs and sort them into those checked and those held fixed.

    Raises
    ------
    TypeError
        For an input that is neither numeric nor None.
    ValueError
        Where `names` does not fit the inputs, or no input is floating.

    Examples
    --------
    >>> def embedding(table, ids): ...
    >>> [(a.name, a.shape, a.held) for a in read_arguments(embedding, [np.ones((4, 2)), np.array([1, 3])], None)]
    [('table', (4, 2), None), ('ids', (2,), 'int64')]
    """
    if names is None:
        names = names_from_signature(function, len(inputs))
    elif len(names) != len(inputs) or len(set(names)) != len(names):
        raise ValueError(f"names={list(names)} should hold one name of its own for each of the {len(inputs)} inputs")
    arguments = tuple(map(read_argument, names, inputs))
    if not any(argument.checked for argument in arguments):
        given = ", ".join(f"{argument.name}: {argument.held}" for argument in arguments) or "no inputs at all"
        raise ValueError(f"no input is floating ({given}), so there is no gradient to check; pass 1.0 and not 1")
    return arguments


def names_from_signature(function: Callable[..., Any], count: int) -> list[str]:
    """The names of a function's first `count` positional parameters.

    Examples
    --------
    >>> names_from_signature(lambda x, *rest: x, 3)
    ['x', 'rest[0]', 'rest[1]']
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    rest = range(count - len(names))
    variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if variadic is None:
        return [*names, *(f"input_{len(names) + i}" for i in rest)]
    return [*names, *(f"{variadic}[{i}]" for i in rest)]


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called, also where it is a partial or an object.

    Examples
    --------
    >>> from functools import partial
    >>> name_of(name_of), name_of(partial(name_of))
    ('name_of', 'name_of')
    """
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def copied(values: Sequence[Any]) -> list[Any]:
    """Copies of the arrays among the values, so that nothing that a function does to them is felt outside."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]
