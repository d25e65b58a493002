"""Every option of every transform, and what comes out: the chosen arguments, trees, auxiliary values, names, dtypes."""

import collections

import numpy as np
import pytest

from acg_numpy import (
    NoDerivativeError,
    Tensor,
    from_passes,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    register_rule,
    tensor,
    value_and_grad,
    vjp,
)
from acg_numpy.autograd.registry import plain
from acg_numpy.autograd.table import PLAIN, TABLE, Composite, EachPosition, Primitive, name_of

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


def test_the_rows_of_a_jacobian_are_what_is_pulled_back_to_the_last_bit():
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


def test_a_pair_is_called_by_its_forward():
    def square_forward(x):
        """A square."""
        return x * x, x

    square = from_passes(square_forward, lambda g, x: 2 * g * x)
    assert square.__name__ == square.__qualname__ == "square"
    assert square.__doc__ == "A square."


def test_inputs_of_a_pair_come_by_name_in_any_order_with_defaults_between():
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


# The table.


def test_a_function_is_called_by_the_name_people_know():
    assert name_of(np.add) == "np.add"
    assert name_of(np.linalg.norm) == "np.linalg.norm"
    assert name_of(np.sum) == "np.sum"
    assert name_of((np.add, "reduce")) == "np.add.reduce"
    assert name_of(bilinear) == "bilinear"
    assert name_of(collections.OrderedDict) == "OrderedDict"
    assert name_of(5) == "5"

    def inner():
        """Of a module that nobody imports from."""

    inner.__module__, inner.__qualname__ = "numpy._core.inner", "inner"
    assert name_of(inner) == "inner"


@pytest.fixture
def _table_as_it_was():
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_function_of_any_number_of_arrays_has_one_rule_that_is_told_the_place():
    def power_sum(*terms):
        return sum(term ** (i + 1) for i, term in enumerate(terms))

    total = register_rule(
        power_sum, EachPosition(lambda i, g, ans, *terms: g * (i + 1) * np.asarray(terms[i] ** i, float))
    )
    x, y = tensor(2.0, requires_grad=True), tensor(3.0, requires_grad=True)
    total(x, y).backward()
    assert (float(x.grad), float(y.grad)) == (1.0, 6.0)


@pytest.mark.usefixtures("_table_as_it_was")
def test_an_argument_that_is_left_out_between_two_others_has_its_default():
    def weighed(x, y=2.0, z=3.0):
        return x * y * z

    rules = (
        (lambda g, ans, x, y, z: g * y * z),
        (lambda g, ans, x, y, z: g * x * z),
        (lambda g, ans, x, y, z: g * x * y),
    )
    f = register_rule(weighed, *rules)
    t = tensor(5.0, requires_grad=True)
    out = f(t, z=4.0)
    assert out.item() == 40.0
    out.backward()
    assert t.grad == 8.0
    assert f(z=t, x=1.0).item() == 10.0


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_function_may_have_no_rule_for_any_argument():
    held = register_rule(lambda x: x * 2.0, None)
    assert held(tensor(A)).requires_grad is False
    with pytest.raises(NoDerivativeError, match="no derivative for argument 0"):
        held(tensor(A, requires_grad=True))


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_function_that_is_marked_plain_works_on_arrays():
    def median_place(x):
        return np.argsort(x)[len(x) // 2]

    plain([median_place])
    assert TABLE[median_place] is PLAIN


def test_the_table_holds_entries_of_three_kinds():
    assert {type(entry) for entry in TABLE.values()} == {Primitive, Composite, type(PLAIN)}
    assert TABLE[np.argmax] is PLAIN
    assert type(TABLE[np.exp]) is Primitive
    assert all(entry.name == name_of(function) for function, entry in TABLE.items() if type(entry) is Composite)


@pytest.mark.usefixtures("_table_as_it_was")
def test_what_is_left_out_of_a_call_by_keyword_is_left_out_of_the_rules_call():
    def scaled(x, by=2.0):
        return x * by

    f = register_rule(scaled, lambda g, ans, x, by=2.0: g * by, lambda g, ans, x, by=2.0: g * x)
    x = tensor(3.0, requires_grad=True)
    out = f(x=x)
    out.backward()
    assert out.item() == 6.0
    assert x.grad == 2.0


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_rule_is_found_for_tensors_by_keyword_too_and_not_needed_for_arrays():
    def scaled(x, *, by=2.0):
        return x * by

    f = register_rule(scaled, lambda g, ans, x, by=2.0: g * by)
    t = tensor([1.0], requires_grad=True)
    f(x=t, by=3.0).backward(np.ones(1))
    assert np.array_equal(t.grad, [3.0])
    assert type(f(A)) is np.ndarray
    assert isinstance(f(tensor(A)), Tensor)


def test_a_tensor_is_an_array_of_its_dtype_to_those_who_ask_itself():
    assert tensor(A).__array__(np.float32).dtype == np.float32
    assert np.array_equal(tensor(A).__array__(np.float32), A)
