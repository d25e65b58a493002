"""Trained models that cost no training: their factors are real, and the parameters of their conditioner are drawn."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from acg_numpy import AttentionConditioner
from acg_numpy.recommender.data import Factors, factorise
from acg_numpy.recommender.serving import OwnHistory, Trained
from acg_numpy.recommender.serving.own_history import item_weights
from tests.recommender.conftest import small_interactions

D = 8


def two_domain_interactions():
    """Return the interactions of 80 users with 36 items of three domains, one item of which is in two of them."""
    interactions = small_interactions()
    items, matrix = interactions.items.copy(), interactions.matrix.toarray()
    items[14], matrix[:, 14] = items[0], matrix[:, 0]
    same_item = np.unique(items, return_inverse=True)[1]
    return replace(interactions, items=items, matrix=sp.csr_array(matrix), same_item=same_item)


def make_trained(**options):
    """Return a Trained, and the interactions that its factors are from."""
    interactions = two_domain_interactions()
    options = {"num_heads": 2, "inner_dim": 12, "tokens_per_domain": 3, "seed": 0, **options}
    conditioner = AttentionConditioner(D, num_domains=3, **options).eval()
    rng = np.random.default_rng(0)
    for parameter in conditioner.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.shape).astype(parameter.dtype)
    factors = factorise(interactions.matrix, interactions, emb_dim=D)
    bias = np.log(0.01 + factors.popularity) + 0.1 * rng.standard_normal(36).astype(np.float32)
    about = {"seed": 0, "data": interactions.sha256}
    names = interactions.items, interactions.item_domain, interactions.domains
    own = OwnHistory(
        item_weights(interactions.matrix, interactions.item_domain, interactions.same_item, 1.0), 1.0, blend=0.5
    )
    return Trained(conditioner, factors, bias.astype(np.float32), *names, about, own_history=own), interactions


def large_trained(items, dim=32):
    """Return a Trained with one large domain, whose biases are those of items of every popularity."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((items, dim)).astype(np.float32)
    bias = rng.normal(-6, 1, items).astype(np.float32)
    ones, elsewhere = np.ones(items, np.float32), np.zeros((1, items), bool)
    factors = Factors(vectors, ones, 1.0, vectors, ones, elsewhere)
    names = np.arange(items).astype(str), np.zeros(items, np.int64), np.array(["films"])
    return Trained(AttentionConditioner(dim, 4, 1), factors, bias, *names)
