"""MultiHeadCrossAttention: queries from one source attend over keys and values from another."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.arguments import check_choice, check_count, check_dtype, check_input, check_rate
from acg_numpy.autograd import from_passes
from acg_numpy.kernels import tiled
from acg_numpy.kernels.planning import CONTEXT_KERNELS, Plan, plan_for_context
from acg_numpy.layers import Linear, Seed, dropout_mask, spawn
from acg_numpy.module import Module
from acg_numpy.passes import (
    linear_backward,
    linear_forward,
    merge_heads_backward,
    merge_heads_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
    split_heads_backward,
    split_heads_forward,
)
from acg_numpy.shapes import Array, check_broadcast, check_mask


def _forward_with_weights(*inputs: Any, num_heads: int) -> tuple[tuple[Array, Array], Any]:
    out, cache = multi_head_attention_forward(*inputs, num_heads=num_heads)
    return (out, cache.weights), cache


def _backward_with_weights(grads: tuple[Array, Array], cache: Any) -> Any:
    grad_out, grad_weights = grads
    return multi_head_attention_backward(grad_out, cache, grad_weights=grad_weights)


def _key_backward(grad_out: Array, cache: Any) -> Any:
    """Of the key's projection: its bias changes nothing, and its gradient is exactly zero, not what rounding leaves."""
    dx, dW, _ = linear_backward(grad_out, cache)
    return dx, dW, None if cache.bias is None else np.zeros_like(cache.bias)


attend = from_passes(multi_head_attention_forward, multi_head_attention_backward)
attend_with_weights = from_passes(_forward_with_weights, _backward_with_weights)
project_keys = from_passes(linear_forward, _key_backward)
split_heads = from_passes(split_heads_forward, split_heads_backward)
merge_heads = from_passes(merge_heads_forward, merge_heads_backward)


class MultiHeadCrossAttention(Module):
    """Multi-head scaled dot-product attention of queries over a context.

    Each head takes `emb_dim // num_heads` features of the projected queries, keys and values; their outputs, side by
    side, pass through an output projection (Vaswani et al., 2017, section 3.2).

    Parameters
    ----------
    emb_dim : int
        Features of queries, context and output.
    num_heads : int
        Divides `emb_dim`.
    dropout : float
        Probability, at least 0 and below 1, of dropping an attention weight in training mode.
    bias : bool
        Whether the four projections have one.
    kernel : str
        How it is computed, with the same numbers.  "classroom" is the composition of `acg_numpy.passes`, which keeps
        all weights.  "tiled" keeps none of them: it goes over blocks of queries and keys, and computes their weights
        once more for the backward pass.  "auto" takes what it predicts to be quicker (see `plan`), which is tiles where
        there are many scores.  Where weights are asked for or dropped out, and in second derivatives, it is the
        classroom in any case.
    dtype : floating dtype
        Of the parameters, of the computation, and of the output.
    seed : int, numpy.random.SeedSequence or None
        Where parameters and dropout masks are drawn from.

    Notes
    -----
    The key's bias adds the same number to all scores of a row, so it changes nothing and its gradient is exactly zero.
    It is kept because the standard formulation has it.

    Examples
    --------
    >>> attention = MultiHeadCrossAttention(8, 2, seed=0)
    >>> query, context = np.ones((5, 3, 8), np.float32), np.ones((4, 8), np.float32)
    >>> out, weights = attention(query, context, return_attention=True)
    >>> out.shape, weights.shape
    ((5, 3, 8), (5, 2, 3, 4))
    """

    def __init__(
        self,
        emb_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        *,
        bias: bool = True,
        kernel: str = "auto",
        dtype: npt.DTypeLike = np.float32,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        self.emb_dim = check_count(emb_dim, "emb_dim")
        self.num_heads = check_count(num_heads, "num_heads")
        if self.emb_dim % self.num_heads:
            raise ValueError(f"num_heads is {num_heads}, which does not divide emb_dim, {emb_dim}")
        self.dropout = check_rate(dropout, "dropout")
        self.kernel = check_choice(kernel, "kernel", CONTEXT_KERNELS)
        self.dtype = check_dtype(dtype)
        weights, drops = spawn(seed, 2)
        rng = np.random.default_rng(weights)
        self.query, self.key, self.value, self.output = (
            Linear(emb_dim, emb_dim, bias=bias, dtype=self.dtype, rng=rng) for _ in range(4)
        )
        self._dropout_rng = np.random.default_rng(drops)

    def __call__(self, query: Any, context: Any, *, mask: Array | None = None, return_attention: bool = False) -> Any:
        """Attend.

        Parameters
        ----------
        query : array or Tensor, shape (..., L, D), floating
        context : array or Tensor, shape (..., S, D), floating
            Leading axes broadcast with those of `query`.
        mask : boolean array, shape (..., L, S), optional
            Shared by the heads; True where attention is allowed, as in PyTorch's `scaled_dot_product_attention` and
            unlike its `nn.MultiheadAttention`.  A query that may attend to nothing gets the output's bias.
        return_attention : bool
            Whether to return the weights too.

        Returns
        -------
        out : Tensor, shape (..., L, D)
        attention : Tensor, shape (..., H, L, S)
            Where `return_attention`: the weights of each head before dropout, never averaged.
        """
        query, context, mask, batch, scores = self._checked(query, context, mask)
        if self._plan(batch, scores, return_attention).kernel == "tiled":
            return self._by_tiles(query, context, mask)
        dropped = None
        if self.training and self.dropout > 0:
            dropped = dropout_mask(self._dropout_rng, (*batch, self.num_heads, *scores), self.dropout, self.dtype)
        projections = (
            p for layer in (self.query, self.key, self.value, self.output) for p in (layer.weight, layer.bias)
        )
        run = attend_with_weights if return_attention else attend
        return run(query, context, *projections, mask, dropped, num_heads=self.num_heads)

    def plan(self, query: Any, context: Any, *, mask: Array | None = None, return_attention: bool = False) -> Plan:
        """Which kernel a call with these arguments uses, and why: `print(attention.plan(query, context))`.

        Takes what a call takes.  Nothing is computed; the predicted times are those of a forward and a backward pass,
        and only their ratios mean something on another machine.

        Examples
        --------
        >>> attention = MultiHeadCrossAttention(64, 1)
        >>> few, many = np.zeros((8, 64), np.float32), np.zeros((4096, 64), np.float32)
        >>> attention.plan(few, few).kernel, attention.plan(many, many).kernel
        ('classroom', 'tiled')
        """
        _, _, _, batch, scores = self._checked(query, context, mask)
        return self._plan(batch, scores, return_attention)

    def _plan(self, batch: tuple[int, ...], scores: tuple[int, int], return_attention: bool) -> Plan:
        plan = plan_for_context(batch, self.num_heads, scores, self.emb_dim, self.dtype.itemsize, self.kernel)
        if return_attention or (self.training and self.dropout > 0):
            wish = "asked for" if return_attention else "dropped out"
            return replace(plan, kernel="classroom", why=f"attention weights are {wish}, so all of them are needed")
        return plan

    def _checked(
        self, query: Any, context: Any, mask: Array | None
    ) -> tuple[Any, Any, Array | None, tuple[int, ...], tuple[int, int]]:
        """The arguments of a call, in the module's dtype, with the shapes of its batch and of its scores."""
        query = check_input(query, "query", self.dtype, self.emb_dim, min_ndim=2)
        context = check_input(context, "context", self.dtype, self.emb_dim, min_ndim=2)
        batch = check_broadcast(query=query.shape[:-2], context=context.shape[:-2])
        scores = (query.shape[-2], context.shape[-2])
        if mask is not None:
            mask = np.asarray(mask)
            check_mask(mask, (*batch, *scores))
            batch = check_broadcast(batch=batch, mask=mask.shape[:-2])
        return query, context, mask, batch, scores

    def _by_tiles(self, query: Any, context: Any, mask: Array | None) -> Any:
        """`multi_head_attention_forward`, each step a node of its own."""
        Q = self.query(query)  # (..., L, D)
        K = project_keys(context, self.key.weight, self.key.bias)  # (..., S, D)
        V = self.value(context)  # (..., S, D)
        heads = (split_heads(x, num_heads=self.num_heads) for x in (Q, K, V))  # (..., H, L or S, D/H)
        Z = tiled.attend(*heads, None if mask is None else np.expand_dims(mask, -3))  # (..., H, L, D/H)
        return self.output(merge_heads(Z))

    def extra_repr(self) -> str:
        """Sizes and options."""
        return f"emb_dim={self.emb_dim}, num_heads={self.num_heads}, dropout={self.dropout}, kernel={self.kernel!r}"
