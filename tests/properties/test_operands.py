"""What stands beside a Tensor counts as the plain array of its numbers, or is refused where it stands.

Every call of the table is tried with every kind of thing that people have for an array.
"""

import operator
from fractions import Fraction

import numpy as np
import pytest

from acg_numpy import NoDerivativeError, Tensor, from_passes, grad, tensor
from acg_numpy.autograd.operands import SMALL, checksum
from acg_numpy.passes import linear_backward, linear_forward
from tests.autograd.cases.all import CASES
from tests.autograd.cases.making import is_input, leaves_of

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


class OwnOperators(np.ndarray):
    """A subclass whose operators mean something else: none of them may run in a rule."""

    def refuse(self, *others):
        raise AssertionError("an operator of the subclass was run")

    __mul__ = __rmul__ = __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = __rtruediv__ = refuse
    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __neg__ = __getitem__ = refuse


class OfAnotherLibrary:
    """An array that only says how it becomes one of NumPy."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


class OnlyDLPack:
    """An array that only shares its memory."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def pandas(name):
    def make(array):
        return getattr(pytest.importorskip("pandas"), name)(array)

    return make


def torch_tensor(array):
    return pytest.importorskip("torch").from_numpy(array.copy())


EVERY, VECTOR, MATRIX = range(9), (1,), (2,)
KINDS = {  # how each is made of an array, and of how many axes
    "a matrix": (np.matrix, MATRIX),
    "a masked array that masks nothing": (np.ma.array, EVERY),
    "a subclass with operators of its own": (lambda x: x.view(OwnOperators), EVERY),
    "an array of another library": (OfAnotherLibrary, EVERY),
    "an array that only speaks DLPack": (OnlyDLPack, EVERY),
    "a DataFrame": (pandas("DataFrame"), MATRIX),
    "a Series": (pandas("Series"), VECTOR),
    "a tensor of PyTorch": (torch_tensor, EVERY),
    "a range": (lambda x: range(1, len(x) + 1), VECTOR),
    "a Fraction": (lambda x: Fraction(7, 4), (0,)),
    "an array of objects": (lambda x: x.astype(object), EVERY),
    "a masked array that masks": (lambda x: np.ma.array(x, mask=True), EVERY),
}
REFUSED = {"an array of objects", "a masked array that masks"}


def plain(value):
    if isinstance(value, OnlyDLPack):
        return value.array
    return np.asarray(float(value) if isinstance(value, Fraction) else value)


def recorded(case, leaves, place):
    """The Tensor at `place`, the one among the inputs, and what comes out of the call."""
    t = tensor(case.inputs[place], requires_grad=True)
    out = case.call(*leaves[:place], t, *leaves[place + 1 :])
    return t, [o for o in (out if isinstance(out, list | tuple) else [out]) if isinstance(o, Tensor)]


def gradient(t, outputs):
    for o in outputs:
        if o.requires_grad:
            o.backward(np.ones(o.shape, o.dtype))
    return np.zeros(t.shape) if t.grad is None else t.grad


def same(found, expected):
    return len(found) == len(expected) and all(
        np.array_equal(f, e, equal_nan=True) for f, e in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
@np.errstate(all="ignore")
def test_every_rule_takes_a_plain_array_of_it_or_refuses(kind):
    make, axes = KINDS[kind]
    wrong, tried, refused = [], 0, 0
    for case in CASES:
        for place in range(len(case.inputs)):
            others = [i for i, x in enumerate(case.inputs) if i != place and x.ndim in axes and x.size]
            if not others:
                continue
            foreign = [make(x) if i in others else x for i, x in enumerate(case.inputs)]
            arrays = [plain(x) if i in others else x for i, x in enumerate(foreign)]
            tried += 1
            try:
                t, outputs = recorded(case, foreign, place)
            except Exception as error:  # pandas takes some calls first: np.matmul(df, t), np.divmod(df, t)
                known = isinstance(error, NoDerivativeError) or "would lose the gradient" in str(error)
                if not known and kind not in ("a DataFrame", "a Series"):
                    wrong.append((case.name, error))
                refused += 1
                continue
            u, expected = recorded(case, arrays, place)
            if not same([o.data for o in outputs], [o.data for o in expected]):
                wrong.append((case.name, outputs, expected))
            elif not same([gradient(t, outputs)], [gradient(u, expected)]):
                wrong.append((case.name, t.grad, u.grad))
    assert not wrong
    assert refused == tried if kind in REFUSED else tried > 10 > refused


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.pow, operator.matmul]
X = np.array([[0.7, 1.3], [1.9, 2.4]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_an_operator_takes_it_on_either_side_or_refuses(op, kind):
    """On the left an operator of its own comes first, so a Tensor can only see to it that nothing is lost."""
    if kind == "a Fraction" and op is operator.matmul:
        pytest.skip("a number is no operand of a matrix product")
    make, axes = KINDS[kind]
    array = {0: np.array(1.75), 1: X[0], 2: X}[axes[-1] if axes is not EVERY else 2]
    for function in (lambda t, other: op(t, other), lambda t, other: op(other, t)):
        t, u = tensor(X, requires_grad=True), tensor(X, requires_grad=True)
        try:
            found = function(t, make(array))
        except (TypeError, AssertionError) as error:
            if kind in ("a subclass with operators of its own", *REFUSED):
                continue
            assert kind not in ("a DataFrame", "a Series") or op is operator.matmul, error
            continue
        assert kind not in REFUSED
        expected = function(u, plain(make(array)))
        assert np.array_equal(found.data, expected.data)
        found.backward(np.ones(found.shape))
        expected.backward(np.ones(found.shape))
        assert np.array_equal(t.grad, u.grad)
