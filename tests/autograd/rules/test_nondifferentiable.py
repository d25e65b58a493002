"""Functions with no derivative to give answer about a Tensor in plain arrays, as NumPy answers about its array."""

import numpy as np
import pytest

from acg_numpy import Tensor, tensor
from acg_numpy.autograd.table import PLAIN, name_of
from tests.autograd.cases.all import ENTRIES

X = np.array([[1.5, -2.0, 0.0], [0.5, 2.0, -0.0]])
Y = np.array([[1.5, 2.0, 0.5], [0.5, -2.0, 1.0]])
SORTED = np.array([-1.0, 0.0, 2.0])

ONE = [
    np.shape, np.ndim, np.size, np.result_type, np.min_scalar_type, np.iscomplexobj, np.isrealobj, np.common_type,
    np.array_repr, np.array_str, np.array2string, np.zeros_like, np.ones_like, np.argmax, np.argmin, np.argsort,
    np.nonzero, np.argwhere, np.flatnonzero, np.count_nonzero, np.nanargmax, np.nanargmin, np.all, np.any,
    np.logical_not, np.isnan, np.isinf, np.isfinite, np.isneginf, np.isposinf, np.signbit, np.isreal, np.iscomplex,
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.fix, np.spacing, np.linalg.matrix_rank,
]  # fmt: skip
TWO = [
    np.shares_memory, np.may_share_memory, np.isin, np.equal, np.not_equal, np.less, np.less_equal, np.greater,
    np.greater_equal, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.logical_and, np.logical_or,
    np.logical_xor, np.floor_divide, np.result_type,
]  # fmt: skip
CALLS = [
    *((function, (X,)) for function in ONE),
    *((function, (X, Y)) for function in TWO),
    (np.full_like, (X, 2.0)),
    (np.argpartition, (X, 1)),
    (np.lexsort, (X,)),
    (np.searchsorted, (SORTED, X)),
    (np.digitize, (X, SORTED)),
    (np.can_cast, (X.dtype, np.float32)),
]
NO_FLOATS = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift}
NO_VALUES = {np.empty_like}  # its values are whatever was there


def same(found, expected):
    if isinstance(expected, tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return not isinstance(found, Tensor) and type(found) is type(expected) and np.array_equal(found, expected)


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize(("function", "args"), CALLS, ids=[f"{f.__name__}-{len(a)}" for f, a in CALLS])
def test_the_answer_is_numpys_and_plain(function, args, requires_grad):
    tensors = [tensor(a, requires_grad) if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(divide="ignore", invalid="ignore"):
        assert same(function(*tensors), function(*args))
        if len(args) > 1 and isinstance(args[1], np.ndarray) and function is not np.shares_memory:
            assert same(function(args[0], tensors[1]), function(*args))
            assert same(function(tensors[0], args[1]), function(*args))


def test_where_of_a_condition_alone_is_plain_and_tells_places():
    condition = X > 0
    assert same(np.where(tensor(condition)), np.where(condition))


def test_empty_like_is_plain_too():
    found = np.empty_like(tensor(X, requires_grad=True))
    assert (type(found), found.shape, found.dtype) == (np.ndarray, X.shape, X.dtype)


@pytest.mark.parametrize("function", sorted(NO_FLOATS, key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_functions_of_whole_numbers_take_tensors_of_whole_numbers(function):
    n = tensor(np.array([1, 2, 2]))
    args = (n,) if function in (np.invert,) else (n, 3)
    plain = (np.array([1, 2, 2]), 3)[: len(args)]
    assert same(function(*args), function(*plain))


def test_every_plain_function_of_the_table_is_here():
    listed = {function for function, _ in CALLS} | NO_FLOATS | NO_VALUES
    assert not {name_of(key) for key, entry in ENTRIES.items() if entry is PLAIN and key not in listed}
