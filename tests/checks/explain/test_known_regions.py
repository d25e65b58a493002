"""Parts of the forward known by what they compute."""

import numpy as np

from acg_numpy.checks.explain.known_regions import projection


def test_a_unit_vector_lets_through_what_is_orthogonal_to_it():
    g, y = np.random.default_rng(0).normal(size=(2, 3, 4))
    y = y / np.sqrt(np.sum(y * y, axis=1, keepdims=True))
    let = projection(g, y, (1,), "length")
    np.testing.assert_allclose(np.sum(let * y, axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(projection(let, y, (1,), "length"), let, atol=1e-15)
