"""Agreement of tokens with tastes, in a world whose tastes are known.

Nothing tells a model which token should stand for which taste, nor which head should hold it.  So, in one domain,
every taste is assigned a token of some head, each token once, so that the sum of the correlations, over users, between
the attention to the token and the weight of the taste is largest; the agreement is their mean.  The best of many
assignments is above zero even by chance: the same figure with the users' tastes exchanged at random says how much.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from acg_numpy.shapes import Array


def taste_agreement(attention: Array, weights: Array) -> float:
    """Measure how well attention agrees with the weights of tastes, as the mean correlation under the best assignment.

    Parameters
    ----------
    attention : array, shape (B, H, T)
        Of B users in one domain; preferably of users that were not trained on.
    weights : array, shape (B, K)
        How much each taste counts for the same users in that domain, as `World.weights` has it.

    Returns
    -------
    float
        At most 1.  A taste or token that is the same for all users correlates with nothing.

    Raises
    ------
    ValueError
        If the numbers of users differ.

    Examples
    --------
    >>> weights = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    >>> attention = weights[:, None, [2, 0, 1]]  # one head, whose tokens are the tastes in another order
    >>> round(taste_agreement(attention, weights), 6)
    1.0
    """
    correlation, assigned = taste_assignment(attention, weights)
    tastes = np.flatnonzero(assigned >= 0)
    return float(correlation[tastes, assigned[tastes]].mean())


def taste_assignment(attention: Array, weights: Array) -> tuple[Array, Array]:
    """Correlate attention to every token with the weight of every taste, and assign each taste a token.

    Parameters
    ----------
    attention, weights : array
        As for `taste_agreement`.

    Returns
    -------
    correlation : array, shape (K, H T)
        Over the users; the tokens of the first head come first.
    assigned : array of int, shape (K,)
        The token of each taste in the best assignment, -1 where there are fewer tokens than tastes.

    Raises
    ------
    ValueError
        If the numbers of users differ.

    Examples
    --------
    >>> weights = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    >>> correlation, assigned = taste_assignment(weights[:, None, [2, 0, 1]], weights)
    >>> assigned.tolist(), correlation.shape
    ([1, 2, 0], (3, 3))
    """
    if len(attention) != len(weights):
        raise ValueError(f"attention is of {len(attention)} users, but weights are of {len(weights)}")
    tokens = _standardised(attention.reshape(len(attention), -1))
    correlation: Array = _standardised(weights).T @ tokens / len(weights)  # (K, H T)
    taste, token = linear_sum_assignment(correlation, maximize=True)
    assigned = np.full(len(correlation), -1)
    assigned[taste] = token
    return correlation, assigned


def _standardised(x: Array) -> Array:
    centred: Array = x.astype(np.float64) - x.mean(axis=0)
    deviation = centred.std(axis=0)
    return centred / np.where(deviation > 0, deviation, 1.0)
