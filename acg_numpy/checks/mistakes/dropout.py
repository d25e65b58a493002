"""Dropout: one product, element by element, and a mask that has to be the same both ways."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import KEEP, dropout_factors
from acg_numpy.passes.dropout import DropoutCache, dropout_backward, dropout_forward
from acg_numpy.shapes import Array


def draw_dropout(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Rows, and a mask entry for each of their elements."""
    shape = sizes(rng, distinct, 2)
    return rng.normal(size=shape), dropout_factors(rng, *shape)


def draw_shared(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Rows that share a mask."""
    B, D = sizes(rng, distinct, 2)
    return rng.normal(size=(B, D)), dropout_factors(rng, D)


DROPOUT = Operation("dropout", dropout_forward, dropout_backward, draw_dropout)
SHARED = Operation("dropout", dropout_forward, dropout_backward, draw_shared)


@DROPOUT.mistake("the mask forgotten", "missing-mask")
def dropout_forgotten(grad_out: Array, cache: DropoutCache) -> Grads:
    """Dropout does nothing on average, so the gradient is let through as it is."""
    return grad_out.copy(), grad_out * cache.x


@DROPOUT.mistake("dropped but not scaled up", "constant-factor")
def dropout_not_scaled(grad_out: Array, cache: DropoutCache) -> Grads:
    """One remembers which elements were dropped, and forgets that the others were divided by the keep rate."""
    dy, (x, M) = grad_out, cache
    return np.where(M != 0, dy, 0.0), dy * x


@DROPOUT.mistake("scaled up once more", "constant-factor")
def dropout_scaled_twice(grad_out: Array, cache: DropoutCache) -> Grads:
    """The mask is taken for zeros and ones, and divided by the keep rate, which it has been already."""
    dy, (x, M) = grad_out, cache
    return dy * M / KEEP, dy * x


@DROPOUT.mistake("the output for the input", "stale-value")
def dropout_output_for_input(grad_out: Array, cache: DropoutCache) -> Grads:
    """An in-place dropout has left y where x was, and y is what the mask's gradient is made of."""
    dy, (x, M) = grad_out, cache
    y = x * M
    return dy * M, dy * y


@DROPOUT.mistake("x and mask exchanged", "swapped-inputs")
def dropout_swapped(grad_out: Array, cache: DropoutCache) -> Grads:
    """Each gets the gradient that is a product with itself."""
    dy, (x, M) = grad_out, cache
    return dy * x, dy * M


@DROPOUT.mistake("no gradient for the mask", "wrong-count")
def dropout_mask_left_out(grad_out: Array, cache: DropoutCache) -> Grads:
    """Nobody learns a mask; but it is a floating input, and there is one gradient an input."""
    return (grad_out * cache.dropout_mask,)


@SHARED.mistake("the shared mask's gradient not summed", "missing-broadcast-sum")
def dropout_shared_not_summed(grad_out: Array, cache: DropoutCache) -> Grads:
    """Written for a mask of x's own shape, and then one mask was used for all rows."""
    dy, (x, M) = grad_out, cache
    return dy * M, dy * x


@SHARED.mistake("the shared mask's gradient summed over the features", "wrong-axis")
def dropout_shared_other_axis(grad_out: Array, cache: DropoutCache) -> Grads:
    """The rows share it, so the rows are summed, says one, and sums each of them."""
    dy, (x, M) = grad_out, cache
    return dy * M, np.sum(dy * x, axis=-1)


@DROPOUT.mistake("zeros for the mask", "zero-gradient")
def dropout_mask_left_zero(grad_out: Array, cache: DropoutCache) -> Grads:
    """The mask is no parameter, so its place is filled with zeros, though the output does depend on it."""
    M = cache.dropout_mask
    return grad_out * M, np.zeros_like(M)


@SHARED.mistake("the shared mask's gradient of the first row", "missing-broadcast-sum")
def dropout_shared_first(grad_out: Array, cache: DropoutCache) -> Grads:
    """The shape is one axis too many, and [0] makes it fit."""
    dy, (x, M) = grad_out, cache
    return dy * M, (dy * x)[0]
