"""Dropout: one product, element by element, and a mask that has to be the same both ways."""

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
    "The mask is taken for zeros and ones, and divided by the keep rate, which it has been already.",
)
def _dropout_scaled_twice(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M / KEEP, dy * x


@DROPOUT.mistake(
    "the output for the input",
    "stale-value",
    "Dropout in place has overwritten x with y, and the mask's gradient is computed from y.",
)
def _dropout_output_for_input(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    y = x * M
    return dy * M, dy * y


@DROPOUT.mistake(
    "x and mask exchanged",
    "swapped-inputs",
    "Each input gets the product with itself in place of the product with the other.",
)
def _dropout_swapped(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * x, dy * M


@DROPOUT.mistake(
    "no gradient for the mask",
    "wrong-count",
    "A mask is not learned; but it is a floating input, and each input has a gradient.",
)
def _dropout_mask_left_out(grad_out: Array, cache: DropoutCache) -> Grads:
    return (grad_out * cache.dropout_mask,)


@SHARED.mistake(
    "the shared mask's gradient not summed",
    "missing-broadcast-sum",
    "Written for a mask of x's own shape, and then one mask was used for all rows.",
)
def _dropout_shared_not_summed(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M, dy * x


@SHARED.mistake(
    "the shared mask's gradient summed over the features",
    "wrong-axis",
    "The rows share the mask, so the rows are to be summed; but the sum is taken within each row.",
)
def _dropout_shared_other_axis(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M, np.sum(dy * x, axis=-1)


@DROPOUT.mistake(
    "zeros for the mask",
    "zero-gradient",
    "The mask is no parameter, so its place is filled with zeros, though the output does depend on it.",
)
def _dropout_mask_left_zero(grad_out: Array, cache: DropoutCache) -> Grads:
    M = cache.dropout_mask
    return grad_out * M, np.zeros_like(M)


@SHARED.mistake(
    "the shared mask's gradient of the first row",
    "missing-broadcast-sum",
    "The shape is one axis too many, and [0] makes it fit.",
)
def _dropout_shared_first(grad_out: Array, cache: DropoutCache) -> Grads:
    dy, (x, M) = grad_out, cache
    return dy * M, (dy * x)[0]
