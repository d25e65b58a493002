"""Ranking metrics against their definitions, written out without any cleverness."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acg_numpy.recommender.evaluation.metrics import PAIR_METRICS, metric_at_k, ndcg_at_k, recall_at_k, top_k

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


def map_by_definition(scores, relevant, k):
    first, n = [relevant[j] for j in ranked(scores)[:k]], sum(relevant)
    return sum(sum(first[:r]) / r for r in range(1, len(first) + 1) if first[r - 1]) / min(k, n) if n else 0.0


DEFINITIONS = {
    "ndcg": ndcg_by_definition,
    "recall": recall_by_definition,
    "hit_rate": lambda scores, relevant, k: float(any(relevant[j] for j in ranked(scores)[:k])),
    "mrr": lambda scores, relevant, k: max(
        (1 / r for r, j in enumerate(ranked(scores)[:k], start=1) if relevant[j]), default=0.0
    ),
    "map": map_by_definition,
    "precision": lambda scores, relevant, k: sum(relevant[j] for j in ranked(scores)[:k]) / k,
}


def test_every_metric_is_what_a_hand_works_out():
    scores = np.array([[9.0, 8.0, 7.0, 6.0, 5.0], [5.0, 5.0, 5.0, 5.0, 5.0]])
    relevant = np.array([[False, True, True, False, True], [False] * 5])
    expected = {
        "ndcg": (1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3) + 1 / np.log2(4)),
        "recall": 2 / 3,
        "hit_rate": 1,
        "mrr": 1 / 2,
        "map": (1 / 2 + 2 / 3) / 3,
        "precision": 2 / 4,
    }
    assert set(expected) == set(PAIR_METRICS)
    for metric, value in expected.items():
        np.testing.assert_allclose(metric_at_k(metric, scores, relevant, 4), [value, 0])


@given(rankings())
def test_every_metric_is_its_definition(ranking):
    scores, relevant, k = ranking
    rows = list(zip(scores.tolist(), relevant.tolist(), strict=True))
    for metric, by_definition in DEFINITIONS.items():
        expected = [by_definition(*row, k) for row in rows]
        np.testing.assert_allclose(metric_at_k(metric, scores, relevant, k), np.array(expected, float), atol=1e-12)


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
    best_precision = np.minimum(relevant.sum(axis=1), k) / k
    for metric in PAIR_METRICS:
        perfect = best_precision if metric == "precision" else found_something
        np.testing.assert_allclose(metric_at_k(metric, relevant.astype(float), relevant, k), perfect, atol=1e-12)
        values = metric_at_k(metric, scores, relevant, k)
        assert np.all((values >= 0) & (values <= 1 + 1e-12))
        assert np.all((values > 0) == (metric_at_k("hit_rate", scores, relevant, k) > 0))


@pytest.mark.parametrize("columns", [79, 80, 81, 300])  # the first have no blocks, the next ones blocks of two
@pytest.mark.parametrize("values", [1, 2, 40, 10_000])
def test_long_rows_agree_with_a_stable_sort(columns, values):
    scores = np.random.default_rng(0).integers(0, values, (50, columns)).astype(np.float32)
    scores[scores == 1] = -np.inf
    scores[0], scores[1, 3:] = -np.inf, -np.inf
    np.testing.assert_array_equal(top_k(scores, 10), np.argsort(-scores, axis=1, kind="stable")[:, :10])


@pytest.mark.parametrize(("columns", "place"), [(4, 2), (90, 0), (90, 79), (90, 80), (90, 89)])  # in blocks, and behind
def test_scores_that_are_nan_are_refused_and_the_row_named(columns, place):
    scores = np.zeros((3, columns))
    scores[1, place] = np.nan
    with pytest.raises(ValueError, match=r"NaN \(first in row 1\)"):
        ndcg_at_k(scores, np.ones((3, columns), bool))


def test_shapes_dtypes_and_k_are_checked():
    with pytest.raises(ValueError, match=r"shape of scores, \(2, 3\), but it has \(2, 4\)"):
        recall_at_k(np.zeros((2, 3)), np.zeros((2, 4), bool))
    with pytest.raises(ValueError, match="relevant must be boolean, but its dtype is float64"):
        recall_at_k(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="its shape is \\(3,\\)"):
        top_k(np.zeros(3), 1)
    with pytest.raises(ValueError, match=r"metric must be ndcg, .* or precision, but it is 'auc'"):
        metric_at_k("auc", np.zeros((2, 3)), np.zeros((2, 3), bool))
    with pytest.raises(ValueError, match="k must be at least 1, but it is 0"):
        top_k(np.zeros((1, 3)), 0)
