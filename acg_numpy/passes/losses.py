"""Losses: one number that says how wrong a prediction is, and its slope.

Each is a mean over N things, so that it does not grow with the batch; each backward receives one number, dL, which is 1
where the loss ends the computation.  (Losses of direction, `cosine` and `diversity`, are in `similarity`.)

Squared error, N elements.  The derivative of a square is twice the difference:

    L = sum (p - t)^2 / N                       dp = 2 (p - t) dL / N,    dt = -dp

Cross-entropy, N rows of candidates.  S are the logits, t the distribution that P = softmax(S) should be:

    L = -sum_j t_j log P_j, summed over rows / N
    dt_j = -log P_j dL / N                      dlog P_j = -t_j dL / N,    and log-softmax's backward makes of that
                                                dS_i = (P_i sum_j t_j - t_i) dL / N

If t sums to 1 this is P - t, the prediction minus the truth: the reward for taking softmax and logarithm together.  A
masked candidate has S = -inf, so P = 0, and is left out of the sums: 0 times -inf never arises, whatever S and t hold
there has no effect, and its gradient is 0.  So is a logit of -inf whose target is 0, which is how others write a mask.
A row with all candidates masked adds 0 to L.

Bayesian personalised ranking, N pairs of scores.  z = n - p is how far the negative is ahead, s the logistic function:

    L = -sum log s(p - n) / N = sum log(1 + exp(z)) / N
    dn = s(z) dL / N,    dp = -dn               the derivative of log(1 + exp(z)) is exp(z) / (1 + exp(z)) = s(z)

exp(z) overflows at z = 1000; u = exp(-|z|) never does, and is all that is needed:

    log(1 + exp(z)) = max(z, 0) + log(1 + u)    s(z) = 1 / (1 + u) where z > 0, u / (1 + u) elsewhere

So a pair far in the right order pushes with nothing, a pair far in the wrong one with all of dL / N, and no harder.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.element_types import check_floating
from acg_numpy.passes.softmax import LogSoftmaxCache, log_softmax_backward, log_softmax_forward
from acg_numpy.shapes import (
    Array,
    check_axes,
    check_broadcast,
    check_candidates,
    check_not_empty,
    check_same_shape,
    unbroadcast,
)


class MseCache(NamedTuple):
    """What the backward needs."""

    difference: Array  # (...)


class MseGrads(NamedTuple):
    """One gradient for each input of `mse_forward`."""

    prediction: Array  # (...)
    target: Array  # (...)


def mse_forward(prediction: Array, target: Array) -> tuple[Array, MseCache]:
    """Compute the mean squared error over all elements.

    Parameters
    ----------
    prediction, target : arrays of one shape, floating

    Returns
    -------
    loss : scalar
    cache : MseCache

    Raises
    ------
    TypeError
        If an argument is not floating.
    ValueError
        If the shapes differ (broadcasting would only hide a mistake), or are empty.

    Examples
    --------
    >>> loss, _ = mse_forward(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    >>> float(loss)
    4.5
    """
    check_same_shape(prediction=prediction, target=target)
    difference = prediction - target
    N = math.prod(difference.shape)
    return np.sum(difference * difference) / N, MseCache(difference)


def mse_backward(grad_out: Array, cache: MseCache) -> MseGrads:
    """Carry dL back to prediction and target.

    Parameters
    ----------
    grad_out : scalar
        dL, the gradient with respect to the loss.
    cache : MseCache

    Returns
    -------
    MseGrads

    Examples
    --------
    >>> _, cache = mse_forward(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    >>> mse_backward(1.0, cache).prediction
    array([ 0., -3.])
    """
    N = math.prod(cache.difference.shape)
    dp = 2 * cache.difference * (grad_out / N)
    return MseGrads(dp, -dp)


class CrossEntropyCache(NamedTuple):
    """What the backward needs."""

    log_softmax: LogSoftmaxCache  # (..., K)
    target: Array  # (..., K)
    mask: Array | None  # (..., K)


class CrossEntropyGrads(NamedTuple):
    """One gradient for each input of `cross_entropy_forward`."""

    logits: Array  # (..., K)
    target: Array  # (..., K)
    mask: None = None


def cross_entropy_forward(logits: Array, target: Array, mask: Array | None = None) -> tuple[Array, CrossEntropyCache]:
    """Compute the cross-entropy between target distributions and the softmax of logits, a mean over rows.

    Parameters
    ----------
    logits : array, shape (..., K), floating
        A logit of -inf excludes its candidate, as the mask does, if its target is 0; else the loss is infinite.
    target : array, shape (..., K), floating
        A distribution over the candidates; a row that does not sum to 1 counts as much as it sums to.
    mask : bool array, shape (..., K) or one that broadcasts to it, optional
        True for candidates.

    Returns
    -------
    loss : scalar
    cache : CrossEntropyCache

    Raises
    ------
    TypeError
        If an argument is not floating, or a mask is not boolean.
    ValueError
        If the shapes do not fit together, or are empty.

    Examples
    --------
    >>> loss, _ = cross_entropy_forward(np.zeros((1, 4)), np.array([[0.0, 1.0, 0.0, 0.0]]))
    >>> float(np.exp(loss))  # as unsure as among four
    4.0
    """
    check_axes(1, logits=logits)
    check_same_shape(logits=logits, target=target)
    check_candidates(mask, logits.shape)
    excluded = (logits == -np.inf) & (target == 0)
    if excluded.any():
        mask = ~excluded if mask is None else mask & ~excluded
    S, t = logits, target
    if mask is not None:
        S = np.where(mask, logits, -np.inf)
        if not np.isfinite(target).all():
            t = np.where(mask, target, 0.0)  # else 0 times what the mask hides is 0 already
    L, log_softmax_cache = log_softmax_forward(S)
    if mask is not None:
        L = np.where(mask, L, 0.0)
    N = math.prod(logits.shape[:-1])
    return -np.sum(t * L) / N, CrossEntropyCache(log_softmax_cache, target, mask)


def cross_entropy_backward(grad_out: Array, cache: CrossEntropyCache) -> CrossEntropyGrads:
    """Carry dL back to logits and target.

    Parameters
    ----------
    grad_out : scalar
        dL, the gradient with respect to the loss.
    cache : CrossEntropyCache

    Returns
    -------
    CrossEntropyGrads
        Both (..., K), and zero where masked.

    Examples
    --------
    >>> _, cache = cross_entropy_forward(np.zeros((1, 4)), np.array([[0.0, 1.0, 0.0, 0.0]]))
    >>> cross_entropy_backward(1.0, cache).logits  # P - t
    array([[ 0.25, -0.75,  0.25,  0.25]])
    """
    log_P, t, mask = cache.log_softmax.L, cache.target, cache.mask
    N = math.prod(t.shape[:-1])
    if mask is not None:
        log_P, t = np.where(mask, log_P, 0.0), np.where(mask, t, 0.0)
    dt = -log_P * (grad_out / N)
    dlog_P = -t * (grad_out / N)
    dS = log_softmax_backward(dlog_P, cache.log_softmax).scores
    return CrossEntropyGrads(dS, dt)


class BprCache(NamedTuple):
    """What the backward needs."""

    positive: Array  # (...)
    negative: Array  # (...)


class BprGrads(NamedTuple):
    """One gradient for each input of `bpr_forward`."""

    positive: Array  # (...)
    negative: Array  # (...)


def bpr_forward(positive: Array, negative: Array) -> tuple[Array, BprCache]:
    """Compute the loss of Bayesian personalised ranking, the mean of -log sigmoid(positive - negative).

    Parameters
    ----------
    positive, negative : arrays whose shapes broadcast, floating
        Scores of what was chosen and of what was not; (B, 1) with (B, K) sets K negatives against each positive.

    Returns
    -------
    loss : scalar
        The mean over the broadcast shape.
    cache : BprCache

    Raises
    ------
    TypeError
        If an argument is not floating.
    ValueError
        If the shapes do not broadcast, or are empty.

    References
    ----------
    Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", 2009.

    Examples
    --------
    >>> loss, _ = bpr_forward(np.array([-1e4]), np.array([1e4]))  # hopelessly wrong, and finite
    >>> float(loss)
    20000.0
    """
    check_floating(positive=positive, negative=negative)
    check_broadcast(positive=positive.shape, negative=negative.shape)
    check_not_empty(positive=positive, negative=negative)
    z = negative - positive
    u = np.exp(np.where(z > 0, -z, z))  # exp(-|z|)
    N = math.prod(z.shape)
    return np.sum(np.where(z > 0, z, 0.0) + np.log1p(u)) / N, BprCache(positive, negative)


def bpr_backward(grad_out: Array, cache: BprCache) -> BprGrads:
    """Carry dL back to both scores.

    Parameters
    ----------
    grad_out : scalar
        dL, the gradient with respect to the loss.
    cache : BprCache

    Returns
    -------
    BprGrads

    Examples
    --------
    >>> _, cache = bpr_forward(np.array([1.0]), np.array([1.0]))
    >>> bpr_backward(1.0, cache)  # undecided: pushed apart, at half strength
    BprGrads(positive=array([-0.5]), negative=array([0.5]))
    """
    p, n = cache
    z = n - p
    u = np.exp(np.where(z > 0, -z, z))
    s = np.where(z > 0, 1.0, u) / (1 + u)
    N = math.prod(z.shape)
    dz = s * (grad_out / N)
    return BprGrads(unbroadcast(-dz, p), unbroadcast(dz, n))
