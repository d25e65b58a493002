"""Softmax over the last axis, its logarithm, and the one line that is the backward of each.

Forward.  For each row of scores S, with the row's maximum m subtracted so that nothing overflows:

    P_j = exp(S_j - m) / sum_k exp(S_k - m)

Subtracting m changes no P_j: numerator and denominator shrink by the same factor.  A row of nothing but -inf (every key
masked, or no keys at all) has no distribution; its P is 0 throughout, and so, by the backward below, is its gradient.

Backward.  Every P_j depends on every S_i of its row:  dP_j / dS_i = P_j (1[i = j] - P_i).  The chain rule sums over j:

    dS_i = sum_j dP_j P_j (1[i = j] - P_i)
         = P_i dP_i - P_i sum_j P_j dP_j
         = P_i (dP_i - <P, dP>)

So: subtract from each incoming gradient its average under P, then multiply by P.  A gradient that is the same for all j
has no effect, as it must be: probabilities sum to 1, so they cannot all rise together.  For the same reason each row of
dS sums to zero.

The logarithm.  log P would be -inf wherever P is too small for a float; taken before the division it is exact:

    L_j = log P_j = S_j - m - log sum_k exp(S_k - m)

Its derivative has lost a factor P_j:  dL_j / dS_i = 1[i = j] - P_i.  Hence

    dS_i = dL_i - P_i sum_j dL_j

and again each row sums to zero.

The exponential of a score far below the maximum underflows to 0, which is right, so `np.seterr(under="raise")` does not
stop at it.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.shapes import Array, check_axes


class SoftmaxCache(NamedTuple):
    """What the backward needs: the probabilities alone."""

    P: Array  # (..., K)


class SoftmaxGrads(NamedTuple):
    """One gradient for each input of `softmax_forward`."""

    scores: Array  # (..., K)


class LogSoftmaxCache(NamedTuple):
    """What the backward needs: the log-probabilities alone."""

    L: Array  # (..., K)


class LogSoftmaxGrads(NamedTuple):
    """One gradient for each input of `log_softmax_forward`."""

    scores: Array  # (..., K)


def softmax_forward(scores: Array) -> tuple[Array, SoftmaxCache]:
    """Turn each row of scores into a distribution.

    Parameters
    ----------
    scores : array, shape (..., K), floating
        A score of -inf gets probability 0, a row of them all zeros.

    Returns
    -------
    P : array, shape (..., K), dtype of `scores`
        Rows sum to 1 (to 0 where every score is -inf).
    cache : SoftmaxCache

    Raises
    ------
    TypeError
        If scores are not an array of floating numbers.
    ValueError
        If scores have no axis.

    Examples
    --------
    >>> P, _ = softmax_forward(np.array([1e4, 1e4 + np.log(3.0)]))  # huge, and nothing overflows
    >>> P.round(6)
    array([0.25, 0.75])
    """
    check_axes(1, scores=scores)
    with np.errstate(under="ignore"):
        E = np.exp(_below_maximum(scores))  # (..., K), at most 1
        total = np.sum(E, axis=-1, keepdims=True)
        P = E / np.where(total != 0, total, 1.0)
    return P, SoftmaxCache(P)


def softmax_backward(grad_out: Array, cache: SoftmaxCache) -> SoftmaxGrads:
    """Carry dL/dP back to dL/dS.

    Parameters
    ----------
    grad_out : array, shape (..., K)
        dP, the gradient of the loss with respect to the probabilities.
    cache : SoftmaxCache

    Returns
    -------
    SoftmaxGrads
        dS, shape (..., K); each row sums to zero.

    Examples
    --------
    >>> _, cache = softmax_forward(np.array([0.0, 1.0, 2.0]))
    >>> softmax_backward(np.ones(3), cache).scores.round(12) + 0.0  # pushing all alike does nothing
    array([0., 0., 0.])
    """
    dP, P = grad_out, cache.P
    mean = np.sum(P * dP, axis=-1, keepdims=True)  # <P, dP>, one number a row
    dS = P * (dP - mean)
    return SoftmaxGrads(dS)


def log_softmax_forward(scores: Array) -> tuple[Array, LogSoftmaxCache]:
    """Turn each row of scores into log-probabilities.

    Parameters
    ----------
    scores : array, shape (..., K), floating
        A score of -inf has log-probability -inf.  Before it is multiplied by 0 it has to be left out, as
        `cross_entropy` does: 0 times -inf is not a number.

    Returns
    -------
    L : array, shape (..., K), dtype of `scores`
        At most 0; the exponentials of a row sum to 1.
    cache : LogSoftmaxCache

    Raises
    ------
    TypeError
        If scores are not an array of floating numbers.
    ValueError
        If scores have no axis.

    Examples
    --------
    >>> L, _ = log_softmax_forward(np.array([0.0, -2000.0]))
    >>> L  # exp(-2000) is 0 in floating point; its logarithm is right all the same
    array([    0., -2000.])
    """
    check_axes(1, scores=scores)
    Z = _below_maximum(scores)
    with np.errstate(under="ignore"):
        total = np.sum(np.exp(Z), axis=-1, keepdims=True)
    L = Z - np.log(np.where(total != 0, total, 1.0))
    return L, LogSoftmaxCache(L)


def log_softmax_backward(grad_out: Array, cache: LogSoftmaxCache) -> LogSoftmaxGrads:
    """Carry dL back to dS.

    Parameters
    ----------
    grad_out : array, shape (..., K)
        dL, the gradient of the loss with respect to the log-probabilities.
    cache : LogSoftmaxCache

    Returns
    -------
    LogSoftmaxGrads
        dS, shape (..., K); each row sums to zero.

    Examples
    --------
    >>> _, cache = log_softmax_forward(np.zeros(4))
    >>> log_softmax_backward(np.array([1.0, 0.0, 0.0, 0.0]), cache).scores  # what is given to one is taken from all
    array([ 0.75, -0.25, -0.25, -0.25])
    """
    dL, L = grad_out, cache.L
    with np.errstate(under="ignore"):
        P = np.exp(L)
    dS = dL - P * np.sum(dL, axis=-1, keepdims=True)
    return LogSoftmaxGrads(dS)


def _below_maximum(scores: Array) -> Array:
    """Return S - m for each row, with m = 0 if there is no finite maximum (every score is -inf, or there is none)."""
    if scores.shape[-1] == 0:
        return scores
    m = np.max(scores, axis=-1, keepdims=True)
    return scores - np.where(np.isfinite(m), m, 0.0)
