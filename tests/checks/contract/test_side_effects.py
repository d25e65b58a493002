"""Side effects of two passes are reported, each in a sentence that names what they did."""

import dataclasses
import itertools
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.contract.side_effects import (
    alike,
    arrays_in,
    classify_drift,
    close,
    differs,
    find_side_effects,
    goes_one_way,
    repeats,
    settles,
)

A, B = np.array([1.0, -2.0, 3.0]), np.array([0.5, 4.0, -1.0])


def product(x, y):
    return x * y, (x, y)


def pulled(g, cache):
    x, y = cache
    return g * y, g * x


def conduct_of(forward, backward):
    arguments = [read_argument("x", A), read_argument("y", B)]
    found = find_side_effects(forward, backward, arguments, (np.array([1.5, -0.75, 0.5]),), np.random.default_rng(0))
    return [tuple(one) for one in found.faults]


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


class Layer:
    """A layer that can be called, in its own cache; it adds to the gradients that it keeps."""

    def __init__(self, x, y):
        self.x, self.y, self.dx = x, y, np.zeros(3)

    def __call__(self):
        return self.x * self.y

    def pull(self, g, kept):
        grad_y, self.dx[...] = g * kept.x, g * kept.y
        return self.dx, grad_y


def layer_forward(x, y):
    layer = Layer(x, y)
    return layer(), layer


LAST = {}


def remembering(x, y):
    LAST["inputs"] = x, y
    return x * y, None


TOTAL = np.zeros(3)


def adding(g, cache):
    grad_x, grad_y = pulled(g, cache)
    TOTAL[...] += grad_x
    return TOTAL, grad_y


SIDE_EFFECTS = {
    "a buffer in the cache, which each call fills anew": (
        layer_forward,
        lambda g, layer: layer.pull(g, layer),
        [],
    ),
    "a buffer that is never set to zero": (
        product,
        adding,
        [("carries-over", "backward adds to what the call before left: a buffer is not set to zero at the start")],
    ),
    "inputs kept outside the cache": (
        remembering,
        lambda g, cache: pulled(g, LAST["inputs"]),
        [
            (
                "carries-over",
                "after a forward at other inputs, backward gives other gradients for the cache of the first: it uses "
                "what the last forward left outside the cache",
            )
        ],
    ),
    "a gradient divided by its length": (
        product,
        lambda g, cache: pulled(g / np.linalg.norm(g), cache),
        [("nonlinear-in-grad", "backward(2 a) is not 2 backward(a)")],
    ),
    "an input": (doubling(0), pulled, [("mutated-input", "forward changes x in place")]),
    "the other input": (doubling(1), pulled, [("mutated-input", "forward changes y in place")]),
    "both inputs": (doubling(0, 1), pulled, [("mutated-input", "forward changes x and y in place")]),
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
    "a forward that differs once": (
        Drifting(product, lambda call: float(call > 0)),
        pulled,
        [("carries-over", f"forward {KEEPS}")],
    ),
    "a forward that swings": (
        Drifting(product, lambda call: call % 2),
        pulled,
        [("carries-over", f"forward {KEEPS}")],
    ),
    "a forward that creeps": (  # by less than rounding from one call to the next, by more from the first to the third
        Drifting(product, lambda call: 5e-9 * call),
        pulled,
        [("carries-over", f"forward {KEEPS}")],
    ),
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
    "NaN throughout": (product, lambda g, cache: (g * np.nan, g * np.nan), []),
    "infinities throughout": (product, lambda g, cache: (np.abs(g) * np.inf, np.abs(g) * np.inf), []),
    "two arrays of the cache": (
        lambda x, y: (x * y, (x.copy(), y[:, None].copy())),
        lambda g, cache: [np.ravel(array.__imul__(2)) * g for array in cache],
        [("mutated-cache", "backward changes the arrays of shapes (3,) and (3, 1) in the cache")],
    ),
    "nothing": (product, pulled, []),
    "zeros": (product, lambda g, cache: (0 * g, 0 * g), []),
}


@pytest.mark.parametrize("name", SIDE_EFFECTS)
def test_a_side_effect_is_reported_in_a_sentence(name):
    forward, backward, expected = SIDE_EFFECTS[name]
    assert conduct_of(forward, backward) == expected


def test_what_the_caller_does_not_feel_is_noted():
    arguments = [read_argument("x", A), read_argument("y", B)]
    grad_outs = (np.array([1.5, -0.75, 0.5]),)

    def notes_of(forward, backward, **options):
        return find_side_effects(forward, backward, arguments, grad_outs, np.random.default_rng(0), **options).notes

    assert notes_of(layer_forward, lambda g, layer: layer.pull(g, layer)) == [
        "backward changes the array of shape (3,) in the cache; called again with the same cache, "
        "it gives the same result"
    ]
    assert notes_of(product, writing("g"), layer=True) == [
        "backward changes grad_out in place; others may need it, too"
    ]
    assert notes_of(product, pulled) == []


def test_a_backward_that_reaches_its_inputs_by_another_way_is_found_out():
    given = {}

    def forward(x, y):
        given["x"] = x
        return x * y, (x.copy(), y.copy())

    def backward(g, cache):
        given["x"][...] *= 2
        return pulled(g, cache)

    assert conduct_of(forward, backward) == [("mutated-input", "backward changes x in place")]


def test_the_report_says_what_was_seen_and_what_it_is_called():
    def backward(g, cache):
        x, y = cache
        y *= 2
        return g * y, g * x

    def forward(x, y):
        return x * y, (x.copy(), y.copy())

    report = check_backward(forward, backward, A, B, raise_on_failure=False)
    assert [d.message for d in report.diagnoses] == [
        "the backward changes the cache: backward changes the array of shape (3,) in the cache"
    ]


@dataclasses.dataclass
class Kept:
    x: np.ndarray
    y: np.ndarray


@dataclasses.dataclass(slots=True)
class Slotted(Kept):
    """The same in slots."""


class Taken:
    __slots__ = ("__x", "y")

    def __init__(self, x, y):
        self.__x, self.y = x, y


@pytest.mark.parametrize("cache", [SimpleNamespace, Kept, Slotted, Taken])
def test_a_cache_may_be_an_object_of_any_kind_and_is_watched(cache):
    def forward(x, y):
        return x * y, (x, cache(x=x.copy(), y=y.copy()))

    def backward(g, kept):
        x, other = kept
        grads = g * other.y, g * x
        other.y[...] *= 2
        return grads

    assert conduct_of(forward, backward) == [("mutated-cache", "backward changes the array of shape (3,) in the cache")]


def test_what_a_function_in_the_cache_keeps_is_no_side_effect():
    def activation(x):
        return x

    activation.calls = np.zeros(1)

    def backward(g, cache):
        activation.calls += 1
        return pulled(g, cache[1])

    assert conduct_of(lambda x, y: (activation(x * y), (activation, (x, y))), backward) == []


def test_arrays_are_found_however_deep_they_are_kept():
    @dataclasses.dataclass
    class Counted:
        array: np.ndarray
        number: float = 2.5

    class Empty:
        __slots__ = ("array",)

    Pair = namedtuple("Pair", "left right")
    nest = {
        "a": A,
        "b": [B, (A, None)],
        "c": Counted(B),
        "d": Pair(A, "text"),
        "e": np.float64(1.5),
        "f": 3,
        "g": Empty(),
    }
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


def test_what_grows_or_fades_goes_one_way_at_any_steps():
    assert goes_one_way([[A + step * B] for step in range(8)])
    assert goes_one_way([[A + step**2 * B] for step in range(8)])
    assert goes_one_way([[A * 0.01**step, B * 0.01**step] for step in range(8)])
    assert goes_one_way([[A + step // 2 * B] for step in range(8)])
    assert goes_one_way([[1e8 * A + 0.5**step] for step in range(8)])
    assert goes_one_way([[A[:1] / step] for step in range(1, 8)])


def test_what_turns_back_or_aside_does_not_go_one_way():
    assert not goes_one_way([[A], [2 * A], [1.5 * A]])
    assert not goes_one_way([[A], [2 * A], [3 * A + 1e-6 * B]])
    assert not goes_one_way([[drawn(i)] for i in range(3)])
    assert not goes_one_way([[A], [2 * A], [3 * A, 3 * A]])
    assert not goes_one_way([[A], [A + np.inf], [A]])


def test_what_settles_does_not_come_back_to_what_it_was():
    assert settles([[A], [B], [B]])
    assert settles([[A], [A], [2 * B], [B], [B], [B]])
    assert not settles([[A], [B], [A], [A]])
    assert not settles([[A], [A], [A], [B]])


def test_results_repeat_in_twos_or_threes_from_the_first_to_the_last():
    assert repeats([[A], [B], [A], [B], [A]])
    assert repeats([[A], [B], [B], [A], [B], [B]])
    assert not repeats([[A], [B], [A], [2 * B]])
    assert not repeats([[A], [B], [A]])


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["number", "array", "shared"]))
def test_a_forward_that_multiplies_by_what_it_draws_is_random(seed, kind):
    """Also where all of an array is multiplied by one number, so that its results lie on a line."""
    rng = np.random.default_rng(seed)
    size = {"number": None, "array": A.shape, "shared": 1}[kind]

    def forward(x, y):
        return x * y * rng.normal(size=size), (x, y)

    first = forward(A, B)[0]
    later = [forward(A, B)[0] for _ in range(7)]
    turns = np.sign(np.diff([np.vdot(A * B, out) for out in (first, *later)]))
    assume(abs(np.sum(turns)) < len(turns))  # once in twenty thousand times they go one way by chance
    rng = np.random.default_rng(seed)
    assert conduct_of(forward, pulled) == [("random-forward", f"forward {DRAWS}")]


@pytest.mark.parametrize(
    "kept",
    [lambda n: 1 + n, lambda n: (1 + n) ** 2, lambda n: 1 / (1 + n), lambda n: 2.0**-n, lambda n: n % 3, np.sqrt],
    ids=["count", "square", "average", "running average", "in threes", "root"],
)
def test_a_forward_that_multiplies_by_what_it_has_kept_carries_over(kept):
    calls = itertools.count()
    assert conduct_of(lambda x, y: (x * y * kept(next(calls)), (x, y)), pulled) == [
        ("carries-over", f"forward {KEEPS}")
    ]


def test_drift_is_distinguished_from_chance():
    walk = [[A], [A + 1], [A + 2], [A + 3]]
    assert classify_drift("forward", walk).mistake == "carries-over"
    assert classify_drift("forward", [[A], [B], [A], [B]]).mistake == "carries-over"
    assert classify_drift("forward", [[A], [B], [drawn(0)]]).mistake == "random-forward"
    assert classify_drift("backward", [[drawn(i)] for i in range(4)]).mistake == "random-backward"
    assert classify_drift("backward", [[A], [B], [B]]).mistake == "carries-over"


def test_of_single_numbers_a_swing_is_distinguished_from_chance():
    one, other = [np.array([1.0])], [np.array([3.0])]
    assert classify_drift("backward", [one, other, one, other]).mistake == "carries-over"
    assert classify_drift("backward", [one, other, one, [np.array([7.0])]]).mistake == "random-backward"


@pytest.mark.parametrize(("factor", "mistake"), [(1.0, None), (-1.0, "wrong-sign"), (7.0, "constant-factor")])
def test_float32_inside_a_backward_is_judged_at_its_precision(factor, mistake):
    rng = np.random.default_rng(0)

    def forward(x, w):
        return np.tanh(x @ w), (x, w)

    def backward(g, cache):
        x, w = cache
        buffer = np.zeros(g.shape, np.float32)
        buffer[...] = g * (1 - np.tanh(x @ w) ** 2)
        inner = buffer * 1.000001
        return factor * (inner.astype(float) @ w.T), x.T @ inner.astype(float)

    report = check_backward(forward, backward, rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), raise_on_failure=False)
    assert [d.mistake for d in report.diagnoses][:1] == ([] if mistake is None else [mistake])
    (note,) = [note for note in report.notes if "backward rounds to some 7 digits" in note]
    assert note.endswith("rtol is 0.001 and atol 1e-05 here, so an error of less than 0.1% would pass")


def test_a_small_term_that_does_not_double_is_no_rounding():
    report = check_backward(
        lambda x: (x**2, x), lambda g, x: 2 * x * g + 1e-6 * np.sign(g), np.array([0.5, -2.0]), raise_on_failure=False
    )
    assert report.diagnoses[0].mistake == "nonlinear-in-grad"


def softmax_in_a_closure(right):
    kept = {}

    def forward(z):
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        kept["p"] = e / np.sum(e, axis=-1, keepdims=True)
        return kept["p"]

    def backward(grad_out):
        p = kept["p"]
        return p * (grad_out - np.sum(grad_out * p, axis=-1, keepdims=right))

    return forward, backward


def test_a_pair_without_cache_may_keep_it_in_a_closure():
    z = np.random.default_rng(0).normal(size=(3, 3))
    report = check_backward(*softmax_in_a_closure(True), z)
    assert any("each forward needs its backward before the next" in note for note in report.notes)
    assert not check_backward(*softmax_in_a_closure(False), z, raise_on_failure=False).passed
