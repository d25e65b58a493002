"""`gradcheck` checks what the engine gives for a function of Tensors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acg_numpy.autograd import from_passes, register_rule, tensor
from acg_numpy.checks import GradientMismatch, gradcheck
from tests.checks.pairs_to_check import attention_backward, attention_forward, attention_inputs

softplus_of_another_slope = register_rule(lambda x: np.logaddexp(x, 0.0), lambda g, ans, x: g * np.tanh(x))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_a_chain_of_known_functions_passes_at_both_orders(rows, inner, columns, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns))
    report = gradcheck(lambda x, w: np.exp(np.tanh(x @ w)) / (1.0 + x[:, :1] ** 2), x, w, second_order=True)
    assert report.passed
    assert list(report.second_order.per_input) == ["x", "w", "grad_out"]


def test_a_wrong_rule_fails():
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(softplus_of_another_slope, np.array([0.5, 1.0]))
    assert caught.value.report.per_input["x"].num_wrong == 2


def test_a_rule_wrong_at_second_order_only_fails_there():
    x = np.array([0.5, 1.0])
    cut_off = register_rule(lambda x: np.sin(x), lambda g, ans, x: g * np.cos(x if type(x) is np.ndarray else x.data))
    assert gradcheck(cut_off, x).passed
    report = gradcheck(cut_off, x, second_order=True, raise_on_failure=False)
    assert not report.passed
    assert report.second_order.per_input["x"].num_wrong == 2
    assert report.second_order.per_input["grad_out"].passed


def test_a_pair_in_the_engine_passes_with_a_mask_and_several_outputs():
    attention = from_passes(attention_forward, attention_backward)
    inputs = attention_inputs(np.random.default_rng(0))
    mask = np.array([True, False, True, True, True])

    def both(query, key, value, key_bias, mask):
        out = attention(query, key, value, key_bias, mask)
        return out, np.sum(out * out)

    report = gradcheck(both, *inputs, mask, second_order=True)
    assert report.passed
    assert report.per_input["mask"].held == "bool"


def test_tensors_are_inputs_too_and_are_left_as_they_are():
    t = tensor([1.0, 2.0], requires_grad=True)
    assert gradcheck(np.square, t).passed
    assert t.grad is None
    assert np.array_equal(t.data, [1.0, 2.0])


def test_tensors_reached_from_outside_are_held_fixed():
    weight = tensor([1.0, 2.0], requires_grad=True)
    assert gradcheck(lambda x: np.sum(x * weight), np.array([3.0, 4.0]), second_order=True).passed
    assert weight.grad is None


def test_an_input_that_is_not_used_has_gradient_zero():
    report = gradcheck(lambda x, y: np.exp(x), np.ones(2), np.ones(3))
    assert report.per_input["y"].dead


def test_a_function_that_draws_has_no_derivative_and_is_called_random():
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x: x * rng.normal(), np.array([1.0, 2.0]), raise_on_failure=False)
    assert not report.passed
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["random-forward"]


def test_what_the_function_raises_is_passed_on():
    def function(x):
        raise RuntimeError("no such luck")

    with pytest.raises(RuntimeError, match="no such luck"):
        gradcheck(function, np.ones(2))


def test_a_function_without_a_floating_output_is_refused():
    with pytest.raises(ValueError, match="not floating"):
        gradcheck(np.argmax, np.ones(2))
