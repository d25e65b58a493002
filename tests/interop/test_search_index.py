"""An index of inner products finds what the recommender recommends."""

from dataclasses import replace

import numpy as np
import pytest

from acg_numpy import AttentionConditioner
from acg_numpy.interop import search_vectors
from acg_numpy.recommender.evaluation import top_k
from tests.interop.trained_models import large_trained, make_trained


def test_in_exact_arithmetic_the_order_is_that_of_the_recommender_ties_included():
    """Whole numbers, quarters and D = 16 are computed without rounding in float32, and often tie."""
    rng = np.random.default_rng(0)
    trained = large_trained(64, 16)
    vectors = rng.integers(-2, 3, (64, 16)).astype(np.float32)
    bias = (rng.integers(-40, 5, 64) / 4).astype(np.float32)
    trained = replace(trained, factors=replace(trained.factors, item_vectors=vectors), item_bias=bias)
    conditions = rng.integers(-3, 4, (50, 16)).astype(np.float32)
    found = search_vectors(trained, "films")
    products, scores = found.queries(conditions) @ found.items.T, trained.scores(conditions, 0)
    np.testing.assert_array_equal(products + np.float32(found.offset), scores)
    assert len(np.unique(scores[0])) < 64
    np.testing.assert_array_equal(top_k(products, 64), top_k(scores, 64))


def test_each_domain_is_centred_and_differs_from_the_scores_by_its_mean():
    trained, interactions = make_trained()
    conditions = trained.conditions(interactions.matrix)
    for d, name in enumerate(trained.domains.tolist()):
        found = search_vectors(trained, name)
        assert found.items.dtype == found.queries(conditions[:, d]).dtype == np.float32
        assert abs(found.items[:, -1].mean()) < 1e-6
        assert found.ids.tolist() == interactions.items[interactions.item_domain == d].tolist()
        products = found.queries(conditions[:, d]) @ found.items.T
        np.testing.assert_allclose(products + found.offset, trained.scores(conditions[:, d], d), atol=1e-5)
        np.testing.assert_array_equal(search_vectors(trained, d).items, found.items)


def test_an_approximate_index_finds_the_true_best_where_biases_are_centred():
    """With 20,000 items it finds 99.5% of the true top 10, and 7% with biases as they are."""
    faiss = pytest.importorskip("faiss", reason="faiss is not installed")
    faiss.omp_set_num_threads(1)
    trained = large_trained(4000)
    found = search_vectors(trained, "films")
    queries = found.queries(np.random.default_rng(1).standard_normal((50, 32)))
    best = top_k(queries @ found.items.T, 10)

    def recall(items):
        index = faiss.IndexHNSWFlat(33, 16, faiss.METRIC_INNER_PRODUCT)
        index.add(items)
        index.hnsw.efSearch = 512
        found = index.search(queries, 10)[1]
        return np.mean([len({*row} & {*true}) / 10 for row, true in zip(found, best, strict=True)])

    uncentred = found.items.copy()
    uncentred[:, -1] += np.float32(found.offset)
    np.testing.assert_array_equal(top_k(queries @ uncentred.T, 10), best)  # the same to an exact search
    assert recall(found.items) > 0.95
    assert recall(uncentred) < 0.5


@pytest.mark.parametrize(
    ("domain", "error", "message"),
    [
        ("doman 1", ValueError, "there is no domain 'doman 1'; did you mean 'domain 1'"),
        ("xyz", ValueError, "known are 'domain 0', 'domain 1', 'domain 2'"),
        (3, ValueError, "domain is 3, but there are 3"),
        (-1, ValueError, "domain is -1, but there are 3"),
        (1.0, TypeError, "domain is 1.0; expected a name or a number"),
        (True, TypeError, "domain is True"),
    ],
)
def test_a_domain_that_is_not_there_is_refused(domain, error, message):
    with pytest.raises(error, match=message):
        search_vectors(make_trained()[0], domain)


def test_what_has_no_items_or_another_width_is_refused():
    with pytest.raises(TypeError, match="search_vectors takes a Trained, not a AttentionConditioner"):
        search_vectors(AttentionConditioner(8, 2, 3), 0)
    with pytest.raises(ValueError, match=r"conditions have shape \(2, 7\); their last axis must be D, 8"):
        search_vectors(make_trained()[0], 0).queries(np.ones((2, 7)))
