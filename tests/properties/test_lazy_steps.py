"""Lazy steps: to an optimiser, the rows of a table with row-sparse gradients are parameters of their own."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.optim import flat_buffer
from acg_numpy.optim.optimisers import SGD, AdamW, clip_gradients
from tests.optim.test_flat_buffer import every_optimiser
from tests.optim.test_optimisers import Leaf

ROWS = 5
shapes = st.sampled_from([(ROWS,), (ROWS, 3), (ROWS, 2, 4)])
dtypes = st.sampled_from([np.float32, np.float64])
lookups = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=7), min_size=1, max_size=5)


def drawn(rng, ids, shape, dtype):
    """The gradient of a lookup; its numbers are far from 0, so that none is taken for noise."""
    values = rng.choice([-2.0, -1.0, 1.0, 2.5], (len(ids), *shape[1:])).astype(dtype)
    return RowSparseGradient(np.array(ids, int), values, shape)


@every_optimiser
@given(lookups, shapes, dtypes, st.sampled_from([1, 6, 1000]), st.integers(0, 99))
def test_every_row_moves_like_a_parameter_of_its_own(make, steps, shape, dtype, block, seed):
    rng = np.random.default_rng(seed)
    table = Leaf(rng.normal(size=shape).astype(dtype))
    rows = [Leaf(row.copy()) for row in table.data.reshape(ROWS, -1)]
    whole, apart = make([table]), make(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_buffer, "BLOCK", block)
        for ids in steps:
            table.grad = drawn(rng, ids, shape, dtype)
            dense = np.asarray(table.grad).reshape(ROWS, -1)
            for row, leaf in enumerate(rows):
                leaf.grad = dense[row] if row in ids else None
            whole.step()
            if ids:
                apart.step()
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(table.data.reshape(ROWS, -1), [leaf.data for leaf in rows], rtol=rtol)


@every_optimiser
@given(st.lists(st.booleans(), min_size=1, max_size=6), shapes, dtypes, st.integers(0, 99))
def test_a_gradient_that_holds_all_rows_is_followed_as_the_dense_one(make, sparse_now, shape, dtype, seed):
    rng = np.random.default_rng(seed)
    start = rng.normal(size=shape).astype(dtype)
    one, other = Leaf(start.copy()), Leaf(start.copy())
    mixed, dense = make([one]), make([other])
    for sparse in sparse_now:
        other.grad = rng.normal(size=shape).astype(dtype)
        one.grad = RowSparseGradient(np.arange(ROWS), other.grad, shape) if sparse else other.grad
        mixed.step()
        dense.step()
    np.testing.assert_allclose(one.data, other.data, rtol=1e-4 if dtype == np.float32 else 1e-11)
    if not any(sparse_now):
        assert list(mixed.state_dict()) == list(dense.state_dict())


@given(lookups, shapes, st.integers(0, 99))
def test_plain_sgd_is_not_lazy_but_exact(steps, shape, seed):
    rng = np.random.default_rng(seed)
    one, other = Leaf(np.ones(shape)), Leaf(np.ones(shape))
    sparse, dense = SGD([one], 0.3), SGD([other], 0.3)
    for ids in steps:
        one.grad = drawn(rng, ids, shape, np.float64)
        other.grad = np.asarray(one.grad)
        sparse.step()
        dense.step()
    np.testing.assert_array_equal(one.data, other.data)


@given(lookups, shapes, dtypes, st.floats(1e-3, 1e3), st.integers(0, 99))
def test_clipping_shortens_row_sparse_gradients_as_dense_ones(steps, shape, dtype, limit, seed):
    rng = np.random.default_rng(seed)
    sparse = [Leaf(np.zeros(shape), drawn(rng, ids, shape, dtype)) for ids in steps]
    dense = [Leaf(np.zeros(shape), np.asarray(leaf.grad)) for leaf in sparse]
    np.testing.assert_allclose(clip_gradients(sparse, limit), clip_gradients(dense, limit), rtol=1e-12)
    for one, other in zip(sparse, dense, strict=True):
        assert isinstance(one.grad, RowSparseGradient)
        np.testing.assert_allclose(np.asarray(one.grad), other.grad, rtol=1e-6)
        assert one.grad.dtype == dtype


def test_rows_that_were_not_looked_up_keep_every_bit():
    table = Leaf(np.full((4, 2), 3.0))
    optimiser = AdamW([table], weight_decay=0.5)
    for ids in ([0, 2], [2], [2, 0, 0]):
        table.grad = RowSparseGradient(ids, np.ones((len(ids), 2)), (4, 2))
        optimiser.step()
    state = optimiser.state_dict()
    np.testing.assert_array_equal(state["row_steps.0"], [2, 0, 3, 0])
    for array in (state["mean.0"], state["square.0"], table.data - 3.0):
        assert np.all(array[[1, 3]] == 0)
        assert np.all(array[[0, 2]] != 0)


def test_noise_in_a_row_sparse_gradient_counts_as_zero_like_any():
    weight, table = Leaf(np.zeros(3, np.float32), np.ones(3, np.float32)), Leaf(np.zeros((9, 2), np.float32))
    table.grad = RowSparseGradient([4], np.full((1, 2), 1e-8, np.float32), (9, 2))
    AdamW([weight, table], eps=1e-12).step()
    np.testing.assert_array_equal(table.data, 0.0)
    assert np.all(weight.data != 0)


def test_a_few_rows_of_a_large_table_are_not_taken_for_noise():
    weight, table = Leaf(np.zeros(3, np.float32), np.ones(3, np.float32)), Leaf(np.zeros((100_000, 1), np.float32))
    table.grad = RowSparseGradient([4], np.full((1, 1), 1e-5, np.float32), table.data.shape)
    AdamW([weight, table], lr=0.1, eps=1e-12).step()
    np.testing.assert_allclose(table.data[4], -0.1, rtol=1e-5)


@every_optimiser
def test_a_stored_optimiser_goes_on_with_the_rows_own_steps(make):
    rng = np.random.default_rng(0)
    whole, halves = Leaf(np.ones((ROWS, 2))), Leaf(np.ones((ROWS, 2)))
    uninterrupted, first, second = make([whole]), make([halves]), make([halves])
    for t, ids in enumerate([[0, 1], [1], [4, 4], [0], [1, 2]]):
        whole.grad = halves.grad = drawn(rng, ids, (ROWS, 2), float)
        uninterrupted.step()
        if t == 3:
            second.load_state_dict(first.state_dict())
        (first if t < 3 else second).step()
    np.testing.assert_array_equal(whole.data, halves.data)


def test_a_state_may_lack_row_steps_and_a_misfit_changes_nothing():
    table = Leaf(np.ones((3, 2)), RowSparseGradient([1], np.ones((1, 2)), (3, 2)))
    optimiser, fresh = AdamW([table]), AdamW([table]).state_dict()
    optimiser.step()
    before = optimiser.state_dict()
    with pytest.raises(ValueError, match=r"shape \(4,\), but this optimiser's is \(3,\)"):
        optimiser.load_state_dict({**before, "row_steps.0": np.zeros(4)})
    assert all(np.array_equal(array, before[name]) for name, array in optimiser.state_dict().items())
    optimiser.load_state_dict(fresh)
    assert "row_steps.0" not in optimiser.state_dict()


@every_optimiser
def test_a_lazy_step_takes_no_memory_of_the_tables_size(make):
    shape = (200_000, 2)
    table = Leaf(np.zeros(shape, np.float32))
    optimiser = make([table])
    table.grad = RowSparseGradient(np.arange(0, 200_000, 1000), np.ones((200, 2), np.float32), shape)
    optimiser.step()
    tracemalloc.start()
    try:
        clip_gradients([table], 1.0)
        optimiser.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < table.data.nbytes / 20
