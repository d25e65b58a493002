"""Cosine and diversity see directions alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.passes import cosine_backward, cosine_forward, diversity_backward, diversity_forward
from tests.passes.pairs import Call, cosine_calls, diversity_calls, generators


@given(cosine_calls(), st.floats(0.1, 100))
def test_the_cosine_does_not_notice_lengths(call: Call, by: float) -> None:
    a, b = call.args
    np.testing.assert_allclose(cosine_forward(a * by, b)[0], cosine_forward(a, b)[0], rtol=1e-9, atol=1e-12)


@given(cosine_calls())
def test_gradients_of_the_cosine_are_at_right_angles_to_their_rows(call: Call) -> None:
    a, b = call.args
    grads = cosine_backward(1.0, cosine_forward(a, b)[1])
    np.testing.assert_allclose(np.sum(grads.a * a, axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(np.sum(grads.b * b, axis=-1), 0, atol=1e-12)


@given(cosine_calls())
def test_a_row_agrees_with_itself_and_not_with_its_opposite(call: Call) -> None:
    a, _ = call.args
    np.testing.assert_allclose(cosine_forward(a, 3 * a)[0], 0, atol=1e-12)
    np.testing.assert_allclose(cosine_forward(a, -a)[0], 2, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_of_zeros_has_cosine_zero_and_gets_no_gradient(dtype: Any) -> None:
    a, b = np.array([[0.0, 0.0], [1.0, 0.0]], dtype), np.array([[1.0, 1.0], [0.0, 0.0]], dtype)
    loss, cache = cosine_forward(a, b)
    assert loss == 1
    np.testing.assert_array_equal(cache.a_length, [[1.0], [1.0]])  # of zeros too: who divides by it need not ask
    for grad in cosine_backward(1.0, cache):
        np.testing.assert_array_equal(grad, np.zeros((2, 2)))


@given(diversity_calls())
def test_diversity_is_the_mean_squared_cosine_of_distinct_rows(call: Call) -> None:
    (x,) = call.args
    n = x.shape[-2]
    squares = [
        (u @ v / np.sqrt(u @ u) / np.sqrt(v @ v)) ** 2
        for rows in x.reshape(-1, *x.shape[-2:])
        for i, u in enumerate(rows)
        for j, v in enumerate(rows)
        if i != j
    ]
    assert len(squares) == x.size // x.shape[-1] * (n - 1)
    np.testing.assert_allclose(diversity_forward(x)[0], np.mean(squares), rtol=1e-10, atol=1e-14)


@given(diversity_calls())
def test_gradients_of_diversity_are_at_right_angles_to_their_rows(call: Call) -> None:
    (x,) = call.args
    grads = diversity_backward(1.0, diversity_forward(x)[1])
    np.testing.assert_allclose(np.sum(grads.x * x, axis=-1), 0, atol=1e-12)


def test_orthogonal_rows_are_the_most_diverse_and_parallel_ones_the_least() -> None:
    loss, cache = diversity_forward(3 * np.eye(3))
    assert loss == 0
    np.testing.assert_array_equal(diversity_backward(1.0, cache).x, np.zeros((3, 3)))
    np.testing.assert_allclose(diversity_forward(np.array([[1.0, 2.0], [-2.0, -4.0]]))[0], 1)


def test_a_row_of_zeros_is_at_right_angles_to_all() -> None:
    x = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    loss, cache = diversity_forward(x)
    np.testing.assert_allclose(loss, 1 / 3)
    np.testing.assert_array_equal(diversity_backward(1.0, cache).x[0], [0.0, 0.0])


@given(cosine_calls())
def test_the_cosine_is_symmetric_and_between_zero_and_two(call: Call) -> None:
    a, b = call.args
    loss, cache = cosine_forward(a, b)
    other, other_cache = cosine_forward(b, a)
    assert loss == other
    assert -1e-12 <= loss <= 2 + 1e-12
    grads, other_grads = cosine_backward(1.0, cache), cosine_backward(1.0, other_cache)
    np.testing.assert_array_equal(grads.a, other_grads.b)
    np.testing.assert_array_equal(grads.b, other_grads.a)


@given(diversity_calls(), generators, st.floats(0.1, 100))
def test_diversity_ignores_the_order_the_lengths_and_the_signs_of_rows(
    call: Call, rng: np.random.Generator, by: float
) -> None:
    (x,) = call.args
    loss, _ = diversity_forward(x)
    assert 0 <= loss <= 1 + 1e-12
    signs = rng.choice([-1.0, 1.0], size=(x.shape[-2], 1))
    changed = by * signs * x[..., rng.permutation(x.shape[-2]), :]
    np.testing.assert_allclose(diversity_forward(changed)[0], loss, rtol=1e-9, atol=1e-13)
