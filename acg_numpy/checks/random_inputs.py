"""Random inputs for the checks: masks, ids with repeats, dropout masks, distributions."""

import numpy as np

from acg_numpy.shapes import Array

KEEP = 0.7


def random_mask(rng: np.random.Generator, *shape: int) -> Array:
    """Draw a mask with both answers in every row: True at about two places of three.

    Examples
    --------
    >>> mask = random_mask(np.random.default_rng(0), 100, 3)
    >>> bool(np.all(np.any(mask, axis=-1) & ~np.all(mask, axis=-1)))
    True
    """
    mask = rng.random(shape) < KEEP
    if shape and shape[-1] > 1:
        mask[..., 0], mask[..., 1] = True, False
        mask = rng.permuted(mask, axis=-1)
    return mask


def repeated_ids(rng: np.random.Generator, below: int, *shape: int) -> Array:
    """Draw ids from 0 to below - 1 of which one comes twice, if there is room for two.

    Examples
    --------
    >>> ids = repeated_ids(np.random.default_rng(0), 1000, 2, 3)
    >>> ids.shape, len(np.unique(ids)) < 6
    ((2, 3), True)
    """
    ids = rng.integers(0, below, size=shape)
    if ids.size > 1:
        one, other = rng.choice(ids.size, size=2, replace=False)
        ids.flat[one] = ids.flat[other]
    return ids


def dropout_factors(rng: np.random.Generator, *shape: int) -> Array:
    """Draw what dropout multiplies by: 0, or 1 over the keep rate."""
    return random_mask(rng, *shape) / KEEP


def distributions(rng: np.random.Generator, *shape: int) -> Array:
    """Draw rows of positive numbers that sum to 1."""
    weights = rng.uniform(0.1, 1.0, shape)
    rows: Array = weights / np.sum(weights, axis=-1, keepdims=True)
    return rows
