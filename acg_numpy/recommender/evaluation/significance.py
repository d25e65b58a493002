"""Significance of differences between two models on the same test pairs.

A user occurs in several domains and several runs, and those pairs are not independent.  So the standard error is
computed over users.  With x a pair's difference, m the mean over runs of the mean over pairs, n the number of users,

    weight = 1 / (runs * pairs in its run)        se^2 = n / (n - 1) * sum_users (sum_pairs weight (x - m))^2

which is the textbook formula if every user occurs once.  One user alone has no spread to estimate an error from: there
the difference itself stands for it, so that nothing is ever said to lead.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from acg_numpy.shapes import Array


def mean_difference(differences: Sequence[Array], users: Sequence[Array]) -> dict[str, float]:
    """Compute the mean of differences on test pairs, and its standard error.

    Parameters
    ----------
    differences : sequence of (P_r,) arrays
        One array for each run: the metric of one model minus that of the other, for each test pair.
    users : sequence of (P_r,) integer arrays
        The user of each pair.

    Returns
    -------
    dict
        "difference" and "se".

    Examples
    --------
    >>> found = mean_difference([np.array([0.1, 0.3])], [np.array([0, 1])])
    >>> round(found["difference"], 3), round(found["se"], 3)
    (0.2, 0.1)
    """
    runs = len(differences)
    mean = float(np.mean([np.mean(x) for x in differences]))
    weighted = np.concatenate([(x - mean) / (runs * len(x)) for x in differences])
    sums = np.bincount(np.concatenate(users), weights=weighted)
    n = len(np.unique(np.concatenate(users)))
    se = float(np.sqrt(np.sum(sums**2) * n / (n - 1))) if n > 1 else abs(mean)
    return {"difference": mean, "se": se}


def verdict(paired: Mapping[str, float]) -> int:
    """Return which model leads by more than two standard errors: 1 for the first, -1 for the other, 0 for neither.

    Examples
    --------
    >>> verdict({"difference": 0.012, "se": 0.003}), verdict({"difference": -0.004, "se": 0.003})
    (1, 0)
    """
    if abs(paired["difference"]) <= 2 * paired["se"]:
        return 0
    return 1 if paired["difference"] > 0 else -1
