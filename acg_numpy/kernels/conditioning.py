"""Attention of users over the tokens of their domains, by whichever kernel: one node of the graph.

All kernels give what the classroom composition gives, and where a gradient is to be differentiated again the
composition itself takes their place: the second pass of a pair runs its forward on Tensors, which no kernel is for.
"""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor, from_passes
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.autograd.state import state
from acg_numpy.kernels import absorbed, classroom, gathered, grouped
from acg_numpy.kernels.grouping import Groups, every_domain, group
from acg_numpy.kernels.projections import Projections, Tables, is_all, joined, make_tables, split_tokens
from acg_numpy.kernels.scratch import scratch
from acg_numpy.shapes import Array


class Cache(NamedTuple):
    """What a kernel's backward needs, and the kernel's own."""

    kernel: str
    inner: Any
    user_emb: Array
    tokens: Array
    global_tokens: Array | None
    projections: Projections
    tables: Tables
    groups: Groups
    dropout_mask: Array | None
    sparse_grad: bool


def condition_forward(
    user_emb: Any,
    tokens: Any,
    global_tokens: Any,
    query_weight: Any,
    query_bias: Any,
    key_weight: Any,
    key_bias: Any,
    value_weight: Any,
    value_bias: Any,
    output_weight: Any,
    output_bias: Any,
    ids: Any,
    mask: Any = None,
    dropout_mask: Any = None,
    *,
    num_heads: int,
    kernel: str,
    groups: Groups,
    with_weights: bool,
    sparse_grad: bool,
) -> tuple[Any, Any]:
    """Condition users on domains.

    Parameters
    ----------
    user_emb : array, shape (U, D)
    tokens : array, shape (N, T, D)
    global_tokens : array, shape (G, D), or None
    query_weight, ... : arrays, shapes (D, D) and (D,)
        A bias may be None.
    ids : int array, shape (U,), or (M,) where every user meets every domain
    mask : bool array, shape (U, K) or (U, M, K), optional
    dropout_mask : array, shape (U, H, K) or (U, M, H, K), optional
    num_heads : int
    kernel : {"classroom", "gathered", "grouped", "absorbed"}
    groups : Groups
        Of the ids.
    with_weights : bool
        Whether the weights are wanted as well.
    sparse_grad : bool
        Whether the gradient of `tokens` is to be a `RowSparseGradient`, of the domains that occur.

    Returns
    -------
    out : array, shape (U, D) or (U, M, D); with the weights, a tuple with (U, H, K) or (U, M, H, K)
    cache : Cache or ClassroomCache
    """
    weights = (query_weight, query_bias, key_weight, key_bias, value_weight, value_bias, output_weight, output_bias)
    arguments = (user_emb, tokens, global_tokens, *weights)
    nothing = not groups.counts.sum()
    if kernel == "classroom" or nothing or any(isinstance(argument, Tensor) for argument in arguments):
        return by_composition(*arguments[:3], weights, ids, mask, dropout_mask, num_heads, groups, with_weights)
    projections = Projections(*weights)
    tables = make_tables(joined(tokens, global_tokens, groups.present), projections, num_heads)
    if groups.every and kernel != "absorbed":  # these have no use for users being the same in every domain
        user_emb = np.tile(user_emb, (len(groups.present), 1))
    rows_mask, rows_dropped = to_rows(mask, groups), to_rows(dropout_mask, groups)
    run: Any = {"absorbed": absorbed, "grouped": grouped, "gathered": gathered}[kernel]
    given = (user_emb, tables, projections, groups, rows_mask, rows_dropped, num_heads)
    if kernel == "absorbed":
        out, inner = absorbed.forward(*given, keep=state.enabled or with_weights)
    else:
        out, inner = run.forward(*given)
    cache = Cache(
        kernel, inner, user_emb, tokens, global_tokens, projections, tables, groups, rows_dropped, sparse_grad
    )
    found = out if groups.every and kernel == "absorbed" else from_rows(out, groups)
    if with_weights:
        return (found, from_rows(run.weights_of(inner, groups), groups)), cache
    return found, cache


def by_composition(
    user_emb: Any,
    tokens: Any,
    global_tokens: Any,
    weights: Any,
    ids: Any,
    mask: Any,
    dropout_mask: Any,
    num_heads: int,
    groups: Groups,
    with_weights: bool,
) -> tuple[Any, Any]:
    """The same by the classroom's passes, on arrays or on Tensors."""
    users, number = user_emb.shape[0], len(ids)
    if groups.every:  # each user once for each domain, one below the other
        wide = np.broadcast_to(user_emb[:, None], (users, number, user_emb.shape[-1]))
        user_emb = np.reshape(wide, (users * number, user_emb.shape[-1]))
        ids = np.tile(ids, users)
        mask = None if mask is None else mask.reshape(users * number, mask.shape[-1])
        if dropout_mask is not None:
            dropout_mask = dropout_mask.reshape(users * number, *dropout_mask.shape[2:])
    out, P, cache = classroom.forward(user_emb, tokens, global_tokens, weights, ids, mask, dropout_mask, num_heads)
    if groups.every:
        out = np.reshape(out, (users, number, out.shape[-1]))
        P = np.reshape(P, (users, number, *P.shape[1:]))
    shared = (cache, (users, number) if groups.every else None)
    return ((out, P) if with_weights else out), shared


def condition_backward(grad_out: Any, cache: Any) -> tuple[Any, ...]:
    """Gradients of user_emb, tokens, global_tokens and the eight projections."""
    grad_out, grad_weights = grad_out if isinstance(grad_out, tuple) else (grad_out, None)
    if not isinstance(cache, Cache):
        return composition_backward(grad_out, grad_weights, *cache)
    groups, H = cache.groups, cache.tables.keys.shape[0]
    if groups.order is None:
        g = to_rows(grad_out, groups)
    else:
        g = groups.sort(grad_out, out=scratch.get("grad", grad_out.shape, grad_out.dtype))
    gw = to_rows(grad_weights, groups)
    if cache.kernel == "absorbed":
        found = absorbed.backward(g, cache.inner, cache.tables, cache.projections, groups, cache.dropout_mask, gw, H)
        user = groups.unsort(found.users) if groups.order is not None else found.users
    else:
        run: Any = grouped if cache.kernel == "grouped" else gathered
        found = run.backward(
            g, cache.inner, cache.user_emb, cache.tables, cache.projections, groups, cache.dropout_mask, gw, H
        )
        user = found.users
        if groups.every:
            user = np.sum(user.reshape(len(groups.present), -1, user.shape[-1]), axis=0)
    grad_tokens, shared = split_tokens(found.tables.tokens, cache.tokens, cache.global_tokens)
    tokens: Any = grad_tokens
    if cache.sparse_grad or not is_all(groups.present, len(cache.tokens)):
        tokens = RowSparseGradient(groups.present, grad_tokens, cache.tokens.shape)
        tokens = tokens if cache.sparse_grad else np.asarray(tokens)
    p = cache.projections
    return (
        user,
        tokens,
        shared,
        found.query_weight,
        None if p.query_bias is None else found.query_bias,
        found.tables.key_weight,
        None if p.key_bias is None else np.zeros_like(p.key_bias),
        found.tables.value_weight,
        None if p.value_bias is None else found.tables.value_bias,
        found.output_weight,
        None if p.output_bias is None else np.sum(g, axis=0),
    )


def composition_backward(
    grad_out: Any, grad_weights: Any, cache: Any, every: tuple[int, int] | None
) -> tuple[Any, ...]:
    """The classroom's backward, with the users' copies added up."""
    if every is not None:
        rows = every[0] * every[1]
        grad_out = np.reshape(grad_out, (rows, grad_out.shape[-1]))
        grad_weights = None if grad_weights is None else np.reshape(grad_weights, (rows, *grad_weights.shape[2:]))
    user, *others = classroom.backward(grad_out, grad_weights, cache)
    if every is not None:
        user = np.sum(np.reshape(user, (*every, user.shape[-1])), axis=1)
    return (user, *others)


def to_rows(values: Any, groups: Groups) -> Any:
    """What belongs to each result, if there is any, sorted by domain, a row a result."""
    if values is None:
        return None
    if groups.every:  # (U, M, ...) -> (M U, ...)
        return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])
    return groups.sort(values)


def from_rows(rows: Array, groups: Groups) -> Array:
    """The opposite."""
    if groups.every:
        number = len(groups.present)
        return np.ascontiguousarray(rows.reshape(number, -1, *rows.shape[1:]).swapaxes(0, 1))
    return groups.unsort(rows) if groups.order is not None else rows


def groups_for(ids: Array, num_domains: int, num_users: int, every: bool) -> Groups:
    """Groups for either form."""
    return every_domain(ids, num_users) if every else group(ids, num_domains)


condition = from_passes(condition_forward, condition_backward)
