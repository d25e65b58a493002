"""A row-sparse gradient is the dense one, in fewer numbers: whatever is done to it, written out it is the same."""

import copy
import operator
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import tensor
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.passes import scatter_add

rows_of_numbers = st.sampled_from([(), (1,), (3,), (2, 4), (0,)])
dtypes = st.sampled_from([np.float32, np.float64])
whole = st.integers(-1000, 1000)  # sums of these are exact in any order


@st.composite
def gradients(draw, shape=None, dtype=None):
    """A row-sparse gradient of whole numbers and what it was made of."""
    shape = (
        draw(st.integers(1, 6).flatmap(lambda n: rows_of_numbers.map(lambda r: (n, *r)))) if shape is None else shape
    )
    dtype = draw(dtypes) if dtype is None else dtype
    ids = np.array(draw(st.lists(st.integers(0, shape[0] - 1), max_size=8)), np.int64)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(-1000, 1000, (len(ids), *shape[1:])).astype(dtype)
    return RowSparseGradient(ids, values, shape), ids, values


@given(gradients())
def test_repeated_rows_are_added_up_exactly(drawn):
    grad, ids, values = drawn
    np.testing.assert_array_equal(np.asarray(grad), scatter_add(values, ids, grad.shape[0]), strict=True)
    np.testing.assert_array_equal(grad.rows, np.unique(ids))


@given(st.permutations(range(40)), st.integers(0, 99))
def test_the_order_of_the_ids_does_not_show_in_float32(order, seed):
    rng = np.random.default_rng(seed)
    ids, values = rng.integers(0, 3, 40), (10.0 ** rng.integers(-6, 6, (40, 2))).astype(np.float32)
    one, other = RowSparseGradient(ids, values, (3, 2)), RowSparseGradient(ids[order], values[order], (3, 2))
    np.testing.assert_array_equal(one.values, other.values)
    sums = [np.sum(values[ids == row].astype(float), axis=0) for row in one.rows]
    np.testing.assert_array_equal(one.values, np.array(sums, np.float32))


def test_small_gradients_of_a_row_do_not_vanish_beside_a_large_one():
    values = np.full((100_001, 1), 1e-3, np.float32)
    values[0] = 1e6  # one half of whose last place, 0.03, none of the others reaches
    assert RowSparseGradient(np.zeros(len(values), int), values, (1, 1)).values == np.float32(1e6 + 100)


@pytest.mark.parametrize("operation", [operator.add, operator.sub])
@given(st.data())
def test_sums_of_sparse_and_dense_are_the_dense_sums(operation, data):
    grad, _, _ = data.draw(gradients())
    other, _, _ = data.draw(gradients(grad.shape))
    dense, other_dense = np.asarray(grad), np.asarray(other)
    both = operation(grad, other)
    assert isinstance(both, RowSparseGradient)
    np.testing.assert_array_equal(np.asarray(both), operation(dense, other_dense), strict=True)
    for mixed in (operation(grad, other_dense), operation(dense, other)):
        np.testing.assert_array_equal(mixed, operation(dense, other_dense), strict=True)
    recorded = operation(tensor(dense, requires_grad=True), other), operation(grad, tensor(other_dense))
    for mixed in recorded:
        np.testing.assert_array_equal(mixed.numpy(), operation(dense, other_dense), strict=True)


@given(gradients(), st.sampled_from([2, 0.5, -3.0, np.float32(4), np.int64(2), np.array(0.25)]))
def test_a_multiple_is_the_dense_multiple(drawn, factor):
    grad, _, _ = drawn
    dense = np.asarray(grad)
    for found, expected in [
        (grad * factor, dense * factor),
        (factor * grad, factor * dense),
        (grad / factor, dense / factor),
        (-grad, -dense),
    ]:
        np.testing.assert_array_equal(np.asarray(found), expected, strict=True)
    assert isinstance(-grad, RowSparseGradient)
    assert isinstance(grad * 2, RowSparseGradient)
    assert isinstance(0.5 * grad, RowSparseGradient)


def test_what_does_not_leave_zeros_zero_is_done_to_the_dense_array():
    grad = RowSparseGradient([1], [3.0], (3,))
    with np.errstate(invalid="ignore", divide="ignore"):
        np.testing.assert_array_equal(grad * np.inf, [np.nan, np.inf, np.nan])
        np.testing.assert_array_equal(grad / 0, [np.nan, np.inf, np.nan])
    np.testing.assert_array_equal(np.exp(grad), np.exp([0.0, 3.0, 0.0]))
    np.testing.assert_array_equal(grad * np.arange(3), [0, 3, 0])
    np.testing.assert_array_equal(1.0 - grad, [1.0, -2.0, 1.0])
    assert np.sum(grad) == 3
    assert np.linalg.norm(grad) == 3


@given(gradients())
def test_an_array_is_changed_in_place_as_by_the_dense_gradient(drawn):
    grad, _, _ = drawn
    array = np.ones(grad.shape, grad.dtype)
    expected, kept = array - np.asarray(grad) * 0.5, array
    array -= 0.5 * grad
    assert array is kept
    np.testing.assert_array_equal(array, expected)
    array += grad
    np.testing.assert_array_equal(array, expected + np.asarray(grad))


@given(gradients())
def test_a_sum_may_be_written_to_another_array(drawn):
    grad, _, _ = drawn
    array, out = np.ones(grad.shape, grad.dtype), np.full(grad.shape, 7, grad.dtype)
    assert np.subtract(array, grad, out=out) is out
    np.testing.assert_array_equal(out, 1 - np.asarray(grad))
    np.testing.assert_array_equal(array, 1)


def test_an_in_place_sum_does_not_cast_what_numpy_would_not():
    counts = np.zeros(3, int)
    with pytest.raises(TypeError, match="Cannot cast ufunc 'add' output"):
        counts += RowSparseGradient([1], [0.5], (3,))


@given(gradients())
def test_a_copy_by_any_way_is_the_same(drawn):
    grad, _, _ = drawn
    for same in (copy.deepcopy(grad), pickle.loads(pickle.dumps(grad)), grad.astype(grad.dtype)):
        assert same.shape == grad.shape
        np.testing.assert_array_equal(np.asarray(same), np.asarray(grad), strict=True)
    np.testing.assert_array_equal(np.asarray(grad.astype(np.float16)), np.asarray(grad).astype(np.float16), strict=True)


def test_it_owns_its_numbers():
    values = np.ones((2, 3))
    grad = RowSparseGradient([0, 1], values, (4, 3))
    values[:] = 7
    np.testing.assert_array_equal(grad.values, 1.0)


def test_nothing_done_by_rows_takes_memory_of_the_tables_size():
    table = np.zeros((1_000_000, 1), np.float32)
    grad = RowSparseGradient(np.arange(0, 1_000_000, 1000), np.ones((1000, 1), np.float32), table.shape)
    tracemalloc.start()
    try:
        table -= 0.5 * (grad + grad - 0.5 * grad)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert table[1000] == -0.75
    assert peak < table.nbytes / 20


def test_it_says_what_it_is():
    grad = RowSparseGradient(np.array([[7, 2], [7, 7]]), np.ones((2, 2, 5), np.float32), (10, 5))
    assert repr(grad) == "RowSparseGradient(2 rows of shape (10, 5), dtype=float32)"
    assert (len(grad), grad.ndim, grad.size, grad.dtype) == (10, 2, 50, np.float32)


def test_wrong_arguments_are_named():
    with pytest.raises(IndexError, match=r"rows holds 3, but the number of rows in shape is 3"):
        RowSparseGradient([3], np.ones((1, 2)), (3, 2))
    with pytest.raises(TypeError, match="rows"):
        RowSparseGradient(np.array([0.5]), np.ones((1, 2)), (3, 2))
    with pytest.raises(ValueError, match=r"values has shape \(1, 3\); expected \(1, 2\)"):
        RowSparseGradient([0], np.ones((1, 3)), (3, 2))
    with pytest.raises(ValueError, match=r"shape is \(\); expected that of a table"):
        RowSparseGradient([0], np.ones(1), ())
    with pytest.raises(ValueError, match="without making one"):
        np.array(RowSparseGradient([0], [1.0], (1,)), copy=False)


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
@given(drawn=gradients(), number=st.integers(1, 9))
def test_arithmetic_with_a_number_on_either_side_is_the_dense_arithmetic(operation, drawn, number):
    grad, dense = drawn[0], np.asarray(drawn[0])
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(np.asarray(operation(grad, number)), operation(dense, number))
        np.testing.assert_array_equal(np.asarray(operation(number, grad)), operation(number, dense))
