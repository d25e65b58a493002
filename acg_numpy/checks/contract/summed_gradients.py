"""One gradient for several inputs: the sum of theirs, which is right where they are one array.

Attention over a memory takes it as keys and as values, and many backward passes return one gradient of the memory.
Fewer gradients than inputs are then no fault if the inputs are one array, or if the layer keeps a gradient of each.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument
from acg_numpy.checks.contract.gradient_names import find_name
from acg_numpy.text import joined

Groups = tuple[tuple[int, ...], ...]


class SummedGradients(NamedTuple):
    """Gradients that a layer keeps for each input, where its backward returned sums of them.

    Attributes
    ----------
    entries : list
        One an argument, None where it is held fixed.
    note : str
    """

    entries: list[Any]
    note: str


def groupings(entries: Sequence[Any], arguments: Sequence[Argument]) -> Iterator[Groups]:
    """Yield each way in which the gradients, in order, may belong to groups of neighbouring inputs of their shape.

    Groups hold the places of the checked arguments.

    Examples
    --------
    >>> from acg_numpy.checks.contract.checked_inputs import read_argument
    >>> q, k, v = (
    ...     read_argument(name, np.zeros(shape)) for name, shape in (("q", (2, 3)), ("k", (4, 3)), ("v", (4, 3)))
    ... )
    >>> list(groupings([np.zeros((2, 3)), np.zeros((4, 3))], [q, k, v]))
    [((0,), (1, 2))]
    """
    checked = [place for place, argument in enumerate(arguments) if argument.checked]
    if not 0 < len(entries) < len(checked):
        return
    for cuts in itertools.combinations(range(1, len(checked)), len(entries) - 1):
        bounds = (0, *cuts, len(checked))
        groups = tuple(tuple(checked[start:stop]) for start, stop in itertools.pairwise(bounds))
        pairs = zip(entries, groups, strict=True)
        if all(isinstance(entry, np.ndarray) and entry.shape == arguments[i].shape for entry, g in pairs for i in g):
            yield groups


def sharing_hint(entries: Sequence[Any], arguments: Sequence[Argument]) -> str:
    """Return the likely fix for gradients that are too few if each may be a sum over several inputs."""
    found = list(itertools.islice(groupings(entries, arguments), 2))
    if not found:
        return ""
    shared = [joined([arguments[place].name for place in group]) for group in found[0] if len(group) > 1]
    inputs = "some inputs" if len(found) > 1 else f"{shared[0]}"
    return f". If {inputs} are one array, as keys and values often are, pass the same array for each"


def find_kept_gradients(
    returned: Any, arguments: Sequence[Argument], there: Mapping[str, Any]
) -> SummedGradients | None:
    """Find the gradient of each input in a layer whose backward returned sums of them.

    Parameters
    ----------
    returned : object
        What the backward returned.
    arguments : sequence of Argument
        The inputs.
    there : mapping
        The arrays that the layer holds, by their places.

    Returns
    -------
    SummedGradients or None
        None unless each gradient that was returned is the sum of those of its group.
    """
    returns = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    kept: dict[int, tuple[str, Any]] = {}
    for groups in groupings(returns, arguments):
        kept = kept or {
            place: (key, there[key])
            for place, argument in enumerate(arguments)
            if (key := _kept_under(argument, there)) is not None
        }
        if any(place not in kept for group in groups for place in group):
            return None
        sums = [sum(kept[place][1] for place in group) for group in groups]
        if all(np.allclose(one, other, rtol=1e-9, atol=0.0) for one, other in zip(returns, sums, strict=True)):
            shared = joined(
                [joined([arguments[place].name for place in group]) for group in groups if len(group) > 1], "and of"
            )
            keys = joined([kept[place][0] for group in groups for place in group])
            note = (
                f"backward returns the gradients of {shared} added together, which is right only where these are one "
                f"array; the gradient of each is read from the layer's {keys}"
            )
            return SummedGradients([kept.get(place, ("", None))[1] for place in range(len(arguments))], note)
    return None


def _kept_under(argument: Argument, there: Mapping[str, Any]) -> str | None:
    """Return where the gradient of an input is kept: under `grad_x_q`, or `grad_q` for the input x_q."""
    if not argument.checked:
        return None
    keys = [key for key, array in there.items() if array.shape == argument.shape and key != argument.name]
    names = [argument.name, *(argument.name.removeprefix(head) for head in ("x_", "in_", "input_"))]
    return next((key for name in names if name and (key := find_name(name, keys)) is not None and key != name), None)
