"""The base of the models that attention is compared with: dropout and layer norm, which each of them has."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from acg_numpy.autograd import Tensor
from acg_numpy.layers import LayerNorm, dropout_mask
from acg_numpy.module import Module, Parameter


class ConditionModel(Module):
    """A model of condition vectors; a subclass says in `condition` how they are made.

    Parameters
    ----------
    emb_dim : int
        D.
    dropout : float
        Probability, at least 0 and below 1, of dropping a number in training mode, where the subclass says.
    user_dropout : float
        The same for the numbers of the user's vector, in a model with hidden units.
    layer_norm : bool
        Whether conditions are layer-normed.
    drops : numpy.random.Generator
        Where dropout masks are drawn from.
    """

    def __init__(
        self, emb_dim: int, *, dropout: float, layer_norm: bool, drops: np.random.Generator, user_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dropout, self.user_dropout = dropout, user_dropout
        self.norm = LayerNorm(emb_dim) if layer_norm else None
        self._drops = drops

    def __call__(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None = None) -> Tensor:
        """Return conditions (B, D) of users (B, D) in domains, one or (B,).

        `history` (B, I), what each user took elsewhere, is asked for by models that go beyond the user's vector.
        """
        domain_id = np.broadcast_to(domain_id, np.shape(user_emb)[:-1])
        condition = self.condition(user_emb, domain_id, history)
        return condition if self.norm is None else self.norm(condition)

    def condition(self, user_emb: Any, domain_id: Any, history: sp.csr_array | None) -> Any:
        """Return conditions (B, D) before the layer norm; a subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define condition")

    def dropped(self, x: Any, rate: float) -> Any:
        """Drop numbers at a rate in training mode, and scale up the others."""
        if not self.training or rate == 0:
            return x
        return x * dropout_mask(self._drops, x.shape, rate, x.dtype)


def normal_table(rng: np.random.Generator, *shape: int, deviation: float = 1.0) -> Parameter:
    """Draw a table of a parameter, normal with mean 0."""
    return Parameter(rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation))
