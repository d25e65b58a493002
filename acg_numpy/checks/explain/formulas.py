"""Wrong formulas for a part of the forward that is known by what it computes: a softmax, a chain of functions.

A learner writes the backward of such a part in one formula, and the formula can be wrong in ways that no single edge
shows.  The part goes from a result x (`start`) to a result y (`end`); a formula is tried by sending what it gives to x
in the place of what is right.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations

import numpy as np

from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.corruptions import try_call
from acg_numpy.checks.explain.edge_search import Search
from acg_numpy.checks.explain.known_regions import Normalisation, Softmax, find_normalisations, projection, pull_between
from acg_numpy.checks.explain.whole_gradient import is_target
from acg_numpy.checks.tracing import Line
from acg_numpy.shapes import Array

# makes the text of an explanation, when one is found: of thousands that are tried few are
_Text = Callable[[], str]
# what makes its text, the slope, and its cost
_Slope = tuple[_Text, Array, float]
_Slopes = Callable[[Search, int, int, Array], Iterator[_Slope]]


def formula_explanations(search: Search) -> Iterator[Explanation]:
    """Yield explanations by a wrong formula for a softmax or for a normalised value."""
    wrong = set(search.case.wrong)
    for region in search.softmaxes:
        if wrong <= search.dependencies[region.scores]:
            yield from _softmax_formulas(search, region)
    for part in find_normalisations(search.graph):
        yield from _normalisation_formulas(search, part)
    yield from _shared_exponentials(search)


def _shared_exponentials(search: Search) -> Iterator[Explanation]:
    """Try y (1 - y) for exponentials divided by something that all of a row share, which need not be their sum."""
    graph, wrong = search.graph, set(search.case.wrong)
    known = {(one.scores, one.weights) for one in search.softmaxes}
    for end, operation in enumerate(graph.operations):
        g, y = search.case.grads[end], operation.value
        if g is None or y.size < 2 or y.dtype.kind != "f" or not np.all(y > 0):
            continue
        for start in range(end):
            x = graph.operations[start].value
            if x.shape != y.shape or (start, end) in known or not wrong <= search.dependencies[start]:
                continue
            shared = np.log(y) - x
            if not any(n > 1 and np.allclose(np.ptp(shared, axis=axis), 0) for axis, n in enumerate(y.shape)):
                continue
            right = pull_between(graph, start, end, g)
            if right is not None and np.ptp(shared) + np.max(np.abs(right - g * y)) > 1e-9:
                text = "only the diagonal of the Jacobian is used, as if one score made one of the results"
                yield from _try_formula(search, start, end, g * y * (1 - y), right, ("diagonal-softmax", 1.5, text))


def _picks_one_per_row(g: Array, axis: int) -> bool:
    """Check whether a gradient has one number in each row, and zeros beside it: a label was picked there."""
    return bool(np.all(np.count_nonzero(g, axis=axis) <= 1) and np.any(g))


def _whole_lines(held: Array, axis: int) -> Iterator[Array]:
    """Yield one entry a row, all equal, written into the whole of the columns, or of one row, that the entries lie in.

    That is what `d[:, ids] -= 1` and `d[0, ids] -= 1` do, where `d[rows, ids] -= 1` is meant.
    """
    entries = np.unique(held[held != 0])
    if entries.size and np.ptp(entries) <= 1e-12 * np.max(np.abs(entries)) and _picks_one_per_row(held, axis):
        others = tuple(a for a in range(held.ndim) if a != axis)
        columns = np.where(np.any(held != 0, axis=others, keepdims=True), entries[0], 0.0)
        yield np.broadcast_to(columns, held.shape)
        first = np.zeros_like(held)
        first[tuple(slice(None) if a == axis else 0 for a in range(held.ndim))] = np.ravel(columns)
        yield first


def _normalisation_formulas(search: Search, part: Normalisation) -> Iterator[Explanation]:
    """Try r (g - mean g - y mean y g) and r (g - y sum y g) over other axes or with another value for y."""
    graph, (start, end, axes, kind, factor) = search.graph, part
    g, y = search.case.grads[end], graph.operations[end].value
    right = None if g is None else pull_between(graph, start, end, g)
    if g is None or right is None:
        return
    for others in (o for count in range(1, y.ndim + 1) for o in combinations(range(y.ndim), count) if o != axes):
        text = f"reduced over {others} where it is over {axes}"
        sent = factor * projection(g, y, others, kind)
        yield from _try_formula(search, start, end, sent, right, ("wrong-axis", 1.6, text))
    for source in graph.operations:
        v = source.value
        if v.shape == y.shape and not np.array_equal(v, y):
            text = f"the value of {source.line or 'an input'} used for the normalised one"
            for outer, inner in ((v, v), (v, y), (y, v)):
                total = np.sum if kind == "length" else np.mean
                sent = g - outer * total(inner * g, axis=axes, keepdims=True)
                if kind == "centred":
                    sent = sent - np.mean(g, axis=axes, keepdims=True)
                yield from _try_formula(search, start, end, factor * sent, right, ("stale-value", 1.8, text))


def _try_formula(
    search: Search, start: int, end: int, sent: Array, right: Array, naming: tuple[str, float, str | _Text]
) -> Iterator[Explanation]:
    """Yield the explanation if sending this in the place of what is right gives the submitted gradients."""
    if np.shape(sent) != right.shape or not np.all(np.isfinite(sent)):
        return
    search.budget.check()
    if not search.might_fit(start, sent - right):
        return
    vector = search.pull_vector(start, sent - right)
    if np.any(vector) and search.fits(vector):
        mistake, cost, text = naming
        line = search.graph.operations[end].line
        support = int(np.count_nonzero(np.abs(vector) > 1e-9))
        said = text if isinstance(text, str) else text()
        yield Explanation(mistake, cost, search.misfit(vector), said, line, support)


def _softmax_formulas(search: Search, region: Softmax) -> Iterator[Explanation]:
    """Try y (g - sum y g) and g - exp(y) sum g with something else in the place of y, or a sum over another axis."""
    graph, (start, end, axis, log) = search.graph, region
    g, y = search.case.grads[end], graph.operations[end].value
    if g is None:
        return
    right = pull_between(graph, start, end, g)
    if right is None:
        return

    def formula(outer: Array, inner: Array, axis: int) -> Array:
        if log:
            return np.asarray(g - outer * np.sum(g, axis=axis, keepdims=True))
        return np.asarray(outer * (g - np.sum(inner * g, axis=axis, keepdims=True)))

    p = np.exp(y) if log else y
    diagonal = g * (1 - p) if log else g * y * (1 - y)
    row_sum = np.sum(g if log else y * g, axis=axis, keepdims=True)
    held = g if log else y * g
    text = "only the diagonal of the Jacobian of the softmax is used"
    yield from _try_formula(search, start, end, diagonal, right, ("diagonal-softmax", 1.3, text))
    text = "the sum over the row is left out, as if the denominator did not depend on the scores"
    yield from _try_formula(search, start, end, held, right, ("held-constant", 1.5, text))
    if log and (_picks_one_per_row(g, axis) or is_target(g, search.case)):
        text = "the target, which the gradient of the logarithms points at, is left out"
        yield from _try_formula(search, start, end, -p * row_sum, right, ("target-not-subtracted", 1.3, text))
    for wide in _whole_lines(held, axis):
        text = "the target is taken off whole columns or rows, and not off the entries that it points at"
        yield from _try_formula(search, start, end, wide - p * row_sum, right, ("target-not-subtracted", 1.5, text))
    text = "the sum over the row has the wrong sign"
    yield from _try_formula(search, start, end, held + p * row_sum, right, ("wrong-sign", 1.6, text))
    n = y.shape[axis]
    text = "an average over the row where a sum belongs"
    yield from _try_formula(search, start, end, held - p * row_sum / n, right, ("mean-for-sum", 1.6, text))
    if not log:
        text = "the sum over the row is of g, and not of g times the weights"
        unweighted = y * (g - np.sum(g, axis=axis, keepdims=True))
        yield from _try_formula(search, start, end, unweighted, right, ("stale-value", 1.9, text))
        text = "the average over the row is taken without weights"
        unweighted = y * (g - np.mean(g, axis=axis, keepdims=True))
        yield from _try_formula(search, start, end, unweighted, right, ("stale-value", 1.9, text))
        text = "the row's sum is taken off without the factor P"
        yield from _try_formula(search, start, end, held - row_sum, right, ("stale-value", 1.9, text))
    rows = y.size // n
    text = f"the sum over the row counts {rows} times, as if what comes in were not averaged over the rows"
    yield from _try_formula(search, start, end, held - rows * p * row_sum, right, ("mean-for-sum", 1.55, text))
    for other in range(y.ndim):
        if other != axis:
            text = f"summed over axis {other} where the softmax is along axis {axis}"
            yield from _try_formula(search, start, end, formula(p, p, other), right, ("wrong-axis", 1.5, text))
    text = "summed over all rows together, and not over each"
    everything = held - p * np.sum(g if log else y * g)
    yield from _try_formula(search, start, end, everything, right, ("wrong-axis", 1.6, text))
    for source in graph.operations:
        v = source.value
        if v.shape == y.shape and not np.array_equal(v, p):
            text = f"the value of {source.line or 'an input'} used for the weights"
            for outer, inner in ((v, v), (v, p), (p, v)):
                yield from _try_formula(
                    search, start, end, formula(outer, inner, axis), right, ("stale-value", 1.7, text)
                )
    text = "passed on as if there were no softmax"
    yield from _try_formula(search, start, end, g, right, ("stale-value", 2.4, text))


def elementwise_formulas(search: Search, slopes: _Slopes | None = None) -> Iterator[Explanation]:
    """Try the derivative of a chain of functions of each element at another value; all slopes, or some."""
    wrong = set(search.case.wrong)
    for region in search.regions:
        start, end, slope = region.start, region.end, region.slope
        g = search.case.grads[end]
        if g is None or not wrong <= search.dependencies[start] or len(np.unique(slope)) < 2 or not np.any(slope * g):
            continue
        for text, other, cost in (slopes or wrong_slopes)(search, start, end, slope):
            yield from _try_formula(search, start, end, other * g, slope * g, ("stale-value", cost, text))


def wrong_slopes(search: Search, start: int, end: int, slope: Array) -> Iterator[_Slope]:
    """Yield the same slope as a function of other values, as people mix them up."""
    yield from closed_slopes(search, start, end, slope)
    yield from chain_slopes(search, start, end, slope)


def _same_shape(search: Search, end: int) -> list[tuple[Line | None, Array]]:
    """Return the values of the shape of a result, with their lines."""
    operations = search.graph.operations
    return [(o.line, o.value) for o in operations if o.value.shape == operations[end].value.shape]


def _slope_text(begin: str, line: Line | None) -> str:
    return f"the slope {begin}taken at the value of {line or 'an input'}"


def closed_slopes(search: Search, start: int, end: int, slope: Array) -> Iterator[_Slope]:
    """Yield a slope that is a short formula of the result with other values in it."""
    x, y = search.graph.operations[start].value, search.graph.operations[end].value
    shapes: tuple[tuple[Callable[[Array], Array], str], ...] = (
        (lambda v: v * (1 - v), "v (1 - v)"),
        (lambda v: 1 - v * v, "1 - v^2"),
        (lambda v: v, "v"),
    )
    for form, written in shapes:
        if np.allclose(form(y), slope, rtol=1e-9, atol=1e-12):
            for line, v in _same_shape(search, end):
                if not np.array_equal(v, y):
                    yield partial(_slope_text, f"{written} ", line), form(v), 1.6
    if not np.array_equal(x, y):
        yield (lambda: "the result used where its slope belongs"), y, 2.2


def chain_slopes(search: Search, start: int, end: int, slope: Array) -> Iterator[_Slope]:
    """Yield the slope of a chain of functions at other values."""
    x = search.graph.operations[start].value
    for line, v in _same_shape(search, end):
        if not np.array_equal(v, x):
            other = _chain_slope(search, start, end, v)
            if other is not None:
                yield partial(_slope_text, "", line), other, 1.8


def _chain_slope(search: Search, start: int, end: int, value: Array) -> Array | None:
    """Return the slope of the chain between two results at another value of the first."""
    graph = search.graph
    values = {start: value}
    slopes: dict[int, Array] = {start: np.ones_like(value)}
    for place in range(start + 1, end + 1):
        operation = graph.operations[place]
        inside = [(position, parent) for position, parent in operation.links() if parent in values]
        if not inside:
            continue
        given = list(operation.values)
        for position, parent in inside:
            given[position] = values[parent]
        ans = try_call(operation.evaluate, given)
        if ans is None or ans.shape != value.shape:
            continue
        values[place] = ans
        total = np.zeros_like(value)
        for position, parent in inside:
            factor = try_call(operation.contribution, position, np.ones_like(ans), values=given, ans=ans)
            if factor is None or np.shape(factor) != value.shape:
                return None
            total = total + factor * slopes[parent]
        slopes[place] = total
    return slopes.get(end)
