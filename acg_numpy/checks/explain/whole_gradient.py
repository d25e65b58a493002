"""Mistakes that show in the gradients alone: factors, exchanges, axes, sums left out, targets left in."""

from collections.abc import Callable, Iterator
from itertools import combinations, permutations

import numpy as np

from acg_numpy.checks.explain.case import CLOSE, Case, Explanation, max_abs
from acg_numpy.checks.explain.corruptions import try_call
from acg_numpy.checks.explain.named_constants import UNKNOWN, factor_names
from acg_numpy.shapes import Array
from acg_numpy.text import joined, joined_among

# beyond these, only exchanges of two axes are tried
MOST_AXES = 5


def whole_gradient_explanations(case: Case) -> Iterator[Explanation]:
    """Yield explanations by one change of the gradients as a whole."""
    for family in (
        _zero_gradient,
        swapped_inputs,
        common_factor,
        _exchanged_axes,
        _shape_mismatch,
        unsubtracted_target,
        _before_the_squashing,
    ):
        yield from family(case)


def _input_names(case: Case, which: tuple[int, ...]) -> str:
    """Join the names of inputs: x; x and y; all but z."""
    return joined_among([case.names[i] for i in which], case.names)


def _zero_gradient(case: Case) -> Iterator[Explanation]:
    """Explain gradients that are zeros, or None."""
    if all(case.submitted[i] is None or not np.any(case.submitted[i]) for i in case.wrong):
        missing = [case.submitted[i] is None for i in case.wrong]
        what = "is missing" if all(missing) else "is missing or zero" if any(missing) else "is zero throughout"
        yield Explanation("zero-gradient", 0.5, 0.0, f"the gradient of {_input_names(case, case.wrong)} {what}")


def swapped_inputs(case: Case) -> Iterator[Explanation]:
    """Explain gradients each of which is the right one of another wrong input."""
    if len(case.wrong) < 2:
        return
    takes = {}
    for i in case.wrong:
        mine = case.submitted[i]
        takes[i] = [j for j in case.wrong if j != i and mine is not None and case.close(mine, case.right[j])]
    if all(takes.values()) and {j for found in takes.values() for j in found} == set(case.wrong):
        message = f"the gradients of {_input_names(case, case.wrong)} stand in each other's place"
        yield Explanation("swapped-inputs", 0.65, 0.0, message)  # where both are it, a sign is simpler


def common_factor(case: Case) -> Iterator[Explanation]:
    """Explain all wrong gradients by one constant times the right ones."""
    if not all(case.fits(i) for i in case.wrong):
        return
    submitted = np.concatenate([np.ravel(np.asarray(case.submitted[i])) for i in case.wrong])
    right = np.concatenate([np.ravel(case.right[i]) for i in case.wrong])
    factor = fit_factor(submitted, right)
    if factor is None or abs(factor) < 1e-9:
        return

    def left_by(factor: float) -> float:
        return case.residual([factor * right if i in case.wrong else right for i, right in enumerate(case.right)])

    residual = left_by(factor)
    if residual > case.tolerance:
        return
    whose = f"the gradient of {_input_names(case, case.wrong)}"
    support = int(np.count_nonzero(right)) - 1
    if abs(factor + 1) <= case.factor_tolerance:
        yield Explanation("wrong-sign", 0.6, left_by(-1.0), f"{whose} is minus the right one", support=support + 1)
        return
    for named_factor in factor_names(factor, case):
        text = f"{whose} is off by {named_factor.text}"
        known = named_factor.cost < UNKNOWN
        yield Explanation(named_factor.mistake, named_factor.cost, residual, text, support=support + known)


def fit_factor(target: Array, direction: Array) -> float | None:
    """Return the factor of `direction` that comes closest to `target`; None if there is nothing to fit."""
    square = float(np.vdot(direction, direction))
    with np.errstate(invalid="ignore", over="ignore"):
        factor = float(np.vdot(direction, target)) / square if square > 0 else np.nan
    return factor if np.isfinite(factor) else None


def _axis_orders(ndim: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of axes other than the one they have."""
    if ndim <= MOST_AXES:
        yield from (order for order in permutations(range(ndim)) if order != tuple(range(ndim)))
        return
    for i, j in combinations(range(ndim), 2):
        order = list(range(ndim))
        order[i], order[j] = j, i
        yield tuple(order)


def _exchanged_axes(case: Case) -> Iterator[Explanation]:
    """Explain gradients by exchanged axes, with the shape or under a shape that hides it."""
    exchanged, reshaped = [], []
    for i in case.wrong:
        mine, right = case.submitted[i], case.right[i]
        if mine is None or mine.size != right.size or right.ndim < 2:
            return
        moved = [np.transpose(right, order) for order in _axis_orders(right.ndim)]
        exchanged.append(any(case.close(mine, other) for other in moved))
        back = [np.transpose(mine, order) for order in _axis_orders(mine.ndim)]
        flat = [other.reshape(mine.shape) for other in moved]
        reshaped.append(
            any(case.close(mine, other) for other in flat)
            or any(case.close(other.reshape(right.shape), right) for other in back)
        )
    whose = f"the gradient of {_input_names(case, case.wrong)}"
    if all(exchanged):
        yield Explanation("transposed", 0.8, 0.0, f"{whose} has its axes exchanged")
    elif all(e or r for e, r in zip(exchanged, reshaped, strict=True)):
        message = f"{whose} has its numbers in the order of other axes: reshaped where axes had to be exchanged"
        yield Explanation("reshaped-not-transposed", 0.9, 0.0, message)


def _shape_mismatch(case: Case) -> Iterator[Explanation]:
    """Explain a shape too large that sums to the right gradient, one too small that is its sum, or a mere reshape."""
    for i in case.wrong:
        mine, right = case.submitted[i], case.right[i]
        if mine is None or mine.shape == right.shape:
            return
    found = [_explain_shape(case, i) for i in case.wrong]
    reasons = [f for f in found if f is not None]
    if len(reasons) == len(found) and len({mistake for mistake, _ in reasons}) == 1:
        texts = dict.fromkeys(text for _, text in reasons)
        message = f"the gradient of {_input_names(case, case.wrong)} {joined(list(texts))}"
        yield Explanation(reasons[0][0], 0.8, 0.0, message)


def _explain_shape(case: Case, which: int) -> tuple[str, str] | None:
    """Return how a gradient of the wrong shape comes from the right one, if by sums alone."""
    mine, right = np.asarray(case.submitted[which]), case.right[which]
    if mine.size == right.size:
        if case.close(mine.reshape(right.shape), right):
            return "wrong-shape", f"holds the right numbers in shape {mine.shape} for {right.shape}"
        return None
    for count in range(1, mine.ndim + 1):
        for axes in combinations(range(mine.ndim), count):
            total = np.sum(mine, axis=axes)
            if total.size == right.size and case.close(total.reshape(right.shape), right):
                text = f"is not summed over {_axes_text(axes)}, along which the input was broadcast"
                return "missing-broadcast-sum", text
    for count in range(1, right.ndim + 1):
        for axes in combinations(range(right.ndim), count):
            for reduced in (np.sum(right, axis=axes), np.sum(right, axis=axes, keepdims=True)):
                if case.close(mine, reduced):
                    return "wrong-axis", f"is summed over {_axes_text(axes)} of the input as well"
    return None


def _axes_text(axes: tuple[int, ...]) -> str:
    """Write axes out: axis 0; axes 0 and 2."""
    return f"{'axis' if len(axes) == 1 else 'axes'} {joined([str(axis) for axis in axes])}"


def unsubtracted_target(case: Case) -> Iterator[Explanation]:
    """Explain an error that is another input, or a one where an integer input points, and nothing else."""
    if not all(case.fits(i) for i in case.wrong):
        return
    differences = [np.asarray(case.submitted[i]) - case.right[i] for i in case.wrong]
    size = max(max(max_abs(np.asarray(case.submitted[i])) for i in case.wrong), 1e-300)
    for name, value, shaped in _possible_targets(case):
        flat = _flat_targets(value, shaped, differences)
        if flat is None:
            continue
        off = np.concatenate([np.ravel(d) for d in differences])
        factor = fit_factor(off, flat)
        if factor is None:
            continue
        miss = max_abs(off - factor * flat) / size
        if miss <= case.tolerance:
            whose = f"the gradient of {_input_names(case, case.wrong)}"
            right = _target_factor(case, name, value, shaped)
            mistake, how = "target-not-subtracted", "not subtracted"
            if right is not None and abs(factor + 2 * right) <= CLOSE * abs(right):
                mistake, how = "wrong-sign", "added, not subtracted"
            elif right is not None and abs(factor - right) <= CLOSE * abs(right):
                mistake, how = "double-counted", "subtracted twice"
            message = f"{whose} is off by {factor:.4g} times {name} and by nothing else: {name} is {how}"
            yield Explanation(mistake, 0.9, miss, message, support=int(np.count_nonzero(flat)) - 1)


_Shaped = Callable[[Array, Array], "Array | None"]


def _flat_targets(value: Array, shaped: _Shaped, gradients: list[Array]) -> Array | None:
    """Return a target in the shape of each gradient, in one row; None if it has not the shape of each."""
    targets = [target for g in gradients if (target := shaped(value, g)) is not None]
    return np.concatenate([np.ravel(t) for t in targets]) if len(targets) == len(gradients) else None


def _target_factor(case: Case, name: str, value: Array, shaped: _Shaped) -> float | None:
    """Return the factor that a target has in the right gradient, seen with another target; None if it has none.

    It is found with the elements of the target in another order, so that what sums to one still does.
    """
    other = np.roll(value, 1, axis=-1)
    graph = None if case.replay is None else try_call(case.replay, {name: other})
    gradients = None if graph is None else try_call(graph.gradients, case.grad_outs)
    if graph is None or gradients is None:
        return None
    moved = [graph.at_inputs(gradients)[i] - case.right[i] for i in case.wrong]
    before, after = (_flat_targets(target, shaped, moved) for target in (value, other))
    if before is None or after is None or np.array_equal(before, after):
        return None
    change = np.concatenate([np.ravel(m) for m in moved])
    factor = fit_factor(change, after - before)
    if factor is None or max_abs(change - factor * (after - before)) > CLOSE * max_abs(change):
        return None
    return factor


def _possible_targets(case: Case) -> Iterator[tuple[str, Array, _Shaped]]:
    """Yield what may be a target: a floating input as it is, an integer one as ones where it points, or as it is."""
    for i, name in enumerate(case.names):
        if i not in case.wrong and case.values[i].size > 1:
            yield name, case.values[i], _as_it_is
    for name, value in case.others.items():
        if value.dtype.kind in "iu" and value.size:
            yield name, value, _as_ones
        if value.dtype.kind in "iubf" and value.size > 1:
            yield name, value, _as_it_is


def _as_it_is(value: Array, gradient: Array) -> Array | None:
    return value.astype(float) if gradient.shape == value.shape else None


def _as_ones(ids: Array, gradient: Array) -> Array | None:
    return one_hot(ids, gradient.shape)


def _before_the_squashing(case: Case) -> Iterator[Explanation]:
    """Explain gradients of probabilities that are those of the numbers that a softmax or a sigmoid made them of.

    P - Y is what a loss sends back through the softmax; where the probabilities are the input, it is -Y / P.
    """
    for what in ("softmax", "sigmoid"):
        further = [_through_squashing(case.values[i], case.right[i], what) for i in case.wrong]
        if any(f is None for f in further):
            continue
        iterator = iter(further)
        expected = [next(iterator) if i in case.wrong else right for i, right in enumerate(case.right)]
        residual = case.residual([e for e in expected if e is not None])
        if residual <= case.tolerance:
            whose = f"the gradient of {_input_names(case, case.wrong)}"
            text = f"{whose} is that of the numbers before a {what}, where its results are the input"
            yield Explanation("stale-value", 0.95, residual, text, support=sum(case.right[i].size for i in case.wrong))


def _through_squashing(p: Array, g: Array, what: str) -> Array | None:
    """Return what a gradient of probabilities is before the function that made them; None if they are none."""
    if p.size < 2 or not np.all((p > 0) & (p < 1)):
        return None
    if what == "sigmoid":
        return np.asarray(g * p * (1 - p))
    return np.asarray(p * (g - np.sum(p * g, axis=-1, keepdims=True)))


def one_hot(ids: Array, shape: tuple[int, ...]) -> Array | None:
    """Return ones where the ids point along an axis of the shape that the ids do not have."""
    for axis in range(len(shape)):
        rest = shape[:axis] + shape[axis + 1 :]
        if rest == ids.shape and np.all((ids >= 0) & (ids < shape[axis])):
            ones = np.zeros(shape)
            np.put_along_axis(ones, np.expand_dims(ids, axis), 1.0, axis)
            return ones
    return None


def is_target(gradient: Array, case: Case) -> bool:
    """Check whether a gradient is an input that is not wrong, times a number, except for zeros where a mask was."""
    if np.count_nonzero(gradient) < 2:
        return False
    for i, value in enumerate(case.values):
        if i in case.wrong or value.size < 3 or value.shape != gradient.shape or np.all(value == value.flat[0]):
            continue
        kept = np.where(gradient != 0, value, 0.0)
        factor = fit_factor(gradient, kept)
        if factor and max_abs(gradient - factor * kept) <= 1e-9 * max_abs(gradient):
            return True
    return False
