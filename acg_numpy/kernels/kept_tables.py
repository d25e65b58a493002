"""Kept tables: what the absorbed kernel makes of tokens and weights, for calls that change neither.

While no parameter changes, A_h and C_h of every domain stay what they are (see `absorbed`).  For a user u in domain n,
with all heads side by side, a call is then

    S = A_n u + a_n        P = softmax(S)        out = C_n' P

where b_o / H has been added to every row of C_n: the weights of each of the H heads sum to 1, so that adds b_o.

For a handful of users, each has a copy of the tables of its domain, and nothing has to be sorted.  Many users share the
tables of their domain, as in `absorbed`.
"""

from typing import NamedTuple

import numpy as np

from acg_numpy.kernels import absorbed
from acg_numpy.kernels.conditioning import condition_forward
from acg_numpy.kernels.grouped import Masks
from acg_numpy.kernels.grouping import Groups
from acg_numpy.kernels.inplace_softmax import softmax_in_place
from acg_numpy.kernels.projections import Projections, is_all, join_tokens, make_tables
from acg_numpy.kernels.scratch import scratch
from acg_numpy.shapes import Array

SHARED = 8  # users of a domain from which reading its tables takes less time than projecting its tokens anew


class KeptTables(NamedTuple):
    """Tables of all domains, and what they were made of."""

    A: Array  # (N, K H, D + 1), with a as the last column
    C: Array  # (N, K H, D), with the bias of the output
    tokens: Array  # (N, T, D)
    global_tokens: Array | None  # (G, D)
    weights: Projections
    num_heads: int


def keep_tables(tokens: Array, global_tokens: Array | None, weights: Projections, num_heads: int) -> KeptTables:
    """Return the tables of all domains; the arguments are those of `conditioning.condition_forward`."""
    context = join_tokens(tokens, global_tokens, np.arange(len(tokens)))
    A, C = absorbed.absorb(make_tables(context, weights, num_heads), weights, num_heads)
    assert C is not None  # no mask drops features of the merged heads
    if weights.output_bias is not None:
        bias = weights.output_bias / num_heads  # (D,), or (N, D)
        C += bias if bias.ndim == 1 else bias[:, None]
    return KeptTables(A, C, tokens, global_tokens, weights, num_heads)


@np.errstate(under="ignore")  # weights may underflow to 0
def condition_one(user: Array, domain: int, kept: KeptTables) -> tuple[Array, Array]:
    """Return the condition (D,) of a user (D,), and the weights (H, K)."""
    A, C, H = kept.A[domain], kept.C[domain], kept.num_heads
    S = A[:, :-1] @ user
    S += A[:, -1]
    P = softmax_in_place(S.reshape(-1, H, 1))
    return P.ravel() @ C, P[..., 0].T


@np.errstate(under="ignore")  # weights may underflow to 0
def condition_few(users: Array, ids: Array, kept: KeptTables) -> tuple[Array, Array]:
    """Return the condition (B, D) of users (B, D), in their domains (B,), and weights (B, H, K)."""
    A, C = _rows_of("A of users", kept.A, ids), _rows_of("C of users", kept.C, ids)
    B, rows, H = len(ids), A.shape[1], kept.num_heads
    S = (A[..., :-1] @ users[:, :, None])[..., 0]  # (B, K H)
    S = np.add(S.T, A[..., -1].T, order="C")  # a sum over tokens then adds runs of H x B numbers
    P = softmax_in_place(S.reshape(rows // H, H, B))
    out = (np.ascontiguousarray(P.reshape(rows, B).T)[:, None] @ C)[:, 0]  # (B, D)
    return out, P.transpose(2, 1, 0)


def _rows_of(name: str, table: Array, ids: Array) -> Array:
    """Return a copy of the table of each user's domain, in scratch memory of that name."""
    return table.take(ids, axis=0, out=scratch.get(name, (len(ids), *table.shape[1:]), table.dtype), mode="clip")


@np.errstate(under="ignore")  # weights may underflow to 0
def condition_many(
    user_emb: Array, ids: Array, kept: KeptTables, groups: Groups, with_weights: bool
) -> tuple[Array, Array | None]:
    """Return the conditions (U, D) or (U, M, D) of users (U, D), at least one, by domain, and weights if wanted."""
    A, C, weights, present = kept.A, kept.C, kept.weights, groups.present
    if groups.num_results < SHARED * len(present):
        found, _ = condition_forward(
            user_emb,
            kept.tokens,
            kept.global_tokens,
            *weights,
            ids,
            num_heads=kept.num_heads,
            kernel="grouped",
            groups=groups,
            with_weights=with_weights,
            sparse_grad=False,
        )
        return found if with_weights else (found, None)
    weights = weights._replace(output_bias=None)  # it is in C
    if not is_all(present, len(A)):
        A, C = A[present], C[present]
    out, cache = absorbed.condition(
        user_emb, A, C, None, weights, groups, Masks(None, None, None), kept.num_heads, keep=with_weights
    )
    if out.ndim == 2:
        out = groups.unsort_results(out)
    return out, groups.unsort_results(absorbed.attention_weights(cache, groups)) if with_weights else None
