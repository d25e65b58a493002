"""The gathered kernel: tables projected once for each domain, and each user's rows of them gathered.

    S_bh = q_bh K_h[n_b]' / sqrt(d)    P = softmax(S)    Z_bh = P_bh V_h[n_b]    out = Z W_o + b_o

Every user has a copy of keys and values, which is much to move, but the forward has nothing to pad: it is the classroom
with its tables projected once.  The plan takes it for some dozens of users in many domains of very few tokens.

Backward, dK and dV are added up over the users of each domain, in order of domain, so that each sum is one
`np.add.reduceat`.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.kernels.grouped import Masks
from acg_numpy.kernels.grouping import Groups
from acg_numpy.kernels.projections import (
    Projections,
    Tables,
    UserGrads,
    make_output,
    make_queries,
    output_backward,
    tables_backward,
)
from acg_numpy.shapes import Array


class Gathered(NamedTuple):
    """What the backward needs; a row for each result, sorted by domain."""

    users: Array  # (rows, D)
    queries: Array  # (rows, H, d), scaled
    keys: Array  # (rows, H, K, d)
    values: Array  # (rows, H, K, d)
    weights: Array  # (rows, H, K)
    dropped: Array  # (rows, H, K)
    mixed: Array  # (rows, I)


def forward(
    user_emb: Array, tables: Tables, weights: Projections, groups: Groups, masks: Masks, num_heads: int
) -> tuple[Array, Gathered]:
    """Condition the users, with the arguments of `absorbed.forward`."""
    # each result has a row of its own here, also where the user is the same in every domain
    users = np.tile(user_emb, (len(groups.present), 1)) if groups.every else groups.sort(user_emb)
    q = make_queries(users, weights, num_heads).reshape(len(users), num_heads, -1)
    domain = np.repeat(np.arange(len(groups.present)), groups.sizes)
    keys, values = (np.take(tables.by_domain(flat), domain, axis=0) for flat in (tables.keys, tables.values))
    P = np.matmul(keys, q[..., None])[..., 0]  # (rows, H, K)
    if masks.mask is not None:
        np.copyto(P, -np.inf, where=~masks.mask[:, None])
    m = np.max(P, axis=-1, keepdims=True)
    P -= np.where(np.isfinite(m), m, P.dtype.type(0))
    np.exp(P, out=P)
    total = np.sum(P, axis=-1, keepdims=True)
    P /= np.where(total != 0, total, P.dtype.type(1))
    M = P if masks.dropout_mask is None else P * masks.dropout_mask
    mixed = np.matmul(M[:, :, None], values).reshape(len(users), -1)
    if masks.head_dropout_mask is not None:
        mixed *= masks.head_dropout_mask
    return make_output(mixed, weights, groups), Gathered(users, q, keys, values, P, M, mixed)


def backward(
    grad_out: Array,
    cache: Gathered,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    masks: Masks,
    grad_weights: Array | None,
    num_heads: int,
) -> UserGrads:
    """Carry the gradient back, with the arguments and the results of `absorbed.backward`."""
    users, q, keys, values, P, M, mixed = cache
    d_mixed, dW_o = output_backward(groups.sort_results(grad_out), mixed, weights, groups)
    if masks.head_dropout_mask is not None:
        d_mixed *= masks.head_dropout_mask
    dZ = d_mixed.reshape(q.shape)  # (rows, H, d)
    dP = np.matmul(values, dZ[..., None])[..., 0]  # (rows, H, K)
    if masks.dropout_mask is not None:
        dP *= masks.dropout_mask
    if grad_weights is not None:
        dP += grad_weights
    dS = P * (dP - np.sum(P * dP, axis=-1, keepdims=True))
    dq = np.matmul(dS[:, :, None], keys).reshape(mixed.shape) * dP.dtype.type(1 / math.sqrt(q.shape[-1]))
    by_user = (dS[..., None] * q[:, :, None], M[..., None] * dZ[:, :, None])  # dK and dV, (rows, H, K, d)
    dK, dV = (groups.sum_by_domain(rows).swapaxes(1, 2).reshape(tables.keys.shape) for rows in by_user)
    grad_users = dq @ weights.query_weight.T
    if groups.every:
        grad_users = np.sum(grad_users.reshape(len(groups.present), -1, grad_users.shape[-1]), axis=0)
    return UserGrads(
        grad_users, users.T @ dq, np.add.reduce(dq, axis=0), dW_o, tables_backward(dK, dV, tables, weights)
    )


def attention_weights(cache: Gathered, groups: Groups) -> Array:
    """Return the attention weights, (rows, H, K), sorted."""
    return cache.weights
