"""What a report says of a wrong backward, or of the check itself: the mistake by name, and its evidence."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from tests.checks.functions import pair

RNG = np.random.default_rng(0)


X, Y, W, B = (RNG.normal(size=shape) for shape in [(3, 4), (3, 4), (4, 5), (5,)])


S, T = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))


TABLE, IDS = RNG.normal(size=(4, 3)), np.array([0, 2, 0, 3])


MASK = np.array([[True, False, True, True], [True, True, False, True], [False, True, True, False]])


def linear(x, w, b):
    return x @ w + b, (x, w)


def linear_right(g, cache):
    x, w = cache
    return g @ w.T, x.T @ g, np.sum(g, axis=0)


def changed(which, change):
    """The right backward of the linear map with one gradient changed."""

    def backward(g, cache):
        grads = list(linear_right(g, cache))
        grads[which] = change(grads[which])
        return tuple(grads)

    return linear, backward, X, W, B


def bias_from(reduced):
    """The same with another gradient for the bias, made of g."""
    return linear, lambda g, cache: (*linear_right(g, cache)[:2], reduced(g)), X, W, B


def mse(p, t):
    return np.mean((p - t) ** 2), (p, t)


def of_mse(by_p, by_t=lambda p, t: -2 * (p - t) / p.size):
    return mse, lambda g, cache: (g * by_p(*cache), g * by_t(*cache)), X, Y


def wave(x):
    return np.sin(x) * x, x


def wave_of_columns(x):
    columns = x.T
    return np.sin(columns) * columns, columns


def gated(x, y):
    gate = np.tanh(x)
    return gate * y, (x, gate, y)


def centred(x):
    return x - np.mean(x, axis=1, keepdims=True), x


def tanh(x):
    return np.tanh(x), (x, np.tanh(x))


def picked(table, ids):
    return table[ids], (table, ids)


def square(x):
    return x * x, x


def masked(x, mask):
    return np.where(mask, x, 0.0) * x, x


def tall(x, b):
    return x + np.reshape(b, (3, 1)), None


def column(x, b):
    return x * b, (x, b)


def product(a, b):
    return a @ b, (a, b)


def by_rows(put):
    def backward(g, cache):
        table, ids = cache
        grad = np.zeros(table.shape)
        put(grad, ids, g)
        return (grad,)

    return picked, backward, TABLE, IDS


def assign(grad, ids, g):
    grad[ids] = g


def average(grad, ids, g):
    np.add.at(grad, ids, g)
    grad /= np.maximum(np.bincount(ids, minlength=len(grad)), 1)[:, None]


SAID = {
    "inputs exchanged": (
        (product, lambda g, c: (c[0].T @ g, g @ c[1].T), S, T),
        "swapped-inputs",
        "the gradients of a and b stand in each other's place",
    ),
    "one of zeros": (changed(1, np.zeros_like), "zero-gradient", "the gradient of w is zero throughout"),
    "two of zeros": (
        (linear, lambda g, c: (0 * c[0], 0 * c[1], np.sum(g, axis=0)), X, W, B),
        "zero-gradient",
        "the gradient of x and w is zero throughout",
    ),
    "minus all": (
        (linear, lambda g, c: tuple(-grad for grad in linear_right(g, c)), X, W, B),
        "wrong-sign",
        "the gradient of x, w and b is minus the right one",
    ),
    "minus one": (changed(2, np.negative), "wrong-sign", "the gradient of b is minus the right one"),
    "averaged": (
        bias_from(lambda g: np.mean(g, axis=0)),
        "mean-for-sum",
        "the gradient of b is off by a factor 0.3333 = 1 / 3, axis 0 of x or axis 0 of the output",
    ),
    "times a root": (
        changed(1, lambda grad: grad * np.sqrt(5)),
        "missing-scale",
        "the gradient of w is off by a factor 2.236 = sqrt(5), axis 1 of w or axis 0 of b or axis 1 of the output",
    ),
    "times the cube of a root": (
        changed(1, lambda grad: grad * 5**1.5),
        "missing-scale",
        "the gradient of w is off by a factor 11.18 = sqrt^3(5), axis 1 of w or axis 0 of b or axis 1 of the output",
    ),
    "times any number": (
        changed(1, lambda grad: grad * 0.7),
        "constant-factor",
        "the gradient of w is off by a factor 0.7",
    ),
    "times a simple number": (
        changed(1, lambda grad: grad * 1.5),
        "constant-factor",
        "the gradient of w is off by a factor 1.5",
    ),
    "times one size over another": (
        changed(1, lambda grad: grad * 5 / 3),
        "mean-for-sum",
        "the gradient of w is off by a factor 1.667 = 5 / 3, axis 1 of w or axis 0 of b or axis 1 of the output and "
        "axis 0 of x or axis 0 of the output exchanged",
    ),
    "times the size of the output": (
        changed(1, lambda grad: grad * 15),
        "mean-for-sum",
        "the gradient of w is off by a factor 15, the number of elements of the output",
    ),
    "transposed": (changed(1, np.transpose), "transposed", "the gradient of w has its axes exchanged"),
    "transposed under the old shape": (
        changed(1, lambda grad: grad.T.reshape(4, 5)),
        "reshaped-not-transposed",
        "the gradient of w has its numbers in the order of other axes: reshaped where axes had to be exchanged",
    ),
    "not summed": (
        bias_from(lambda g: g),
        "missing-broadcast-sum",
        "the gradient of b is not summed over axis 0, along which the input was broadcast",
    ),
    "summed over the other axis": (
        bias_from(lambda g: np.sum(g, axis=1)),
        "wrong-axis",
        "what comes back from there is summed over axes (1,)",
    ),
    "not summed behind a reshape": (
        (tall, lambda g, c: (g, g), X, RNG.normal(size=3)),
        "missing-broadcast-sum",
        "the gradient of b is not summed over axis 1, along which the input was broadcast",
    ),
    "summed over rows and not columns, behind a reshape": (
        (tall, lambda g, c: (g, np.sum(g, axis=0)), X, RNG.normal(size=3)),
        "wrong-axis",
        "what comes back from there is summed over axes (0,)",
    ),
    "not summed, and something else than g": (
        (column, lambda g, c: (g * c[1], g * c[0]), X, RNG.normal(size=(3, 1))),
        "missing-broadcast-sum",
        "the gradient of b is not summed over axis 1, along which the input was broadcast",
    ),
    "an axis kept": (
        bias_from(lambda g: np.sum(g, axis=0, keepdims=True)),
        "wrong-shape",
        "the gradient of b holds the right numbers in shape (1, 5) for (5,)",
    ),
    "summed too far": (
        changed(1, lambda grad: np.sum(grad, axis=0)),
        "wrong-axis",
        "the gradient of w is summed over axis 0 of the input as well",
    ),
    "the first row": (bias_from(lambda g: g[0]), "missing-broadcast-sum", "the first of the broadcast uses alone"),
    "the last row": (bias_from(lambda g: g[-1]), "last-only", "the last of the broadcast uses alone"),
    "no target": (
        of_mse(lambda p, t: p / 6),
        "target-not-subtracted",
        None,  # the factor is that of grad_out
    ),
    "half of it": (
        of_mse(lambda p, t: (p - t) / 12, lambda p, t: (t - p) / 12),
        "missing-scale",
        "the gradient of p and t is off by a factor 0.5 = 1 / sqrt(4), axis 1 of p or axis 1 of t",
    ),
    "a sum for a mean": (
        of_mse(lambda p, t: 2 * (p - t), lambda p, t: 2 * (t - p)),
        "mean-for-sum",
        "the gradient of p and t is off by a factor 12, the number of elements of p or the number of elements of t",
    ),
    "one use": (
        (wave, lambda g, x: g * np.sin(x), X),
        "missing-path",
        "what comes back from there, one use of the input, is left out",
    ),
    "the other use": (
        (wave, lambda g, x: g * np.cos(x) * x, X),
        "missing-path",
        "what comes back from there, one use of the input, is left out",
    ),
    "one use of a view": (
        (wave_of_columns, lambda g, columns: (g * np.sin(columns)).T, X),
        "missing-path",
        "what comes back from there, one use of the input, is left out",
    ),
    "one use twice": (
        (wave, lambda g, x: g * (np.sin(x) + 2 * np.cos(x) * x), X),
        "double-counted",
        "what comes back from there counts twice",
    ),
    "one use with the wrong sign": (
        (wave, lambda g, x: g * (np.sin(x) - np.cos(x) * x), X),
        "wrong-sign",
        "what comes back from there has the wrong sign",
    ),
    "a mean held fixed": (
        (centred, lambda g, x: g, X),
        "held-constant",
        "what comes back from there is left out, as if it did not depend on the input",
    ),
    "a sum for the mean inside": (
        (centred, lambda g, x: g - np.sum(g, axis=1, keepdims=True), X),
        "mean-for-sum",
        "what comes back from there is off by a factor 4, axis 1 of x or axis 1 of the output",
    ),
    "a mean with the wrong sign": (
        (centred, lambda g, x: g + np.mean(g, axis=1, keepdims=True), X),
        "wrong-sign",
        "what comes back from there has the wrong sign",
    ),
    "what went in for what came out": (
        (tanh, lambda g, c: g * (1 - c[0] ** 2), X),
        "stale-value",
        "the slope 1 - v^2 taken at the value of an input",
    ),
    "an input for the other factor": (
        (gated, lambda g, c: (g * c[2] * (1 - c[1] ** 2), g * c[0]), X, Y),
        "stale-value",
        "an input used",
    ),
    "the result for its slope": (
        (tanh, lambda g, c: g * c[1], X),
        "stale-value",
        "v used for the slope, v being the result",
    ),
    "rows assigned": (by_rows(assign), "overwritten-rows", "assigned and not added where an id repeats"),
    "rows averaged": (by_rows(average), "mean-for-sum", "averaged and not added where an id repeats"),
    "no mask": (
        (masked, lambda g, x: (2 * g * x,), X, MASK),
        "missing-mask",
        "this is the gradient of the forward without mask",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_mistake_is_named_with_its_evidence(name):
    (forward, backward, *inputs), mistake, sentence = SAID[name]
    best = check_backward(forward, backward, *inputs, raise_on_failure=False).diagnoses[0]
    assert best.mistake == mistake
    said, rest = best.evidence.split(". With this one change the right gradient becomes yours")
    assert rest.removeprefix(", for every input,").startswith(" to ")
    if sentence is not None:
        assert said == sentence


def test_an_output_left_out_is_reported_with_the_line_that_makes_it():
    def forward(x):
        p = np.tanh(x)
        return (p, p * Y), p

    def backward(grad_outs, p):
        return grad_outs[1] * Y * (1 - p * p)  # and not (grad_outs[0] + grad_outs[1] * Y)

    (found,) = check_backward(forward, backward, X, raise_on_failure=False).diagnoses
    line = f"test_findings.py:{forward.__code__.co_firstlineno + 1}: p = np.tanh(x)"
    assert found.mistake == "missing-path"
    assert found.message == f"one use of the value is left out, on the way back through {line}"
    assert found.evidence.startswith(
        "the gradient of output 0 is left out, and only what comes back from its other use is kept. With this "
        "one change the right gradient becomes yours to "
    )


def test_a_product_with_itself_is_a_use_and_no_statistic():
    def forward(x):
        return (x @ x, np.sin(x)), x

    def backward(grad_outs, x):
        return grad_outs[1] * np.cos(x)  # and not grad_outs[0] * 2 * x beside it

    (found,) = check_backward(forward, backward, B, raise_on_failure=False).diagnoses
    assert found.mistake == "missing-path"
    assert found.evidence.startswith("what comes back from there, one use of the input, is left out. ")


def test_what_every_run_of_a_line_explains_is_less_likely():
    def halves(x):
        return np.reshape(x, (2, -1))

    def forward(x, w, y):
        return np.sin(halves(x * w)) * halves(y), (x, w, y)

    def backward(g, cache):
        x, w, y = cache
        product = g * halves(y) * np.cos(halves(x * w))
        last = product * np.array([[0.0], [1.0]])
        return last.ravel() * w, product.ravel() * x, (g * np.sin(halves(x * w))).ravel()  # last, and not product

    first, second = check_backward(forward, backward, *W[:3, :4], raise_on_failure=False).diagnoses
    assert first.mistake == "last-only"
    assert first.evidence.startswith("the last along axis 0 alone. ")
    assert second.mistake == "missing-path"
    assert second.evidence.startswith("at each of the 2 times that the line is run: the first along axis 0 left out. ")
    assert first.confidence > second.confidence > 0.05


def test_a_boolean_target_that_is_not_subtracted_is_named():
    def forward(x, bought):
        return np.mean(np.logaddexp(0, x) - bought * x), (x, bought)

    def backward(g, cache):
        x, _ = cache
        return g / (1 + np.exp(-x)) / x.size, None  # and not the sigmoid minus bought

    (found,) = check_backward(forward, backward, X, MASK, raise_on_failure=False).diagnoses
    assert found.mistake == "target-not-subtracted"
    said = found.evidence.split(". With")[0]
    assert said.startswith("the gradient of x is off by ")
    assert said.endswith(" times bought and by nothing else: bought is not subtracted")


def test_a_value_in_the_place_of_another_is_named_with_its_line():
    def forward(x, y):
        u = np.sin(x)
        gate = np.tanh(u)
        return gate * y, (x, u, gate, y)

    def backward(g, cache):
        x, u, gate, y = cache
        return g * y * (1 - gate * gate) * np.cos(x), g * u  # and not g * gate

    (found,) = check_backward(forward, backward, X, Y, raise_on_failure=False).diagnoses
    line = f"test_findings.py:{forward.__code__.co_firstlineno + 1}: u = np.sin(x)"
    assert found.mistake == "stale-value"
    assert found.evidence.startswith(f"the value of {line} used. With this one change the right gradient becomes yours")


def at_places(*places):
    """Something wrong at some places of the gradient of w, that no mistake explains."""

    def backward(g, cache):
        grads = linear_right(g, cache)
        for number, place in enumerate(places):
            grads[1][place] += (1 + number) * np.sum(g * np.cos(np.arange(15.0)).reshape(3, 5))
        return grads

    return backward


NOTHING = "no corruption of one or two places in the backward gives these gradients; right: x and b; w is wrong "


@pytest.mark.parametrize(
    ("places", "where"),
    [
        ([(2, 3)], "only at 2 along axis 0"),
        ([(0, 3), (3, 1)], "only at 0, 3 along axis 0"),
        ([(0, 1), (1, 4), (2, 1), (3, 4)], "only at 1, 4 along axis 1"),
        ([(0, 0), (1, 1), (2, 2), (3, 3), (0, 4)], "in 5 of 20 elements"),
        ([slice(None)], "everywhere"),
    ],
)
def test_where_no_mistake_fits_the_places_of_errors_are_reported(places, where):
    report = check_backward(linear, at_places(*places), X, W, B, raise_on_failure=False)
    assert report.diagnoses == ()
    assert report.notes[-1].startswith(NOTHING + where)


def test_at_a_kink_the_gradient_cannot_be_judged_and_that_is_said():
    x = np.array([0.0, 1.0, -2.0])
    report = check_backward(lambda x: (np.maximum(x, 0.0), x), lambda g, x: g * (x > 0), x)
    assert report.undecided == 1
    assert list(report.per_input["x"].kink) == [True, False, False]
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["kink"]


@pytest.mark.parametrize(("step", "mistake"), [(0.5, "step-too-large"), (1e-14, "step-too-small")])
def test_a_step_that_is_to_blame_is_blamed(step, mistake):
    x = np.array([0.3, 1.0, 2.0])
    report = check_backward(*pair("fast sin"), x, step=step, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0
    assert report.diagnoses[0].mistake == mistake
    assert not report.notes  # on how uncertain the derivative is: at a better step it is not


def test_a_forward_that_computes_in_too_few_digits_is_reported():
    def forward(x):
        return np.sin(x.astype(np.float32)).astype(np.float64), x

    report = check_backward(forward, lambda g, x: g * np.cos(x), np.array([0.3, 0.9]), raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 0
    assert report.diagnoses[0].mistake == "low-precision"


def test_an_undecided_element_is_no_failure_and_a_long_step_is_named():
    report = check_backward(
        lambda x: (np.sin(50 * x), x),
        lambda g, x: 50 * g * np.cos(50 * x),
        np.array([0.3]),
        step=0.1,
        raise_on_failure=False,
    )
    assert report.per_input["x"].step_fault == "step-too-large"
    assert report.diagnoses[0].message.endswith("step 0.1 for x: a smaller one decides them; leave step out")


def test_a_gradient_that_holds_nan_is_reported_as_such():
    def backward(g, cache):
        grads = linear_right(g, cache)
        grads[1][:2] = np.nan
        return grads

    report = check_backward(linear, backward, X, W, B, raise_on_failure=False)
    assert report.diagnoses == ()
    assert "the gradient of w holds NaN at 10 of 20 elements" in report.notes
    assert "right: x and b; w is wrong only at 0, 1 along axis 0" in report.notes[-1]
