"""A Tensor reads as its array does, and an operator or a method is the NumPy function of its name, options and all."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import Tensor, no_grad, tensor

X = np.array([[0.7, -1.2, 2.5], [1.9, 0.4, -0.3]])
CUBE = np.arange(24.0).reshape(2, 3, 4) ** 1.5


def test_a_tensor_prints_every_row_under_the_first():
    assert repr(tensor([[1.0, 2.0], [3.0, 4.0]])) == "tensor([[1., 2.],\n        [3., 4.]])"
    assert repr(tensor([[1.5], [2.5]], requires_grad=True)) == "tensor([[1.5],\n        [2.5]], requires_grad=True)"
    assert repr(tensor(np.float32([1, 2]))) == "tensor([1., 2.], dtype=float32)"
    assert repr(tensor([1, 2])) == "tensor([1, 2])"
    assert repr(tensor([True])) == "tensor([ True])"
    assert f"{tensor([1.0, 2.0])}" == "[1. 2.]"


def test_a_tensor_that_is_detached_has_the_values_and_no_others_array():
    leaf = tensor(X, requires_grad=True)
    out = leaf * 2
    alone = out.detach()
    assert type(alone) is Tensor
    assert alone.is_leaf
    assert not alone.requires_grad
    assert np.array_equal(alone.data, 2 * X)
    alone.data[0] = 9.0
    assert np.array_equal(out.data, 2 * X)
    assert leaf.is_leaf
    assert not out.is_leaf


def test_requires_grad_is_yes_or_no():
    assert tensor(1.0).requires_grad is False
    assert tensor(1.0, requires_grad=1).requires_grad is True
    assert (tensor(1.0) * 2).requires_grad is False
    assert (tensor(1.0, requires_grad=True) * 2).requires_grad is True
    t = tensor(1.0, requires_grad=True)
    t.requires_grad = False
    assert t.requires_grad is False


def test_a_tensor_that_requires_none_turns_into_any_array():
    t = tensor(X)
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    assert np.array_equal(np.asarray(t, dtype=np.float32), X.astype(np.float32))
    assert np.shares_memory(np.array(t, copy=False), t.data)
    assert not np.shares_memory(np.array(t, copy=True), t.data)
    assert complex(tensor(1.5)) == 1.5
    assert int(tensor(3.7)) == 3
    assert operator.index(tensor(3)) == 3
    assert 0.7 in t
    assert 0.8 not in t
    assert not tensor(0.0)


ODD_METHODS = {
    "mean with its axes kept": lambda a: a.mean(axis=1, keepdims=True),
    "prod of all": lambda a: a.prod(),
    "prod with its axes kept": lambda a: a.prod(axis=0, keepdims=True),
    "min of rows": lambda a: a.min(axis=1),
    "min with its axes kept": lambda a: a.min(axis=0, keepdims=True),
    "max of all": lambda a: a.max(),
    "var of all": lambda a: a.var(),
    "var with its axes kept": lambda a: a.var(axis=1, keepdims=True, ddof=1),
    "std of columns": lambda a: a.std(axis=0, ddof=1, keepdims=True),
    "cumprod of all": lambda a: a.cumprod(),
    "clip below": lambda a: a.clip(min=5.0),
    "trace of other axes": lambda a: a.trace(1, 1, 2),
    "trace of the last axes": lambda a: a.trace(0, 2, 0),
    "trace as it is": lambda a: a.trace(),
    "diagonal of other axes": lambda a: a.diagonal(1, 2, 1),
    "diagonal as it is": lambda a: a.diagonal(),
    "take from all": lambda a: a.take([5, 0, 5]),
    "take around": lambda a: a.take([7, -1], axis=1, mode="wrap"),
    "take at the end": lambda a: a.take([7, -1], axis=1, mode="clip"),
    "repeat all": lambda a: a.repeat(2),
    "repeat each": lambda a: a.repeat([1, 0, 2], axis=1),
    "reshape by numbers": lambda a: a.reshape(4, 6),
    "reshape by one number": lambda a: a.reshape(-1),
    "squeeze all": lambda a: a.reshape(2, 1, 12, 1).squeeze(),
    "squeeze one": lambda a: a.reshape(2, 1, 12, 1).squeeze(axis=3),
    "transpose by numbers": lambda a: a.transpose(1, 2, 0),
    "transpose by a list": lambda a: a.transpose([2, 0, 1]),
    "transpose": lambda a: a.transpose(),
    "swapaxes": lambda a: a.swapaxes(0, 1),
    "T": lambda a: a.T,
    "mT": lambda a: a.mT,
    "argmax of all": lambda a: a.argmax(),
    "argmin of columns": lambda a: a.argmin(axis=2),
    "argsort": lambda a: a.argsort(),
    "argsort of another axis": lambda a: a.argsort(axis=0),
    "round": lambda a: a.round(),
    "round to tens": lambda a: a.round(-1),
    "any of all": lambda a: a.any(),
    "all of an axis": lambda a: a.all(axis=2),
    "nonzero": lambda a: a.nonzero()[1],
}


@pytest.mark.parametrize("name", ODD_METHODS)
def test_a_method_takes_the_options_of_the_arrays(name):
    method = ODD_METHODS[name]
    found, expected = method(tensor(-CUBE)), method(-CUBE)
    assert np.array_equal(found.data if isinstance(found, Tensor) else found, expected)
    assert np.shape(found) == np.shape(expected)


ARITHMETIC = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.mod,
    operator.pow,
    operator.matmul,
]
PLAIN = [
    operator.floordiv,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
BITS = [operator.and_, operator.or_, operator.xor]
each = pytest.mark.parametrize("op", ARITHMETIC + PLAIN, ids=lambda op: op.__name__)
SQUARE = np.array([[0.5, 1.5], [2.5, 3.5]])
OTHERS = {
    "an array": SQUARE + 0.25,
    "a Python number": 2.0,
    "a NumPy number": np.float64(1.5),
    "a number of float32": np.float32(1.5),
    "a whole number": 3,
    "a list": [[1.0, 2.0], [0.5, 4.0]],
}


@each
@pytest.mark.parametrize("name", OTHERS)
def test_an_operator_is_numpys_whatever_stands_on_the_other_side(op, name):
    other = OTHERS[name]
    if op is operator.matmul and np.ndim(other) == 0:
        return
    t, a = tensor(SQUARE, requires_grad=True), np.asarray(other)
    for found, expected in ((op(t, other), op(SQUARE, a)), (op(other, t), op(a, SQUARE))):
        assert isinstance(found, Tensor) == (op in ARITHMETIC)
        assert np.array_equal(found.data if isinstance(found, Tensor) else found, expected)


@pytest.mark.parametrize("op", BITS, ids=lambda op: op.__name__)
def test_bits_are_numpys_from_both_sides(op):
    a, b = np.array([6, 3]), np.array([5, 9])
    for found in (op(tensor(a), b), op(a, tensor(b)), op(tensor(a), tensor(b)), op(tensor(a), list(b))):
        assert np.array_equal(found, op(a, b))
    assert np.array_equal(op(12, tensor(b)), op(12, b))


@pytest.mark.parametrize("op", ARITHMETIC, ids=lambda op: op.__name__)
@pytest.mark.parametrize(("left", "right"), [(True, False), (False, True), (True, True), (False, False)])
def test_a_result_gives_its_gradient_to_the_side_that_requires_one(op, left, right):
    x, y = tensor(SQUARE, requires_grad=left), tensor(SQUARE + 0.25, requires_grad=right)
    out = op(x, y)
    assert out.requires_grad is (left or right)
    assert out.is_leaf is not (left or right)
    with no_grad():
        assert not op(x, y).requires_grad
    if left or right:
        np.sum(out).backward()
    assert (x.grad is not None) is left
    assert (y.grad is not None) is right


class Greedy:
    """Something that wants to handle arrays itself."""

    __array_ufunc__ = None

    def __radd__(self, other):
        return "mine"

    def __add__(self, other):
        return "mine"

    def __rfloordiv__(self, other):
        return "mine"


def test_what_wants_to_handle_arrays_itself_is_left_to_it():
    t = tensor(SQUARE, requires_grad=True)
    assert t + Greedy() == "mine"
    assert Greedy() + t == "mine"
    assert t // Greedy() == "mine"
    with pytest.raises(TypeError, match="unsupported operand"):
        t - Greedy()


@pytest.mark.parametrize("power", [2, 2.0, 3, 1, 0, -1])
def test_a_power_has_the_slope_of_a_power(power):
    t = tensor([3.0], requires_grad=True)
    out = t**power
    assert out.item() == 3.0**power
    out.backward()
    assert t.grad[0] == pytest.approx(power * 3.0 ** (power - 1))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=4))
def test_an_operator_of_one_is_numpys(values):
    t, a = tensor(values, requires_grad=True), np.array(values)
    for op in (operator.neg, operator.pos, operator.abs):
        assert np.array_equal(op(t).data, op(a))
        assert op(t).requires_grad
    assert [x.item() for x in t] == values
    for whole, rest in (divmod(t, 2.0), divmod(t, np.float64(2.0))):
        assert np.array_equal(whole, a // 2.0)
        assert np.array_equal(rest.data, a % 2.0)


def test_an_option_at_its_default_is_no_option_to_a_ufunc_either():
    t = tensor(X, requires_grad=True)
    assert np.array_equal(np.exp(t, where=True).data, np.exp(X))
    assert np.array_equal(np.sum(t, 0, where=True).data, np.sum(X, 0))
    assert np.array_equal(np.multiply(t, 2.0, out=None).data, 2 * X)


def test_a_plain_function_looks_into_lists_tuples_and_keywords():
    t = tensor([1.0, 4.0], requires_grad=True)
    assert np.array_equal(np.searchsorted(np.array([0.0, 2.0]), t), [1, 2])
    assert np.array_equal(np.searchsorted(a=np.array([0.0, 2.0]), v=t), [1, 2])
    assert np.array_equal(np.lexsort((t, [1, 0])), [1, 0])


def test_outside_recording_every_function_works_on_the_arrays():
    t = tensor([1.0, 4.0], requires_grad=True)
    for function in (np.spacing, np.fft.fft):
        with no_grad():
            assert np.array_equal(function(t), function(t.numpy()))
    assert np.array_equal(np.add.reduceat(tensor([1.0, 4.0]), [0, 1]), [1.0, 4.0])
    assert np.array_equal(np.fft.fft(a=tensor([1.0, 4.0]), n=2), np.fft.fft([1.0, 4.0]))
    assert np.array_equal(np.hypot.outer(tensor([3.0]), tensor([4.0])).data, [[5.0]])
