"""The adapter: hand-derived pairs as nodes of the graph."""

from typing import NamedTuple

import numpy as np
import pytest

from acg_numpy import Tensor, from_passes, grad, no_grad, tensor
from acg_numpy.autograd.custom_vjp import from_kernel
from acg_numpy.autograd.state import recording
from acg_numpy.passes import (
    embedding_backward,
    embedding_forward,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
)

attend = from_passes(scaled_dot_product_forward, scaled_dot_product_backward)
look_up = from_passes(embedding_forward, embedding_backward)


class Grads(NamedTuple):
    x: np.ndarray
    y: np.ndarray


def two_forward(x, y):
    return (x * y, x + y), (x, y)


def two_backward(grads, cache):
    (g, h), (x, y) = grads, cache
    return Grads(g * y + h, g * x + h)


def numeric(f, x, step=1e-6):
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[i] = step
        g[i] = (f(x + d) - f(x - d)) / (2 * step)
    return g


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_plain_arrays_go_straight_through():
    out = look_up(np.eye(3), np.array([2, 0]))
    assert type(out) is np.ndarray


def test_integer_inputs_have_no_gradient_and_need_none():
    table = tensor(np.zeros((3, 2)), requires_grad=True)
    np.sum(look_up(table, np.array([1, 1, 0]))).backward()
    np.testing.assert_array_equal(table.grad, [[1, 1], [2, 2], [0, 0]])


def test_one_tensor_in_several_places_collects_from_all(rng):
    x = rng.normal(size=(4, 3))
    g = rng.normal(size=(4, 3))
    found = grad(lambda t: np.sum(attend(t, t, t) * g))(x)
    np.testing.assert_allclose(found, numeric(lambda v: np.sum(attend(v, v, v) * g), x), atol=1e-7)


@pytest.mark.parametrize("mask", [None, np.array([[True, False, True], [False, False, False]])])
@pytest.mark.parametrize("drop", [None, np.array([[2.0, 0.0, 2.0], [0.0, 2.0, 2.0]])])
def test_second_order_runs_the_forward_again_on_tensors(rng, mask, drop):
    q, k, v = rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    g, r = rng.normal(size=(2, 4)), rng.normal(size=(2, 4))

    def slope(k):
        return np.sum(grad(lambda q: np.sum(attend(q, k, v, mask=mask, dropout_mask=drop) * g))(q) * r)

    np.testing.assert_allclose(grad(slope)(k), numeric(slope, k), atol=1e-7)


def test_inputs_may_come_by_keyword_and_options_stay_keywords(rng):
    x = tensor(rng.normal(size=(2, 3)), requires_grad=True)
    out = attend(key=x, value=x, query=x)
    assert out.shape == (2, 3)
    with pytest.raises(TypeError, match="missing argument value"):
        attend(x, key=x)


def test_several_outputs_share_one_call():
    calls = []

    def backward(grads, cache):
        calls.append(1)
        return two_backward(grads, cache)

    both = from_passes(two_forward, backward)
    x, y = tensor(3.0, requires_grad=True), tensor(2.0, requires_grad=True)
    product, total = both(x, y)
    (product * 10 + total).backward()
    assert (x.grad, y.grad) == (21.0, 31.0)
    assert len(calls) == 1


def test_every_output_is_called_by_the_name_of_the_call():
    both = from_passes(two_forward, two_backward)
    call = both(tensor(np.ones(2), requires_grad=True), np.ones(2))
    assert {out._record[0].name for out in call} == {both.__name__}


def test_an_unused_output_contributes_nothing():
    x, y = tensor(3.0, requires_grad=True), tensor(2.0, requires_grad=True)
    product, _ = from_passes(two_forward, two_backward)(x, y)
    product.backward()
    assert (x.grad, y.grad) == (2.0, 3.0)


def test_several_outputs_have_second_derivatives():
    both = from_passes(two_forward, two_backward)

    def f(x, y):
        product, total = both(x, y)
        return product**2 + total**3

    assert grad(grad(f), argnums=1)(3.0, 2.0) == pytest.approx(4 * 3 * 2 + 6 * 5)


def test_a_gradient_the_backward_leaves_out_is_an_error():
    f = from_passes(lambda x, y: (x * y, None), lambda g, cache: (g,))
    x, y = tensor(1.0, requires_grad=True), tensor(1.0, requires_grad=True)
    with pytest.raises(TypeError, match="no gradient for y"):
        f(x, y).backward()


def test_a_gradient_of_the_wrong_shape_is_an_error():
    f = from_passes(lambda x: (2 * x, None), lambda g, cache: (np.sum(g),))
    with pytest.raises(ValueError, match=r"shape \(\).*\(3,\)"):
        f(tensor(np.ones(3), requires_grad=True)).backward(np.ones(3))


def test_a_gradient_that_is_the_callers_own_array_is_copied():
    f = from_passes(lambda x: (x * 1.0, None), lambda g, cache: (g,))
    x, g = tensor(np.ones(3), requires_grad=True), np.ones(3)
    f(x).backward(g)
    x.grad += 1
    np.testing.assert_array_equal(g, np.ones(3))


def test_a_gradient_of_a_kernel_is_stored_as_it_is():
    made = np.full(3, 2.0)
    x = tensor(np.ones(3), requires_grad=True)
    from_kernel(lambda x: (2 * x, None), lambda g, cache: made)(x).backward(np.ones(3))
    assert x.grad is made


def test_a_tensor_given_as_an_option_is_an_error():
    f = from_passes(lambda x, *, scale: (x * scale, scale), lambda g, scale: (g * scale,))
    with pytest.raises(TypeError, match="scale is an option"):
        f(tensor(1.0, requires_grad=True), scale=tensor(2.0, requires_grad=True))


def test_a_pair_is_called_by_its_forward():
    def square_forward(x):
        """A square."""
        return x * x, x

    square = from_passes(square_forward, lambda g, x: 2 * g * x)
    assert square.__name__ == square.__qualname__ == "square"
    assert square.__doc__ == "A square."


def test_inputs_of_a_pair_come_by_name_in_any_order_with_defaults():
    def weighed_forward(x, y=2.0, z=3.0, *, power=1):
        return x * y**power * z, (x, y, z, power)

    def weighed_backward(g, cache):
        x, y, z, power = cache
        return g * y**power * z, g * x * power * y ** (power - 1) * z, g * x * y**power

    weighed = from_passes(weighed_forward, weighed_backward)
    t = tensor(5.0, requires_grad=True)
    out = weighed(z=t, x=1.0, power=2)
    assert out.item() == 20.0
    out.backward()
    assert t.grad == 4.0
    t.grad = None
    weighed(1.0, y=t).backward()
    assert t.grad == 3.0
    assert weighed(2.0, z=tensor(1.0)).item() == 4.0
    assert weighed(2.0) == 12.0


def test_a_pair_that_is_looked_into_leaves_the_operations_of_its_forward():
    doubled = from_passes(lambda x, w: (x * w, "cache"), lambda g, cache: (None, None))
    t = tensor([1.0, 2.0], requires_grad=True)
    with recording(True, expand=True):
        np.sum(doubled(t, 3.0)).backward()
    assert np.array_equal(t.grad, [3.0, 3.0])


def test_nothing_is_recorded_by_a_pair_where_nothing_needs_it():
    pair = from_passes(lambda x: (x * 2.0, None), lambda g, cache: 2.0 * g)
    both = from_passes(lambda x: ((x * 2.0, np.sum(x)), None), lambda g, cache: 2.0 * g[0] + g[1])
    t = tensor([1.0, 2.0], requires_grad=True)
    for out in (pair(tensor([1.0])), *both(tensor([1.0]))):
        assert isinstance(out, Tensor)
        assert not out.requires_grad
    with no_grad():
        assert not pair(t).requires_grad
        assert [out.requires_grad for out in both(t)] == [False, False]
    assert type(pair(np.ones(2))) is np.ndarray
    assert [type(out) for out in both(np.ones(2))] == [np.ndarray, np.float64]
    twice, total = both(t)
    (np.sum(twice) + 10.0 * total).backward()
    assert np.array_equal(t.grad, [12.0, 12.0])
