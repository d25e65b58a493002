"""What a check refuses or finds wrong in form it says in whole sentences: what came, what was expected, the mend."""

import functools

import numpy as np
import pytest

from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.checks.contract.checked_inputs import name_of, names_from_signature, read_argument
from acg_numpy.checks.contract.returned import read_gradient, read_gradients, shape_hint
from acg_numpy.checks.learner.input_specs import InputsError, read_inputs
from acg_numpy.checks.settings import read_settings
from tests.checks.pairs_to_check import square_backward, square_forward

X = np.array([1.0, 2.0])


def settings(**changed):
    return read_settings(**({"method": "central", "rtol": 1e-5, "atol": 0.0, "step": None, "seed": 0} | changed))


def check(forward, x=X, backward=square_backward, **options):
    return check_backward(forward, backward, x, **options)


REFUSALS = {
    "no such method": (
        lambda: settings(method="forward"),
        ValueError,
        "method='forward' is not there; there is: 'central', 'richardson', 'complex', 'directional'",
    ),
    "rtol of zero": (
        lambda: settings(rtol=0.0),
        ValueError,
        "rtol=0.0 should be positive: no numeric derivative is exact",
    ),
    "rtol that is no number": (
        lambda: settings(rtol=np.nan),
        ValueError,
        "rtol=nan should be positive: no numeric derivative is exact",
    ),
    "atol below zero": (lambda: settings(atol=-1.0), ValueError, "atol=-1.0 should be zero or positive"),
    "a step of zero": (
        lambda: settings(step=0.0),
        ValueError,
        "step=0.0 should be positive and finite, or None to choose it for each element",
    ),
    "a step without end": (
        lambda: settings(step=np.inf),
        ValueError,
        "step=inf should be positive and finite, or None to choose it for each element",
    ),
    "an input of another kind": (
        lambda: read_argument("x", "text"),
        TypeError,
        "input 'x' has dtype <U4; floating inputs are checked, integers, booleans and None are held fixed. Bind "
        "anything else beforehand: functools.partial(forward, option=...)",
    ),
    "names that are not enough": (
        lambda: check(square_forward, names=("a", "b")),
        ValueError,
        "names=['a', 'b'] should hold one name of its own for each of the 1 inputs",
    ),
    "one name twice": (
        lambda: gradcheck(np.add, 1.0, 2.0, names=["a", "a"]),
        ValueError,
        "names=['a', 'a'] should hold one name of its own for each of the 2 inputs",
    ),
    "no floating input": (
        lambda: check_backward(square_forward, square_backward, 1, None, names=["x", "mask"]),
        ValueError,
        "no input is floating (x: int64, mask: None), so there is no gradient to check; pass 1.0 and not 1",
    ),
    "no input": (
        lambda: check_backward(square_forward, square_backward),
        ValueError,
        "no input is floating (no inputs at all), so there is no gradient to check; pass 1.0 and not 1",
    ),
    "no cache": (
        lambda: check(lambda x: x),
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

DESCRIPTIONS = {
    "": 'piece 1 is empty: write "3x4", "5", "scalar", "positive:3x4", "bool:3x5", "int<7:3" or "none"',
    "3x4, 5y4": 'piece 2, \'5y4\', is no shape: write sizes joined by x, as in "3x4", or "scalar"',
    "bool": "piece 1, 'bool', says what it is but not how large: add a shape, as in \"bool:3x4\"",
    "positive": "piece 1, 'positive', says what it is but not how large: add a shape, as in \"positive:3x4\"",
    "int: 3": "piece 1, 'int: 3', needs a bound: \"int<7:3\" draws from 0 to 6",
    "int<0:3": "piece 1, 'int<0:3', has no whole number to draw: the bound should be 1 or more, as in \"int<7:3\"",
    f"int<{2**63}:3": f"piece 1, 'int<{2**63}:3', has no whole number to draw: the bound should be 1 or more, as in "
    '"int<7:3"',
    "odd:3": 'piece 1, \'odd:3\', is of no kind there is: write "3x4", "5", "scalar", "positive:3x4", "bool:3x5", '
    '"int<7:3" or "none"',
    "1000x1001": "piece 1, '1000x1001', holds 1,001,000 numbers, and a check moves each: take a smaller shape",
    "bool:3,none": "'bool:3,none' holds no floating input, so there is no gradient to check: add one, as in \"3x4\"",
}
REFUSALS |= {
    f"inputs {text[:12]!r}": (functools.partial(read_inputs, text), InputsError, sentence)
    for text, sentence in DESCRIPTIONS.items()
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_whole_sentence(name):
    call, error, sentence = REFUSALS[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence


def test_the_largest_inputs_and_bounds_are_taken():
    assert read_inputs("1000x1000")[0].shape == (1000, 1000)
    assert read_inputs(f"1, int<{2**63 - 1}:3")[1].shape == (3,)
    pieces = read_inputs(" 3x4 ,NONE, positive : 2")
    assert [piece.text for piece in pieces] == ["3x4", "NONE", "positive : 2"]
    assert [piece.shape for piece in pieces] == [(3, 4), (), (2,)]
    assert [piece.floating for piece in pieces] == [True, False, True]


FORMS = {
    "None": (None, "the gradient of w is None, but w is floating: expected an array of shape (2, 3)"),
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
def test_a_gradient_of_another_form_is_told_in_a_whole_sentence(name):
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
        (None, "backward returned None; is its return statement missing?"),
        ({}, "backward returned a dict; expected a tuple of gradients, one for each input in the order of forward"),
        ("x", "backward returned a str; expected a tuple of gradients, one for each input in the order of forward"),
    ],
)
def test_what_is_no_gradient_at_all_is_told_as_such(returned, sentence):
    assert read_gradients(returned, (read_argument("x", 1.0),)) == ([None], sentence)


def test_a_hint_is_given_where_a_mend_is_likely():
    assert shape_hint((2, 3), (3, 2)) == "; are two axes exchanged?"
    assert shape_hint((5, 3), (1, 3)) == "; sum over the axes along which it was broadcast"
    assert shape_hint((3,), (1, 3)) == ""
    assert shape_hint((4,), (3,)) == ""


def test_inputs_have_the_names_of_the_parameters():
    assert names_from_signature(lambda x, /, y, *, z: x, 3) == ["x", "y", "input_2"]
    assert names_from_signature(lambda x, y, *rest: x, 1) == ["x"]
    assert names_from_signature(lambda x, *rest: x, 3) == ["x", "rest[0]", "rest[1]"]
    assert names_from_signature(dict.fromkeys, 0) == []
    assert names_from_signature(type, 2) == ["input_0", "input_1"]


def test_a_function_is_called_by_its_name_a_partial_by_that_of_its_function_an_object_by_its_type():
    class Square:
        def __call__(self, x):
            return x

    assert name_of(square_forward) == "square_forward"
    assert name_of(functools.partial(square_forward)) == "square_forward"
    assert name_of(Square()) == "Square"


def test_inputs_are_sorted_by_what_they_are():
    floating = read_argument("x", np.float32([1, 2]))
    assert (floating.value.dtype, floating.shape, floating.held, floating.checked) == (np.float64, (2,), None, True)
    for value, held in ((np.array([1], np.int8), "int8"), (np.array([True]), "bool"), (3, "int64"), (None, "None")):
        argument = read_argument("x", value)
        assert (argument.held, argument.checked) == (held, False)
        assert argument.shape == np.shape(value) if value is not None else argument.shape == ()
    kept = np.array([1, 2])
    assert read_argument("ids", kept).value is not kept
    assert type(read_argument("n", 3).value) is int


def test_settings_are_told_in_a_line():
    assert str(settings()) == "central differences in float64, rtol 1e-05, seed 0"
    told = str(settings(method="richardson", atol=1e-7, step=0.25, seed=3))
    assert told == "extrapolated central differences in float64, rtol 1e-05, atol 1e-07, step 0.25, seed 3"
    assert str(settings(method="complex")).startswith("complex steps in")
    assert str(settings(method="directional")).startswith("central differences along random directions in")
    assert settings(rtol=1e-3, atol=0.5, step=2.0).tolerance == (1e-3, 0.5, 2.0)
    assert settings(seed=4).rng.random() == np.random.default_rng(4).random()
