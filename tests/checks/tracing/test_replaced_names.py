"""Arrays that are no inputs are recorded wherever a forward holds them, and are what they were afterwards."""

import threading
from argparse import Namespace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from acg_numpy.checks.tracing import NotFollowedError, trace

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


class Slotted:
    __slots__ = ("A", "last")

    def __init__(self):
        self.A = A

    def forward(self, x):
        self.last = self.A.dot(x)
        return self.last


class Fixed(dict):
    """A dict that nothing can be put into."""

    def __setitem__(self, key, value):
        raise TypeError("fixed")

    clear = update = __setitem__


class Hidden:
    """An object that can't be looked into."""

    @property
    def __class__(self):
        raise LookupError("what this stands for is not there")


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


LAYER, SLOTTED = Layer(), Slotted()
FORWARDS = {
    "in a variable around": closure(A),
    **{f"around {name}": closure(held) for name, held in HELD.items()},
    "as a default": default,
    "in a partial function": partial(given, A),
    "in a layer": LAYER.forward,
    "in a slot": SLOTTED.forward,
    "in a slot of a layer that is made meanwhile": lambda x: Slotted().forward(x),
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


def test_slots_hold_what_they_held_before_the_trace():
    layer = Slotted()
    trace(lambda x: (layer.forward(x),), [X.copy()], [True])
    assert layer.A is A
    assert not hasattr(layer, "last")


def test_objects_of_other_modules_keep_their_arrays():
    matrix, options = sparse.csr_array(np.eye(3)), Namespace(A=A)
    data = matrix.data

    def helper(matrix, options, x):
        return x + 1.0

    trace(lambda x: (helper(matrix, options, helper(matrix, options, x)),), [X.copy()], [True])
    assert matrix.data is data
    assert options.A is A


def test_a_dict_that_takes_no_items_is_left_as_it_is():
    fixed, around = Fixed(A=A), [A]
    graph = trace(lambda x: (fixed["A"] @ x + around[0] @ x,), [X.copy()], [True])
    assert len(graph.operations) > 1
    assert fixed["A"] is around[0] is A


def test_everything_is_put_back_if_looking_around_fails():
    array, hidden = A, Hidden()

    def forward(x):
        return array @ x, hidden

    with pytest.raises(NotFollowedError, match="what this stands for is not there"):
        trace(forward, [X.copy()], [True])
    assert array is A


def test_a_trace_in_another_thread_waits_for_the_first_one():
    layer, first_is_done, second_runs = SimpleNamespace(A=A), threading.Event(), threading.Event()

    def second_forward(x):
        second_runs.set()
        first_is_done.wait(5)
        return (layer.A @ x,)

    second = threading.Thread(target=trace, args=(second_forward, [X.copy()], [True]))

    def first_forward(x):
        second.start()
        second_runs.wait(0.2)
        return (layer.A @ x,)

    trace(first_forward, [X.copy()], [True])
    first_is_done.set()
    second.join()
    assert second_runs.is_set()
    assert layer.A is A
