"""The tables of the domains: what is the same for all users of a domain is computed once a domain.

    E    (N, K, D)    the tokens of the domains that occur, those that all share after each one's own
    K_h = E W_k,h + b_k,h    V_h = E W_v,h + b_v,h        (H, N K, d)

Backward, as everywhere: dE = sum_h dK_h W_k,h' + dV_h W_v,h',  dW_k,h = E' dK_h,  db_v,h = sum dV_h, and db_k = 0: the
key's bias adds one number to all scores of a row.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array


class Projections(NamedTuple):
    """The weights (D, D) and biases (D,), or None, of the four projections."""

    query_weight: Array
    query_bias: Array | None
    key_weight: Array
    key_bias: Array | None
    value_weight: Array
    value_bias: Array | None
    output_weight: Array
    output_bias: Array | None


class Tables(NamedTuple):
    """Keys and values of every token of every domain that occurs, by heads."""

    tokens: Array  # (N, K, D)
    keys: Array  # (H, N K, d)
    values: Array  # (H, N K, d)


class TableGrads(NamedTuple):
    """Gradients of what tables are made of."""

    tokens: Array
    key_weight: Array
    value_weight: Array
    value_bias: Array


def is_all(present: Array, num_domains: int) -> bool:
    """Whether all domains occur, in order."""
    return len(present) == num_domains and bool((present == np.arange(num_domains)).all())


def joined(tokens: Array, global_tokens: Array | None, present: Array) -> Array:
    """The context of each domain that occurs: its own tokens, then the shared ones."""
    own = tokens if is_all(present, len(tokens)) else tokens[present]
    if global_tokens is None:
        return own
    shared = np.broadcast_to(global_tokens, (len(own), *global_tokens.shape))
    return np.concatenate([own, shared], axis=1)


def by_heads(x: Array, num_heads: int) -> Array:
    """(rows, D) -> (H, rows, d), contiguous."""
    return np.ascontiguousarray(x.reshape(len(x), num_heads, -1).swapaxes(0, 1))


def by_rows(x: Array) -> Array:
    """(H, rows, d) -> (rows, D)."""
    return np.ascontiguousarray(x.swapaxes(0, 1)).reshape(x.shape[1], -1)


def make_tables(tokens: Array, weights: Projections, num_heads: int) -> Tables:
    """Project the tokens to keys and values."""
    flat = tokens.reshape(-1, tokens.shape[-1])
    keys, values = flat @ weights.key_weight, flat @ weights.value_weight
    if weights.key_bias is not None:
        keys += weights.key_bias
    if weights.value_bias is not None:
        values += weights.value_bias
    return Tables(tokens, by_heads(keys, num_heads), by_heads(values, num_heads))


def make_queries(user_emb: Array, weights: Projections, num_heads: int) -> Array:
    """The users' queries, (B, D), divided by sqrt(d) already, as scores are to be."""
    queries = user_emb @ weights.query_weight
    if weights.query_bias is not None:
        queries += weights.query_bias
    queries *= queries.dtype.type(1 / math.sqrt(user_emb.shape[-1] // num_heads))
    return queries


def make_output(mixed: Array, weights: Projections) -> Array:
    """What the heads give, (rows, D), through the output projection."""
    out = mixed @ weights.output_weight
    if weights.output_bias is not None:
        out += weights.output_bias
    return out


def tables_backward(grad_keys: Array, grad_values: Array, tables: Tables, weights: Projections) -> TableGrads:
    """Carry gradients of keys and values, both (H, N K, d), back to tokens and weights."""
    flat = tables.tokens.reshape(-1, tables.tokens.shape[-1])
    dK, dV = by_rows(grad_keys), by_rows(grad_values)
    dE = dK @ weights.key_weight.T
    dE += dV @ weights.value_weight.T
    return TableGrads(dE.reshape(tables.tokens.shape), flat.T @ dK, flat.T @ dV, np.sum(dV, axis=0))


def split_tokens(grad: Array, tokens: Array, global_tokens: Array | None) -> tuple[Array, Array | None]:
    """The gradient of the context, (N, K, D), in that of the domains' own tokens and that of the shared ones."""
    own = tokens.shape[1]
    shared = None if global_tokens is None else np.sum(grad[:, own:], axis=0)
    return np.ascontiguousarray(grad[:, :own]), shared


class UserGrads(NamedTuple):
    """Gradients of all that a kernel is given, users sorted by domain."""

    users: Array
    query_weight: Array
    query_bias: Array
    output_weight: Array
    tables: TableGrads
