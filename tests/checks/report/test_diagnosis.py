"""A wrong backward is named: the corruption of the right one that gives its gradients, and where it was made."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain import explain
from acg_numpy.checks.explain.case import Case
from acg_numpy.checks.tracing import trace

# each example is a search for the mistake, and there are many formulas: a fifth of the profile's examples for each
SEARCH_EXAMPLES = settings(max_examples=max(1, settings().max_examples // 5))


def softmax_forward(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return p, p


def softmax_backward(g, p):
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


def named(forward, backward, *inputs):
    """The mistake that is named first, None where nothing is."""
    report = check_backward(forward, backward, *inputs, raise_on_failure=False)
    assert not report.passed
    return report.diagnoses[0].mistake if report.diagnoses else None


FORMULAS = {
    "only the diagonal": (lambda g, p: g * p * (1 - p), "diagonal-softmax"),
    "no row sum": (lambda g, p: g * p, "held-constant"),
    "the row sum added": (lambda g, p: p * (g + np.sum(p * g, axis=-1, keepdims=True)), "wrong-sign"),
    "summed along the other axis": (lambda g, p: p * (g - np.sum(p * g, axis=0, keepdims=True)), "wrong-axis"),
    "averaged": (lambda g, p: p * (g - np.mean(p * g, axis=-1, keepdims=True)), "mean-for-sum"),
    "minus all of it": (lambda g, p: -softmax_backward(g, p), "wrong-sign"),
    "zero": (lambda g, p: np.zeros_like(g), "zero-gradient"),
    "three times it": (lambda g, p: 3.5 * softmax_backward(g, p), "constant-factor"),
    "nothing of g": (lambda g, p: softmax_backward(np.ones_like(g) * np.arange(p.shape[-1]), p), "ignored-upstream"),
    "g squared": (lambda g, p: softmax_backward(g * g, p), "nonlinear-in-grad"),
    "transposed": (lambda g, p: softmax_backward(g, p).T, "transposed"),
    "float32": (lambda g, p: softmax_backward(g, p).astype(np.float32), "wrong-dtype"),
    "one too many": (lambda g, p: (softmax_backward(g, p), g), "wrong-count"),
}


@SEARCH_EXAMPLES
@pytest.mark.parametrize(("backward", "mistake"), FORMULAS.values(), ids=FORMULAS)
@given(st.integers(0, 2**32 - 1))
def test_a_wrong_formula_for_softmax_is_named(backward, mistake, seed):
    x = np.random.default_rng(seed).normal(size=(3, 7))
    assert named(softmax_forward, backward, x) == mistake


@given(st.floats(-4, 4), st.integers(0, 2**32 - 1))
def test_a_diagnosis_that_fits_reproduces_the_submitted_gradient(factor, seed):
    x = np.random.default_rng(seed).normal(size=(3, 7))
    if abs(factor - 1) < 1e-3 or abs(factor) < 1e-3:
        return
    report = check_backward(softmax_forward, lambda g, p: factor * softmax_backward(g, p), x, raise_on_failure=False)
    best = report.diagnoses[0]
    assert best.mistake in {"constant-factor", "wrong-sign", "mean-for-sum", "missing-scale"}
    assert 0 < best.confidence <= 1
    assert best.mistake not in best.hint


@SEARCH_EXAMPLES
@given(st.integers(0, 2**32 - 1))
def test_a_gradient_that_no_mistake_explains_is_not_explained(seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(3, 7))
    report = check_backward(
        softmax_forward, lambda g, p: softmax_backward(g, p) + np.sum(g) * noise, rng.normal(size=(3, 7)),
        raise_on_failure=False,
    )  # fmt: skip
    assert report.diagnoses == ()
    assert "no corruption" in report.notes[-1]


def product_forward(a, b):
    return a @ b, (a, b)


@pytest.mark.parametrize(
    ("backward", "mistake"),
    [
        (lambda g, c: (c[0].T @ g, g @ c[1].T), "swapped-inputs"),
        (lambda g, c: ((g @ c[1].T).T, c[0].T @ g), "transposed"),
        (lambda g, c: (g @ c[1].T, None), "zero-gradient"),
        (lambda g, c: (g @ c[1].T, -(c[0].T @ g)), "wrong-sign"),
        (lambda g, c: (g @ c[1].T,), "wrong-count"),
    ],
)
def test_a_wrong_backward_of_a_product_is_named(backward, mistake):
    rng = np.random.default_rng(0)
    assert named(product_forward, backward, rng.normal(size=(3, 4)), rng.normal(size=(4, 5))) == mistake


def total_forward(x, scale):
    return np.sum(x * x) * scale, x


class RunningTotal:
    """A backward that keeps a running total between calls."""

    def __init__(self):
        self.total = 0.0

    def __call__(self, g, x):
        self.total = self.total + 2 * g * x
        return self.total


def in_place(g, x):
    x *= 2
    return g * x


def drawn(rng, g, x):
    return 2 * g * x * rng.normal(size=x.shape)


@pytest.mark.parametrize(
    ("backward", "mistake"),
    [
        (RunningTotal(), "carries-over"),
        (in_place, "mutated-cache"),
        (partial(drawn, np.random.default_rng(0)), "random-backward"),
    ],
)
def test_a_side_effect_is_named(backward, mistake):
    forward = lambda x: (np.sum(x * x), x.copy())  # noqa: E731
    assert named(forward, backward, np.array([1.0, -2.0, 3.0])) == mistake


def test_a_mistake_that_the_inputs_hide_is_a_blind_spot():
    def gather_forward(table, ids):
        return table[ids], (table.shape, ids)

    def gather_backward(g, cache):
        shape, ids = cache
        grad = np.zeros(shape)
        np.add.at(grad, ids, g)
        return grad

    table = np.random.default_rng(0).normal(size=(5, 3))
    without = check_backward(gather_forward, gather_backward, table, np.array([0, 3, 1]))
    assert "overwritten-rows" in [spot.mistake for spot in without.blind_spots]
    repeats = check_backward(gather_forward, gather_backward, table, np.array([0, 3, 0]))
    assert "overwritten-rows" not in [spot.mistake for spot in repeats.blind_spots]
    assert "blind spots" in str(without)
    assert "blind spots" in without._repr_html_()


def test_a_forward_that_cannot_be_traced_is_diagnosed_from_numeric_derivatives():
    def forward(x):
        return np.asarray(x).copy() * 1.0 if type(x) is np.ndarray else float(x), x

    report = check_backward(forward, lambda g, x: -g, np.array([1.0, 2.0, 4.0]), raise_on_failure=False)
    assert report.diagnoses[0].mistake == "wrong-sign"
    assert "numeric" in report.diagnoses[0].evidence


def test_a_search_that_runs_out_of_time_says_so():
    x = np.random.default_rng(0).normal(size=(3, 7))
    g = np.random.default_rng(1).normal(size=(3, 7))
    graph = trace(lambda x: (softmax_forward(x)[0],), [x], [True])
    grads = graph.gradients([g])
    wrong = g * softmax_forward(x)[0]
    case = Case(("x",), (x,), {}, (wrong,), tuple(graph.at_inputs(grads)), (g,), graph, tuple(grads), 1e-8)
    assert explain(case).diagnoses[0].mistake == "held-constant"
    cut = explain(case, seconds=0.0)
    assert cut.diagnoses == ()
    assert "not every corruption was tried" in cut.notes[0]


def test_where_nothing_fits_a_note_has_what_is_known():
    def forward(x, w, b):
        hidden = np.tanh(x @ w)
        return hidden + b, (x, w, hidden)

    def backward(g, cache):
        x, w, hidden = cache
        noise = np.random.default_rng(0).normal(size=g.shape)
        inner = g * (1 - hidden**2) + noise * np.sum(g, axis=0)
        return inner @ w.T, x.T @ inner, np.sum(g, axis=0)

    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    report = check_backward(forward, backward, *inputs, raise_on_failure=False)
    assert report.diagnoses == ()
    assert "right: b; x is wrong everywhere; w is wrong everywhere" in report.notes[-1]
    assert "hidden = np.tanh(x @ w)" in report.notes[-1]


def test_a_factor_that_has_two_origins_is_given_both_names():
    """Four wide, so that 2 is the root of an axis; and two wide elsewhere, so that it is the size of one as well."""

    def forward(query, key, value):
        p, _ = softmax_forward(query @ key.T / np.sqrt(query.shape[-1]))
        return p @ value, (query, key, value, p)

    def backward(g, cache):
        query, key, value, p = cache
        scores = softmax_backward(g @ value.T, p)
        return scores @ key, scores.T @ query, p.T @ g

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    names = [d.mistake for d in check_backward(forward, backward, *inputs, raise_on_failure=False).diagnoses]
    assert names[:2] == ["missing-scale", "mean-for-sum"]


TURNS = {
    "the weight of the inputs is assigned": "last-only",
    "the state after instead of the state before": "stale-value",
    "the slope of another function": "stale-value",
    "the weight not transposed": "transposed",
}


@pytest.mark.parametrize("name", TURNS)
def test_the_same_mistake_in_every_turn_of_a_loop_is_one_mistake(name):
    def forward(xs, w, u):
        h = np.zeros(4)
        states = [h]
        for t in range(len(xs)):
            h = np.tanh(xs[t] @ w + h @ u)
            states.append(h)
        return h, (xs, w, u, states)

    def backward(g, cache):
        xs, w, u, states = cache
        dx, dw, du = np.zeros_like(xs), np.zeros_like(w), np.zeros_like(u)
        for t in reversed(range(len(xs))):
            slope = 1 - states[t + 1] ** (1 if name == "the slope of another function" else 2)
            a = g * slope
            dx[t] = a @ w.T
            dw = np.outer(xs[t], a) + (0 if name == "the weight of the inputs is assigned" else dw)
            before = states[t + 1 if name == "the state after instead of the state before" else t]
            du += np.outer(before, a)
            g = a @ (u if name == "the weight not transposed" else u.T)
        return dx, dw, du

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)) / 2, rng.normal(size=(4, 4)) / 2
    assert named(forward, backward, *inputs) == TURNS[name]


@pytest.mark.parametrize(
    ("factor", "mistake"), [(-1.0, "wrong-sign"), (0.0, "held-constant"), (2.0, "constant-factor")]
)
def test_one_corruption_in_every_turn_of_a_loop_is_one_mistake(factor, mistake):
    """Of h = tanh(h w) + h the first part, in each of three turns."""

    def forward(x, w):
        states = [x]
        for _ in range(3):
            a = np.tanh(states[-1] @ w)
            states.append(a + states[-1])
        return states[-1], (states, w)

    def backward(g, cache):
        states, w = cache
        dw = np.zeros_like(w)
        for h, after in zip(states[-2::-1], states[:0:-1], strict=True):
            a = factor * g * (1 - (after - h) ** 2)
            dw += h.T @ a
            g = g + a @ w.T
        return g, dw

    rng = np.random.default_rng(0)
    report = check_backward(
        forward, backward, rng.normal(size=(3, 4)), rng.normal(size=(4, 4)) / 2, raise_on_failure=False
    )
    assert report.diagnoses[0].mistake == mistake
    said = f"times {factor:g}" if factor else "what comes back from there is left out"
    assert report.diagnoses[0].evidence.startswith(f"at each of the 3 times that the line is run: {said}")


@pytest.mark.parametrize(
    ("factor", "mistake", "text"),
    [
        (1.5, "constant-factor", "a factor 1.5"),
        (5**-0.5, "missing-scale", "a factor 0.4472 = 1 / sqrt(5), axis 1 of xs or axis 0 of w"),
    ],
)
def test_an_odd_factor_in_every_turn_of_a_loop_is_one_mistake(factor, mistake, text):
    def forward(xs, w):
        total = np.sum(w * w)
        for x in xs:
            total = total + np.sum(np.tanh(x @ w))
        return total, (xs, w)

    def backward(g, cache):
        xs, w = cache
        a = g * (1 - np.tanh(xs @ w) ** 2)
        return a @ w.T, 2 * g * w + factor * (xs.T @ a)

    rng = np.random.default_rng(0)
    report = check_backward(forward, backward, rng.normal(size=(3, 5)), rng.normal(size=(5, 4)), raise_on_failure=False)
    assert report.diagnoses[0].mistake == mistake
    assert report.diagnoses[0].evidence.startswith(
        f"at each of the 3 times that the line is run: off by {text}. With this"
    )


def test_a_transposed_factor_and_a_sign_elsewhere_are_named_together():
    def forward(x, w):
        hidden = np.tanh(x @ w)
        shortcut = x * x
        return hidden + shortcut, (x, w, hidden)

    def backward(g, cache):
        x, w, hidden = cache
        a = g * (1 - hidden**2)
        return a @ w - 2 * g * x, x.T @ a

    rng = np.random.default_rng(0)
    report = check_backward(forward, backward, rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), raise_on_failure=False)
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["transposed", "wrong-sign"]
    first = forward.__code__.co_firstlineno
    evidence = (
        f"the other factor transposed (test_diagnosis.py:{first + 1}: x @ w), and "
        f"what comes back from there has the wrong sign (test_diagnosis.py:{first + 2}: shortcut = x * x). "
    )
    assert all(diagnosis.evidence.startswith(evidence) for diagnosis in report.diagnoses)


def test_a_target_that_is_no_input_is_named():
    labels = np.array([1, 0, 4])

    def forward(x):
        logs = x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))
        return -np.sum(logs[np.arange(3), labels]), np.exp(logs)

    x = np.random.default_rng(0).normal(size=(3, 5))
    report = check_backward(forward, lambda g, p: g * p, x, raise_on_failure=False)
    assert report.diagnoses[0].mistake == "target-not-subtracted"
    assert report.diagnoses[0].evidence.startswith(
        "the target, which the gradient of the logarithms points at, is left out. "
    )


def test_a_wrong_slope_is_named_where_the_right_one_is_nan():
    """The root of what is positive, for which what is not is replaced by -1 before, and by 0 after."""

    def forward(x):
        with np.errstate(invalid="ignore"):
            root = np.sqrt(np.where(x > 0, x, -1.0))
        return np.where(x > 0, root, 0.0), x

    x = np.random.default_rng(0).normal(size=(3, 4))
    report = check_backward(forward, lambda g, x: np.where(x > 0, g / x, 0.0), x, raise_on_failure=False)
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["stale-value"]
    assert report.diagnoses[0].evidence.startswith("1 / v used for the slope, v being the argument. ")


@pytest.mark.parametrize("dtype", [bool, int, np.uint8, float])
def test_a_mask_that_the_backward_forgets_is_named(dtype):
    def forward(scores, mask):
        return softmax_forward(np.where(mask == 1, scores, -1e9))[0], (scores, mask)

    def backward(g, cache):
        return softmax_backward(g, softmax_forward(cache[0])[0]), (np.zeros(cache[1].shape) if dtype is float else None)

    mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]).astype(dtype)
    scores = np.random.default_rng(0).normal(size=(3, 4))
    report = check_backward(forward, backward, scores, mask, raise_on_failure=False)
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["missing-mask"]
    assert report.diagnoses[0].evidence.startswith("this is the gradient of the forward without mask. ")


def test_ids_of_which_some_are_zero_are_no_mask():
    def backward(g, cache):
        table, ids = cache
        grad = np.zeros_like(table)
        np.add.at(grad, np.ones_like(ids), g * np.cos(table[1]))
        return grad

    table = np.random.default_rng(0).normal(size=(4, 3))
    report = check_backward(
        lambda table, ids: (np.sin(table[ids]), (table, ids)),
        backward,
        table,
        np.array([0, 2, 0]),
        raise_on_failure=False,
    )
    assert report.diagnoses == ()
