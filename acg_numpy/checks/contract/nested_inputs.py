"""Inputs that are dicts or lists of arrays, taken apart into one argument for each array, and put together again.

    forward(x, {"W": W, "b": b})       is checked at x, W and b
    forward(x, [W1, W2])               is checked at x, weights[0] and weights[1]

Numbers, texts and whatever else is no array inside a dict or a list is an option, and stays as it is.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.checks.contract.checked_inputs import (
    Argument,
    ContractValueError,
    copy_arrays,
    names_from_signature,
    read_arguments,
)
from acg_numpy.text import joined

Path = tuple[Any, ...]


class NestedInputs(NamedTuple):
    """Inputs of a check, with the place of each argument among them.

    Attributes
    ----------
    arguments : tuple of Argument
        One for each array, and for each input that is a number or None.
    paths : tuple of tuples
        The number of the input, and the keys that lead to the argument in it.
    inputs : tuple
        What was given, for its options.
    notes : tuple of str
        What is worth saying about the inputs.
    repeats : tuple of pairs of tuples
        Places that hold the array of an argument once more, each with the argument's own.
    """

    arguments: tuple[Argument, ...]
    paths: tuple[Path, ...]
    inputs: tuple[Any, ...]
    notes: tuple[str, ...] = ()
    repeats: tuple[tuple[Path, Path], ...] = ()

    def rebuild(self, values: Sequence[Any]) -> list[Any]:
        """Return inputs of the given form that hold these values, one an argument."""
        at = dict(zip(self.paths, values, strict=True))
        at |= {path: at[first] for path, first in self.repeats}
        return [_rebuilt(value, (place,), at) for place, value in enumerate(self.inputs)]

    def merged(self) -> "NestedInputs | None":
        """Return the same with one argument for each array, if some are given several times; else None.

        Examples
        --------
        >>> memory = np.ones((3, 2))
        >>> nested = read_nested_inputs(lambda query, key, value: None, [np.ones(2), memory, memory], None)
        >>> merged = nested.merged()
        >>> [argument.name for argument in merged.arguments], merged.notes
        (['query', 'key'], ('key and value are one array, and have one gradient, the sum over both uses',))
        """
        places: dict[int, list[int]] = {}
        for place, (path, argument) in enumerate(zip(self.paths, self.arguments, strict=True)):
            if argument.checked:
                places.setdefault(id(_value_at(self.inputs, path)), []).append(place)
        several = [same for same in places.values() if len(same) > 1]
        if not several:
            return None
        first_of = {place: same[0] for same in several for place in same[1:]}
        kept = [place for place in range(len(self.arguments)) if place not in first_of]
        notes = []
        for same in several:
            names = joined([self.arguments[place].name for place in same])
            uses = "both" if len(same) == 2 else f"all {len(same)}"
            notes.append(f"{names} are one array, and have one gradient, the sum over {uses} uses")
        return self._replace(
            arguments=tuple(self.arguments[place] for place in kept),
            paths=tuple(self.paths[place] for place in kept),
            notes=(*self.notes, *notes),
            repeats=tuple((self.paths[place], self.paths[first]) for place, first in first_of.items()),
        )


def read_nested_inputs(
    function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] | None
) -> NestedInputs:
    """Take inputs apart, name the arguments, and find which are checked and which are held fixed.

    Parameters
    ----------
    function : callable
        The forward, whose signature names the inputs.
    inputs : sequence
    names : sequence of str, optional
        The inputs' names instead.

    Raises
    ------
    ContractTypeError, ContractValueError
        As for `read_arguments`.

    Examples
    --------
    >>> def linear(x, params): ...
    >>> nested = read_nested_inputs(linear, [np.ones(2), {"W": np.ones((2, 3)), "scale": 2.0}], None)
    >>> [argument.name for argument in nested.arguments], nested.paths
    (['x', 'W'], ((0,), (1, 'W')))
    >>> nested.notes
    ('params.scale is a number inside a dict or a list, so it is an option, and held fixed; an array would be checked',)
    """
    if not any(map(is_nested, inputs)):
        arguments = read_arguments(function, inputs, names)
        return NestedInputs(arguments, tuple((place,) for place in range(len(inputs))), tuple(inputs))
    if names is None:
        names = names_from_signature(function, len(inputs))
    elif len(names) != len(inputs):
        raise ContractValueError(f"names={list(names)} should hold a name for each of the {len(inputs)} inputs")
    leaves = [leaf for place, value in enumerate(inputs) for leaf in _leaves(value, (place,))]
    paths = tuple(path for path, _ in leaves)
    values = [value for _, value in leaves]
    arguments = read_arguments(function, values, _leaf_names(paths, names))
    options = [
        _long_name((place, *path), names) for place, value in enumerate(inputs) for path in _floating_options(value)
    ]
    verb = "is a number inside a dict or a list, so it is an option" if len(options) == 1 else "are such options"
    note = f"{joined(options)} {verb}, and held fixed; an array would be checked"
    if len(options) > 1:
        note = f"{joined(options)} are numbers inside dicts or lists, so they are options, and held fixed; " + (
            "arrays would be checked"
        )
    return NestedInputs(arguments, paths, tuple(inputs), (note,) if options else ())


def is_nested(value: Any) -> bool:
    """Check whether an input is a dict, or a list or tuple that holds arrays."""
    if isinstance(value, Mapping):
        return True
    return isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, Tensor)) or is_nested(v) for v in value)


def _value_at(inputs: Sequence[Any], path: Path) -> Any:
    value: Any = inputs
    for key in path:
        value = value[key]
    return value


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    yield from value.items() if isinstance(value, Mapping) else enumerate(value)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield each array inside an input; an input that is not nested is itself one."""
    if not is_nested(value):
        if len(path) == 1 or isinstance(value, (np.ndarray, Tensor)):
            yield path, value
        return
    for key, inner in _items(value):
        yield from _leaves(inner, (*path, key))


def _floating_options(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the places of floating numbers inside a nested input."""
    if is_nested(value):
        for key, inner in _items(value):
            yield from _floating_options(inner, (*path, key))
    elif path and isinstance(value, (float, np.floating)):
        yield path


def _long_name(path: Path, names: Sequence[str]) -> str:
    return names[path[0]] + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path[1:])


def _leaf_names(paths: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Name each argument by its key alone, where no other has the same."""
    short = [
        str(path[-1]) if len(path) > 1 and isinstance(path[-1], str) else _long_name(path, names) for path in paths
    ]
    times = Counter(short)
    return [one if times[one] == 1 else _long_name(path, names) for one, path in zip(short, paths, strict=True)]


def _rebuilt(value: Any, path: Path, at: Mapping[Path, Any]) -> Any:
    if path in at:
        return at[path]
    if not is_nested(value):
        return copy_arrays([value])[0]
    parts = {key: _rebuilt(inner, (*path, key), at) for key, inner in _items(value)}
    if isinstance(value, Mapping):
        return parts
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*parts.values())
    return type(value)(parts.values())
