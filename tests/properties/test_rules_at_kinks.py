"""What the rules give at kinks, zeros, ties and infinite slopes, at first and second order.

Where there is a derivative it is compared with differences, where there is none with the convention that the rules
state.
"""

import numpy as np
import pytest

from acg_numpy import NoDerivativeError, grad, hessian, tensor, vjp
from acg_numpy.checks import gradcheck


def second(function):
    """The gradient of the sum of the gradient: the Hessian's rows, added up."""
    return grad(lambda x: np.sum(grad(function)(x)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
class TestProducts:
    @pytest.mark.parametrize(
        ("x", "first"),
        [([2.0, 0.0, 3.0], [0, 6, 0]), ([0.0, 0.0, 3.0], [0, 0, 0]), ([0.0, 0.0, 0.0], [0, 0, 0])],
        ids=["one zero", "two zeros", "all zeros"],
    )
    def test_a_product_with_zeros_has_the_slope_that_the_others_multiply_to(self, x, first, dtype):
        for function in (np.prod, np.multiply.reduce, lambda x: np.cumprod(x)[-1]):
            gradient = grad(function)(np.array(x, dtype))
            assert gradient.dtype == dtype
            assert gradient.tolist() == first
            gradcheck(function, np.array(x), second_order=True, names=["x"])

    def test_zeros_in_one_row_leave_the_others_alone(self, dtype):
        x = np.array([[1.0, 0.0, 2.0], [3.0, 4.0, 5.0], [0.0, 0.0, 7.0]])
        for axis in (0, 1, -1, (0, 1), None):
            gradcheck(lambda x, axis=axis: np.prod(x, axis=axis), x, second_order=True)
            gradcheck(lambda x, axis=axis: np.cumprod(x, axis=0 if isinstance(axis, tuple) else axis), x)
            gradcheck(lambda x, axis=axis: np.prod(np.reshape(x, (3, 1, 3)), axis=axis), x)
        assert grad(lambda x: np.sum(np.prod(x, axis=1)))(x.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
class TestPowers:
    X = np.array([0.0, -1.5, 2.0])

    @pytest.mark.parametrize(
        "y", [2, 2.0, 3, 1, 0, np.array([2.0, 2.0, 2.0]), np.array([2, 3, 0]), np.array([0, 3, 2])], ids=repr
    )
    def test_whole_powers_are_smooth_at_zero_and_below(self, y, dtype):
        gradcheck(lambda x: x**y, self.X, second_order=True)
        y = y.astype(dtype) if isinstance(y, np.ndarray) else y
        assert grad(lambda x: np.sum(x**y))(self.X.astype(dtype)).dtype == dtype
        assert second(lambda x: np.sum(x**y))(self.X.astype(dtype)).dtype == dtype

    def test_zero_to_the_zeroth_is_one_and_flat_in_both(self, dtype):
        zero = np.zeros((), dtype)
        assert grad(np.power, (0, 1))(zero, zero) == (0.0, 0.0)
        assert second(lambda x: x**0)(zero) == 0.0

    def test_the_slope_at_power_zero_changes_with_the_power(self, dtype):
        """d/dy d/dx x**y = x**(y - 1) (1 + y log x), which is 1 / x at y = 0, in whichever order it is taken."""
        x, y = np.array([2.0, 4.0], dtype), np.zeros(2, dtype)
        by_y = grad(lambda y: np.sum(grad(lambda x: np.sum(x**y))(x)))(y)
        by_x = grad(lambda x: np.sum(grad(lambda y: np.sum(x**y))(y)))(x)
        assert by_y.tolist() == by_x.tolist() == [0.5, 0.25]

    def test_a_base_that_is_broadcast_collects_from_all_powers_also_at_zero(self, dtype):
        x, y = np.array([[0.0], [2.0]], dtype), np.array([0.0, 1.0, 2.0], dtype)
        assert grad(lambda x: np.sum(x**y))(x).tolist() == [[1], [5]]  # 1 + 2 x

    def test_zero_to_a_power_is_flat_in_the_power(self, dtype):
        y = np.array([1.0, 2.0, 0.5], dtype)
        assert grad(lambda y: np.sum(0.0**y))(y).tolist() == [0, 0, 0]
        assert grad(lambda y: np.sum(np.zeros(3, dtype) ** y))(y).tolist() == [0, 0, 0]
        assert second(lambda y: np.sum(np.zeros(3, dtype) ** y))(y).tolist() == [0, 0, 0]

    def test_powers_of_a_number_are_smooth_in_the_power(self, dtype):
        gradcheck(lambda y: 2.5**y, self.X, second_order=True)
        assert grad(lambda y: np.sum(2.5**y))(self.X.astype(dtype)).dtype == dtype


GUARDED = {
    "log": (lambda x: np.where(x > 0, np.log(x), 0.0), lambda x: 1 / x),
    "log2": (lambda x: np.where(x > 0, np.log2(x), 0.0), lambda x: 1 / x / np.log(2.0)),
    "log10": (lambda x: np.where(x > 0, np.log10(x), 0.0), lambda x: 1 / x / np.log(10.0)),
    "log1p": (lambda x: np.where(x > 0, np.log1p(x - 1), 0.0), lambda x: 1 / x),
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), lambda x: 0.5 / np.sqrt(x)),
    "cbrt": (lambda x: np.where(x > 0, np.cbrt(x), 0.0), lambda x: x ** (-2 / 3) / 3),
    "power": (lambda x: np.where(x > 0, x**0.5, 0.0), lambda x: 0.5 / np.sqrt(x)),
    "negative power": (lambda x: np.where(x > 0, x**-1.0, 0.0), lambda x: -1 / x**2),
    "powers": (lambda x: np.where(x > 0, x ** np.full(3, 0.5), 0.0), lambda x: 0.5 / np.sqrt(x)),
    "powers of which some are whole": (
        lambda x: np.where(x > 0, x ** np.array([0.5, 2.0, 2.0]), 0.0),
        lambda x: 2.0 * x,
    ),
    "reciprocal": (lambda x: np.where(x > 0, np.reciprocal(x), 0.0), lambda x: -1 / x**2),
    "division": (lambda x: np.where(x > 0, 2.0 / x, 0.0), lambda x: -2 / x**2),
    "numerator too": (lambda x: np.where(x > 0, np.exp(x) / x, 0.0), lambda x: np.exp(x) * (1 / x - 1 / x**2)),
    "arctanh": (lambda x: np.where(x > 0, np.arctanh(1 - x), 0.0), lambda x: -1 / (1 - (1 - x) ** 2)),
    "arcsin": (lambda x: np.where(x > 0, np.arcsin(1 - x), 0.0), lambda x: -1 / np.sqrt(1 - (1 - x) ** 2)),
    "arccos": (lambda x: np.where(x > 0, np.arccos(1 - x), 0.0), lambda x: 1 / np.sqrt(1 - (1 - x) ** 2)),
    "arccosh": (lambda x: np.where(x > 0, np.arccosh(1 + x), 0.0), lambda x: 1 / np.sqrt((1 + x) ** 2 - 1)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", GUARDED)
def test_where_guards_an_infinite_slope_at_zero(name, dtype):
    """The branch not taken has gradient 0, and 0 times an infinite slope stays 0: at both orders."""
    function, slope = GUARDED[name]
    x = np.array([0.0, 0.5, 0.8], dtype)
    with np.errstate(divide="ignore", invalid="ignore"):  # the forward itself meets 1 / 0; the backward may not add NaN
        first, again = grad(lambda x: np.sum(function(x)))(x), second(lambda x: np.sum(function(x)))(x)
        numeric = (slope(x[1:].astype(float) + 1e-6) - slope(x[1:].astype(float) - 1e-6)) / 2e-6
    assert first.dtype == again.dtype == dtype
    assert first[0] == again[0] == 0.0
    tolerance = 1e-6 if dtype == np.float64 else 1e-4
    assert np.allclose(first[1:], slope(x[1:]), rtol=tolerance)
    assert np.allclose(again[1:], numeric, rtol=tolerance)


def test_where_guards_a_division_also_where_the_divisor_is_broadcast():
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 2.0])
    with np.errstate(divide="ignore"):
        left, right = grad(lambda x, y: np.sum(np.where(y > 0, x / y, 0.0)), (0, 1))(x, y)
    assert left.tolist() == [[0, 0.5], [0, 0.5]]
    assert right.tolist() == [0, -1.5]


@pytest.mark.parametrize(
    "function",
    [np.sqrt, np.log, np.cbrt, lambda x: x**0.5, lambda x: x ** np.array(0.5)],
    ids=["sqrt", "log", "cbrt", "to a number", "to an array"],
)
def test_an_infinite_slope_that_is_asked_for_is_infinite(function):
    with np.errstate(divide="ignore"):
        assert grad(function)(0.0) == np.inf


def test_the_slope_in_a_zero_gradient_is_right_beside_infinite_slopes():
    """The pullback is linear in its gradient g, also at g = 0 and where it guards x = 0: its slope in g is J."""
    x, y = np.array([0.0, 4.0, 0.0, 0.0]), np.array([0.5, 0.5, 1.5, 2.0])

    def slopes(function):
        return grad(lambda g: np.sum(vjp(function, x)[1](g)[0]))(np.zeros(4))

    with np.errstate(divide="ignore"):
        assert slopes(lambda x: x**y)[1:].tolist() == [0.25, 0, 0]
        assert slopes(np.sqrt)[1] == 0.25
        assert slopes(lambda x: 1.0 / x)[1] == -1 / 16


def test_a_power_of_a_negative_number_has_no_slope_in_the_power():
    assert np.isnan(grad(lambda y: (-2.0) ** y)(2.0))
    with np.errstate(invalid="ignore"):
        assert np.isnan(grad(lambda y: np.array(-2.0) ** y)(2.0))


def test_many_ties_are_sorted_in_the_order_in_which_they_came():
    places = np.arange(300.0)
    gradient = grad(lambda x: np.sort(x) @ places)(np.tile([1.0, 0.0], 150))
    assert gradient[1::2].tolist() == places[:150].tolist()
    assert gradient[::2].tolist() == places[150:].tolist()


def test_a_cast_to_whole_numbers_leaves_the_graph():
    t = tensor([1.5, -2.5], requires_grad=True)
    for found in (np.astype(t, np.int64), t.astype(int)):
        assert type(found) is np.ndarray
        assert found.tolist() == [1, -2]


def test_where_the_running_axis_is_left_out_there_may_be_only_one():
    t = tensor(np.ones((2, 3)), requires_grad=True)
    for name in ("cumulative_sum", "cumulative_prod"):
        if hasattr(np, name):
            with pytest.raises(ValueError, match="axis"):
                getattr(np, name)(t)


FLAT_AT_A_POINT = {
    "norm": (np.linalg.norm, np.zeros(3)),
    "norm of a row": (lambda x: np.sum(np.linalg.norm(x, axis=1)), np.array([[0.0, 0.0], [0.0, 0.0]])),
    "Frobenius": (np.linalg.norm, np.zeros((2, 2))),
    "norm 1": (lambda x: np.linalg.norm(x, 1), np.zeros(3)),
    "norm inf": (lambda x: np.linalg.norm(x, np.inf), np.zeros(3)),
    "std": (np.std, np.ones(3)),
    "std of a row": (lambda x: np.sum(np.std(x, axis=0, ddof=1)), np.ones((3, 2))),
    "absolute": (lambda x: np.sum(np.abs(x)), np.zeros(2)),
    "fabs": (lambda x: np.sum(np.fabs(x)), np.zeros(2)),
    "copysign": (lambda x: np.sum(np.copysign(x, np.array([-1.0, 1.0]))), np.zeros(2)),
    "hypot": (lambda x: np.hypot(x[0], x[1]), np.zeros(2)),
    "arctan2": (lambda x: np.arctan2(x[0], x[1]), np.zeros(2)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FLAT_AT_A_POINT)
def test_lengths_have_slope_zero_at_zero_at_both_orders(name, dtype):
    function, x = FLAT_AT_A_POINT[name]
    for gradient in (grad(function)(x.astype(dtype)), second(function)(x.astype(dtype))):
        assert gradient.dtype == dtype
        assert not np.any(gradient)


def test_a_zero_row_does_not_flatten_its_neighbours():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(x).tolist() == [[0, 0], [0.6, 0.8]]
    gradcheck(lambda row: np.linalg.norm(np.stack([np.zeros(2), row]), axis=1), x[1], second_order=True)


def test_the_hessian_of_a_deviation_is_zero_where_the_deviation_is():
    """All of it, not only the sums of its rows, which are zero everywhere."""
    assert not np.any(hessian(np.std)(np.ones(3)))
    assert not np.any(hessian(np.linalg.norm)(np.zeros(3)))


def test_a_corner_does_not_flatten_its_neighbours():
    x, y = np.array([0.0, 3.0]), np.array([0.0, 4.0])
    assert np.allclose(grad(lambda x, y: np.sum(np.hypot(x, y)), (0, 1))(x, y), [[0, 0.6], [0, 0.8]])
    assert np.allclose(grad(lambda x, y: np.sum(np.arctan2(x, y)), (0, 1))(x, y), [[0, 0.16], [0, -0.12]])
    assert np.allclose(second(lambda x: np.sum(np.hypot(x, y)))(x), [0, 0.128])  # y**2 / hypot**3


def test_a_variance_is_smooth_where_it_is_zero():
    gradcheck(np.var, np.ones(3), second_order=True, names=["x"])


TIES = {
    "max": (np.max, [1.0, 2.0, 2.0], [0, 0.5, 0.5]),
    "min": (np.min, [1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3]),
    "max of rows": (lambda x: np.sum(np.max(np.stack([x, x]), axis=1)), [2.0, 2.0, 1.0], [1, 1, 0]),
    "maximum": (lambda x: np.sum(np.maximum(x, 1.0)), [0.0, 1.0, 2.0], [0, 0.5, 1]),
    "minimum": (lambda x: np.sum(np.minimum(1.0, x)), [0.0, 1.0, 2.0], [1, 0.5, 0]),
    "fmax": (lambda x: np.sum(np.fmax(x, np.array([np.nan, 1.0, np.nan]))), [0.0, 1.0, 2.0], [1, 0.5, 1]),
    "maximum of itself": (lambda x: np.sum(np.maximum(x, x)), [0.0, 1.0, 2.0], [1, 1, 1]),
    "running maximum": (lambda x: np.maximum.accumulate(x)[2], [2.0, 2.0, 1.0], [0.5, 0.5, 0]),
    "sort": (lambda x: np.sort(x) @ np.array([1.0, 2.0, 4.0]), [1.0, 0.0, 1.0], [2, 1, 4]),
    "clip at its ends": (lambda x: np.sum(np.clip(x, 0.0, 1.0)), [0.0, 1.0, 2.0], [1, 1, 0]),
    "norm inf": (lambda x: np.linalg.norm(x, np.inf), [2.0, -2.0, 1.0], [0.5, -0.5, 0]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", TIES)
def test_ties_are_shared_as_the_convention_says_and_flat_at_second_order(name, dtype):
    function, x, expected = TIES[name]
    first = grad(lambda x: function(x).astype(dtype))(np.array(x, dtype))
    assert first.dtype == dtype
    assert np.allclose(first, expected, rtol=1e-6)
    assert not np.any(second(lambda x: function(x).astype(dtype))(np.array(x, dtype)))


SINGULAR = {
    "rank 1 of 2": np.array([[1.0, 2.0], [2.0, 4.0]]),
    "rank 2 of 3": np.arange(1.0, 10.0).reshape(3, 3),
    "rank 1 of 3": np.ones((3, 3)),
    "zero": np.zeros((3, 3)),
    "a zero row": np.array([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 1.0, 2.0]]),
    "one number": np.zeros((1, 1)),
    "a stack, one of it regular": np.stack([np.ones((2, 2)), np.array([[1.0, 2.0], [3.0, 5.0]])]),
    "nearly": np.array([[1.0, 2.0], [1.0, 2.0 + 1e-10]]),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_the_determinant_of_a_singular_matrix_has_its_cofactors_for_slopes(name):
    gradcheck(np.linalg.det, SINGULAR[name], second_order=True, names=["a"], atol=1e-8)
    assert grad(lambda a: np.sum(np.linalg.det(a)))(SINGULAR[name].astype(np.float32)).dtype == np.float32
    assert second(lambda a: np.sum(np.linalg.det(a)))(SINGULAR[name].astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5])
def test_a_nearly_singular_matrix_has_exact_cofactors_at_any_scale(scale):
    """For [[a, b], [c, d]] the second derivatives are 1 and -1; through the inverse they would lose their digits."""
    a, b, c, d = scale * np.array([0.99, 2.53, 1.53, 3.91 + 1e-9])  # outer((1.1, 1.7), (0.9, 2.3)), all but
    nearly, expected = np.array([[a, b], [c, d]]), [[d, -c], [-b, a]]
    pairs = [[[[0, 0], [0, 1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[1, 0], [0, 0]]]]
    np.testing.assert_allclose(grad(np.linalg.det)(nearly), expected, rtol=1e-13)
    np.testing.assert_allclose(hessian(np.linalg.det)(nearly), pairs, atol=1e-13)
    for neighbour in (1e-9 * np.eye(2), 1e9 * np.eye(2)):
        stack = np.stack([nearly, neighbour])
        found = hessian(lambda a: np.sum(np.linalg.det(a)))(stack)
        np.testing.assert_allclose(found[0, :, :, 0], pairs, atol=1e-13)


def test_the_third_derivative_of_a_determinant_is_there_too():
    """det of a 3x3 matrix is a polynomial of degree 3: moved along e_11, then e_22, then e_33 it changes by 1."""

    def along(function, i):
        return lambda a: grad(function)(a)[i, i]

    third = along(along(along(np.linalg.det, 0), 1), 2)
    assert third(np.zeros((3, 3))) == pytest.approx(1.0)
    assert third(np.eye(3) + 0.3) == pytest.approx(1.0)


@pytest.mark.parametrize("function", [np.logaddexp, np.logaddexp2], ids=["logaddexp", "logaddexp2"])
def test_infinite_terms_have_all_of_a_sum_or_no_part_in_it(function):
    x = np.array([-np.inf, -np.inf, 1.0, np.inf])
    y = np.array([-np.inf, 0.5, -np.inf, 2.0])
    _, pull = vjp(function, x, y)
    left, right = pull(np.array([1.0, 1.0, 1.0, 2.0]))
    assert left.tolist() == [0, 0, 1, 2]
    assert right.tolist() == [0, 1, 0, 0]


def test_replaced_elements_have_slope_zero():
    x = np.array([1.0, np.nan, np.inf, -np.inf])
    assert grad(lambda x: np.sum(np.nan_to_num(x, posinf=3.0, neginf=-3.0)))(x).tolist() == [1, 0, 0, 0]


def test_remainders_have_slope_one_also_where_they_come_out_even():
    assert grad(lambda x: np.sum(np.remainder(x, 2.0)))(np.array([2.0, -4.0, 5.0])).tolist() == [1, 1, 1]


class TestRefusals:
    T = tensor(np.ones((3, 4)), requires_grad=True)

    @pytest.mark.parametrize("ord", [0, 3, -3, "nuclear"])
    def test_other_norms_of_matrices_name_what_there_is(self, ord):
        with pytest.raises(ValueError, match="'fro', 'nuc', 1, -1, 2, -2, inf, -inf"):
            np.linalg.norm(self.T, ord)

    @pytest.mark.parametrize("ord", ["fro", "nuc"])
    def test_norms_of_matrices_are_none_of_vectors(self, ord):
        with pytest.raises(ValueError, match="is for matrices"):
            np.linalg.norm(self.T, ord, axis=0)

    @pytest.mark.parametrize("mode", ["median", "empty", lambda *args: None], ids=["median", "empty", "function"])
    def test_other_ways_to_pad_name_what_there_is(self, mode):
        with pytest.raises(NoDerivativeError, match="constant, edge, linear_ramp"):
            np.pad(self.T, 1, mode)

    def test_padding_with_a_recorded_tensor_is_refused_under_numpys_name(self):
        with pytest.raises(NoDerivativeError, match=r"^np\.pad: no derivative for constant_values="):
            np.pad(self.T, 1, constant_values=np.sum(self.T))

    def test_what_numpy_refuses_is_refused(self):
        for call in (
            lambda t: np.split(t, 2),
            lambda t: np.array_split(t, 0),
            lambda t: np.linalg.norm(np.stack([t, t]), 1),
            lambda t: np.linalg.norm(t, axis=(0, 1, 0)),
            lambda t: np.diff(t, -1),
            lambda t: np.diag(np.stack([t, t])),
            lambda t: np.linalg.outer(t, t),
            lambda t: np.linalg.outer(t, t[0]),
            lambda t: np.linalg.outer(t[0], t),
            lambda t: np.stack([t, t.T]),
            lambda t: np.matmul(t, t),
            lambda t: np.einsum("ij,jk", t, t, t),
            lambda t: np.pad(t[:0], 1, "edge"),
        ):
            with pytest.raises(ValueError, match=r"\w"):
                call(np.ones((3, 4)))
            with pytest.raises(ValueError, match=r"\w"):
                call(self.T)


def test_take_beyond_the_end_is_refused_unless_a_mode_allows_it():
    t = tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(IndexError, match="out of bounds"):
        t.take([5])
    with pytest.raises(ValueError, match="'raise', or 'wrap'"):
        t.take([5], mode="nearest")
    with pytest.raises(IndexError, match="empty axes"):
        t[:0].take([0], mode="wrap")
    with pytest.raises(IndexError, match="integer"):
        t.take([0.0])


def test_no_indices_take_nothing():
    t = tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    nothing = t.take([], axis=1)
    np.sum(nothing).backward()
    assert nothing.shape == (1, 0)
    assert np.array_equal(t.grad, np.zeros((1, 3)))
