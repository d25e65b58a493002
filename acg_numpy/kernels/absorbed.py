"""The absorbed kernel: keys and values multiplied into the projections that they meet, once for each domain.

Move the brackets.  Of head h, with u a user's row, W_q,h the columns of W_q and W_o,h the rows of W_o that are its own:

    scores   (u W_q,h + b_q,h) K_h' / sqrt(d)  =  (u (W_q,h K_h') + b_q,h K_h') / sqrt(d)  =  u A_h + a_h
    output   sum_h (P_h V_h) W_o,h + b_o       =  sum_h P_h (V_h W_o,h) + b_o        =  sum_h P_h C_h + b_o

A_h (D, K) and C_h (K, D) are the same for all users of a domain.  A user then costs 2 H K D multiplications instead of
2 D^2 + 2 K D, and no gathered row of any table.  The row a is carried into the product by a column of ones behind u.

Backward, of all users U of a domain, with g the gradient of their outputs:

    dP_h = g C_h'    dC_h = P_h' g    dS = softmax's    dA_h = U' dS_h    da_h = sum dS_h    dU = sum_h dS_h A_h'

and once for each domain, from A_h = W_q,h K_h' / sqrt(d) and C_h = V_h W_o,h,

    dK_h = (dA_h' W_q,h + da_h b_q,h) / sqrt(d)    dW_q,h = dA_h K_h / sqrt(d)    db_q,h = da_h K_h / sqrt(d)
    dV_h = dC_h W_o,h'                             dW_o,h = V_h' dC_h

Scores are held tokens-major, (H K, users), and worked on in pieces that stay in cache.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.kernels.grouping import Groups, Part
from acg_numpy.kernels.inplace_softmax import softmax_backward_in_place, softmax_in_place
from acg_numpy.kernels.projections import Projections, Tables, UserGrads, tables_backward
from acg_numpy.kernels.scratch import Lease, buffer_pool, scratch
from acg_numpy.shapes import Array


class Absorbed(NamedTuple):
    """What the backward needs.

    Attributes
    ----------
    users : array, shape (B, D + 1)
        Sorted by domain, with a column of ones.
    A, C : arrays, shapes (N, H K, D + 1) and (N, H K, D)
    weights : list of arrays, shapes (H, K, users of the part)
        P, one for each part.
    dropped : list of arrays like `weights`, or None
        P * M, where M is a dropout mask.
    parts : list of Part
    leases : tuple of Lease
        Of the memory that `users` and `weights` are in.
    """

    users: Array
    A: Array
    C: Array
    weights: list[Array]
    dropped: list[Array] | None
    parts: list[Part]
    leases: tuple[Lease, ...]


def absorb(tables: Tables, weights: Projections, num_heads: int) -> tuple[Array, Array]:
    """Return A' with a beside it, (N, H K, D + 1), and C, (N, H K, D), of every domain."""
    N, K, D = tables.tokens.shape
    H, d = num_heads, D // num_heads
    scale = tables.tokens.dtype.type(1 / math.sqrt(d))
    W_q = weights.query_weight.reshape(D, H, d).transpose(1, 2, 0)  # (H, d, D)
    W_o = weights.output_weight.reshape(H, d, D)
    A = np.empty((N, H, K, D + 1), tables.tokens.dtype)
    keys = tables.keys * scale
    A[..., :D] = (keys @ W_q).reshape(H, N, K, D).swapaxes(0, 1)
    if weights.query_bias is None:
        A[..., D] = 0.0
    else:
        a = keys @ weights.query_bias.reshape(H, d, 1)  # (H, N K, 1)
        A[..., D] = a.reshape(H, N, K).swapaxes(0, 1)
    C = np.ascontiguousarray((tables.values @ W_o).reshape(H, N, K, D).swapaxes(0, 1))
    return A.reshape(N, H * K, D + 1), C.reshape(N, H * K, D)


def forward(
    user_emb: Array,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    mask: Array | None,
    dropout_mask: Array | None,
    num_heads: int,
    keep: bool,
) -> tuple[Array, Absorbed]:
    """Condition the users.

    Parameters
    ----------
    user_emb : array, shape (B, D)
        As they came.
    tables : Tables
        Of the domains that occur.
    weights : Projections
    groups : Groups
    mask : bool array, shape (rows, K), or None
        Sorted by domain, one row for each result.
    dropout_mask : array, shape (rows, H, K), or None
        Sorted by domain as well.
    num_heads : int
    keep : bool
        Whether weights are kept, for a backward or to be looked at.

    Returns
    -------
    out : array, shape (rows, D)
        Sorted by domain; where every user meets every domain, (U, N, D).
    cache : Absorbed
    """
    _, K, D = tables.tokens.shape
    H, dtype = num_heads, user_emb.dtype
    rows = int(np.sum(groups.counts))
    parts = groups.parts()
    largest = max(part.target.stop - part.target.start for part in parts)
    columns = rows if keep else largest
    leases = buffer_pool.lend((len(user_emb), D + 1), dtype), buffer_pool.lend((columns * H * K,), dtype)
    users, room = leases[0].array, leases[1].array
    users[:, :D] = groups.sort(user_emb, out=scratch.get("sorted", user_emb.shape, dtype))
    users[:, D] = 1.0
    A, C = absorb(tables, weights, H)
    if groups.every:
        out = np.empty((len(user_emb), len(groups.present), D), dtype)
    else:
        out = _room("out", (rows, D), dtype, groups)
    kept: list[Array] = []
    dropped: list[Array] | None = None if dropout_mask is None else []
    for n, source, target in parts:
        start, number = target.start if keep else 0, target.stop - target.start
        scores = room[start * H * K : (start + number) * H * K].reshape(H * K, number)
        np.matmul(A[n], users[source].T, out=scores)
        P = softmax_in_place(scores.reshape(H, K, number), None if mask is None else mask[target].T)
        M = P
        if dropped is not None and dropout_mask is not None:
            M = P * dropout_mask[target].transpose(1, 2, 0)
        if keep:
            kept.append(P)
            if dropped is not None:
                dropped.append(M)
        np.matmul(M.reshape(H * K, number).T, C[n], out=out[source, n] if groups.every else out[target])
    if weights.output_bias is not None:
        out += weights.output_bias
    return out, Absorbed(users, A, C, kept, dropped, parts, leases)


def _room(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], groups: Groups) -> Array:
    """Return room for sorted rows: scratch where they are copied when put in order, new memory where they are not."""
    return np.empty(shape, dtype) if groups.order is None else scratch.get(name, shape, dtype)


def backward(
    grad_out: Array,
    cache: Absorbed,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    dropout_mask: Array | None,
    grad_weights: Array | None,
    num_heads: int,
) -> UserGrads:
    """Carry the gradient of the output, (rows, D), sorted, back to everything; the users' comes back sorted as well.

    `grad_weights`, (rows, H, K), is what the loss adds to dP; no gradient of the dropout mask is computed.
    """
    users, A, C, kept, dropped, parts, _ = cache
    _, K, D = tables.tokens.shape
    H, dtype = num_heads, users.dtype
    dA, dC = np.zeros_like(A), np.zeros_like(C)
    du = _room("du", (len(users), D), dtype, groups)
    met = np.zeros(len(users), bool)
    for number, (n, source, target) in enumerate(parts):
        P, g = kept[number], grad_out[target]
        M = P if dropped is None else dropped[number]
        shape = P.shape
        dP = scratch.get("dP", (H * K, shape[2]), dtype)
        np.matmul(C[n], g.T, out=dP)
        dC[n] += M.reshape(H * K, -1) @ g
        dP = dP.reshape(shape)
        if dropout_mask is not None:
            dP *= dropout_mask[target].transpose(1, 2, 0)
        if grad_weights is not None:
            dP += grad_weights[target].transpose(1, 2, 0)
        dS = softmax_backward_in_place(dP, P, scratch.get("P dP", shape, dtype)).reshape(H * K, -1)
        dA[n] += dS @ users[source]
        if met[source.start]:  # every user meets every domain
            du[source] += dS.T @ A[n][:, :D]
        else:
            np.matmul(dS.T, A[n][:, :D], out=du[source])
            met[source] = True
    return _carry_to_weights(du, dA, dC, tables, weights, num_heads)


def _carry_to_weights(
    du: Array, dA: Array, dC: Array, tables: Tables, weights: Projections, num_heads: int
) -> UserGrads:
    """Carry dA and dC back to the weights and the tokens, at the cost of the domains and not of the users."""
    N, K, D = tables.tokens.shape
    H, d = num_heads, D // num_heads
    scale = dA.dtype.type(1 / math.sqrt(d))
    dA = (dA.reshape(N, H, K, D + 1).swapaxes(0, 1) * scale).reshape(H, N * K, D + 1)
    dC = np.ascontiguousarray(dC.reshape(N, H, K, D).swapaxes(0, 1)).reshape(H, N * K, D)
    da, dA = dA[..., D:], dA[..., :D]
    W_q = weights.query_weight.reshape(D, H, d).swapaxes(0, 1)  # (H, D, d)
    W_o = weights.output_weight.reshape(H, d, D)

    dK = dA @ W_q  # (H, N K, d)
    if weights.query_bias is not None:
        dK += da * weights.query_bias.reshape(H, 1, d)
    dW_q = np.matmul(dA.swapaxes(1, 2), tables.keys).swapaxes(0, 1).reshape(D, D)  # (H, D, d) -> (D, H, d)
    db_q = np.matmul(da.swapaxes(1, 2), tables.keys).reshape(D)
    dV = dC @ W_o.swapaxes(1, 2)
    dW_o = np.matmul(tables.values.swapaxes(1, 2), dC).reshape(D, D)
    return UserGrads(du, dW_q, db_q, dW_o, tables_backward(dK, dV, tables, weights))


def attention_weights(cache: Absorbed, groups: Groups) -> Array:
    """Return the attention weights, (rows, H, K), sorted."""
    H, K, _ = cache.weights[0].shape
    weights = np.empty((int(np.sum(groups.counts)), H, K), cache.users.dtype)
    for P, part in zip(cache.weights, cache.parts, strict=True):
        weights[part.target] = P.transpose(2, 0, 1)
    return weights
