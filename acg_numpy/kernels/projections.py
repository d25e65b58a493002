"""Keys and values of each domain, projected once for all of its users.

    E    (N, K, D)    the tokens of the domains that occur, the shared ones after each domain's own
    K = E W_k + b_k    V = E W_v + b_v                    (N K, I), of which head h takes d columns

Backward: dE = sum_h dK_h W_k,h' + dV_h W_v,h',  dW_k,h = E' dK_h,  db_v,h = sum dV_h, and db_k = 0: the
key's bias adds one number to all scores of a row.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.kernels.grouping import Groups
from acg_numpy.kernels.inplace_softmax import row_of_ones
from acg_numpy.shapes import Array


class Projections(NamedTuple):
    """Weights and biases, or None, of the four projections.

    The first three are (D, I) and (I,); the output's are (I, D) and (D,), or (N, I, D) and (N, D) where each domain has
    one of its own.
    """

    query_weight: Array
    query_bias: Array | None
    key_weight: Array
    key_bias: Array | None
    value_weight: Array
    value_bias: Array | None
    output_weight: Array
    output_bias: Array | None

    @property
    def per_domain(self) -> bool:
        """Whether each domain has an output projection of its own."""
        return self.output_weight.ndim == 3


class Tables(NamedTuple):
    """Keys and values of every token of every domain that occurs, by heads, and what users are multiplied by."""

    tokens: Array  # (N, K, D)
    keys: Array  # (N K, I)
    values: Array  # (N K, I)
    query_weight: Array  # (D + 1, I), [W_q; b_q] / sqrt(d), with b_q = 0 where there is none
    num_heads: int

    def by_head(self, flat: Array) -> Array:
        """Return keys, values or other rows of I features by heads, (rows, I) as (H, rows, d): a view."""
        return flat.reshape(len(flat), self.num_heads, -1).swapaxes(0, 1)

    def by_domain(self, flat: Array) -> Array:
        """Return keys, values or gradients of them, (N K, I), as (N, H, K, d): a view."""
        N, K = self.tokens.shape[:2]
        return flat.reshape(N, K, self.num_heads, -1).swapaxes(1, 2)


class TableGrads(NamedTuple):
    """Gradients of the tokens and weights that the tables are made of."""

    tokens: Array
    key_weight: Array
    value_weight: Array
    value_bias: Array


def is_all(present: Array, num_domains: int) -> bool:
    """Return whether all domains occur, in order."""
    return len(present) == num_domains and present.tolist() == list(range(num_domains))


def join_tokens(tokens: Array, global_tokens: Array | None, present: Array) -> Array:
    """Return the context of each of some domains: its own tokens, then the shared ones."""
    own = tokens if is_all(present, len(tokens)) else tokens[present]
    if global_tokens is None:
        return own
    shared = np.broadcast_to(global_tokens, (len(own), *global_tokens.shape))
    return np.concatenate([own, shared], axis=1)


def make_tables(tokens: Array, weights: Projections, num_heads: int) -> Tables:
    """Project the tokens to keys and values, and scale what makes queries."""
    flat = tokens.reshape(-1, tokens.shape[-1])
    keys, values = flat @ weights.key_weight, flat @ weights.value_weight
    if weights.key_bias is not None:
        keys += weights.key_bias
    if weights.value_bias is not None:
        values += weights.value_bias
    W, b = weights.query_weight, weights.query_bias
    query_weight = scale_queries(np.concatenate([W, np.zeros_like(W[:1]) if b is None else b[None]]), num_heads)
    return Tables(tokens, keys, values, query_weight, num_heads)


def scale_queries(x: Array, num_heads: int) -> Array:
    """Divide [W_q; b_q], (D + 1, I), or its gradient, by sqrt(d), in place, so that scores need no scaling."""
    x *= x.dtype.type(1 / math.sqrt(x.shape[1] // num_heads))
    return x


def sum_rows(x: Array) -> Array:
    """Return the sum of rows (B, D): a product with a row of ones, in less time than `np.add.reduce`."""
    total: Array = row_of_ones(len(x), x.dtype)[0] @ x
    return total


def make_output(mixed: Array, weights: Projections, groups: Groups) -> Array:
    """Return what the heads give, (rows, I), sorted by domain, through the output projection: (rows, D)."""
    if weights.per_domain:
        out = np.empty((len(mixed), weights.output_weight.shape[-1]), mixed.dtype)
        for block in groups.blocks:
            np.matmul(block.split(mixed), weights.output_weight[block.domains], out=block.split(out))
    else:
        out = mixed @ weights.output_weight
    return add_bias(out, weights, groups)


def add_bias(out: Array, weights: Projections, groups: Groups) -> Array:
    """Add the output's bias to sorted rows (rows, D), in place."""
    if weights.output_bias is not None:
        out += np.repeat(weights.output_bias, groups.sizes, axis=0) if weights.per_domain else weights.output_bias
    return out


def output_backward(grad_out: Array, mixed: Array, weights: Projections, groups: Groups) -> tuple[Array, Array]:
    """Carry the gradient of the output, (rows, D), back to what the heads gave, (rows, I), and to the weight."""
    W_o = weights.output_weight
    if not weights.per_domain:
        return grad_out @ W_o.T, mixed.T @ grad_out
    d_mixed, dW_o = np.empty_like(mixed), np.zeros_like(W_o)
    for block in groups.blocks:
        g = block.split(grad_out)
        np.matmul(g, W_o[block.domains].swapaxes(1, 2), out=block.split(d_mixed))
        dW_o[block.domains] += block.split(mixed).swapaxes(1, 2) @ g
    return d_mixed, dW_o


def tables_backward(dK: Array, dV: Array, tables: Tables, weights: Projections) -> TableGrads:
    """Carry gradients of keys and values, both (N K, I), back to tokens and weights."""
    flat = tables.tokens.reshape(-1, tables.tokens.shape[-1])
    dE = dK @ weights.key_weight.T
    dE += dV @ weights.value_weight.T
    return TableGrads(dE.reshape(tables.tokens.shape), flat.T @ dK, flat.T @ dV, sum_rows(dV))


def split_tokens(grad: Array, tokens: Array, global_tokens: Array | None) -> tuple[Array, Array | None]:
    """Split the gradient of a context, (N, K, D), into that of the domains' own tokens and that of the shared ones."""
    own = tokens.shape[1]
    shared = None if global_tokens is None else np.sum(grad[:, own:], axis=0)
    return grad[:, :own], shared


class UserGrads(NamedTuple):
    """Gradients of all inputs of a kernel."""

    users: Array
    query_weight: Array
    query_bias: Array
    output_weight: Array
    tables: TableGrads
