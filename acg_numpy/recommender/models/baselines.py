"""Baselines for attention: other ways to turn a user's vector and a domain into a condition vector.

Each is a Module called like the conditioner, `model(user_emb (B, D), domain_id (B,)) -> (B, D)`, and trained in the
same way.  With u the user's vector, e_d, g_d and M_d learnt for each domain, and LN layer norm:

    user             LN(u)
    user+domain      LN(u + e_d)
    one-key          cross-attention over one key: e_d, whatever the user
    concat-linear    LN([u, e_d] W + b)
    domain-linear    u M_d + e_d
    film             LN((u W + b) (1 + g_d) + e_d)                          feature-wise linear modulation
    concat-mlp       LN(u + relu([u, e_d] W_1 + b_1) W_2 + b_2)             a two-layer network
    attention        cross-attention over the tokens of the domain

`popularity`, which ranks by the share of users who took an item, needs no model.

References
----------
Perez et al., "FiLM: visual reasoning with a general conditioning layer", 2018.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from acg_numpy.autograd import Tensor
from acg_numpy.conditioner import AttentionConditioner, OneKeyWarning
from acg_numpy.layers import LayerNorm, Linear
from acg_numpy.module import Module, Parameter

DROPOUT = 0.1
HIDDEN = 64


class UserVector(Module):
    """The user's vector as it is, layer-normed: LN(u)."""

    def __init__(self, emb_dim: int) -> None:
        super().__init__()
        self.norm = LayerNorm(emb_dim)

    def __call__(self, user_emb: Any, domain_id: Any) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains (B,)."""
        return self.norm(user_emb)


class UserPlusDomain(Module):
    """User vector plus domain vector: LN(u + e_d)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.domain = _table(rng, num_domains, emb_dim)
        self.norm = LayerNorm(emb_dim)

    def __call__(self, user_emb: Any, domain_id: Any) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains (B,)."""
        return self.norm(user_emb + self.domain[domain_id])


class ConcatLinear(Module):
    """A linear map of user vector and domain vector side by side: LN([u, e_d] W + b)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.domain = _table(rng, num_domains, emb_dim)
        self.linear = Linear(2 * emb_dim, emb_dim, rng=rng)
        self.norm = LayerNorm(emb_dim)

    def __call__(self, user_emb: Any, domain_id: Any) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains (B,)."""
        return self.norm(self.linear(_concatenate(user_emb, self.domain[domain_id])))


class DomainLinear(Module):
    """A linear map for each domain: u M_d + e_d."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator) -> None:
        super().__init__()
        maps = rng.standard_normal((num_domains, emb_dim, emb_dim), dtype=np.float32)
        self.maps = Parameter(maps / math.sqrt(emb_dim))
        self.domain = _table(rng, num_domains, emb_dim)

    def __call__(self, user_emb: Any, domain_id: Any) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains (B,)."""
        mapped = user_emb[..., None, :] @ self.maps[domain_id]  # (B, 1, D)
        condition: Tensor = mapped[..., 0, :] + self.domain[domain_id]
        return condition


class FiLM(Module):
    """Feature-wise linear modulation: LN((u W + b) (1 + g_d) + e_d)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.domain = _table(rng, num_domains, emb_dim)
        self.gain = _table(rng, num_domains, emb_dim)
        self.linear = Linear(emb_dim, emb_dim, rng=rng)
        self.norm = LayerNorm(emb_dim)

    def __call__(self, user_emb: Any, domain_id: Any) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains (B,)."""
        gain: Any = self.gain[domain_id]
        return self.norm(self.linear(user_emb) * (1 + gain) + self.domain[domain_id])


class ConcatMLP(Module):
    """A two-layer network of both side by side, added to the user: LN(u + relu([u, e_d] W_1 + b_1) W_2 + b_2)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.domain = _table(rng, num_domains, emb_dim)
        self.hidden = Linear(2 * emb_dim, HIDDEN, rng=rng)
        self.output = Linear(HIDDEN, emb_dim, rng=rng)
        self.norm = LayerNorm(emb_dim)

    def __call__(self, user_emb: Any, domain_id: Any) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains (B,)."""
        hidden = np.maximum(self.hidden(_concatenate(user_emb, self.domain[domain_id])), 0)
        return self.norm(user_emb + self.output(hidden))


BASELINES: dict[str, Callable[[int, int, np.random.Generator], Module]] = {
    "user": lambda emb_dim, num_domains, rng: UserVector(emb_dim),
    "user+domain": UserPlusDomain,
    "concat-linear": ConcatLinear,
    "domain-linear": DomainLinear,
    "film": FiLM,
    "concat-mlp": ConcatMLP,
}
TRAINED = ("user", "user+domain", "one-key", "concat-linear", "domain-linear", "film", "concat-mlp", "attention")


def make_model(
    name: str,
    *,
    emb_dim: int,
    domain_names: Sequence[str],
    heads: int = 4,
    tokens_per_domain: int = 8,
    num_global_tokens: int = 0,
    seed: int = 0,
) -> Module:
    """Make one of the trained models by its name in the report.

    Parameters
    ----------
    name : str
        One of `TRAINED`.
    emb_dim : int
        D, of user vectors and conditions.
    domain_names : sequence of str
        One for each domain.
    heads, tokens_per_domain, num_global_tokens : int
        Of `attention`; `one-key` takes the heads alone.
    seed : int
        Of the initial values, and of attention's dropout.

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        If there is no model of that name.

    Examples
    --------
    >>> film = make_model("film", emb_dim=4, domain_names=["books", "films"])
    >>> film(np.ones((3, 4), np.float32), np.array([0, 1, 1])).shape
    (3, 4)
    """
    if name in BASELINES:
        return BASELINES[name](emb_dim, len(domain_names), np.random.default_rng(seed))
    if name not in TRAINED:
        raise ValueError(f"name must be one of {', '.join(TRAINED)}, but it is {name!r}")
    tokens, shared = (1, 0) if name == "one-key" else (tokens_per_domain, num_global_tokens)
    with warnings.catch_warnings():
        if name == "one-key":  # one key is intended here: it shows what the warning says
            warnings.simplefilter("ignore", OneKeyWarning)
        return AttentionConditioner(
            emb_dim,
            heads,
            len(domain_names),
            DROPOUT,
            tokens_per_domain=tokens,
            num_global_tokens=shared,
            domain_names=list(domain_names),
            seed=seed,
        )


def _table(rng: np.random.Generator, rows: int, columns: int) -> Parameter:
    return Parameter(rng.standard_normal((rows, columns), dtype=np.float32))


def _concatenate(left: Any, right: Any) -> Any:
    return np.concatenate([left, right], axis=-1)
