"""Gradients that mirror their inputs: a list of dicts for a list of dicts, a dict for each of several dicts.

The gradient of `params[0]["w"]` is then told by its place in the list and its key, and not by its key alone, which
every dict of the list has.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.checks.contract.gradient_names import find_name


def mirrored_gradients(returned: Any, arguments: Sequence[Argument]) -> tuple[dict[int, Any], list[Any]] | None:
    """Find gradients by their place in lists and dicts that mirror those of the inputs.

    Parameters
    ----------
    returned : any
        What a backward returned.
    arguments : sequence of Argument
        Named by the input and the place in it: `params[0].w`.

    Returns
    -------
    (dict, list) or None
        The gradients by the places of their arguments, and the other entries of what was returned; None where nothing
        mirrors an input.

    Examples
    --------
    >>> from acg_numpy.checks.contract.checked_inputs import read_argument
    >>> arguments = [read_argument(name, 1.0) for name in ("params[0].w", "params[1].w", "x")]
    >>> mirrored_gradients(([{"dw": 2.0}, {"dw": 3.0}], 4.0), arguments)
    ({0: 2.0, 1: 3.0}, [4.0])
    >>> mirrored_gradients([{"w": 2.0}, {"w": 3.0}], arguments)
    ({0: 2.0, 1: 3.0}, [])
    >>> mirrored_gradients((2.0, 3.0, 4.0), arguments) is None
    True
    """
    if not isinstance(returned, (list, tuple)) and not _is_list_of_dicts(returned):
        return None
    each = returned if isinstance(returned, (list, tuple)) else ()
    for entries in ([returned], each):  # all of it mirrors one input, or each entry may
        found: dict[int, Any] = {}
        rest = []
        shared = _shared_keys(entries)
        for entry in entries:
            own = _places(entry, arguments, found) if _is_list_of_dicts(entry) or _has_keys(entry, shared) else None
            if own is None:
                rest.append(entry)
            else:
                found |= own
        if found:
            return found, rest
    return None


def is_dict_of_gradients(value: Any) -> bool:
    """Check whether a value is a dict of gradients; some sparse arrays are dicts as well."""
    return isinstance(value, Mapping) and not hasattr(value, "shape")


def _is_list_of_dicts(value: Any) -> bool:
    """Check for a list of dicts, or a dict of them by their numbers."""
    if is_dict_of_gradients(value):
        return any(isinstance(key, int) and is_dict_of_gradients(item) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(map(is_dict_of_gradients, value))


def _shared_keys(entries: Sequence[Any]) -> set[Any]:
    """Return the keys that several dicts among the entries have."""
    keys = [key for entry in entries if is_dict_of_gradients(entry) for key in entry]
    return {key for key in keys if keys.count(key) > 1}


def _has_keys(value: Any, keys: set[Any]) -> bool:
    return is_dict_of_gradients(value) and not keys.isdisjoint(value)


def _places(entry: Any, arguments: Sequence[Argument], taken: Mapping[int, Any]) -> dict[int, Any] | None:
    """Return the gradients in an entry by the places of their arguments, if all of it mirrors one input or a part."""
    leaves = dict(_leaves(entry))
    roots = [a.name[: mark.start()] for a in arguments for mark in re.finditer(r"[.\[]", a.name)]
    for root in sorted(dict.fromkeys(roots), key=len):
        found: dict[int, str] = {}
        for place, argument in enumerate(arguments):
            if place not in taken and argument.name.startswith((f"{root}.", f"{root}[")):
                head, _, last = argument.name.removeprefix(root).rpartition(".")
                beside = {path.rpartition(".")[2]: path for path in leaves if path.rpartition(".")[0] == head}
                key = find_name(last, beside)
                if key is not None:
                    found[place] = beside[key]
        if found:  # the others are named by their keys alone, which no other input has
            left = {path.rpartition(".")[2]: path for path in leaves if path not in found.values()}
            for place, argument in enumerate(arguments):
                key = find_name(argument.name, left) if place not in taken and place not in found else None
                if key is not None and "." not in argument.name:
                    found[place] = left.pop(key)
        if found and len(found) == len(leaves):
            return {place: leaves[path] for place, path in found.items()}
    return None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is in nested lists and dicts, each with its path: `[0].w`."""
    if is_dict_of_gradients(value):
        for key, item in value.items():
            yield from _leaves(item, f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        yield path, value
