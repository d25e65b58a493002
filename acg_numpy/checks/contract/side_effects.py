"""Side effects of a forward or a backward: arrays changed in place, state kept, randomness, and no linearity.

A backward is a matrix times grad_out.  So backward(a + b) = backward(a) + backward(b), and backward(2 a) is not
backward(a).  What a pass changes, keeps or draws for itself shows when it is called again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.call_form import Kept
from acg_numpy.checks.contract.checked_inputs import Argument, copy_arrays
from acg_numpy.checks.contract.returned import FunctionOutputs, random_like, read_outputs, read_pair
from acg_numpy.shapes import Array
from acg_numpy.text import joined

FLOAT32 = 64 * float(np.finfo(np.float32).eps)  # how far rounding in float32 may take a sum of gradients
SAME = 1e-9  # relative to the largest element; a sum may be taken in another order
DEEPEST = 5
CODE = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType, np.ufunc)
_CARRIES_OVER = (
    "after a forward at other inputs, backward gives other gradients for the cache of the first: it uses what the last "
    "forward left outside the cache"
)
CALLS = 8  # of a pass that drifts: eight random numbers rise or fall throughout once in twenty thousand times


class SideEffect(NamedTuple):
    """Something that a pass does besides its computation: the id of the mistake, and a sentence."""

    mistake: str
    message: str


class Conduct(NamedTuple):
    """What a pair does besides its computation: what its caller feels, and what is only worth knowing.

    Attributes
    ----------
    faults : list of SideEffect
    notes : list of str
    coarse : bool
        Whether the backward returns float64 and rounds as float32 does, because something inside it is float32.
    """

    faults: list[SideEffect]
    notes: list[str]
    coarse: bool = False


def find_side_effects(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arguments: Sequence[Argument],
    grad_outs: Sequence[Array],
    rng: np.random.Generator,
    *,
    layer: bool = False,
) -> Conduct:
    """Call both passes several times and find what they change, keep or draw.

    What a pass changes in place is a fault where the caller feels it: where an array of the caller's is not what it
    was, or a second call with the same cache gives another result.  What passes raise at a second call and did not
    raise at the first is passed on.

    Parameters
    ----------
    forward, backward : callables
        `out, cache = forward(*values)` and `grads = backward(grad_out, cache)`.
    arguments : sequence of Argument
    grad_outs : sequence of arrays
    rng : Generator
        Draws other gradients of the outputs.
    layer : bool
        Whether the cache is a layer, which a backward may change, and which has one forward for each backward.  That a
        layer works in the gradient that it is given is noted.
    """
    values = [argument.value for argument in arguments]
    faults: list[SideEffect] = []
    notes: list[str] = []
    fresh = layer  # whether each backward is given a forward of its own

    def run() -> tuple[list[Any], FunctionOutputs, Any]:
        return run_at(values)

    def run_at(point: Sequence[Any]) -> tuple[list[Any], FunctionOutputs, Any]:
        given = copy_arrays(point)
        out, cache = read_pair(forward(*given))
        return given, read_outputs(out), cache

    def pull_with(result: FunctionOutputs, passed: Sequence[Array], cache: Any) -> list[Array]:
        return copy_arrays(arrays_in(backward(result.as_returned(result.place_gradients(passed)), cache)))

    def pull(result: FunctionOutputs, grads: Sequence[Array], cache: Any) -> list[Array]:
        if fresh:
            _, result, cache = run()
        return pull_with(result, copy_arrays(grads), cache)

    given, result, cache = run()
    without_cache = isinstance(cache, Kept) and cache.is_empty
    fresh = fresh or without_cache
    outputs = [array.copy() for array in result.arrays]
    changed = [a.name for a, now in zip(arguments, given, strict=True) if differs(a.value, now)]
    if changed:
        faults.append(SideEffect("mutated-input", f"forward changes {joined(changed)} in place"))
    cached = [] if layer else arrays_in(cache)
    before = copy_arrays(cached)
    passed = copy_arrays(grad_outs)
    first = pull_with(result, passed, cache)
    shapes = [str(array.shape) for array, was in zip(cached, before, strict=True) if differs(was, array)]
    upstream = any(differs(g, now) for g, now in zip(grad_outs, passed, strict=True))
    changed_later = [a.name for a, now in zip(arguments, given, strict=True) if differs(a.value, now)]
    if upstream:
        found = SideEffect("mutated-input", "backward changes grad_out in place")
        _add(found, "others may need it, too", not layer, faults, notes)
    if shapes:
        arrays = "array of shape" if len(shapes) == 1 else "arrays of shapes"
        found = SideEffect("mutated-cache", f"backward changes the {arrays} {joined(shapes)} in the cache")
        felt = bool(changed_later) or not alike(first, pull_with(result, copy_arrays(grad_outs), cache))
        _add(found, "called again with the same cache, it gives the same result", felt, faults, notes)
    if not shapes and not changed and changed_later:
        faults.append(SideEffect("mutated-input", f"backward changes {joined(changed_later)} in place"))
    if faults:
        return Conduct(faults, notes)

    def next_outputs() -> list[Array]:
        return [array.copy() for array in run()[1].arrays]

    again = run()
    third = run()
    runs = [outputs, *([array.copy() for array in r[1].arrays] for r in (again, third))]
    if not all(alike(runs[0], run) for run in runs[1:]):
        drift = classify_drift("forward", [*runs, *(next_outputs() for _ in range(CALLS - len(runs)))])
        return Conduct([drift], notes)
    caches = [(result, cache), again[1:], third[1:]]
    calls = [first, *(pull(result, grad_outs, cache) for result, cache in caches)]
    if not all(alike(calls[0], call) for call in calls[1:]):
        more = [pull(third[1], grad_outs, third[2]) for _ in range(CALLS - len(calls))]
        return Conduct([classify_drift("backward", [*calls, *more])], notes)
    mine = run()
    if _runs_elsewhere(run_at, arguments) and not alike(first, pull_with(mine[1], copy_arrays(grad_outs), mine[2])):
        if not without_cache:
            return Conduct([SideEffect("carries-over", _CARRIES_OVER)], notes)
        notes.append(
            "backward takes no cache: it uses what the last forward left, so each forward needs its backward before "
            "the next forward"
        )

    others = [random_like(output, rng) for output in result.floating]
    doubled = pull(result, [2 * g for g in grad_outs], cache)
    other = pull(result, others, cache)
    both = pull(result, [g + h for g, h in zip(grad_outs, others, strict=True)], cache)
    shows = any(np.any(np.isfinite(g) & (g != 0)) for g in first)  # zeros, NaN and infinities double to themselves
    if shows and _equal_together(first, doubled) and _equal_together(first, other):
        return Conduct([SideEffect("ignored-upstream", "backward returns the same for every grad_out")], notes)
    added = [g + h for g, h in zip(first, other, strict=True)] if _same_shapes(first, other) else []
    twice = [2 * g for g in first]
    doubles = _equal_together(twice, doubled)
    adds = _equal_together(added, both)
    coarse = doubles and not adds and _equal_together(added, both, FLOAT32)  # doubling changes no rounding
    if not doubles:
        faults.append(SideEffect("nonlinear-in-grad", "backward(2 a) is not 2 backward(a)"))
    elif not adds and not coarse:
        faults.append(SideEffect("nonlinear-in-grad", "backward(a + b) is not backward(a) + backward(b)"))
    return Conduct(faults, notes, coarse)


def _add(found: SideEffect, remark: str, felt: bool, faults: list[SideEffect], notes: list[str]) -> None:
    """Add a side effect to the faults if the caller feels it, to the notes with a remark otherwise."""
    if felt:
        faults.append(found)
    else:
        notes.append(f"{found.message}; {remark}")


def _runs_elsewhere(run_at: Callable[[Sequence[Any]], Any], arguments: Sequence[Argument]) -> bool:
    """Run the forward at inputs close by, and return whether it does run there."""
    rng = np.random.default_rng(0)
    point = [
        argument.value * (1 + 1e-3 * rng.random(argument.shape)) if argument.checked else argument.value
        for argument in arguments
    ]
    try:
        run_at(point)
    except Exception:  # inputs that have to sum to 1, say
        return False
    return True


def classify_drift(which: str, calls: Sequence[Sequence[Array]]) -> SideEffect:
    """Name the side effect of a pass whose calls should agree and do not.

    If the results settle, form a cycle or go one way, the pass keeps something; otherwise it draws random numbers.
    """
    if which == "backward" and _accumulates(calls):
        return SideEffect(
            "carries-over", "backward adds to what the call before left: a buffer is not set to zero at the start"
        )
    if settles(calls) or repeats(calls) or goes_one_way(calls):
        return SideEffect("carries-over", f"{which} gives another result when it is called again: it keeps something")
    return SideEffect(
        f"random-{which}", f"{which} gives another result at every call; draw random numbers outside and pass them in"
    )


def _accumulates(calls: Sequence[Sequence[Array]]) -> bool:
    """Check whether the n-th call gives some results n times, and all others unchanged."""
    first, seen = calls[0], False
    for number, call in enumerate(calls[1:], start=2):
        if not _same_shapes(first, call):
            return False
        for one, now in zip(first, call, strict=True):
            times = close(number * one, now) and not close(one, now)
            if not times and not close(one, now):
                return False
            seen |= times
    return seen


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


def arrays_in(value: Any) -> list[Array]:
    """Find every array of numbers in a nest of tuples, lists, dicts and objects; code is not looked into."""
    return list(_arrays_in(value, 0, set()))


def _arrays_in(value: Any, depth: int, seen: set[int]) -> Iterator[Array]:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fiub":
            # without what a matrix or a masked array does otherwise
            yield value if type(value) is np.ndarray else value.view(np.ndarray)
        return
    if isinstance(value, (float, np.generic)):
        if np.asarray(value).dtype.kind in "fiub":
            yield np.asarray(value)
        return
    if depth > DEEPEST or value is None or isinstance(value, (str, bytes, int, CODE)) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, partial):
        inside: Iterable[Any] = (value.args, value.keywords)
    elif isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, (tuple, list)):
        inside = value
    else:
        # its attributes, in a dict or in slots; None if it has none
        try:
            state = object.__getstate__(value)
        except TypeError:  # of an object that refuses, a lock say
            return
        yield from _arrays_in(state, depth, seen)
        return
    for part in inside:
        yield from _arrays_in(part, depth + 1, seen)


def differs(was: Any, now: Any) -> bool:
    """Check whether an array has changed."""
    return isinstance(was, np.ndarray) and not np.array_equal(was, now, equal_nan=was.dtype.kind == "f")


def alike(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Check whether two sets of arrays are equal but for the order in which sums were taken."""
    return _same_shapes(one, other) and all(close(a, b) for a, b in zip(one, other, strict=True))


def _equal_together(one: Sequence[Array], other: Sequence[Array], same: float = 0.0) -> bool:
    """Check whether two sets of gradients are equal at the size of their largest element, but for rounding or `same`.

    A gradient that is zero but for rounding is another rounding error for every gradient of the outputs.
    """
    if not _same_shapes(one, other):
        return False
    left, right = (np.concatenate([np.zeros(0), *(np.ravel(part) for part in parts)]) for parts in (one, other))
    return close(left, right, max(same, _last_places([*one, *other])))


def _same_shapes(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Check whether two sets of arrays have the same shapes."""
    return len(one) == len(other) and all(a.shape == b.shape for a, b in zip(one, other, strict=True))


def close(one: Array, other: Array, same: float | None = None) -> bool:
    """Check whether two arrays differ by rounding at most: by `same`, relative to the largest element."""
    finite = np.abs(one[np.isfinite(one)]) if one.dtype.kind == "f" else np.abs(np.asarray(one, dtype=float))
    scale = float(np.max(finite, initial=0.0))
    if same is None:
        same = _last_places([one, other])
    return bool(np.allclose(one, other, rtol=0.0, atol=same * scale + 1e-300, equal_nan=True))


def _last_places(arrays: Sequence[Array]) -> float:
    """Return by how much results in the coarsest of these dtypes may differ by rounding."""
    return max([SAME, *(64 * float(np.finfo(array.dtype).eps) for array in arrays if array.dtype.kind == "f")])
