"""Scaled dot-product attention: each query gets an average of the values, weighted by how well their keys answer it.

Forward.  n_q queries Q, rows of d features, meet n_k keys K and their values V (Vaswani et al. 2017, equation 1):

    S = Q K^T / sqrt(d)      (..., n_q, n_k)    one score a pair; 1 / sqrt(d) keeps sums of d products of size one
    P = softmax(S)           (..., n_q, n_k)    over the keys: the weights.  A masked pair has S = -inf, and so P = 0
    A = P * M                (..., n_q, n_k)    dropout: M is 0 where dropped, 1 / keep rate elsewhere (no M: A = P)
    O = A V                  (..., n_q, Dv)

Backward, from the last line to the first.  O_ie = sum_j A_ij V_je, so A_ij meets dO_ie through V_je, for every e, and
V_je meets it through A_ij, for every i; likewise Q and K in the scores:

    dA = dO V^T                dV = A^T dO
    dP = dA * M                dM = dA * P        (dA where there is no M)
    dS = P * (dP - <P, dP>)    the row's average under P, taken off: softmax's backward
    dQ = dS K / sqrt(d)        dK = dS^T Q / sqrt(d)

Where something was broadcast it was used several times, and the gradient is the sum over its uses: `unbroadcast`.

The mask is not in these lines, and need not be: where a pair is masked P is 0, so dS is 0.  (NaN and infinity, which 0
does not cancel, are kept out of the sums by `masking`.)  A query with all keys masked has P = 0 throughout; its output
is 0 and no gradient passes.  And each row of dS sums to zero, because
adding a number to all scores of a row does not change the softmax.  With a single key, therefore, P = 1 and dS = 0, and
query and key get no gradient at all, whatever they are.
"""

import math
from typing import NamedTuple

import numpy as np

from acg_numpy.passes.masking import weighted_sum, zero_unseen, zero_unweighted
from acg_numpy.passes.softmax import SoftmaxCache, softmax_backward, softmax_forward
from acg_numpy.shapes import Array, check_attention, unbroadcast


class ScaledDotProductCache(NamedTuple):
    """What the backward needs; `weights` is P, from before dropout."""

    query: Array  # (..., n_q, d)
    key: Array  # (..., n_k, d)
    value: Array  # (..., n_k, Dv)
    weights: Array  # (..., n_q, n_k)
    dropout_mask: Array | None  # (..., n_q, n_k)


class ScaledDotProductGrads(NamedTuple):
    """One gradient for each input of `scaled_dot_product_forward`."""

    query: Array  # (..., n_q, d)
    key: Array  # (..., n_k, d)
    value: Array  # (..., n_k, Dv)
    mask: None = None
    dropout_mask: Array | None = None  # (..., n_q, n_k)


def scaled_dot_product_forward(
    query: Array, key: Array, value: Array, mask: Array | None = None, dropout_mask: Array | None = None
) -> tuple[Array, ScaledDotProductCache]:
    """Average the values for each query, by softmax of its dot products with the keys.

    Leading axes broadcast between all arguments.

    Parameters
    ----------
    query : array, shape (..., n_q, d), floating
    key : array, shape (..., n_k, d), floating
    value : array, shape (..., n_k, Dv), floating
    mask : bool array, shape (..., n_q, n_k), optional
        True where the query may attend to the key; whatever the other pairs hold has no effect.
    dropout_mask : array, shape (..., n_q, n_k), floating, optional
        What the weights are multiplied by: 0 where dropped, 1 / keep rate elsewhere.

    Returns
    -------
    out : array, shape (..., n_q, Dv)
        Zero for a query with all keys masked.
    cache : ScaledDotProductCache
        With the weights, (..., n_q, n_k), from before dropout.

    Raises
    ------
    TypeError
        If an argument is not floating, or a mask is not boolean.
    ValueError
        If the shapes do not fit together.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017, equation 1.

    Examples
    --------
    >>> query = np.array([[4.0, 0.0]])
    >>> key = np.array([[0.0, 4.0], [4.0, 0.0]])  # the second one answers
    >>> out, cache = scaled_dot_product_forward(query, key, np.array([[10.0], [20.0]]))
    >>> out.round(3), cache.weights.round(3)
    (array([[20.]]), array([[0., 1.]]))
    """
    check_attention(query, key, value, mask, dropout_mask)
    if mask is not None:
        query = zero_unseen(query, mask, axis=-1)
        key, value = (zero_unseen(rows, mask, axis=-2) for rows in (key, value))
    scale = 1 / math.sqrt(query.shape[-1])
    S = query @ np.swapaxes(key, -1, -2) * scale  # (..., n_q, d) @ (..., d, n_k) -> (..., n_q, n_k)
    if mask is not None:
        S = np.where(mask, S, -np.inf)
    P, _ = softmax_forward(S)
    A = P if dropout_mask is None else P * dropout_mask
    out = A @ value if mask is None else weighted_sum(A, value)  # (..., n_q, n_k) @ (..., n_k, Dv) -> (..., n_q, Dv)
    return out, ScaledDotProductCache(query, key, value, P, dropout_mask)


def scaled_dot_product_backward(
    grad_out: Array, cache: ScaledDotProductCache, grad_weights: Array | None = None
) -> ScaledDotProductGrads:
    """Carry dL/dO back to queries, keys and values.

    Parameters
    ----------
    grad_out : array, shape (..., n_q, Dv)
        dO, the gradient of the loss with respect to the output.
    cache : ScaledDotProductCache
    grad_weights : array, shape (..., n_q, n_k), optional
        What the loss adds to dP if it depends on the weights themselves.

    Returns
    -------
    ScaledDotProductGrads
        Each of the shape of its input, summed over the axes along which that was broadcast.

    Examples
    --------
    >>> one_key = scaled_dot_product_forward(np.ones((3, 2)), np.ones((1, 2)), np.ones((1, 2)))[1]
    >>> grads = scaled_dot_product_backward(np.ones((3, 2)), one_key)
    >>> grads.value  # the one value is all that three queries get
    array([[3., 3.]])
    >>> grads.query.any()  # and there is nothing to choose
    np.False_
    """
    dO, (Q, K, V, P, M) = grad_out, cache
    scale = 1 / math.sqrt(Q.shape[-1])
    A = P if M is None else P * M

    dA = zero_unweighted(dO @ np.swapaxes(V, -1, -2), P)  # (..., n_q, Dv) @ (..., Dv, n_k) -> (..., n_q, n_k)
    dV = np.swapaxes(A, -1, -2) @ dO  # (..., n_k, n_q) @ (..., n_q, Dv) -> (..., n_k, Dv)

    dP = unbroadcast(dA if M is None else dA * M, P)
    dM = None if M is None else unbroadcast(dA * P, M)
    if grad_weights is not None:
        dP = dP + grad_weights

    dS = softmax_backward(dP, SoftmaxCache(P)).scores
    dQ = weighted_sum(dS, K) * scale  # (..., n_q, n_k) @ (..., n_k, d) -> (..., n_q, d)
    dK = np.swapaxes(dS, -1, -2) @ Q * scale  # (..., n_k, n_q) @ (..., n_q, d) -> (..., n_k, d)

    return ScaledDotProductGrads(unbroadcast(dQ, Q), unbroadcast(dK, K), unbroadcast(dV, V), None, dM)
