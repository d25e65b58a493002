"""PTUPCDR: a map made for each user, by a network that reads the user's history in the other domains.

Three steps.  v_i is the vector of item i in the factors of all interactions, and H_u the items that user u took outside
the target domain d:

    a_i   = relu(v_i W_a + b_a) w                                 how much an item says about its users
    p_u   = sum_{i in H_u} softmax_i(a) v_i                       what is characteristic of the user
    h     = ~relu(p_u W_m + b_m)                                  the meta network's hidden units, K of them
    B_u   = sum_k h_k B_k + M_d                                   the user's own map, (D, D)
    c     = LN(~u B_u + e_d)

with ~ where training drops numbers.  The last layer of the meta network is the K matrices B_k; M_d, in the place of its
bias, is the part of the map that all users of a domain share.

The products are arranged so that no user's matrix is ever made, sum_k h_k (u B_k) being one product of the rows h x u,
(B, K D), with the matrices stacked, (K D, D); and since a_i does not depend on the user, all weighted means are one
sparse product of the histories with the rows [e^a_i v_i, e^a_i].

References
----------
Zhu et al., "Personalized transfer of user preferences for cross-domain recommendation", WSDM 2022.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.layers import Linear
from acg_numpy.recommender.data.pairs import Ids
from acg_numpy.recommender.models.condition_model import ConditionModel, normal_table
from acg_numpy.recommender.models.grouped_linear import grouped_linear
from acg_numpy.shapes import Array

SMALLEST_TOTAL = 1e-6  # added to the sum of a user's weights, which is 0 without a history


class History(NamedTuple):
    """The interactions that are known of all users, and which of them each target domain may look at."""

    taken: sp.csr_array  # (R, I)
    elsewhere: npt.NDArray[np.bool_]  # (N, I)
    row: Ids | None = None  # (U, N): the row of each user, asked about each domain; None where it is the user's number

    def rows(self, users: Ids, domain_id: Ids) -> sp.csr_array:
        """Return the items (B, I) that users (B,) took outside domains (B,)."""
        taken = sp.csr_array(self.taken[users if self.row is None else self.row[users, domain_id]])
        place = np.repeat(np.arange(len(users)), np.diff(taken.indptr))
        kept = self.elsewhere[np.asarray(domain_id)[place], taken.indices]
        indptr = np.concatenate([[0], np.cumsum(kept)])[taken.indptr]
        return sp.csr_array((taken.data[kept], taken.indices[kept], indptr), shape=taken.shape)


class PTUPCDR(ConditionModel):
    """A map for each user, made from the user's history elsewhere: LN(~u B_u + e_d).

    Parameters
    ----------
    emb_dim, num_domains : int
    rng : numpy.random.Generator
    item_vectors : array, shape (I, D), float32
        The items in the space of the user vectors; they are fixed.
    hidden : int
        K.
    **settings
        Those of `ConditionModel`; `dropout` is on h, `user_dropout` on u.
    """

    def __init__(
        self,
        emb_dim: int,
        num_domains: int,
        rng: np.random.Generator,
        *,
        item_vectors: Array,
        hidden: int,
        **settings: Any,
    ) -> None:
        super().__init__(emb_dim, **settings)
        self.item_hidden = Linear(emb_dim, emb_dim, rng=rng)
        self.item_score = Linear(emb_dim, 1, bias=False, rng=rng)
        self.meta = Linear(emb_dim, hidden, rng=rng)
        self.matrices = normal_table(rng, hidden, emb_dim, emb_dim, deviation=0.3 / math.sqrt(hidden * emb_dim))
        self.maps = normal_table(rng, num_domains, emb_dim, emb_dim, deviation=1 / math.sqrt(emb_dim))
        self.domain = normal_table(rng, num_domains, emb_dim)
        self._items = item_vectors / (item_vectors.std() or 1.0)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return what the users' own maps give."""
        if history is None:
            raise ValueError("history is missing: this model makes a user's map from what the user took elsewhere")
        hidden = self.dropped(np.maximum(self.meta(self.characteristics(history)), 0), self.dropout)  # (B, K)
        user = self.dropped(user_emb, self.user_dropout)
        K, D = self.matrices.shape[:2]
        rows = np.reshape(hidden[:, :, None] * user[:, None, :], (-1, K * D))
        own = rows @ np.reshape(self.matrices, (K * D, D))
        return own + grouped_linear(user, self.maps, self.domain, domain_id=domain_id)

    def characteristics(self, history: Any) -> Any:
        """Return the weighted mean (B, D) of the items of each history (B, I); zeros where a history is empty."""
        score = self.item_score(np.maximum(self.item_hidden(self._items), 0))  # (I, 1)
        weight: Any = np.exp(score - np.max(score.numpy()))
        weighted = np.concatenate([weight * self._items, weight], axis=-1)  # (I, D + 1)
        sums = np.matmul(history, weighted)  # not `@`, because SciPy's own does not know a Tensor
        return sums[:, :-1] / (sums[:, -1:] + np.float32(SMALLEST_TOTAL))
