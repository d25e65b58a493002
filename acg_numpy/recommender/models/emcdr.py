"""EMCDR's maps: each domain has a map of its own from the user's vector into the space of its items.

With u the user's vector, LN layer norm, ~ where training drops numbers, and what has an index d learnt for each domain:

    emcdr-linear        LN(~u M_d + e_d)
    emcdr-mlp           LN(~tanh(~u W_d + b_d) V_d + c_d)          a two-layer network for each domain
    emcdr-mlp-shared    LN(~tanh(~u W + b_d) V_d + c_d)            the same, but its first layer is shared

In the paper the map is fitted to the vectors of users whom both domains know; here it is trained on the ranking, as all
models are, and there is one for each target domain, from what the user did in all others.

References
----------
Man et al., "Cross-domain recommendation: an embedding and mapping approach", IJCAI 2017: a linear map and a network
with one hidden layer and tanh.
"""

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from acg_numpy.layers import xavier_uniform
from acg_numpy.module import Parameter
from acg_numpy.recommender.models.condition_model import ConditionModel, normal_table
from acg_numpy.recommender.models.grouped_linear import grouped_linear


class EMCDRLinear(ConditionModel):
    """A linear map for each domain: LN(~u M_d + e_d)."""

    def __init__(self, emb_dim: int, num_domains: int, rng: np.random.Generator, **settings: Any) -> None:
        super().__init__(emb_dim, **settings)
        self.maps = normal_table(rng, num_domains, emb_dim, emb_dim, deviation=1 / math.sqrt(emb_dim))
        self.domain = normal_table(rng, num_domains, emb_dim)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return what the domain's map gives."""
        return grouped_linear(self.dropped(user_emb, self.dropout), self.maps, self.domain, domain_id=domain_id)


class EMCDRNetwork(ConditionModel):
    """A two-layer network for each domain: LN(~tanh(~u W_d + b_d) V_d + c_d); W may be one for all domains."""

    def __init__(
        self, emb_dim: int, num_domains: int, rng: np.random.Generator, *, hidden: int, shared: bool, **settings: Any
    ) -> None:
        super().__init__(emb_dim, **settings)
        first = () if shared else (num_domains,)
        self.first_weight = _xavier_tables(rng, *first, emb_dim, hidden)
        self.first_bias = Parameter(np.zeros((num_domains, hidden), np.float32))
        self.second_weight = _xavier_tables(rng, num_domains, hidden, emb_dim)
        self.second_bias = Parameter(np.zeros((num_domains, emb_dim), np.float32))

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return what the domain's network gives."""
        user = self.dropped(user_emb, self.user_dropout)
        if self.first_weight.ndim == 2:
            scores: Any = user @ self.first_weight + self.first_bias[domain_id]  # (B, hidden)
        else:
            scores = grouped_linear(user, self.first_weight, self.first_bias, domain_id=domain_id)
        hidden = self.dropped(np.tanh(scores), self.dropout)
        return grouped_linear(hidden, self.second_weight, self.second_bias, domain_id=domain_id)


def _xavier_tables(rng: np.random.Generator, *shape: int) -> Parameter:
    """Draw one weight (fan in, fan out), or one for each domain."""
    *domains, fan_in, fan_out = shape
    tables = [xavier_uniform(rng, fan_in, fan_out, np.float32) for _ in range(math.prod(domains))]
    return Parameter(np.reshape(tables, shape))
