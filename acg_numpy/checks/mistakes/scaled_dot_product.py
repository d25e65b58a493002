"""One head of attention: a scale, a softmax, a mask, a dropout, and products that fit together in several ways."""

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


def draw_attention(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Queries, keys and values with neither mask nor dropout."""
    L, S, d, d_v = sizes(rng, distinct, 4)
    return rng.normal(size=(L, d)), rng.normal(size=(S, d)), rng.normal(size=(S, d_v)), None, None


def draw_masked(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """With a mask that leaves something out of every row."""
    query, key, value, *_ = draw_attention(rng, distinct)
    return query, key, value, random_mask(rng, len(query), len(key)), None


def draw_dropped(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """With dropout of the weights."""
    query, key, value, *_ = draw_attention(rng, distinct)
    return query, key, value, None, dropout_factors(rng, len(query), len(key))


def draw_shared(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """A batch of queries that share their keys and values."""
    B, L, S, d, d_v = sizes(rng, distinct, 5)
    return rng.normal(size=(B, L, d)), rng.normal(size=(S, d)), rng.normal(size=(S, d_v)), None, None


ATTENTION, MASKED, DROPPED, SHARED = (
    Operation("scaled_dot_product", scaled_dot_product_forward, scaled_dot_product_backward, draw)
    for draw in (draw_attention, draw_masked, draw_dropped, draw_shared)
)


def back_to_weights(grad_out: Array, cache: ScaledDotProductCache) -> tuple[Array, Array]:
    """The two products that hardly anybody gets wrong: dP and dV, where there is no dropout."""
    return grad_out @ cache.value.T, np.swapaxes(cache.weights, -1, -2) @ grad_out


def through_softmax(dP: Array, P: Array) -> Array:
    """Softmax's backward, right."""
    dS: Array = P * (dP - np.sum(P * dP, axis=-1, keepdims=True))
    return dS


def to_query_and_key(dS: Array, cache: ScaledDotProductCache) -> tuple[Array, Array]:
    """The last two products, with their scale, right."""
    Q, K = cache.query, cache.key
    scale = 1 / math.sqrt(Q.shape[-1])
    return dS @ K * scale, np.swapaxes(dS, -1, -2) @ Q * scale


@ATTENTION.mistake("no scale in the backward", "missing-scale")
def attention_not_scaled(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The scale was put into the forward's scores and never carried over."""
    Q, K = cache.query, cache.key
    dP, dV = back_to_weights(grad_out, cache)
    dS = through_softmax(dP, cache.weights)
    return dS @ K, dS.T @ Q, dV


@ATTENTION.mistake("the query scaled, the key not", "missing-scale")
def attention_key_not_scaled(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The scale is thought of as belonging to the query, as where the forward divides Q by it."""
    Q, K = cache.query, cache.key
    dP, dV = back_to_weights(grad_out, cache)
    dS = through_softmax(dP, cache.weights)
    return dS @ K / math.sqrt(Q.shape[-1]), dS.T @ Q, dV


@ATTENTION.mistake("scaled twice", "missing-scale")
def attention_scaled_twice(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The scale is put on dS, and once more on the products."""
    scale = 1 / math.sqrt(cache.query.shape[-1])
    dP, dV = back_to_weights(grad_out, cache)
    dS = through_softmax(dP, cache.weights) * scale
    return *to_query_and_key(dS, cache), dV


@ATTENTION.mistake("the diagonal of softmax's Jacobian only", "diagonal-softmax")
def attention_diagonal(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The derivative of softmax is looked up, and P (1 - P) is what one finds first."""
    P = cache.weights
    dP, dV = back_to_weights(grad_out, cache)
    dS = P * (1 - P) * dP
    return *to_query_and_key(dS, cache), dV


@MASKED.mistake("softmax's denominator held fixed", "held-constant")
def attention_denominator_fixed(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """dS = P dP is softmax's backward with its second half forgotten."""
    P = cache.weights
    dP, dV = back_to_weights(grad_out, cache)
    return *to_query_and_key(P * dP, cache), dV


@ATTENTION.mistake("the row's average added", "wrong-sign")
def attention_average_added(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """A minus is lost in copying softmax's backward."""
    P = cache.weights
    dP, dV = back_to_weights(grad_out, cache)
    dS = P * (dP + np.sum(P * dP, axis=-1, keepdims=True))
    return *to_query_and_key(dS, cache), dV


@ATTENTION.mistake("softmax's average over the queries", "wrong-axis")
def attention_over_queries(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """Weights are (queries, keys), and one forgets which of the two sums to one."""
    P = cache.weights
    dP, dV = back_to_weights(grad_out, cache)
    dS = P * (dP - np.sum(P * dP, axis=-2, keepdims=True))
    return *to_query_and_key(dS, cache), dV


@MASKED.mistake("weights computed anew without the mask", "missing-mask")
def attention_mask_forgotten(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """To save memory the weights are not kept but computed anew, and the mask was not kept either."""
    Q, K = cache.query, cache.key
    P, _ = softmax_forward(Q @ K.T / math.sqrt(Q.shape[-1]))
    dP, dV = grad_out @ cache.value.T, P.T @ grad_out
    return *to_query_and_key(through_softmax(dP, P), cache), dV


@DROPPED.mistake("dropout forgotten throughout", "missing-mask")
def attention_dropout_forgotten(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The backward was written for inference, where there is no dropout, and then trained with."""
    P = cache.weights
    dP, dV = back_to_weights(grad_out, cache)
    return *to_query_and_key(through_softmax(dP, P), cache), dV, None, dP * P


@DROPPED.mistake("dropout forgotten on the way to the scores", "missing-mask")
def attention_dropout_forgotten_in_scores(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """dV needs the weights after dropout and they are at hand; for dP there is nothing to remind one."""
    P, M = cache.weights, cache.dropout_mask
    dA = grad_out @ cache.value.T
    dV = (P * M).T @ grad_out
    return *to_query_and_key(through_softmax(dA, P), cache), dV, None, dA * P


@DROPPED.mistake("weights from before dropout for the values", "stale-value")
def attention_weights_before_dropout(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """What is kept, and shown, as the weights is P, but the values were averaged by P M."""
    P, M = cache.weights, cache.dropout_mask
    dA = grad_out @ cache.value.T
    dV = P.T @ grad_out
    return *to_query_and_key(through_softmax(dA * M, P), cache), dV, None, dA * P


@DROPPED.mistake("dropped but not divided by the keep rate", "constant-factor")
def attention_keep_rate_forgotten(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The backward knows which weights were dropped, and not that the others were scaled up for them."""
    P, M = cache.weights, cache.dropout_mask
    dA = grad_out @ cache.value.T
    dV = (P * M).T @ grad_out
    dP = np.where(M != 0, dA, 0.0)
    return *to_query_and_key(through_softmax(dP, P), cache), dV, None, dA * P


@DROPPED.mistake("no gradient for the dropout mask", "zero-gradient")
def attention_dropout_mask_without_gradient(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """A dropout mask is drawn and not learned, so it is given zeros, though the output does depend on it."""
    P, M = cache.weights, cache.dropout_mask
    dP = grad_out @ cache.value.T * M
    dV = (P * M).T @ grad_out
    return *to_query_and_key(through_softmax(dP, P), cache), dV, None, np.zeros(P.shape)


@ATTENTION.mistake("the key's gradient the other way round", "transposed")
def attention_key_transposed(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The scores have K^T in them, and its gradient Q^T dS is returned for that of K."""
    dP, dV = back_to_weights(grad_out, cache)
    dS = through_softmax(dP, cache.weights) / math.sqrt(cache.query.shape[-1])
    return dS @ cache.key, cache.query.T @ dS, dV


@ATTENTION.mistake("query and key exchanged", "swapped-inputs")
def attention_swapped(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The two are computed in one order and returned in the other."""
    dP, dV = back_to_weights(grad_out, cache)
    dQ, dK = to_query_and_key(through_softmax(dP, cache.weights), cache)
    return dK, dQ, dV


@SHARED.mistake("one key and value gradient a batch", "missing-broadcast-sum")
def attention_shared_not_summed(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """Matrix products broadcast the shared keys over the batch without a word, and nothing takes it back."""
    dP, dV = back_to_weights(grad_out, cache)
    dQ, dK = to_query_and_key(through_softmax(dP, cache.weights), cache)
    return dQ, dK, dV


@SHARED.mistake("the first of the batch for all", "missing-broadcast-sum")
def attention_shared_first(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The shape does not fit, and an index [0] makes it fit."""
    dP, dV = back_to_weights(grad_out, cache)
    dQ, dK = to_query_and_key(through_softmax(dP, cache.weights), cache)
    return dQ, dK[0], dV[0]


@SHARED.mistake("keys and values averaged over the batch", "mean-for-sum")
def attention_shared_averaged(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The shape does not fit, and a mean over the batch makes it fit and sounds right."""
    dP, dV = back_to_weights(grad_out, cache)
    dQ, dK = to_query_and_key(through_softmax(dP, cache.weights), cache)
    return dQ, np.mean(dK, axis=0), np.mean(dV, axis=0)


@SHARED.mistake("keys and values of the last of the batch", "last-only")
def attention_shared_last(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """Translated into a loop over the batch in which queries are filled in and keys and values assigned."""
    Q, K, V, scale = cache.query, cache.key, cache.value, 1 / math.sqrt(cache.query.shape[-1])
    dQ = np.zeros_like(Q)
    for b in range(len(Q)):
        P = cache.weights[b]
        dS = through_softmax(grad_out[b] @ V.T, P)
        dQ[b] = dS @ K * scale
        dK = dS.T @ Q[b] * scale
        dV = P.T @ grad_out[b]
    return dQ, dK, dV


@DROPPED.mistake("weights from after dropout in softmax's backward", "stale-value")
def attention_weights_after_dropout(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """A = P M replaces P as soon as it is there, and softmax's backward finds a P that is no distribution."""
    P, M = cache.weights, cache.dropout_mask
    A, dA = P * M, grad_out @ cache.value.T
    return *to_query_and_key(through_softmax(dA * M, A), cache), A.T @ grad_out, None, dA * P


@ATTENTION.mistake("divided by d, not by its root", "missing-scale")
def attention_scaled_by_d(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The square root is in the forward, and d is what one remembers of it."""
    Q, K = cache.query, cache.key
    dP, dV = back_to_weights(grad_out, cache)
    dS = through_softmax(dP, cache.weights) / Q.shape[-1]
    return dS @ K, dS.T @ Q, dV


@ATTENTION.mistake("the values averaged over the queries", "mean-for-sum")
def attention_values_averaged(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """Attention averages, it is said; but over keys, and each query adds to what a value is told."""
    dP, dV = back_to_weights(grad_out, cache)
    return *to_query_and_key(through_softmax(dP, cache.weights), cache), dV / len(grad_out)


@ATTENTION.mistake("the query's gradient with a minus", "wrong-sign")
def attention_query_negated(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """Of two products that look alike one is copied with the minus of the line above it."""
    dP, dV = back_to_weights(grad_out, cache)
    dQ, dK = to_query_and_key(through_softmax(dP, cache.weights), cache)
    return -dQ, dK, dV


@DROPPED.mistake("a new dropout mask", "random-backward")
def attention_dropped_anew(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """Recomputing saves memory, and what draws the mask is recomputed too, from a generator that has moved on."""
    P = cache.weights
    M = dropout_factors(np.random.default_rng(), *P.shape)
    dA = grad_out @ cache.value.T
    return *to_query_and_key(through_softmax(dA * M, P), cache), (P * M).T @ grad_out, None, dA * P


@SHARED.mistake("keys and values of the first of the batch twice", "double-counted")
def attention_shared_first_twice(grad_out: Array, cache: ScaledDotProductCache) -> Grads:
    """The sum over the batch starts with the first, and the loop that adds the others up starts there, too."""
    dP, dV_each = back_to_weights(grad_out, cache)
    dQ, dK_each = to_query_and_key(through_softmax(dP, cache.weights), cache)
    dK, dV = dK_each[0].copy(), dV_each[0].copy()
    for b in range(len(grad_out)):
        dK += dK_each[b]
        dV += dV_each[b]
    return dQ, dK, dV
