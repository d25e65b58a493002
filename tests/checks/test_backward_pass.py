"""`check_backward` passes what is right and fails what is wrong."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acg_numpy.checks import GradientMismatch, check_backward
from tests.checks.comparing import compare_only
from tests.checks.pairs_to_check import (
    attention_backward,
    attention_forward,
    attention_inputs,
    embedding_backward,
    embedding_forward,
    square_backward,
    square_forward,
)

sides = st.integers(1, 4)


@settings(max_examples=30, deadline=None)
@given(st.lists(sides, max_size=2), sides, sides, sides, st.integers(0, 2**31), st.sampled_from([0.01, 1.0, 4.0]))
@example([], 4, 3, 3, 4, 4.0)  # saturated: at short steps two of three outputs that matter are frozen by rounding
def test_a_right_backward_passes_at_any_shape_and_size(batch, queries, keys, width, seed, size):
    inputs = attention_inputs(np.random.default_rng(seed), tuple(batch), queries, keys, width)
    report = check_backward(attention_forward, attention_backward, *(size * x for x in inputs), seed=seed)
    assert report.passed
    assert report.diagnoses == ()


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([0, 1, 2]),
    st.sampled_from([-1.0, 2.0, 0.0, 1.001]),
    st.integers(2, 4),
    st.integers(2, 4),
    st.integers(0, 2**31),
)
def test_a_factor_on_one_gradient_fails_and_names_that_input(which, factor, keys, width, seed):
    def wrong_backward(grad_out, cache):
        grads = list(attention_backward(grad_out, cache))
        grads[which] = factor * grads[which]
        return grads

    inputs = attention_inputs(np.random.default_rng(seed), keys=keys, width=width)
    report = compare_only(attention_forward, wrong_backward, *inputs, raise_on_failure=False)
    assert not report.passed
    assert report.worst.input == ("query", "key", "value")[which]
    assert [c.passed for c in report.comparisons] == [place != which for place in range(4)]


def test_the_worst_element_says_where_it_is_and_what_it_should_be():
    def wrong_backward(grad_out, x):
        grad = square_backward(grad_out, x)
        grad[1, 2] += 0.5
        return grad

    x = np.arange(1.0, 13.0).reshape(3, 4)
    worst = compare_only(square_forward, wrong_backward, x, raise_on_failure=False).worst
    assert (worst.input, worst.index) == ("x", (1, 2))
    assert worst.analytic - worst.numeric == pytest.approx(0.5, rel=1e-6)
    assert worst.absolute_error == pytest.approx(0.5, rel=1e-6)
    assert worst.relative_error == pytest.approx(0.5 / max(abs(worst.analytic), abs(worst.numeric)), rel=1e-6)


def test_a_failure_raises_an_assertion_error_that_carries_the_report():
    with pytest.raises(GradientMismatch) as caught:
        check_backward(square_forward, lambda grad_out, x: grad_out * x, np.ones(3))
    assert isinstance(caught.value, AssertionError)
    assert not caught.value.report.passed
    assert str(caught.value) == str(caught.value.report)


def test_a_key_bias_is_right_though_zero_and_noted_as_dead():
    report = check_backward(attention_forward, attention_backward, *attention_inputs(np.random.default_rng(0)))
    assert report.per_input["key_bias"].dead
    assert report.per_input["key_bias"].num_right == 4
    assert any("key_bias" in note and "cannot learn" in note for note in report.notes)


def test_a_zero_where_the_gradient_is_small_but_resolvable_is_wrong():
    def faint_forward(x):
        return 1.0 + 1e-9 * np.sin(x), x

    x = np.array([0.3, 0.7])
    assert check_backward(faint_forward, lambda g, x: 1e-9 * g * np.cos(x), x, rtol=1e-3).passed
    assert not check_backward(faint_forward, lambda g, x: 0.0 * x, x, raise_on_failure=False).passed


def test_a_constant_gradient_of_the_output_is_never_used():
    """All softmax rows sum to 1: behind a constant gradient a backward of nothing would look right."""

    def forward(x):
        P = np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)
        return P, P

    seen = []

    def nothing(grad_out, P):
        seen.append(grad_out)
        return np.zeros_like(P)

    assert not compare_only(forward, nothing, np.array([[0.0, 1.0, 2.0]]), raise_on_failure=False).passed
    assert np.ptp(seen[0]) > 0.01


def test_integers_booleans_and_none_are_held_fixed():
    rng = np.random.default_rng(1)
    ids = np.array([0, 2, 2, 1])
    report = check_backward(embedding_forward, embedding_backward, rng.normal(size=(4, 3)), ids)
    assert report.per_input["ids"].held == "int64"
    assert report.per_input["table"].num_right == 12
    for mask in (np.array([True, True, False, True, True]), None):
        assert check_backward(attention_forward, attention_backward, *attention_inputs(rng), mask).passed


def test_rows_assigned_where_an_id_repeats_are_found():
    def overwriting(grad_out, cache):
        grad = np.zeros(cache[0])
        grad[cache[1]] = grad_out
        return grad

    table, ids = np.random.default_rng(2).normal(size=(4, 3)), np.array([0, 2, 2, 1])
    report = compare_only(embedding_forward, overwriting, table, ids, raise_on_failure=False)
    assert np.array_equal(np.any(report.per_input["table"].wrong, axis=1), [False, False, True, False])
    assert compare_only(embedding_forward, overwriting, table, np.array([3, 1])).passed


def test_several_outputs_are_given_a_gradient_each_and_none_where_not_floating():
    def forward(x, y):
        return (x * y, np.sum(x), np.argmax(x)), (x, y)

    def backward(grad_outs, cache):
        grad_product, grad_sum, grad_place = grad_outs
        assert grad_place is None
        x, y = cache
        return grad_product * y + grad_sum, grad_product * x

    assert check_backward(forward, backward, np.array([1.0, 2.0]), np.array([3.0, -1.0]), second_order=False).passed


def test_float32_inputs_are_checked_in_float64():
    seen = []

    def forward(x):
        seen.append(x.dtype)
        return square_forward(x)

    assert check_backward(forward, square_backward, np.ones(3, dtype=np.float32)).passed
    assert set(seen) == {np.dtype(np.float64)}


def test_inputs_stay_even_where_a_forward_writes_into_them():
    def forward(x):
        x *= x
        return x + 0.0, None

    x = np.array([1.0, 2.0])
    check_backward(forward, lambda grad_out, cache: grad_out, x, raise_on_failure=False)
    assert np.array_equal(x, [1.0, 2.0])


def test_numbers_and_empty_arrays_are_inputs_too():
    def forward(x, scale):
        return scale * x, (x, scale)

    def backward(grad_out, cache):
        x, scale = cache
        return grad_out * scale, np.sum(grad_out * x)

    assert check_backward(forward, backward, np.array([1.0, 2.0]), 3.0).passed
    assert check_backward(square_forward, square_backward, np.zeros((0, 3))).passed


def test_what_the_forward_raises_is_passed_on():
    def forward(x):
        raise RuntimeError("no such luck")

    with pytest.raises(RuntimeError, match="no such luck"):
        check_backward(forward, square_backward, np.ones(2))


def test_the_same_seed_gives_the_same_check():
    inputs = attention_inputs(np.random.default_rng(3))
    first, second, other = (
        check_backward(attention_forward, attention_backward, *inputs, seed=seed) for seed in (5, 5, 6)
    )
    assert str(first) == str(second)
    assert not np.array_equal(first.per_input["query"].analytic, other.per_input["query"].analytic)


def test_second_order_differentiates_the_backward_itself():
    inputs = attention_inputs(np.random.default_rng(4))
    mask = np.array([True, True, True, False, True])
    report = check_backward(attention_forward, attention_backward, *inputs, mask, second_order=True)
    assert set(report.second_order.per_input) == {"query", "key", "value", "key_bias", "mask", "grad_out"}
    assert report.passed
    assert report.second_order.passed


def test_second_order_finds_a_cache_that_hides_its_dependence_on_the_input():
    """Right values from a cache cut off from the graph: right once, wrong when differentiated."""

    def forward(x):
        return np.sin(x), getattr(x, "data", x) if not isinstance(x, np.ndarray) else x

    def backward(grad_out, cache):
        return grad_out * np.cos(np.array(cache))

    x = np.array([0.3, -1.2])
    assert check_backward(forward, backward, x).passed
    report = check_backward(forward, backward, x, second_order=True, raise_on_failure=False)
    assert not report.passed
    assert report.worst.order == 2
    assert "second order" in str(report)
