"""The absorbed kernel: keys and values multiplied into the projections that they meet, once for each domain.

Move the brackets.  Of head h, with u a user's row, W_q,h the columns of W_q and W_o,h the rows of W_o that are its own:

    scores   (u W_q,h + b_q,h) K_h' / sqrt(d)  =  (u (W_q,h K_h') + b_q,h K_h') / sqrt(d)  =  u A_h + a_h
    output   sum_h (P_h V_h) W_o,h + b_o       =  sum_h P_h (V_h W_o,h) + b_o        =  sum_h P_h C_h + b_o

A_h (D, K) and C_h (K, D) are the same for all users of a domain, also where the domain has a W_o of its own.  A user
then costs 2 H K D multiplications instead of 2 D I + 2 K I, and no gathered row of any table.  The row a is carried
into the product by a column of ones behind u.

Backward, of all users U of a domain, with g the gradient of their outputs:

    dP_h = g C_h'    dC_h = P_h' g    dS = softmax's    dA_h = U' dS_h    da_h = sum dS_h    dU = sum_h dS_h A_h'

and once for each domain, from A_h = W_q,h K_h' / sqrt(d) and C_h = V_h W_o,h,

    dK_h = (dA_h' W_q,h + da_h b_q,h) / sqrt(d)    dW_q,h = dA_h K_h / sqrt(d)    db_q,h = da_h K_h / sqrt(d)
    dV_h = dC_h W_o,h'                             dW_o,h = V_h' dC_h

A dropout mask R on the merged heads stands between V_h and W_o,h, and is another one for each user:

    sum_h ((P_h V_h) * R_h) W_o,h

The brackets around V_h W_o,h cannot be moved past it.  So with R only the scores are absorbed, and the merged heads are
made and projected as the grouped kernel does it: 2 H K D becomes H K D + K I + D I.

Scores are held tokens-major, (n, H, K, m), for n domains of m users, in blocks that stay in cache.
"""

import math
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from acg_numpy.kernels.grouped import Masks, attend, attention_weights, split_block, tokens_major
from acg_numpy.kernels.grouping import Block, Groups
from acg_numpy.kernels.inplace_softmax import softmax_backward_in_place
from acg_numpy.kernels.projections import (
    Projections,
    Tables,
    UserGrads,
    add_bias,
    make_output,
    output_backward,
    tables_backward,
)
from acg_numpy.kernels.scratch import Lease, buffer_pool, scratch
from acg_numpy.shapes import Array

__all__ = ["Absorbed", "absorb", "attention_weights", "backward", "condition", "forward"]


class Absorbed(NamedTuple):
    """What the backward needs.

    Attributes
    ----------
    users : array, shape (B, D + 1)
        Sorted by domain, with a column of ones.
    A : array, shape (N, H K, D + 1)
    C : array, shape (N, H K, D), or None
        None where features of the merged heads are dropped.
    padded : list of arrays, shapes (n, m, D + 1)
        The users of each block; (1, m, D + 1) where every user meets every domain.
    weights : list of arrays, shapes (n, H, K, m)
        P, one for each block.
    dropped : list of arrays like `weights`
        P * M, where M is a dropout mask; P itself where there is none.
    mixed : array, shape (rows, I), or None
        The merged heads, where their features are dropped.
    leases : tuple of Lease
        Of the memory that `users` and `weights` are in.
    """

    users: Array
    A: Array
    C: Array | None
    padded: list[Array]
    weights: list[Array]
    dropped: list[Array]
    mixed: Array | None
    leases: tuple[Lease, ...]


def absorb(tables: Tables, weights: Projections, num_heads: int, values: bool = True) -> tuple[Array, Array | None]:
    """Return A' with a beside it, (N, H K, D + 1), and C, (N, H K, D), of every domain; no C unless `values`."""
    N, K, D = tables.tokens.shape
    H, d = num_heads, tables.keys.shape[1] // num_heads
    scale = tables.tokens.dtype.type(1 / math.sqrt(d))
    W_q = weights.query_weight.reshape(D, H, d).transpose(1, 2, 0)  # (H, d, D)
    A = np.empty((N, H, K, D + 1), tables.tokens.dtype)
    keys = tables.by_head(tables.keys * scale)
    A[..., :D] = (keys @ W_q).reshape(H, N, K, D).swapaxes(0, 1)
    if weights.query_bias is None:
        A[..., D] = 0.0
    else:
        a = keys @ weights.query_bias.reshape(H, d, 1)  # (H, N K, 1)
        A[..., D] = a.reshape(H, N, K).swapaxes(0, 1)
    A = A.reshape(N, H * K, D + 1)
    if not values:
        return A, None
    if weights.per_domain:
        C = tables.by_domain(tables.values) @ weights.output_weight.reshape(N, H, d, D)  # (N, H, K, D)
    else:
        C = (tables.by_head(tables.values) @ weights.output_weight.reshape(H, d, D)).reshape(H, N, K, D).swapaxes(0, 1)
    return A, np.ascontiguousarray(C).reshape(N, H * K, D)


def forward(
    user_emb: Array,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    masks: Masks,
    num_heads: int,
    keep: bool = True,
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
    masks : Masks
    num_heads : int
    keep : bool
        Whether weights are kept, for a backward or to be looked at.

    Returns
    -------
    out : array, shape (rows, D)
        Sorted by domain; where every user meets every domain and no head is dropped, (U, N, D).
    cache : Absorbed
    """
    dropped = masks.head_dropout_mask is not None
    A, C = absorb(tables, weights, num_heads, values=not dropped)
    values = tables.by_domain(tables.values) if dropped else None
    return condition(user_emb, A, C, values, weights, groups, masks, num_heads, keep)


def condition(
    user_emb: Array,
    A: Array,
    C: Array | None,
    values: Array | None,
    weights: Projections,
    groups: Groups,
    masks: Masks,
    num_heads: int,
    keep: bool,
) -> tuple[Array, Absorbed]:
    """Condition the users by what `absorb` gives of the domains that occur, or by `values`, (N, H, K, d), without C."""
    H, K, D, dtype = num_heads, A.shape[1] // num_heads, user_emb.shape[1], user_emb.dtype
    rows = len(user_emb) if groups.every else groups.num_rows
    sizes = [block.n * block.m * H * K for block in groups.blocks]  # of the scores
    leases = [buffer_pool.lend((rows, D + 1), dtype)]
    if keep:
        leases.append(buffer_pool.lend((sum(sizes),), dtype))
    users = leases[0].array
    users[:, :D] = groups.sort(user_emb, out=scratch.get("sorted", (rows, D), dtype))
    users[:, D] = 1.0
    mixed = None if masks.head_dropout_mask is None else np.empty(masks.head_dropout_mask.shape, dtype)
    if groups.every:
        out = np.empty((len(user_emb), len(groups.present), D), dtype)
    else:
        out = _room("out", (rows, D), dtype, groups)
    cache = Absorbed(users, A, C, [], [], [], mixed, tuple(leases))

    def condition_block(block: Block, start: int, size: int) -> tuple[Array, Array, Array] | None:
        room = leases[1].array[start : start + size] if keep else scratch.get("scores", (size,), dtype)
        scores = room.reshape(block.n, H * K, block.m)
        U = _users_of(block, users, groups)
        np.matmul(A[block.domains], U.swapaxes(1, 2), out=scores)
        P, M = attend(scores.reshape(block.n, H, K, block.m), masks, block)
        if C is None:
            np.matmul(M.swapaxes(-1, -2), values[block.domains], out=split_block(block.split(mixed), H))  # type: ignore[index, arg-type]
        else:
            by_user = M.reshape(block.n, H * K, block.m).swapaxes(1, 2)
            if groups.every:
                out[block.source, block.domains] = (by_user @ C[block.domains]).swapaxes(0, 1)
            else:
                np.matmul(by_user, C[block.domains], out=block.split(out))
        return (U, P, M) if keep else None

    for kept in groups.map_blocks(condition_block, accumulate([0, *sizes[:-1]]), sizes):
        if kept is not None:
            for arrays, array in zip((cache.padded, cache.weights, cache.dropped), kept, strict=True):
                arrays.append(array)
    if mixed is not None:
        mixed *= masks.head_dropout_mask
        return make_output(mixed, weights, groups), cache
    if groups.every:
        return (out if weights.output_bias is None else np.add(out, weights.output_bias, out=out)), cache
    return add_bias(out, weights, groups), cache


def _users_of(block: Block, users: Array, groups: Groups) -> Array:
    """Return the users of a block, (n, m, D + 1), or (1, m, D + 1) where they are the same in every domain."""
    return users[block.source][None] if groups.every else block.split(users)


def _room(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], groups: Groups) -> Array:
    """Return room for sorted rows: scratch where they are copied when put in order, new memory where they are not."""
    return np.empty(shape, dtype) if groups.order is None else scratch.get(name, shape, dtype)


def backward(
    grad_out: Array,
    cache: Absorbed,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    masks: Masks,
    grad_weights: Array | None,
    num_heads: int,
) -> UserGrads:
    """Carry the gradient of the output, (rows, D), sorted, back to everything; the users' comes back sorted as well.

    `grad_weights`, (rows, H, K), is what the loss adds to dP; no gradient of the dropout masks is computed.
    """
    _, K, D = tables.tokens.shape
    H, dtype = num_heads, grad_out.dtype
    A, C = cache.A, cache.C
    dA, dC = np.zeros_like(A), None if C is None else np.zeros_like(C)
    flat_dV = np.zeros_like(tables.values)
    values, dV = tables.by_domain(tables.values), tables.by_domain(flat_dV)
    if cache.mixed is not None:
        grad_out, dW_o = output_backward(grad_out, cache.mixed, weights, groups)
        grad_out *= masks.head_dropout_mask
    shape = (len(cache.users), D)
    du = np.zeros(shape, dtype) if groups.every else _room("du", shape, dtype, groups)

    def carry_back(block: Block, U: Array, P: Array, M: Array) -> tuple[slice, Array, Array]:
        n, m, domains = block.n, block.m, block.domains
        g = block.split(grad_out)  # (n, m, D), or (n, m, I)
        dM = scratch.get("dP", P.shape, dtype)
        if C is None:
            dZ = split_block(g, H)  # (n, H, m, d)
            np.matmul(values[domains], dZ.swapaxes(-1, -2), out=dM)
            by_key = M @ dZ  # dV
        else:
            np.matmul(C[domains], g.swapaxes(1, 2), out=dM.reshape(n, H * K, m))
            by_key = M.reshape(n, H * K, m) @ g  # dC
        room = scratch.get("P dP", P.shape, dtype)
        dS = softmax_backward_in_place(dM, P, M, room, tokens_major(grad_weights, block)).reshape(n, H * K, m)
        if groups.every:
            du[block.source] += dS.reshape(n * H * K, m).T @ A[domains].reshape(n * H * K, D + 1)[:, :D]
        else:
            np.matmul(dS.swapaxes(1, 2), A[domains][..., :D], out=block.split(du))
        return domains, by_key, dS @ U

    map_blocks = partial(map, carry_back, groups.blocks) if groups.every else partial(groups.map_blocks, carry_back)
    for domains, by_key, by_feature in map_blocks(cache.padded, cache.weights, cache.dropped):
        (dV if dC is None else dC)[domains] += by_key
        dA[domains] += by_feature
    dK, dW_q, db_q = _carry_to_queries(dA, tables, weights)
    if dC is not None:
        flat_dV, dW_o = _carry_to_values(dC, tables, weights)
    return UserGrads(du, dW_q, db_q, dW_o, tables_backward(dK, flat_dV, tables, weights))


def _carry_to_queries(dA: Array, tables: Tables, weights: Projections) -> tuple[Array, Array, Array]:
    """Carry dA back to keys, query weight and bias, at the cost of the domains and not of the users."""
    N, K, D = tables.tokens.shape
    keys, dK = tables.by_head(tables.keys), np.empty_like(tables.keys)
    H, _, d = keys.shape
    scale = dA.dtype.type(1 / math.sqrt(d))
    dA = (dA.reshape(N, H, K, D + 1).swapaxes(0, 1) * scale).reshape(H, N * K, D + 1)
    da, dA = dA[..., D:], dA[..., :D]
    by_head = np.matmul(dA, weights.query_weight.reshape(D, H, d).swapaxes(0, 1), out=tables.by_head(dK))
    if weights.query_bias is not None:
        by_head += da * weights.query_bias.reshape(H, 1, d)
    dW_q = np.matmul(dA.swapaxes(1, 2), keys).swapaxes(0, 1).reshape(D, H * d)  # (H, D, d) -> (D, H, d)
    db_q = np.matmul(da.swapaxes(1, 2), keys).reshape(H * d)
    return dK, dW_q, db_q


def _carry_to_values(dC: Array, tables: Tables, weights: Projections) -> tuple[Array, Array]:
    """Carry dC back to values, (N K, I), and to the output weight, at the cost of the domains."""
    N, K, D = tables.tokens.shape
    values, dV = tables.by_head(tables.values), np.empty_like(tables.values)
    H, _, d = values.shape
    dC = dC.reshape(N, H, K, D)
    if weights.per_domain:
        W_o = weights.output_weight.reshape(N, H, d, D)
        np.matmul(dC, W_o.swapaxes(2, 3), out=tables.by_domain(dV))
        dW_o = tables.by_domain(tables.values).swapaxes(2, 3) @ dC  # (N, H, d, D)
        return dV, dW_o.reshape(N, H * d, D)
    dC = np.ascontiguousarray(dC.swapaxes(0, 1)).reshape(H, N * K, D)
    np.matmul(dC, weights.output_weight.reshape(H, d, D).swapaxes(1, 2), out=tables.by_head(dV))
    return dV, np.matmul(values.swapaxes(1, 2), dC).reshape(H * d, D)
