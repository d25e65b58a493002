"""Lines of numeric code as people write them are right, or refused by name; none is silently wrong."""

import numpy as np
import pytest

from acg_numpy import Tensor, tensor, vjp
from acg_numpy.checks import gradcheck
from tests.autograd.idioms import ARRAYS, REFUSED, RIGHT, arrays_of, evaluate


def test_there_are_as_many_idioms_as_the_functions_ask_for():
    assert len(RIGHT) >= 150
    assert len(RIGHT) + len(REFUSED) >= 176
    assert not set(RIGHT) & REFUSED.keys()


@pytest.mark.parametrize("expression", RIGHT)
def test_an_idiom_has_numpys_value_and_the_gradient_of_differences(expression):
    arrays = arrays_of(expression)
    names = list(arrays)

    def function(*values):
        return evaluate(expression, names, values)

    expected = np.asarray(function(*arrays.values()))
    found = function(*(tensor(array, requires_grad=True) for array in arrays.values()))
    assert isinstance(found, Tensor)
    assert found.requires_grad
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert np.allclose(found.data, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
    if "holes" in arrays or "1e-200" in expression or "30" in expression:
        compare_with_differences(function, arrays)
    else:
        assert gradcheck(function, *arrays.values(), names=names).passed


def compare_with_differences(function, arrays):
    """For arrays with NaN, and for slopes of any size: along one direction."""
    rng = np.random.default_rng(3)
    directions = [np.where(np.isnan(a), 0.0, rng.normal(size=a.shape)) for a in arrays.values()]
    out, pull = vjp(function, *arrays.values())
    grad_out = rng.normal(size=out.shape)
    grads = pull(grad_out)
    values = list(arrays.values())
    step = 1e-6
    ends = [function(*(a + sign * step * d for a, d in zip(values, directions, strict=True))) for sign in (1, -1)]
    numeric = np.sum(grad_out * np.asarray(ends[0] - ends[1])) / (2 * step)
    exact = sum(np.sum(g * d) for g, d in zip(grads, directions, strict=True))
    assert exact == pytest.approx(numeric, rel=1e-6, abs=1e-12)
    assert all(np.all(np.isfinite(g)) for g in grads)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # NumPy's own, before it asks a Tensor
@pytest.mark.parametrize("expression", REFUSED)
def test_an_idiom_without_a_derivative_is_refused_and_the_reason_said(expression):
    arrays = arrays_of(expression)
    tensors = tuple(tensor(array, requires_grad=True) for array in arrays.values())
    with pytest.raises(TypeError, match=REFUSED[expression]):
        evaluate(expression, list(arrays), tensors)


def test_no_array_is_changed_by_any_of_them():
    before = {name: array.copy() for name, array in ARRAYS.items()}
    for expression in RIGHT:
        evaluate(expression, list(ARRAYS), tuple(tensor(array, requires_grad=True) for array in ARRAYS.values()))
    assert all(np.array_equal(ARRAYS[name], array, equal_nan=True) for name, array in before.items())
