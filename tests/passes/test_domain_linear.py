"""Each row passes through the matrix of its domain, and each matrix gets the gradients of its rows."""

import numpy as np
from hypothesis import given

from acg_numpy.passes import domain_linear_backward, domain_linear_forward, linear_backward, linear_forward
from tests.passes.pairs import Call, domain_linear_calls


@given(domain_linear_calls())
def test_the_rows_of_a_domain_pass_through_a_linear_map(call: Call) -> None:
    x, ids, weight, bias = call.args
    y, cache = domain_linear_forward(*call.args)
    dy = np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)
    grads = domain_linear_backward(dy, cache)
    rows, domain = np.broadcast_to(x, (*y.shape[:-1], x.shape[-1])), np.broadcast_to(ids, y.shape[:-1])
    for n in range(len(weight)):
        mine = domain == n
        expected, of_domain = linear_forward(rows[mine], weight[n], None if bias is None else bias[n])
        np.testing.assert_allclose(y[mine], expected, rtol=1e-12, atol=1e-14)
        by_linear = linear_backward(dy[mine], of_domain)
        np.testing.assert_allclose(grads.weight[n], by_linear.weight, rtol=1e-10, atol=1e-12)
        if bias is not None:
            np.testing.assert_allclose(grads.bias[n], by_linear.bias, rtol=1e-10, atol=1e-12)


def test_a_domain_without_rows_gets_a_gradient_of_zero() -> None:
    _, cache = domain_linear_forward(np.ones((2, 3)), np.array([2, 0]), np.ones((3, 3, 4)), np.zeros((3, 4)))
    grads = domain_linear_backward(np.ones((2, 4)), cache)
    assert grads.bias is not None
    assert not grads.weight[1].any()
    assert not grads.bias[1].any()
