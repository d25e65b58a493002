"""Do the two passes behave: leave alone what they are given, give the same twice, and are linear in grad_out?

A backward is a matrix times grad_out.  So backward(a + b) = backward(a) + backward(b), and backward(2 a) is not
backward(a).  And whatever a pass changes, keeps or draws for itself shows when it is called again.
"""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.arguments import Argument, copied
from acg_numpy.checks.contract import Split, random_like, read_outputs, read_pair
from acg_numpy.shapes import Array

SAME = 1e-9  # relative to the largest element; a sum may be taken in another order


class Misconduct(NamedTuple):
    """One way in which a pass misbehaves: its id, and a sentence."""

    mistake: str
    message: str


def misconduct(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arguments: Sequence[Argument],
    grad_outs: Sequence[Array],
    rng: np.random.Generator,
) -> list[Misconduct]:
    """Call both passes several times and look at what they did.

    Whatever they raise at a second call that they did not at the first is passed on.
    """
    values = [argument.value for argument in arguments]
    found: list[Misconduct] = []

    def run() -> tuple[list[Any], Split, Any]:
        given = copied(values)
        out, cache = read_pair(forward(*given))
        return given, read_outputs(out), cache

    def pull(split: Split, grads: Sequence[Array], cache: Any) -> tuple[list[Array], list[Array]]:
        passed = [gradient.copy() for gradient in grads]
        return arrays_in(backward(split.like(split.among(passed)), cache)), passed

    given, split, cache = run()
    changed = [a.name for a, now in zip(arguments, given, strict=True) if differs(a.value, now)]
    if changed:
        found.append(Misconduct("mutated-input", f"forward changes {listed(changed)} in place"))
    outputs = [array.copy() for array in split.arrays]
    kept = arrays_in(cache)
    before = copied(kept)
    first, passed = pull(split, grad_outs, cache)
    first = copied(first)
    if any(differs(g, now) for g, now in zip(grad_outs, passed, strict=True)):
        found.append(Misconduct("mutated-input", "backward changes grad_out in place"))
    spoilt = [array for array, was in zip(kept, before, strict=True) if differs(was, array)]
    if spoilt:
        shapes = listed([str(array.shape) for array in spoilt])
        found.append(Misconduct("mutated-cache", f"backward changes the array of shape {shapes} in the cache"))
    elif not changed and (
        touched := [a.name for a, now in zip(arguments, given, strict=True) if differs(a.value, now)]
    ):
        found.append(Misconduct("mutated-input", f"backward changes {listed(touched)} in place"))
    if found:
        return found

    again = run()
    third = run()
    runs = [outputs, *([array.copy() for array in r[1].arrays] for r in (again, third))]
    if not alike(runs[0], runs[1]) or not alike(runs[1], runs[2]):
        return [drifting("forward", runs)]
    calls = [first, copied(pull(split, grad_outs, cache)[0]), copied(pull(again[1], grad_outs, again[2])[0])]
    calls.append(copied(pull(third[1], grad_outs, third[2])[0]))
    if not all(alike(calls[0], call) for call in calls[1:]):
        return [drifting("backward", calls)]

    others = [random_like(output, rng) for output in split.floating]
    doubled = pull(split, [2 * g for g in grad_outs], cache)[0]
    other = copied(pull(split, others, cache)[0])
    both = pull(split, [g + h for g, h in zip(grad_outs, others, strict=True)], cache)[0]
    if alike(first, doubled) and alike(first, other) and any(np.any(g) for g in first):
        return [Misconduct("ignored-upstream", "backward returns the same for every grad_out")]
    added = [g + h for g, h in zip(first, other, strict=True)] if same_shapes(first, other) else []
    twice = [2 * g for g in first]
    if not alike(added, both) or not alike(twice, doubled):
        worst = "backward(a + b) is not backward(a) + backward(b)"
        if not alike(twice, doubled):
            worst = "backward(2 a) is not 2 backward(a)"
        found.append(Misconduct("nonlinear-in-grad", worst))
    return found


def drifting(which: str, calls: Sequence[Sequence[Array]]) -> Misconduct:
    """Calls that should agree and do not: does something grow or settle, or is it drawn anew each time?"""
    steps = [
        [b - a for a, b in zip(one, next_one, strict=True)] if same_shapes(one, next_one) else []
        for one, next_one in pairwise(calls)
    ]
    settles = alike(calls[-1], calls[-2])
    grows = all(alike(steps[0], step) for step in steps[1:])
    repeats = len(calls) > 3 and alike(calls[0], calls[2]) and alike(calls[1], calls[3])
    if settles or grows or repeats or fades(steps):
        return Misconduct("carries-over", f"{which} gives another result when it is called again: it keeps something")
    return Misconduct(
        f"random-{which}", f"{which} gives another result at every call; draw random numbers outside and pass them in"
    )


def fades(steps: Sequence[Sequence[Array]]) -> bool:
    """Whether each step is a multiple of the one before, as a running average makes them: chance would not do that."""
    flat = [np.concatenate([np.ravel(part) for part in step]) if step else np.zeros(0) for step in steps]
    for one, other in pairwise(flat):
        if one.size < 2 or one.shape != other.shape or not np.any(one):
            return False
        factor = float(np.vdot(one, other) / np.vdot(one, one))
        if not close(factor * one, other):
            return False
    return True


def arrays_in(value: Any, depth: int = 0) -> list[Array]:
    """Every array of numbers in a nest of tuples, lists, dicts and objects."""
    if isinstance(value, np.ndarray):
        return [value] if value.dtype.kind in "fiub" else []
    if depth > 5 or value is None or isinstance(value, (str, bytes, int, float, type)) or callable(value):
        return [np.asarray(value)] if isinstance(value, float) else []
    if isinstance(value, np.generic):
        return [np.asarray(value)]
    if isinstance(value, dict):
        inside: Sequence[Any] = list(value.values())
    elif isinstance(value, (tuple, list)):
        inside = value
    elif dataclasses.is_dataclass(value) or hasattr(value, "__dict__"):
        inside = list(vars(value).values()) if hasattr(value, "__dict__") else []
    else:
        return []
    return [array for part in inside for array in arrays_in(part, depth + 1)]


def differs(was: Any, now: Any) -> bool:
    """Whether an array no longer is what it was."""
    return isinstance(was, np.ndarray) and not np.array_equal(was, now, equal_nan=was.dtype.kind == "f")


def alike(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Whether two sets of arrays are the same but for the order in which sums were taken."""
    return same_shapes(one, other) and all(close(a, b) for a, b in zip(one, other, strict=True))


def same_shapes(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Whether two sets of arrays have the same shapes."""
    return len(one) == len(other) and all(a.shape == b.shape for a, b in zip(one, other, strict=True))


def close(one: Array, other: Array) -> bool:
    """Whether two arrays differ by rounding at most."""
    finite = np.abs(one[np.isfinite(one)]) if one.dtype.kind == "f" else np.abs(np.asarray(one, dtype=float))
    scale = float(np.max(finite, initial=0.0))
    return bool(np.allclose(one, other, rtol=0.0, atol=SAME * scale + 1e-300, equal_nan=True))


def listed(names: Sequence[str]) -> str:
    """The different names, in order."""
    return ", ".join(dict.fromkeys(names))
