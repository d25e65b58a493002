"""The grouped kernel: tables projected once for each domain, its users side by side, all domains in one product.

The brackets stay where the classroom has them, (u W_q + b_q) K_h' / sqrt(d), but K_h and V_h are those of the domain's
tokens and not of each user's copy of them.  Where there are many domains with few users each, or more scores a user
than features, this costs less than to multiply W_q and W_o in.

The users of domain n are padded to the largest group, (N, m, D), so that one batched product does all domains; groups
of very different sizes are taken in several such batches, each at most twice as large as its smallest.

    S = K_h q_h' / sqrt(d)   (N, H, K, m)     P = softmax(S)     O = P' V_h   (N, H, m, d)     out = O W_o + b_o

Backward: dO = g W_o',  dP = V_h dO',  dV = P dO,  dS = softmax's,  dK = dS q / sqrt(d),  dq = dS' K_h / sqrt(d), then
dU = dq W_q'.  What is padded has q = 0 and dO = 0, and so adds nothing to dK and dV.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.kernels.grouping import Batch, Groups
from acg_numpy.kernels.inplace_softmax import softmax_backward_in_place, softmax_in_place
from acg_numpy.kernels.projections import Projections, Tables, UserGrads, make_output, make_queries, tables_backward
from acg_numpy.kernels.scratch import scratch
from acg_numpy.shapes import Array


class Grouped(NamedTuple):
    """What the backward needs: projected queries, sorted; of each batch the padded queries and the weights."""

    queries: Array  # (B, D), scaled
    batches: list[Batch]
    padded: list[Array]  # (n, H, m, d)
    weights: list[Array]  # (n, H, K, m)
    dropped: list[Array] | None
    mixed: Array  # (rows, D): O


def _domain_tables(flat: Array, domains: Array, shape: tuple[int, int]) -> Array:
    """Return the keys or values (H, N K, d) of some domains as (n, H, K, d)."""
    (N, K), (H, _, d) = shape, flat.shape
    return np.ascontiguousarray(flat.reshape(H, N, K, d)[:, domains].swapaxes(0, 1))


def pad(rows: Array, batch: Batch, num_heads: int) -> Array:
    """Return the sorted rows (rows, D) of a batch as (n, H, m, d), zeros where a group is smaller."""
    n, D = len(batch.domains), rows.shape[1]
    wide = np.zeros((n, batch.width, D), rows.dtype)
    wide[batch.row, batch.column] = rows[batch.target]
    return wide.reshape(n, batch.width, num_heads, -1).swapaxes(1, 2)


def unpad(wide: Array, batch: Batch, out: Array) -> None:
    """Write (n, H, m, d) into the batch's rows of (rows, D): the opposite of `pad`."""
    n, H, m, d = wide.shape
    flat = np.ascontiguousarray(wide.swapaxes(1, 2)).reshape(n, m, H * d)
    out[batch.target] = flat[batch.row, batch.column]


def pad_last(values: Array, batch: Batch, fill: float) -> Array:
    """Return sorted (rows, ...), masks for example, as (n, ..., m), with `fill` where a group is smaller."""
    n, m = len(batch.domains), batch.width
    wide = np.full((n, m, *values.shape[1:]), fill, values.dtype)
    wide[batch.row, batch.column] = values[batch.target]
    return np.moveaxis(wide, 1, -1)


def forward(
    user_emb: Array,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    mask: Array | None,
    dropout_mask: Array | None,
    num_heads: int,
) -> tuple[Array, Grouped]:
    """Condition the users, with the arguments of `absorbed.forward`."""
    N, K, D = tables.tokens.shape
    H, dtype = num_heads, user_emb.dtype
    queries = groups.sort(make_queries(user_emb, weights, H))
    batches, wide, kept = groups.batches, [], []
    dropped: list[Array] | None = None if dropout_mask is None else []
    mixed = np.empty((len(queries), D), dtype)
    for batch in batches:
        q = pad(queries, batch, H)
        S = _domain_tables(tables.keys, batch.domains, (N, K)) @ q.swapaxes(-1, -2)  # (n, H, K, m)
        allowed = None if mask is None else pad_last(mask, batch, True)[:, None]  # (n, 1, K, m)
        P = softmax_in_place(S, allowed)
        M = P
        if dropped is not None and dropout_mask is not None:
            M = P * pad_last(dropout_mask, batch, 0.0)  # (n, H, K, m)
            dropped.append(M)
        unpad(M.swapaxes(-1, -2) @ _domain_tables(tables.values, batch.domains, (N, K)), batch, mixed)
        wide.append(q)
        kept.append(P)
    return make_output(mixed, weights), Grouped(queries, batches, wide, kept, dropped, mixed)


def backward(
    grad_out: Array,
    cache: Grouped,
    user_emb: Array,
    tables: Tables,
    weights: Projections,
    groups: Groups,
    dropout_mask: Array | None,
    grad_weights: Array | None,
    num_heads: int,
) -> UserGrads:
    """Carry the gradient back, as `absorbed.backward` does; that of the users comes in the order in which they came."""
    N, K, D = tables.tokens.shape
    H, dtype = num_heads, user_emb.dtype
    shape = (H, N, K, D // H)
    dK, dV = np.empty(shape, dtype), np.empty(shape, dtype)
    dq = np.empty((len(grad_out), D), dtype)
    d_mixed = grad_out @ weights.output_weight.T
    for number, batch in enumerate(cache.batches):
        P, q = cache.weights[number], cache.padded[number]
        M = P if cache.dropped is None else cache.dropped[number]
        dO = pad(d_mixed, batch, H)  # (n, H, m, d)
        dV[:, batch.domains] = (M @ dO).swapaxes(0, 1)
        dP = _domain_tables(tables.values, batch.domains, (N, K)) @ dO.swapaxes(-1, -2)  # (n, H, K, m)
        if dropout_mask is not None:
            dP *= pad_last(dropout_mask, batch, 0.0)
        if grad_weights is not None:
            dP += pad_last(grad_weights, batch, 0.0)
        dS = softmax_backward_in_place(dP, P, scratch.get("P dP", P.shape, dtype))
        dK[:, batch.domains] = (dS @ q).swapaxes(0, 1)
        unpad(dS.swapaxes(-1, -2) @ _domain_tables(tables.keys, batch.domains, (N, K)), batch, dq)
    dq *= dtype.type(1 / math.sqrt(D // H))
    dq = groups.unsort(dq) if groups.order is not None else dq
    flat = (H, N * K, D // H)
    tokens = tables_backward(dK.reshape(flat), dV.reshape(flat), tables, weights)
    return UserGrads(
        dq @ weights.query_weight.T,
        user_emb.T @ dq,
        np.sum(dq, axis=0),
        cache.mixed.T @ grad_out,
        tokens,
    )


def attention_weights(cache: Grouped, groups: Groups) -> Array:
    """Return the attention weights, (rows, H, K), sorted."""
    _, H, K, _ = cache.weights[0].shape
    weights = np.empty((int(np.sum(groups.counts)), H, K), cache.queries.dtype)
    for P, batch in zip(cache.weights, cache.batches, strict=True):
        weights[batch.target] = np.moveaxis(P, -1, 1)[batch.row, batch.column]
    return weights
