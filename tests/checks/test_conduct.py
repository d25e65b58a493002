"""Two passes that do not behave are told so, in a sentence that names what they did."""

import dataclasses
from collections import namedtuple

import numpy as np
import pytest

from acg_numpy.checks.arguments import read_argument
from acg_numpy.checks.conduct import alike, arrays_in, close, differs, drifting, fades, listed, misconduct

A, B = np.array([1.0, -2.0, 3.0]), np.array([0.5, 4.0, -1.0])


def product(x, y):
    return x * y, (x, y)


def pulled(g, cache):
    x, y = cache
    return g * y, g * x


def conduct_of(forward, backward):
    arguments = [read_argument("x", A), read_argument("y", B)]
    found = misconduct(forward, backward, arguments, (np.array([1.5, -0.75, 0.5]),), np.random.default_rng(0))
    return [tuple(one) for one in found]


def doubling(*which):
    """A forward that doubles some of its inputs in place."""

    def forward(*inputs):
        for i in which:
            inputs[i][...] *= 2
        return product(*inputs)

    return forward


def writing(what):
    """A backward that doubles something that it was given."""

    def backward(g, cache):
        grads = pulled(g, cache)
        (g if what == "g" else cache[what])[...] *= 2
        return grads

    return backward


class Drifting:
    """A pass that adds something else at every call."""

    def __init__(self, passing, offsets):
        self.passing, self.offsets, self.calls = passing, offsets, -1

    def __call__(self, *args):
        self.calls += 1
        first, second = self.passing(*args)
        offset = self.offsets(self.calls)
        return (first + offset, second) if isinstance(second, tuple) else (first + offset, second + offset)


def drawn(call):
    return np.random.default_rng([7, call]).normal(size=3)


KEEPS = "gives another result when it is called again: it keeps something"
DRAWS = "gives another result at every call; draw random numbers outside and pass them in"

MISCONDUCT = {
    "an input": (doubling(0), pulled, [("mutated-input", "forward changes x in place")]),
    "the other input": (doubling(1), pulled, [("mutated-input", "forward changes y in place")]),
    "both inputs": (doubling(0, 1), pulled, [("mutated-input", "forward changes x, y in place")]),
    "grad_out": (product, writing("g"), [("mutated-input", "backward changes grad_out in place")]),
    "the cache": (
        lambda x, y: (x * y, (x.copy(), y.copy())),
        writing(1),
        [("mutated-cache", "backward changes the array of shape (3,) in the cache")],
    ),
    "an input that is in the cache": (
        product,
        writing(0),
        [("mutated-cache", "backward changes the array of shape (3,) in the cache")],
    ),
    "a forward that draws": (Drifting(product, drawn), pulled, [("random-forward", f"forward {DRAWS}")]),
    "a forward that counts": (Drifting(product, float), pulled, [("carries-over", f"forward {KEEPS}")]),
    "a backward that draws": (product, Drifting(pulled, drawn), [("random-backward", f"backward {DRAWS}")]),
    "a backward that counts": (product, Drifting(pulled, float), [("carries-over", f"backward {KEEPS}")]),
    "a backward that differs once": (
        product,
        Drifting(pulled, lambda call: float(call > 0)),
        [("carries-over", f"backward {KEEPS}")],
    ),
    "a backward that swings": (
        product,
        Drifting(pulled, lambda call: call % 2),
        [("carries-over", f"backward {KEEPS}")],
    ),
    "a running average": (
        product,
        Drifting(pulled, lambda call: A * 0.5**call),
        [("carries-over", f"backward {KEEPS}")],
    ),
    "no use of grad_out": (
        product,
        lambda g, cache: pulled(np.ones(3), cache),
        [("ignored-upstream", "backward returns the same for every grad_out")],
    ),
    "a square of grad_out": (
        product,
        lambda g, cache: pulled(g * g, cache),
        [("nonlinear-in-grad", "backward(2 a) is not 2 backward(a)")],
    ),
    "an absolute value of grad_out": (
        product,
        lambda g, cache: pulled(np.abs(g), cache),
        [("nonlinear-in-grad", "backward(a + b) is not backward(a) + backward(b)")],
    ),
    "nothing": (product, pulled, []),
    "zeros": (product, lambda g, cache: (0 * g, 0 * g), []),
}


@pytest.mark.parametrize("name", MISCONDUCT)
def test_misconduct_is_told_in_a_sentence(name):
    forward, backward, expected = MISCONDUCT[name]
    assert conduct_of(forward, backward) == expected


def test_a_backward_that_reaches_its_inputs_by_another_way_is_found_out():
    given = {}

    def forward(x, y):
        given["x"] = x
        return x * y, (x.copy(), y.copy())

    def backward(g, cache):
        given["x"][...] *= 2
        return pulled(g, cache)

    assert conduct_of(forward, backward) == [("mutated-input", "backward changes x in place")]


def test_arrays_are_found_however_deep_they_are_kept():
    @dataclasses.dataclass
    class Kept:
        array: np.ndarray
        number: float = 2.5

    class Slots:
        __slots__ = ("array",)

    Pair = namedtuple("Pair", "left right")
    nest = {"a": A, "b": [B, (A, None)], "c": Kept(B), "d": Pair(A, "text"), "e": np.float64(1.5), "f": 3, "g": Slots()}
    found = arrays_in(nest)
    assert [np.shape(array) for array in found] == [(3,), (3,), (3,), (3,), (), (3,), ()]
    assert found[0] is A
    assert float(found[4]) == 2.5
    assert arrays_in([np.array(["text"]), True, b"bytes", int, len]) == []
    assert arrays_in(np.array([1j])) == []
    assert len(arrays_in([[[[[A]]]]])) == 1
    assert arrays_in([[[[[[[A]]]]]]]) == []


def test_what_differs_by_rounding_is_alike():
    big = np.array([1e6, 1.0])
    assert close(big, big + 0.9e-3)
    assert not close(big, big + 1.1e-3)
    assert close(np.array([np.nan, np.inf, 1.0]), np.array([np.nan, np.inf, 1.0]))
    assert not close(np.array([np.inf]), np.array([1.0]))
    assert close(np.array([3]), np.array([3]))
    assert not close(np.array([3]), np.array([4]))
    assert close(np.zeros(0), np.zeros(0))
    assert alike([A, B], [A.copy(), B.copy()])
    assert not alike([A], [A, B])
    assert not alike([A], [A[:2]])
    assert not alike([A, B], [A, -B])


def test_an_array_differs_where_one_element_does():
    assert differs(A, A * np.array([1, 1, 2])) is True
    assert differs(A, A.copy()) is False
    assert differs(np.array([np.nan]), np.array([np.nan])) is False
    assert differs(np.array([1, 2]), np.array([1, 3])) is True
    assert differs(3, 4) is False


def test_steps_that_are_multiples_of_each_other_fade():
    assert fades([[A], [A / 2], [A / 4]])
    assert fades([[A, B], [0.9 * A, 0.9 * B]])
    assert not fades([[A], [B]])
    assert not fades([[A], [A / 2], [B]])
    assert not fades([[A[:1]], [A[:1] / 2]])
    assert not fades([[0 * A], [A]])
    assert not fades([[A], []])


def test_drift_is_told_from_chance():
    walk = [[A], [A + 1], [A + 2], [A + 3]]
    assert drifting("forward", walk).mistake == "carries-over"
    assert drifting("forward", [[A], [B], [A], [B]]).mistake == "carries-over"
    assert drifting("forward", [[A], [B], [drawn(0)]]).mistake == "random-forward"
    assert drifting("backward", [[drawn(i)] for i in range(4)]).mistake == "random-backward"
    assert drifting("backward", [[A], [B], [B]]).mistake == "carries-over"


def test_names_are_listed_once_and_in_order():
    assert listed(["y", "x", "y"]) == "y, x"
