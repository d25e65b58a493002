"""Gradients put into the order of the arguments: given by position, by name, or some by one and some by the other.

A gradient's name is that of its input, or has `d`, `d_`, `grad_`, `dL_d` before it or `_grad` after it: `w`, `dw`,
`dW`, `grad_w` and `dL_dW` all belong to w.  Gradients of inputs that are held fixed may be left out anywhere.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.text import counted, joined

# fmt: off
BEFORE = re.compile(
    r"^(?:dl_?d_?|dloss_?d?_?|dj_?d_?|partial_?|nabla_?|gradients?_?(?:of_?|wrt_?)?|grads?_?(?:of_?|wrt_?)?|delta_?|d_?)",
    re.IGNORECASE,
)
# fmt: on
AFTER = re.compile(r"_?(?:gradients?|grads?)$", re.IGNORECASE)


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
    """

    entries: list[Any]
    fault: str | None = None
    notes: tuple[str, ...] = ()
    named: bool = False


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
    if isinstance(returned, Mapping):
        return _by_name(dict(_flat(returned)), [], arguments, some)
    entries = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    while len(entries) > len(arguments) and entries[-1] is None:
        entries.pop()  # of optional inputs that were not given
    if any(isinstance(entry, Mapping) for entry in entries):
        named = dict(item for entry in entries if isinstance(entry, Mapping) for item in _flat(entry))
        return _by_name(named, [entry for entry in entries if not isinstance(entry, Mapping)], arguments, some)
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
            return AlignedGradients([None] * len(arguments), _miscounted(len(entries), needed, arguments))
    return AlignedGradients([*entries, *[None] * (len(arguments) - len(entries))])


def _miscounted(number: int, needed: int, arguments: Sequence[Argument]) -> str:
    """Say how many gradients there are, and how many there should be."""
    names = ", ".join(argument.name for argument in arguments)
    wanted = f"{len(arguments)}" if needed == len(arguments) else f"{needed} to {len(arguments)}"
    return (
        f"backward returned {counted(number, 'gradient')} for {counted(len(arguments), 'input')} ({names}); "
        f"expected {wanted}: one for each input in order, "
        "None for integers and booleans, of which trailing ones may be left out"
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


def find_name(name: str, keys: Mapping[str, Any] | Sequence[str]) -> str | None:
    """Return the key of the gradient of an input, or None.

    Examples
    --------
    >>> [find_name("w", [key]) for key in ("w", "dw", "dW", "grad_w", "dL_dw", "w_grad", "db")]
    ['w', 'dw', 'dW', 'grad_w', 'dL_dw', 'w_grad', None]
    >>> find_name("W", ["dw", "dW"]), find_name("b", ["grads.db"]), find_name("d", ["dd", "d"])
    ('dW', 'grads.db', 'd')
    """
    for exact in (True, False):
        for fits in (_is_same, _is_gradient_of):
            found = [key for key in keys if fits(name, key, exact)]
            if len(found) == 1:
                return found[0]
    return None


def _is_same(name: str, key: str, exact: bool) -> bool:
    one, other = _tails(name, key)
    return one == other if exact else one.lower() == other.lower()


def _is_gradient_of(name: str, key: str, exact: bool) -> bool:
    one, other = _tails(name, key)
    head, _, last = other.rpartition(".")
    head = f"{head}." if head else ""
    # W[0] is found as dW[0]
    stem, bracket, index = last.partition("[")
    stems = {AFTER.sub("", stem), *_without_heads(stem)}
    candidates = {f"{head}{one}{bracket}{index}" for one in stems if one}
    return one in candidates if exact else one.lower() in {c.lower() for c in candidates}


def _without_heads(stem: str) -> Iterator[str]:
    """Yield a name without each of the marks of a gradient before it."""
    while match := BEFORE.match(stem):
        for length in range(1, match.end() + 1):
            if BEFORE.fullmatch(stem[:length]):
                yield stem[length:]
        return


def _tails(name: str, key: str) -> tuple[str, str]:
    """Return the last parts of two dotted names, as many as the shorter has."""
    one, other = name.split("."), key.split(".")
    number = min(len(one), len(other))
    return ".".join(one[-number:]), ".".join(other[-number:])
