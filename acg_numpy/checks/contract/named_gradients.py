"""Gradients put into the order of the arguments: given by position, by name, or by their place in lists and dicts.

Gradients of inputs that are held fixed may be left out anywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.checks.contract.gradient_names import find_name
from acg_numpy.checks.contract.mirrored_gradients import is_dict_of_gradients, mirrored_gradients
from acg_numpy.checks.contract.summed_gradients import sharing_hint
from acg_numpy.text import counted, joined


class AlignedGradients(NamedTuple):
    """What a backward returned, one entry an argument.

    Attributes
    ----------
    entries : list
        None where nothing was returned for an argument.
    fault : str or None
        Why it is not known which gradient belongs to which argument.
    notes : tuple of str
    named : bool
        Whether some were given by name.
    miscounted : bool
        Whether the fault is that there are too few or too many.
    """

    entries: list[Any]
    fault: str | None = None
    notes: tuple[str, ...] = ()
    named: bool = False
    miscounted: bool = False


def align_gradients(returned: Any, arguments: Sequence[Argument], *, some: bool = False) -> AlignedGradients:
    """Put gradients into the order of the arguments.

    Parameters
    ----------
    returned : dict, tuple, list or array
        One entry an input; an array stands for a tuple of one.
    arguments : sequence of Argument
    some : bool
        Whether there may be gradients of the first few arguments only, or of those that are named.

    Examples
    --------
    >>> from acg_numpy.checks.contract.checked_inputs import read_argument
    >>> x, ids, w = read_argument("x", 1.0), read_argument("ids", 3), read_argument("w", 2.0)
    >>> align_gradients({"dw": 5.0, "dx": 4.0}, [x, ids, w]).entries
    [4.0, None, 5.0]
    >>> align_gradients((4.0, {"W": 5.0}), [x, ids, w]).entries
    [4.0, None, 5.0]
    >>> align_gradients((4.0, 5.0), [x, ids, w]).entries
    [4.0, None, 5.0]
    """
    mirrored = mirrored_gradients(returned, arguments)
    if mirrored is not None:
        return _with_mirrored(*mirrored, arguments, some)
    if is_dict_of_gradients(returned):
        return _by_name(dict(_flat(returned)), [], arguments, some)
    entries = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    while len(entries) > len(arguments) and entries[-1] is None:
        entries.pop()  # of optional inputs that were not given
    if any(map(is_dict_of_gradients, entries)):
        named = dict(item for entry in entries if is_dict_of_gradients(entry) for item in _flat(entry))
        return _by_name(named, [entry for entry in entries if not is_dict_of_gradients(entry)], arguments, some)
    needed = max((number for number, argument in enumerate(arguments, start=1) if argument.checked), default=0)
    if not needed <= len(entries) <= len(arguments):
        flat = list(_flat_entries(entries))
        checked = [place for place, argument in enumerate(arguments) if argument.checked]
        for found in (entries, flat):
            given = [entry for entry in found if entry is not None]
            if len(given) == len(checked) and len(given) == len(found):
                at = dict(zip(checked, given, strict=True))
                return AlignedGradients([at.get(place) for place in range(len(arguments))])
        if len(flat) != len(entries) and needed <= len(flat) <= len(arguments):
            entries = flat
        elif not some or not entries or len(entries) > len(arguments):
            return AlignedGradients([None] * len(arguments), _miscounted(entries, needed, arguments), miscounted=True)
    return AlignedGradients([*entries, *[None] * (len(arguments) - len(entries))])


def _with_mirrored(
    found: Mapping[int, Any], rest: list[Any], arguments: Sequence[Argument], some: bool
) -> AlignedGradients:
    """Put gradients that are known by their arguments' places beside the others, which are aligned among themselves."""
    places = [place for place in range(len(arguments)) if place not in found]
    aligned = AlignedGradients([None] * len(places))
    if rest or not some:
        aligned = align_gradients(rest, [arguments[place] for place in places], some=some)
    entries = {**found, **dict(zip(places, aligned.entries, strict=True))}
    return aligned._replace(entries=[entries[place] for place in range(len(arguments))], named=True)


def _miscounted(entries: Sequence[Any], needed: int, arguments: Sequence[Argument]) -> str:
    """Say how many gradients there are, and how many there should be."""
    names = ", ".join(argument.name for argument in arguments)
    wanted = f"{len(arguments)}" if needed == len(arguments) else f"{needed} to {len(arguments)}"
    return (
        f"backward returned {counted(len(entries), 'gradient')} for {counted(len(arguments), 'input')} ({names}); "
        f"expected {wanted}: one for each input in order, "
        f"None for integers and booleans, of which trailing ones may be left out{sharing_hint(entries, arguments)}"
    )


def _flat(named: Mapping[Any, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each gradient of a dict under its key; keys of dicts within dicts are joined by points."""
    for key, value in named.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{head}{key}.")
        elif isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
            for place, inner in enumerate(value):
                yield f"{head}{key}[{place}]", inner
        else:
            yield f"{head}{key}", value


def _flat_entries(entries: Sequence[Any]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, (list, tuple)):
            yield from _flat_entries(entry)
        else:
            yield entry


def _by_name(
    named: Mapping[str, Any], others: Sequence[Any], arguments: Sequence[Argument], some: bool
) -> AlignedGradients:
    """Give each argument the gradient of its name, and those without one the others, in order."""
    entries: list[Any] = [None] * len(arguments)
    left = dict(named)
    nameless = []
    for place, argument in enumerate(arguments):
        key = find_name(argument.name, left)
        if key is None:
            nameless.append(place)
        else:
            entries[place] = left.pop(key)
    if others:
        places = nameless if len(others) == len(nameless) else [p for p in nameless if arguments[p].checked]
        places = places[: len(others)] if len(others) < len(places) else places
        if len(places) != len(others):
            names = joined([arguments[place].name for place in nameless]) or "no other input"
            fault = (
                f"beside those given by name, backward returned {counted(len(others), 'gradient')} for {names}; "
                "expected one for each"
            )
            return AlignedGradients([None] * len(arguments), fault)
        for place, entry in zip(places, others, strict=True):
            entries[place] = entry
        nameless = [place for place in nameless if place not in places]
    missing = [arguments[place].name for place in nameless if arguments[place].checked]
    if missing and not (some and len(nameless) < len(arguments)):
        keys = joined([repr(key) for key in named]) or "no keys"
        fault = (
            f"the gradients that backward returned by name hold none of {joined(missing, 'or')}; they hold {keys}. "
            f"Name them {joined([f'd{name}' for name in missing])}"
        )
        return AlignedGradients([None] * len(arguments), fault, named=True)
    notes: tuple[str, ...] = ()
    if left:
        verb = "belongs" if len(left) == 1 else "belong"
        notes = (f"returned, but not compared, because {'it' if len(left) == 1 else 'they'} {verb} to no input: "
                 f"{joined(list(left))}",)  # fmt: skip
    return AlignedGradients(entries, None, notes, named=True)
