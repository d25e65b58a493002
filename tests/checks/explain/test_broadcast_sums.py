"""Sums left out of what was broadcast."""

import numpy as np

from acg_numpy.checks.explain.broadcast_sums import missing_sum_shifts, missing_sums
from tests.checks.explain.cases import X, right_case, search_of, submitting


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def test_a_sum_left_out_of_a_softmax_can_be_replayed():
    case = right_case(softmax, X)
    search = search_of(submitting(case, np.zeros_like(X)))
    diagonal = [shift for shift in missing_sum_shifts(search) if shift.corruption.mistake == "diagonal-softmax"]
    assert diagonal
    for shift in diagonal:
        assert search.replay({shift.edges[0]: shift.corruption}) is not None


def test_a_sum_left_out_is_followed_through_operations_on_the_sum():
    """P = E / 2S: without the sum over the row, what comes back is G P (1 - 2P), the diagonal of the Jacobian."""

    def halved(x):
        e = np.exp(x)
        return e / (2.0 * np.sum(e, axis=-1, keepdims=True))

    case = right_case(halved, X)
    p = halved(X)
    search = search_of(submitting(case, case.grad_outs[0] * p * (1 - 2 * p)))
    assert "missing-broadcast-sum" in {explanation.mistake for explanation in missing_sums(search)}
