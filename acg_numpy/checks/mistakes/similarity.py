"""Cosine and diversity: the length of a row depends on the row, and pairs may be counted in several ways."""

import math
from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.passes.similarity import (
    CosineCache,
    DiversityCache,
    cosine_backward,
    cosine_forward,
    diversity_backward,
    diversity_forward,
)
from acg_numpy.shapes import Array


def _draw_cosine(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw pairs of rows."""
    shape = sizes(rng, distinct, 2)
    return rng.normal(size=shape), rng.normal(size=shape)


def _draw_diversity(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw sets of rows, n of which neither the batch nor the width is n - 1."""
    shape = rng.permutation((3, 5, 8)) if distinct else sizes(rng, distinct, 3)
    return (rng.normal(size=shape),)


COSINE = Operation("cosine", cosine_forward, cosine_backward, _draw_cosine)
DIVERSITY = Operation("diversity", diversity_forward, diversity_backward, _draw_diversity)


def row_gradient(dx_hat: Array, x_hat: Array, length: Array) -> Array:
    """Return the gradient of a row for that of its direction, right: the part that lies across the row."""
    dx: Array = (dx_hat - x_hat * np.sum(x_hat * dx_hat, axis=-1, keepdims=True)) / length
    return dx


@COSINE.mistake(
    "the lengths held fixed",
    "held-constant",
    "The lengths in the denominator are treated as constants, but they depend on the rows.",
)
def _cosine_lengths_fixed(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    return -b_hat * (grad_out / N) / a_length, -a_hat * (grad_out / N) / b_length


@COSINE.mistake(
    "the part along the row added",
    "wrong-sign",
    "The minus sign of the quotient rule is left out.",
)
def _cosine_part_added(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    da_hat, db_hat = -b_hat * (grad_out / N), -a_hat * (grad_out / N)
    da = (da_hat + a_hat * np.sum(a_hat * da_hat, axis=-1, keepdims=True)) / a_length
    db = (db_hat + b_hat * np.sum(b_hat * db_hat, axis=-1, keepdims=True)) / b_length
    return da, db


@COSINE.mistake(
    "the cosine for one minus it",
    "wrong-sign",
    "The gradient is that of the similarity, but the loss is one minus the similarity.",
)
def _cosine_of_similarity(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    return row_gradient(b_hat * (grad_out / N), a_hat, a_length), row_gradient(a_hat * (grad_out / N), b_hat, b_length)


@COSINE.mistake(
    "not divided by the number of pairs",
    "mean-for-sum",
    "One pair is differentiated, and the mean over the pairs is left out.",
)
def _cosine_not_divided(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    return row_gradient(-b_hat * grad_out, a_hat, a_length), row_gradient(-a_hat * grad_out, b_hat, b_length)


@COSINE.mistake(
    "divided by the number of elements",
    "mean-for-sum",
    "`a.size`, the number of elements, is written in place of `len(a)`, the number of pairs.",
)
def _cosine_divided_by_all(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = a_hat.size
    return row_gradient(-b_hat * (grad_out / N), a_hat, a_length), row_gradient(
        -a_hat * (grad_out / N), b_hat, b_length
    )


@COSINE.mistake(
    "the part along the columns",
    "wrong-axis",
    "The dot product of each pair is summed over the batch, so pairs affect each other's gradients.",
)
def _cosine_other_axis(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    da_hat, db_hat = -b_hat * (grad_out / N), -a_hat * (grad_out / N)
    da = (da_hat - a_hat * np.sum(a_hat * da_hat, axis=0, keepdims=True)) / a_length
    db = (db_hat - b_hat * np.sum(b_hat * db_hat, axis=0, keepdims=True)) / b_length
    return da, db


@COSINE.mistake(
    "each divided by the other's length",
    "stale-value",
    "da contains b's direction, so it is divided by b's length. It has to be divided by a's length.",
)
def _cosine_other_length(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    return row_gradient(-b_hat * (grad_out / N), a_hat, b_length), row_gradient(
        -a_hat * (grad_out / N), b_hat, a_length
    )


@COSINE.mistake(
    "the two rows exchanged",
    "swapped-inputs",
    "The formula that contains b is used as the gradient of b. It is the gradient of a.",
)
def _cosine_swapped(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    db = row_gradient(-b_hat * (grad_out / N), a_hat, a_length)
    da = row_gradient(-a_hat * (grad_out / N), b_hat, b_length)
    return da, db


@COSINE.mistake(
    "no gradient for b",
    "zero-gradient",
    "b is taken for a constant target and gets no gradient. If that is intended, the forward has to detach it.",
)
def _cosine_b_is_target(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, _ = cache
    N = len(a_hat)
    return row_gradient(-b_hat * (grad_out / N), a_hat, a_length), np.zeros_like(b_hat)


def _cosine_gradients(dL: Array, cache: DiversityCache) -> Array:
    """Return dC, right."""
    sets, n = math.prod(cache.U.shape[:-2]), cache.U.shape[-2]
    dC: Array = 2 * cache.C * (dL / (sets * n * (n - 1)))
    return dC


@DIVERSITY.mistake(
    "each pair counted once",
    "constant-factor",
    "Each row is in C as a row and as a column. Only its use as a row is counted, so the gradient is half of "
    "what it should be.",
)
def _diversity_rows_only(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    return (row_gradient(_cosine_gradients(grad_out, cache) @ U, U, length),)


@DIVERSITY.mistake(
    "the lengths held fixed",
    "held-constant",
    "The forward starts by normalising the rows. The backward leaves this step out.",
)
def _diversity_lengths_fixed(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    return (2 * (_cosine_gradients(grad_out, cache) @ U) / length,)


@DIVERSITY.mistake(
    "divided by all pairs of a set alone",
    "mean-for-sum",
    "The backward was written for one set and divides by n (n - 1). With several sets, it also has to divide by "
    "their number.",
)
def _diversity_sets_added(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, C = cache
    n = U.shape[-2]
    dC = 2 * C * (grad_out / (n * (n - 1)))
    return (row_gradient(2 * (dC @ U), U, length),)


@DIVERSITY.mistake(
    "pairs of a row with itself counted",
    "constant-factor",
    "C has n^2 entries, so the mean is taken over n^2. But the n entries on the diagonal are not counted.",
)
def _diversity_all_pairs(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, C = cache
    dC = 2 * C * (grad_out / C.size)
    return (row_gradient(2 * (dC @ U), U, length),)


@DIVERSITY.mistake(
    "minus the gradient",
    "wrong-sign",
    "More diversity is wanted, so the sign is changed. But the loss is already small where diversity is large.",
)
def _diversity_negated(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    return (-row_gradient(2 * (_cosine_gradients(grad_out, cache) @ U), U, length),)


@DIVERSITY.mistake(
    "the part along the columns",
    "wrong-axis",
    "The part along each row is summed over the rows of the set, not over the row's features.",
)
def _diversity_other_axis(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    dU = 2 * (_cosine_gradients(grad_out, cache) @ U)
    return ((dU - U * np.sum(U * dU, axis=-2, keepdims=True)) / length,)


@DIVERSITY.mistake(
    "the part along the row added",
    "wrong-sign",
    "The minus sign of the quotient rule is left out.",
)
def _diversity_part_added(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    dU = 2 * (_cosine_gradients(grad_out, cache) @ U)
    return ((dU + U * np.sum(U * dU, axis=-1, keepdims=True)) / length,)


@COSINE.mistake(
    "the dot product averaged",
    "mean-for-sum",
    "The dot product along a row is written as a mean, because the other sums of the function are means.",
)
def _cosine_dot_averaged(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    da_hat, db_hat = -b_hat * (grad_out / N), -a_hat * (grad_out / N)
    da = (da_hat - a_hat * np.mean(a_hat * da_hat, axis=-1, keepdims=True)) / a_length
    db = (db_hat - b_hat * np.mean(b_hat * db_hat, axis=-1, keepdims=True)) / b_length
    return da, db


@COSINE.mistake(
    "a's gradient alone",
    "wrong-count",
    "The loss is symmetric in its two rows, so only one gradient is computed.",
)
def _cosine_a_alone(grad_out: Array, cache: CosineCache) -> Grads:
    a_hat, a_length, b_hat, _ = cache
    return (row_gradient(-b_hat * (grad_out / len(a_hat)), a_hat, a_length),)


@DIVERSITY.mistake(
    "the part along the row itself, not its direction",
    "stale-value",
    "X and U have the same shape, and X is used for the projection, which needs rows of length one.",
)
def _diversity_rows_for_directions(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    X, dU = U * length, 2 * (_cosine_gradients(grad_out, cache) @ U)
    return ((dU - X * np.sum(X * dU, axis=-1, keepdims=True)) / length,)


@DIVERSITY.mistake(
    "each row pushed by the last one alone",
    "last-only",
    "A loop over the other rows assigns with `=` where it has to add with `+=`.",
)
def _diversity_last_row(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, _ = cache
    dC = _cosine_gradients(grad_out, cache)
    for j in range(U.shape[-2]):
        dU = 2 * dC[..., j : j + 1] * U[..., j : j + 1, :]
    return (row_gradient(dU, U, length),)


@DIVERSITY.mistake(
    "the mean forgotten",
    "mean-for-sum",
    "The penalty is taken for a sum of squares. It is a mean.",
)
def _diversity_not_divided(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, C = cache
    return (row_gradient(4 * (C * grad_out) @ U, U, length),)
