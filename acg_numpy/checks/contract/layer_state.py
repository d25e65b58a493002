"""Parameters and gradients of a layer: where they are kept in the object, however deep, read and replaced there.

A name such as `W`, `params.W`, `layers[0].W` is looked up as attributes, keys and positions; `params` alone, a dict or
a list, stands for everything in it.  An object that holds an array in `data` or `value` is a parameter with its array.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.checks.contract.checked_inputs import ContractValueError
from acg_numpy.checks.contract.side_effects import CODE
from acg_numpy.text import did_you_mean, joined

HELD_IN = ("data", "value")  # where an object that is a parameter has its array
DICTS = ("params", "parameters", "weights", "_params")  # where a parameter is looked for that is no attribute
DEEPEST = 6


class Step(NamedTuple):
    """A step from an object to what it holds: an attribute, or a key or position."""

    key: Any
    attribute: bool


Place = tuple[Step, ...]


class LayerParameter(NamedTuple):
    """A parameter of a layer: its name, its value, and every place at which the layer holds that array."""

    name: str
    value: Any
    places: tuple[Place, ...]


def find_parameters(layer: Any, names: str | Sequence[str]) -> list[LayerParameter]:
    """Find the parameters of a layer.

    Parameters
    ----------
    layer : object
    names : str or sequence of str

    Raises
    ------
    ContractValueError
        If there is none of a name; the message has those that there are.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(W=np.ones((2, 3)), params={"b": np.zeros(3)})
    >>> [(one.name, one.value.shape) for one in find_parameters(layer, "W, b")]
    [('W', (2, 3)), ('b', (3,))]
    >>> [one.name for one in find_parameters(layer, ["params"])]
    ['b']
    """
    found: list[tuple[Place, Any]] = []
    for name in split_names(names):
        place = _find(layer, name)
        if place is None:
            there = [_written(path) for path, _ in _arrays(layer)]
            near = did_you_mean(name, there, f"its arrays are {joined(there)}" if there else "it holds no arrays")
            raise ContractValueError(f"the layer has no parameter {name!r}; {near}")
        value = _at(layer, place)
        inside = [(place, value)] if isinstance(value, float) else list(_arrays(value, place, of_parameters=True))
        if not inside:
            kind = type(value).__name__
            raise ContractValueError(f"the layer's {name} is no array, and holds none; it is of type {kind}")
        found += inside
    names_found = _short_names([place for place, _ in found])
    arrays = list(_arrays(layer))
    parameters = []
    for name, (place, value) in zip(names_found, found, strict=True):
        same = [other for other, array in arrays if array is value and other != place]
        parameters.append(LayerParameter(name, value, (place, *same)))
    return parameters


def split_names(names: str | Sequence[str]) -> list[str]:
    """Return names that may be given as one text, separated by commas."""
    parts = names.split(",") if isinstance(names, str) else names
    return [part.strip() for part in parts if part.strip()]


def replace_parameter(layer: Any, parameter: LayerParameter, value: Any) -> None:
    """Put another value at every place of a parameter."""
    for place in parameter.places:
        holder = _at(layer, place[:-1])
        if place[-1].attribute:
            setattr(holder, place[-1].key, value)
        else:
            holder[place[-1].key] = value


def parameter_value(layer: Any, parameter: LayerParameter) -> Any:
    """Return what a layer holds at the place of a parameter."""
    return _at(layer, parameter.places[0])


def find_value(layer: Any, name: str) -> tuple[bool, Any]:
    """Return whether a layer holds something of a name, and what."""
    place = _find(layer, name)
    return (False, None) if place is None else (True, _at(layer, place))


def named_arrays(layer: Any) -> dict[str, Any]:
    """Return every array that a layer holds, by attributes and keys."""
    return {_written(place): array for place, array in _arrays(layer)}


def modules_in(value: Any, seen: set[int] | None = None) -> Iterator[ModuleType]:
    """Yield every module that an object holds: `self.np = np`."""
    seen = set() if seen is None else seen
    if isinstance(value, ModuleType):
        yield value
    elif id(value) not in seen and not isinstance(value, (np.ndarray, str, bytes, *CODE)):
        seen.add(id(value))
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        for part in [*inside, *getattr(value, "__dict__", {}).values()]:
            yield from modules_in(part, seen)


def array_of(value: Any) -> Any:
    """Return the array that a value is, or that it holds, as a parameter does."""
    for name in HELD_IN:
        if not isinstance(value, (np.ndarray, float)) and isinstance(getattr(value, name, None), np.ndarray):
            return getattr(value, name)
    return value


def written_place(parameter: LayerParameter) -> str:
    """Return the first place of a parameter as one writes it: `params.W`."""
    return _written(parameter.places[0])


def _find(layer: Any, name: str) -> Place | None:
    """Return the place of a name, from the layer itself or from the dict of its parameters."""
    for head in ("", *(f"{known}." for known in DICTS)):
        place = _follow(layer, head + name)
        if place is not None:
            return place
    return None


def _follow(layer: Any, name: str) -> Place | None:
    place: list[Step] = []
    value = layer
    for part in re.findall(r"[^.\[\]]+", name.removeprefix("self.")):
        if isinstance(value, Mapping) and part in value:
            step = Step(part, False)
        elif isinstance(value, (list, tuple)) and part.isdecimal() and int(part) < len(value):
            step = Step(int(part), False)
        elif not isinstance(value, (Mapping, list, tuple)) and hasattr(value, part):
            step = Step(part, True)
        else:
            return None
        place.append(step)
        value = _at(value, (step,))
    return tuple(place)


def _at(layer: Any, place: Place) -> Any:
    for step in place:
        layer = getattr(layer, step.key) if step.attribute else layer[step.key]
    return layer


def _arrays(
    value: Any, place: Place = (), seen: set[int] | None = None, *, of_parameters: bool = False
) -> Iterator[tuple[Place, Any]]:
    """Yield every floating array inside an object, with its place; of an object that is a parameter, its value only.

    No object is entered twice.
    """
    if isinstance(value, (Tensor, np.ndarray)):
        if value.dtype.kind == "f":
            yield place, value
        return
    seen = set() if seen is None else seen
    if id(value) in seen or len(place) > DEEPEST:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        steps = [(Step(key, False), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        steps = [(Step(number, False), inner) for number, inner in enumerate(value)]
    elif hasattr(value, "__dict__") and not isinstance(value, CODE):
        held = [name for name in HELD_IN if isinstance(vars(value).get(name), np.ndarray)]
        steps = [(Step(name, True), vars(value)[name]) for name in (of_parameters and held) or vars(value)]
    else:
        return
    for step, inner in steps:
        yield from _arrays(inner, (*place, step), seen, of_parameters=of_parameters)


def _written(place: Place) -> str:
    parts = [f"[{step.key}]" if isinstance(step.key, int) else f".{step.key}" for step in place]
    return "".join(parts).removeprefix(".")


def _short_names(places: Sequence[Place]) -> list[str]:
    """Name each by its last key, where no other has the same."""
    bare = [place[:-1] if place[-1] in [Step(name, True) for name in HELD_IN] else place for place in places]
    short = [_written(place[-1:]) if not isinstance(place[-1].key, int) else _written(place) for place in bare]
    times = Counter(short)
    return [one if times[one] == 1 else _written(place) for one, place in zip(short, bare, strict=True)]
