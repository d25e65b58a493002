"""Expectations of a result: equal, between bounds, of a form, inputs unchanged, up to rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from acg_numpy.shapes import Array
from acg_numpy.testing.violation import format_value

# how many units in the last place a textbook implementation may lose at each of its steps
ULPS = 16


class Difference(Exception):
    """A result that is not what the property promises."""

    def __init__(self, expected: Any, got: Any) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got


def expect_equal(got: Any, expected: Any, tolerance: Any = 0.0) -> None:
    """Raise unless shapes are equal, and elements up to an absolute tolerance; not-a-number equals itself."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape or not np.all(_close(got, expected, tolerance)):
        raise Difference(expected, got)


def expect_shape(got: Any, shape: tuple[int, ...]) -> None:
    """Raise unless an array has this shape."""
    if np.shape(got) != shape:
        raise Difference(f"shape {shape}", f"shape {np.shape(got)}")


def expect_between(got: Any, low: Array, high: Array, tolerance: Any) -> None:
    """Raise unless elements lie between bounds, up to an absolute tolerance, or are not-a-number like them."""
    got = np.asarray(got)
    if got.shape != low.shape or not np.all(
        (got >= low - tolerance) & (got <= high + tolerance) | np.isnan(low) & np.isnan(got)
    ):
        raise Difference(f"at least {format_value(low)} and at most {format_value(high)}", got)


def expect_form(got: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise unless an array has this shape and dtype."""
    got, dtype = np.asarray(got), np.dtype(dtype)
    if (got.shape, got.dtype) != (shape, dtype):
        raise Difference(f"shape {shape}, {dtype}", f"shape {got.shape}, {got.dtype}")


def expect_unchanged(call: Callable[[], Any], *inputs: Array | None) -> None:
    """Raise if a call writes into these arrays."""
    arrays = [x for x in inputs if x is not None]
    before = [x.copy() for x in arrays]
    call()
    for x, was in zip(arrays, before, strict=True):
        expect_equal(x, was)


def largest_magnitude(*arrays: Array) -> float:
    """Return the largest absolute value of an element, 0 if there is none."""
    return max(float(np.max(np.abs(array), initial=0.0)) for array in arrays)


def rounding_error(dtype: Any, steps: float) -> float:
    """Return what this many steps of a computation lose, relative to its largest intermediate result."""
    return ULPS * float(np.finfo(dtype).eps) * steps


def _close(got: Array, expected: Array, tolerance: Any) -> Array:
    equal: Array = got == expected
    if got.dtype.kind not in "fc":
        return equal
    with np.errstate(invalid="ignore"):
        close: Array = np.abs(got - expected) <= tolerance
    return equal | close | (np.isnan(got) & np.isnan(expected))
