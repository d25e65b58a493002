"""Softmax in place, over tokens along the last axis but two, and its backward.

Scores are held tokens-major, (..., K, H, users): the sum over tokens then adds runs of H x users numbers, which is one
loop where heads or users are few, too.

    P = exp(S) / sum exp(S)                dS = P * dP - P sum P dP

With dropout, M = P * mask, the gradient that arrives is dM, and P * dP is M * dM: the mask itself is not needed again.

The maximum is subtracted only if a score is so large, or all are so small, that exp would leave its range: finding the
largest and the smallest of all is cheaper than the maximum of each column, and mostly there is nothing to do.

A sum over tokens is a product with a row of ones, which takes two thirds of the time of `np.add.reduce`.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from acg_numpy.shapes import Array

SAFE = 40.0  # exp(+-40) and sums of many of them are far inside of float32's range


def softmax_in_place(S: Array, mask: Array | None = None) -> Array:
    """Turn scores (..., K, H, users) into weights; `mask` broadcasts with them, and is True where a user may attend.

    A user who may attend to nothing gets weights of 0.
    """
    if S.shape[-3] == 1:  # a single key has weight 1, exactly
        S[...] = 1.0 if mask is None else mask
        return S
    if mask is not None:
        np.copyto(S, -np.inf, where=~mask)
    if mask is not None or not _is_safe(S):
        m = np.max(S, axis=-3, keepdims=True)  # (..., 1, H, users)
        if mask is not None:
            m[m == -np.inf] = 0.0
        S -= m
    P = np.exp(S, out=S)
    total = _sum_over_tokens(P)
    if mask is not None:
        total[total == 0] = 1.0
    P /= total
    return P


def _is_safe(S: Array) -> bool:
    """Return whether exp of all scores stays in its range; False for NaN."""
    return S.size > 0 and S.item(S.argmin()) >= -SAFE and S.item(S.argmax()) <= SAFE


def _sum_over_tokens(x: Array) -> Array:
    """Return the sums of x (..., K, H, users) over tokens, (..., 1, H, users)."""
    *batch, K, H, users = x.shape
    total: Array = row_of_ones(K, x.dtype) @ x.reshape(*batch, K, H * users)
    return total.reshape(*batch, 1, H, users)


@lru_cache(maxsize=64)
def row_of_ones(number: int, dtype: np.dtype[Any]) -> Array:
    """Return ones, (1, number), which nothing may be written to."""
    return np.ones((1, number), dtype)


def softmax_backward_in_place(
    dM: Array, P: Array, M: Array, product: Array, grad_weights: Array | None = None
) -> Array:
    """Turn gradients of the weights after dropout into those of the scores, all (..., K, H, users).

    Parameters
    ----------
    dM : array
        Gradients of M, overwritten by dS.
    P, M : arrays
        The weights, and what dropout made of them; the same array where nothing was dropped.
    product : array
        Scratch space.
    grad_weights : array, optional
        What the loss adds to dP.
    """
    dM *= M
    if grad_weights is not None:
        dM += P * grad_weights
    np.multiply(P, _sum_over_tokens(dM), out=product)
    dM -= product
    return dM
