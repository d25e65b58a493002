"""Arrays that are no inputs are recorded wherever a forward holds them, and are what they were afterwards."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from acg_numpy.checks.tracing import trace

RNG = np.random.default_rng(0)
X, A = RNG.normal(size=(3, 2)), RNG.normal(size=(4, 3))
HELD = {"as a list": [A], "as a dict": {"A": A}, "as an object": SimpleNamespace(A=A, layers=[{"A": A}])}


class Layer:
    def __init__(self, numpy=np):
        self.A, self.params, self.np, self.seen = A, {"W": A}, numpy, []

    def forward(self, x):
        self.last = self.A.dot(x)
        self.seen.append(self.last)
        out = self.np.zeros((4, 2))
        out[1:] = self.last[1:] + self.params["W"].dot(x)[1:]
        return out


def closure(held):
    def forward(x):
        if isinstance(held, np.ndarray):  # a recorded array is one to its forward
            assert isinstance(x, np.ndarray)
            return held.dot(x)
        first = held.layers[0]["A"] if isinstance(held, SimpleNamespace) else held["A" if isinstance(held, dict) else 0]
        return first.dot(x)

    return forward


def default(x, numpy=np, *, a=A):
    out = numpy.zeros((4, 2))
    out[:] = a.dot(x)
    return out


def given(a, x):
    return a.dot(x)


LAYER = Layer()
FORWARDS = {
    "in a variable around": closure(A),
    **{f"around {name}": closure(held) for name, held in HELD.items()},
    "as a default": default,
    "in a partial function": partial(given, A),
    "in a layer": LAYER.forward,
    "in a layer that is made meanwhile": lambda x: Layer().forward(x),
    "in a layer in a variable around": lambda x, layer=LAYER: layer.forward(x),
    "in a function in a variable around": (lambda inner: lambda x: inner(x))(closure(A)),
}


@pytest.mark.parametrize("forward", FORWARDS.values(), ids=list(FORWARDS))
def test_a_product_with_an_array_that_is_no_input_is_followed(forward):
    before = dict(vars(LAYER)), default.__defaults__, default.__kwdefaults__
    graph = trace(lambda x: (forward(x),), [X.copy()], [True])
    assert not graph.exits
    grad_out = RNG.normal(size=(4, 2))
    (found,) = graph.at_inputs(graph.gradients([grad_out]))
    shift = RNG.normal(size=X.shape)
    moved = (forward(X + 0.5 * shift) - forward(X - 0.5 * shift)) * grad_out  # each of them is linear
    np.testing.assert_allclose(np.sum(found * shift), np.sum(moved))
    vars(LAYER).pop("last", None)
    LAYER.seen.clear()
    assert all(vars(LAYER)[name] is value for name, value in before[0].items())
    assert LAYER.params["W"] is A
    assert (default.__defaults__, default.__kwdefaults__) == before[1:]
