"""Groups of a domain's users, and the token on which attention differs most between them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from acg_numpy.shapes import Array

FEWEST = 5  # users in a group that is shown
EXCHANGES = 20  # of users between groups, for the difference by chance


class Grouping(NamedTuple):
    """Groups of users: the group of each user, -1 for none; the names of the groups; and what they are grouped by."""

    ids: npt.NDArray[np.int64]
    names: Sequence[str]
    by: str


class Difference(NamedTuple):
    """The token whose mean weight differs most between two groups, and the largest such difference by chance."""

    head: int
    token: int
    most: int
    least: int
    means: tuple[float, float]
    by_chance: float


def group_by_preference(elsewhere: Array, names: Sequence[str]) -> Grouping:
    """Group users by the other domain of which they took most, beyond what users with as many interactions take.

    Parameters
    ----------
    elsewhere : integer array, shape (B, M)
        The number of items that each user took in each of the M other domains.
    names : sequence of str, length M

    Returns
    -------
    Grouping
        By the largest excess over the expected count, in units of its square root, which is how counts spread by
        chance.

    Examples
    --------
    >>> group_by_preference(np.array([[9, 1], [8, 2], [2, 8], [0, 0]]), ["books", "films"]).ids
    array([ 0,  0,  1, -1])
    """
    took = elsewhere.sum(axis=1, keepdims=True)  # (B, 1)
    share = elsewhere.sum(axis=0) / max(elsewhere.sum(), 1)  # (M,)
    expected = took * share
    above = (elsewhere - expected) / np.sqrt(np.where(expected > 0, expected, 1.0))
    ids = np.where(took[:, 0] > 0, above.argmax(axis=1), -1)
    return Grouping(ids, [f"mostly {name}" for name in names], "the other domain that they took most of")


def group_by_activity(took: Array) -> Grouping:
    """Group users by how much they took elsewhere, into thirds.

    Examples
    --------
    >>> group_by_activity(np.array([3, 4, 5, 20, 30, 40, 50, 60, 70])).names
    ['took 3 to 5', 'took 20 to 40', 'took 50 to 70']
    """
    edges = np.quantile(took, [1 / 3, 2 / 3], method="higher")
    _, ids = np.unique(np.digitize(took, edges), return_inverse=True)  # without a third that has no user
    spans = [(int(took[ids == group].min()), int(took[ids == group].max())) for group in range(ids.max() + 1)]
    names = [f"took {low:,} to {high:,}" if low < high else f"took {low:,}" for low, high in spans]
    return Grouping(ids, names, "how much they took elsewhere")


def group_by_taste(weights: Array) -> Grouping:
    """Group users by the taste that counts most for them, of weights (B, tastes)."""
    names = [f"taste {taste}" for taste in range(weights.shape[1])]
    return Grouping(weights.argmax(axis=1), names, "the taste that counts most for them there")


def large_enough(grouping: Grouping) -> Grouping:
    """Remove the groups of fewer than five users, whose mean would be largely chance.

    Examples
    --------
    >>> kept = large_enough(Grouping(np.array([0] * 6 + [1]), ["many", "one"], "size"))
    >>> kept.ids
    array([ 0,  0,  0,  0,  0,  0, -1])
    """
    counts = np.bincount(grouping.ids[grouping.ids >= 0], minlength=len(grouping.names))
    small = counts < FEWEST
    return grouping._replace(ids=np.where((grouping.ids >= 0) & ~small[grouping.ids], grouping.ids, -1))


def largest_difference(attention: Array, ids: npt.NDArray[np.int64], seed: int) -> Difference:
    """Find the token on which two groups differ most.

    Parameters
    ----------
    attention : array, shape (B, H, K)
    ids : integer array, shape (B,)
        At least two groups.
    seed : int
        The seed of the exchanges of users between groups.

    Examples
    --------
    >>> attention = np.array([[[0.9, 0.1]], [[0.7, 0.3]], [[0.2, 0.8]], [[0.0, 1.0]]])
    >>> found = largest_difference(attention, np.array([0, 0, 1, 1]), seed=0)
    >>> found.most, found.least, [round(mean, 2) for mean in found.means]
    (0, 1, [0.8, 0.1])
    """
    groups = np.unique(ids)

    def means(group_ids: npt.NDArray[np.int64]) -> Array:  # (groups, H, K)
        return np.stack([attention[group_ids == group].mean(axis=0) for group in groups])

    found = means(ids)
    range_ = np.ptp(found, axis=0)  # (H, K)
    head, token = (int(i) for i in np.unravel_index(np.argmax(range_), range_.shape))
    column = found[:, head, token]
    most, least = int(column.argmax()), int(column.argmin())
    rng = np.random.default_rng(seed)
    by_chance = [np.ptp(means(rng.permutation(ids)), axis=0).max() for _ in range(EXCHANGES)]
    ends = (float(column[most]), float(column[least]))
    return Difference(head, token, int(groups[most]), int(groups[least]), ends, float(np.mean(by_chance)))
