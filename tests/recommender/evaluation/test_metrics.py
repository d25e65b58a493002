"""NDCG and recall against their definitions, written out without any cleverness."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acg_numpy.recommender.evaluation.metrics import ndcg_at_k, recall_at_k, top_k

shapes = st.tuples(st.integers(0, 4), st.integers(1, 7))


@st.composite
def rankings(draw):
    """Scores with many ties, infinities among them, relevance, and a k that may exceed the candidates."""
    shape = draw(shapes)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    scores = draw(hnp.arrays(dtype, shape, elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 1.0, 1e30])))
    return scores, draw(hnp.arrays(np.bool_, shape)), draw(st.integers(1, 9))


def ranked(scores):
    """The candidates, best first, ties in their own order."""
    return sorted(range(len(scores)), key=lambda j: (-scores[j], j))


def ndcg_by_definition(scores, relevant, k):
    gain = sum(1 / math.log2(1 + r) for r, j in enumerate(ranked(scores)[:k], start=1) if relevant[j])
    ideal = sum(1 / math.log2(1 + r) for r in range(1, min(k, sum(relevant)) + 1))
    return gain / ideal if ideal else 0.0


def recall_by_definition(scores, relevant, k):
    n = sum(relevant)
    return sum(bool(relevant[j]) for j in ranked(scores)[:k]) / min(k, n) if n else 0.0


@given(rankings())
def test_ndcg_is_its_definition(ranking):
    scores, relevant, k = ranking
    expected = [ndcg_by_definition(*row, k) for row in zip(scores.tolist(), relevant.tolist(), strict=True)]
    np.testing.assert_allclose(ndcg_at_k(scores, relevant, k), np.array(expected, float), atol=1e-12)


@given(rankings())
def test_recall_is_its_definition(ranking):
    scores, relevant, k = ranking
    expected = [recall_by_definition(*row, k) for row in zip(scores.tolist(), relevant.tolist(), strict=True)]
    np.testing.assert_allclose(recall_at_k(scores, relevant, k), np.array(expected, float), atol=1e-12)


@given(rankings())
def test_the_best_are_the_head_of_a_stable_sort(ranking):
    scores, _, k = ranking
    expected = [ranked(row)[:k] for row in scores.tolist()]
    shape = (len(scores), min(k, scores.shape[1]))
    np.testing.assert_array_equal(top_k(scores, k), np.array(expected, int).reshape(shape))


@given(rankings())
def test_scores_lie_between_zero_and_one_which_is_perfect(ranking):
    scores, relevant, k = ranking
    found_something = relevant.any(axis=1).astype(float)
    np.testing.assert_allclose(ndcg_at_k(relevant.astype(float), relevant, k), found_something, atol=1e-12)
    np.testing.assert_allclose(recall_at_k(relevant.astype(float), relevant, k), found_something, atol=1e-12)
    for measure in (ndcg_at_k, recall_at_k):
        values = measure(scores, relevant, k)
        assert np.all((values >= 0) & (values <= 1 + 1e-12))


def test_long_rows_agree_with_a_stable_sort():
    scores = np.random.default_rng(0).integers(0, 40, (50, 300)).astype(np.float32)
    np.testing.assert_array_equal(top_k(scores, 10), np.argsort(-scores, axis=1, kind="stable")[:, :10])


def test_scores_that_are_nan_are_refused_and_the_row_named():
    scores = np.zeros((3, 4))
    scores[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"NaN \(first in row 1\)"):
        ndcg_at_k(scores, np.ones((3, 4), bool))


def test_shapes_dtypes_and_k_are_checked():
    with pytest.raises(ValueError, match=r"shape of scores, \(2, 3\), but it has \(2, 4\)"):
        recall_at_k(np.zeros((2, 3)), np.zeros((2, 4), bool))
    with pytest.raises(ValueError, match="relevant must be boolean, but its dtype is float64"):
        recall_at_k(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="its shape is \\(3,\\)"):
        top_k(np.zeros(3), 1)
    with pytest.raises(ValueError, match="k must be at least 1, but it is 0"):
        top_k(np.zeros((1, 3)), 0)
