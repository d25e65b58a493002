"""Operators, with anything on the other side, and the methods of arrays: all are the functions they stand for."""

import operator

import numpy as np
import pytest

from acg_numpy import NoDerivativeError, Tensor, tensor
from acg_numpy.checks import gradcheck

X = np.array([[0.7, 1.3, 2.1], [1.9, 0.4, 2.6]])
Y = np.array([[1.2, 0.8, 1.7]])

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod,
]  # fmt: skip
PARTNERS = {
    "an array": Y,
    "a float": 1.7,
    "an int": 2,
    "a NumPy float": np.float64(1.7),
    "a NumPy int": np.int64(3),
    "an array of whole numbers": np.array([1, 2, 3]),
    "an array of no axes": np.array(1.7),
    "a list": [1.2, 0.8, 1.7],
}


@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_operators_take_anything_on_either_side(op, partner):
    other = PARTNERS[partner]
    for function in (lambda t: op(t, other), lambda t: op(other, t)):
        found = function(tensor(X, requires_grad=True))
        assert type(found) is Tensor
        assert np.allclose(found.data, function(X), rtol=1e-15)
        assert found.dtype == np.asarray(function(X)).dtype
        gradcheck(function, X, second_order=True)


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_operators_between_tensors_broadcast(op):
    gradcheck(op, X, Y, second_order=True, names=["x", "y"])


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_python_numbers_leave_float32_as_it_is_and_numpy_numbers_do_not(op):
    t = tensor(X.astype(np.float32), requires_grad=True)
    for number, dtype in ((2, np.float32), (1.7, np.float32), (np.float64(1.7), np.float64)):
        assert op(t, number).dtype == op(number, t).dtype == dtype


@pytest.mark.parametrize("op", [operator.neg, operator.pos, abs], ids=lambda op: op.__name__)
def test_operators_of_one(op):
    gradcheck(op, X - 1.0, second_order=True, names=["x"])


def test_matrix_products_take_arrays_on_either_side():
    w = np.array([[0.3, -0.2], [1.1, 0.4], [0.5, 0.9]])
    gradcheck(lambda t: t @ w, X, second_order=True)
    gradcheck(lambda t: X @ t, w, second_order=True)
    gradcheck(operator.matmul, X, w, second_order=True, names=["x", "w"])


@pytest.mark.parametrize(
    "op",
    [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, operator.floordiv],
    ids=lambda op: op.__name__,
)
def test_comparisons_and_whole_quotients_are_plain(op):
    t = tensor(X, requires_grad=True)
    for other in (Y, 1.3, tensor(Y)):
        plain = other.data if isinstance(other, Tensor) else other
        for found, expected in ((op(t, other), op(X, plain)), (op(other, t), op(plain, X))):
            assert type(found) is np.ndarray
            assert np.array_equal(found, expected)


def test_divmod_gives_a_plain_quotient_and_a_recorded_remainder():
    for function in (lambda t: divmod(t, 0.6), lambda t: divmod(5.0, t), lambda t: np.divmod(t, 0.6)):
        quotient, remainder = function(tensor(X, requires_grad=True))
        assert type(quotient) is np.ndarray
        assert np.array_equal(quotient, function(X)[0])
        assert np.array_equal(remainder.data, function(X)[1])
        gradcheck(lambda t, function=function: function(t)[1], X, second_order=True)


METHODS = {
    "sum": lambda a: a.sum(),
    "sum of rows": lambda a: a.sum(-1, keepdims=True),
    "sum of all axes": lambda a: a.sum(axis=(0, 1)),
    "mean": lambda a: a.mean(axis=0),
    "prod": lambda a: a.prod(1),
    "max": lambda a: a.max(axis=1, keepdims=True),
    "min": lambda a: a.min(),
    "var": lambda a: a.var(axis=0, ddof=1),
    "std": lambda a: a.std(1),
    "cumsum": lambda a: a.cumsum(),
    "cumsum of rows": lambda a: a.cumsum(axis=1),
    "cumprod": lambda a: a.cumprod(0),
    "clip": lambda a: a.clip(0.5, 2.0),
    "clip above": lambda a: a.clip(max=2.0),
    "dot": lambda a: a.dot(np.array([1.0, 2.0, 3.0])),
    "trace": lambda a: a.trace(1),
    "diagonal": lambda a: a.diagonal(offset=-1),
    "take": lambda a: a.take([0, 0, 2], axis=1),
    "repeat": lambda a: a.repeat(2, axis=0),
    "reshape": lambda a: a.reshape(3, 2),
    "reshape by a tuple": lambda a: a.reshape((-1,)),
    "ravel": lambda a: a.ravel(),
    "flatten": lambda a: a.flatten(),
    "squeeze": lambda a: a.reshape(2, 1, 3).squeeze(1),
    "transpose": lambda a: a.transpose(),
    "transpose by numbers": lambda a: a.transpose(1, 0),
    "transpose by a tuple": lambda a: a.transpose((1, 0)),
    "swapaxes": lambda a: a.swapaxes(0, -1),
    "astype": lambda a: a.astype(np.float64),
    "astype without a copy": lambda a: a.astype(np.float64, copy=False),
    "astype by a rule of casting": lambda a: a.astype(np.float64, casting="safe"),
    "copy": lambda a: a.copy(),
    "copy in another order": lambda a: a.copy("F"),
    "flatten in another order": lambda a: a.flatten("F"),
    "ravel in another order": lambda a: a.ravel(order="F"),
    "reshape in another order": lambda a: a.reshape(3, 2, order="F"),
    "transpose of one axis": lambda a: a[0].transpose(0) * a[1].transpose(-1),
    "sum of some": lambda a: a.sum(axis=1, where=np.array([True, False, True])),
    "sum from a start": lambda a: a.sum(axis=0, initial=2.0),
    "mean of some": lambda a: a.mean(where=np.array([[True], [False]])),
    "prod from a start": lambda a: a.prod(axis=1, initial=2.0),
    "max of some": lambda a: a.max(axis=0, where=np.array([[True], [False]]), initial=0.0),
    "roll by lists": lambda a: np.roll(a, [1, 2], axis=[0, 1]),
    "an axis of a number": lambda a: sum(
        method(a[i, 0], axis=axis) for i, axis in enumerate((0, -1)) for method in (np.sum, np.max, np.min, np.prod)
    ),
    "running along a number": lambda a: np.cumsum(a[0, 0], axis=0) * np.cumprod(a[1, 1], axis=-1),
    "T": lambda a: a.T,
    "mT": lambda a: a.mT,
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_does_what_the_arrays_does_and_has_its_gradient(name):
    method = METHODS[name]
    found = method(tensor(X, requires_grad=True))
    assert type(found) is Tensor
    assert np.array_equal(found.data, method(X))
    assert method(tensor(X.astype(np.float32), requires_grad=True)).dtype == method(X.astype(np.float32)).dtype
    gradcheck(method, X, second_order=True)


PLAIN_METHODS = {
    "argmax": lambda a: a.argmax(axis=1),
    "argmin": lambda a: a.argmin(),
    "argsort": lambda a: a.argsort(0),
    "round": lambda a: a.round(1),
    "any": lambda a: a.any(axis=0),
    "all": lambda a: a.all(),
    "nonzero": lambda a: a.nonzero()[0],
    "astype int": lambda a: a.astype(int),
    "tolist": lambda a: a.tolist(),
    "item": lambda a: a.item(1, 2),
}


@pytest.mark.parametrize("name", PLAIN_METHODS)
def test_a_method_with_no_derivative_to_give_is_plain(name):
    found, expected = PLAIN_METHODS[name](tensor(X, requires_grad=True)), PLAIN_METHODS[name](X)
    assert type(found) is type(expected)
    assert np.array_equal(found, expected)


def test_options_without_a_derivative_are_refused_by_methods_too():
    with pytest.raises(NoDerivativeError, match="mean"):
        tensor(X, requires_grad=True).var(mean=1.0)
    with pytest.raises(NoDerivativeError, match="order='K'"):
        tensor(X, requires_grad=True).flatten("K")


def test_a_cast_that_a_rule_of_casting_forbids_is_refused():
    for a in (X, tensor(X, requires_grad=True)):
        with pytest.raises(TypeError, match=r"[cC]annot cast"):
            a.astype(np.float32, casting="safe")


def test_a_chain_reads_like_numpy():
    def softmax(scores):
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    def attention(query, key, value):
        return softmax(query @ key.swapaxes(-1, -2) / key.shape[-1] ** 0.5) @ value

    rng = np.random.default_rng(0)
    query, key, value = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(5, 2))
    assert np.allclose(attention(tensor(query), key, value).numpy(), attention(query, key, value))
    gradcheck(attention, query, key, value, second_order=True)
