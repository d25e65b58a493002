"""A violation survives being sent to another process, and writes arrays so that they can be pasted."""

import pickle
from typing import Any

import numpy as np
import pytest

from acg_numpy.testing import PropertyViolation
from acg_numpy.testing.violation import format_code


def test_a_violation_can_be_pickled() -> None:
    example, expected, got = {"value": np.array([[2.0]])}, np.array([[2.0]]), np.array([[1.0]])
    violation = PropertyViolation("It is so.", example, expected, got, name="scale", remarks={"value": "read-only"})
    restored = pickle.loads(pickle.dumps(violation))
    assert str(restored) == str(violation)
    assert restored.name == "scale"


@pytest.mark.parametrize(
    "value",
    [
        np.array([[0.1, -np.inf], [np.nan, 1e-30]]),
        np.array([0.1], np.float32),
        np.array([[True], [False]]),
        np.zeros((2, 0, 3), np.float32),
        np.array(3, np.int32),
    ],
    ids=str,
)
def test_code_makes_the_array_that_it_was_made_from(value: Any) -> None:
    made = eval(format_code(value), {"np": np})
    assert made.dtype == value.dtype
    np.testing.assert_array_equal(made, value)
