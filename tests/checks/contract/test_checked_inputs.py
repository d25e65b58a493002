"""Inputs are named, and those that are checked are told from those that are held fixed."""

import functools

import numpy as np
import pytest

from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.checks.contract.checked_inputs import function_name, names_from_signature, read_argument
from tests.checks.pairs_to_check import square_backward, square_forward

X = np.array([1.0, 2.0])


def check(forward, x=X, backward=square_backward, **options):
    return check_backward(forward, backward, x, **options)


REFUSALS = {
    "an input of another kind": (
        lambda: read_argument("x", "text"),
        TypeError,
        "input 'x' has dtype <U4; floating inputs are checked, integers, booleans and None are held fixed. Bind "
        "anything else beforehand: functools.partial(forward, option=...)",
    ),
    "names that are not enough": (
        lambda: check(square_forward, names=("a", "b")),
        ValueError,
        "names=['a', 'b'] should hold a different name for each of the 1 input",
    ),
    "one name twice": (
        lambda: gradcheck(np.add, 1.0, 2.0, names=["a", "a"]),
        ValueError,
        "names=['a', 'a'] should hold a different name for each of the 2 inputs",
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
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_whole_sentence(name):
    call, error, sentence = REFUSALS[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence


def test_inputs_have_the_names_of_the_parameters():
    assert names_from_signature(lambda x, /, y, *, z: x, 3) == ["x", "y", "input_2"]
    assert names_from_signature(lambda x, y, *rest: x, 1) == ["x"]
    assert names_from_signature(lambda x, *rest: x, 3) == ["x", "rest[0]", "rest[1]"]
    assert names_from_signature(dict.fromkeys, 0) == []
    assert names_from_signature(type, 2) == ["input_0", "input_1"]


def test_functions_partials_and_objects_have_a_name():
    class Square:
        def __call__(self, x):
            return x

    assert function_name(square_forward) == "square_forward"
    assert function_name(functools.partial(square_forward)) == "square_forward"
    assert function_name(Square()) == "Square"


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
