"""The factor that an elementwise operation multiplies a gradient by: left out, or taken at another value."""

from collections.abc import Callable, Iterator

import numpy as np

from acg_numpy.checks.explain.broadcast_uses import unsummed_contribution
from acg_numpy.checks.explain.corruptions import Contribution, Corruption, pass_through, try_call
from acg_numpy.checks.tracing import Operation
from acg_numpy.shapes import Array

SLOPES: dict[str, Callable[[Array], Array]] = {
    "v": lambda v: v,
    "1 - v": lambda v: 1 - v,
    "v (1 - v)": lambda v: v * (1 - v),
    "1 - v^2": lambda v: 1 - v * v,
    "1 + v^2": lambda v: 1 + v * v,
    "v^2": lambda v: v * v,
    "1 / v": lambda v: 1 / v,
}


def elementwise_factor(operation: Operation, position: int) -> Array | None:
    """Return the array that g is multiplied by on its way to an argument of its shape, if that is all that happens."""
    g = np.random.default_rng(0).normal(size=operation.value.shape)
    wide = unsummed_contribution(operation, position, np.ones_like(operation.value))
    if wide is not None:
        tried = unsummed_contribution(operation, position, g)
    else:
        wide = try_call(operation.contribution, position, np.ones_like(operation.value))
        tried = try_call(operation.contribution, position, g)
    if wide is None or tried is None or wide.shape != g.shape or not np.allclose(tried, wide * g, equal_nan=True):
        return None
    return np.asarray(wide)


def missing_factors(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions that leave the factor out: a mask, where it holds zeros and one other value."""
    factor = elementwise_factor(operation, position)
    if factor is None and _skippable(operation, position):
        yield Corruption("stale-value", 2.2, "sent on as if the operation were not there", pass_through(1.0))
    if factor is None or factor.size < 2 or not np.all(np.isfinite(factor)):
        return
    different = np.unique(factor)
    if len(different) == 1:
        # a constant: what it would be to leave it out is found as a constant
        return
    if len(different) == 2 and 0.0 in different:
        other = float(different[different != 0][0])
        yield Corruption("missing-mask", 1.5, "sent on as if nothing were masked", pass_through(1.0))
        if other != 1.0:
            yield Corruption("missing-mask", 1.6, "scaled, but not masked", pass_through(other))
    else:
        yield Corruption("stale-value", 2.2, "sent on without its factor", pass_through(1.0))


def _skippable(operation: Operation, position: int) -> bool:
    """Check whether an operation could be left out for its shapes: a product with a square matrix, a sorting."""
    arg = operation.values[position]
    return isinstance(arg, np.ndarray) and arg.shape == operation.value.shape and arg.size > 1


def stale_slopes(operation: Operation, position: int) -> Iterator[Corruption]:
    """Yield corruptions that put another function of the argument or the result in the place of the slope."""
    arg, factor = operation.values[position], elementwise_factor(operation, position)
    if factor is None or len(operation.args) != 1 or arg.shape != factor.shape or len(np.unique(factor)) < 3:
        return
    for value in (operation.value, arg):
        for written, slope in SLOPES.items():
            with np.errstate(all="ignore"):
                other = np.asarray(slope(value))
            if np.all(np.isfinite(other)) and not np.allclose(other, factor):
                what = "result" if value is operation.value else "argument"
                text = f"{written} used for the slope, v being the {what}"
                reversed_sign = written == "1 + v^2" and np.allclose(1 - value * value, factor)
                mistake, cost = ("wrong-sign", 1.75) if reversed_sign else ("stale-value", 1.9)
                yield Corruption(mistake, cost, text, _multiply_by_slope(slope, what))


def _multiply_by_slope(slope: Callable[[Array], Array], what: str) -> Contribution:
    """Return the gradient times a function of the result or the argument."""

    def contribution(operation: Operation, position: int, g: Array) -> Array:
        return g * slope(operation.value if what == "result" else operation.values[position])

    return contribution
