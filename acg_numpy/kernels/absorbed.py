"""The absorbed kernel: keys and values multiplied into the projections that they meet, once for each domain.

Move the brackets.  Of head h, with u a user's row, W_q,h the columns of W_q and W_o,h the rows of W_o that are its own:

    scores   (u W_q,h + b_q,h) K_h' / sqrt(d)  =  [u 1] ([W_q,h; b_q,h] K_h' / sqrt(d))    =  [u 1] A_h
    output   sum_h (P_h V_h) W_o,h + b_o       =  sum_h P_h (V_h W_o,h) + b_o              =  sum_h P_h C_h + b_o

A_h (D + 1, K) and C_h (K, D) are the same for all users of a domain, also where the domain has a W_o of its own.  A
user then costs 2 H K D multiplications instead of 2 D I + 2 K I, and no copy of a row of any table.  The bias is one
more row of W_q, which a column of ones behind u meets.

Backward, of all users U = [u 1] of a domain, with g the gradient of their outputs:

    dP_h = g C_h'    dC_h = P_h' g    dS = softmax's    dA_h = U' dS_h    dU = sum_h dS_h A_h'

and once for each domain, from A_h = [W_q,h; b_q,h] K_h' / sqrt(d) and C_h = V_h W_o,h,

    dK_h = dA_h' [W_q,h; b_q,h] / sqrt(d)          d[W_q,h; b_q,h] = dA_h K_h / sqrt(d)
    dV_h = dC_h W_o,h'                             dW_o,h = V_h' dC_h

A dropout mask R on the merged heads stands between V_h and W_o,h, and is another one for each user:

    sum_h ((P_h V_h) * R_h) W_o,h

The brackets around V_h W_o,h cannot be moved past it.  So with R only the scores are absorbed, and the merged heads are
made and projected as the grouped kernel does it: 2 H K D becomes H K D + K I + D I.

Scores are held tokens-major, (n, K, H, m), for n domains of m users, in blocks that stay in cache; so the rows of A'
and of C are in order of tokens, too.  A small batch is one block: all its domains are side by side in each product.
"""

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
    scale_queries,
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
    A : array, shape (N, K H, D + 1)
    C : array, shape (N, K H, D), or None
        None where features of the merged heads are dropped.
    padded : list of arrays, shapes (n, m, D + 1)
        The users of each block; (1, m, D + 1) where every user meets every domain.
    weights : list of arrays, shapes (n, K, H, m)
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
    """Return A', (N, K H, D + 1), and C, (N, K H, D), of every domain; no C unless `values`."""
    N, K, D = tables.tokens.shape
    H, d, dtype = num_heads, tables.keys.shape[1] // num_heads, tables.tokens.dtype
    A = np.empty((N * K, H * (D + 1)), dtype)
    W_q = tables.by_head(tables.query_weight)  # (H, D + 1, d)
    np.matmul(tables.by_head(tables.keys), W_q.swapaxes(1, 2), out=tables.by_head(A))
    A = A.reshape(N, K * H, D + 1)
    if not values:
        return A, None
    C = np.empty((N * K, H * D), dtype)
    if weights.per_domain:
        np.matmul(tables.by_domain(tables.values), weights.output_weight.reshape(N, H, d, D), out=tables.by_domain(C))
    else:
        np.matmul(tables.by_head(tables.values), weights.output_weight.reshape(H, d, D), out=tables.by_head(C))
    return A, C.reshape(N, K * H, D)


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
    leases = [buffer_pool.lend(shape, dtype) for shape in ((rows, D + 1), (sum(sizes),))] if keep else []
    users = leases[0].array if keep else scratch.get("users", (rows, D + 1), dtype)
    groups.sort_users(user_emb, users)
    mixed = None if masks.head_dropout_mask is None else np.empty(masks.head_dropout_mask.shape, dtype)
    if groups.every:
        out = np.empty((len(user_emb), len(groups.present), D), dtype)
    else:
        out = _room("out", (rows, D), dtype, groups)
    cache = Absorbed(users, A, C, [], [], [], mixed, tuple(leases))

    def condition_block(block: Block, start: int, size: int) -> tuple[Array, Array, Array] | None:
        room = leases[1].array[start : start + size] if keep else scratch.get("scores", (size,), dtype)
        S = room.reshape(block.n, K, H, block.m)
        U = _users_of(block, users, groups)
        np.matmul(A[block.domains], U.swapaxes(1, 2), out=S.reshape(block.n, K * H, block.m))
        P, M = attend(S, masks, block)
        if C is None:
            np.matmul(M.transpose(0, 2, 3, 1), values[block.domains], out=split_block(block.split(mixed), H))  # type: ignore[index, arg-type]
        else:
            by_user = M.reshape(block.n, K * H, block.m).swapaxes(1, 2)
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
    """Carry the gradient of the output, (B, D) or (U, N, D), back to everything; the users' comes back sorted.

    `grad_weights`, (rows, H, K), is what the loss adds to dP; no gradient of the dropout masks is computed.
    """
    _, K, D = tables.tokens.shape
    H, dtype = num_heads, grad_out.dtype
    A, C, values = cache.A, cache.C, tables.by_domain(tables.values)
    if cache.mixed is None:
        grad_of = groups.results_of_blocks(grad_out, "grad")
    else:
        d_mixed, dW_o = output_backward(groups.sort_results(grad_out, "grad"), cache.mixed, weights, groups)
        d_mixed *= masks.head_dropout_mask
    shape = (len(cache.users), D)
    du = np.zeros(shape, dtype) if groups.every else _room("du", shape, dtype, groups)

    def carry_back(block: Block, U: Array, P: Array, M: Array) -> tuple[slice, Array, Array]:
        n, m, domains = block.n, block.m, block.domains
        dM = scratch.get("dP", P.shape, dtype)
        if C is None:
            dZ = split_block(block.split(d_mixed), H)  # (n, H, m, d)
            np.matmul(values[domains], dZ.swapaxes(-1, -2), out=dM.swapaxes(1, 2))
            by_value = M.swapaxes(1, 2) @ dZ  # dV
        else:
            g = grad_of(block)  # (n, m, D)
            np.matmul(C[domains], g.swapaxes(1, 2), out=dM.reshape(n, K * H, m))
            by_value = M.reshape(n, K * H, m) @ g  # dC
        room = scratch.get("P dP", P.shape, dtype)
        dS = softmax_backward_in_place(dM, P, M, room, tokens_major(grad_weights, block)).reshape(n, K * H, m)
        if groups.every:
            du[block.source] += dS.reshape(n * K * H, m).T @ A[domains].reshape(n * K * H, D + 1)[:, :D]
        else:
            np.matmul(dS.swapaxes(1, 2), A[domains][..., :D], out=block.split(du))
        return domains, by_value, dS @ U

    map_blocks = partial(map, carry_back, groups.blocks) if groups.every else partial(groups.map_blocks, carry_back)
    found = map_blocks(cache.padded, cache.weights, cache.dropped)
    if len(groups.blocks) == 1:
        [(_, dC, dA)] = found
    else:
        dC, dA = np.zeros((values if C is None else C).shape, dtype), np.zeros_like(A)
        for domains, by_value, by_feature in found:
            dC[domains] += by_value
            dA[domains] += by_feature
    dK, dW_q, db_q = _carry_to_queries(dA, tables)
    if C is None:
        dV = dC.swapaxes(1, 2).reshape(tables.values.shape)
    else:
        dV, dW_o = _carry_to_values(dC, tables, weights)
    return UserGrads(du, dW_q, db_q, dW_o, tables_backward(dK, dV, tables, weights))


def _carry_to_queries(dA: Array, tables: Tables) -> tuple[Array, Array, Array]:
    """Carry dA back to keys, query weight and bias, at the cost of the domains and not of the users."""
    H, dK = tables.num_heads, np.empty_like(tables.keys)
    by_head: Array = tables.by_head(dA.reshape(len(dK), -1))  # (H, N K, D + 1)
    np.matmul(by_head, tables.by_head(tables.query_weight), out=tables.by_head(dK))
    dW_q = by_head.swapaxes(1, 2) @ tables.by_head(tables.keys)  # (H, D + 1, d)
    flat = scale_queries(dW_q.swapaxes(0, 1).reshape(dA.shape[-1], -1), H)  # (D + 1, I)
    return dK, flat[:-1], flat[-1]


def _carry_to_values(dC: Array, tables: Tables, weights: Projections) -> tuple[Array, Array]:
    """Carry dC back to values, (N K, I), and to the output weight, at the cost of the domains."""
    (N, K, D), H = tables.tokens.shape, tables.num_heads
    I, dV = tables.values.shape[1], np.empty_like(tables.values)  # noqa: E741
    dC = dC.reshape(N * K, H * D)
    if weights.per_domain:
        by_domain, W_o = tables.by_domain(dC), weights.output_weight.reshape(N, H, I // H, D)
        np.matmul(by_domain, W_o.swapaxes(2, 3), out=tables.by_domain(dV))
        return dV, (tables.by_domain(tables.values).swapaxes(2, 3) @ by_domain).reshape(N, I, D)
    by_head = tables.by_head(dC)
    np.matmul(by_head, weights.output_weight.reshape(H, I // H, D).swapaxes(1, 2), out=tables.by_head(dV))
    return dV, (tables.by_head(tables.values).swapaxes(1, 2) @ by_head).reshape(I, D)
