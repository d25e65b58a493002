"""Attention of users over the tokens of their domains as one node of the graph, computed by a kernel.

All kernels give what the modules give (`DomainEmbedding`, then `MultiHeadCrossAttention`), so the composition of these
is written here once more, in the passes that the modules are made of: where a gradient is itself differentiated, the
pair runs its forward on Tensors, which no kernel is made for, and the composition takes the kernel's place.  It also
does so where a mask may hide NaN or infinity, which the passes keep out of their sums (`passes.masking`).
"""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor, from_passes
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.autograd.state import state
from acg_numpy.kernels import absorbed, gathered, grouped
from acg_numpy.kernels.grouping import Groups
from acg_numpy.kernels.projections import Projections, Tables, is_all, join_tokens, make_tables, split_tokens
from acg_numpy.kernels.scratch import scratch
from acg_numpy.passes import multi_head_attention_backward, multi_head_attention_forward, scatter_add
from acg_numpy.shapes import Array, ArrayOrTensor


class ConditionCache(NamedTuple):
    """What the backward of a kernel needs; `inner` is the kernel's own cache."""

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


class CompositionCache(NamedTuple):
    """What the backward of the composition needs; `attention` is the cache of its attention."""

    attention: Any
    user_emb: ArrayOrTensor
    tokens: ArrayOrTensor
    global_tokens: ArrayOrTensor
    ids: Array


@np.errstate(under="ignore")  # weights may underflow to 0
def condition_forward(
    user_emb: ArrayOrTensor,
    tokens: ArrayOrTensor,
    global_tokens: ArrayOrTensor,
    query_weight: ArrayOrTensor,
    query_bias: ArrayOrTensor,
    key_weight: ArrayOrTensor,
    key_bias: ArrayOrTensor,
    value_weight: ArrayOrTensor,
    value_bias: ArrayOrTensor,
    output_weight: ArrayOrTensor,
    output_bias: ArrayOrTensor,
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
    kernel : {"gathered", "grouped", "absorbed"}
    groups : Groups
        Of the ids; there is at least one user.
    with_weights : bool
        Whether the weights are wanted as well.
    sparse_grad : bool
        Whether the gradient of `tokens` is to be a `RowSparseGradient`, of the domains that occur.

    Returns
    -------
    out : array, shape (U, D) or (U, M, D); with the weights, a tuple with (U, H, K) or (U, M, H, K)
    cache : ConditionCache or CompositionCache
    """
    projections = Projections(
        query_weight, query_bias, key_weight, key_bias, value_weight, value_bias, output_weight, output_bias
    )
    parameters = (tokens, global_tokens, projections)
    recorded = any(isinstance(x, Tensor) for x in (user_emb, tokens, global_tokens, *projections))
    if recorded or (mask is not None and not all(_is_modest(x) for x in (user_emb, tokens, global_tokens))):
        return composition_forward(
            user_emb, *parameters, ids, mask, dropout_mask, num_heads, groups.every, with_weights
        )
    tables = make_tables(join_tokens(tokens, global_tokens, groups.present), projections, num_heads)
    if groups.every and kernel != "absorbed":  # these have no use for users being the same in every domain
        user_emb = np.tile(user_emb, (len(groups.present), 1))
    rows_mask, rows_dropout = sort_results(mask, groups), sort_results(dropout_mask, groups)
    module: Any = {"absorbed": absorbed, "grouped": grouped, "gathered": gathered}[kernel]
    options = {"keep": state().enabled or with_weights} if kernel == "absorbed" else {}
    rows, inner = module.forward(user_emb, tables, projections, groups, rows_mask, rows_dropout, num_heads, **options)
    cache = ConditionCache(kernel, inner, user_emb, *parameters, tables, groups, rows_dropout, sparse_grad)
    out = rows if groups.every and kernel == "absorbed" else unsort_results(rows, groups)
    if with_weights:
        return (out, unsort_results(module.attention_weights(inner, groups), groups)), cache
    return out, cache


@np.errstate(under="ignore")  # weights may underflow to 0
def condition_backward(grad_out: Any, cache: Any) -> tuple[Any, ...]:
    """Return the gradients of user_emb, tokens, global_tokens and the eight projections."""
    grad_out, grad_weights = grad_out if isinstance(grad_out, tuple) else (grad_out, None)
    if isinstance(cache, CompositionCache):
        return composition_backward(grad_out, grad_weights, cache)
    groups, p, num_heads = cache.groups, cache.projections, cache.tables.keys.shape[0]
    if groups.order is None:
        g = sort_results(grad_out, groups)
    else:
        g = groups.sort(grad_out, out=scratch.get("grad", grad_out.shape, grad_out.dtype))
    shared = (cache.tables, p, groups, cache.dropout_mask, sort_results(grad_weights, groups), num_heads)
    if cache.kernel == "absorbed":
        grads = absorbed.backward(g, cache.inner, *shared)
        grad_users = groups.unsort(grads.users) if groups.order is not None else grads.users
    else:
        module: Any = grouped if cache.kernel == "grouped" else gathered
        grads = module.backward(g, cache.inner, cache.user_emb, *shared)
        grad_users = grads.users
        if groups.every:
            grad_users = np.sum(grad_users.reshape(len(groups.present), -1, grad_users.shape[-1]), axis=0)
    own, grad_global = split_tokens(grads.tables.tokens, cache.tokens, cache.global_tokens)
    grad_tokens: Any = np.ascontiguousarray(own)
    if cache.sparse_grad or not is_all(groups.present, len(cache.tokens)):
        grad_tokens = RowSparseGradient(groups.present, grad_tokens, cache.tokens.shape)
        grad_tokens = grad_tokens if cache.sparse_grad else np.asarray(grad_tokens)
    return (
        grad_users,
        grad_tokens,
        grad_global,
        grads.query_weight,
        None if p.query_bias is None else grads.query_bias,
        grads.tables.key_weight,
        None if p.key_bias is None else np.zeros_like(p.key_bias),
        grads.tables.value_weight,
        None if p.value_bias is None else grads.tables.value_bias,
        grads.output_weight,
        None if p.output_bias is None else np.sum(g, axis=0),
    )


def composition_forward(
    user_emb: ArrayOrTensor,
    tokens: ArrayOrTensor,
    global_tokens: ArrayOrTensor,
    projections: Projections,
    ids: Array,
    mask: Any,
    dropout_mask: Any,
    num_heads: int,
    every: bool,
    with_weights: bool,
) -> tuple[Any, CompositionCache]:
    """Look the tokens up and attend over them, by the passes, on arrays or on Tensors.

    Parameters and output are those of `condition_forward`; `every` says whether every user meets every domain.
    """
    query = (user_emb[:, None] if every else user_emb)[..., None, :]  # (U, 1, D), or (U, 1, 1, D)
    context = join_tokens(tokens, global_tokens, ids)  # (U, K, D), or (M, K, D)
    masks = (None if x is None else x[..., None, :] for x in (mask, dropout_mask))
    out, attention = multi_head_attention_forward(query, context, *projections, *masks, num_heads=num_heads)
    cache = CompositionCache(attention, user_emb, tokens, global_tokens, ids)
    return ((out[..., 0, :], attention.weights[..., 0, :]) if with_weights else out[..., 0, :]), cache


def composition_backward(grad_out: Any, grad_weights: Any, cache: CompositionCache) -> tuple[Any, ...]:
    """Return the gradients that `condition_backward` returns, by the passes."""
    grad_weights = None if grad_weights is None else grad_weights[..., None, :]
    grads = multi_head_attention_backward(grad_out[..., None, :], cache.attention, grad_weights)
    grad_users = np.reshape(grads.query, cache.user_emb.shape)
    own, grad_global = split_tokens(grads.context, cache.tokens, cache.global_tokens)
    return (grad_users, scatter_add(own, cache.ids, len(cache.tokens)), grad_global, *grads[2:10])


def _is_modest(x: Array | None) -> bool:
    """Return whether all numbers are finite, and so small that no product of a few of them overflows."""
    if x is None or not x.size:
        return True
    limit = float(np.finfo(x.dtype).max) ** 0.25
    return bool(-limit < x.min() and x.max() < limit)  # False for NaN


def sort_results(values: Any, groups: Groups) -> Any:
    """Sort what belongs to each result by domain, one row for each result; None stays None."""
    if values is None:
        return None
    if groups.every:  # (U, M, ...) -> (M U, ...)
        return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])
    return groups.sort(values)


def unsort_results(rows: Array, groups: Groups) -> Array:
    """Put sorted rows back into the order in which users and domains came: the opposite of `sort_results`."""
    if groups.every:
        number = len(groups.present)
        return np.ascontiguousarray(rows.reshape(number, -1, *rows.shape[1:]).swapaxes(0, 1))
    return groups.unsort(rows) if groups.order is not None else rows


condition = from_passes(condition_forward, condition_backward)
