"""Which constant is this, and what is a mistake by it called?

A factor by which a gradient is off is looked for among the sizes of axes (a mean for a sum), the square roots of these
(a lost 1 / sqrt(d)), the constants that the forward itself uses, and small numbers.
"""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from acg_numpy.checks.explain.case import Case

CLOSE = 1e-6  # relative; a factor found by least squares is known to far more digits


class Named(NamedTuple):
    """What a factor may be."""

    mistake: str
    text: str
    known: bool  # whether the factor is one that somebody could have written


def name_factor(factor: float, case: Case) -> Named:
    """The likeliest origin of a factor other than 0, 1 and -1, with the others that fit.

    Returns
    -------
    Named
        mean-for-sum for the size of an axis, missing-scale for an odd power of the root of one, or constant-factor.
    """
    sizes = axis_sizes(case)
    says = f"a factor {factor:.4g}"
    size = next((n for n in sizes if n > 1 and (same(factor, n) or same(factor, 1 / n))), None)
    if size is not None and not (size == 2 and not reduced_sizes(case) & {2}):
        inverse = "1 / " if same(factor, 1 / size) else ""
        return Named("mean-for-sum", f"{says} = {inverse}{size}, {sizes[size]}", True)
    for power in (1, -1, 3, -3):
        root = next((n for n in sizes if n > 1 and same(factor, n ** (power / 2)) and not square(n)), None)
        if root is None:  # the root of a square number is a whole number: say so, but prefer what is odd
            root = next((n for n in sizes if n > 1 and same(factor, n ** (power / 2))), None)
        if root is not None:
            shown = {1: "sqrt", -1: "1 / sqrt", 3: "sqrt^3", -3: "1 / sqrt^3"}[power]
            return Named("missing-scale", f"{says} = {shown}({root}), {sizes[root]}", True)
    for n, m in combinations(sorted(sizes), 2):
        product = n * m
        if n > 1 and (same(factor, product) or same(factor, 1 / product)):
            inverse = "1 / " if same(factor, 1 / product) else ""
            text = f"{says} = {inverse}({n} x {m}), {sizes[n]} and {sizes[m]}"
            return Named("mean-for-sum", text, True)
    for constant, where in constants_used(case):
        for power, shown in ((1, ""), (-1, "1 / "), (2, "the square of "), (-2, "1 over the square of ")):
            if same(factor, constant**power):
                return Named("constant-factor", f"{says}, {shown}the constant {constant:.4g} {where}", True)
    for n, m in ((n, m) for n in sizes for m in sizes if n != m and n > 1 and m > 1):
        if same(factor, n / m):
            return Named("mean-for-sum", f"{says} = {n} / {m}, {sizes[n]} and {sizes[m]} exchanged", True)
    nice = next(((p, q) for q in (1, 2, 3, 4) for p in (1, 2, 3, 4, 6, 8) if p != q and same(abs(factor), p / q)), None)
    return Named("constant-factor", says, nice is not None)


def same(one: float, other: float) -> bool:
    """Whether two factors are equal as far as they are known."""
    return abs(one - other) <= CLOSE * max(abs(one), abs(other))


def square(n: int) -> bool:
    """Whether a whole number is a square."""
    return math.isqrt(n) ** 2 == n


def axis_sizes(case: Case) -> dict[int, str]:
    """Sizes of axes, each with the first places it occurs in: inputs, then outputs, then what lies between."""
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
            places.setdefault(n, []).append(f"axis {axis} of {operation.line or 'an intermediate result'}")
    return {n: " or ".join(dict.fromkeys(found[:3])) for n, found in places.items()}


def reduced_sizes(case: Case) -> set[int]:
    """The sizes that the forward sums over, divides by or broadcasts along."""
    found = {int(c) for c, _ in constants_used(case) if float(c).is_integer()}
    for operation in case.graph.operations if case.graph else ():
        for position, _ in operation.links():
            given, value = np.asarray(operation.values[position]), operation.value
            if given.size > value.size > 0 and given.size % value.size == 0:
                found.add(given.size // value.size)
            added = value.ndim - given.ndim
            if added > 0:
                found |= {*value.shape[:added], math.prod(value.shape[:added])}
    return found


def constants_used(case: Case) -> Iterator[tuple[float, str]]:
    """The numbers that the forward computes with, other than 0, 1 and -1, with the line of each."""
    for operation in case.graph.operations if case.graph else ():
        for value, arg in zip(operation.values, operation.args, strict=True):
            number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
            if number is None and arg is value and isinstance(value, np.ndarray) and value.dtype.kind == "f":
                positive = np.unique(value[value > 0])  # a dropout mask: 0 and 1 / keep
                number = float(positive[0]) if positive.size == 1 else None
            if number is not None and number not in (0, 1, -1) and math.isfinite(number):
                yield float(number), f"in {operation.line}"
    for name, value in zip(case.names, case.values, strict=True):
        positive = np.unique(value[value > 0])
        if value.size > 1 and positive.size == 1 and np.any(value == 0) and positive[0] != 1:
            yield float(positive[0]), f"in {name}"
