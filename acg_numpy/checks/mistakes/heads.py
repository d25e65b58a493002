"""Splitting and merging heads: numbers only move, and the backward has to move them back."""

from functools import partial
from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.passes.heads import (
    MergeHeadsCache,
    SplitHeadsCache,
    merge_heads_backward,
    merge_heads_forward,
    split_heads_backward,
    split_heads_forward,
)
from acg_numpy.shapes import Array

HEADS = 3


def _draw_rows(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw sequences of rows, to be cut into three heads."""
    B, L, d = rng.permutation((5, 7, 8)) if distinct else sizes(rng, distinct, 3)
    return (rng.normal(size=(B, L, HEADS * d)),)


def _draw_heads(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw sequences of rows, cut into heads."""
    return (rng.normal(size=sizes(rng, distinct, 4)),)


SPLIT = Operation("split_heads", partial(split_heads_forward, num_heads=HEADS), split_heads_backward, _draw_rows)
MERGE = Operation("merge_heads", merge_heads_forward, merge_heads_backward, _draw_heads)


@SPLIT.mistake(
    "merged by reshape alone",
    "reshaped-not-transposed",
    "A reshape alone runs without an error and gives the right shape, but it mixes the rows.",
)
def _split_merged_by_reshape(grad_out: Array, cache: SplitHeadsCache) -> Grads:
    B, H, L, d = grad_out.shape
    return (np.reshape(grad_out, (B, L, H * d)),)


@SPLIT.mistake(
    "features before heads",
    "transposed",
    "The heads are moved to the last axis, because they are merged into it. There the head varies fastest, and "
    "features mix.",
)
def _split_features_before_heads(grad_out: Array, cache: SplitHeadsCache) -> Grads:
    B, H, L, d = grad_out.shape
    return (np.reshape(np.moveaxis(grad_out, 1, -1), (B, L, d * H)),)


@SPLIT.mistake(
    "exchanged, not merged",
    "wrong-shape",
    "The axes are exchanged, but the reshape that follows is left out.",
)
def _split_not_merged(grad_out: Array, cache: SplitHeadsCache) -> Grads:
    return (np.swapaxes(grad_out, 1, 2).copy(),)


@SPLIT.mistake(
    "a new array for each head",
    "last-only",
    "A loop over the heads fills in the features of one head at a time, but makes the array of zeros anew for each.",
)
def _split_last_head(grad_out: Array, cache: SplitHeadsCache) -> Grads:
    B, H, L, d = grad_out.shape
    for h in range(H):
        dx = np.zeros((B, L, H * d))
        dx[..., h * d : (h + 1) * d] = grad_out[:, h]
    return (dx,)


@MERGE.mistake(
    "split by reshape alone",
    "reshaped-not-transposed",
    "A reshape from (L, H d) to (H, L, d) runs and has the right shape, but a head has to get its features of "
    "every row.",
)
def _merge_split_by_reshape(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.reshape(grad_out, (B, H, L, D // H)),)


@MERGE.mistake(
    "the exchange forgotten",
    "transposed",
    "The features are cut into heads and returned as (L, H, d). The exchange of axes to (H, L, d) is left out.",
)
def _merge_not_exchanged(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.reshape(grad_out, (B, L, H, D // H)),)


@MERGE.mistake(
    "divided by the number of heads",
    "mean-for-sum",
    "When weights are shown, heads are averaged, so the gradient is divided by their number. But merging "
    "concatenates them.",
)
def _merge_averaged(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.swapaxes(np.reshape(grad_out, (B, L, H, D // H)), 1, 2) / H,)


@MERGE.mistake(
    "a new array for each head",
    "last-only",
    "A loop over the heads takes out the features of one head at a time, but makes the array of zeros anew for each.",
)
def _merge_last_head(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H, d = cache.num_heads, D // cache.num_heads
    for h in range(H):
        dx = np.zeros((B, H, L, d))
        dx[:, h] = grad_out[..., h * d : (h + 1) * d]
    return (dx,)


@MERGE.mistake(
    "features before heads",
    "transposed",
    "The features are cut into (d, H) in place of (H, d), so each head gets every H-th feature.",
)
def _merge_features_before_heads(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    by_row = np.reshape(grad_out, (B, L, D // H, H))
    return (np.moveaxis(by_row, -1, 1),)
