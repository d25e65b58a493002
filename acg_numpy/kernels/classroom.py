"""The classroom composition of lookup and attention, for users one a row: what every kernel has to equal.

    context = E[n_b], the shared tokens behind it        (B, K, D)
    out, P  = multi-head attention of u_b over it        (B, D), (B, H, K)

It is written with the passes alone, so it runs on Tensors, and a gradient of the gradient is taken through it.
"""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.passes import (
    embedding_backward,
    embedding_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
)


class ClassroomCache(NamedTuple):
    """Of the lookup and of the attention; how many tokens are a domain's own; whether any are shared."""

    embedding: Any
    attention: Any
    own: int
    shared: bool


def forward(
    user_emb: Any,
    tokens: Any,
    global_tokens: Any,
    projections: tuple[Any, ...],
    ids: Any,
    mask: Any,
    dropout_mask: Any,
    num_heads: int,
) -> tuple[Any, Any, ClassroomCache]:
    """Condition users.

    Parameters
    ----------
    user_emb : shape (B, D)
    tokens : shape (N, T, D)
    global_tokens : shape (G, D), or None
    projections : eight weights and biases
    ids : int array, shape (B,)
    mask : bool array, shape (B, K), or None
    dropout_mask : shape (B, H, K), or None
    num_heads : int

    Returns
    -------
    out : shape (B, D)
    weights : shape (B, H, K)
    cache : ClassroomCache
    """
    context, lookup = embedding_forward(tokens, ids)
    if global_tokens is not None:
        shared = np.broadcast_to(global_tokens, (*context.shape[:-2], *global_tokens.shape))
        context = np.concatenate([context, shared], axis=-2)
    masks = (None if mask is None else mask[:, None], None if dropout_mask is None else dropout_mask[:, :, None])
    inputs: Any = (user_emb[:, None], context, *projections, *masks)
    out, attention = multi_head_attention_forward(*inputs, num_heads=num_heads)
    own = tokens.shape[1]
    cache = ClassroomCache(lookup, attention, own, global_tokens is not None)
    return out[:, 0], attention.weights[:, :, 0], cache


def backward(grad_out: Any, grad_weights: Any, cache: ClassroomCache) -> tuple[Any, ...]:
    """Gradients of user_emb, tokens, global_tokens (or None) and the eight projections."""
    grads = multi_head_attention_backward(
        grad_out[:, None], cache.attention, None if grad_weights is None else grad_weights[:, :, None]
    )
    context = grads[1]
    (tokens, *_) = embedding_backward(context[:, : cache.own], cache.embedding)
    shared = np.sum(context[:, cache.own :], axis=0) if cache.shared else None
    return (grads[0][:, 0], tokens, shared, *grads[2:10])
