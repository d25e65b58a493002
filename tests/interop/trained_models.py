"""A trained model that costs no training: factors of a small world, and a conditioner whose parameters are drawn."""

import numpy as np

from acg_numpy import AttentionConditioner
from acg_numpy.recommender.data import Factors, factorise
from acg_numpy.recommender.serving import Trained
from tests.recommender.conftest import small_interactions

D = 8


def make_trained(**options):
    """Return a Trained of 36 items in three domains, and the interactions that its factors are from."""
    interactions = small_interactions()
    options = {"num_heads": 2, "inner_dim": 12, "tokens_per_domain": 3, "seed": 0, **options}
    conditioner = AttentionConditioner(D, num_domains=3, **options).eval()
    rng = np.random.default_rng(0)
    for parameter in conditioner.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.shape).astype(parameter.dtype)
    factors = factorise(interactions.matrix, interactions, emb_dim=D)
    bias = np.log(0.01 + factors.popularity) + 0.1 * rng.standard_normal(36).astype(np.float32)
    about = {"seed": 0, "data": interactions.sha256}
    names = interactions.items, interactions.item_domain, interactions.domains
    return Trained(conditioner, factors, bias.astype(np.float32), *names, about), interactions


def large_trained(items, dim=32):
    """Return a Trained with one large domain, whose biases are those of items of every popularity."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((items, dim)).astype(np.float32)
    bias = rng.normal(-6, 1, items).astype(np.float32)
    ones, elsewhere = np.ones(items, np.float32), np.zeros((1, items), bool)
    factors = Factors(vectors, ones, 1.0, vectors, ones, elsewhere)
    names = np.arange(items).astype(str), np.zeros(items, np.int64), np.array(["films"])
    return Trained(AttentionConditioner(dim, 4, 1), factors, bias, *names)
