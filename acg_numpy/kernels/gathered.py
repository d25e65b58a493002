"""The gathered kernel: tables projected once for each domain, and each user's rows of them gathered.

    S_bh = q_bh K_h[n_b]' / sqrt(d)    P = softmax(S)    O_bh = P_bh V_h[n_b]    out = O W_o + b_o

Every user has a copy of keys and values, which is much to move, but the forward has nothing to sort or to pad: for a
handful of users it is the shortest way.  Backward, dK and dV are added up over the users of each domain,
in order of domain, so that each sum is one `np.add.reduceat`.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.kernels.grouping import Groups
from acg_numpy.kernels.projections import Projections, Tables, UserGrads, make_output, make_queries, tables_backward
from acg_numpy.shapes import Array


class Gathered(NamedTuple):
    """What the backward needs; users sorted by domain."""

    queries: Array  # (B, H, d), scaled
    keys: Array  # (B, H, K, d)
    values: Array  # (B, H, K, d)
    weights: Array  # (B, H, K)
    dropped: Array  # (B, H, K)
    mixed: Array  # (B, D)


def forward(
    user_emb: Array,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    mask: Array | None,
    dropout_mask: Array | None,
    num_heads: int,
) -> tuple[Array, Gathered]:
    """Condition the users, with the arguments of `absorbed.forward`."""
    N, K, D = tables.tokens.shape
    H, d, dtype = num_heads, D // num_heads, user_emb.dtype
    q = make_queries(groups.sort(user_emb), weights, H).reshape(-1, H, d)
    domain = np.repeat(np.arange(N), groups.counts)
    keys, values = (np.take(flat.reshape(H, N, K, d).swapaxes(0, 1), domain, axis=0) for flat in tables[1:])
    P = np.matmul(keys, q[..., None])[..., 0]  # (B, H, K)
    if mask is not None:
        np.copyto(P, -np.inf, where=~mask[:, None])
    m = np.max(P, axis=-1, keepdims=True)
    P -= np.where(np.isfinite(m), m, dtype.type(0))
    np.exp(P, out=P)
    total = np.sum(P, axis=-1, keepdims=True)
    P /= np.where(total != 0, total, dtype.type(1))
    M = P if dropout_mask is None else P * dropout_mask
    mixed = np.matmul(M[:, :, None], values).reshape(-1, D)
    return make_output(mixed, weights), Gathered(q, keys, values, P, M, mixed)


def backward(
    grad_out: Array,
    cache: Gathered,
    user_emb: Array,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    dropout_mask: Array | None,
    grad_weights: Array | None,
    num_heads: int,
) -> UserGrads:
    """Carry the gradient back, with the arguments and the results of `grouped.backward`."""
    q, keys, values, P, M, mixed = cache
    N, K, D = tables.tokens.shape
    H, d, dtype = num_heads, D // num_heads, user_emb.dtype
    dO = (grad_out @ weights.output_weight.T).reshape(-1, H, d)
    dP = np.matmul(values, dO[..., None])[..., 0]  # (B, H, K)
    if dropout_mask is not None:
        dP *= dropout_mask
    if grad_weights is not None:
        dP += grad_weights
    dS = P * (dP - np.sum(P * dP, axis=-1, keepdims=True))
    dq = np.matmul(dS[:, :, None], keys).reshape(-1, D) * dtype.type(1 / math.sqrt(d))
    by_user = (dS[..., None] * q[:, :, None], M[..., None] * dO[:, :, None])  # dK and dV, (B, H, K, d)
    dK, dV = (
        np.ascontiguousarray(np.add.reduceat(rows, groups.starts, axis=0).swapaxes(0, 1)).reshape(H, N * K, d)
        for rows in by_user
    )
    dq = groups.unsort(dq)
    return UserGrads(
        dq @ weights.query_weight.T,
        user_emb.T @ dq,
        np.sum(dq, axis=0),
        mixed.T @ grad_out,
        tables_backward(dK, dV, tables, weights),
    )


def attention_weights(cache: Gathered, groups: Groups) -> Array:
    """Return the attention weights, (rows, H, K), sorted."""
    return cache.weights
