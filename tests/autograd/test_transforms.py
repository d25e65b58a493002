"""Transforms of functions: what they give, and that they nest without confusing their variables."""

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import (
    Parameter,
    Tensor,
    from_passes,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    tensor,
    value_and_grad,
    vjp,
)

finite = st.floats(-2, 2)


def cube_forward(x):
    return x * x * x, x


def cube_backward(g, x):
    return (3 * g * x * x,)


def power_4_forward(x):
    return x**4, x


def power_4_backward(g, x):
    return (4 * g * x**3,)


def through_jvp(function):
    """The derivative of a function of one number, forward."""
    return lambda x: jvp(function, (x,), (np.ones(np.shape(x)),))[1]


@pytest.mark.parametrize("derivative", [grad, through_jvp])
class TestLevels:
    """A variable of an inner transform is never that of an outer one."""

    @pytest.mark.parametrize(
        "power", [lambda x: x**4, from_passes(power_4_forward, power_4_backward)], ids=["rules", "pair"]
    )
    def test_third_derivative_of_x_to_the_fourth(self, derivative, power):
        assert derivative(derivative(derivative(power)))(2.0) == pytest.approx(48.0)

    def test_a_constant_inside_is_a_variable_outside(self, derivative):
        assert derivative(lambda x: x * derivative(lambda y: x + y)(x))(3.0) == 1.0

    def test_an_outer_variable_closed_over(self, derivative):
        assert derivative(lambda x: derivative(lambda y: x * y**2)(3.0))(5.0) == 6.0

    def test_an_outer_variable_passed_in(self, derivative):
        assert derivative(lambda x: derivative(lambda y: x**2 * y)(x))(3.0) == 6.0

    def test_a_pair_in_the_middle(self, derivative):
        cube = from_passes(cube_forward, cube_backward)
        assert derivative(lambda x: derivative(lambda y: x**2 * cube(y))(x))(2.0) == pytest.approx(
            2 * 2 * 3 * 4 + 4 * 6 * 2
        )


class TestWhatComesOut:
    def test_plain_arrays_where_nothing_is_recorded(self):
        assert type(grad(np.sin)(0.5)) is np.ndarray
        out, pullback = vjp(np.sin, np.ones(2))
        assert type(out) is np.ndarray
        assert type(pullback(np.ones(2))[0]) is np.ndarray
        assert all(type(v) is np.ndarray for v in jvp(np.sin, (np.ones(2),), (np.ones(2),)))

    def test_tensors_where_an_argument_is_recorded(self):
        x = tensor(2.0, requires_grad=True)
        slope = grad(lambda y: y**3)(x)
        assert isinstance(slope, Tensor)
        slope.backward()
        assert x.grad == 12.0

    def test_parameters_from_outside_are_constants(self):
        p = Parameter([2.0])
        value, slope = value_and_grad(lambda x: np.sum(p * x**2))(np.array([3.0]))
        assert type(slope) is np.ndarray
        assert (value, slope) == (18.0, 12.0)
        assert p.grad is None

    def test_no_grad_around_changes_nothing_but_that_it_is_constant(self):
        with no_grad():
            assert grad(lambda x: x**2)(3.0) == 6.0
            assert not isinstance(grad(lambda x: x**2)(tensor(3.0, requires_grad=True)), Tensor)

    def test_a_result_that_does_not_depend_has_gradient_zero(self):
        np.testing.assert_array_equal(grad(lambda x: 5.0)(np.ones(3)), np.zeros(3))
        np.testing.assert_array_equal(jacobian(lambda x: np.ones(2))(np.ones(3)), np.zeros((2, 3)))

    def test_aux_is_handed_through(self):
        g, aux = grad(lambda x: (np.sum(x**2), {"twice": 2 * x}), has_aux=True)(np.ones(2))
        np.testing.assert_array_equal(g, [2, 2])
        assert type(aux["twice"]) is np.ndarray
        (value, aux), g = value_and_grad(lambda x: (np.sum(x), "note"), has_aux=True)(np.ones(2))
        assert (value, aux) == (2.0, "note")
        *_, aux = vjp(lambda x: (x * 2, x), np.ones(2), has_aux=True)
        np.testing.assert_array_equal(aux, [1, 1])

    def test_argnums_choose_among_arguments(self):
        def f(x, y, scale=1.0):
            return scale * x * y**2

        assert grad(f, argnums=1)(2.0, 3.0) == 12.0
        assert grad(f, argnums=(1, 0))(2.0, 3.0, scale=2.0) == (24.0, 18.0)
        assert grad(f, argnums=-1)(2.0, 3.0) == 12.0
        with pytest.raises(ValueError, match="argnums"):
            grad(f, argnums=2)(2.0, 3.0)

    def test_float32_stays(self):
        x = np.ones(3, np.float32)
        assert grad(lambda x: np.sum(x**2 / 3))(x).dtype == np.float32
        assert hessian(lambda x: np.sum(x**2 / 3))(x).dtype == np.float32
        assert jvp(np.tanh, (x,), (x,))[1].dtype == np.float32

    def test_gradients_may_be_written_to(self):
        grad(np.sum)(np.ones(3))[0] = 5.0


class TestTrees:
    Pair = namedtuple("Pair", "left right")

    def test_gradients_have_the_shape_of_the_argument(self):
        params = {
            "w": np.ones((2, 2)),
            "parts": [np.ones(2), (np.array(3.0), None)],
            "pair": self.Pair(np.ones(1), 2.0),
        }

        def f(p):
            return np.sum(p["w"] @ p["parts"][0]) * p["parts"][1][0] + np.sum(p["pair"].left) * p["pair"].right

        g = grad(f)(params)
        assert list(g) == ["w", "parts", "pair"]
        assert isinstance(g["pair"], self.Pair)
        assert g["parts"][1][1] is None
        assert g["pair"].right == 1.0
        np.testing.assert_array_equal(g["w"], np.full((2, 2), 3.0))

    def test_jacobian_of_a_tree_is_a_tree_of_trees(self):
        j = jacobian(lambda p: {"sum": p["a"] + p["b"], "first": p["a"][0]})({"a": np.ones(2), "b": np.ones(2)})
        np.testing.assert_array_equal(j["sum"]["a"], np.eye(2))
        np.testing.assert_array_equal(j["first"]["a"], [1, 0])
        np.testing.assert_array_equal(j["first"]["b"], [0, 0])

    def test_hessian_of_a_dict_has_its_blocks(self):
        h = hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 3.0, "b": 2.0})
        assert (h["a"]["a"], h["a"]["b"], h["b"]["a"], h["b"]["b"]) == (4.0, 6.0, 6.0, 0.0)

    def test_vjp_takes_a_tree_like_the_result(self):
        _, pullback = vjp(lambda x: (x, [2 * x]), np.ones(2))
        np.testing.assert_array_equal(pullback((np.ones(2), [np.ones(2)]))[0], [3, 3])
        with pytest.raises(ValueError, match="2 leaves"):
            pullback(np.ones(2))


class TestRefusals:
    def test_a_gradient_needs_one_number(self):
        with pytest.raises(TypeError, match=r"shape \(2,\)"):
            grad(lambda x: x)(np.ones(2))

    @pytest.mark.parametrize("x", [3, np.arange(3), True])
    def test_derivatives_need_floating_arguments(self, x):
        with pytest.raises(TypeError, match="floating"):
            grad(np.sum)(x)

    def test_jvp_needs_a_tangent_for_each(self):
        with pytest.raises(ValueError, match="1 for 2"):
            jvp(np.add, (1.0, 2.0), (1.0,))
        with pytest.raises(ValueError, match="shape"):
            jvp(np.sin, (np.ones(2),), (np.ones(3),))


class TestIdentities:
    """What vjp, jvp, Jacobian and Hessian have to do with one another, whatever the function."""

    @staticmethod
    def f(x):
        return np.stack([np.sin(x[0]) * x[1], x[2] ** 3 + x[0], np.tanh(x[1] * x[2]), np.sum(np.exp(x))])

    @given(
        st.lists(finite, min_size=3, max_size=3),
        st.lists(finite, min_size=3, max_size=3),
        st.lists(finite, min_size=4, max_size=4),
    )
    def test_vjp_and_jvp_are_transposes_and_rows_and_columns_of_the_jacobian(self, x, v, g):
        x, v, g = map(np.array, (x, v, g))
        _, forward = jvp(self.f, (x,), (v,))
        (back,) = vjp(self.f, x)[1](g)
        j = jacobian(self.f)(x)
        np.testing.assert_allclose(forward, j @ v, atol=1e-12)
        np.testing.assert_allclose(back, g @ j, atol=1e-12)

    @given(st.lists(finite, min_size=3, max_size=3), st.lists(finite, min_size=3, max_size=3))
    def test_the_hessian_is_symmetric_and_hvp_is_its_product(self, x, v):
        x, v = np.array(x), np.array(v)

        def scalar(x):
            return np.sum(self.f(x) ** 2)

        h = hessian(scalar)(x)
        np.testing.assert_allclose(h, h.T, atol=1e-9)
        np.testing.assert_allclose(hvp(scalar, (x,), (v,)), h @ v, atol=1e-9)
        np.testing.assert_allclose(hvp(scalar, x, v), h @ v, atol=1e-9)

    def test_hvp_of_two_arguments_mixes_them(self):
        hx, hy = hvp(lambda x, y: x**2 * y, (3.0, 2.0), (1.0, 10.0))
        assert (hx, hy) == (4.0 + 60.0, 6.0)

    def test_jvp_of_an_infinite_slope_is_infinite(self):
        with np.errstate(divide="ignore"):
            assert jvp(np.sqrt, (0.0,), (1.0,))[1] == np.inf


# Every option of every transform, and what comes out.

A, B = np.array([1.0, 2.0]), np.array([3.0, 5.0])


def bilinear(x, y, scale=1.0):
    return scale * np.sum(x**2 * y)


def test_a_gradient_is_taken_by_the_arguments_that_are_chosen():
    assert np.array_equal(grad(bilinear)(A, B), 2 * A * B)
    assert np.array_equal(grad(bilinear, 1)(A, B), A**2)
    assert np.array_equal(grad(bilinear, -1)(A, B), A**2)
    both = grad(bilinear, (1, 0))(A, B)
    assert type(both) is tuple
    assert np.array_equal(both[0], A**2)
    assert np.array_equal(both[1], 2 * A * B)
    assert np.array_equal(grad(bilinear)(A, B, scale=3.0), 6 * A * B)
    (alone,) = grad(bilinear, (0,))(A, B, 2.0)
    assert np.array_equal(alone, 4 * A * B)


def test_value_and_gradient_come_with_what_else_the_function_returns():
    def function(x, y):
        return np.sum(x * y), {"product": x * y, "text": "as it is"}

    (value, aux), slope = value_and_grad(function, has_aux=True)(A, B)
    assert value == 13.0
    assert type(value) is np.ndarray
    assert np.array_equal(slope, B)
    assert np.array_equal(aux["product"], A * B)
    assert type(aux["product"]) is np.ndarray
    assert aux["text"] == "as it is"
    slope, aux = grad(function, 1, has_aux=True)(A, B)
    assert np.array_equal(slope, A)
    assert np.array_equal(aux["product"], A * B)
    out, pullback, aux = vjp(function, A, B, has_aux=True)
    assert out == 13.0
    assert aux["text"] == "as it is"
    assert np.array_equal(pullback(2.0)[1], 2 * A)
    assert value_and_grad(lambda x: 3.0)(2.0) == (3.0, 0.0)


def test_a_jacobian_has_the_result_before_the_argument():
    def function(x, y):
        return np.stack([x[0] * y, x[1] * y, y])  # (3, 2)

    by_x, by_y = jacobian(function, (0, 1))(A, B)
    assert by_x.shape == by_y.shape == (3, 2, 2)
    assert np.array_equal(jacobian(function, 1)(A, B), by_y)
    assert np.array_equal(jacobian(function)(A, B), by_x)
    assert np.array_equal(by_x[0], np.stack([B, np.zeros(2)], axis=1))
    assert np.array_equal(by_y[1], 2 * np.eye(2))
    tree = jacobian(lambda x: {"a": x[:1], "b": (x * 2,)}, (0,))(A)
    assert np.array_equal(tree["a"][0], [[1.0, 0.0]])
    assert np.array_equal(tree["b"][0][0], 2 * np.eye(2))


def test_a_jacobian_of_nothing_is_empty():
    empty = jacobian(lambda x: x[:0])(np.float32(A))
    assert empty.shape == (0, 2)
    assert empty.dtype == np.float32


def test_dtypes_are_those_of_the_arguments():
    x = np.float32([1.0, 2.0])
    assert jacobian(np.sin)(x).dtype == np.float32
    assert hessian(lambda x: np.sum(x**3))(x).dtype == np.float32
    assert hvp(lambda x: np.sum(x**3), x, x).dtype == np.float32
    assert all(out.dtype == np.float32 for out in jvp(np.sin, (x,), (x,)))
    assert grad(lambda x: np.sum(x * np.ones(2)))(x).dtype == np.float32
    assert grad(lambda x: x)(np.float32(2)).dtype == np.float32


def test_a_tangent_at_a_recorded_tensor_is_recorded_too():
    """d/dx (cos(x) v) = -sin(x) v, by a pass back through what `jvp` gave."""
    x = tensor(A, requires_grad=True)
    _, tangent = jvp(np.sin, (x,), (B,))
    tangent.backward(np.ones(2))
    np.testing.assert_allclose(x.grad, -np.sin(A) * B)


def test_the_rows_of_a_jacobian_are_pullbacks_to_the_last_bit():
    x = np.linspace(-2, 2, 7, dtype=np.float32)

    def function(x):
        return np.exp(np.sin(x) * x[::-1]) / 3

    _, pullback = vjp(function, x)
    rows = [pullback(row)[0] for row in np.eye(7, dtype=np.float32)]
    assert np.array_equal(jacobian(function)(x), np.stack(rows))


def test_a_hessian_is_taken_by_the_arguments_that_are_chosen():
    assert np.array_equal(hessian(bilinear)(A, B), np.diag(2 * B))
    assert np.array_equal(hessian(lambda x, y: bilinear(y, x), 1)(A, B), np.diag(2 * A))
    blocks = hessian(bilinear, (0, 1))(A, B)
    assert np.array_equal(blocks[0][1], np.diag(2 * A))
    assert np.array_equal(blocks[1][0], np.diag(2 * A))
    assert np.array_equal(blocks[1][1], np.zeros((2, 2)))


def test_a_product_with_the_hessian_has_the_form_of_the_arguments():
    cube = hvp(lambda x: np.sum(x**3), A, B)
    assert np.array_equal(cube, 6 * A * B)
    assert np.array_equal(hvp(lambda x: np.sum(x**3), (A,), (B,)), cube)
    by_x, by_y = hvp(bilinear, (A, B), (np.ones(2), np.zeros(2)))
    assert np.array_equal(by_x, 2 * B)
    assert np.array_equal(by_y, 2 * A)


def test_a_derivative_along_a_direction_adds_up_over_the_arguments():
    out, slope = jvp(lambda x, y: x * y, (A, B), (np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    assert np.array_equal(out, A * B)
    assert np.array_equal(slope, [B[0], A[1]])
    tangent = tensor([1.0, 1.0], requires_grad=True)
    _, slope = jvp(np.square, (A,), (tangent,))
    np.sum(slope).backward()
    assert np.array_equal(tangent.grad, 2 * A)


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacobian, hessian])
def test_what_comes_back_is_called_by_what_it_is(transform):
    assert transform(bilinear).__name__ == f"{transform.__name__}(bilinear)"
    assert transform(bilinear).__qualname__ == f"{transform.__name__}(bilinear)"


def test_a_function_without_a_name_is_a_function():
    class Callable:
        def __call__(self, x):
            return x

    assert grad(Callable()).__name__ == "grad(function)"
