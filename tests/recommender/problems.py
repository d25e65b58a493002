"""Small problems of ranking within domains, drawn from a seed."""

import numpy as np
import scipy.sparse as sp

from acg_numpy.recommender.data import Interactions
from acg_numpy.recommender.data.pairs import Catalogue, Pairs


def problem(seed, users=7, items=13, domains=3, dim=4):
    """Interactions with domains of uneven size, shuffled pairs that have a positive each, item vectors in float64."""
    rng = np.random.default_rng(seed)
    item_domain = np.concatenate([np.arange(domains), rng.integers(0, domains, items - domains)])
    taken = rng.random((users, items)) < 0.5
    interactions = Interactions(
        users=np.arange(users).astype(str),
        items=np.arange(items).astype(str),
        domains=np.arange(domains).astype(str),
        matrix=sp.csr_array(taken.astype(np.float32)),
        item_domain=item_domain,
    )
    pairs = rng.permutation(np.argwhere(interactions.counts > 0))
    catalogue = Catalogue.from_interactions(interactions, rng.normal(size=(items, dim)))
    return interactions, catalogue, Pairs.from_matrix(pairs, interactions.matrix, item_domain, catalogue), rng


def masked(interactions, pairs):
    """Candidates and positives of each pair over all items, (P, I) each."""
    candidate = interactions.item_domain == pairs.domains[:, None]
    return candidate, candidate & (interactions.matrix.toarray()[pairs.users] > 0)
