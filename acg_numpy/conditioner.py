"""AttentionConditioner: a user, a domain, and out comes the user as that domain should see them."""

import math
import warnings
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.arguments import check_choice, check_input, check_names, domain_ids
from acg_numpy.attention import MultiHeadCrossAttention
from acg_numpy.domain_embedding import DomainEmbedding
from acg_numpy.kernels.conditioning import condition, groups_for
from acg_numpy.kernels.planning import KERNELS, Plan, make_plan
from acg_numpy.layers import LayerNorm, Seed, dropout_mask, spawn
from acg_numpy.module import Module
from acg_numpy.shapes import Array, check_mask

MOST_NAMES = 12  # of domains, in a display


class OneKeyWarning(UserWarning):
    """Attention over a single key: its one weight is always 1, so the condition does not depend on the user."""


class AttentionConditioner(Module):
    """Condition vectors from users and domains, by multi-head cross-attention.

    The user's embedding is the query; the tokens of the domain, and those that all domains share, are keys and values:

        condition = attention(query=user_emb, context=tokens[domain_id])

    Parameters
    ----------
    emb_dim : int
        Features D of users, tokens and conditions.
    num_heads : int
        Divides `emb_dim`.
    num_domains : int
    dropout : float
        Probability, at least 0 and below 1, of dropping an attention weight in training mode.
    tokens_per_domain : int
        With one, and none shared, attention has a single key, cannot depend on the user, and warns.
    num_global_tokens : int
        Tokens that all domains share.
    residual : bool
        Whether the user's embedding is added to what attention gives.
    layer_norm : bool
        Whether the result is normed, after the residual.
    bias : bool
        Whether the projections have one.
    domain_names : sequence of str, optional
        One for each domain; `domain_id` may then be given by name.
    kernel : str
        How it is computed, with the same numbers: "auto" takes what costs least for the shapes at hand, see `plan`;
        "absorbed", "grouped" and "gathered" are the ways to share work among the users of a domain, and "classroom" is
        the composition of `acg_numpy.passes`.
    dtype : floating dtype
        Of the parameters, of the computation, and of the condition.
    seed : int, numpy.random.SeedSequence or None
        Where parameters and dropout masks are drawn from: the same seed gives the same numbers.

    Examples
    --------
    >>> conditioner = AttentionConditioner(emb_dim=32, num_heads=4, num_domains=3, seed=0)
    >>> user_emb = np.random.default_rng(0).standard_normal((5, 32), np.float32)
    >>> conditioner(user_emb, 1).shape  # five users in domain 1
    (5, 32)
    >>> conditioner(user_emb, np.array([0, 2, 2, 1, 0])).shape  # each in a domain of their own
    (5, 32)
    >>> condition, attention = conditioner(
    ...     user_emb[:, None], np.arange(3), return_attention=True
    ... )  # each in every domain
    >>> condition.shape, attention.shape
    ((5, 3, 32), (5, 3, 4, 8))
    """

    def __init__(
        self,
        emb_dim: int,
        num_heads: int,
        num_domains: int,
        dropout: float = 0.0,
        *,
        tokens_per_domain: int = 8,
        num_global_tokens: int = 0,
        residual: bool = False,
        layer_norm: bool = False,
        bias: bool = True,
        domain_names: Sequence[str] | None = None,
        kernel: str = "auto",
        dtype: npt.DTypeLike = np.float32,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        self.kernel = check_choice(kernel, "kernel", KERNELS)
        for_tokens, for_attention = spawn(seed, 2)
        self.domain_embedding = DomainEmbedding(
            num_domains, emb_dim, tokens_per_domain, num_global_tokens, dtype=dtype, seed=for_tokens
        )
        self.attention = MultiHeadCrossAttention(
            emb_dim, num_heads, dropout, bias=bias, dtype=dtype, seed=for_attention
        )
        self.norm = LayerNorm(emb_dim, dtype=dtype) if layer_norm else None
        self.residual = bool(residual)
        self.domain_names = check_names(domain_names, num_domains)
        if tokens_per_domain + num_global_tokens == 1:
            warnings.warn(
                "one token per domain and no global ones: attention over a single key gives it weight 1 whatever the "
                "user, so the condition does not depend on the user, and query and key learn nothing; use "
                "tokens_per_domain=8",
                OneKeyWarning,
                stacklevel=2,
            )

    def __call__(
        self, user_emb: Any, domain_id: Any, *, mask: Array | None = None, return_attention: bool = False
    ) -> Any:
        """Condition users on domains.

        Parameters
        ----------
        user_emb : array or Tensor, shape (..., D), floating
            Of another floating dtype it is cast, and its gradient comes back in its own.
        domain_id : int, integer array, or names where there are any
            Its shape broadcasts with that of `user_emb` without the last axis.
        mask : boolean array, shape (..., K), optional
            True where a token may be attended to, of the domain's own tokens and then the shared ones.
        return_attention : bool
            Whether to return the attention weights too.

        Returns
        -------
        condition : Tensor, shape (..., D)
        attention : Tensor, shape (..., H, K)
            Where `return_attention`: the weights of each head over the domain's own tokens and then the shared ones,
            before dropout. Rows sum to 1. `acg_numpy.plots.attention_map` draws them.

        Raises
        ------
        IndexError
            Where a domain's number is not from 0 to `num_domains` - 1.
        TypeError
            Where `user_emb` is not floating, or `domain_id` neither integers nor names.
        ValueError
            Where the last axis of `user_emb` is not `emb_dim`, the shapes do not broadcast, or a name is not known.
        """
        user_emb = check_input(user_emb, "user_emb", self.attention.dtype, self.attention.emb_dim)
        ids = domain_ids(domain_id, self.domain_embedding.num_domains, self.domain_names)
        self._check_batch(user_emb, ids)

        out, weights = self._attend(user_emb, ids, mask, return_attention)
        if self.residual:
            out = out + user_emb
        if self.norm is not None:
            out = self.norm(out)
        return (out, weights) if return_attention else out

    def _attend(self, user_emb: Any, ids: Array, mask: Array | None, return_attention: bool) -> tuple[Any, Any]:
        """Attention of users over tokens, whatever axes they come in, by the kernel that is planned."""
        users, D = user_emb.shape[:-1], user_emb.shape[-1]
        batch = np.broadcast_shapes(users, ids.shape)
        own, attention = self.domain_embedding, self.attention
        num_tokens = own.tokens_per_domain + own.num_global_tokens
        if mask is not None:
            mask = np.asarray(mask)
            check_mask(np.expand_dims(mask, -2), (*batch, 1, num_tokens))  # a row a query, of which a user is one
            batch = np.broadcast_shapes(batch, mask.shape[:-1])
            if mask.all():
                mask = None
        every = self._every(users, ids, batch)
        if not every and users != batch:
            user_emb = np.broadcast_to(user_emb, (*batch, D))
        if len(user_emb.shape) != 2:
            user_emb = np.reshape(user_emb, (math.prod(user_emb.shape[:-1]), D))
        flat = ids if every else np.broadcast_to(ids, batch).reshape(-1)
        rows = (len(user_emb), len(flat)) if every else (len(flat),)
        masked = None if mask is None else np.broadcast_to(mask, (*batch, num_tokens)).reshape(*rows, num_tokens)
        dropped = None
        if self.training and attention.dropout > 0:
            shape = (*batch, attention.num_heads, 1, num_tokens)
            dropped = dropout_mask(attention._dropout_rng, shape, attention.dropout, attention.dtype)
            dropped = dropped.reshape(*rows, attention.num_heads, num_tokens)
        groups = groups_for(flat, own.num_domains, rows[0], every)
        plan = make_plan(groups, num_tokens, D, attention.num_heads, self.kernel)
        found = condition(
            user_emb,
            own.tokens,
            own.global_tokens,
            *(
                parameter
                for layer in (attention.query, attention.key, attention.value, attention.output)
                for parameter in (layer.weight, layer.bias)
            ),
            flat,
            masked,
            dropped,
            num_heads=attention.num_heads,
            kernel=plan.kernel,
            groups=groups,
            with_weights=return_attention,
            sparse_grad=own.sparse_grad,
        )
        out, weights = found if return_attention else (found, None)
        if batch != out.shape[:-1]:
            out = np.reshape(out, (*batch, D))
            weights = None if weights is None else np.reshape(weights, (*batch, *weights.shape[-2:]))
        return out, weights

    @staticmethod
    def _every(users: tuple[int, ...], ids: Array, batch: tuple[int, ...]) -> bool:
        """Whether every user meets every one of a row of domains, as with user_emb[:, None]."""
        return ids.ndim == 1 and ids.size > 1 and len(users) > 1 and users[-1] == 1 and batch == (*users[:-1], ids.size)

    def plan(self, user_emb: Any, domain_id: Any) -> Plan:
        """Which kernel is used for these users and domains, why, and what each would cost.

        Parameters
        ----------
        user_emb, domain_id
            As for a call.

        Returns
        -------
        Plan
            `print(plan)` shows it; `plan.kernel`, `plan.why`, `plan.costs` and `plan.shapes` are its parts.

        Examples
        --------
        >>> conditioner = AttentionConditioner(emb_dim=64, num_heads=4, num_domains=8, seed=0)
        >>> user_emb = np.zeros((8192, 64), np.float32)
        >>> conditioner.plan(user_emb, np.arange(8192) % 8).kernel
        'absorbed'
        """
        user_emb = check_input(user_emb, "user_emb", self.attention.dtype, self.attention.emb_dim)
        ids = domain_ids(domain_id, self.domain_embedding.num_domains, self.domain_names)
        self._check_batch(user_emb, ids)
        users = user_emb.shape[:-1]
        batch = np.broadcast_shapes(users, ids.shape)
        every = self._every(users, ids, batch)
        flat = ids if every else np.broadcast_to(ids, batch).reshape(-1)
        own = self.domain_embedding
        groups = groups_for(flat, own.num_domains, math.prod(users), every)
        num_tokens = own.tokens_per_domain + own.num_global_tokens
        return make_plan(groups, num_tokens, user_emb.shape[-1], self.attention.num_heads, self.kernel)

    @staticmethod
    def _check_batch(user_emb: Any, ids: Array) -> None:
        users = user_emb.shape[:-1]
        try:
            np.broadcast_shapes(users, ids.shape)
        except ValueError:
            raise ValueError(
                f"user_emb has shape {user_emb.shape} and domain_id {ids.shape}: {users} and {ids.shape} do not "
                "broadcast; give one domain for all users, one for each, or user_emb[:, None] for each user in every "
                "domain"
            ) from None

    def extra_repr(self) -> str:
        """Options and number of parameters."""
        names = f", domain_names={list(self.domain_names)}" if self.domain_names else ""
        return f"residual={self.residual}{names}, {self.num_parameters():,} parameters"

    def _repr_html_(self) -> str:
        """Options and parameters for a notebook; the names of domains are escaped.

        Examples
        --------
        >>> conditioner = AttentionConditioner(8, 2, 2, domain_names=["books", "R&B"], seed=0)
        >>> "books, R&amp;B" in conditioner._repr_html_()
        True
        """
        own, attention = self.domain_embedding, self.attention
        names = ", ".join(self.domain_names[:MOST_NAMES]) if self.domain_names else ""
        more = ", ..." if self.domain_names and len(self.domain_names) > MOST_NAMES else ""
        options = {
            "emb_dim": attention.emb_dim,
            "num_heads": attention.num_heads,
            "num_domains": f"{own.num_domains:,}" + (f" ({names}{more})" if names else ""),
            "tokens_per_domain": own.tokens_per_domain,
            "num_global_tokens": own.num_global_tokens,
            "dropout": f"{attention.dropout:g} ({'in' if self.training else 'off, not in'} training mode)",
            "residual": self.residual,
            "layer_norm": self.norm is not None,
            "bias": attention.query.bias is not None,
            "kernel": self.kernel,
            "dtype": attention.dtype,
        }
        told = escape(", ".join(f"{name}={value}" for name, value in options.items()))
        rows = "".join(
            f"<tr><td>{name}</td><td>{parameter.shape}</td><td>{math.prod(parameter.shape):,}</td></tr>"
            for name, parameter in self.named_parameters()
        )
        head = "<thead><tr><th>parameter</th><th>shape</th><th>numbers</th></tr></thead>"
        title = f"<strong>{escape(type(self).__name__)}</strong>, {self.num_parameters():,} parameters"
        table = f"<table>{head}<tbody>{rows}</tbody></table>"
        return f"<div class='acg-conditioner'><p>{title}<br><small>{told}</small></p>{table}</div>"
