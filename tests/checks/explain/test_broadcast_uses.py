"""The uses of an argument that is broadcast."""

import numpy as np

from acg_numpy.checks.explain.broadcast_uses import unsummed_contribution
from tests.checks.explain.cases import X, corruptions_of


def test_an_axis_of_length_one_in_front_is_no_broadcast():
    operation, g, corruptions = corruptions_of(np.add, X[0], X[:1])
    assert operation.value.shape == (1, 4)
    assert unsummed_contribution(operation, 0, g) is None
    assert "missing-broadcast-sum" not in {corruption.mistake for corruption in corruptions.values()}


def test_the_sum_over_a_batch_of_matrices_is_found_at_equal_sizes():
    batch, factor = np.random.default_rng(2).normal(size=(2, 2, 4)), np.random.default_rng(3).normal(size=(4, 5))
    operation, g, corruptions = corruptions_of(np.matmul, batch, factor, position=1)
    assert operation.value.size == factor.size
    first = corruptions["the first of the broadcast uses alone"].contribution(operation, 1, g)
    np.testing.assert_allclose(first, batch[0].T @ g[0])
    np.testing.assert_allclose(unsummed_contribution(operation, 1, g), np.swapaxes(batch, 1, 2) @ g)
