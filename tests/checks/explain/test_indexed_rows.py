"""Rows and entries picked by ids."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from tests.checks.explain.cases import X, corruptions_of


def test_the_mean_over_the_uses_of_an_unused_row_is_zero():
    for ids, others, unused in (([0, 1, 0], 1, 2), ([1, 2, 1], 2, 0)):
        operation, g, corruptions = corruptions_of(lambda x, ids=ids: x[np.array(ids)], X)
        expected = np.zeros_like(X)
        expected[ids[0]], expected[others], expected[unused] = (g[0] + g[2]) / 2, g[1], 0.0
        sent = corruptions["averaged and not added where an id repeats"].contribution(operation, 0, g)
        np.testing.assert_allclose(sent, expected)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("width", [3, 5])
def test_a_target_taken_off_whole_columns_is_named_beside_a_logsumexp(mean, width):
    ids, rows = np.array([0, 2, 2, 1]), np.arange(4)

    def forward(scores):
        losses = np.log(np.exp(scores).sum(1)) - scores[rows, ids]
        return losses.mean() if mean else losses, scores

    def backward(grad_out, scores):
        d = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        d[:, ids] -= 1
        return d * (grad_out / 4 if mean else grad_out[:, None])

    scores = np.random.default_rng(0).normal(size=(4, width))
    (best, *_) = check_backward(forward, backward, scores, raise_on_failure=False).diagnoses
    assert best.mistake == "target-not-subtracted"
    assert "taken off whole columns" in best.evidence
