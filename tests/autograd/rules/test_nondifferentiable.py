"""Functions with no derivative to give answer about a Tensor in plain arrays, as NumPy answers about its array."""

import warnings
from unittest import mock

import numpy as np
import pytest

from acg_numpy import Tensor, tensor
from acg_numpy.autograd.rules.nondifferentiable import NAMES, functions_named
from acg_numpy.autograd.table import PLAIN, TABLE, name_of
from tests.autograd.cases.all import ENTRIES

X = np.array([[1.5, -2.0, 0.0], [0.5, 2.0, -0.0]])
Y = np.array([[1.5, 2.0, 0.5], [0.5, -2.0, 1.0]])
SORTED = np.array([-1.0, 0.0, 2.0])

FIX = [np.fix] if np.lib.NumpyVersion(np.__version__) < "2.5.0" else []
ONE = [
    np.shape, np.ndim, np.size, np.result_type, np.min_scalar_type, np.iscomplexobj, np.isrealobj, np.common_type,
    np.array_repr, np.array_str, np.array2string, np.zeros_like, np.ones_like, np.argmax, np.argmin, np.argsort,
    np.nonzero, np.argwhere, np.flatnonzero, np.count_nonzero, np.nanargmax, np.nanargmin, np.all, np.any,
    np.logical_not, np.isnan, np.isinf, np.isfinite, np.isneginf, np.isposinf, np.signbit, np.isreal, np.iscomplex,
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.spacing, *FIX, np.linalg.matrix_rank,
    np.imag, np.angle,
]  # fmt: skip
TWO = [
    np.shares_memory, np.may_share_memory, np.isin, np.equal, np.not_equal, np.less, np.less_equal, np.greater,
    np.greater_equal, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.logical_and, np.logical_or,
    np.logical_xor, np.floor_divide, np.result_type,
]  # fmt: skip
SQUARE = [np.diag_indices_from, np.tril_indices_from, np.triu_indices_from]
CALLS = [
    *((function, (X,)) for function in ONE),
    *((function, (X, Y)) for function in TWO),
    (np.argpartition, (X, 1)),
    (np.lexsort, (X,)),
    (np.searchsorted, (SORTED, X)),
    (np.digitize, (X, SORTED)),
    (np.can_cast, (X.dtype, np.float32)),
    *((function, (X[:2, :2],)) for function in SQUARE),
]
NO_FLOATS = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift}
NO_ARRAYS = {np.einsum_path}  # text, and a list
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
    args = (n,) if function is np.invert else (n, 3)
    plain = (np.array([1, 2, 2]), 3)[: len(args)]
    assert same(function(*args), function(*plain))


def test_every_plain_function_of_the_table_is_here():
    listed = {function for function, _ in CALLS} | NO_FLOATS | NO_ARRAYS | NO_VALUES | {getattr(np, "fix", None)}
    assert not {name_of(key) for key, entry in ENTRIES.items() if entry is PLAIN and key not in listed}


@pytest.mark.parametrize(("function", "args"), CALLS, ids=[f"{f.__name__}-{len(a)}" for f, a in CALLS])
def test_differences_by_each_floating_argument_are_zero(function, args):
    """Having no derivative is a statement about every argument: functions with one by some argument have rules."""
    if TABLE[function] is not PLAIN:
        pytest.skip("it has a derivative by one of its arguments, and a rule")
    rng = np.random.default_rng(0)
    args = [a + rng.uniform(0.1, 0.4, a.shape) if isinstance(a, np.ndarray) else a for a in args]  # off the jumps
    for place, a in enumerate(args):
        if not isinstance(a, np.ndarray):
            continue
        near = a + 1e-9 * rng.standard_normal(a.shape)
        outputs = [function(*args[:place], x, *args[place + 1 :]) for x in (a, near)]
        for before, after in zip(*(o if isinstance(o, tuple) else (o,) for o in outputs), strict=True):
            if not isinstance(before, str):  # the text of an array is no number
                assert np.array_equal(before, after)


def test_a_function_that_numpy_lacks_or_announces_to_remove_is_not_registered():
    with warnings.catch_warnings(), mock.patch.object(np, "__getattr__", _announce_removal, create=True):
        warnings.simplefilter("ignore")
        found = list(functions_named("sign a_name_that_numpy_lacks a_name_that_goes linalg.a_name linalg.matrix_rank"))
    assert found == [np.sign, np.linalg.matrix_rank]


def _announce_removal(name):
    if name != "a_name_that_goes":
        raise AttributeError(name)
    warnings.warn("it goes", DeprecationWarning, stacklevel=2)
    return np.sign


def test_every_function_of_this_numpy_that_is_named_is_registered():
    assert {function.__name__ for function in functions_named(NAMES)} >= set(NAMES.split()) - {
        "linalg.matrix_rank",
        "around",
        "fix",
    }
    assert all(TABLE[function] is PLAIN for function in functions_named(NAMES))


def test_the_order_of_a_contraction_is_found_for_tensors_as_for_arrays():
    assert np.einsum_path("ij,kj", tensor(X, requires_grad=True), Y)[0] == np.einsum_path("ij,kj", X, Y)[0]
