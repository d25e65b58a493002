"""Each way to a numeric derivative: right gradients never fail, and wrong ones never pass where that is resolved."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from acg_numpy.checks import gradcheck
from acg_numpy.checks.settings import METHODS
from tests.checks.comparing import compare_only
from tests.checks.functions import FUNCTIONS, ROUNDED, SMOOTH, pair, softmax_backward, softmax_forward

names = st.sampled_from(sorted(FUNCTIONS))


methods = pytest.mark.parametrize("method", METHODS)


@methods
@given(st.sampled_from(sorted(FUNCTIONS | ROUNDED)), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 30.0]))
def test_a_right_derivative_never_fails(method, name, seed, size):
    """Ten elements an example: 10,000 for each method under the thorough profile."""
    x = size * np.random.default_rng(seed).normal(size=10)
    report = compare_only(*pair(name), x, method=method, seed=seed % 1000, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


@methods
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 300.0))
@example(225, 23.0)  # at short steps the large weight is frozen, and differences of the others agree on a wrong value
def test_a_saturated_softmax_rounds_off_its_gradient_and_does_not_fail(method, seed, gap):
    """Where one weight is 1 but for rounding, P * (dP - sum(P * dP)) is nothing but rounding."""
    x = np.random.default_rng(seed).normal(size=(1, 4)) + np.array([gap, 0.0, 0.0, 0.0])
    report = compare_only(softmax_forward, softmax_backward, x, method=method, seed=seed % 1000, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0


@methods
@given(names, st.integers(0, 2**32 - 1), st.floats(1e-4, 1.0), st.booleans())
def test_an_error_above_a_ten_thousandth_never_passes_where_it_is_resolved(method, name, seed, error, sign):
    x = np.random.default_rng(seed).normal(size=10)
    factor = 1 + (error if sign else -error) * 1.01
    compared = compare_only(*pair(name, factor), x, method=method, raise_on_failure=False).per_input["x"]
    assert compared.num_right == int(np.sum(compared.zero))
    resolved = compared.error <= 9e-6 * np.abs(compared.numeric)  # ten times that, and rtol, are less than the error
    assert np.all(compared.wrong[resolved & ~compared.zero & (np.abs(compared.numeric) > 0)])


def test_functions_of_tensors_take_every_method():
    x = np.random.default_rng(0).normal(size=(3, 4))
    for method in METHODS:
        assert gradcheck(lambda x: np.tanh(x) * x, x, method=method).passed


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SMOOTH)), st.lists(st.floats(-5, 5), min_size=1, max_size=5), st.integers(0, 99))
@example("cubic", [0.0, 6.07e-177], 0)  # a number whose powers are too large to be written
def test_right_derivatives_never_fail_and_errors_of_a_thousandth_never_pass(name, points, seed):
    function, derivative = SMOOTH[name]
    x = np.array(points)
    right = compare_only(
        lambda x: (function(x), x), lambda g, x: g * derivative(x), x, seed=seed, raise_on_failure=False
    )
    assert right.per_input["x"].num_wrong == 0
    off = compare_only(
        lambda x: (function(x), x), lambda g, x: 1.001 * g * derivative(x), x, seed=seed, raise_on_failure=False
    )
    assert off.per_input["x"].num_right == off.per_input["x"].zero.sum()
    assume(not right.undecided)
    assert not off.passed
