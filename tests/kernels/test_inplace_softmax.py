"""Softmax in place is softmax: along the last axis but two, wherever the scores lie, and with tokens out of sight."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from acg_numpy.kernels.inplace_softmax import softmax_backward_in_place, softmax_in_place
from acg_numpy.passes import softmax_backward, softmax_forward
from acg_numpy.passes.softmax import SoftmaxCache

TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, Any]:
    """Scores (K, H, users) around a centre that may be far from 0, and a mask (K, 1, users) or none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    H, K, users = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(0, 4))
    spread, centre = draw(st.sampled_from([0.1, 1.0, 30.0])), draw(st.sampled_from([0.0, 39.0, 200.0, -200.0, 1e4]))
    scores = (centre + spread * rng.normal(size=(K, H, users))).astype(draw(st.sampled_from(list(TOLERANCE))))
    return scores, rng.random((K, 1, users)) < 0.6 if draw(st.booleans()) else None


def classroom(scores: Any, mask: Any) -> Any:
    allowed = scores if mask is None else np.where(mask, scores, scores.dtype.type(-np.inf))
    return np.moveaxis(softmax_forward(np.moveaxis(allowed, -3, -1))[0], -1, -3)


@given(problems())
@example((np.full((2, 1, 3), 200.0, np.float32), None))
@example((np.full((2, 1, 3), -200.0, np.float32), None))
@example((np.array([[[200.0, -200.0]], [[199.0, -201.0]]], np.float32), None))
@example((np.array([[[0.0, 500.0]], [[0.0, 500.0]]], np.float32), np.array([[[True, False]], [[True, False]]])))
@example((np.array([[[-500.0, 500.0]], [[500.0, 499.0]]], np.float32), np.array([[[True, True]], [[False, True]]])))
def test_weights_are_those_of_the_classroom(problem: tuple[Any, Any]) -> None:
    scores, mask = problem
    expected = classroom(scores, mask)
    found = softmax_in_place(scores.copy(), mask)
    assert found.dtype == scores.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[scores.dtype.name])


@pytest.mark.parametrize("keys", [1, 3])
def test_it_is_done_in_place(keys: int) -> None:
    scores = np.ones((keys, 2, 2))
    assert softmax_in_place(scores) is scores
    np.testing.assert_allclose(scores, 1 / keys)


@given(problems(), st.integers(0, 2**32 - 1))
def test_gradients_of_scores_are_those_of_the_classroom(problem: tuple[Any, Any], seed: int) -> None:
    P, rng = classroom(*problem), np.random.default_rng(seed)
    factors, dM, grad_weights = ((rng.random(P.shape) < 0.7) * 1.5, *rng.normal(size=(2, *P.shape)))
    for M, given_weights in [(P, None), (P * factors, None), (P * factors, grad_weights)]:
        dP = (dM if M is P else dM * factors) + (0 if given_weights is None else given_weights)
        cache = SoftmaxCache(np.moveaxis(P, -3, -1))
        expected = np.moveaxis(softmax_backward(np.moveaxis(dP, -3, -1), cache).scores, -1, -3)
        arrays = [x if x is None else x.astype(P.dtype) for x in (dM, M, given_weights)]
        found = softmax_backward_in_place(arrays[0], P, arrays[1], np.empty_like(P), arrays[2])
        assert found is arrays[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=4 * TOLERANCE[P.dtype.name])
