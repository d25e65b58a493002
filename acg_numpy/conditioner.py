"""AttentionConditioner: a user, a domain, and out comes the user as that domain should see them."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.arguments import check_input, check_names, domain_ids
from acg_numpy.attention import MultiHeadCrossAttention
from acg_numpy.domain_embedding import DomainEmbedding
from acg_numpy.layers import LayerNorm, Seed, spawn
from acg_numpy.module import Module
from acg_numpy.shapes import Array


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
        "auto" or "classroom": how attention is computed; see `MultiHeadCrossAttention`.
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
        for_tokens, for_attention = spawn(seed, 2)
        self.domain_embedding = DomainEmbedding(
            num_domains, emb_dim, tokens_per_domain, num_global_tokens, dtype=dtype, seed=for_tokens
        )
        self.attention = MultiHeadCrossAttention(
            emb_dim, num_heads, dropout, bias=bias, kernel=kernel, dtype=dtype, seed=for_attention
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
            before dropout. Rows sum to 1.

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

        query = np.expand_dims(user_emb, -2)  # (..., 1, D)
        context = self.domain_embedding(ids)  # (..., K, D)
        rows = None if mask is None else np.expand_dims(mask, -2)  # (..., 1, K)
        found = self.attention(query, context, mask=rows, return_attention=return_attention)
        out, *weights = found if return_attention else (found,)
        out = np.squeeze(out, -2)  # (..., D)
        if self.residual:
            out = out + user_emb
        if self.norm is not None:
            out = self.norm(out)
        return (out, np.squeeze(weights[0], -2)) if return_attention else out  # (..., H, 1, K) -> (..., H, K)

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
