"""The pass back: gradients add up, reach what they should, and belong to the one who gets them."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import AttentionConditioner, RowSparseGradient, Tensor, from_passes, hessian, jvp, tensor
from acg_numpy.autograd.backward import backward, carry_back, gradients

finite = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(np.array)


@given(finite, finite, st.floats(-2, 2), st.floats(-2, 2))
def test_the_gradient_of_a_weighted_sum_is_the_weighted_sum_of_gradients(x, g, a, b):
    def gradient_of(f):
        t = tensor(x, requires_grad=True)
        f(t).backward(g)
        return t.grad

    together = gradient_of(lambda t: a * np.sin(t) + b * np.tanh(t))
    np.testing.assert_allclose(together, a * gradient_of(np.sin) + b * gradient_of(np.tanh), atol=1e-12)


@given(finite, finite)
def test_the_pass_back_is_linear_in_the_gradient(x, g):
    def pulled(seed):
        t = tensor(x, requires_grad=True)
        (np.exp(t) * t[0]).backward(seed)
        return t.grad

    np.testing.assert_allclose(pulled(2 * g + 1), 2 * pulled(g) + pulled(np.ones(3)), atol=1e-10)


@given(finite, st.permutations(range(4)))
def test_it_does_not_matter_in_which_order_operations_were_recorded(x, order):
    parts = [np.sin, np.tanh, lambda t: t * t, lambda t: t[0] * t]
    t, made = tensor(x, requires_grad=True), {}
    for i in order:
        made[i] = parts[i](t)
    np.sum(made[0] * made[1] + made[2] * made[3]).backward()
    again = tensor(x, requires_grad=True)
    np.sum(parts[0](again) * parts[1](again) + parts[2](again) * parts[3](again)).backward()
    np.testing.assert_allclose(t.grad, again.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("given", [[1, 2, 3], np.array([1, 2, 3]), np.float32([1, 2, 3])])
def test_a_gradient_takes_the_dtype_of_what_it_is_a_gradient_of(given):
    t = tensor([1.0, 2.0, 3.0], requires_grad=True)
    (2 * t).backward(given)
    assert t.grad.dtype == np.float64
    assert np.array_equal(t.grad, [2.0, 4.0, 6.0])
    narrow = tensor(np.float32([1, 2, 3]), requires_grad=True)
    (narrow * np.float64(2.0)).backward(np.ones(3))
    assert narrow.grad.dtype == np.float32


def test_a_single_number_has_gradient_one_whatever_its_shape():
    for shape in ((), (1,), (1, 1)):
        t = tensor(np.full(shape, 3.0), requires_grad=True)
        (t * t).backward()
        assert np.array_equal(t.grad, np.full(shape, 6.0))
    narrow = tensor(np.float32(3.0), requires_grad=True)
    narrow.backward()
    assert narrow.grad.dtype == np.float32


def test_a_recorded_pass_takes_a_gradient_that_is_recorded():
    t, seed = tensor([1.0, 2.0], requires_grad=True), tensor([3.0, 4.0], requires_grad=True)
    (t * t).backward(seed, create_graph=True)
    slope, t.grad = t.grad, None
    assert isinstance(slope, Tensor)
    np.sum(slope).backward()
    assert np.array_equal(seed.grad, [2.0, 4.0])
    assert np.array_equal(t.grad, [6.0, 8.0])


def test_a_pass_is_not_recorded_unless_that_is_asked_for():
    t = tensor([1.0, 2.0], requires_grad=True)
    np.sum(t**3).backward()
    assert type(t.grad) is np.ndarray
    backward(np.sum(t))
    assert type(t.grad) is np.ndarray
    assert np.array_equal(t.grad, [4.0, 13.0])
    t.grad = None
    backward(np.sum(t**3))
    assert type(t.grad) is np.ndarray
    seed = tensor([1.0, 1.0], requires_grad=True)
    t.grad = None
    t.backward(seed)
    assert type(t.grad) is np.ndarray


def test_gradients_may_be_written_to_and_change_nobody_elses():
    seed = np.ones(3)
    x, y = (tensor(np.zeros(3), requires_grad=True) for _ in range(2))
    (x + y).backward(seed)
    x.backward(seed)
    np.sum(np.broadcast_to(x, (2, 3)) + y[::-1]).backward()
    for leaf in (x, y):
        leaf.grad += 10.0
    assert np.array_equal(seed, np.ones(3))
    assert np.array_equal(x.grad, [14.0, 14.0, 14.0])
    assert np.array_equal(y.grad, [13.0, 13.0, 13.0])


def test_a_gradient_that_came_first_is_not_added_to_in_place():
    x = tensor([1.0, 2.0], requires_grad=True)
    np.sum(x).backward()
    first = x.grad
    np.sum(x).backward()
    assert np.array_equal(first, [1.0, 1.0])
    assert np.array_equal(x.grad, [2.0, 2.0])


# Between targets and results.


def test_targets_need_not_be_leaves_and_may_be_behind_each_other():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    z = np.sum(y * x)
    by_y, by_x = gradients([(z, np.ones(()))], [y, x], False)
    assert np.array_equal(by_y, x.data)
    assert np.array_equal(by_x, y.data)
    (alone,) = gradients([(z, np.ones(()))], [x], False)
    assert np.array_equal(alone, 3 * x.data**2)
    assert x.grad is None


def test_several_results_add_up_and_one_given_twice_counts_twice():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    found = gradients([(y, np.ones(2)), (x, np.array([10.0, 20.0])), (y, np.ones(2))], [x], False)
    assert np.array_equal(found[0], [16.0, 26.0])


def test_what_does_not_depend_has_zeros_of_its_own_dtype():
    x, y = tensor(np.float32([1, 2]), requires_grad=True), tensor([1.0], requires_grad=True)
    by_x, by_y = gradients([(np.sum(y * y), np.ones(()))], [x, y], False)
    assert by_x.dtype == np.float32
    assert np.array_equal(by_x, [0, 0])
    assert np.array_equal(by_y, [2.0])


def test_only_the_ways_from_a_target_to_a_result_are_gone():
    def fail(g, cache):
        raise AssertionError("nobody asked for this one")

    costly = from_passes(lambda x: (x * 2.0, None), fail)
    x, y = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    (by_y,) = gradients([(np.sum(costly(x) * y), np.ones(()))], [y], False)
    assert by_y == [2.0]


def test_the_pass_gives_every_leaf_once():
    x, y = tensor([1.0], requires_grad=True), tensor([2.0], requires_grad=True)
    arrived = carry_back([(x * y + x * x, np.ones(1))], None, False)
    assert {id(leaf): float(grad[0]) for leaf, grad in arrived} == {id(x): 4.0, id(y): 1.0}
    assert len(arrived) == 2


# Gradients by rows.


def looked_up(grad_as):
    return from_passes(lambda table, ids: (table[ids], ids), lambda g, ids: (grad_as(ids, g), None))


def test_a_leaf_keeps_a_gradient_by_rows_others_get_an_array():
    look_up = looked_up(lambda ids, g: RowSparseGradient(ids, g, (4, 1)))
    table = tensor(np.arange(4.0)[:, None], requires_grad=True)
    look_up(table, np.array([1, 3, 1])).backward(np.ones((3, 1)))
    assert type(table.grad) is RowSparseGradient
    assert np.array_equal(np.asarray(table.grad), [[0], [2], [0], [1]])
    table.grad = None
    np.sum(look_up(table * 2.0, np.array([1, 3, 1]))).backward()
    assert type(table.grad) is np.ndarray
    assert np.array_equal(table.grad, [[0], [4], [0], [2]])
    table.grad = None
    np.sum(look_up(table, np.array([1, 3, 1]))).backward(create_graph=True)
    assert type(table.grad) is np.ndarray  # of a recorded pass everything is to be differentiated again
    assert np.array_equal(table.grad, [[0], [2], [0], [1]])


def test_two_look_ups_in_one_table_add_their_rows():
    look_up = looked_up(lambda ids, g: RowSparseGradient(ids, g, (4, 1)))
    table = tensor(np.zeros((4, 1)), requires_grad=True)
    np.sum(look_up(table, np.array([0])) + 2.0 * look_up(table, np.array([3]))).backward()
    assert type(table.grad) is RowSparseGradient
    assert np.array_equal(table.grad.rows, [0, 3])
    assert np.array_equal(table.grad.values, [[1.0], [2.0]])


def test_sums_of_extended_precision_stay_in_it():
    tiny = np.finfo(np.longdouble).eps
    values = np.array([[1.0], [tiny]], np.longdouble)
    grad = RowSparseGradient([2, 2], values, (3, 1))
    assert grad.dtype == np.longdouble
    assert grad.values[0, 0] == np.longdouble(1.0) + tiny


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_an_array_of_rows_has_the_dtype_that_is_asked_for(dtype):
    grad = RowSparseGradient([2, 0], [[1.0], [2.0]], (3, 1))
    assert np.asarray(grad, dtype=dtype).dtype == dtype
    assert np.array_equal(np.asarray(grad, dtype=dtype), [[2], [0], [1]])
    assert grad.__array__(dtype).dtype == dtype
    assert np.asarray(grad).dtype == np.float64


def test_rows_of_no_ids_are_no_rows():
    grad = RowSparseGradient(np.zeros((0, 2), int), np.zeros((0, 2, 3)), (4, 3))
    assert grad.rows.shape == (0,)
    assert grad.values.shape == (0, 3)
    assert not np.any(np.asarray(grad))


def test_scaling_by_what_is_no_number_is_done_to_the_table():
    grad = RowSparseGradient([1], [[2.0]], (3, 1))
    for dense in (grad * 0, grad * np.nan, np.power(grad, 2), grad + 1.0, grad * np.ones(3)[:, None]):
        assert type(dense) is np.ndarray
    with np.errstate(divide="ignore"):
        assert np.array_equal(np.divide(1.0, grad), [[np.inf], [0.5], [np.inf]])
    assert np.array_equal(np.add.reduce(grad), [2.0])
    with pytest.raises(TypeError):
        np.multiply(np.ones((3, 1)), 2.0, out=grad)


@pytest.fixture
def leaf():
    return tensor([1.0, 2.0, 3.0], requires_grad=True)


class TestBackward:
    def test_gradients_add_up_until_they_are_cleared(self, leaf):
        y = np.sum(leaf**2)
        y.backward()
        y.backward()
        np.testing.assert_array_equal(leaf.grad, 2 * 2 * leaf.data)

    def test_only_leaves_keep_a_gradient(self, leaf):
        middle = leaf * 2
        np.sum(middle).backward()
        assert middle.grad is None

    def test_a_gradient_is_asked_for_where_the_result_is_not_one_number(self, leaf):
        with pytest.raises(ValueError, match=r"shape \(3,\)"):
            (leaf * 2).backward()
        with pytest.raises(ValueError, match=r"shape \(2,\)"):
            (leaf * 2).backward(np.ones(2))
        with pytest.raises(ValueError, match="requires no gradient"):
            tensor(1.0).backward()

    def test_a_gradient_given_as_a_tensor_leaves_no_tensor_behind(self, leaf):
        (leaf * 2).backward(tensor(np.ones(3), requires_grad=True))
        assert type(leaf.grad) is np.ndarray

    def test_a_leaf_gets_its_own_gradient(self):
        t = tensor(3.0, requires_grad=True)
        t.backward()
        assert t.grad == 1.0

    def test_create_graph_gives_a_gradient_to_differentiate(self, leaf):
        np.sum(leaf**3).backward(create_graph=True)
        first = leaf.grad
        assert isinstance(first, Tensor)
        leaf.grad = None
        np.sum(first).backward()
        np.testing.assert_allclose(leaf.grad, 6 * leaf.data)

    def test_a_value_used_in_many_places_collects_from_all(self, leaf):
        np.sum(leaf * leaf + leaf * 3 - leaf / 2).backward()
        np.testing.assert_allclose(leaf.grad, 2 * leaf.data + 2.5)

    def test_a_chain_of_100_000_operations_overflows_nothing(self):
        t = tensor(1.0, requires_grad=True)
        y = t
        for _ in range(100_000):
            y = y + 1.0
        y.backward()
        assert t.grad == 1.0
        del y

    def test_memory_is_given_back_without_the_collector(self):
        conditioner = AttentionConditioner(4, 2, 3, dropout=0.1, layer_norm=True, seed=0)
        users = tensor(np.ones((5, 4)), requires_grad=True)

        def work():
            condition, attention = conditioner(users[:, None], np.arange(3), return_attention=True)
            (np.sum(condition) + np.sum(attention**2)).backward()
            hessian(lambda x: np.sum(x**3))(np.ones(2))
            jvp(np.sin, (np.ones(2),), (np.ones(2),))
            conditioner.zero_grad()
            return weakref.ref(condition)

        work()
        gc.collect()
        gc.disable()
        try:
            assert work()() is None
            assert gc.collect() == 0
        finally:
            gc.enable()
