"""The grouped kernel: tables projected once for each domain, its users side by side, many domains in one product.

The brackets stay where the classroom has them, (u W_q + b_q) K_h' / sqrt(d), but K_h and V_h are those of the domain's
tokens and not of each user's copy of them.  As in `absorbed`, the bias is one more row of W_q, which a column of ones
behind u meets, and both are divided by sqrt(d).  Where there are many domains with few users each, or more scores a
user than features, this costs less than to multiply W_q and W_o in.

Users are sorted by domain, n domains with m users each make a block, and one batched product does it:

    S = K_h q_h' / sqrt(d)   (n, H, K, m)     P = softmax(S)     Z = P' V_h   (n, H, m, d)     out = Z W_o + b_o

The scores lie in memory as (n, K, H, m): see `inplace_softmax`.

Backward: dZ = g W_o',  dP = V_h dZ',  dV = P dZ,  dS = softmax's,  dK = dS q / sqrt(d),  dq = dS' K_h / sqrt(d), then
dU = dq W_q'.  What is padded has dZ = 0, and so adds nothing to dK and dV.

Since Z is at hand, a dropout mask R on the merged heads is one product more: Z * R forward, dZ * R backward.
"""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.kernels.grouping import Block, Groups
from acg_numpy.kernels.inplace_softmax import softmax_backward_in_place, softmax_in_place
from acg_numpy.kernels.projections import (
    Projections,
    Tables,
    UserGrads,
    make_output,
    output_backward,
    scale_queries,
    tables_backward,
)
from acg_numpy.kernels.scratch import scratch
from acg_numpy.shapes import Array


class Masks(NamedTuple):
    """What is sorted by domain, one row for each result, and None where there is none."""

    mask: Array | None  # (rows, K)
    dropout_mask: Array | None  # (rows, H, K)
    head_dropout_mask: Array | None  # (rows, I)


class Grouped(NamedTuple):
    """What the backward needs; of each block the queries and the weights."""

    users: Array  # (rows, D + 1), sorted, with a column of ones
    queries: list[Array]  # (n, H, m, d), scaled; (1, H, m, d) where every user meets every domain
    weights: list[Array]  # (n, K, H, m): P
    dropped: list[Array]  # (n, K, H, m): P * M
    mixed: Array  # (rows, I): Z * R


def tokens_major(values: Array | None, block: Block) -> Any:
    """Return sorted (rows, H, K), or (rows, K), of a block as (n, K, H, m) or (n, K, 1, m); None stays None."""
    if values is None:
        return None
    wide = block.split(values)
    return (wide if wide.ndim == 4 else wide[:, :, None]).swapaxes(1, 3)


def attend(scores: Array, masks: Masks, block: Block) -> tuple[Array, Array]:
    """Turn the scores (n, K, H, m) of a block into weights, in place, and return these and what dropout leaves."""
    P = softmax_in_place(scores, tokens_major(masks.mask, block))
    return P, P if masks.dropout_mask is None else P * tokens_major(masks.dropout_mask, block)


def split_block(wide: Array, num_heads: int) -> Array:
    """Return rows (n, m, I) by heads, (n, H, m, d): a view."""
    return wide.reshape(*wide.shape[:2], num_heads, -1).swapaxes(1, 2)


def merge_block(heads: Array) -> Array:
    """Return heads (n, H, m, d) as rows again, (n, m, I)."""
    n, _, m, _ = heads.shape
    return heads.swapaxes(1, 2).reshape(n, m, -1)


def forward(
    user_emb: Array, tables: Tables, weights: Projections, groups: Groups, masks: Masks, num_heads: int
) -> tuple[Array, Grouped]:
    """Condition the users, with the arguments of `absorbed.forward`."""
    rows = len(user_emb) if groups.every else groups.num_rows
    users = groups.sort_users(user_emb, np.empty((rows, user_emb.shape[1] + 1), user_emb.dtype))
    queries = users @ tables.query_weight
    keys, values = tables.by_domain(tables.keys), tables.by_domain(tables.values)
    mixed = np.empty((groups.num_rows, queries.shape[1]), queries.dtype)
    cache = Grouped(users, [], [], [], mixed)
    for block in groups.blocks:
        q = split_block(queries[block.source][None] if groups.every else block.split(queries), num_heads)
        S = np.empty((block.n, keys.shape[2], num_heads, block.m), queries.dtype)
        np.matmul(keys[block.domains], q.swapaxes(-1, -2), out=S.swapaxes(1, 2))
        P, M = attend(S, masks, block)
        np.matmul(M.transpose(0, 2, 3, 1), values[block.domains], out=split_block(block.split(mixed), num_heads))
        cache.queries.append(q)
        cache.weights.append(P)
        cache.dropped.append(M)
    if masks.head_dropout_mask is not None:
        mixed *= masks.head_dropout_mask
    return make_output(mixed, weights, groups), cache


def backward(
    grad_out: Array,
    cache: Grouped,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    masks: Masks,
    grad_weights: Array | None,
    num_heads: int,
) -> UserGrads:
    """Carry the gradient back, with the arguments and the results of `absorbed.backward`."""
    dtype = grad_out.dtype
    keys, values = tables.by_domain(tables.keys), tables.by_domain(tables.values)
    flat_dK, flat_dV = np.zeros(tables.keys.shape, dtype), np.zeros(tables.values.shape, dtype)
    dK, dV = tables.by_domain(flat_dK), tables.by_domain(flat_dV)
    # what a block gives is added where its domains may have other blocks, too
    add_product = _write_product if len(groups.blocks) == 1 else _add_product
    dq = np.zeros((len(cache.users), cache.mixed.shape[1]), dtype)
    d_mixed, dW_o = output_backward(groups.sort_results(grad_out, "grad"), cache.mixed, weights, groups)
    if masks.head_dropout_mask is not None:
        d_mixed *= masks.head_dropout_mask
    for block, q, P, M in zip(groups.blocks, cache.queries, cache.weights, cache.dropped, strict=True):
        dZ = split_block(block.split(d_mixed), num_heads)  # (n, H, m, d)
        add_product(M.swapaxes(1, 2), dZ, dV[block.domains])
        dM = np.empty(P.shape, dtype)  # (n, K, H, m)
        np.matmul(values[block.domains], dZ.swapaxes(-1, -2), out=dM.swapaxes(1, 2))
        room = scratch.get("P dP", P.shape, dtype)
        dS = softmax_backward_in_place(dM, P, M, room, tokens_major(grad_weights, block)).swapaxes(1, 2)
        add_product(dS, q, dK[block.domains])
        back = dS.swapaxes(-1, -2)
        if groups.every:
            dq[block.source] += merge_block(np.add.reduce(back @ keys[block.domains], axis=0, keepdims=True))[0]
        else:
            np.matmul(back, keys[block.domains], out=split_block(block.split(dq), num_heads))
    dW_q = scale_queries(cache.users.T @ dq, num_heads)  # (D + 1, I)
    dU = dq @ tables.query_weight[:-1].T
    return UserGrads(dU, dW_q[:-1], dW_q[-1], dW_o, tables_backward(flat_dK, flat_dV, tables, weights))


def _write_product(left: Array, right: Array, total: Array) -> None:
    np.matmul(left, right, out=total)


def _add_product(left: Array, right: Array, total: Array) -> None:
    total += left @ right


def attention_weights(cache: Any, groups: Groups) -> Array:
    """Return the attention weights, (rows, H, K), sorted."""
    _, K, H, _ = cache.weights[0].shape
    weights = np.empty((groups.num_rows, H, K), cache.users.dtype)
    for P, block in zip(cache.weights, groups.blocks, strict=True):
        block.split(weights)[...] = P.swapaxes(1, 3)
    return weights
