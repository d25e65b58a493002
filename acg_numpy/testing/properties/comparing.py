"""Comparing what came with what was promised, up to rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from acg_numpy.shapes import Array
from acg_numpy.testing.violation import as_words

ULPS = 16  # how many units in the last place an operation of a textbook may lose at each of its steps


class Difference(Exception):
    """What came is not what was promised."""

    def __init__(self, expected: Any, got: Any) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got


def same(got: Any, expected: Any, tolerance: Any = 0.0) -> None:
    """Ask for equal shapes, and equal elements up to an absolute tolerance; not-a-number equals itself."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape or not np.all(_close(got, expected, tolerance)):
        raise Difference(expected, got)


def between(got: Any, low: Array, high: Array, tolerance: Any) -> None:
    """Ask for elements between bounds, up to an absolute tolerance, and not-a-number where the bounds are that."""
    got = np.asarray(got)
    if got.shape != low.shape or not np.all(
        (got >= low - tolerance) & (got <= high + tolerance) | np.isnan(low) & np.isnan(got)
    ):
        raise Difference(f"at least {as_words(low)} and at most {as_words(high)}", got)


def has_form(got: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Ask for an array of a shape and dtype."""
    got, dtype = np.asarray(got), np.dtype(dtype)
    if (got.shape, got.dtype) != (shape, dtype):
        raise Difference(f"shape {shape}, {dtype}", f"shape {got.shape}, {got.dtype}")


def left_alone(call: Callable[[], Any], *inputs: Array | None) -> None:
    """Ask for a call that does not write into these."""
    arrays = [x for x in inputs if x is not None]
    before = [x.copy() for x in arrays]
    call()
    for x, was in zip(arrays, before, strict=True):
        same(x, was)


def largest(*arrays: Array) -> float:
    """The largest size of an element, 0 where there is none."""
    return max(float(np.max(np.abs(array), initial=0.0)) for array in arrays)


def rounding(dtype: Any, steps: float) -> float:
    """What so many steps of a computation lose, relative to its largest intermediate result."""
    return ULPS * float(np.finfo(dtype).eps) * steps


def _close(got: Array, expected: Array, tolerance: Any) -> Array:
    equal: Array = got == expected
    if got.dtype.kind not in "fc":
        return equal
    with np.errstate(invalid="ignore"):
        close: Array = np.abs(got - expected) <= tolerance
    return equal | close | (np.isnan(got) & np.isnan(expected))
