"""Baselines for attention that share their maps among domains.

Each is a Module called like the conditioner, `model(user_emb (B, D), domain_id (B,)) -> (B, D)`, and trained in the
same way.  With u the user's vector, e_d and g_d learnt for each domain, LN layer norm, and ~ where training drops
numbers:

    user             LN(~u)
    user+domain      LN(~u + e_d)
    concat-linear    LN([~u, e_d] W + b)
    film             LN((~u W + b) (1 + g_d) + e_d)                         feature-wise linear modulation
    concat-mlp       LN(~u + ~relu([~u, e_d] W_1 + b_1) W_2 + b_2)          a two-layer network

References
----------
Perez et al., "FiLM: visual reasoning with a general conditioning layer", 2018.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from acg_numpy.layers import Linear
from acg_numpy.recommender.models.condition_model import ConditionModel, normal_table


class UserVector(ConditionModel):
    """The user's vector as it is, layer-normed: LN(~u)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator, **settings: Any) -> None:
        super().__init__(emb_dim, **settings)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return the user's vectors."""
        return self.dropped(user_emb, self.dropout)


class UserPlusDomain(ConditionModel):
    """User vector plus domain vector: LN(~u + e_d)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator, **settings: Any) -> None:
        super().__init__(emb_dim, **settings)
        self.domain = normal_table(rng, num_domains, emb_dim)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return the sums."""
        return self.dropped(user_emb, self.dropout) + self.domain[domain_id]


class ConcatLinear(ConditionModel):
    """A linear map of user vector and domain vector side by side: LN([~u, e_d] W + b)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator, **settings: Any) -> None:
        super().__init__(emb_dim, **settings)
        self.domain = normal_table(rng, num_domains, emb_dim)
        self.linear = Linear(2 * emb_dim, emb_dim, rng=rng)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return what the map gives."""
        return self.linear(_concatenate(self.dropped(user_emb, self.dropout), self.domain[domain_id]))


class FiLM(ConditionModel):
    """Feature-wise linear modulation: LN((~u W + b) (1 + g_d) + e_d)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator, **settings: Any) -> None:
        super().__init__(emb_dim, **settings)
        self.domain = normal_table(rng, num_domains, emb_dim)
        self.gain = normal_table(rng, num_domains, emb_dim)
        self.linear = Linear(emb_dim, emb_dim, rng=rng)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return the modulated features."""
        gain: Any = self.gain[domain_id]
        return self.linear(self.dropped(user_emb, self.dropout)) * (1 + gain) + self.domain[domain_id]


class ConcatMLP(ConditionModel):
    """A two-layer network of both side by side, added to the user: LN(~u + ~relu([~u, e_d] W_1 + b_1) W_2 + b_2)."""

    def __init__(
        self, emb_dim: int, num_domains: int, rng: np.random.Generator, *, hidden: int, **settings: Any
    ) -> None:
        super().__init__(emb_dim, **settings)
        self.domain = normal_table(rng, num_domains, emb_dim)
        self.hidden = Linear(2 * emb_dim, hidden, rng=rng)
        self.output = Linear(hidden, emb_dim, rng=rng)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return the user's vector plus what the network gives."""
        user = self.dropped(user_emb, self.user_dropout)
        hidden = np.maximum(self.hidden(_concatenate(user, self.domain[domain_id])), 0)
        return user + self.output(self.dropped(hidden, self.dropout))


def _concatenate(left: Any, right: Any) -> Any:
    return np.concatenate([left, right], axis=-1)
