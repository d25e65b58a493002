"""A weight of 0 cancels whatever it meets; where all is finite, nothing is changed."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.passes.masking import weighted_sum, zero_unseen, zero_unweighted
from tests.passes.pairs import generators

sides = st.integers(1, 4)


@given(generators, sides, sides)
def test_finite_arrays_are_left_as_they_are(rng: np.random.Generator, L: int, S: int) -> None:
    weights, rows, mask = rng.normal(size=(2, L, S)), rng.normal(size=(S, 3)), np.zeros((2, L, S), bool)
    np.testing.assert_array_equal(weighted_sum(weights, rows), weights @ rows)
    assert zero_unseen(rows, mask, axis=-2) is rows
    assert zero_unweighted(weights, np.zeros_like(weights)) is weights


@given(generators, sides, sides, st.sampled_from([np.nan, np.inf, -np.inf]), st.booleans())
def test_a_weighted_sum_adds_the_rows_whose_weight_is_not_zero(
    rng: np.random.Generator, L: int, S: int, bad: float, batched: bool
) -> None:
    rows: Any = rng.normal(size=(2, S, 3) if batched else (S, 3))
    rows[rng.random(rows.shape) < 0.3] = bad
    weights = rng.random((2, L, S)) * (rng.random((2, L, S)) < 0.5)
    expected = np.zeros((2, L, 3))
    for b, i, j in np.argwhere(weights):
        expected[b, i] += weights[b, i, j] * (rows[b, j] if batched else rows[j])
    np.testing.assert_allclose(weighted_sum(weights, rows), expected, rtol=1e-12, atol=1e-14)


def test_a_shared_row_is_seen_if_anything_sees_it() -> None:
    rows = np.full((1, 3, 2), np.nan)
    mask = np.zeros((4, 5, 3), bool)
    mask[3, 2, 1] = True
    zeroed = zero_unseen(rows, mask, axis=-2)
    assert zeroed.shape == rows.shape
    np.testing.assert_array_equal(np.isnan(zeroed[0]).all(axis=-1), [False, True, False])
    np.testing.assert_array_equal(zeroed[0, ::2], 0.0)
