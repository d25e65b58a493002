"""Rows of a block, by heads or by tokens, lie where the batched products take them."""

import numpy as np

from acg_numpy.kernels.grouped import merge_block, split_block, tokens_major
from acg_numpy.kernels.grouping import group
from acg_numpy.passes import split_heads_forward


def test_a_block_of_rows_is_split_into_the_heads_of_the_classroom() -> None:
    rows = np.arange(2 * 3 * 8.0).reshape(2, 3, 8)
    heads = split_block(rows, 4)
    np.testing.assert_array_equal(heads, split_heads_forward(rows, num_heads=4)[0])
    np.testing.assert_array_equal(merge_block(heads), rows)


def test_masks_of_a_block_have_the_tokens_before_the_users() -> None:
    groups = group(np.array([0, 1, 0]), 2)
    (block,) = groups.blocks
    mask = groups.sort(np.array([[True, False], [True, True], [False, True]]))  # two users of domain 0, one of domain 1
    shared = tokens_major(mask, block)
    assert shared.shape == (2, 2, 1, 2)
    np.testing.assert_array_equal(shared[0, :, 0], mask[:2].T)
    np.testing.assert_array_equal(shared[1, :, 0], [[True, False], [True, False]])  # what is padded is masked
    factors = tokens_major(np.stack([mask, ~mask, mask], axis=1) * 2.0, block)
    assert factors.shape == (2, 2, 3, 2)
    np.testing.assert_array_equal(factors[0, :, 1], 2.0 * ~mask[:2].T)
    assert tokens_major(None, block) is None
