"""Backwards that misbehave: write into what they are given, keep what they should not, draw anew, ignore grad_out.

Many of these are right at the first call.  Where the fault sits in the forward, no backward could be right, so the
backward of the entry is the right one.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from acg_numpy.checks.mistakes import dropout, embedding, heads, layer_norm, linear, losses, similarity, softmax
from acg_numpy.checks.mistakes.operations import Grads, Mistake
from acg_numpy.checks.random_inputs import dropout_factors
from acg_numpy.passes.dropout import DropoutCache, dropout_backward, dropout_forward
from acg_numpy.passes.embedding import EmbeddingCache
from acg_numpy.passes.heads import MergeHeadsCache
from acg_numpy.passes.layer_norm import LayerNormCache
from acg_numpy.passes.linear import LinearCache
from acg_numpy.passes.losses import CrossEntropyCache, MseCache
from acg_numpy.passes.similarity import DiversityCache
from acg_numpy.passes.softmax import LogSoftmaxCache, SoftmaxCache, softmax_backward
from acg_numpy.shapes import Array

OPERATIONS = tuple(
    replace(operation, mistakes=[])
    for operation in (
        embedding.EMBEDDING,
        linear.ROWS,
        softmax.SOFTMAX,
        dropout.DROPOUT,
        layer_norm.LAYER_NORM,
        losses.MSE,
        losses.CROSS_ENTROPY,
        similarity.DIVERSITY,
        softmax.LOG_SOFTMAX,
        heads.MERGE,
    )
)
EMBEDDING, LINEAR, SOFTMAX, DROPOUT, LAYER_NORM, MSE, CROSS_ENTROPY, DIVERSITY, LOG_SOFTMAX, MERGE = OPERATIONS


@SOFTMAX.mistake(
    "the gradient overwritten",
    "mutated-input",
    "The backward works in place to save an array, and overwrites the caller's gradient, which may be used again.",
)
def _softmax_in_place(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    dP -= np.sum(P * dP, axis=-1, keepdims=True)
    return (P * dP,)


@SOFTMAX.mistake(
    "the probabilities overwritten",
    "mutated-cache",
    "The backward reuses the memory of the probabilities, because it needs them no longer. A second call reads "
    "wrong values.",
)
def _softmax_cache_in_place(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    centred = dP - np.sum(P * dP, axis=-1, keepdims=True)
    P *= centred
    return (P,)


@SOFTMAX.mistake(
    "grad_out left out",
    "ignored-upstream",
    "The derivative of softmax is returned, without the product with grad_out.",
)
def _softmax_without_upstream(grad_out: Array, cache: SoftmaxCache) -> Grads:
    P = cache.P
    return (P * (1 - P),)


@DROPOUT.mistake(
    "the gradient masked in place",
    "mutated-input",
    "Dropout only multiplies, so the backward does it in place. Any other use of the caller's gradient is then "
    "masked, too.",
)
def _dropout_in_place(grad_out: Array, cache: DropoutCache) -> Grads:
    dM = grad_out * cache.x
    grad_out *= cache.dropout_mask
    return grad_out, dM


@DROPOUT.mistake(
    "a new mask",
    "random-backward",
    "The mask is drawn where it is used, so the forward and the backward drop different elements.",
)
def _dropout_drawn_again(grad_out: Array, cache: DropoutCache) -> Grads:
    M = dropout_factors(np.random.default_rng(), *grad_out.shape)
    return grad_out * M, grad_out * cache.x


@LAYER_NORM.mistake(
    "the normalised rows overwritten",
    "mutated-cache",
    "`n *= ...` computes a step of the formula and changes the array in the cache, which a second call reads.",
)
def _layer_norm_cache_in_place(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dw, db, dn = np.sum(dy * n, axis=0), np.sum(dy, axis=0), dy * w
    along = n
    along *= np.mean(dn * n, axis=-1, keepdims=True)
    return r * (dn - np.mean(dn, axis=-1, keepdims=True) - along), dw, db


@DIVERSITY.mistake(
    "the cosines overwritten",
    "mutated-cache",
    "dC is C times a number, so it is computed in the memory of C. A second call starts from the result of the first.",
)
def _diversity_cache_in_place(grad_out: Array, cache: DiversityCache) -> Grads:
    U, length, dC = cache
    dC *= 2 * grad_out / (U[..., 0].size * (U.shape[-2] - 1))
    return (similarity.row_gradient(2 * (dC @ U), U, length),)


@LINEAR.mistake(
    "gradients clipped",
    "nonlinear-in-grad",
    "Gradients are clipped in the layer. Clipping belongs to the optimiser, which sees all gradients.",
)
def _linear_clipped(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return np.clip(dy @ W.T, -1, 1), np.clip(x.T @ dy, -1, 1), np.clip(np.sum(dy, axis=0), -1, 1)


@LAYER_NORM.mistake(
    "the gradient brought to length one",
    "nonlinear-in-grad",
    "The forward normalises rows, so the backward normalises their gradients. But it has to multiply by the "
    "derivative.",
)
def _layer_norm_normalised_gradient(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dx = layer_norm.row_gradients(dy * w, n, r)
    dx = dx / np.sqrt(np.sum(dx * dx, axis=-1, keepdims=True))
    return dx, *layer_norm.parameter_gradients(dy, n)


@MSE.mistake(
    "grad_out left out",
    "ignored-upstream",
    "The loss is the last function, so its gradient is taken to be 1. This is wrong once it is weighted or added "
    "to another.",
)
def _mse_without_upstream(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference / cache.difference.size
    return dp, -dp


@CROSS_ENTROPY.mistake(
    "grad_out left out",
    "ignored-upstream",
    "(P - t) / N is the gradient for dL = 1. The product with dL is left out.",
)
def _cross_entropy_without_upstream(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (np.exp(log_P) - t) / N, -log_P / N


class WeightGradients:
    """Buffers for the gradients of a layer's weights that are never set to zero."""

    def __init__(self) -> None:
        self.sums: dict[tuple[int, ...], Array] = {}

    def add(self, gradient: Array) -> Array:
        """Add to what is there of this shape, and return the sum so far."""
        self.sums[gradient.shape] = self.sums.get(gradient.shape, 0.0) + gradient
        return self.sums[gradient.shape]


LINEAR_WEIGHTS, TABLES = WeightGradients(), WeightGradients()


@LINEAR.mistake(
    "added to the gradient of the call before",
    "carries-over",
    "The layer adds to `self.dW`, and nothing sets it to zero between two calls.",
)
def _linear_carrying_over(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, LINEAR_WEIGHTS.add(x.T @ dy), np.sum(dy, axis=0)


@EMBEDDING.mistake(
    "added to the gradient of the call before",
    "carries-over",
    "A table's gradient is large and mostly zero, so its memory is kept for the next call, with the old values in it.",
)
def _embedding_carrying_over(grad_out: Array, cache: EmbeddingCache) -> Grads:
    dE = np.zeros((cache.num_rows, grad_out.shape[-1]))
    np.add.at(dE, cache.ids, grad_out)
    return (TABLES.add(dE),)


@LINEAR.mistake(
    "as if the outputs were added up",
    "ignored-upstream",
    "The backward was derived and tested for the sum of the outputs, whose gradient is 1 everywhere.",
)
def _linear_of_ones(grad_out: Array, cache: LinearCache) -> Grads:
    x, W, _ = cache
    dy = np.ones((len(x), W.shape[-1]))
    return dy @ W.T, x.T @ dy, np.sum(dy, axis=0)


@LINEAR.mistake(
    "with a little noise",
    "random-backward",
    "Noise in gradients can help training. Here it is added in the layer, so two calls return different gradients.",
)
def _linear_noisy(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    dW = x.T @ dy
    return dy @ W.T, dW + np.random.default_rng().normal(0, 0.1, size=dW.shape), np.sum(dy, axis=0)


@LINEAR.mistake(
    "x scaled in the cache",
    "mutated-cache",
    "To make dW smaller, `x *= ...` is written before the product. It changes x in the cache, for this and all "
    "later calls.",
)
def _linear_cache_scaled(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    dx, db = dy @ W.T, np.sum(dy, axis=0)
    x *= 1 / len(x)
    return dx, x.T @ dy * len(x), db


@LOG_SOFTMAX.mistake(
    "P taken off once, as for a single target",
    "nonlinear-in-grad",
    "One-hot minus P is copied from the log-likelihood, where grad_out sums to one. In general P is multiplied "
    "by that sum.",
)
def _log_softmax_of_one_target(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    return (grad_out - np.exp(cache.L),)


@MERGE.mistake(
    "ones for every place",
    "ignored-upstream",
    "Merging only moves numbers, so ones are returned. The gradient is grad_out with its numbers moved back.",
)
def _merge_of_ones(grad_out: Array, cache: MergeHeadsCache) -> Grads:
    B, L, D = grad_out.shape
    H = cache.num_heads
    return (np.ones((B, H, L, D // H)),)


MOMENTUM: dict[tuple[int, ...], Array] = {}


@LAYER_NORM.mistake(
    "momentum in the layer",
    "carries-over",
    "The layer once updated its own weights with momentum. The update is now in the optimiser, and the momentum "
    "is still here.",
)
def _layer_norm_with_momentum(grad_out: Array, cache: LayerNormCache) -> Grads:
    dy, (n, r, w, _) = grad_out, cache
    dw, db = layer_norm.parameter_gradients(dy, n)
    MOMENTUM[dw.shape] = 0.9 * MOMENTUM.get(dw.shape, 0.0) + dw
    return layer_norm.row_gradients(dy * w, n, r), MOMENTUM[dw.shape], db


def _dropout_drawing(x: Array, dropout_mask: Array) -> tuple[Array, DropoutCache]:
    """Drop with a mask drawn here, of the shape of the one that is given."""
    return dropout_forward(x, dropout_factors(np.random.default_rng(), *dropout_mask.shape))


def _softmax_shifting(scores: Array) -> tuple[Array, SoftmaxCache]:
    """Subtract the maximum from the scores in place, and return their softmax."""
    scores -= np.max(scores, axis=-1, keepdims=True)
    E = np.exp(scores)
    P = E / np.sum(E, axis=-1, keepdims=True)
    return P, SoftmaxCache(P)


def _forward_mistake(name: str, expected: str, story: str, forward: Any, right: Any, draw: Any) -> Mistake:
    """Return an entry whose forward is the wrong one of the two."""
    return Mistake(name, name.partition(":")[0], expected, story, forward, right, right, draw)


MISTAKES = (
    _forward_mistake(
        "dropout: a mask drawn in the forward",
        "random-forward",
        "A dropout layer often draws its own mask. Then two calls return different outputs, and numeric derivatives "
        "are noise.",
        _dropout_drawing,
        dropout_backward,
        dropout.draw_dropout,
    ),
    _forward_mistake(
        "softmax: the maximum taken off the caller's scores",
        "mutated-input",
        "The maximum is subtracted to avoid overflow, but with `-=`, which changes the caller's scores.",
        _softmax_shifting,
        softmax_backward,
        softmax.draw_scores,
    ),
)
