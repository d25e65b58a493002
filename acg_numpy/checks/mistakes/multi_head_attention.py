"""Several heads: ten gradients, a context that is used twice, and heads that the backward splits and merges."""

import math
from functools import partial
from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import dropout_factors
from acg_numpy.passes.heads import merge_heads_forward, split_heads_forward
from acg_numpy.passes.multi_head_attention import (
    MultiHeadAttentionCache,
    multi_head_attention_backward,
    multi_head_attention_forward,
)
from acg_numpy.passes.scaled_dot_product import scaled_dot_product_backward
from acg_numpy.shapes import Array

# no more: these are the largest arrays of the catalogue, and its checks take the longest as it is
HEADS = 2


def _draw_multi_head(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw L queries over a context of S, with widths of their own for each projection; no mask, no dropout."""
    if distinct:
        d, d_v = 3, 5
        L, S, Dx, Dc, Do = rng.permutation((7, 8, 11, 13, 17))
    else:
        d, d_v = 2, 2
        L, S, Dx, Dc, Do = sizes(rng, distinct, 5)
    projections: list[Any] = []
    for d_in, d_out in [(Dx, HEADS * d), (Dc, HEADS * d), (Dc, HEADS * d_v), (HEADS * d_v, Do)]:
        projections += [rng.normal(size=(d_in, d_out)) / math.sqrt(d_in), rng.normal(size=d_out)]
    return rng.normal(size=(L, Dx)), rng.normal(size=(S, Dc)), *projections, None, None


def _draw_dropped(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw the same with dropout of the weights."""
    query, context, *rest = _draw_multi_head(rng, distinct)
    return query, context, *rest[:-1], dropout_factors(rng, HEADS, len(query), len(context))


def _draw_heads_dropped(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw the same with dropout of the merged heads."""
    query, context, *rest = _draw_multi_head(rng, distinct)
    return query, context, *rest, dropout_factors(rng, len(query), rest[5].shape[0])


MULTI_HEAD, DROPPED, HEADS_DROPPED = (
    Operation(
        "multi_head_attention",
        partial(multi_head_attention_forward, num_heads=HEADS),
        multi_head_attention_backward,
        draw,
    )
    for draw in (_draw_multi_head, _draw_dropped, _draw_heads_dropped)
)


def _output_projection_gradients(dO: Array, cache: MultiHeadAttentionCache) -> tuple[Array, Array, Array]:
    """Return the gradients of the output projection and the split into heads, right: dZ (H, L, Dv/H), dW_o, db_o."""
    assert cache.output is not None  # no call of the catalogue goes without
    Z, W_o, _ = cache.output
    dZ, _ = split_heads_forward(dO @ W_o.T, num_heads=HEADS)
    return dZ, Z.T @ dO, np.sum(dO, axis=0)


def _attention_gradients(dZ: Array, cache: MultiHeadAttentionCache) -> tuple[Array, Array, Array]:
    """Return the gradients of each head's attention and the merging, right: dQ (L, D), dK (S, D), dV (S, Dv)."""
    dQ, dK, dV, *_ = scaled_dot_product_backward(dZ, cache.heads)
    return merge_heads_forward(dQ)[0], merge_heads_forward(dK)[0], merge_heads_forward(dV)[0]


def _weight_gradients(dQ: Array, dK: Array, dV: Array, cache: MultiHeadAttentionCache) -> Grads:
    """Return the gradients of the three projections' weights and biases, right."""
    x, c = cache.query.x, cache.key.x
    return x.T @ dQ, np.sum(dQ, axis=0), c.T @ dK, np.sum(dK, axis=0), c.T @ dV, np.sum(dV, axis=0)


def _input_gradients(dQ: Array, dK: Array, dV: Array, cache: MultiHeadAttentionCache) -> tuple[Array, Array]:
    """Return the gradients of query and context, right."""
    return dQ @ cache.query.weight.T, dK @ cache.key.weight.T + dV @ cache.value.weight.T


@MULTI_HEAD.mistake(
    "the context through its values alone",
    "missing-path",
    "The context's gradient has the part through the values. The part through the keys, which determine the "
    "weights, is missing.",
)
def _multi_head_values_alone(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dx, dc = dQ @ cache.query.weight.T, dV @ cache.value.weight.T
    return dx, dc, *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "the context through its keys alone",
    "missing-path",
    "dc is computed for each of the two uses of the context, and the second result replaces the first.",
)
def _multi_head_keys_alone(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dx = dQ @ cache.query.weight.T
    for dY, W in (dV, cache.value.weight), (dK, cache.key.weight):
        dc = dY @ W.T
    return dx, dc, *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "the values' part of the context twice",
    "double-counted",
    "One line adds both parts of the gradient, and an older line, not removed, adds the second part again.",
)
def _multi_head_values_twice(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dx, dc = _input_gradients(dQ, dK, dV, cache)
    dc = dc + dV @ cache.value.weight.T
    return dx, dc, *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "scaled by the width of all heads",
    "missing-scale",
    "The forward scales by the width of a head. In the backward, d is read from the merged heads, so it is the "
    "whole width.",
)
def _multi_head_scaled_by_model(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    Q, K, V, P, _ = cache.heads
    dP = dZ @ np.swapaxes(V, -1, -2)
    dV, _ = merge_heads_forward(np.swapaxes(P, -1, -2) @ dZ)
    dS = P * (dP - np.sum(P * dP, axis=-1, keepdims=True))
    scale = 1 / math.sqrt(cache.query.weight.shape[-1])
    dQ, _ = merge_heads_forward(dS @ K * scale)
    dK, _ = merge_heads_forward(np.swapaxes(dS, -1, -2) @ Q * scale)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "no scale in the backward",
    "missing-scale",
    "The scale is in an inner function of the forward, and is left out of the backward.",
)
def _multi_head_not_scaled(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    Q, K, V, P, _ = cache.heads
    dP = dZ @ np.swapaxes(V, -1, -2)
    dV, _ = merge_heads_forward(np.swapaxes(P, -1, -2) @ dZ)
    dS = P * (dP - np.sum(P * dP, axis=-1, keepdims=True))
    dQ, _ = merge_heads_forward(dS @ K)
    dK, _ = merge_heads_forward(np.swapaxes(dS, -1, -2) @ Q)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "heads merged by reshape alone",
    "reshaped-not-transposed",
    "(H, L, d) is reshaped to (L, H d). This runs and has the right shape, but it mixes the rows.",
)
def _multi_head_merged_by_reshape(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = (np.reshape(d, (d.shape[1], -1)) for d in scaled_dot_product_backward(dZ, cache.heads)[:3])
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "the output's gradient split by reshape alone",
    "reshaped-not-transposed",
    "(L, H d) is reshaped to (H, L, d). This runs and has the right shape, but a head has to get its features of "
    "every row.",
)
def _multi_head_split_by_reshape(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dZ = np.reshape(merge_heads_forward(dZ)[0], (HEADS, len(grad_out), -1))
    dQ, dK, dV = _attention_gradients(dZ, cache)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "key and value weights exchanged",
    "swapped-inputs",
    "The weights of keys and values have the same shape, and their gradients are returned in the wrong order.",
)
def _multi_head_weights_swapped(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dW_q, db_q, dW_k, db_k, dW_v, db_v = _weight_gradients(dQ, dK, dV, cache)
    return *_input_gradients(dQ, dK, dV, cache), dW_q, db_q, dW_v, db_k, dW_k, db_v, dW_o, db_o


@MULTI_HEAD.mistake(
    "the output's bias averaged",
    "mean-for-sum",
    "The same bias is added to the output of every query, so its gradient is a sum over the queries. Here it is "
    "a mean.",
)
def _multi_head_bias_averaged(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, _ = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, np.mean(grad_out, axis=0)


@MULTI_HEAD.mistake(
    "one gradient a query for its bias",
    "missing-broadcast-sum",
    "db_q = dQ is returned, because the bias is only added. But it is added to every query, so dQ has to be summed.",
)
def _multi_head_bias_not_summed(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dW_q, _, *others = _weight_gradients(dQ, dK, dV, cache)
    return *_input_gradients(dQ, dK, dV, cache), dW_q, dQ, *others, dW_o, db_o


@MULTI_HEAD.mistake(
    "the query's gradient from the last head",
    "last-only",
    "In a loop over the heads each weight has its own part, but x is the same for all. Its gradient is assigned, "
    "not added.",
)
def _multi_head_last_head(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    W_q, d = cache.query.weight, dQ.shape[-1] // HEADS
    for h in range(HEADS):
        features = slice(h * d, (h + 1) * d)
        dx = dQ[:, features] @ W_q[:, features].T
    return dx, _input_gradients(dQ, dK, dV, cache)[1], *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "the attention weights held fixed",
    "held-constant",
    "The output is linear in the values, with the weights as factors. The weights are treated as constants.",
)
def _multi_head_weights_fixed(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dQ, dK = np.zeros_like(dQ), np.zeros_like(dK)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "no gradient for the query",
    "zero-gradient",
    "The user vectors are taken for data and get no gradient. Where they are learned, they need one.",
)
def _multi_head_query_is_data(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    _, dc = _input_gradients(dQ, dK, dV, cache)
    return np.zeros_like(cache.query.x), dc, *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "the diagonal of softmax's Jacobian only",
    "diagonal-softmax",
    "P (1 - P), the diagonal of softmax's Jacobian, is used for the whole of it, in each head.",
)
def _multi_head_diagonal(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    Q, K, V, P, _ = cache.heads
    dV, _ = merge_heads_forward(np.swapaxes(P, -1, -2) @ dZ)
    dS = P * (1 - P) * (dZ @ np.swapaxes(V, -1, -2)) / math.sqrt(Q.shape[-1])
    dQ, _ = merge_heads_forward(dS @ K)
    dK, _ = merge_heads_forward(np.swapaxes(dS, -1, -2) @ Q)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@DROPPED.mistake(
    "dropout forgotten",
    "missing-mask",
    "The backward was tested without dropout, and is used in training with dropout.",
)
def _multi_head_dropout_forgotten(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    heads = cache.heads
    P, V = heads.weights, heads.value
    dM = dZ @ np.swapaxes(V, -1, -2) * P
    dQ, dK, dV = _attention_gradients(dZ, cache._replace(heads=heads._replace(dropout_mask=None)))
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o, None, dM


@HEADS_DROPPED.mistake(
    "dropout of the merged heads forgotten",
    "missing-mask",
    "The backward multiplies by the mask of the weights, but not by the mask of the merged heads.",
)
def _multi_head_head_dropout_forgotten(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    assert cache.head_dropout is not None  # what the catalogue draws for this operation
    dR = merge_heads_forward(dZ)[0] * cache.head_dropout.x
    dQ, dK, dV = _attention_gradients(dZ, cache)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o, None, None, dR


@MULTI_HEAD.mistake(
    "the keys' part of the context twice",
    "double-counted",
    "`dc += ...` is in the lines of the keys, and again in the lines of the values, which were copied from them.",
)
def _multi_head_keys_twice(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dx, dc = _input_gradients(dQ, dK, dV, cache)
    dc += dK @ cache.key.weight.T
    return dx, dc, *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o


@MULTI_HEAD.mistake(
    "the output's weight transposed",
    "transposed",
    "The code comes from a framework in which weights have shape (out, in).",
)
def _multi_head_output_transposed(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o.T, db_o


@MULTI_HEAD.mistake(
    "no gradients for the biases of the values and the output",
    "wrong-count",
    "The backward is copied from a model without biases.",
)
def _multi_head_biases_left_out(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, _ = _output_projection_gradients(grad_out, cache)
    dQ, dK, dV = _attention_gradients(dZ, cache)
    dW_q, db_q, dW_k, db_k, dW_v, _ = _weight_gradients(dQ, dK, dV, cache)
    return *_input_gradients(dQ, dK, dV, cache), dW_q, db_q, dW_k, db_k, dW_v, dW_o


@MULTI_HEAD.mistake(
    "softmax's denominator held fixed",
    "held-constant",
    "dS = P dP differentiates the exponential and treats the sum in the denominator as a constant.",
)
def _multi_head_denominator_fixed(grad_out: Array, cache: MultiHeadAttentionCache) -> Grads:
    dZ, dW_o, db_o = _output_projection_gradients(grad_out, cache)
    Q, K, V, P, _ = cache.heads
    dV, _ = merge_heads_forward(np.swapaxes(P, -1, -2) @ dZ)
    dS = P * (dZ @ np.swapaxes(V, -1, -2)) / math.sqrt(Q.shape[-1])
    dQ, _ = merge_heads_forward(dS @ K)
    dK, _ = merge_heads_forward(np.swapaxes(dS, -1, -2) @ Q)
    return *_input_gradients(dQ, dK, dV, cache), *_weight_gradients(dQ, dK, dV, cache), dW_o, db_o
