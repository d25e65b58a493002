"""scatter_add is the transpose of looking rows up."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.passes import scatter_add
from tests.passes.pairs import generators


@st.composite
def scatters(draw: st.DrawFn) -> tuple[Any, Any, int]:
    num_rows = draw(st.integers(1, 5))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=6))
    ids = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, num_rows - 1)))
    rest = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    return draw(generators).normal(size=(*shape, *rest)), ids, num_rows


@given(scatters())
def test_it_is_a_loop_that_adds_each_value_to_its_row(scatter: tuple[Any, Any, int]) -> None:
    values, ids, num_rows = scatter
    expected = np.zeros((num_rows, *values.shape[ids.ndim :]))
    for place in np.ndindex(ids.shape):
        expected[ids[place]] += values[place]
    np.testing.assert_allclose(scatter_add(values, ids, num_rows), expected, rtol=1e-12, atol=1e-13)


@given(scatters(), generators)
def test_it_is_the_transpose_of_looking_rows_up(scatter: tuple[Any, Any, int], rng: np.random.Generator) -> None:
    values, ids, num_rows = scatter
    table = rng.normal(size=(num_rows, *values.shape[ids.ndim :]))
    np.testing.assert_allclose(
        np.sum(scatter_add(values, ids, num_rows) * table), np.sum(values * table[ids]), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row_and_column(poison: float) -> None:
    values = np.ones((4, 2))
    values[1, 0] = poison
    out = scatter_add(values, np.array([0, 1, 2, 1]), 3)
    np.testing.assert_array_equal(out, [[1, 1], [poison + 1, 2], [1, 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_dtype_is_that_of_the_values(dtype: Any) -> None:
    out = scatter_add(np.ones((3, 2), dtype), np.array([0, 1, 0]), 2)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, [[2, 2], [1, 1]])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_any_integer_dtype_of_ids_will_do(dtype: Any) -> None:
    np.testing.assert_array_equal(scatter_add(np.ones((3, 100)), np.array([1, 1, 0], dtype), 2)[:, 99], [1, 2])


def test_it_hands_over_to_whoever_claims_numpy_functions() -> None:
    class Claims:
        def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
            return function, types, args, kwargs

    mine, ids = Claims(), np.array([0])
    assert scatter_add(mine, ids, 1) == (scatter_add, (Claims,), (mine, ids, 1), {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (np.array([0, 3]), IndexError, r"ids holds 3, but num_rows is 3 \(ids run from 0 to 2\)"),
        (np.array([-1, 0]), IndexError, r"ids holds -1, .*a negative id does not count from the end"),
        (np.array([0.0, 1.0]), TypeError, "ids has dtype float64; expected integers"),
        (np.array([True, False]), TypeError, "ids has dtype bool; .*np.flatnonzero"),
        (np.array([0, 1, 2]), ValueError, r"values has shape \(2,\); expected \(3,\)"),
    ],
)
def test_ids_that_would_miss_are_refused(ids: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        scatter_add(np.ones(2), ids, 3)


@pytest.mark.parametrize(("num_rows", "error"), [(-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_a_number_of_rows_is_a_whole_number(num_rows: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="num_rows is"):
        scatter_add(np.ones(1), np.array([0]), num_rows)


def test_nothing_can_be_scattered_into_no_rows_but_nothing() -> None:
    assert scatter_add(np.ones((0, 3)), np.zeros(0, int), 0).shape == (0, 3)
    with pytest.raises(IndexError, match="there are no rows to point to"):
        scatter_add(np.ones(1), np.array([0]), 0)
