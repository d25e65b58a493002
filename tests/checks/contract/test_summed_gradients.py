"""One gradient for several inputs passes if they are one array, or if a gradient of each is kept, and else is told."""

import numpy as np
import pytest

from acg_numpy import check_backward, check_layer

RNG = np.random.default_rng(3)
Q, K, V = (RNG.normal(size=shape) for shape in ((4, 3), (5, 3), (5, 3)))
HINT = "If {} are one array, as keys and values often are, pass the same array for each"


def forward(query, key, value):
    return query.mean(0) * key.mean(0) * value.mean(0), (query, key, value)


def gradients(grad_out, cache):
    means = [array.mean(0) for array in cache]
    product = grad_out * means[0] * means[1] * means[2]
    return [np.tile(product / mean / len(array), (len(array), 1)) for mean, array in zip(means, cache, strict=True)]


GROUPS = {
    "keys and values": (Q, K, V, ((0,), (1, 2)), "key and value"),
    "queries and keys": (K, V, Q, ((0, 1), (2,)), "query and key"),
    "all three": (K, V, K[::-1].copy(), ((0, 1, 2),), "query, key and value"),
}


def summed(groups, factor=1.0):
    """Return a backward that adds up the gradients of each group; a `factor` makes them wrong."""

    def backward(grad_out, cache):
        grads = gradients(factor * grad_out, cache)
        return tuple(sum(grads[place] for place in group) for group in groups)

    return backward


class Attention:
    """A layer that keeps the gradient of each input and returns sums of them."""

    def __init__(self, groups, factor=1.0, kept=("grad_q", "grad_k", "grad_v"), off=0.0):
        self.groups, self.factor, self.kept, self.off = groups, factor, kept, off

    def forward(self, x_q, x_k, x_v):
        out, self.cache = forward(x_q, x_k, x_v)
        return out

    def backward(self, grad_out):
        grads = gradients(self.factor * grad_out, self.cache)
        vars(self).update(zip(self.kept, grads, strict=False))
        return tuple(sum(grads[place] for place in group) + self.off for group in self.groups)


@pytest.mark.parametrize("name", GROUPS)
def test_inputs_that_are_one_array_may_have_one_gradient(name):
    *arrays, groups, shared = GROUPS[name]
    for group in groups:
        for place in group:
            arrays[place] = arrays[group[0]]
    report = check_backward(forward, summed(groups), *arrays)
    assert [c.num_right for c in report.comparisons] == [arrays[group[0]].size for group in groups]
    uses = "both uses" if "," not in shared else "all 3 uses"
    assert f"{shared} are one array, and have one gradient, the sum over {uses}" in report.notes
    assert check_layer(lambda: Attention(groups), *arrays).passed
    assert check_backward(forward, gradients, *arrays).passed
    wrong = check_backward(forward, summed(groups, -1.0), *arrays, raise_on_failure=False)
    assert [one.mistake for one in wrong.diagnoses] == ["wrong-sign"]


@pytest.mark.parametrize("name", GROUPS)
def test_a_gradient_kept_for_each_input_is_read_where_sums_are_returned(name):
    *arrays, groups, shared = GROUPS[name]
    report = check_layer(lambda: Attention(groups), *arrays)
    assert [c.num_right for c in report.comparisons] == [array.size for array in arrays]
    (note,) = report.notes
    shared = shared.replace("query", "x_q").replace("key", "x_k").replace("value", "x_v")
    assert f"the gradients of {shared} added together, which is right only where these are one array" in note
    wrong = check_layer(lambda: Attention(groups, -1.0), *arrays, raise_on_failure=False)
    assert [one.mistake for one in wrong.diagnoses] == ["wrong-sign"]


@pytest.mark.parametrize("name", GROUPS)
def test_sums_for_arrays_that_differ_are_a_fault_with_the_fix(name):
    *arrays, groups, shared = GROUPS[name]
    report = check_backward(forward, summed(groups), *arrays, raise_on_failure=False)
    assert report.diagnoses[0].mistake == "wrong-count"
    assert report.faults[0].endswith(HINT.format(shared))
    # what is kept is no excuse for what is returned if the two do not agree, or one is missing
    for layer in (Attention(groups, off=1e-3), Attention(groups, kept=("grad_q", "grad_k"))):
        (fault,) = check_layer(lambda layer=layer: layer, *arrays, raise_on_failure=False).faults
        assert "for 3 inputs (x_q, x_k, x_v); expected 3" in fault
