"""What is multiplied in once a domain gives every user the classroom's scores and output."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.kernels import absorbed
from acg_numpy.kernels.grouped import Masks
from acg_numpy.kernels.grouping import CHUNK, every_domain
from acg_numpy.kernels.projections import Projections, make_tables
from acg_numpy.kernels.scratch import Scratch

sides = st.integers(1, 3)


def problem(
    rng: np.random.Generator,
    N: int,
    K: int,
    H: int,
    D: int,
    bias: bool = True,
    inner: int | None = None,
    own: bool = False,
) -> tuple[Any, Projections]:
    """Tables of N domains, K tokens each, and the projections that they are made with."""
    inner = D if inner is None else inner
    shapes = [(D, inner)] * 3 + [(N, inner, D) if own else (inner, D)]
    arrays = [x for shape in shapes for x in (rng.normal(size=shape), rng.normal(size=shape[-1]) if bias else None)]
    projections = Projections(*arrays)
    return make_tables(rng.normal(size=(N, K, D)), projections, H), projections


@given(sides, sides, sides, sides, sides, st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_brackets_may_be_moved(N: int, K: int, H: int, d: int, D: int, bias: bool, own: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables, projections = problem(rng, N, K, H, D, bias, inner=H * d, own=own)
    A, C = absorbed.absorb(tables, projections, H)
    assert C is not None
    u = rng.normal(size=D)
    q = u @ projections.query_weight + (projections.query_bias if bias else 0)
    keys, values = (tables.by_head(flat).reshape(H, N, K, d) for flat in (tables.keys, tables.values))
    outputs_of = np.broadcast_to(projections.output_weight, (N, H * d, D)).reshape(N, H, d, D)
    for n in range(N):
        scores = np.einsum("hd,hkd->hk", q.reshape(H, d), keys[:, n]) / np.sqrt(d)
        np.testing.assert_allclose((A[n].reshape(K, H, D + 1) @ np.append(u, 1.0)).T, scores, rtol=1e-9, atol=1e-10)
        outputs = np.einsum("hkd,hde->hke", values[:, n], outputs_of[n])
        np.testing.assert_allclose(C[n].reshape(K, H, D).swapaxes(0, 1), outputs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("keep", "users_at_a_time"), [(True, 2 * (CHUNK + 10)), (False, CHUNK)])
def test_without_a_backward_the_room_is_for_one_block_s_scores(
    keep: bool, users_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, (K, H, D) = np.random.default_rng(0), (3, 2, 4)
    tables, projections = problem(rng, 2, K, H, D)
    groups = every_domain(np.arange(2), CHUNK + 10)
    users = rng.normal(size=(CHUNK + 10, D))
    monkeypatch.setattr(absorbed, "scratch", Scratch())
    out, cache = absorbed.forward(users, tables, projections, groups, Masks(None, None, None), H, keep=keep)
    assert out.shape == (CHUNK + 10, 2, D)
    room = cache.leases[1].array if keep else absorbed.scratch.buffers["scores", users.dtype]
    assert room.size == users_at_a_time * H * K
    assert len(cache.leases) == (2 if keep else 0)
    assert len(cache.weights) == (4 if keep else 0)
