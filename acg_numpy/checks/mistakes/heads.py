"""Splitting and merging heads: numbers only move, and there are several wrong ways to move them back."""

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
    "The heads are moved to the end, since it is the end that they are merged into; but there they run fastest.",
)
def _split_features_before_heads(grad_out: Array, cache: SplitHeadsCache) -> Grads:
    B, H, L, d = grad_out.shape
    return (np.reshape(np.moveaxis(grad_out, 1, -1), (B, L, d * H)),)


@SPLIT.mistake(
    "exchanged, not merged",
    "wrong-shape",
    "The axes are exchanged, but the reshape after it is left out.",
)
def _split_not_merged(grad_out: Array, cache: SplitHeadsCache) -> Grads:
    return (np.swapaxes(grad_out, 1, 2).copy(),)


@SPLIT.mistake(
    "a new array for each head",
    "last-only",
    "Written as a loop over the heads that fills in their features, into zeros made anew each time.",
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
    "The last axis is H d, so it is cut into H and d, and H is put where it belongs by its name only.",
)
def _merge_split_by_reshape(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.reshape(grad_out, (B, H, L, D // H)),)


@MERGE.mistake(
    "the exchange forgotten",
    "transposed",
    "Cut into heads and returned as (L, H, d), one step short of (H, L, d).",
)
def _merge_not_exchanged(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.reshape(grad_out, (B, L, H, D // H)),)


@MERGE.mistake(
    "divided by the number of heads",
    "mean-for-sum",
    "Heads are averaged when their weights are shown, so here each gets its share; but merging sets them side by side.",
)
def _merge_averaged(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.swapaxes(np.reshape(grad_out, (B, L, H, D // H)), 1, 2) / H,)


@MERGE.mistake(
    "a new array for each head",
    "last-only",
    "Written as a loop over the heads that takes out their features, into zeros made anew each time.",
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
    "Cut into (d, H) where it should be (H, d): each head gets every H-th feature.",
)
def _merge_features_before_heads(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    by_row = np.reshape(grad_out, (B, L, D // H, H))
    return (np.moveaxis(by_row, -1, 1),)
