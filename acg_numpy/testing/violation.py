"""The error of a check that found a counterexample: the property, the smallest example found, both results."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

# elements of a result that are worth printing; a counterexample is printed whole, because it is to be pasted
FEW = 60


class PropertyViolation(AssertionError):
    """Error for an implementation that lacks a property that the mathematics promises.

    Attributes
    ----------
    property : str
        The property, a sentence.
    name : str
        Its short name, as `only=` takes it.
    example : dict
        The smallest counterexample that was found, name by name.
    expected, got : object
        What the property promises, and the actual result: arrays, or words.

    Examples
    --------
    >>> raise PropertyViolation(
    ...     "One key gives its value.", {"value": np.array([[2.0]])}, np.array([[2.0]]), np.array([[1.0]])
    ... )
    Traceback (most recent call last):
    acg_numpy.testing.violation.PropertyViolation: One key gives its value.
    <BLANKLINE>
    The smallest counterexample found:
    <BLANKLINE>
        value = np.array([[2.0]])
    <BLANKLINE>
    expected: np.array([[2.0]])
    got:      np.array([[1.0]])
    """

    def __init__(
        self,
        property: str,
        example: Mapping[str, Any],
        expected: Any,
        got: Any,
        *,
        name: str = "",
        remarks: Mapping[str, str] | None = None,
    ) -> None:
        self.property = property
        self.name = name
        self.example = dict(example)
        self.expected = expected
        self.got = got
        self.remarks = dict(remarks or {})
        super().__init__(self._message())

    def _message(self) -> str:
        lines = []
        for name, value in self.example.items():
            remark = self.remarks.get(name, "")
            lines.append(f"    {name} = {format_code(value)}" + (f"  # {remark}" if remark else ""))
        called = f' (property "{self.name}")' if self.name else ""
        return "\n".join(
            [
                self.property,
                "",
                f"The smallest counterexample found{called}:",
                "",
                *lines,
                "",
                f"expected: {format_value(self.expected)}",
                f"got:      {format_value(self.got)}",
            ]
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # pickled by its parts, as test runners do between processes
        return _restore, (self.property, self.example, self.expected, self.got, self.name, self.remarks)


def _restore(*parts: Any) -> PropertyViolation:
    *positional, name, remarks = parts
    return PropertyViolation(*positional, name=name, remarks=remarks)


def format_code(value: Any) -> str:
    """Write a value so that it can be pasted, every digit of it.

    Examples
    --------
    >>> format_code(np.array([[1.0, -np.inf]], np.float32))
    'np.array([[1.0, -np.inf]], dtype=np.float32)'
    >>> format_code(np.ones((0, 3)))
    'np.zeros((0, 3))'
    """
    if not isinstance(value, np.ndarray):
        return _with_numpy_names(repr(value.item() if isinstance(value, np.generic) else value))
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:  # of a check that works in more digits than its subject
        value = value.astype(np.float64)
    usual = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))
    if value.size == 0:
        return f"np.zeros({value.shape}{'' if value.dtype == usual[0] else f', dtype=np.{value.dtype.name}'})"
    dtype = "" if value.dtype in usual else f", dtype=np.{value.dtype.name}"
    return f"np.array({_with_numpy_names(repr(value.tolist()))}{dtype})"


def format_value(value: Any) -> str:
    """Write a result: as code if it is an array of a few elements, else abridged; words stay as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.size > FEW:
        if value.dtype.kind == "f" and value.dtype.itemsize > 8:
            value = value.astype(np.float64)
        return f"shape {value.shape}, {value.dtype}: {np.array2string(value, threshold=FEW, edgeitems=2)}"
    return format_code(value)


def _with_numpy_names(code: str) -> str:
    """Write infinity and not-a-number by the names that they have in code."""
    return re.sub(r"\b(inf|nan)\b", r"np.\1", code)
