"""Cosine and diversity: a row's length is in its direction, and pairs are counted in several ways."""

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


def draw_cosine(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Pairs of rows."""
    shape = sizes(rng, distinct, 2)
    return rng.normal(size=shape), rng.normal(size=shape)


def draw_diversity(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Sets of rows, n of which neither the batch nor the width is n - 1."""
    shape = rng.permutation((3, 5, 8)) if distinct else sizes(rng, distinct, 3)
    return (rng.normal(size=shape),)


COSINE = Operation("cosine", cosine_forward, cosine_backward, draw_cosine)
DIVERSITY = Operation("diversity", diversity_forward, diversity_backward, draw_diversity)


def across(dx_hat: Array, x_hat: Array, length: Array) -> Array:
    """From the gradient of a direction to that of the row, right: what of it lies across the row."""
    dx: Array = (dx_hat - x_hat * np.sum(x_hat * dx_hat, axis=-1, keepdims=True)) / length
    return dx


@COSINE.mistake("the lengths held fixed", "held-constant")
def cosine_lengths_fixed(grad_out: Array, cache: CosineCache) -> Grads:
    """A dot product over two lengths is differentiated as a dot product, for lengths look like constants."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    return -b_hat * (grad_out / N) / a_length, -a_hat * (grad_out / N) / b_length


@COSINE.mistake("the part along the row added", "wrong-sign")
def cosine_part_added(grad_out: Array, cache: CosineCache) -> Grads:
    """The minus of the quotient rule is lost."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    da_hat, db_hat = -b_hat * (grad_out / N), -a_hat * (grad_out / N)
    da = (da_hat + a_hat * np.sum(a_hat * da_hat, axis=-1, keepdims=True)) / a_length
    db = (db_hat + b_hat * np.sum(b_hat * db_hat, axis=-1, keepdims=True)) / b_length
    return da, db


@COSINE.mistake("the cosine for one minus it", "wrong-sign")
def cosine_of_similarity(grad_out: Array, cache: CosineCache) -> Grads:
    """The gradient of the similarity is worked out, and the loss is its opposite."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    return across(b_hat * (grad_out / N), a_hat, a_length), across(a_hat * (grad_out / N), b_hat, b_length)


@COSINE.mistake("not divided by the number of pairs", "mean-for-sum")
def cosine_not_divided(grad_out: Array, cache: CosineCache) -> Grads:
    """One pair is differentiated, and the mean over pairs forgotten."""
    a_hat, a_length, b_hat, b_length = cache
    return across(-b_hat * grad_out, a_hat, a_length), across(-a_hat * grad_out, b_hat, b_length)


@COSINE.mistake("divided by the number of elements", "mean-for-sum")
def cosine_divided_by_all(grad_out: Array, cache: CosineCache) -> Grads:
    """`a.size` is as quickly written as `len(a)`."""
    a_hat, a_length, b_hat, b_length = cache
    N = a_hat.size
    return across(-b_hat * (grad_out / N), a_hat, a_length), across(-a_hat * (grad_out / N), b_hat, b_length)


@COSINE.mistake("the part along the columns", "wrong-axis")
def cosine_other_axis(grad_out: Array, cache: CosineCache) -> Grads:
    """The dot product of rows is summed over the batch, where one pair should know nothing of another."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    da_hat, db_hat = -b_hat * (grad_out / N), -a_hat * (grad_out / N)
    da = (da_hat - a_hat * np.sum(a_hat * da_hat, axis=0, keepdims=True)) / a_length
    db = (db_hat - b_hat * np.sum(b_hat * db_hat, axis=0, keepdims=True)) / b_length
    return da, db


@COSINE.mistake("each divided by the other's length", "stale-value")
def cosine_other_length(grad_out: Array, cache: CosineCache) -> Grads:
    """da is made of b's direction, and so it is divided by b's length."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    return across(-b_hat * (grad_out / N), a_hat, b_length), across(-a_hat * (grad_out / N), b_hat, a_length)


@COSINE.mistake("the two rows exchanged", "swapped-inputs")
def cosine_swapped(grad_out: Array, cache: CosineCache) -> Grads:
    """The formula with b in it is taken for the gradient of b."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    db = across(-b_hat * (grad_out / N), a_hat, a_length)
    da = across(-a_hat * (grad_out / N), b_hat, b_length)
    return da, db


@COSINE.mistake("no gradient for b", "zero-gradient")
def cosine_b_is_target(grad_out: Array, cache: CosineCache) -> Grads:
    """b is what a should become, so it is left in peace, as some do on purpose and then say so in the forward."""
    a_hat, a_length, b_hat, _ = cache
    N = len(a_hat)
    return across(-b_hat * (grad_out / N), a_hat, a_length), np.zeros_like(b_hat)


def of_cosines(dL: Array, cache: DiversityCache) -> Array:
    """dC, right."""
    sets, n = math.prod(cache.U.shape[:-2]), cache.U.shape[-2]
    dC: Array = 2 * cache.C * (dL / (sets * n * (n - 1)))
    return dC


@DIVERSITY.mistake("each pair counted once", "constant-factor")
def diversity_rows_only(grad_out: Array, cache: DiversityCache) -> Grads:
    """A row stands in C as a row and as a column, and only the first is carried back: half of the gradient."""
    U, length, _ = cache
    return (across(of_cosines(grad_out, cache) @ U, U, length),)


@DIVERSITY.mistake("the lengths held fixed", "held-constant")
def diversity_lengths_fixed(grad_out: Array, cache: DiversityCache) -> Grads:
    """Rows are normalised before anything interesting happens, and the normalising is not carried back."""
    U, length, _ = cache
    return (2 * (of_cosines(grad_out, cache) @ U) / length,)


@DIVERSITY.mistake("divided by all pairs of a set alone", "mean-for-sum")
def diversity_sets_added(grad_out: Array, cache: DiversityCache) -> Grads:
    """Written for one set, where n (n - 1) is all there is to divide by, and then given several."""
    U, length, C = cache
    n = U.shape[-2]
    dC = 2 * C * (grad_out / (n * (n - 1)))
    return (across(2 * (dC @ U), U, length),)


@DIVERSITY.mistake("pairs of a row with itself counted", "constant-factor")
def diversity_all_pairs(grad_out: Array, cache: DiversityCache) -> Grads:
    """n^2 entries in C, so the mean is taken over n^2, though the n on the diagonal were left out."""
    U, length, C = cache
    dC = 2 * C * (grad_out / C.size)
    return (across(2 * (dC @ U), U, length),)


@DIVERSITY.mistake("made larger", "wrong-sign")
def diversity_negated(grad_out: Array, cache: DiversityCache) -> Grads:
    """Diversity is what one wants more of, so its gradient is turned round; the loss is small where it is large."""
    U, length, _ = cache
    return (-across(2 * (of_cosines(grad_out, cache) @ U), U, length),)


@DIVERSITY.mistake("the part along the columns", "wrong-axis")
def diversity_other_axis(grad_out: Array, cache: DiversityCache) -> Grads:
    """The part along each row is summed over the rows of the set, not over the row's features."""
    U, length, _ = cache
    dU = 2 * (of_cosines(grad_out, cache) @ U)
    return ((dU - U * np.sum(U * dU, axis=-2, keepdims=True)) / length,)


@DIVERSITY.mistake("the part along the row added", "wrong-sign")
def diversity_part_added(grad_out: Array, cache: DiversityCache) -> Grads:
    """The minus of the quotient rule is lost."""
    U, length, _ = cache
    dU = 2 * (of_cosines(grad_out, cache) @ U)
    return ((dU + U * np.sum(U * dU, axis=-1, keepdims=True)) / length,)


@COSINE.mistake("the dot product averaged", "mean-for-sum")
def cosine_dot_averaged(grad_out: Array, cache: CosineCache) -> Grads:
    """A dot product is written as a mean of products, since a mean has stood everywhere else."""
    a_hat, a_length, b_hat, b_length = cache
    N = len(a_hat)
    da_hat, db_hat = -b_hat * (grad_out / N), -a_hat * (grad_out / N)
    da = (da_hat - a_hat * np.mean(a_hat * da_hat, axis=-1, keepdims=True)) / a_length
    db = (db_hat - b_hat * np.mean(b_hat * db_hat, axis=-1, keepdims=True)) / b_length
    return da, db


@COSINE.mistake("a's gradient alone", "wrong-count")
def cosine_a_alone(grad_out: Array, cache: CosineCache) -> Grads:
    """The loss is symmetric, so one formula is enough, and one gradient is what it gives."""
    a_hat, a_length, b_hat, _ = cache
    return (across(-b_hat * (grad_out / len(a_hat)), a_hat, a_length),)


@DIVERSITY.mistake("the part along the row itself, not its direction", "stale-value")
def diversity_rows_for_directions(grad_out: Array, cache: DiversityCache) -> Grads:
    """X and U have one shape, and the projection wants a vector of length one."""
    U, length, _ = cache
    X, dU = U * length, 2 * (of_cosines(grad_out, cache) @ U)
    return ((dU - X * np.sum(X * dU, axis=-1, keepdims=True)) / length,)


@DIVERSITY.mistake("each row pushed by the last one alone", "last-only")
def diversity_last_row(grad_out: Array, cache: DiversityCache) -> Grads:
    """In the loop over the other rows stands = and not +=."""
    U, length, _ = cache
    dC = of_cosines(grad_out, cache)
    for j in range(U.shape[-2]):
        dU = 2 * dC[..., j : j + 1] * U[..., j : j + 1, :]
    return (across(dU, U, length),)


@DIVERSITY.mistake("the mean forgotten", "mean-for-sum")
def diversity_not_divided(grad_out: Array, cache: DiversityCache) -> Grads:
    """A penalty is a sum of squares, one remembers, and this one is a mean."""
    U, length, C = cache
    return (across(4 * (C * grad_out) @ U, U, length),)
