"""Arrays that are no inputs are recorded wherever a forward holds them, and are what they were afterwards."""

import copy
import pickle
import queue
import threading
from argparse import Namespace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from acg_numpy.checks.tracing import NotFollowedError, array_creation, trace

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


def written(array, write):
    write(array)
    return array


# what a thread that runs a layer may do with an array of that layer
USES = {
    "product": lambda a: a @ X,
    "reflected product": lambda a: X.T @ a.T,
    "dot": lambda a: a.dot(X),
    "method": lambda a: a.sum(axis=0),
    "function": lambda a: np.concatenate([a, a]),
    "ufunc into an array": lambda a: np.exp(a, out=np.empty(a.shape)),
    "reduction": lambda a: np.maximum.reduce(a),
    "element": lambda a: a[1, 2],
    "rows": lambda a: a[[0, 2]],
    "comparison": lambda a: a > 0,
    "iteration": lambda a: np.stack(list(a)),
    "number": lambda a: float(a[0, 0]),
    "list": lambda a: a.tolist(),
    "array": np.asarray,
    "copy": copy.deepcopy,
    "pickle": lambda a: pickle.loads(pickle.dumps(a)),
    "norm": np.linalg.norm,
    "product in place": lambda a: np.array(written(a, lambda a: a.__imul__(2.0))),
    "an element that is set": lambda a: np.array(written(a, lambda a: a.__setitem__(0, 7.0))),
    "elements that are added to": lambda a: np.array(written(a, lambda a: np.add.at(a, [1, 1], 1.0))),
    "put": lambda a: np.array(written(a, lambda a: np.put(a, [2], 3.0))),
    "sort": lambda a: np.array(written(a, lambda a: a.sort(axis=0))),
    "fill": lambda a: np.array(written(a, lambda a: a.fill(1.0))),
}


def test_another_thread_finds_the_arrays_of_a_traced_layer():
    # a queue is not looked into, and so keeps what was put into it
    layer, plain, results, wrong = SimpleNamespace(A=A.copy()), A.copy(), queue.SimpleQueue(), []
    expected = {name: use(plain) for name, use in USES.items()}

    def run():
        for use in USES.values():
            try:
                results.put(use(layer.A))
            except Exception as error:
                results.put(error)

    def forward(x):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return (layer.A @ x,)

    array = layer.A
    trace(forward, [X.copy()], [True])
    assert layer.A is array
    np.testing.assert_array_equal(array, plain)
    for name, value in expected.items():
        found = results.get_nowait()
        if type(found) is not type(value) or not np.array_equal(found, value):
            wrong.append((name, found))
    assert not wrong


def test_a_forward_may_compute_in_threads_of_its_own():
    layer, parts = SimpleNamespace(A=A), {}

    def part(number, x):
        parts[number] = np.exp(layer.A[number : number + 2] @ x)

    def forward(x):
        threads = [threading.Thread(target=part, args=(number, x)) for number in (0, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return (np.concatenate([parts[0], parts[2]]),)

    graph = trace(forward, [X.copy()], [True])
    assert not graph.exits
    (found,) = graph.at_inputs(graph.gradients([np.ones((4, 2))]))
    np.testing.assert_allclose(found, A.T @ np.exp(A @ X))


def test_two_traces_that_wait_for_each_other_end_with_an_error(monkeypatch):
    monkeypatch.setattr(array_creation, "_LONGEST_WAIT", 0.05)
    errors = queue.SimpleQueue()

    def inner():
        try:
            trace(lambda x: (x,), [X.copy()], [True])
        except NotFollowedError as error:
            errors.put(str(error))

    def forward(x):
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()
        return (A @ x,)

    trace(forward, [X.copy()], [True])
    assert "if that forward waits for this thread, check them one after the other" in errors.get_nowait()
