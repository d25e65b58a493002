"""A small set of interactions in which domains have something to do with each other."""

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions


def small_interactions(seed=0, users=80, items=(14, 12, 10)):
    """Two kinds of users and two kinds of items in every domain; like takes like three times as often."""
    rng = np.random.default_rng(seed)
    item_domain = np.repeat(np.arange(len(items)), items)
    alike = (np.arange(users) % 2)[:, None] == (np.arange(len(item_domain)) % 2)[None, :]
    taken = rng.random(alike.shape) < np.where(alike, 0.6, 0.2)
    taken[0, item_domain != 0] = False  # a user with nothing outside the first domain
    taken[0, 0] = True
    return Interactions(
        users=np.array([f"user {u}" for u in range(users)]),
        items=np.array([f"item {i}" for i in range(len(item_domain))]),
        domains=np.array([f"domain {d}" for d in range(len(items))]),
        matrix=sp.csr_array(taken.astype(np.float32)),
        item_domain=item_domain,
        sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def interactions():
    return small_interactions()
