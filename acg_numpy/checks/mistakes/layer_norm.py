"""Layer norm: the mean and the variance also depend on x."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.passes.layer_norm import LayerNormCache, layer_norm_backward, layer_norm_forward
from acg_numpy.shapes import Array


def _draw_layer_norm(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw rows of features, with a weight and a bias that are neither 1 nor 0."""
    B, D = sizes(rng, distinct, 2)
    return rng.normal(size=(B, D)), rng.uniform(0.5, 2.0, size=D), rng.normal(size=D)


LAYER_NORM = Operation("layer_norm", layer_norm_forward, layer_norm_backward, _draw_layer_norm)


def parameter_gradients(dy: Array, n: Array) -> tuple[Array, Array]:
    """Return dw and db, right."""
    return np.sum(dy * n, axis=0), np.sum(dy, axis=0)


def row_gradients(dn: Array, n: Array, r: Array) -> Array:
    """Return dx, right."""
    dx: Array = r * (dn - np.mean(dn, axis=-1, keepdims=True) - n * np.mean(dn * n, axis=-1, keepdims=True))
    return dx


@LAYER_NORM.mistake(
    "mean and variance held fixed",
    "held-constant",
    "n = (x - mu) r is differentiated as if mu and r were constants, as in the evaluation mode of a batch norm.",
)
def _layer_norm_statistics_fixed(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    return dy * w * r, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "the mean held fixed",
    "held-constant",
    "The variance is differentiated, but the mean is treated as a constant.",
)
def _layer_norm_mean_fixed(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - n * np.mean(dn * n, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "the variance held fixed",
    "held-constant",
    "The mean of the gradient is subtracted, but not its part along n.",
)
def _layer_norm_variance_fixed(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - np.mean(dn, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "the part along n added",
    "wrong-sign",
    "The minus sign of the derivative of 1 / sqrt(v) is left out.",
)
def _layer_norm_part_added(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - np.mean(dn, axis=-1, keepdims=True) + n * np.mean(dn * n, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "the mean of the gradient added",
    "wrong-sign",
    "The forward subtracts the mean, so the backward adds it.",
)
def _layer_norm_mean_added(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn + np.mean(dn, axis=-1, keepdims=True) - n * np.mean(dn * n, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "a sum for the mean along n",
    "mean-for-sum",
    "The projection n <n, dn> is right for a unit vector. The length of n is sqrt(D), so the sum has to be a mean.",
)
def _layer_norm_sum_along_n(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - np.mean(dn, axis=-1, keepdims=True) - n * np.sum(dn * n, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "means over the batch",
    "wrong-axis",
    "The backward is copied from a batch norm, which normalises over the other axis.",
)
def _layer_norm_over_batch(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - np.mean(dn, axis=0) - n * np.mean(dn * n, axis=0))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "the output for the normalised rows",
    "stale-value",
    "dw is computed from the output y in place of the normalised rows n, which have the same shape.",
)
def _layer_norm_output_for_rows(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, b) = grad_out, cache
    y = n * w + b
    return row_gradients(dy * w, n, r), np.sum(dy * y, axis=0), np.sum(dy, axis=0)


@LAYER_NORM.mistake(
    "weight and bias averaged over the batch",
    "mean-for-sum",
    "The other reductions of a layer norm are means, so np.mean is written here, too. These two are sums.",
)
def _layer_norm_parameters_averaged(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    return row_gradients(dy * w, n, r), np.mean(dy * n, axis=0), np.mean(dy, axis=0)


@LAYER_NORM.mistake(
    "one weight gradient a row",
    "missing-broadcast-sum",
    "y = n w + b, so dw = dy n is returned. But all rows share w, so it has to be summed over the rows.",
)
def _layer_norm_weight_not_summed(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    return row_gradients(dy * w, n, r), dy * n, np.sum(dy, axis=0)


@LAYER_NORM.mistake(
    "the bias summed over the features",
    "wrong-axis",
    "The sum runs over the features, like the other sums of a layer norm, and not over the rows.",
)
def _layer_norm_bias_other_axis(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    return row_gradients(dy * w, n, r), np.sum(dy * n, axis=0), np.sum(dy, axis=-1)


@LAYER_NORM.mistake(
    "the weight's gradient of the last row",
    "last-only",
    "In a loop over the rows, db is added up, and dw is assigned.",
)
def _layer_norm_weight_of_last(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    db = np.zeros_like(w)
    for row, normalised in zip(dy, n, strict=True):
        dw = row * normalised
        db += row
    return row_gradients(dy * w, n, r), dw, db


@LAYER_NORM.mistake(
    "weight and bias exchanged",
    "swapped-inputs",
    "The gradients are returned in the order (bias, weight), but the forward takes the weight first.",
)
def _layer_norm_swapped(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dw, db = parameter_gradients(dy, n)
    return row_gradients(dy * w, n, r), db, dw


@LAYER_NORM.mistake(
    "the part along n twice",
    "constant-factor",
    "The derivative of the square has a factor 2 and that of the root a factor 1/2, which cancel. Only the 2 is "
    "written.",
)
def _layer_norm_part_twice(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - np.mean(dn, axis=-1, keepdims=True) - 2 * n * np.mean(dn * n, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)


@LAYER_NORM.mistake(
    "sums for both means",
    "mean-for-sum",
    "Mean and variance are divided by D in the forward. In the backward this division is left out of both.",
)
def _layer_norm_sums(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dn = dy * w
    dx = r * (dn - np.sum(dn, axis=-1, keepdims=True) - n * np.sum(dn * n, axis=-1, keepdims=True))
    return dx, *parameter_gradients(dy, n)
