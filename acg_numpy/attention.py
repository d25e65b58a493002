"""MultiHeadCrossAttention: queries from one source attend over keys and values from another."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.arguments import check_choice, check_count, check_dtype, check_input, check_rate
from acg_numpy.autograd import from_passes
from acg_numpy.element_types import check_elements
from acg_numpy.kernels import tiled
from acg_numpy.kernels.planning import CONTEXT_KERNELS, Plan, plan_for_context
from acg_numpy.layers import Linear, Seed, dropout_mask, spawn
from acg_numpy.module import Module, replaced_module
from acg_numpy.passes import (
    dropout_backward,
    dropout_forward,
    linear_backward,
    linear_forward,
    merge_heads_backward,
    merge_heads_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
    split_heads_backward,
    split_heads_forward,
)
from acg_numpy.passes.masking import zero_unseen
from acg_numpy.shapes import Array, ArrayOrTensor, check_broadcast, check_shared_mask

INPUT_PROJECTIONS: dict[str, type[Module]] = dict.fromkeys(("query", "key", "value"), Linear)
PROJECTIONS: dict[str, type[Module]] = {**INPUT_PROJECTIONS, "output": Linear}


def _heads_forward(*inputs: Any) -> tuple[tuple[Array, Array], Any]:
    """Run `scaled_dot_product_forward`, with the weights as a second output."""
    out, cache = scaled_dot_product_forward(*inputs)
    return (out, cache.weights), cache


def _heads_backward(grads: tuple[Array, Array], cache: Any) -> Any:
    grad_out, grad_weights = grads
    return scaled_dot_product_backward(grad_out, cache, grad_weights)


def _attend_forward(*inputs: Any, num_heads: int) -> tuple[tuple[Array, Array], Any]:
    """Run `multi_head_attention_forward`, with the weights as a second output."""
    out, cache = multi_head_attention_forward(*inputs, num_heads=num_heads)
    return (out, cache.weights), cache


def _attend_backward(grads: tuple[Array, Array], cache: Any) -> Any:
    grad_out, grad_weights = grads
    return multi_head_attention_backward(grad_out, cache, grad_weights)


def _key_backward(grad_out: Array, cache: Any) -> Any:
    """Carry back as `linear_backward` does, but to a zero for the key's bias, which rounding would leave as noise."""
    dx, dW, _ = linear_backward(grad_out, cache)
    return dx, dW, None if cache.bias is None else np.zeros_like(cache.bias)


def _node(forward: Any, backward: Any) -> Any:
    """Make one node of two passes in which weights, and what they are multiplied by, may underflow to 0."""
    ignore = np.errstate(under="ignore")
    return from_passes(ignore(forward), ignore(backward))


split_heads = from_passes(split_heads_forward, split_heads_backward)
merge_heads = from_passes(merge_heads_forward, merge_heads_backward)
project_keys = _node(linear_forward, _key_backward)
drop_features = _node(dropout_forward, dropout_backward)
average_values = _node(_heads_forward, _heads_backward)
attend = _node(multi_head_attention_forward, multi_head_attention_backward)
attend_with_weights = _node(_attend_forward, _attend_backward)


class _Call(NamedTuple):
    """Arguments of a call, checked and in the module's dtype, and how they are computed."""

    query: ArrayOrTensor  # (..., n_q, D)
    context: ArrayOrTensor  # (..., n_k, D)
    mask: Array | None  # (..., n_q, n_k)
    scores: tuple[int, ...]  # shape (..., H, n_q, n_k)
    plan: Plan


class MultiHeadCrossAttention(Module):
    """Multi-head scaled dot-product attention of queries over a context.

    Queries, keys and values are projected to `inner_dim` features, of which each head takes
    `inner_dim // num_heads`; what the heads give, side by side, passes through an output projection (Vaswani et al.,
    2017, section 3.2).

    Parameters
    ----------
    emb_dim : int
        Features of queries, context and output.
    num_heads : int
        Divides `inner_dim`.
    dropout : float
        Probability, at least 0 and below 1, of dropping an attention weight in training mode.
    inner_dim : int, optional
        Features I of projected queries, keys and values, of all heads together; `emb_dim` where none is given.
    head_dropout : float
        Probability, at least 0 and below 1, of dropping a feature of the merged heads, before the output projection,
        in training mode.
    output : bool
        Whether there is an output projection.  If not, `output` is None, and the output is the merged heads, of
        `inner_dim` features.
    bias : bool
        Whether the projections have one.
    kernel : str
        How it is computed, with the same numbers.  "classroom" is the composition of `acg_numpy.passes`, which keeps
        all weights.  "tiled" keeps none of them: it goes over blocks of queries and keys, and computes their weights
        once more for the backward pass.  "auto" takes what it predicts to be quicker (see `plan`), which is tiles if
        there are many scores.  If weights are asked for or dropped out, and in second derivatives, it is the classroom
        in any case.
    dtype : floating dtype
        Of the parameters, of the computation, and of the output.
    seed : int, numpy.random.SeedSequence or None
        Where parameters and dropout masks are drawn from.

    Notes
    -----
    The key's bias adds the same number to all scores of a row, so it changes nothing and its gradient is exactly zero.
    It is kept because the standard formulation has it.

    `query`, `key`, `value` and `output` are modules that may be replaced, by a subclass of `Linear` or by any callable
    of rows; they are then called one after the other.  As long as each is the `Linear` that the constructor made,
    a call is a single node of the graph, with the same numbers.

    Examples
    --------
    >>> attention = MultiHeadCrossAttention(8, 2, seed=0)
    >>> query, context = np.ones((5, 3, 8), np.float32), np.ones((4, 8), np.float32)
    >>> out, weights = attention(query, context, return_attention=True)
    >>> out.shape, weights.shape
    ((5, 3, 8), (5, 2, 3, 4))

    Wide heads, 16 of 8 features each, over queries and keys of 32:

    >>> attention = MultiHeadCrossAttention(32, 16, inner_dim=128, seed=0)
    >>> attention.query.weight.shape, attention.output.weight.shape
    ((32, 128), (128, 32))
    """

    def __init__(
        self,
        emb_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        *,
        inner_dim: int | None = None,
        head_dropout: float = 0.0,
        output: bool = True,
        bias: bool = True,
        kernel: str = "auto",
        dtype: npt.DTypeLike = np.float32,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        self.emb_dim = check_count(emb_dim, "emb_dim")
        self.num_heads = check_count(num_heads, "num_heads")
        self.inner_dim = self.emb_dim if inner_dim is None else check_count(inner_dim, "inner_dim")
        if self.inner_dim % self.num_heads:
            name = "emb_dim" if inner_dim is None else "inner_dim"
            raise ValueError(f"num_heads is {num_heads}, which does not divide {name}, {self.inner_dim}")
        self.dropout = check_rate(dropout, "dropout")
        self.head_dropout = check_rate(head_dropout, "head_dropout")
        self.kernel = check_choice(kernel, "kernel", CONTEXT_KERNELS)
        self.dtype = check_dtype(dtype)
        weights, drops = spawn(seed, 2)
        rng = np.random.default_rng(weights)
        outer, inner = self.emb_dim, self.inner_dim
        options: dict[str, Any] = {"bias": bias, "dtype": self.dtype, "rng": rng}
        self.query, self.key, self.value = (Linear(outer, inner, **options) for _ in range(3))
        self.output = Linear(inner, outer, **options) if output else None
        self._dropout_rng = np.random.default_rng(drops)

    def __call__(
        self, query: ArrayOrTensor, context: ArrayOrTensor, *, mask: Array | None = None, return_attention: bool = False
    ) -> Any:
        """Let queries attend over a context.

        Parameters
        ----------
        query : array or Tensor, shape (..., n_q, D), floating
        context : array or Tensor, shape (..., n_k, D), floating
            Leading axes broadcast with those of `query`.
        mask : boolean array, shape (..., n_q, n_k), optional
            Shared by the heads; True where attention is allowed, as in PyTorch's `scaled_dot_product_attention` and
            unlike its `nn.MultiheadAttention`.  It has no axis for the heads, and no more axes than query and context.
            A query that may attend to nothing gets the output's bias.
        return_attention : bool
            Whether to return the weights too.

        Returns
        -------
        out : Tensor, shape (..., n_q, D), or (..., n_q, inner_dim) where there is no output projection
        attention : Tensor, shape (..., H, n_q, n_k)
            If `return_attention`: the weights of each head before dropout, never averaged.
        """
        call = self._prepare(query, context, mask, return_attention)
        dropout_mask = self.draw_dropout_mask(call.scores)
        *batch, _, rows, _ = call.scores
        head_mask = self.draw_head_dropout_mask((*batch, rows, self.inner_dim))
        replaced = replaced_module(self, self.expected_projections())
        if call.plan.kernel == "classroom" and replaced is None:  # the same numbers for less: one node for all steps
            run = attend_with_weights if return_attention else attend
            return run(*call[:2], *self.projections(), call.mask, dropout_mask, head_mask, num_heads=self.num_heads)

        query, context = call.query, call.context
        if call.mask is not None:
            query = zero_unseen(query, call.mask, axis=-1)
            context = zero_unseen(context, call.mask, axis=-2)
        Q = self.query(query)  # (..., n_q, I)
        K = self._project_keys(context)  # (..., n_k, I)
        V = self.value(context)  # (..., n_k, I)
        Q, K, V = (split_heads(x, num_heads=self.num_heads) for x in (Q, K, V))  # (..., H, n_q or n_k, I/H)
        mask = None if call.mask is None else np.expand_dims(call.mask, -3)  # (..., 1, n_q, n_k), for all heads
        if call.plan.kernel == "tiled":
            Z, weights = tiled.attend(Q, K, V, mask), None  # (..., H, n_q, I/H)
        else:
            Z, weights = average_values(Q, K, V, mask, dropout_mask)  # (..., H, n_q, I/H), (..., H, n_q, n_k)
        out = merge_heads(Z)  # (..., n_q, I)
        if head_mask is not None:
            out = drop_features(out, head_mask)
        if self.output is not None:
            out = self.output(out)  # (..., n_q, D)
        return (out, weights) if return_attention else out

    def _project_keys(self, context: ArrayOrTensor) -> Any:
        """Return `self.key(context)`; if that is a `Linear`, its bias gets an exact zero as its gradient."""
        if replaced_module(self, {"key": Linear}) is None:
            return project_keys(context, self.key.weight, self.key.bias)
        return self.key(context)

    def projections(self) -> tuple[Any, ...]:
        """Return weight and bias of query, key, value and output, in the order in which the passes take them."""
        layers = (self.query, self.key, self.value, self.output)
        return tuple(x for layer in layers for x in ((None, None) if layer is None else (layer.weight, layer.bias)))

    def expected_projections(self) -> dict[str, type[Module]]:
        """Return the class of each projection that there is, as the constructor makes it."""
        return INPUT_PROJECTIONS if self.output is None else PROJECTIONS

    def draw_dropout_mask(self, shape: tuple[int, ...]) -> Array | None:
        """Draw the factors that drop weights of this shape, (..., H, n_q, n_k); None if nothing is dropped."""
        return self._draw_mask(shape, self.dropout)

    def draw_head_dropout_mask(self, shape: tuple[int, ...]) -> Array | None:
        """Draw the factors that drop features of the merged heads, (..., n_q, I); None if nothing is dropped.

        Where weights are dropped too, their mask is drawn first: then a seed means the same masks in every kernel.
        """
        return self._draw_mask(shape, self.head_dropout)

    def _draw_mask(self, shape: tuple[int, ...], rate: float) -> Array | None:
        if not self.training or rate == 0:
            return None
        return dropout_mask(self._dropout_rng, shape, rate, self.dtype)

    def plan(
        self, query: ArrayOrTensor, context: ArrayOrTensor, *, mask: Array | None = None, return_attention: bool = False
    ) -> Plan:
        """Return which kernel a call with these arguments uses, and why: `print(attention.plan(query, context))`.

        Nothing is computed; the predicted times are those of a forward and a backward pass,
        and only their ratios mean something on another machine.

        Examples
        --------
        >>> attention = MultiHeadCrossAttention(64, 1)
        >>> few, many = np.zeros((8, 64), np.float32), np.zeros((4096, 64), np.float32)
        >>> attention.plan(few, few).kernel, attention.plan(many, many).kernel
        ('classroom', 'tiled')
        """
        return self._prepare(query, context, mask, return_attention).plan

    def _prepare(
        self, query: ArrayOrTensor, context: ArrayOrTensor, mask: Array | None, return_attention: bool
    ) -> _Call:
        """Check the arguments of a call, and plan it."""
        query = check_input(query, "query", self.dtype, self.emb_dim, min_ndim=2)
        context = check_input(context, "context", self.dtype, self.emb_dim, min_ndim=2)
        batch = check_broadcast(query=query.shape[:-2], context=context.shape[:-2])
        pairs = (query.shape[-2], context.shape[-2])
        if mask is not None:
            check_elements(mask, "mask")
            mask = np.asarray(mask)
            check_shared_mask(mask, (*batch, *pairs))
            batch = check_broadcast(batch=batch, mask=mask.shape[:-2])
        plan = plan_for_context(batch, self.num_heads, pairs, self.inner_dim, self.dtype.itemsize, self.kernel)
        if return_attention or (self.training and self.dropout > 0):
            reason = "asked for" if return_attention else "dropped out"
            plan = replace(plan, kernel="classroom", why=f"attention weights are {reason}, so all of them are needed")
        return _Call(query, context, mask, (*batch, self.num_heads, *pairs), plan)

    def extra_repr(self) -> str:
        """Return the sizes and options."""
        inner = "" if self.inner_dim == self.emb_dim else f", inner_dim={self.inner_dim}"
        dropped = f", head_dropout={self.head_dropout}" if self.head_dropout else ""
        bare = ", output=False" if self.output is None else ""
        return (
            f"emb_dim={self.emb_dim}, num_heads={self.num_heads}, dropout={self.dropout}{inner}{dropped}{bare}, "
            f"kernel={self.kernel!r}"
        )
