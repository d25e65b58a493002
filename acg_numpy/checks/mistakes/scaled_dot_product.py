"""One head of attention: scale, softmax, mask, dropout, and products that also run in other orders."""

import math
from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import dropout_factors, random_mask
from acg_numpy.passes.scaled_dot_product import (
    ScaledDotProductCache,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
)
from acg_numpy.passes.softmax import softmax_forward
from acg_numpy.shapes import Array


def _draw_attention(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw queries, keys and values with neither mask nor dropout."""
    L, S, d, d_v = sizes(rng, distinct, 4)
    return rng.normal(size=(L, d)), rng.normal(size=(S, d)), rng.normal(size=(S, d_v)), None, None


def _draw_masked(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw the same with a mask that leaves something out of every row."""
    query, key, value, *_ = _draw_attention(rng, distinct)
    return query, key, value, random_mask(rng, len(query), len(key)), None


def _draw_dropped(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw the same with dropout of the weights."""
    query, key, value, *_ = _draw_attention(rng, distinct)
    return query, key, value, None, dropout_factors(rng, len(query), len(key))


def _draw_shared(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw a batch of queries that share their keys and values."""
    B, L, S, d, d_v = sizes(rng, distinct, 5)
    return rng.normal(size=(B, L, d)), rng.normal(size=(S, d)), rng.normal(size=(S, d_v)), None, None


ATTENTION, MASKED, DROPPED, SHARED = (
    Operation("scaled_dot_product", scaled_dot_product_forward, scaled_dot_product_backward, draw)
    for draw in (_draw_attention, _draw_masked, _draw_dropped, _draw_shared)
)


def _product_gradients(grad_out: Array, cache: ScaledDotProductCache) -> tuple[Array, Array]:
    """Return the right dP and dV without dropout: two products."""
    return grad_out @ cache.value.T, np.swapaxes(cache.weights, -1, -2) @ grad_out


def _softmax_gradient(dP: Array, P: Array) -> Array:
    """Return softmax's backward, right."""
    dS: Array = P * (dP - np.sum(P * dP, axis=-1, keepdims=True))
    return dS


def _query_and_key_gradients(dS: Array, cache: ScaledDotProductCache) -> tuple[Array, Array]:
    """Return the last two products, with their scale, right."""
    Q, K = cache.query, cache.key
    scale = 1 / math.sqrt(Q.shape[-1])
    return dS @ K * scale, np.swapaxes(dS, -1, -2) @ Q * scale


@ATTENTION.mistake(
    "no scale in the backward",
    "missing-scale",
    "The scale is in the scores of the forward, and left out in the backward.",
)
def _attention_not_scaled(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    Q, K = cache.query, cache.key
    dP, dV = _product_gradients(grad_out, cache)
    dS = _softmax_gradient(dP, cache.weights)
    return dS @ K, dS.T @ Q, dV


@ATTENTION.mistake(
    "the query scaled, the key not",
    "missing-scale",
    "The scale is taken to belong to the query alone, so dQ is scaled and dK is not.",
)
def _attention_key_not_scaled(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    Q, K = cache.query, cache.key
    dP, dV = _product_gradients(grad_out, cache)
    dS = _softmax_gradient(dP, cache.weights)
    return dS @ K / math.sqrt(Q.shape[-1]), dS.T @ Q, dV


@ATTENTION.mistake(
    "scaled twice",
    "missing-scale",
    "The scale is multiplied into dS, and again into the products with Q and K.",
)
def _attention_scaled_twice(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    scale = 1 / math.sqrt(cache.query.shape[-1])
    dP, dV = _product_gradients(grad_out, cache)
    dS = _softmax_gradient(dP, cache.weights) * scale
    return *_query_and_key_gradients(dS, cache), dV


@ATTENTION.mistake(
    "the diagonal of softmax's Jacobian only",
    "diagonal-softmax",
    "P (1 - P) is used for the derivative of softmax; it is only the diagonal of the Jacobian.",
)
def _attention_diagonal(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P = cache.weights
    dP, dV = _product_gradients(grad_out, cache)
    dS = P * (1 - P) * dP
    return *_query_and_key_gradients(dS, cache), dV


@MASKED.mistake(
    "softmax's denominator held fixed",
    "held-constant",
    "dS = P dP is the first term of softmax's backward. The second term is left out.",
)
def _attention_denominator_fixed(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P = cache.weights
    dP, dV = _product_gradients(grad_out, cache)
    return *_query_and_key_gradients(P * dP, cache), dV


@ATTENTION.mistake(
    "the row's average added",
    "wrong-sign",
    "A minus sign was lost when softmax's backward was copied.",
)
def _attention_average_added(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P = cache.weights
    dP, dV = _product_gradients(grad_out, cache)
    dS = P * (dP + np.sum(P * dP, axis=-1, keepdims=True))
    return *_query_and_key_gradients(dS, cache), dV


@ATTENTION.mistake(
    "softmax's average over the queries",
    "wrong-axis",
    "The weights have shape (queries, keys), and the sum runs over the queries in place of the keys.",
)
def _attention_over_queries(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P = cache.weights
    dP, dV = _product_gradients(grad_out, cache)
    dS = P * (dP - np.sum(P * dP, axis=-2, keepdims=True))
    return *_query_and_key_gradients(dS, cache), dV


@MASKED.mistake(
    "weights computed anew without the mask",
    "missing-mask",
    "To save memory, the weights are computed again in the backward. The mask is not in the cache and is left out.",
)
def _attention_mask_forgotten(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    Q, K = cache.query, cache.key
    P, _ = softmax_forward(Q @ K.T / math.sqrt(Q.shape[-1]))
    dP, dV = grad_out @ cache.value.T, P.T @ grad_out
    return *_query_and_key_gradients(_softmax_gradient(dP, P), cache), dV


@DROPPED.mistake(
    "dropout forgotten throughout",
    "missing-mask",
    "The backward was written for inference, where there is no dropout, and is used in training.",
)
def _attention_dropout_forgotten(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P = cache.weights
    dP, dV = _product_gradients(grad_out, cache)
    return *_query_and_key_gradients(_softmax_gradient(dP, P), cache), dV, None, dP * P


@DROPPED.mistake(
    "dropout forgotten on the way to the scores",
    "missing-mask",
    "dV uses the weights after dropout, but dP is not multiplied by the mask.",
)
def _attention_dropout_forgotten_in_scores(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P, M = cache.weights, cache.dropout_mask
    dA = grad_out @ cache.value.T
    dV = (P * M).T @ grad_out
    return *_query_and_key_gradients(_softmax_gradient(dA, P), cache), dV, None, dA * P


@DROPPED.mistake(
    "weights from before dropout for the values",
    "stale-value",
    "The cache has the weights P from before dropout, but the values were averaged with the weights P M.",
)
def _attention_weights_before_dropout(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P, M = cache.weights, cache.dropout_mask
    dA = grad_out @ cache.value.T
    dV = P.T @ grad_out
    return *_query_and_key_gradients(_softmax_gradient(dA * M, P), cache), dV, None, dA * P


@DROPPED.mistake(
    "dropped but not divided by the keep rate",
    "constant-factor",
    "The backward sets dropped weights to zero, but does not scale the others as the forward did.",
)
def _attention_keep_rate_forgotten(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P, M = cache.weights, cache.dropout_mask
    dA = grad_out @ cache.value.T
    dV = (P * M).T @ grad_out
    dP = np.where(M != 0, dA, 0.0)
    return *_query_and_key_gradients(_softmax_gradient(dP, P), cache), dV, None, dA * P


@DROPPED.mistake(
    "no gradient for the dropout mask",
    "zero-gradient",
    "A dropout mask is not learned, so its gradient is set to zero; but the output depends on it.",
)
def _attention_dropout_mask_without_gradient(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P, M = cache.weights, cache.dropout_mask
    dP = grad_out @ cache.value.T * M
    dV = (P * M).T @ grad_out
    return *_query_and_key_gradients(_softmax_gradient(dP, P), cache), dV, None, np.zeros(P.shape)


@ATTENTION.mistake(
    "the key's gradient transposed",
    "transposed",
    "The scores contain K^T, whose gradient is Q^T dS. It is returned as the gradient of K, without being transposed.",
)
def _attention_key_transposed(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    dS = _softmax_gradient(dP, cache.weights) / math.sqrt(cache.query.shape[-1])
    return dS @ cache.key, cache.query.T @ dS, dV


@ATTENTION.mistake(
    "query and key exchanged",
    "swapped-inputs",
    "The gradients are computed in one order and returned in the other.",
)
def _attention_swapped(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    dQ, dK = _query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache)
    return dK, dQ, dV


@SHARED.mistake(
    "one key and value gradient a batch",
    "missing-broadcast-sum",
    "Matrix products broadcast the shared keys over the batch. The gradients are then not summed over it.",
)
def _attention_shared_not_summed(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    dQ, dK = _query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache)
    return dQ, dK, dV


@SHARED.mistake(
    "the first of the batch for all",
    "missing-broadcast-sum",
    "The gradient has one axis too many, that of the batch, and the index [0] gives the right shape.",
)
def _attention_shared_first(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    dQ, dK = _query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache)
    return dQ, dK[0], dV[0]


@SHARED.mistake(
    "keys and values averaged over the batch",
    "mean-for-sum",
    "The gradient has a batch axis that the keys do not have, and a mean over this axis gives the right shape.",
)
def _attention_shared_averaged(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    dQ, dK = _query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache)
    return dQ, np.mean(dK, axis=0), np.mean(dV, axis=0)


@SHARED.mistake(
    "keys and values of the last of the batch",
    "last-only",
    "In a loop over the batch, the queries' gradients are filled in, and those of keys and values are assigned, "
    "not added.",
)
def _attention_shared_last(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    Q, K, V, scale = cache.query, cache.key, cache.value, 1 / math.sqrt(cache.query.shape[-1])
    dQ = np.zeros_like(Q)
    for b in range(len(Q)):
        P = cache.weights[b]
        dS = _softmax_gradient(grad_out[b] @ V.T, P)
        dQ[b] = dS @ K * scale
        dK = dS.T @ Q[b] * scale
        dV = P.T @ grad_out[b]
    return dQ, dK, dV


@DROPPED.mistake(
    "weights from after dropout in softmax's backward",
    "stale-value",
    "A = P M overwrites P, so softmax's backward gets rows that do not sum to one.",
)
def _attention_weights_after_dropout(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P, M = cache.weights, cache.dropout_mask
    A, dA = P * M, grad_out @ cache.value.T
    return *_query_and_key_gradients(_softmax_gradient(dA * M, A), cache), A.T @ grad_out, None, dA * P


@ATTENTION.mistake(
    "divided by d, not by its root",
    "missing-scale",
    "The forward divides by the square root of d, the backward by d.",
)
def _attention_scaled_by_d(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    Q, K = cache.query, cache.key
    dP, dV = _product_gradients(grad_out, cache)
    dS = _softmax_gradient(dP, cache.weights) / Q.shape[-1]
    return dS @ K, dS.T @ Q, dV


@ATTENTION.mistake(
    "the values averaged over the queries",
    "mean-for-sum",
    "The backward averages over the queries. The gradient of a value is a sum over them.",
)
def _attention_values_averaged(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    return *_query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache), dV / len(grad_out)


@ATTENTION.mistake(
    "the query's gradient with a minus",
    "wrong-sign",
    "The line is copied from a similar one that has a minus sign.",
)
def _attention_query_negated(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV = _product_gradients(grad_out, cache)
    dQ, dK = _query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache)
    return -dQ, dK, dV


@DROPPED.mistake(
    "a new dropout mask",
    "random-backward",
    "To save memory, the dropout mask is drawn again in the backward. The generator has moved on, so the mask is "
    "another one.",
)
def _attention_dropped_anew(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    P = cache.weights
    M = dropout_factors(np.random.default_rng(), *P.shape)
    dA = grad_out @ cache.value.T
    return *_query_and_key_gradients(_softmax_gradient(dA * M, P), cache), (P * M).T @ grad_out, None, dA * P


@SHARED.mistake(
    "keys and values of the first of the batch twice",
    "double-counted",
    "The sum over the batch starts with the first term, and the loop that adds the others starts with it, too.",
)
def _attention_shared_first_twice(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    dP, dV_each = _product_gradients(grad_out, cache)
    dQ, dK_each = _query_and_key_gradients(_softmax_gradient(dP, cache.weights), cache)
    dK, dV = dK_each[0].copy(), dV_each[0].copy()
    for b in range(len(grad_out)):
        dK += dK_each[b]
        dV += dV_each[b]
    return dQ, dK, dV
