"""Softmax makes distributions, and does not notice what is added to a whole row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.passes import (
    log_softmax_backward,
    log_softmax_forward,
    softmax_backward,
    softmax_forward,
)
from tests.passes.pairs import generators, score_calls

scores = score_calls().map(lambda call: call.args[0])


@given(scores)
def test_each_row_is_a_distribution(S: Any) -> None:
    P, _ = softmax_forward(S)
    assert np.all(P > 0)
    np.testing.assert_allclose(np.sum(P, axis=-1), 1, rtol=1e-12)


@given(scores, st.floats(-1e4, 1e4))
def test_adding_a_number_to_a_row_changes_nothing(S: Any, shift: float) -> None:
    np.testing.assert_allclose(softmax_forward(S + shift)[0], softmax_forward(S)[0], rtol=1e-10)
    np.testing.assert_allclose(log_softmax_forward(S + shift)[0], log_softmax_forward(S)[0], rtol=1e-10, atol=1e-10)


@given(scores)
def test_the_log_softmax_is_the_logarithm_of_the_softmax(S: Any) -> None:
    np.testing.assert_allclose(log_softmax_forward(S)[0], np.log(softmax_forward(S)[0]), rtol=1e-10, atol=1e-12)


@given(scores, generators)
def test_each_row_of_the_gradient_sums_to_zero(S: Any, rng: np.random.Generator) -> None:
    grad_out = rng.normal(size=S.shape)
    for forward, backward in [(softmax_forward, softmax_backward), (log_softmax_forward, log_softmax_backward)]:
        dS = backward(grad_out, forward(S)[1]).scores
        np.testing.assert_allclose(np.sum(dS, axis=-1), 0, atol=1e-12)


@given(scores)
def test_pushing_all_probabilities_alike_does_nothing(S: Any) -> None:
    dS = softmax_backward(np.ones_like(S), softmax_forward(S)[1]).scores
    np.testing.assert_allclose(dS, 0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_ten_thousand_are_safe(dtype: Any) -> None:
    S = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype)
    P, cache = softmax_forward(S)
    np.testing.assert_allclose(P, [[1, 0, 0], [1 / 3] * 3, [1 / 3] * 3], rtol=1e-6)
    assert np.all(np.isfinite(softmax_backward(S, cache).scores))
    L, _ = log_softmax_forward(S)
    np.testing.assert_array_equal(L[0], [0, -2e4, -1e4])


def test_a_score_of_minus_infinity_has_probability_zero_and_gets_no_gradient() -> None:
    P, cache = softmax_forward(np.array([0.0, -np.inf, 0.0]))
    np.testing.assert_array_equal(P, [0.5, 0.0, 0.5])
    assert softmax_backward(np.array([1.0, 5.0, 2.0]), cache).scores[1] == 0


def test_a_row_of_minus_infinities_is_zero_and_so_is_its_gradient() -> None:
    P, cache = softmax_forward(np.array([[-np.inf, -np.inf], [0.0, 0.0]]))
    np.testing.assert_array_equal(P, [[0.0, 0.0], [0.5, 0.5]])
    np.testing.assert_array_equal(softmax_backward(np.array([[1.0, 2.0], [0.0, 0.0]]), cache).scores, np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_rows_without_scores_and_batches_without_rows_are_fine(shape: tuple[int, ...]) -> None:
    for forward, backward in [(softmax_forward, softmax_backward), (log_softmax_forward, log_softmax_backward)]:
        out, cache = forward(np.zeros(shape))
        assert out.shape == shape
        assert backward(np.ones(shape), cache).scores.shape == shape


def test_not_a_number_is_not_hidden() -> None:
    assert np.all(np.isnan(softmax_forward(np.array([0.0, np.nan, 1.0]))[0]))


@given(scores, generators)
def test_exchanging_scores_exchanges_probabilities(S: Any, rng: np.random.Generator) -> None:
    order = rng.permutation(S.shape[-1])
    for forward in (softmax_forward, log_softmax_forward):
        np.testing.assert_allclose(forward(S[..., order])[0], forward(S)[0][..., order], rtol=1e-12, atol=1e-13)


@given(scores)
def test_a_higher_score_never_has_a_lower_probability(S: Any) -> None:
    order = np.argsort(S, axis=-1)
    for forward in (softmax_forward, log_softmax_forward):
        assert np.all(np.diff(np.take_along_axis(forward(S)[0], order, axis=-1), axis=-1) >= 0)


@given(scores)
def test_the_odds_of_two_are_the_exponential_of_their_score_difference(S: Any) -> None:
    P, _ = softmax_forward(S)
    np.testing.assert_allclose(P / P[..., :1], np.exp(S - S[..., :1]), rtol=1e-10)
