"""Side effects of a forward or a backward: arrays changed in place, state kept, randomness, and no linearity.

A backward is a matrix times grad_out.  So backward(a + b) = backward(a) + backward(b), and backward(2 a) is not
backward(a).  What a pass changes, keeps or draws for itself shows when it is called again.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument, copy_arrays
from acg_numpy.checks.contract.returned import FunctionOutputs, random_like, read_outputs, read_pair
from acg_numpy.shapes import Array
from acg_numpy.text import joined

SAME = 1e-9  # relative to the largest element; a sum may be taken in another order
CALLS = 8  # of a pass that drifts: eight random numbers rise or fall throughout once in twenty thousand times


class SideEffect(NamedTuple):
    """Something that a pass does besides its computation: the id of the mistake, and a sentence."""

    mistake: str
    message: str


def find_side_effects(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arguments: Sequence[Argument],
    grad_outs: Sequence[Array],
    rng: np.random.Generator,
) -> list[SideEffect]:
    """Call both passes several times and find what they change, keep or draw.

    What they raise at a second call and did not raise at the first is passed on.
    """
    values = [argument.value for argument in arguments]
    found: list[SideEffect] = []

    def run() -> tuple[list[Any], FunctionOutputs, Any]:
        given = copy_arrays(values)
        out, cache = read_pair(forward(*given))
        return given, read_outputs(out), cache

    def pull(result: FunctionOutputs, grads: Sequence[Array], cache: Any) -> tuple[list[Array], list[Array]]:
        passed = [gradient.copy() for gradient in grads]
        return arrays_in(backward(result.as_returned(result.place_gradients(passed)), cache)), passed

    given, result, cache = run()
    changed = [a.name for a, now in zip(arguments, given, strict=True) if differs(a.value, now)]
    if changed:
        found.append(SideEffect("mutated-input", f"forward changes {joined(changed)} in place"))
    outputs = [array.copy() for array in result.arrays]
    cached = arrays_in(cache)
    before = copy_arrays(cached)
    first, passed = pull(result, grad_outs, cache)
    first = copy_arrays(first)
    if any(differs(g, now) for g, now in zip(grad_outs, passed, strict=True)):
        found.append(SideEffect("mutated-input", "backward changes grad_out in place"))
    shapes = [str(array.shape) for array, was in zip(cached, before, strict=True) if differs(was, array)]
    changed_later = [a.name for a, now in zip(arguments, given, strict=True) if differs(a.value, now)]
    if shapes:
        arrays = "array of shape" if len(shapes) == 1 else "arrays of shapes"
        found.append(SideEffect("mutated-cache", f"backward changes the {arrays} {joined(shapes)} in the cache"))
    elif not changed and changed_later:
        found.append(SideEffect("mutated-input", f"backward changes {joined(changed_later)} in place"))
    if found:
        return found

    def next_outputs() -> list[Array]:
        return [array.copy() for array in run()[1].arrays]

    def next_gradients(result: FunctionOutputs, cache: Any) -> list[Array]:
        return copy_arrays(pull(result, grad_outs, cache)[0])

    again = run()
    third = run()
    runs = [outputs, *([array.copy() for array in r[1].arrays] for r in (again, third))]
    if not all(alike(runs[0], run) for run in runs[1:]):
        return [classify_drift("forward", [*runs, *(next_outputs() for _ in range(CALLS - len(runs)))])]
    caches = [(result, cache), again[1:], third[1:]]
    calls = [first, *(next_gradients(*each) for each in caches)]
    if not all(alike(calls[0], call) for call in calls[1:]):
        return [classify_drift("backward", [*calls, *(next_gradients(*third[1:]) for _ in range(CALLS - len(calls)))])]

    others = [random_like(output, rng) for output in result.floating]
    doubled = pull(result, [2 * g for g in grad_outs], cache)[0]
    other = copy_arrays(pull(result, others, cache)[0])
    both = pull(result, [g + h for g, h in zip(grad_outs, others, strict=True)], cache)[0]
    shows = any(np.any(np.isfinite(g) & (g != 0)) for g in first)  # zeros, NaN and infinities double to themselves
    if shows and alike(first, doubled) and alike(first, other):
        return [SideEffect("ignored-upstream", "backward returns the same for every grad_out")]
    added = [g + h for g, h in zip(first, other, strict=True)] if _same_shapes(first, other) else []
    twice = [2 * g for g in first]
    if not alike(added, both) or not alike(twice, doubled):
        worst = "backward(a + b) is not backward(a) + backward(b)"
        if not alike(twice, doubled):
            worst = "backward(2 a) is not 2 backward(a)"
        found.append(SideEffect("nonlinear-in-grad", worst))
    return found


def classify_drift(which: str, calls: Sequence[Sequence[Array]]) -> SideEffect:
    """Name the side effect of a pass whose calls should agree and do not.

    If the results settle, form a cycle or go one way, the pass keeps something; otherwise it draws random numbers.
    """
    if settles(calls) or repeats(calls) or goes_one_way(calls):
        return SideEffect("carries-over", f"{which} gives another result when it is called again: it keeps something")
    return SideEffect(
        f"random-{which}", f"{which} gives another result at every call; draw random numbers outside and pass them in"
    )


def settles(calls: Sequence[Sequence[Array]]) -> bool:
    """Check whether the calls end in a result that is repeated, and whose first occurrence follows all others."""
    comes = [alike(call, calls[-1]) for call in calls]
    return comes[-2] and comes == sorted(comes)


def repeats(calls: Sequence[Sequence[Array]]) -> bool:
    """Check whether the results form a cycle of two or more, seen at least twice."""
    return any(
        all(alike(one, other) for one, other in zip(calls, calls[period:], strict=False))
        for period in range(2, len(calls) // 2 + 1)
    )


def goes_one_way(calls: Sequence[Sequence[Array]]) -> bool:
    """Check whether all steps are multiples of one, and none goes back, as with a count, a sum or a running average.

    If a single random number is drawn for a whole array, they lie on one line as well, but go back and forth on it.
    """
    if not all(_same_shapes(calls[0], call) for call in calls[1:]):
        return False
    flat = [np.concatenate([np.zeros(0), *(np.ravel(part) for part in call)]) for call in calls]
    with np.errstate(invalid="ignore", over="ignore"):
        steps = [other - one for one, other in pairwise(flat)]
        longest = max(steps, key=lambda step: float(np.max(np.abs(step), initial=0.0)))
        factors = [float(np.vdot(longest, step) / np.vdot(longest, longest)) for step in steps]
        allowed = SAME * np.max(np.abs(longest)) + 1e-15 * np.max(np.abs(flat))  # the latter for rounding
        return all(
            factor > -SAME and bool(np.all(np.abs(step - factor * longest) <= allowed))
            for factor, step in zip(factors, steps, strict=True)
        )


def arrays_in(value: Any, depth: int = 0) -> list[Array]:
    """Find every array of numbers in a nest of tuples, lists, dicts and objects."""
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
        # its attributes, in a dict or in slots; None if it has none
        return arrays_in(object.__getstate__(value), depth)
    return [array for part in inside for array in arrays_in(part, depth + 1)]


def differs(was: Any, now: Any) -> bool:
    """Check whether an array has changed."""
    return isinstance(was, np.ndarray) and not np.array_equal(was, now, equal_nan=was.dtype.kind == "f")


def alike(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Check whether two sets of arrays are equal but for the order in which sums were taken."""
    return _same_shapes(one, other) and all(close(a, b) for a, b in zip(one, other, strict=True))


def _same_shapes(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Check whether two sets of arrays have the same shapes."""
    return len(one) == len(other) and all(a.shape == b.shape for a, b in zip(one, other, strict=True))


def close(one: Array, other: Array) -> bool:
    """Check whether two arrays differ by rounding at most."""
    finite = np.abs(one[np.isfinite(one)]) if one.dtype.kind == "f" else np.abs(np.asarray(one, dtype=float))
    scale = float(np.max(finite, initial=0.0))
    return bool(np.allclose(one, other, rtol=0.0, atol=SAME * scale + 1e-300, equal_nan=True))
