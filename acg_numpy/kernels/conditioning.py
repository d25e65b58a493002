"""Attention of users over the tokens of their domains as one node of the graph, computed by a kernel.

All kernels give what the modules give (`DomainEmbedding`, then `MultiHeadCrossAttention`), so the composition of these
is written here once more, in the passes that the modules are made of: where a gradient is itself differentiated, the
pair runs its forward on Tensors, which no kernel is made for, and the composition takes the kernel's place.  It also
does so where a mask may hide NaN or infinity, which the passes keep out of their sums (`passes.masking`).
"""

from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.autograd.custom_vjp import from_kernel
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.autograd.state import state
from acg_numpy.kernels import absorbed, grouped
from acg_numpy.kernels.grouped import Masks
from acg_numpy.kernels.grouping import Groups
from acg_numpy.kernels.projections import Projections, Tables, is_all, join_tokens, make_tables, split_tokens, sum_rows
from acg_numpy.passes import (
    domain_linear_backward,
    domain_linear_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
    scatter_add,
)
from acg_numpy.shapes import Array, ArrayOrTensor


class ConditionCache(NamedTuple):
    """What the backward of a kernel needs; `inner` is the kernel's own cache."""

    kernel: str
    inner: Any
    tokens: Array
    global_tokens: Array | None
    projections: Projections  # with the output of the domains that occur, where each has its own
    num_outputs: int | None  # how many domains have an output of their own
    tables: Tables
    groups: Groups
    masks: Masks
    sparse_grad: bool


class CompositionCache(NamedTuple):
    """What the backward of the composition needs, with the caches of its attention and of each domain's output."""

    attention: Any
    output: Any
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
    head_dropout_mask: Any = None,
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
    query_weight, ... : arrays, shapes (D, I) and (I,)
        Here and below, a bias may be None.
    output_weight, output_bias : arrays, shapes (I, D) and (D,), or (N, I, D) and (N, D)
        With an axis for the domains, each has its own.
    ids : int array, shape (U,), or (M,) where every user meets every domain
    mask : bool array, shape (U, K) or (U, M, K), optional
    dropout_mask : array, shape (U, H, K) or (U, M, H, K), optional
    head_dropout_mask : array, shape (U, I) or (U, M, I), optional
    num_heads : int
    kernel : {"grouped", "absorbed"}
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
        masks = (mask, dropout_mask, head_dropout_mask)
        return composition_forward(user_emb, *parameters, ids, *masks, num_heads, groups.every, with_weights)
    num_outputs = None
    if projections.per_domain:
        num_outputs = len(output_weight)
        own: Any = [None if x is None else _of_present(x, groups) for x in (output_weight, output_bias)]
        projections = Projections(*projections[:6], *own)
    tables = make_tables(join_tokens(tokens, global_tokens, groups.present), projections, num_heads)
    rows_masks = Masks(
        *(None if x is None else groups.sort_results(x) for x in (mask, dropout_mask, head_dropout_mask))
    )
    options = {"keep": state().enabled or with_weights} if kernel == "absorbed" else {}
    module: Any = MODULES[kernel]
    rows, inner = module.forward(user_emb, tables, projections, groups, rows_masks, num_heads, **options)
    cache = ConditionCache(
        kernel, inner, tokens, global_tokens, projections, num_outputs, tables, groups, rows_masks, sparse_grad
    )
    out = rows if rows.ndim == 3 else groups.unsort_results(rows)
    if with_weights:
        return (out, groups.unsort_results(module.attention_weights(inner, groups))), cache
    return out, cache


@np.errstate(under="ignore")  # weights may underflow to 0
def condition_backward(grad_out: Any, cache: Any) -> tuple[Any, ...]:
    """Return the gradients of user_emb, tokens, global_tokens and the eight projections."""
    grad_out, grad_weights = grad_out if isinstance(grad_out, tuple) else (grad_out, None)
    if isinstance(cache, CompositionCache):
        return composition_backward(grad_out, grad_weights, cache)
    groups, p, num_heads = cache.groups, cache.projections, cache.tables.num_heads
    module: Any = MODULES[cache.kernel]
    grad_weights = None if grad_weights is None else groups.sort_results(grad_weights)
    grads = module.backward(grad_out, cache.inner, cache.tables, p, groups, cache.masks, grad_weights, num_heads)
    grad_users = grads.users if groups.order is None else groups.unsort(grads.users)
    grad_output: list[Any] = [grads.output_weight, None]
    if p.output_bias is not None:
        if p.per_domain:
            grad_output[1] = groups.sum_by_domain(groups.sort_results(grad_out))
        else:
            grad_output[1] = sum_rows(grad_out.reshape(-1, grad_out.shape[-1]))
    if cache.num_outputs is not None:
        grad_output = [None if x is None else _of_all(x, groups, cache.num_outputs) for x in grad_output]
    own, grad_global = split_tokens(grads.tables.tokens, cache.tokens, cache.global_tokens)
    grad_tokens: Any = np.ascontiguousarray(own)
    if cache.sparse_grad:
        grad_tokens = RowSparseGradient(groups.present, grad_tokens, cache.tokens.shape)
    else:
        grad_tokens = _of_all(grad_tokens, groups, len(cache.tokens))
    return (
        grad_users,
        grad_tokens,
        grad_global,
        grads.query_weight,
        None if p.query_bias is None else grads.query_bias,
        grads.tables.key_weight,
        None if p.key_bias is None else np.zeros(p.key_bias.shape, p.key_bias.dtype),
        grads.tables.value_weight,
        None if p.value_bias is None else grads.tables.value_bias,
        *grad_output,
    )


def _of_present(table: Array, groups: Groups) -> Array:
    """Return the rows of a table that belong to the domains that occur."""
    return table if is_all(groups.present, len(table)) else table[groups.present]


def _of_all(rows: Array, groups: Groups, num_domains: int) -> Array:
    """Return the gradient of a table, zero for the domains that do not occur: the opposite of `_of_present`."""
    if is_all(groups.present, num_domains):
        return rows
    if groups.every:  # a domain may have been asked for twice
        return scatter_add(rows, groups.present, num_domains)
    table = np.zeros((num_domains, *rows.shape[1:]), rows.dtype)
    table[groups.present] = rows
    return table


def composition_forward(
    user_emb: ArrayOrTensor,
    tokens: ArrayOrTensor,
    global_tokens: ArrayOrTensor,
    projections: Projections,
    ids: Array,
    mask: Any,
    dropout_mask: Any,
    head_dropout_mask: Any,
    num_heads: int,
    every: bool,
    with_weights: bool,
) -> tuple[Any, CompositionCache]:
    """Look the tokens up and attend over them, by the passes, on arrays or on Tensors.

    Parameters and output are those of `condition_forward`; `every` says whether every user meets every domain.
    """
    query = (user_emb[:, None] if every else user_emb)[..., None, :]  # (U, 1, D), or (U, 1, 1, D)
    context = join_tokens(tokens, global_tokens, ids)  # (U, K, D), or (M, K, D)
    masks = (None if x is None else x[..., None, :] for x in (mask, dropout_mask, head_dropout_mask))
    weights: Any = (*projections[:6], None, None) if projections.per_domain else projections
    out, attention = multi_head_attention_forward(query, context, *weights, *masks, num_heads=num_heads)
    out, output = out[..., 0, :], None
    if projections.per_domain:
        out, output = domain_linear_forward(out, ids, projections.output_weight, projections.output_bias)
    cache = CompositionCache(attention, output, user_emb, tokens, global_tokens, ids)
    return ((out, attention.weights[..., 0, :]) if with_weights else out), cache


def composition_backward(grad_out: Any, grad_weights: Any, cache: CompositionCache) -> tuple[Any, ...]:
    """Return the gradients that `condition_backward` returns, by the passes."""
    grad_weights = None if grad_weights is None else grad_weights[..., None, :]
    grad_output: tuple[Any, Any] | None = None
    if cache.output is not None:
        grad_out, _, *grad_output = domain_linear_backward(grad_out, cache.output)  # type: ignore[assignment]
    grads = multi_head_attention_backward(grad_out[..., None, :], cache.attention, grad_weights)
    grad_users = np.reshape(grads.query, cache.user_emb.shape)
    own, grad_global = split_tokens(grads.context, cache.tokens, cache.global_tokens)
    return (
        grad_users,
        scatter_add(own, cache.ids, len(cache.tokens)),
        grad_global,
        *grads[2:8],
        *(grad_output or grads[8:10]),
    )


def _is_modest(x: Array | None) -> bool:
    """Return whether all numbers are finite, and so small that no product of a few of them overflows."""
    if x is None or not x.size:
        return True
    limit = float(np.finfo(x.dtype).max) ** 0.25
    return bool(-limit < x.min() and x.max() < limit)  # False for NaN


MODULES = {"absorbed": absorbed, "grouped": grouped}
condition = from_kernel(condition_forward, condition_backward)
