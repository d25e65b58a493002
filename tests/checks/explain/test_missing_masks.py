"""What is a mask."""

import numpy as np

from acg_numpy.checks.explain.missing_masks import is_mask


def test_a_mask_holds_booleans_or_zeros_and_ones_and_masks_something():
    assert all(map(is_mask, (np.array([True, False]), np.zeros(3, bool), np.array([[1, 0], [1, 1]]))))
    assert not any(map(is_mask, (np.ones(3, bool), np.ones(3, int), np.zeros(3, int), np.array([0, 2, 0]))))
