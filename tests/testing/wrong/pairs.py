"""Wrong backward passes."""

import numpy as np
from hypothesis import strategies as st

from acg_numpy.testing.arrays import arrays, shapes
from acg_numpy.testing.properties import check_backward_pair
from tests.testing.wrong.kind import Wrong


def softmax_forward(scores):
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights, weights


def softmax_backward(grad_out, weights):
    return weights * (grad_out - np.sum(weights * grad_out, axis=-1, keepdims=True))


def diagonal_alone(grad_out, weights):
    return weights * (1 - weights) * grad_out


def averaged_over_the_batch(grad_out, weights):
    return softmax_backward(grad_out, weights) / grad_out.shape[0]


def add_forward(x, bias):
    return x + bias, None


def bias_not_summed(grad_out, cache):
    return grad_out, grad_out.reshape(-1, grad_out.shape[-1])[0]


def lookup_forward(table, ids):
    return table[ids], (ids, table.shape)


def repeated_ids_overwrite(grad_out, cache):
    ids, shape = cache
    grad = np.zeros(shape)
    grad[ids] = grad_out
    return grad, None


scores = st.tuples(arrays(shapes(min_dims=2, max_dims=2, max_side=4, min_side=1)))


@st.composite
def rows_and_bias(draw):
    rows, features = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return draw(arrays((rows, features))), draw(arrays((features,)))


@st.composite
def lookups(draw):
    num_rows = draw(st.integers(1, 4))
    ids = draw(st.lists(st.integers(0, num_rows - 1), min_size=1, max_size=4))
    return draw(arrays((num_rows, 2))), np.array(ids)


def checked(pair, **options):
    forward, backward, inputs = pair
    check_backward_pair(forward, backward, inputs, **options)


WRONG = [
    Wrong(name, checked, (forward, backward, inputs), "gradient")
    for name, forward, backward, inputs in [
        ("backward: the diagonal of the softmax alone", softmax_forward, diagonal_alone, scores),
        ("backward: averaged over the batch", softmax_forward, averaged_over_the_batch, scores),
        ("backward: not summed over what was broadcast", add_forward, bias_not_summed, rows_and_bias()),
        ("backward: repeated ids overwrite", lookup_forward, repeated_ids_overwrite, lookups()),
    ]
]
