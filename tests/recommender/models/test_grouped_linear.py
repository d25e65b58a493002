"""A linear map for each domain: its formula row by row, and its gradient in three ways."""

import numpy as np
import pytest

from acg_numpy.autograd import from_passes, tensor
from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.recommender.models.grouped_linear import (
    grouped_linear,
    grouped_linear_backward,
    grouped_linear_forward,
)

RNG = np.random.default_rng(0)
X, WEIGHT, BIAS, UPSTREAM = (RNG.normal(size=shape) for shape in ((6, 3), (4, 3, 2), (4, 2), (6, 2)))
# shuffled, sorted, one for all, none: of domain 1 there is no row anywhere
IDS = [np.array([3, 0, 2, 0, 3, 3]), np.array([0, 0, 2, 3, 3, 3]), np.full(6, 2), np.zeros(0, np.int64)]


@pytest.mark.parametrize("ids", IDS, ids=["shuffled", "sorted", "one domain", "no row"])
def test_rows_and_gradients_are_those_of_the_formula_row_by_row(ids):
    x, upstream = X[: len(ids)], UPSTREAM[: len(ids)]
    y, cache = grouped_linear_forward(x, WEIGHT, BIAS, domain_id=ids)
    np.testing.assert_allclose(y, np.reshape([x[b] @ WEIGHT[d] + BIAS[d] for b, d in enumerate(ids)], (-1, 2)))
    inputs = [tensor(a, requires_grad=True) for a in (x, WEIGHT, BIAS)]
    by_engine = (inputs[0][:, None, :] @ inputs[1][ids])[:, 0, :] + inputs[2][ids]
    by_engine.backward(upstream)
    for own, other in zip(grouped_linear_backward(upstream, cache), inputs, strict=True):
        np.testing.assert_allclose(own, other.grad, atol=1e-14)


@pytest.mark.parametrize("ids", IDS[:2], ids=["shuffled", "sorted"])
def test_hand_derived_is_the_numeric_derivative_twice(ids):
    def forward(x, weight, bias):
        return grouped_linear_forward(x, weight, bias, domain_id=ids)

    assert check_backward(forward, grouped_linear_backward, X, WEIGHT, BIAS).passed
    function = from_passes(forward, grouped_linear_backward)
    assert gradcheck(lambda *inputs: function(*inputs), X, WEIGHT, BIAS, second_order=True).passed


def test_float32_stays_float32():
    inputs = [tensor(a.astype(np.float32), requires_grad=True) for a in (X, WEIGHT, BIAS)]
    y = grouped_linear(*inputs, domain_id=IDS[0])
    np.sum(y).backward()
    assert {y.dtype, *(i.grad.dtype for i in inputs)} == {np.dtype(np.float32)}
