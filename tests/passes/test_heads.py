"""Splitting into heads and merging only move numbers."""

from typing import Any

import numpy as np
from hypothesis import given

from acg_numpy.passes import merge_heads_backward, merge_heads_forward, split_heads_backward, split_heads_forward
from tests.passes.pairs import Call, split_calls


@given(split_calls())
def test_merging_undoes_splitting(call: Call) -> None:
    (x,) = call.args
    heads, _ = split_heads_forward(x, **call.options)
    merged, _ = merge_heads_forward(heads)
    np.testing.assert_array_equal(merged, x)


@given(split_calls())
def test_the_backward_of_each_is_the_forward_of_the_other(call: Call) -> None:
    (x,) = call.args
    heads, split_cache = split_heads_forward(x, **call.options)
    np.testing.assert_array_equal(split_heads_backward(heads, split_cache).x, x)
    merged, merge_cache = merge_heads_forward(heads)
    np.testing.assert_array_equal(merge_heads_backward(merged, merge_cache).x, heads)


@given(split_calls())
def test_head_h_of_a_row_is_a_slice_of_that_row(call: Call) -> None:
    x: Any = call.args[0]
    H = call.options["num_heads"]
    d = x.shape[-1] // H
    heads, _ = split_heads_forward(x, num_heads=H)
    for h in range(H):
        np.testing.assert_array_equal(heads[..., h, :, :], x[..., h * d : (h + 1) * d])


def test_the_rows_are_not_mixed_as_by_reshaping_alone() -> None:
    x = np.arange(8.0).reshape(2, 4)
    heads, _ = split_heads_forward(x, num_heads=2)
    assert heads.shape == (2, 2, 2)
    assert not np.array_equal(heads, x.reshape(2, 2, 2))
