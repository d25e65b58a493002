"""Users of a domain side by side: padding loses nothing, adds zeros, and is undone."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.kernels.grouped import pad, pad_last, unpad
from acg_numpy.kernels.grouping import group

dtypes = st.sampled_from([np.float32, np.float64])
ids_of_users = hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 4))


def rows_for(ids: Any, dtype: Any, *rest: int) -> Any:
    return np.random.default_rng(0).uniform(1, 2, (len(ids), *rest)).astype(dtype)


@given(ids_of_users, st.integers(1, 3), dtypes)
def test_padded_rows_lie_by_head_in_group_and_place_with_zeros_elsewhere(ids: Any, heads: int, dtype: Any) -> None:
    groups, rows = group(ids, 5), rows_for(ids, dtype, 2 * heads)
    for batch in groups.batches:
        wide = pad(rows, batch, heads)
        assert wide.shape == (len(batch.domains), heads, batch.width, 2)
        assert wide.dtype == dtype
        for n, domain in enumerate(batch.domains):
            start, count = groups.starts[domain], groups.counts[domain]
            for place in range(batch.width):
                expected = rows[start + place].reshape(heads, 2) if place < count else np.zeros((heads, 2))
                np.testing.assert_array_equal(wide[n, :, place], expected)


@given(ids_of_users, st.integers(1, 3), dtypes)
def test_unpadding_all_batches_undoes_padding(ids: Any, heads: int, dtype: Any) -> None:
    groups, rows = group(ids, 5), rows_for(ids, dtype, 2 * heads)
    out = np.zeros_like(rows)
    for batch in groups.batches:
        unpad(pad(rows, batch, heads), batch, out)
    np.testing.assert_array_equal(out, rows)


@pytest.mark.parametrize("fill", [0.0, 7.0])
@given(ids_of_users, dtypes)
def test_padding_puts_values_in_their_places_and_fills_the_rest(fill: float, ids: Any, dtype: Any) -> None:
    groups, rows = group(ids, 5), rows_for(ids, dtype, 3, 2)
    for batch in groups.batches:
        wide = pad_last(rows, batch, fill)
        assert wide.shape == (len(batch.domains), 3, 2, batch.width)
        assert wide.dtype == dtype
        taken = np.zeros((len(batch.domains), batch.width), bool)
        for row, column, target in zip(batch.row, batch.column, batch.target, strict=True):
            np.testing.assert_array_equal(wide[row, ..., column], rows[target])
            taken[row, column] = True
        assert np.all(np.moveaxis(wide, -1, 1)[~taken] == fill)
