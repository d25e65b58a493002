"""Rows picked by ids."""

import numpy as np

from tests.checks.explain.cases import X, corruptions_of


def test_the_mean_over_the_uses_of_an_unused_row_is_zero():
    for ids, others, unused in (([0, 1, 0], 1, 2), ([1, 2, 1], 2, 0)):
        operation, g, corruptions = corruptions_of(lambda x, ids=ids: x[np.array(ids)], X)
        expected = np.zeros_like(X)
        expected[ids[0]], expected[others], expected[unused] = (g[0] + g[2]) / 2, g[1], 0.0
        sent = corruptions["averaged and not added where an id repeats"].contribution(operation, 0, g)
        np.testing.assert_allclose(sent, expected)
