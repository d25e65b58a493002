"""Layer norm does not notice where a row lies or how far it stretches."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.passes import layer_norm_backward, layer_norm_forward
from tests.passes.pairs import generators

widths = st.integers(2, 6)


def normalised(x: Any, eps: float = 1e-5) -> Any:
    return layer_norm_forward(x, np.ones(x.shape[-1]), None, eps=eps)


@given(generators, widths)
def test_rows_have_mean_zero_and_variance_one_but_for_eps(rng: np.random.Generator, D: int) -> None:
    x = rng.normal(size=(3, D))
    n, _ = normalised(x)
    v = np.var(x, axis=-1)
    np.testing.assert_allclose(n.mean(axis=-1), 0, atol=1e-10)
    np.testing.assert_allclose(np.var(n, axis=-1), v / (v + 1e-5), rtol=1e-9)


def test_eps_is_a_hundred_thousandth_unless_another_is_given() -> None:
    row = 1e-3 * np.array([-1.0, 1.0])  # of variance 1e-6
    y, _ = layer_norm_forward(row, np.ones(2), np.zeros(2))
    np.testing.assert_allclose(y, row / np.sqrt(1e-6 + 1e-5), rtol=1e-12)


@given(generators, widths, st.floats(-100, 100))
def test_shifting_a_row_changes_nothing(rng: np.random.Generator, D: int, shift: float) -> None:
    x = rng.normal(size=(3, D))
    np.testing.assert_allclose(normalised(x + shift)[0], normalised(x)[0], rtol=1e-7, atol=1e-7)


@given(generators, widths, st.floats(0.1, 100))
def test_without_eps_stretching_a_row_changes_nothing(rng: np.random.Generator, D: int, by: float) -> None:
    x = rng.normal(size=(3, D))
    np.testing.assert_allclose(normalised(x * by, eps=0.0)[0], normalised(x, eps=0.0)[0], rtol=1e-7)


@given(generators, widths)
def test_without_eps_the_gradient_has_no_mean_and_none_along_the_row(rng: np.random.Generator, D: int) -> None:
    x = rng.normal(size=(3, D))
    _, cache = normalised(x, eps=0.0)
    dx = layer_norm_backward(rng.normal(size=x.shape), cache).x
    scale = np.sum(cache.r)
    np.testing.assert_allclose(np.sum(dx, axis=-1) / scale, 0, atol=1e-11)
    np.testing.assert_allclose(np.sum(dx * cache.n, axis=-1) / scale, 0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_row_becomes_the_bias_and_gets_a_finite_gradient(dtype: Any) -> None:
    weight, bias = np.array([1.0, 2.0], dtype), np.array([3.0, 4.0], dtype)
    y, cache = layer_norm_forward(np.full((1, 2), 7.0, dtype), weight, bias)
    np.testing.assert_array_equal(y, [bias])
    assert np.all(np.isfinite(layer_norm_backward(np.ones((1, 2), dtype), cache).x))


def test_an_empty_batch_works() -> None:
    y, cache = layer_norm_forward(np.ones((0, 3)), np.ones(3), np.ones(3))
    np.testing.assert_array_equal(layer_norm_backward(y, cache).weight, np.zeros(3))


@given(generators, widths)
def test_without_eps_norming_twice_changes_nothing_and_negating_negates(rng: np.random.Generator, D: int) -> None:
    x = rng.normal(size=(3, D))
    n, _ = normalised(x, eps=0.0)
    np.testing.assert_allclose(normalised(n, eps=0.0)[0], n, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(normalised(-x, eps=0.0)[0], -n, rtol=1e-12)


@given(generators, widths)
def test_exchanging_features_exchanges_what_they_become(rng: np.random.Generator, D: int) -> None:
    x, weight, bias, order = rng.normal(size=(3, D)), rng.normal(size=D), rng.normal(size=D), rng.permutation(D)
    y, _ = layer_norm_forward(x, weight, bias)
    exchanged, _ = layer_norm_forward(x[:, order], weight[order], bias[order])
    np.testing.assert_allclose(exchanged, y[:, order], rtol=1e-7, atol=1e-9)
