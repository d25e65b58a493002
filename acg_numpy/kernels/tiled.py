"""Attention in tiles: the scores of many queries over many keys, never all of them in memory at once.

The classroom (`passes.scaled_dot_product`) keeps P, a number for each pair of a query and a key: 1 GiB for 16,384 of
each, and several times that while it is made.  Here a block of queries meets a block of keys, and three things are kept
for each query: its output so far, the largest score so far, and the sum of the exponentials so far.

Forward (Milakov and Gimelshein, 2018).  For one query with scores S_j, after the keys seen so far:

    m = max_j S_j        z = sum_j exp(S_j - m)        o = sum_j exp(S_j - m) V_j

With the keys of the next block the maximum may rise from m to m'.  What was summed with m is brought to m' by a factor:

    exp(S_j - m') = exp(S_j - m) exp(m - m')    so    z' = a z + sum_new exp(S_j - m')        where a = exp(m - m')
                                                      o' = a o + sum_new exp(S_j - m') V_j

and after the last block O = o / z.  This is exact: no approximation, only another order of the same sum.

m begins at the lowest finite number, not at -inf: a masked pair has S = -inf, so that exp(S - m) is 0 even in a row
that has no key yet, and not exp(-inf + inf).  A row that gets none at all ends with o = z = 0; its output is 0.

Any other m gives the same O, as long as nothing overflows; the maximum is only the m that is safe for all scores.  By
Cauchy and Schwarz |S_ij| <= |q_i| |k_j|, and where the longest query and key show that exp(S) is harmless, m is 0: then
no maximum has to be found or subtracted, forward or backward.

Backward (Dao et al., 2022).  The block of scores is computed again, and with the final m and z it gives its P at once:

    E = exp(S - m)        P = E / z        one division a row, so it can wait, or be done to something smaller

Softmax's backward needs the row's average <P, dP> over all keys before it may treat the first block.  But

    <P, dP>_i = sum_j P_ij sum_e dO_ie V_je = sum_e dO_ie sum_j P_ij V_je = <dO_i, O_i>

is known beforehand, from the output.  With the division done to dO, which has Dv columns and not n_k,

    G = dO / z        D_i = <G_i, O_i>
    dV = P^T dO = E^T G
    dS = P * (dP - <P, dP>) = E * (G V^T - D)
    dQ = dS K / sqrt(d)        dK = dS^T Q / sqrt(d)

where each block adds its share.  That makes seven products of the size of the scores instead of the classroom's six,
and yet takes less time: all blocks use the same memory, of which much is in the processor's cache, where the classroom
asks for new memory, writes it and reads it back, for each of some ten steps.  A block in which no pair is allowed is
left out; of a causal mask at 16,384 x 16,384, 12 of 32.  What a masked pair holds, NaN and infinity included, has no
effect (`passes.masking`).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.autograd import Tensor, from_passes
from acg_numpy.kernels.scratch import scratch
from acg_numpy.passes import scaled_dot_product_backward, scaled_dot_product_forward
from acg_numpy.passes.masking import weighted_sum, zero_unseen
from acg_numpy.shapes import Array, check_attention

BLOCK_ROWS = 2048  # queries in a block; of float32, 4,096 keys, so that a causal mask leaves whole blocks empty
BLOCK_BYTES = 1 << 25  # of its scores: products that are smaller leave threads waiting for one another


class TiledCache(NamedTuple):
    """What the backward needs, which is nothing of the size of the scores."""

    query: Array  # (..., n_q, d)
    key: Array  # (..., n_k, d)
    value: Array  # (..., n_k, Dv)
    mask: Array | None  # (..., n_q, n_k)
    out: Array  # (..., n_q, Dv)
    maximum: Array  # (..., n_q, 1), m
    total: Array  # (..., n_q, 1), z, and 1 where there was no key


class TiledGrads(NamedTuple):
    """One gradient for each input of `forward`."""

    query: Array  # (..., n_q, d)
    key: Array  # (..., n_k, d)
    value: Array  # (..., n_k, Dv)
    mask: None = None


@np.errstate(under="ignore")  # weights may underflow to 0
def forward(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Any]:
    """Average the values for each query, as `scaled_dot_product_forward` does, a block of scores at a time.

    Leading axes broadcast between all arguments.  On Tensors, where a backward pass is itself to be differentiated,
    this is `scaled_dot_product_forward`.

    Parameters
    ----------
    query : array, shape (..., n_q, d), floating
    key : array, shape (..., n_k, d), floating
    value : array, shape (..., n_k, Dv), floating
    mask : bool array, shape (..., n_q, n_k), optional
        True where the query may attend to the key.

    Returns
    -------
    out : array, shape (..., n_q, Dv)
        Zero for a query with all keys masked.
    cache : TiledCache

    Raises
    ------
    TypeError
        If an argument is not floating, or a mask is not boolean.
    ValueError
        If the shapes do not fit together.

    References
    ----------
    Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3.

    Examples
    --------
    >>> query, key = np.array([[4.0, 0.0]]), np.array([[0.0, 4.0], [4.0, 0.0]])
    >>> out, cache = forward(query, key, np.array([[10.0], [20.0]]))
    >>> out.round(3)
    array([[20.]])
    """
    if any(isinstance(x, Tensor) for x in (query, key, value)):
        return scaled_dot_product_forward(query, key, value, mask)
    check_attention(query, key, value, mask, None)
    dtype = np.result_type(query, key, value)
    Q, K, V = (x.astype(dtype, copy=False) for x in (query, key, value))
    if mask is not None:
        Q = zero_unseen(Q, mask, axis=-1)
        K, V = (zero_unseen(x, mask, axis=-2) for x in (K, V))
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in (Q, K, V, mask) if x is not None))
    out = np.zeros((*batch, Q.shape[-2], V.shape[-1]), dtype)
    m = np.full((*batch, Q.shape[-2], 1), np.finfo(dtype).min, dtype)
    z = np.zeros_like(m)

    for at in np.ndindex(batch):
        _attend(_part(Q, at), _part(K, at), _part(V, at), _part(mask, at), out[at], m[at], z[at])

    z = np.where(z != 0, z, 1)
    out /= z
    return out, TiledCache(Q, K, V, mask, out, m, z)


@np.errstate(under="ignore")  # weights may underflow to 0
def backward(grad_out: Array, cache: Any) -> Any:
    """Carry dL/dO back to queries, keys and values; the scores are computed again.

    Parameters
    ----------
    grad_out : array, shape (..., n_q, Dv)
        dO, the gradient of the loss with respect to the output.
    cache : TiledCache

    Returns
    -------
    TiledGrads
        Each of the shape of its input, summed over the axes along which that was broadcast.

    References
    ----------
    Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness", 2022, appendix B.

    Examples
    --------
    >>> one_key = forward(np.ones((3, 2)), np.ones((1, 2)), np.ones((1, 2)))[1]
    >>> backward(np.ones((3, 2)), one_key).value  # the one value is all that three queries get
    array([[3., 3.]])
    """
    if not isinstance(cache, TiledCache):
        return scaled_dot_product_backward(grad_out, cache)
    dO, (Q, K, V, mask, out, m, z) = grad_out, cache
    G = (dO / z).astype(out.dtype, copy=False)  # (..., n_q, Dv)
    D = np.sum(G * out, axis=-1, keepdims=True)  # (..., n_q, 1)
    dQ, dK, dV = np.zeros_like(Q), np.zeros_like(K), np.zeros_like(V)

    for at in np.ndindex(out.shape[:-2]):  # what was broadcast is met again, and its gradient added to
        inputs = (_part(Q, at), _part(K, at), _part(V, at), _part(mask, at))
        _carry_back(G[at], D[at], m[at], *inputs, _part(dQ, at), _part(dK, at), _part(dV, at))

    return TiledGrads(dQ, dK, dV)


def _attend(Q: Array, K: Array, V: Array, mask: Array | None, o: Array, m: Array, z: Array) -> None:
    """Go over all pairs of (n_q, d) queries and (n_k, d) keys, and fill o, m and z."""
    q = Q / math.sqrt(Q.shape[-1])
    harmless = _longest(q) * _longest(K) < math.log(np.finfo(q.dtype).max) / 4  # a sum of exp(S) V is far from overflow
    if harmless:
        m[...] = 0
    for i, j, allowed in _blocks(Q, K, mask):
        S = _scores(q[i], K[j], allowed)  # (rows, keys)
        if not harmless:
            highest = np.maximum(m[i], np.max(S, axis=-1, keepdims=True))
            a = np.exp(m[i] - highest)
            m[i], z[i], o[i] = highest, a * z[i], a * o[i]
            S -= highest

        E = np.exp(S, out=S)
        z[i] += np.sum(E, axis=-1, keepdims=True)
        o[i] += E @ V[j] if allowed is None else weighted_sum(E, V[j])  # (rows, keys) @ (keys, Dv) -> (rows, Dv)


def _carry_back(
    G: Array,
    D: Array,
    m: Array,
    Q: Array,
    K: Array,
    V: Array,
    mask: Array | None,
    dQ: Array,
    dK: Array,
    dV: Array,
) -> None:
    """Go over the same blocks, and add to the gradients of (n_q, d) queries, (n_k, d) keys and (n_k, Dv) values."""
    scale = 1 / math.sqrt(Q.shape[-1])
    q = Q * scale
    shifted = m.any()
    for i, j, allowed in _blocks(Q, K, mask):
        S = _scores(q[i], K[j], allowed)  # (rows, keys)
        if shifted:
            S -= m[i]
        E = np.exp(S, out=S)
        dV[j] += E.T @ G[i]  # (keys, rows) @ (rows, Dv) -> (keys, Dv)

        dS = np.matmul(G[i], V[j].T, out=scratch.get("gradient of a tile", E.shape, E.dtype))  # (rows, keys)
        if allowed is not None and not np.isfinite(V[j]).all():
            np.copyto(dS, 0, where=~allowed)
        dS -= D[i]
        dS *= E
        dQ[i] += (
            dS @ K[j] if allowed is None else weighted_sum(dS, K[j])
        ) * scale  # (rows, keys) @ (keys, d) -> (rows, d)
        dK[j] += dS.T @ q[i]  # (keys, rows) @ (rows, d) -> (keys, d)


def _longest(rows: Array) -> float:
    """Return the length of the longest row."""
    with np.errstate(over="ignore"):  # an infinite length is an answer
        return math.sqrt(np.max(np.sum(np.abs(rows) ** 2, axis=-1), initial=0))


def _scores(q: Array, K: Array, allowed: Array | None) -> Array:
    """Return q K^T of one block, (rows, d) and (keys, d) -> (rows, keys), with -inf where a pair is masked."""
    S = np.matmul(q, K.T, out=scratch.get("scores of a tile", (len(q), len(K)), q.dtype))
    if allowed is not None:
        np.copyto(S, -np.inf, where=~allowed)
    return S


def _blocks(Q: Array, K: Array, mask: Array | None) -> Iterator[tuple[slice, slice, Array | None]]:
    """Yield rows, keys, and which of their pairs are allowed (None: all), for each block that has one."""
    rows = max(1, min(len(Q), BLOCK_ROWS))
    keys = max(1, BLOCK_BYTES // (rows * Q.itemsize))  # more of them where there are few queries
    if mask is not None:
        mask = np.broadcast_to(mask, (len(Q), len(K)))
    for i in range(0, len(Q), rows):
        for j in range(0, len(K), keys):
            block = slice(i, i + rows), slice(j, j + keys)
            if mask is None or (allowed := mask[block]).all():
                yield *block, None
            elif allowed.any():
                yield *block, allowed


def _part(x: Any, at: tuple[int, ...]) -> Any:
    """Return the matrix at index `at` of the leading axes that an array is broadcast to: a view."""
    if x is None:
        return None
    leading = x.shape[:-2]
    return x[tuple(n if size > 1 else 0 for n, size in zip(at[len(at) - len(leading) :], leading, strict=True))]


attend = from_passes(forward, backward)
