"""Random inputs at which mistakes show."""

import numpy as np

from acg_numpy.checks.random_inputs import distributions, random_mask


def test_rows_are_distributions_and_masks_have_both_answers_in_every_row():
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(np.sum(distributions(rng, 4, 3, 5), axis=-1), 1.0)
    mask = random_mask(rng, 50, 4, 3)
    assert np.all(np.any(mask, axis=-1) & ~np.all(mask, axis=-1))
