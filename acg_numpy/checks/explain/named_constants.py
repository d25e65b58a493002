"""Names for a factor by which a gradient is off, and for the mistake that a factor like it is.

A factor by which a gradient is off is looked for among the sizes of axes (a mean for a sum), the square roots of these
(a lost 1 / sqrt(d)), the constants that the forward itself uses, and small numbers.
"""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.explain.case import CLOSE, Case

UNKNOWN = 1.4  # the cost of a factor that could be any number
# the cost of a factor that the forward has, or sums over; of one that could be the size of some axis
LIKELY, POSSIBLE = 0.7, 0.9

# a larger whole number in a forward counts something
LARGEST_FACTOR = 4


class FactorName(NamedTuple):
    """Name for a factor: the mistake, its cost, and a text."""

    mistake: str
    cost: float
    text: str


def factor_names(factor: float, case: Case) -> list[FactorName]:
    """Return the likeliest origins of a factor other than 0, 1 and -1, best first, one for each mistake that it may be.

    A constant that the forward computes with tells most: a whole number counts something, so it makes a mean, and any
    other may be the root of an axis, so it is a scale.  Then come the sizes of axes that the forward sums over, then
    those of others, by themselves, under a root, multiplied and divided.
    """
    sizes = axis_sizes(case)
    found = [*_constant_names(factor, case, sizes), *size_names(factor, case, sizes)]
    best: dict[str, FactorName] = {}
    for name in sorted(found, key=lambda name: name.cost):
        best.setdefault(name.mistake, name)
    ratios = ((p, q) for q in (1, 2, 3, 4) for p in (1, 2, 3, 4, 6, 8) if p != q)
    simple = any(_same_factor(abs(factor), p / q, case.factor_tolerance) for p, q in ratios)
    # a small number is itself before it is a quotient of sizes
    if not best or (simple and min(name.cost for name in best.values()) > POSSIBLE):
        number = FactorName("constant-factor", LIKELY + 0.15 if simple else UNKNOWN, f"a factor {factor:.4g}")
        best = {"constant-factor": number} | best
    return sorted(best.values(), key=lambda name: name.cost)


def _constant_names(factor: float, case: Case, sizes: dict[int, str]) -> Iterator[FactorName]:
    """Yield names from powers of a constant that the forward computes with."""
    for constant, whole, where in _forward_constants(case):
        for power, shown in ((1, ""), (-1, "1 / "), (2, "the square of "), (-2, "1 over the square of ")):
            if not _same_factor(factor, _safe_power(constant, power), case.factor_tolerance):
                continue
            text = f"a factor {factor:.4g}, {shown}the {constant:.4g} in {where}"
            squares = _safe_power(constant, 2), _safe_power(constant, -2)
            root = next((n for n in sizes if n > 1 and any(_same_factor(square, n) for square in squares)), None)
            if whole and (constant > LARGEST_FACTOR or is_count(constant, sizes)):
                yield FactorName("mean-for-sum", LIKELY, f"{text}, a number of elements")
            elif root is not None and not whole:
                yield FactorName("missing-scale", LIKELY, f"{text}, the root of {root}, {sizes[root]}, or one over it")
            else:
                yield FactorName("constant-factor", LIKELY + 0.1, text)


def _safe_power(constant: float, power: int) -> float:
    """Return a power, infinite where it is too large for a float: a constant of 1e-200 is no reason to stop."""
    with np.errstate(over="ignore"):
        return float(np.float64(constant) ** power)


def is_count(constant: float, sizes: dict[int, str]) -> bool:
    """Check whether a constant, or one over it, is the size of an axis, or of two together."""
    whole = {n for n in sizes if n > 1}
    whole |= {n * m for n, m in combinations(whole, 2)}
    return any(_same_factor(constant, n) or _same_factor(constant, 1 / n) for n in whole)


def size_names(factor: float, case: Case, sizes: dict[int, str]) -> Iterator[FactorName]:
    """Yield names from sizes of axes, roots of them, products and ratios of two."""
    says, summed, close = f"a factor {factor:.4g}", _reduction_sizes(case), case.factor_tolerance
    whole = [n for n in sizes if n > 1]
    for n in whole:
        if _same_factor(factor, n, close) or _same_factor(factor, 1 / n, close):
            if n == 2 and n not in summed:
                continue  # 2 is a number that turns up by itself
            text = f"{says}{' = 1 / ' + str(n) if factor < 1 else ''}, {sizes[n]}"
            yield FactorName("mean-for-sum", LIKELY if n in summed else LIKELY + 0.05, text)
    for power, shown in ((1, "sqrt"), (-1, "1 / sqrt"), (3, "sqrt^3"), (-3, "1 / sqrt^3")):
        for n in whole:
            if _same_factor(factor, n ** (power / 2), close):
                square = math.isqrt(n) ** 2 == n
                text = f"{says} = {shown}({n}), {sizes[n]}"
                yield FactorName("missing-scale", POSSIBLE if square else LIKELY, text)
    for n, m in combinations(sorted(whole), 2):
        if _same_factor(factor, n * m, close) or _same_factor(factor, 1 / (n * m), close):
            text = f"{says} = {'1 / ' if factor < 1 else ''}({n} x {m}), {sizes[n]} and {sizes[m]}"
            yield FactorName("mean-for-sum", LIKELY + 0.05 if n * m in summed else POSSIBLE, text)
    lengths = [n for n in whole if not sizes[n].startswith("the number of elements")]
    for n, m in ((n, m) for n in lengths for m in lengths if n != m):
        if _same_factor(factor, n / m, close):
            text = f"{says} = {n} / {m}, {sizes[n]} and {sizes[m]} exchanged"
            yield FactorName("mean-for-sum", POSSIBLE + 0.1, text)


def _same_factor(one: float, other: float, close: float = CLOSE) -> bool:
    """Check whether two factors are equal as far as they are known."""
    return abs(one - other) <= close * max(abs(one), abs(other))


def axis_sizes(case: Case) -> dict[int, str]:
    """Return sizes of axes, each with the first places it occurs in: inputs, then outputs, then what lies between."""
    places: dict[int, list[str]] = {}
    arrays = {**dict(zip(case.names, case.values, strict=True)), **case.others}
    for name, value in arrays.items():
        for axis, n in enumerate(value.shape):
            places.setdefault(n, []).append(f"axis {axis} of {name}")
        if value.ndim > 1:
            places.setdefault(value.size, []).append(f"the number of elements of {name}")
    for output in case.grad_outs:
        for axis, n in enumerate(output.shape):
            places.setdefault(n, []).append(f"axis {axis} of the output")
        if output.ndim > 1:
            places.setdefault(output.size, []).append("the number of elements of the output")
    for operation in case.graph.operations if case.graph else ():
        for axis, n in enumerate(operation.value.shape):
            if operation.line is not None and (n not in places or places[n][0].endswith(" is made")):
                places.setdefault(n, []).append(f"axis {axis} of what in {operation.line} is made")
    return {n: " or ".join(dict.fromkeys(found[:3])) for n, found in places.items()}


def _reduction_sizes(case: Case) -> set[int]:
    """Return the sizes that the forward sums over, divides by or broadcasts along."""
    found = {int(c) for c, whole, _ in _forward_constants(case) if whole}
    for operation in case.graph.operations if case.graph else ():
        for position, _ in operation.links():
            given, value = np.asarray(operation.values[position]), operation.value
            if given.size > value.size > 0 and given.size % value.size == 0:
                found.add(given.size // value.size)
            added = value.ndim - given.ndim
            if added > 0:
                found |= {*value.shape[:added], math.prod(value.shape[:added])}
    return found


def _forward_constants(case: Case) -> Iterator[tuple[float, bool, str]]:
    """Yield the numbers that the forward computes with, except 0, 1 and -1; whether each is an int; and where."""
    for operation in case.graph.operations if case.graph else ():
        for value, arg in zip(operation.values, operation.args, strict=True):
            number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
            if number is None and arg is value and isinstance(value, np.ndarray) and value.dtype.kind == "f":
                positive = np.unique(value[value > 0])  # a dropout mask: 0 and 1 / keep
                number = float(positive[0]) if positive.size == 1 else None
            if number is not None and number not in (0, 1, -1) and math.isfinite(number):
                yield float(number), isinstance(value, (int, np.integer)), str(operation.line)
    for name, value in zip(case.names, case.values, strict=True):
        positive = np.unique(value[value > 0])
        if value.size > 1 and positive.size == 1 and np.any(value == 0) and positive[0] != 1:
            yield float(positive[0]), False, name
