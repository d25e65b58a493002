"""Schedules of the learning rate, from epoch to epoch.

A schedule gives the factor of the base rate in an epoch (counted from 1), from nothing but the epoch's number and the
scores on the validation pairs so far.  So it has no state of its own: if training continues from its history, the rate
continues with it.

    constant         1
    cosine           (1 + cos(pi (epoch - 1) / epochs)) / 2           from 1 down to nearly 0
    plateau          1/2^n, n being how often PLATEAU validations in a row were no better than the best one

References
----------
Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5 (cosine, no restart).
"""

import math
from collections.abc import Callable, Sequence

PLATEAU = 5  # validations: two halvings, and then a third of the patience is left, before training ends early


def constant(epoch: int, epochs: int, validations: Sequence[float]) -> float:
    """Stay at the base rate."""
    return 1.0


def cosine(epoch: int, epochs: int, validations: Sequence[float]) -> float:
    """Go down along half a wave of the cosine.

    Examples
    --------
    >>> [round(cosine(epoch, 4, []), 3) for epoch in (1, 2, 3, 4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    return (1.0 + math.cos(math.pi * (epoch - 1) / epochs)) / 2.0


def plateau(epoch: int, epochs: int, validations: Sequence[float]) -> float:
    """Halve the rate whenever `PLATEAU` validations in a row were no better than the best before them.

    Examples
    --------
    >>> plateau(9, 60, [0.3, 0.5, 0.4, 0.5, 0.4]), plateau(13, 60, [0.3, 0.5, 0.4, 0.5, 0.4, 0.4, 0.5])
    (1.0, 0.5)
    """
    factor, best, since = 1.0, -math.inf, 0
    for score in validations:
        best, since = (score, 0) if score > best else (best, since + 1)
        if since == PLATEAU:
            factor, since = factor / 2.0, 0
    return factor


SCHEDULES: dict[str, Callable[[int, int, Sequence[float]], float]] = {
    "constant": constant,
    "cosine": cosine,
    "plateau": plateau,
}
