"""A check says clearly what is wrong with the form of what it is given."""

from functools import partial

import numpy as np
import pytest

from acg_numpy.checks import check_backward, gradcheck
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
    "None": (lambda g: (g @ W.T, None), "gradient of w is None, but w is floating: expected an array of shape (3, 4)"),
    "transposed": (lambda g: (g @ W.T, g.T @ X), "shape (4, 3): expected (3, 4), that of w; are two axes exchanged?"),
    "not summed": (lambda g: (g @ W.T, g[:, None] * X[..., None]), "(2, 3, 4): expected (3, 4), that of w; sum over"),
    "cut": (lambda g: (g @ W.T, (X.T @ g)[:2]), "the gradient of w has shape (2, 4): expected (3, 4), that of w"),
    "float32": (lambda g: (g @ W.T, (X.T @ g).astype("f4")), "gradient of w has dtype float32: expected float64"),
    "complex": (lambda g: (g @ W.T, (X.T @ g) + 0j), "the gradient of w has dtype complex128: expected float64"),
}


@pytest.mark.parametrize("name", WRONG_FORMS)
def test_a_gradient_of_the_wrong_form_is_named_with_what_was_expected(name):
    backward, sentence = WRONG_FORMS[name]
    (fault,) = faults_of(lambda g, cache: backward(g), X, W)
    assert sentence in fault


def test_a_fault_in_one_gradient_does_not_keep_the_others_from_being_compared():
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


def test_a_forward_that_draws_random_numbers_is_told_to_take_them_as_an_input():
    rng = np.random.default_rng(0)

    def forward(x):
        noise = rng.normal(size=x.shape)
        return x * noise, noise

    report = check_backward(forward, lambda g, noise: g * noise, np.ones(3), raise_on_failure=False)
    assert not report.passed
    assert "called twice" in report.faults[0]


WRONG_FORWARDS = {
    "no cache": (lambda x: x, TypeError, "forward should return (out, cache), two things; it returned ndarray"),
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


@pytest.mark.parametrize("method", ["forward", "Central"])
def test_a_method_that_is_not_there_is_refused_with_a_list_of_those_that_are(method):
    for check in (partial(check_backward, square_forward, square_backward), partial(gradcheck, np.sin)):
        with pytest.raises(ValueError, match=f"method='{method}' is not there; there is: 'central'"):
            check(1.0, method=method)


WRONG_OPTIONS = {
    "rtol": ({"rtol": 0.0}, "rtol=0.0 should be positive"),
    "atol": ({"atol": -1.0}, "atol=-1.0 should be zero or positive"),
    "step": ({"step": 0.0}, "step=0.0 should be positive and finite"),
    "names": ({"names": ["x", "y"]}, "names=['x', 'y'] should hold one name of its own for each of the 1 inputs"),
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_options_that_make_no_sense_are_refused(name):
    options, sentence = WRONG_OPTIONS[name]
    with pytest.raises(ValueError) as caught:
        check_backward(square_forward, square_backward, 1.0, **options)
    assert sentence in str(caught.value)


def test_inputs_without_a_gradient_or_of_no_known_kind_are_refused():
    with pytest.raises(ValueError, match=r"no input is floating .*pass 1\.0 and not 1"):
        check_backward(square_forward, square_backward, np.array([1, 2]))
    with pytest.raises(TypeError, match="input 'x' has dtype complex128"):
        check_backward(square_forward, square_backward, 1j)


def test_names_come_from_the_signature_unless_given():
    def forward(x, *rest):
        return x * rest[0] * rest[1], (x, *rest)

    def backward(grad_out, cache):
        x, a, b = cache
        return grad_out * a * b, grad_out * x * b, grad_out * x * a

    assert list(check_backward(forward, backward, 1.0, 2.0, 3.0).per_input) == ["x", "rest[0]", "rest[1]"]
    named = check_backward(forward, backward, 1.0, 2.0, 3.0, names=["a", "b", "c"])
    assert list(named.per_input) == ["a", "b", "c"]


def test_trailing_nones_stand_for_optional_inputs_that_were_not_given():
    assert check_backward(product_forward, lambda g, cache: (g @ W.T, X.T @ g, None, None), X, W).passed
