"""Multi-head attention: several heads attend over a context, each on features of its own.

Forward.  Queries, keys and values are projections of x (`query`) and c (`context`), cut into H heads of D / H features
that attend independently (`scaled_dot_product`), put together again, multiplied by a dropout mask R where there is one,
and projected once more:

    Q = x W_q + b_q    K = c W_k + b_k    V = c W_v + b_v        (..., n_q, D), (..., n_k, D), (..., n_k, D)
    Q, K, V = heads of Q, K, V                                   (..., H, n_q, D/H), (..., H, n_k, D/H) twice
    Z = heads attend, merged                                     (..., n_q, D)
    O = (Z * R) W_o + b_o

The two dropout masks leave out different things.  M (`dropout_mask`) multiplies the weights of each head, so a query
misses a key.  R (`head_dropout_mask`) multiplies the merged heads, so the output misses a feature of what was found.

Nothing needs deriving here: each step is a pair of its own, and the backward calls their backwards
in reverse order.  The context is used twice, for keys and for values, and gets the sum of what comes back from both:
dc = dc_K + dc_V.

The bias b_k is special.  It is added to every key alike, so its gradient is a sum over keys, in each head

    db_k = sum_j dK_j = sum_j sum_i dS_ij q_i / sqrt(d) = sum_i (sum_j dS_ij) q_i / sqrt(d) = 0

since each row of dS sums to zero.  A bias on the keys adds q_i . b_k / sqrt(d) to all scores of row i, which does not
change the softmax: b_k has no effect and cannot learn.  Added up in floating point the sum is not 0 but some 1e-17 of
rounding noise, and an optimiser that divides a gradient by its usual size would make full steps of that; so the
backward below returns the exact zero.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.passes.dropout import DropoutCache, dropout_backward, dropout_forward
from acg_numpy.passes.heads import (
    MergeHeadsCache,
    SplitHeadsCache,
    merge_heads_backward,
    merge_heads_forward,
    split_heads_backward,
    split_heads_forward,
)
from acg_numpy.passes.linear import LinearCache, linear_backward, linear_forward
from acg_numpy.passes.masking import zero_unseen
from acg_numpy.passes.scaled_dot_product import (
    ScaledDotProductCache,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
)
from acg_numpy.shapes import Array, check_multi_head


class MultiHeadAttentionCache(NamedTuple):
    """Caches of all steps."""

    query: LinearCache
    key: LinearCache
    value: LinearCache
    split: SplitHeadsCache
    heads: ScaledDotProductCache
    merge: MergeHeadsCache
    head_dropout: DropoutCache | None
    output: LinearCache | None

    @property
    def weights(self) -> Array:
        """Attention weights P, shape (..., H, n_q, n_k), of each head of each query, from before dropout."""
        return self.heads.weights


class MultiHeadAttentionGrads(NamedTuple):
    """One gradient for each input of `multi_head_attention_forward`."""

    query: Array  # (..., n_q, Dx)
    context: Array  # (..., n_k, Dc)
    query_weight: Array  # (Dx, D)
    query_bias: Array | None  # (D,)
    key_weight: Array  # (Dc, D)
    key_bias: Array | None  # (D,)
    value_weight: Array  # (Dc, Dv)
    value_bias: Array | None  # (Dv,)
    output_weight: Array | None  # (Dv, Do)
    output_bias: Array | None  # (Do,)
    mask: None = None
    dropout_mask: Array | None = None  # (..., H, n_q, n_k)
    head_dropout_mask: Array | None = None  # (..., n_q, Dv)


def multi_head_attention_forward(
    query: Array,
    context: Array,
    query_weight: Array,
    query_bias: Array | None,
    key_weight: Array,
    key_bias: Array | None,
    value_weight: Array,
    value_bias: Array | None,
    output_weight: Array | None,
    output_bias: Array | None,
    mask: Array | None = None,
    dropout_mask: Array | None = None,
    head_dropout_mask: Array | None = None,
    *,
    num_heads: int,
) -> tuple[Array, MultiHeadAttentionCache]:
    """Let several heads of each query attend over the context.

    Leading axes broadcast between query, context and masks.  Usually all widths are one D; they need not be.

    Parameters
    ----------
    query : array, shape (..., n_q, Dx), floating
        x, the queries before their projection.
    context : array, shape (..., n_k, Dc), floating
        c, the keys and values before their projections.
    query_weight, query_bias : arrays, shapes (Dx, D) and (D,)
        Here and below, a bias may be None.
    key_weight, key_bias : arrays, shapes (Dc, D) and (D,)
    value_weight, value_bias : arrays, shapes (Dc, Dv) and (Dv,)
    output_weight, output_bias : arrays, shapes (Dv, Do) and (Do,)
        If both are None, the merged heads are the output, and Do is Dv.
    mask : bool array, shape (..., n_q, n_k), optional
        True where attention is allowed; the heads share it.
    dropout_mask : array, shape (..., H, n_q, n_k), floating, optional
        M, what the weights are multiplied by: 0 where dropped, 1 / keep rate elsewhere.
    head_dropout_mask : array, shape (..., n_q, Dv), floating, optional
        R, what the merged heads are multiplied by, likewise.
    num_heads : int
        H, a divisor of D and Dv.

    Returns
    -------
    out : array, shape (..., n_q, Do)
    cache : MultiHeadAttentionCache
        `cache.weights` are the attention weights, (..., H, n_q, n_k), from before dropout.

    Raises
    ------
    TypeError
        If an argument is not floating, or a mask is not boolean.
    ValueError
        If the shapes do not fit together.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017, section 3.2.2.

    Examples
    --------
    Three users attend over two tokens, with two heads:

    >>> rng = np.random.default_rng(0)
    >>> users, tokens = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    >>> W = [rng.normal(size=(4, 4)) for _ in range(4)]
    >>> out, cache = multi_head_attention_forward(
    ...     users, tokens, W[0], None, W[1], None, W[2], None, W[3], None, num_heads=2
    ... )
    >>> out.shape, cache.weights.shape
    ((3, 4), (2, 3, 2))
    """
    projections = {
        "query": (query_weight, query_bias),
        "key": (key_weight, key_bias),
        "value": (value_weight, value_bias),
        "output": (output_weight, output_bias),
    }
    check_multi_head(query, context, projections, mask, dropout_mask, head_dropout_mask, num_heads)
    if mask is not None:
        query, context = zero_unseen(query, mask, axis=-1), zero_unseen(context, mask, axis=-2)
        mask = np.expand_dims(mask, -3)  # (..., 1, n_q, n_k), the same for every head

    Q, query_cache = linear_forward(query, query_weight, query_bias)  # (..., n_q, D)
    K, key_cache = linear_forward(context, key_weight, key_bias)  # (..., n_k, D)
    V, value_cache = linear_forward(context, value_weight, value_bias)  # (..., n_k, Dv)

    Q, split_cache = split_heads_forward(Q, num_heads=num_heads)  # (..., H, n_q, D/H)
    K, _ = split_heads_forward(K, num_heads=num_heads)  # (..., H, n_k, D/H)
    V, _ = split_heads_forward(V, num_heads=num_heads)  # (..., H, n_k, Dv/H)

    Z, heads_cache = scaled_dot_product_forward(Q, K, V, mask, dropout_mask)  # (..., H, n_q, Dv/H)
    Z, merge_cache = merge_heads_forward(Z)  # (..., n_q, Dv)
    drop_cache = output_cache = None
    if head_dropout_mask is not None:
        Z, drop_cache = dropout_forward(Z, head_dropout_mask)
    if output_weight is not None:
        Z, output_cache = linear_forward(Z, output_weight, output_bias)  # (..., n_q, Do)

    cache = MultiHeadAttentionCache(
        query_cache, key_cache, value_cache, split_cache, heads_cache, merge_cache, drop_cache, output_cache
    )
    return Z, cache


def multi_head_attention_backward(
    grad_out: Array, cache: MultiHeadAttentionCache, grad_weights: Array | None = None
) -> MultiHeadAttentionGrads:
    """Carry dL/dO back to query, context, weights and biases.

    Parameters
    ----------
    grad_out : array, shape (..., n_q, Do)
        dO, the gradient of the loss with respect to the output.
    cache : MultiHeadAttentionCache
    grad_weights : array, shape (..., H, n_q, n_k), optional
        What the loss adds to dP if it depends on the attention weights themselves, on their entropy for example.

    Returns
    -------
    MultiHeadAttentionGrads
        Each of the shape of its input.  That of the key bias is exactly zero.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> W, b = rng.normal(size=(4, 4)), np.zeros(4)
    >>> out, cache = multi_head_attention_forward(
    ...     rng.normal(size=(3, 4)), rng.normal(size=(2, 4)), W, b, W, b, W, b, W, b, num_heads=2
    ... )
    >>> grads = multi_head_attention_backward(rng.normal(size=out.shape), cache)
    >>> grads.key_bias
    array([0., 0., 0., 0.])
    """
    dZ, dW_o, db_o, dR = grad_out, None, None, None
    if cache.output is not None:
        dZ, dW_o, db_o = linear_backward(dZ, cache.output)
    if cache.head_dropout is not None:
        dZ, dR = dropout_backward(dZ, cache.head_dropout)
    dZ = merge_heads_backward(dZ, cache.merge).x
    dQ, dK, dV, _, dM = scaled_dot_product_backward(dZ, cache.heads, grad_weights)

    dQ = split_heads_backward(dQ, cache.split).x
    dK = split_heads_backward(dK, cache.split).x
    dV = split_heads_backward(dV, cache.split).x

    dx, dW_q, db_q = linear_backward(dQ, cache.query)
    dc_K, dW_k, _ = linear_backward(dK, cache.key)
    dc_V, dW_v, db_v = linear_backward(dV, cache.value)

    dc = dc_K + dc_V
    db_k = None if cache.key.bias is None else np.zeros_like(cache.key.bias)
    return MultiHeadAttentionGrads(dx, dc, dW_q, db_q, dW_k, db_k, dW_v, db_v, dW_o, db_o, None, dM, dR)
