"""Dropout: an elementwise product with a mask, which has to be the same in forward and backward."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import KEEP, dropout_factors
from acg_numpy.passes.dropout import DropoutCache, dropout_backward, dropout_forward
from acg_numpy.shapes import Array


def draw_dropout(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw rows, and a mask entry for each of their elements."""
    shape = sizes(rng, distinct, 2)
    return rng.normal(size=shape), dropout_factors(rng, *shape)


def _draw_shared(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw rows that share a mask."""
    B, D = sizes(rng, distinct, 2)
    return rng.normal(size=(B, D)), dropout_factors(rng, D)


DROPOUT = Operation("dropout", dropout_forward, dropout_backward, draw_dropout)
SHARED = Operation("dropout", dropout_forward, dropout_backward, _draw_shared)


@DROPOUT.mistake(
    "the mask forgotten",
    "missing-mask",
    "Dropout changes nothing on average, so the gradient is passed on unchanged.",
)
def _dropout_forgotten(grad_out: Array, cache: DropoutCache) -> Grads:
    return grad_out.copy(), grad_out * cache.x


@DROPOUT.mistake(
    "dropped but not scaled up",
    "constant-factor",
    "Dropped elements are set to zero, but the others are not divided by the keep rate.",
)
def _dropout_not_scaled(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return np.where(M != 0, dy, 0.0), dy * x


@DROPOUT.mistake(
    "scaled up once more",
    "constant-factor",
    "The mask is taken for zeros and ones and divided by the keep rate. It has already been divided.",
)
def _dropout_scaled_twice(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M / KEEP, dy * x


@DROPOUT.mistake(
    "the output for the input",
    "stale-value",
    "An in-place dropout has overwritten x with y, and the gradient of the mask is computed from y.",
)
def _dropout_output_for_input(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    y = x * M
    return dy * M, dy * y


@DROPOUT.mistake(
    "x and mask exchanged",
    "swapped-inputs",
    "Each input gets the product of grad_out with itself in place of the product with the other input.",
)
def _dropout_swapped(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * x, dy * M


@DROPOUT.mistake(
    "no gradient for the mask",
    "wrong-count",
    "A mask is not learned, so its gradient is left out. But it is a floating-point input, and each of these has "
    "a gradient.",
)
def _dropout_mask_left_out(grad_out: Array, cache: DropoutCache) -> Grads:
    return (grad_out * cache.dropout_mask,)


@SHARED.mistake(
    "the shared mask's gradient not summed",
    "missing-broadcast-sum",
    "The backward was written for a mask of x's shape. Later one mask is used for all rows, and its gradient is "
    "not summed.",
)
def _dropout_shared_not_summed(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M, dy * x


@SHARED.mistake(
    "the shared mask's gradient summed over the features",
    "wrong-axis",
    "The rows share the mask, so its gradient is a sum over the rows. Here the sum is taken within each row.",
)
def _dropout_shared_other_axis(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M, np.sum(dy * x, axis=-1)


@DROPOUT.mistake(
    "zeros for the mask",
    "zero-gradient",
    "The mask is not a parameter, so its gradient is set to zeros. But the output depends on the mask.",
)
def _dropout_mask_left_zero(grad_out: Array, cache: DropoutCache) -> Grads:
    M = cache.dropout_mask
    return grad_out * M, np.zeros_like(M)


@SHARED.mistake(
    "the shared mask's gradient of the first row",
    "missing-broadcast-sum",
    "The gradient has one axis too many, and `[0]` makes the shape fit.",
)
def _dropout_shared_first(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M, (dy * x)[0]
