"""What is wrong in form with what a forward or a backward returns is said in whole sentences."""

import itertools

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.contract.checked_inputs import read_argument
from acg_numpy.checks.contract.returned import random_like, read_gradient, read_gradients, shape_hint
from tests.checks.pairs_to_check import embedding_forward, square_backward, square_forward


def product_forward(x, w, ids=None):
    return x @ w, (x, w)


X, W = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)


def faults_of(backward, *inputs, forward=product_forward):
    report = check_backward(forward, backward, *inputs, raise_on_failure=False)
    assert not report.passed
    for fault in report.faults:
        assert fault in " ".join(str(report).split()).replace("fault: ", "")
    return report.faults


WRONG_FORMS = {
    "too few": (lambda g: (g @ W.T,), "backward returned 1 gradient for 2 inputs (x, w); expected 2"),
    "too many": (lambda g: (g @ W.T, X.T @ g, g), "backward returned 3 gradients for 2 inputs (x, w); expected 2"),
    "None": (
        lambda g: (g @ W.T, None),
        "gradient of w is None, but w is floating: expected an array of shape (3, 4); is it still to be written?",
    ),
    "transposed": (lambda g: (g @ W.T, g.T @ X), "shape (4, 3): expected (3, 4), that of w; are two axes exchanged?"),
    "not summed": (lambda g: (g @ W.T, g[:, None] * X[..., None]), "(2, 3, 4): expected (3, 4), that of w; sum over"),
    "cut": (lambda g: (g @ W.T, (X.T @ g)[:2]), "the gradient of w has shape (2, 4): expected (3, 4), that of w"),
    "float32": (lambda g: (g @ W.T, (X.T @ g).astype("f4")), "gradient of w has dtype float32: expected float64"),
    "complex": (lambda g: (g @ W.T, (X.T @ g) + 0j), "the gradient of w has dtype complex128: expected float64"),
}


def check(forward):
    return check_backward(forward, square_backward, np.array([1.0, 2.0]))


REFUSALS = {
    "no cache": (
        lambda: check(lambda y: y),
        TypeError,
        "forward should return (out, cache), two things; it returned ndarray",
    ),
    "a list": (
        lambda: check(lambda x: [x, x]),
        TypeError,
        "forward should return (out, cache), two things; it returned list",
    ),
    "three things": (
        lambda: check(lambda x: (x, x, x)),
        TypeError,
        "forward should return (out, cache), two things; it returned a tuple of 3",
    ),
    "a complex output": (
        lambda: check(lambda x: ((x, x + 0j), x)),
        TypeError,
        "the output should be a real array or a tuple of real arrays; it holds float64, complex128",
    ),
    "no floating output": (
        lambda: check(lambda x: (x > 0, x)),
        ValueError,
        "the output is not floating (bool), so it has no derivative",
    ),
    "no output": (
        lambda: check(lambda x: ((), x)),
        ValueError,
        "the output is not floating (nothing), so it has no derivative",
    ),
    "NaN": (
        lambda: check(lambda x: (np.where(x > 1, np.nan, x), x)),
        ValueError,
        "the output is NaN at (1,), so nothing can be compared here; check at inputs for which it is finite",
    ),
    "NaN in the second of two": (
        lambda: check(lambda x: ((x, x * [1.0, np.nan]), x)),
        ValueError,
        "the output 1 is NaN at (1,), so nothing can be compared here; check at inputs for which it is finite",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_whole_sentence(name):
    call, error, sentence = REFUSALS[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence


FORMS = {
    "None": (
        None,
        "the gradient of w is None, but w is floating: expected an array of shape (2, 3); is it still to be written?",
    ),
    "placeholder": (
        ...,
        "the gradient of w is `...`: it is still to be written; expected an array of shape (2, 3)",
    ),
    "transposed": (
        np.zeros((3, 2)),
        "the gradient of w has shape (3, 2): expected (2, 3), that of w; are two axes exchanged?",
    ),
    "not summed": (
        np.zeros((4, 2, 3)),
        "the gradient of w has shape (4, 2, 3): expected (2, 3), that of w; sum over the axes along which it was "
        "broadcast",
    ),
    "cut": (np.zeros(2), "the gradient of w has shape (2,): expected (2, 3), that of w"),
    "float32": (
        np.zeros((2, 3), np.float32),
        "the gradient of w has dtype float32: expected float64, the dtype that w was given in",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_gradient_of_another_form_is_reported_in_a_whole_sentence(name):
    entry, sentence = FORMS[name]
    assert read_gradient(entry, read_argument("w", np.ones((2, 3)))) == sentence


def test_what_is_held_fixed_has_no_gradient():
    ids = read_argument("ids", np.array([1, 2]))
    assert read_gradient(None, ids) is None
    head = "ids is held fixed (int64) and has no gradient: expected None, got "
    assert read_gradient(np.zeros(2), ids) == f"{head}an array of shape (2,) and dtype float64"
    assert read_gradient(0.0, ids) == f"{head}float"


def test_gradients_too_few_and_too_many_are_counted():
    x, ids = read_argument("x", 1.0), read_argument("ids", 1)
    tail = ": one for each input in order, None for integers and booleans, of which trailing ones may be left out"
    for returned, arguments, counted in (
        ((), (x,), "backward returned 0 gradients for 1 input (x); expected 1"),
        ((1.0, 2.0), (x,), "backward returned 2 gradients for 1 input (x); expected 1"),
        ((1.0,), (x, x), "backward returned 1 gradient for 2 inputs (x, x); expected 2"),
        ([1.0, None, 3.0], (x, ids), "backward returned 3 gradients for 2 inputs (x, ids); expected 1 to 2"),
    ):
        assert read_gradients(returned, arguments) == ([None] * len(arguments), counted + tail)
    for returned in ((1.0,), 1.0, (1.0, None), [1.0, None, None]):
        (first, second), fault = read_gradients(returned, (x, ids))
        assert fault is None
        assert second is None
        assert first == 1.0


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "backward returned None; is its body still to be written, or its return statement missing?"),
        (..., "backward returned `...`: it is still to be written"),
        (
            {},
            "the gradients that backward returned by name hold none of x; they hold no keys. Name them dx",
        ),
        ("x", "backward returned a str; expected a tuple of gradients, one for each input in the order of forward"),
    ],
)
def test_what_is_no_gradient_at_all_is_reported_as_such(returned, sentence):
    assert read_gradients(returned, (read_argument("x", 1.0),)) == ([None], sentence)


def test_a_hint_is_given_where_a_fix_is_likely():
    assert shape_hint((2, 3), (3, 2)) == "; are two axes exchanged?"
    assert shape_hint((5, 3), (1, 3)) == "; sum over the axes along which it was broadcast"
    assert shape_hint((4,), (3,)) == ""


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (3, 1), (1, 3), (1,)])
def test_a_shape_that_differs_by_ones_comes_with_the_step(shape):
    core = tuple(n for n in shape if n != 1)
    for before, after in itertools.product(range(3), repeat=2):
        got = (1,) * before + core + (1,) * after
        if sorted(got) == sorted(shape):
            continue
        try:
            stepped = f"have shape {(np.zeros(shape) - np.zeros(got)).shape}"
        except ValueError:
            stepped = "fail"
        felt = f": in a step, x - rate * gradient would {stepped}" if stepped != f"have shape {shape}" else ""
        assert shape_hint(got, shape) == f"; reshape it to {shape}{felt}"


@pytest.mark.parametrize("name", WRONG_FORMS)
def test_a_gradient_of_the_wrong_form_is_named_with_what_was_expected(name):
    backward, sentence = WRONG_FORMS[name]
    (fault,) = faults_of(lambda g, cache: backward(g), X, W)
    assert sentence in fault


def test_a_fault_in_one_gradient_leaves_the_others_compared():
    report = check_backward(product_forward, lambda g, c: (-g @ W.T, None), X, W, raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 6
    assert report.per_input["w"].fault == report.faults[0]


def test_a_gradient_for_an_integer_input_is_a_fault():
    ids = np.array([1, 1])
    (fault,) = faults_of(
        lambda g, c: (np.array([[0.0, 0.0, 0.0], [g[0, 0] + g[1, 0], *np.sum(g, axis=0)[1:]]]), np.zeros(2)),
        np.ones((2, 3)),
        ids,
        forward=embedding_forward,
    )
    assert "ids is held fixed (int64) and has no gradient: expected None, got an array of shape (2,)" in fault


def test_one_array_stands_for_a_tuple_of_one():
    assert check_backward(square_forward, lambda g, x: [square_backward(g, x)], np.ones(2)).passed


def test_a_gradient_that_is_not_finite_is_wrong():
    report = check_backward(square_forward, lambda g, x: np.full_like(x, np.nan), np.ones(2), raise_on_failure=False)
    assert report.per_input["x"].num_wrong == 2
    assert np.isnan(report.worst.analytic)


def test_a_forward_that_draws_random_numbers_has_no_derivative():
    rng = np.random.default_rng(0)

    def forward(x):
        noise = rng.normal(size=x.shape)
        return x * noise, noise

    report = check_backward(forward, lambda g, noise: g * noise, np.ones(3), raise_on_failure=False)
    assert not report.passed
    assert "called twice" in report.faults[0]


WRONG_FORWARDS = {
    "no cache": (lambda y: y, TypeError, "forward should return (out, cache), two things; it returned ndarray"),
    "three things": (lambda x: (x, x, x), TypeError, "it returned a tuple of 3"),
    "boolean": (lambda x: (x > 0, x), ValueError, "the output is not floating (bool), so it has no derivative"),
    "complex": (lambda x: (x + 0j, x), TypeError, "the output should be a real array or a tuple of real arrays"),
    "NaN": (lambda x: (np.where(x > 1, np.nan, x), x), ValueError, "the output is NaN at (1,)"),
}


@pytest.mark.parametrize("name", WRONG_FORWARDS)
def test_a_forward_of_the_wrong_form_is_refused(name):
    forward, error, sentence = WRONG_FORWARDS[name]
    with pytest.raises(error) as caught:
        check_backward(forward, square_backward, np.array([1.0, 2.0]))
    assert sentence in str(caught.value)


def test_trailing_nones_stand_for_optional_inputs_that_were_not_given():
    assert check_backward(product_forward, lambda g, cache: (g @ W.T, X.T @ g, None, None), X, W).passed


def test_a_random_gradient_has_both_signs_and_moderate_sizes():
    drawn = random_like(np.ones((20, 20), dtype=np.float32), np.random.default_rng(0))
    assert drawn.shape == (20, 20)
    assert drawn.dtype == np.float32
    assert np.all((np.abs(drawn) >= 0.5) & (np.abs(drawn) <= 1.5))
    assert 0.4 < np.mean(drawn > 0) < 0.6
