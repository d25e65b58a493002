"""What is folded in is what the run would have computed."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.data import DataError, factorise
from acg_numpy.recommender.serving import Trained
from acg_numpy.recommender.training.new_columns import Columns, extend_factors


@pytest.fixture(scope="module")
def run(interactions):
    """Factors of all interactions, and nothing that folding does not look at."""
    factors = factorise(interactions.matrix, interactions, emb_dim=8)
    bias = (2 * np.log(0.01 + factors.popularity) + 1).astype(np.float32)
    domains = interactions.domains
    return Trained(None, factors, bias, interactions.items, interactions.item_domain, domains)


def folded(run, interactions, taken, domain):
    """The factors and bias of one new item, by who took it."""
    columns = Columns(np.append(run.items, "new"), np.append(run.item_domain, domain), len(run.items))
    matrix = sp.csr_array(sp.hstack([interactions.matrix, sp.csr_array(taken[:, None])]))
    factors, bias = extend_factors(run, columns, matrix, None, seed=0)
    np.testing.assert_array_equal(factors.item_vectors[:-1], run.factors.item_vectors)
    return factors, bias


@pytest.mark.parametrize("column", [2, 16, 30])
def test_an_item_of_the_run_is_folded_onto_itself(run, interactions, column):
    taken = interactions.matrix.toarray()[:, column]
    factors, bias = folded(run, interactions, taken, run.item_domain[column])
    np.testing.assert_allclose(factors.components[-1], run.factors.components[column], atol=1e-5)
    np.testing.assert_allclose(factors.item_vectors[-1], run.factors.item_vectors[column], atol=1e-4)
    assert factors.popularity[-1] == run.factors.popularity[column]
    assert bias[-1] == pytest.approx(run.item_bias[column], abs=1e-4)
    assert factors.item_weight[-1] == run.factors.item_weight[column]
    assert factors.elsewhere[:, -1].tolist() == run.factors.elsewhere[:, column].tolist()


def test_a_new_domain_is_decomposed_as_in_training(run, interactions):
    """The last domain, as if the run had the others alone: its vectors are those of a run with all of it."""
    known = interactions.item_domain < 2
    part = replace(
        run,
        factors=replace(
            run.factors,
            **{
                name: getattr(run.factors, name)[known]
                for name in ("components", "item_weight", "item_vectors", "popularity")
            },
        ),
        item_bias=run.item_bias[known],
        items=run.items[known],
        item_domain=run.item_domain[known],
        domains=run.domains[:2],
    )
    columns = Columns(run.items, run.item_domain, int(known.sum()))
    factors, bias = extend_factors(part, columns, interactions.matrix, None, seed=0)
    np.testing.assert_allclose(np.abs(factors.item_vectors), np.abs(run.factors.item_vectors), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(bias[~known], np.log(0.01 + run.factors.popularity[~known]), rtol=1e-5)


def test_vectors_that_are_not_singular_are_not_folded_into(run, interactions):
    vectors = np.random.default_rng(0).standard_normal(run.factors.item_vectors.shape).astype(np.float32)
    other = replace(run, factors=replace(run.factors, item_vectors=vectors))
    with pytest.raises(DataError, match="item vectors of domain 0 are not the run's own singular vectors"):
        folded(other, interactions, np.ones(80, np.float32), 1)
