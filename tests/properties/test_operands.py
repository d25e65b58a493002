"""What stands beside a Tensor counts as the plain array of its numbers, or is refused where it stands.

Every call of the table is tried with every kind of thing that people have for an array.
"""

import operator
from fractions import Fraction

import numpy as np
import pytest

from acg_numpy import NoDerivativeError, Tensor, from_passes, grad, register_rule, tensor, vjp
from acg_numpy.autograd.operands import COPIED, checksum, copied
from acg_numpy.autograd.table import Primitive
from acg_numpy.passes import linear_backward, linear_forward
from tests.autograd.cases.all import CASES, ENTRIES
from tests.thoroughness import THOROUGH

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


def one_of_each_call(cases):
    """One case for each function, set of options and number of axes of its inputs; all of them if thorough."""
    calls = {
        (case.name.rpartition("-")[0], frozenset(case.kwargs), *(x.ndim for x in case.inputs)): case for case in cases
    }
    return cases if THOROUGH else calls.values()


@pytest.mark.parametrize("kind", KINDS)
@np.errstate(all="ignore")
def test_every_rule_takes_a_plain_array_of_it_or_refuses(kind):
    make, axes = KINDS[kind]
    wrong, tried, refused = [], 0, 0
    for case in one_of_each_call(CASES):
        for place in range(len(case.inputs)):
            others = [i for i, x in enumerate(case.inputs) if i != place and x.ndim in axes and x.size]
            if not others:
                continue
            foreign = [make(x) if i in others else x for i, x in enumerate(case.inputs)]
            arrays = [plain(x) if i in others else x for i, x in enumerate(foreign)]
            if "dx" in case.kwargs and place:
                continue  # NumPy asks y and x of np.trapezoid, not dx: its own operators run
            try:
                u, expected = recorded(case, case.inputs if kind in REFUSED else arrays, place)
            except (ValueError, NoDerivativeError):
                continue  # the numbers of a range are none for this function
            tried += 1
            try:
                t, outputs = recorded(case, foreign, place)
            except Exception as error:  # pandas takes some calls first: np.matmul(df, t), np.divmod(df, t)
                known = isinstance(error, NoDerivativeError) or "would lose the gradient" in str(error)
                if not known and kind not in ("a DataFrame", "a Series"):
                    wrong.append((case.name, error))
                refused += 1
                continue
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
        except (TypeError, AssertionError):
            may_refuse = kind not in ("a DataFrame", "a Series") or op is operator.matmul
            assert may_refuse
            continue
        assert kind not in REFUSED
        expected = function(u, plain(make(array)))
        assert np.array_equal(found.data, expected.data)
        found.backward(np.ones(found.shape))
        expected.backward(np.ones(found.shape))
        assert np.array_equal(t.grad, u.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_takes_a_plain_array_of_it_or_refuses(kind):
    make, axes = KINDS[kind]
    if 2 not in axes:
        pytest.skip("a weight has two axes")
    linear = from_passes(linear_forward, linear_backward)
    t, u = tensor(X, requires_grad=True), tensor(X, requires_grad=True)
    if kind in REFUSED:
        with pytest.raises(NoDerivativeError, match=r"linear: weight is an? "):
            linear(t, make(X), None)
        return
    for leaf, weight in ((t, make(X)), (u, plain(make(X)))):
        np.sum(linear(leaf, weight, None)).backward()
    assert np.array_equal(t.grad, u.grad)


def test_an_array_that_masks_is_refused_wherever_numbers_are_taken():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for take in (tensor, grad(np.sum), lambda m: tensor([1.0, 2.0], requires_grad=True) * m):
        with pytest.raises(NoDerivativeError, match=r"masked elements, which have no value; fill them with \.filled"):
            take(masked)


NUMPY_MA = {
    "minus on its right": lambda t, m: m - t,
    "times on its right": lambda t, m: m * t,
    "exp": lambda t, m: np.ma.exp(t),
    "add": lambda t, m: np.ma.add(t, m),
    "getdata": lambda t, m: np.ma.getdata(t),
    "array": lambda t, m: np.ma.array(t),
    "where": lambda t, m: np.ma.where([True, False], t, m),
    "sum": lambda t, m: np.ma.sum(t),
}


@pytest.mark.parametrize("name", NUMPY_MA)
def test_numpy_ma_gets_no_array_of_a_tensor_that_requires_a_gradient(name):
    with pytest.raises(TypeError, match="would lose the gradient"):
        NUMPY_MA[name](tensor([1.0, 2.0], requires_grad=True), np.ma.array([3.0, 4.0], mask=[False, True]))


# Names that NumPy's masked arrays, pandas, SciPy's sparse arrays, PyTorch, JAX, xarray, dask and others look for.
THEIRS = """
_data _mask mask values _values _array array _ndarray fill_value filled to_numpy to_dlpack todense toarray tocsr
getformat iloc columns index name dims coords compute __dask_graph__ __array_interface__ __array_struct__
__cuda_array_interface__ __array_wrap__ __array_finalize__ __array_namespace__ __dataframe__ __torch_function__
__jax_array__ __arrow_array__ __arrow_c_array__ __tensor__ _mgr _box _value _trace
"""


def test_no_name_of_a_tensor_is_one_that_others_look_for():
    t = tensor([1.0], requires_grad=True)
    assert [name for name in THEIRS.split() if hasattr(t, name)] == []


class Lazy(OfAnotherLibrary):
    """An array that is computed block by block, as those of dask are."""

    def __dask_graph__(self):
        return {}


def test_an_array_that_has_not_been_computed_is_refused():
    with pytest.raises(NoDerivativeError, match=r"np\.multiply: argument 1 is a Lazy .* map_blocks"):
        tensor(X, requires_grad=True) * Lazy(X)


@pytest.mark.parametrize("name", ["csr_array", "coo_array", "csr_matrix"])
def test_a_sparse_array_is_refused_by_name(name):
    sparse = getattr(pytest.importorskip("scipy.sparse"), name)(X)
    for operate in (lambda t: t * sparse, lambda t: sparse * t, lambda t: t + sparse, lambda t: np.add(sparse, t)):
        with pytest.raises(TypeError, match=rf"is a {name}, .*\.toarray\(\)|would lose the gradient"):
            operate(tensor(X, requires_grad=True))


LEFT = {  # results that are not real floating numbers
    "times a complex number": lambda t: t * (3 + 4j),
    "a complex array on its left": lambda t: np.array([1j, 2.0]) + t,
    "a complex Tensor": lambda t: t - tensor(np.array([1j, 2.0])),
    "as complex numbers": lambda t: t.astype(complex),
    "as objects": lambda t: t.astype(object),
    "a sum of complex numbers": lambda t: np.sum(t, dtype=complex),
    "a sum of integers": lambda t: np.sum(t, dtype=int),
    "a product of integers": lambda t: np.prod(t, dtype=np.int32),
    "a pair of complex numbers": lambda t: from_passes(lambda x: (x * 1j, x), lambda g, x: g)(t),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_result_that_is_not_real_and_floating_is_refused(name):
    with pytest.raises(
        NoDerivativeError, match=r"(complex numbers|only real floating numbers|objects) have (no|a) derivative"
    ):
        LEFT[name](tensor([1.0, 2.0], requires_grad=True))


def test_a_complex_leaf_is_refused_with_what_to_do():
    advice = "complex numbers have no derivative here; give their real and imaginary parts as two arrays"
    with pytest.raises(TypeError, match=advice):
        tensor(np.array([1j]), requires_grad=True)
    for x in (1j, np.array([1j])):
        with pytest.raises(TypeError, match=advice):
            grad(abs)(x)


def complex_gradient(t):
    (t * 2).backward(np.array([1j, 2.0]))


def rule_of_complex_numbers(t):
    double = register_rule(lambda x: 2.0 * x, lambda g, ans, x: g * (2.0 + 0.0j))
    np.sum(double(t)).backward()


@pytest.mark.parametrize("pass_back", [complex_gradient, rule_of_complex_numbers])
def test_a_complex_gradient_is_refused(pass_back):
    with pytest.raises(TypeError, match="complex numbers"):
        pass_back(tensor([1.0, 2.0], requires_grad=True))


MASKED = np.ma.array([1.0, 2.0], mask=[False, True])
HIDDEN = {  # places where a mask would be lost
    "a gradient": lambda t: (t * 2).backward(MASKED),
    "a gradient of a pullback": lambda t: vjp(np.square, np.ones(2))[1](MASKED),
    "a result of a pair": lambda t: from_passes(lambda x: (np.ma.array(x, mask=[True, False]), x), lambda g, x: g)(t),
    "a gradient of a pair": lambda t: np.sum(from_passes(lambda x: (x * 2, x), lambda g, x: MASKED)(t)).backward(),
    "a result of a function with a rule": lambda t: register_rule(lambda x: MASKED * x, lambda g, ans, x: g)(t),
    "data of a leaf": lambda t: setattr(t, "data", MASKED),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_no_mask_is_lost(name):
    with pytest.raises(NoDerivativeError, match="with masked elements"):
        HIDDEN[name](tensor([1.0, 2.0], requires_grad=True))


def test_what_a_pair_computes_with_matrices_is_plain_outside():
    pair = from_passes(lambda x: (np.matrix(x) * 2.0, x), lambda g, x: np.matrix(g) * 2.0)
    t = tensor(X, requires_grad=True)
    (pair(t) * t).backward(np.ones((2, 2)))
    assert np.array_equal(t.grad, 4.0 * X)
    assert type(t.grad) is np.ndarray


def test_data_of_a_leaf_is_a_plain_view_of_what_is_set():
    t, matrix = tensor(X, requires_grad=True), np.matrix(X)
    t.data = matrix
    assert type(t.data) is np.ndarray
    assert np.shares_memory(t.data, matrix)


# What changed between the forward and the backward pass.

BIG = (COPIED // 8 + 7,)


def changes(c):
    """Ways to write to an array, each a change of every copy of it that is not one of its own."""
    yield lambda: c.__setitem__(..., 7.0)
    yield lambda: np.negative(c, out=c)
    yield lambda: c.__setitem__(-1, 7.0)
    yield lambda: c.__setitem__(slice(None), c[::-1].copy())


def diagonal(c):
    sparse = pytest.importorskip("scipy.sparse")
    return sparse.csr_array((c, np.arange(c.size), np.arange(c.size + 1)))


CONSTANT = {  # an operand, and what is computed with it
    "a factor": lambda t, c: t * c,
    "a factor on the left": lambda t, c: c * t,
    "a divisor": lambda t, c: t / c,
    "an argument of a function": lambda t, c: np.hypot(t, c),
    "an operand of einsum": lambda t, c: np.einsum("i,i->i", t, c),
    "a view": lambda t, c: t * c[::-1],
    "a column": lambda t, c: t[:1] * np.stack([c, c], axis=1)[:, 0] * c,
    "a broadcast view": lambda t, c: t[:2, None] * np.broadcast_to(c, (2, *c.shape)),
    "an input of a pair": lambda t, c: from_passes(lambda x, y: (x * y, (x, y)), lambda g, k: (g * k[1], g * k[0]))(
        t, c
    ),
    "a sparse matrix": lambda t, c: np.matmul(diagonal(c), t),
    "a sparse matrix on the right": lambda t, c: t @ diagonal(c),
    "an option of a pair": lambda t, c: from_passes(lambda x, *, y: (x * y, y), lambda g, y: g * y)(t, y=c),
}


@pytest.mark.parametrize("shape", [(5,), (600,), BIG], ids=["small", "copied by a ufunc", "large"])
@pytest.mark.parametrize("name", CONSTANT)
def test_an_operand_that_changes_before_the_backward_pass_changes_no_gradient(name, shape):
    """A small one was copied; a large one is not, and the error names it."""
    x, c = np.linspace(1.0, 2.0, shape[0]), np.linspace(2.0, 3.0, shape[0])
    t = tensor(x, requires_grad=True)
    out = CONSTANT[name](t, c)
    out.backward(np.ones(out.shape))
    expected = t.grad
    for change in changes(c):
        c[...] = np.linspace(2.0, 3.0, shape[0])
        t.grad = None
        out = CONSTANT[name](t, c)
        change()
        if shape == BIG:
            with pytest.raises(RuntimeError, match=r", an array of shape .* was changed between the forward and"):
                out.backward(np.ones(out.shape))
        else:
            out.backward(np.ones(out.shape))
            assert np.array_equal(t.grad, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint64, bool])
@pytest.mark.parametrize("size", [8, 4096, 4097])
def test_a_copy_holds_the_same_bits_whatever_they_are(size, dtype):
    x = np.arange(3 * size).astype(dtype)
    if x.dtype.kind == "f":
        x[:6] = [np.nan, -np.nan, -0.0, np.inf, -np.inf, np.finfo(dtype).smallest_subnormal]
    for order in (x, x[::-2], x[: 2 * size].reshape(2, size).T):
        with np.errstate(all="raise"):
            copy = copied(order)
        assert copy.tobytes() == order.tobytes()
        assert copy.strides == np.copy(order, "K").strides
        assert not np.shares_memory(copy, order)


@pytest.mark.parametrize(
    "compute",
    [lambda p: p * p * p, lambda p: from_passes(lambda x: (x**3, x), lambda g, x: g * 3.0 * x**2)(p)],
    ids=["operations", "a pair"],
)
def test_data_that_was_set_before_the_backward_pass_mixes_no_values(compute):
    p = tensor([1.0, 2.0], requires_grad=True)
    out = compute(p)
    p.data = np.array([5.0, 6.0])
    out.backward(np.ones(2))  # it reads the arrays of the forward pass
    assert np.array_equal(p.grad, [3.0, 12.0])
    with pytest.raises(
        RuntimeError, match=r": \.data of argument \d was set between the forward and the backward pass"
    ):
        out.backward(np.ones(2), create_graph=True)


def test_indices_may_change_before_the_backward_pass():
    ids = np.array([0, 2])
    for look_up in (lambda t: t[ids], lambda t: t[(ids,)], lambda t: np.take(t, ids)):
        t = tensor([1.0, 2.0, 3.0], requires_grad=True)
        ids[...] = [0, 2]
        out = look_up(t)
        ids[...] = 1
        out.backward(np.ones(2))
        assert np.array_equal(t.grad, [1.0, 0.0, 1.0])


def test_an_argument_of_a_pullback_may_change_too():
    x = np.array([1.0, 2.0])
    _, pull = vjp(np.square, x)
    x[...] = 7.0
    assert np.array_equal(pull(np.ones(2))[0], [2.0, 4.0])
    x = np.ones(BIG)
    _, pull = vjp(np.square, x)
    x[3] = 7.0
    with pytest.raises(RuntimeError, match="vjp: an argument to differentiate by, an array of shape"):
        pull(np.ones(BIG))


@pytest.mark.parametrize("shape", [(5,), BIG], ids=["small", "large"])
def test_what_no_rule_reads_may_change(shape):
    """The rules of sums and choices read shapes and conditions: a buffer that was added may be filled anew."""
    unread = {entry.name for entry in ENTRIES.values() if type(entry) is Primitive and entry.unread != frozenset()}
    assert unread == {"np.add", "np.subtract", "np.where", "np.concatenate"}  # all of them are below
    t, c = tensor(np.ones(shape), requires_grad=True), np.ones(shape)
    out = np.where(np.arange(shape[0]) % 2 == 0, t + c, c) - c
    out = np.concatenate([out, c])
    c[...] = 7.0
    out.backward(np.ones(out.shape))
    assert np.array_equal(t.grad, np.arange(shape[0]) % 2 == 0)


@pytest.mark.parametrize("shape", [(5,), BIG], ids=["small", "large"])
def test_a_step_may_reuse_its_buffers_and_write_to_parameters(shape):
    """The caller's arrays stay writable, and writing to them after the backward pass is right."""
    p, batch = tensor(np.ones(shape), requires_grad=True), np.empty(shape)
    for step in range(3):
        batch[...] = step
        np.sum(p * batch).backward()
        assert np.array_equal(p.grad, np.full(shape, float(step)))
        p.data -= 0.1 * p.grad
        p.data[:1] *= 0.5
        p.grad = None
        assert batch.flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8, bool])
@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
def test_a_checksum_shows_every_change(order, dtype):
    rng = np.random.default_rng(0)
    full = rng.integers(0, 2, (67, 130)).astype(dtype)
    x = {"C": full, "F": np.asfortranarray(full), "strided": full[:, ::2], "reversed": full[::-1]}[order]
    before = checksum(x)
    assert checksum(x) == before
    for place in [(0, 0), (-1, -1), (33, 17), (66, 0)]:
        value = x[place]
        x[place] = 1 - value
        assert checksum(x) != before
        x[place] = value
    assert checksum(x) == before
    for changed in (x[::-1], x[:, ::-1], 1 - x.astype(int), np.zeros_like(x)):
        assert checksum(np.ascontiguousarray(changed.astype(dtype))) != before
