"""Do the two passes behave: leave alone what they are given, give the same twice, and are linear in grad_out?

A backward is a matrix times grad_out.  So backward(a + b) = backward(a) + backward(b), and backward(2 a) is not
backward(a).  And whatever a pass changes, keeps or draws for itself shows when it is called again.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument, copied
from acg_numpy.checks.contract.returned import Split, random_like, read_outputs, read_pair
from acg_numpy.shapes import Array

SAME = 1e-9  # relative to the largest element; a sum may be taken in another order
CALLS = 8  # of a pass that drifts: so many numbers drawn rise or fall throughout once in twenty thousand times


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

    def outputs_again() -> list[Array]:
        return [array.copy() for array in run()[1].arrays]

    def pulled_again(split: Split, cache: Any) -> list[Array]:
        return copied(pull(split, grad_outs, cache)[0])

    again = run()
    third = run()
    runs = [outputs, *([array.copy() for array in r[1].arrays] for r in (again, third))]
    if not all(alike(runs[0], run) for run in runs[1:]):
        return [drifting("forward", [*runs, *(outputs_again() for _ in range(CALLS - len(runs)))])]
    caches = [(split, cache), again[1:], third[1:]]
    calls = [first, *(pulled_again(*each) for each in caches)]
    if not all(alike(calls[0], call) for call in calls[1:]):
        return [drifting("backward", [*calls, *(pulled_again(*third[1:]) for _ in range(CALLS - len(calls)))])]

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
    """Calls that should agree and do not: does something settle, come round or go one way, or is it drawn anew?"""
    if settles(calls) or repeats(calls) or goes_one_way(calls):
        return Misconduct("carries-over", f"{which} gives another result when it is called again: it keeps something")
    return Misconduct(
        f"random-{which}", f"{which} gives another result at every call; draw random numbers outside and pass them in"
    )


def settles(calls: Sequence[Sequence[Array]]) -> bool:
    """Whether calls end in a result that comes again, and that did not come before there was another one."""
    comes = [alike(call, calls[-1]) for call in calls]
    return comes[-2] and comes == sorted(comes)


def repeats(calls: Sequence[Sequence[Array]]) -> bool:
    """Whether the results come round, two or more of them in turn, twice at least."""
    return any(
        all(alike(one, other) for one, other in zip(calls, calls[period:], strict=False))
        for period in range(2, len(calls) // 2 + 1)
    )


def goes_one_way(calls: Sequence[Sequence[Array]]) -> bool:
    """Whether all steps are multiples of one, and none goes back: a count, a sum or a running average makes them so.

    Where a single number is drawn for a whole array they lie on one line as well, but go to and fro on it.
    """
    if not all(same_shapes(calls[0], call) for call in calls[1:]):
        return False
    flat = [np.concatenate([np.zeros(0), *(np.ravel(part) for part in call)]) for call in calls]
    with np.errstate(invalid="ignore", over="ignore"):
        steps = [other - one for one, other in pairwise(flat)]
        longest = max(steps, key=lambda step: float(np.max(np.abs(step), initial=0.0)))
        factors = [float(np.vdot(longest, step) / np.vdot(longest, longest)) for step in steps]
        give = SAME * np.max(np.abs(longest)) + 1e-15 * np.max(np.abs(flat))  # the latter for rounding
        return all(
            factor > -SAME and bool(np.all(np.abs(step - factor * longest) <= give))
            for factor, step in zip(factors, steps, strict=True)
        )


def arrays_in(value: Any, depth: int = 0) -> list[Array]:
    """Every array of numbers in a nest of tuples, lists, dicts and objects."""
    if isinstance(value, np.ndarray):
        return [value] if value.dtype.kind in "fiub" else []
    if depth > 5 or value is None or isinstance(value, (str, bytes, int, float)) or callable(value):
        return [np.asarray(value)] if isinstance(value, float) else []
    if isinstance(value, np.generic):
        return [np.asarray(value)]
    if isinstance(value, dict):
        inside: Sequence[Any] = list(value.values())
    elif isinstance(value, (tuple, list)):
        inside = value
    else:
        return arrays_in(object.__getstate__(value), depth)  # its attributes, in a dict or in slots; None without any
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
