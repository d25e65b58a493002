"""Slopes where the obvious formula would cancel, underflow or overflow."""

import numpy as np
import pytest

from acg_numpy import grad, hessian, tensor
from acg_numpy.autograd.rules.elementwise import safe_divide, safe_ratio, tie_share
from acg_numpy.autograd.table import Primitive
from tests.autograd.cases.all import ENTRIES

EXACT = {
    "tanh far out": (np.tanh, 20.0, 4 * np.exp(-40.0)),
    "tanh far out on the other side": (np.tanh, -300.0, 4 * np.exp(-600.0)),
    "expm1 far out": (np.expm1, -60.0, np.exp(-60.0)),
    "arctan far out": (np.arctan, 1e200, 0.0),
    "arctan": (np.arctan, 1e10, 1e-20),
    "arcsinh far out": (np.arcsinh, 1e200, 1e-200),
    "arctanh near 1": (np.arctanh, 1 - 2.0**-50, 1 / (2.0**-50 * (2 - 2.0**-50))),
    "arcsin near 1": (np.arcsin, 1 - 2.0**-50, 1 / np.sqrt(2.0**-50 * (2 - 2.0**-50))),
    "arccosh near 1": (np.arccosh, 1 + 2.0**-50, 1 / np.sqrt(2.0**-50 * (2 + 2.0**-50))),
    "reciprocal": (np.reciprocal, 1e-150, -1e300),
    "arctan2 of the tiny": (lambda x: np.arctan2(x, 1e-200), 1e-200, 0.5e200),
    "arctan2 by the tiny": (lambda x: np.arctan2(1e-200, x), 1e-200, -0.5e200),
    "arctan2 of the huge": (lambda x: np.arctan2(x, 1e200), 1e200, 0.5e-200),
    "hypot of the tiny": (lambda x: np.hypot(x, 4e-200), 3e-200, 0.6),
    "logaddexp of large equals": (lambda x: np.logaddexp(x, 1e17), 1e17, 0.5),
    "fmod": (lambda x: np.fmod(np.float32(1.5), x), np.float32(0.3), -4.0),
    "a large odd power": (lambda x: x ** (2.0**53 + 2.0), -1.0, -(2.0**53) - 2.0),
    "sinc near 0": (np.sinc, 1e-8, -(np.pi**2) * 1e-8 / 3),
}


SIZES = {  # the floating type, one of a wider range, and magnitudes all over the range of the first
    np.float32: (np.float64, [1e-37, 1e-30, 1e-20, 1e-8, 0.3, 0.999, 1.0, 1.5, 20.0, 80.0, 1e8, 1e20, 1e30, 1e37]),
    np.float64: (
        np.longdouble,
        [1e-300, 1e-200, 1e-160, 1e-30, 1e-8, 0.3, 0.999, 1.0, 1.5, 20.0, 700.0, 1e8, 1e30, 1e160, 1e200, 1e300],
    ),
}
UFUNCS = [ufunc for ufunc in ENTRIES if isinstance(ufunc, np.ufunc) and ufunc.signature is None and ufunc.nout == 1]


def slopes(ufunc, inputs, place, dtype):
    """Slopes by one argument, as the engine computes them where every floating-point warning is an error."""
    tensors = [tensor(x.astype(dtype), requires_grad=i == place) for i, x in enumerate(inputs)]
    with np.errstate(all="ignore"):
        out = ufunc(*tensors)
    out.backward(np.ones(out.shape, out.dtype))
    return tensors[place].grad


@pytest.mark.parametrize("dtype", SIZES)
def test_slopes_that_can_be_represented_are_right_at_all_magnitudes(dtype):
    """The same rules in a wider type, where nothing overflows, underflows or cancels, are what they are held to."""
    wider, sizes = SIZES[dtype]
    if np.finfo(wider).maxexp == np.finfo(dtype).maxexp:
        pytest.skip("this machine has no floating type of a wider range")
    limits, wrong, tried = np.finfo(dtype), [], 0
    points = np.array([sign * size for size in sizes for sign in (1, -1)] + [0.0], dtype)
    for ufunc in UFUNCS:
        entry = ENTRIES[ufunc]
        if type(entry) is not Primitive or entry.name.startswith("scipy") or ufunc is np.ldexp:  # it takes integers
            continue
        inputs = [x.ravel() for x in np.meshgrid(*[points] * ufunc.nin)]
        for place in range(ufunc.nin):
            if entry.rules[place] is None:
                continue
            with np.errstate(all="ignore"):
                expected = slopes(ufunc, inputs, place, wider)
                defined = np.isfinite(ufunc(*inputs)) & (np.abs(expected) < limits.max / 1e3)
            chosen = [x[defined] for x in inputs]
            with np.errstate(all="raise"):
                try:
                    found = slopes(ufunc, chosen, place, dtype)
                except FloatingPointError as error:
                    wrong.append((entry.name, place, error))
                    continue
            tried += len(found)
            error = np.abs(found - expected[defined])
            for i in np.flatnonzero(~(error <= 1e-4 * np.abs(expected[defined]) + 4 * limits.smallest_normal)):
                wrong.append((entry.name, place, [x[i] for x in chosen], found[i], expected[defined][i]))
    assert not wrong
    assert tried > 10_000


@pytest.mark.parametrize("name", EXACT)
def test_a_slope_keeps_its_digits(name):
    function, x, slope = EXACT[name]
    assert grad(function)(x) == pytest.approx(slope, rel=1e-13, abs=0)


def test_second_derivatives_keep_their_digits_too():
    assert grad(grad(np.tanh))(20.0) == pytest.approx(-8 * np.exp(-40.0), rel=1e-13)
    assert grad(grad(grad(np.tanh)))(0.0) == pytest.approx(-2.0)
    assert grad(grad(np.sinc))(0.0) == pytest.approx(-(np.pi**2) / 3)
    assert grad(grad(np.sinc))(1e-9) == pytest.approx(-(np.pi**2) / 3)
    assert hessian(np.i0)(np.array(0.0)) == pytest.approx(0.5)


def test_a_step_has_its_value_at_zero_from_its_second_argument():
    by_x, by_value = grad(lambda x, y: np.sum(np.heaviside(x, y)), (0, 1))(np.array([-1.0, 0.0, 2.0]), np.full(3, 0.5))
    assert by_x.tolist() == [0, 0, 0]
    assert by_value.tolist() == [0, 1, 0]


def test_helpers_are_zero_where_nothing_is_divided():
    zero, one = np.zeros(1), np.ones(1)
    assert safe_divide(zero, zero).tolist() == safe_ratio(one, zero).tolist() == [0]
    assert tie_share(one, one, one).tolist() == [0.5]


def test_infinite_numbers_have_a_fractional_part_of_zero():
    fraction, whole = np.modf(tensor([np.inf, -1.5], requires_grad=True))
    assert fraction.tolist() == [0, -0.5]
    assert whole.tolist() == [np.inf, -1]


@pytest.mark.parametrize(
    ("function", "far", "slopes"),
    [
        (np.tanh, [400.0, -800.0, 0.0], [0.0, 0.0, 1.0]),
        (np.expm1, [-800.0, 0.0], [0.0, 1.0]),
        (np.logaddexp.reduce, [-800.0, 3.0], [0.0, 1.0]),
        (lambda x: np.logaddexp(x, 3.0), [-800.0, 900.0], [0.0, 1.0]),
        (lambda x: np.logaddexp2(x, 3.0), [-2000.0, 2000.0], [0.0, 1.0]),
    ],
    ids=["tanh", "expm1", "logaddexp of all", "logaddexp", "logaddexp2"],
)
def test_slope_that_underflows_is_zero_also_where_numpy_raises(function, far, slopes):
    t = tensor(far, requires_grad=True)
    with np.errstate(under="ignore"):
        total = np.sum(function(t))
    with np.errstate(all="raise"):
        total.backward()
    np.testing.assert_allclose(t.grad, slopes, atol=1e-300)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_tanh_in_middle_and_tails_together(shape, dtype):
    x = np.resize(np.array([0.5, 6.0, -0.1, -7.0, np.nan, 0.0], dtype), shape)
    found = grad(lambda x: np.sum(np.tanh(x)))(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, 1 / np.cosh(x.astype(np.longdouble)) ** 2, rtol=300 * float(np.finfo(dtype).eps))
