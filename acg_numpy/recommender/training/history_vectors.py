"""Users' vectors that are made from interactions when they are asked for, and held as an array where that is small."""

from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.factors import Factors, UserVectors
from acg_numpy.recommender.models.ptupcdr import History

HELD = 1 << 26  # numbers of all users' vectors that are held: 256 MiB of float32


class HistoryVectors:
    """The vectors (U, N, D) of all users for all domains, of which none is held.

    They are indexed as an array is, and have its bits.

    Parameters
    ----------
    factors : Factors
    history : History
        What is known of each user, asked about each domain.

    Examples
    --------
    >>> from acg_numpy.recommender.data import factorise, make_world
    >>> taken = make_world(seed=0).interactions
    >>> factors = factorise(taken.matrix, taken, emb_dim=8)
    >>> made = HistoryVectors(factors, History(taken.matrix, factors.elsewhere))
    >>> users, domains = np.array([3, 99, 3]), np.array([0, 4, 1])
    >>> bool((made[users, domains] == factors.user_vectors(taken.matrix)[users, domains]).all())
    True
    """

    def __init__(self, factors: Factors, history: History) -> None:
        self.factors, self.history = factors, history

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes U, N and D."""
        history, factors = self.history, self.factors
        users = history.taken.shape[0] if history.row is None else len(history.row)
        return users, len(factors.elsewhere), factors.components.shape[1]

    def __getitem__(self, key: tuple[Any, Any]) -> npt.NDArray[np.float32]:
        """Make the vectors of users and domains, which broadcast."""
        users, domains = np.broadcast_arrays(*key)
        rows = self.history.rows(users.ravel(), domains.ravel())
        made = self.factors.pair_vectors(rows, domains.ravel())
        return made.reshape(*users.shape, made.shape[1])


def user_vectors(factors: Factors, history: History) -> UserVectors:
    """Return the vectors of all users for all domains: an array where it is small."""
    made = HistoryVectors(factors, history)
    users, domains, dim = made.shape
    if users * domains * dim > HELD:
        return made
    if history.row is None:
        return factors.user_vectors(history.taken)
    return made[np.arange(users)[:, None], np.arange(domains)]
