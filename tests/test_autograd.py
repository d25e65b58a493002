"""What the engine refuses it refuses in whole sentences: what came, what was expected, and the fix."""

import copy
import operator

import numpy as np
import pytest

from acg_numpy import (
    NoDerivativeError,
    RowSparseGradient,
    from_passes,
    grad,
    jacobian,
    jvp,
    register_rule,
    tensor,
    vjp,
)
from acg_numpy.autograd.trees import flatten

LOST = (
    "would lose the gradient of a Tensor that requires one; use .numpy() (or .item(), .detach()) to leave the graph on "
    "purpose, np.stack to join Tensors"
)


def product_forward(x, w, scale=2.0):
    return x * w * scale, (x, w, scale)


def product_backward(g, cache):
    x, w, scale = cache
    return g * w * scale, g * x * scale


def total_forward(*terms):
    return sum(terms), None


product = from_passes(product_forward, product_backward)
first_only = from_passes(product_forward, lambda g, cache: product_backward(g, cache)[:1])
two_too_many = from_passes(product_forward, lambda g, cache: (g, g, g, g))
total = from_passes(total_forward, lambda g, cache: (g,))
total_of_one = from_passes(lambda x, *rest: (x + sum(rest), None), lambda g, cache: (g,))
by_option = from_passes(lambda x, *, s: (x * s, s), lambda g, s: g * s)


def double(x):
    return 2.0 * x


cut = register_rule(double, lambda g, ans, x: 2.0 * g[:1])

# Each is called with a leaf of three elements.
OF_TENSORS = {
    "a Tensor made of a Tensor": (
        tensor,
        TypeError,
        "data is a Tensor already; copy its values with tensor(t.numpy()), or leave the graph with t.detach()",
    ),
    "data of a result": (
        lambda t: setattr(t * 2, "data", np.zeros(3)),
        TypeError,
        "data of a recorded Tensor can't be set: it is the result of an operation; use t.detach() for a leaf",
    ),
    "data of another shape": (
        lambda t: setattr(t, "data", np.zeros(2)),
        ValueError,
        "data must stay an ndarray of shape (3,) and dtype float64, got ndarray of shape (2,) and dtype float64",
    ),
    "data of another dtype": (
        lambda t: setattr(t, "data", np.zeros(3, np.float32)),
        ValueError,
        "data must stay an ndarray of shape (3,) and dtype float64, got ndarray of shape (3,) and dtype float32",
    ),
    "data that is no array": (
        lambda t: setattr(t, "data", [1, 2, 3]),
        ValueError,
        "data must stay an ndarray of shape (3,) and dtype float64, got list of shape (3,) and dtype none",
    ),
    "a result that is to require no gradient": (
        lambda t: setattr(t * 2, "requires_grad", False),
        TypeError,
        "requires_grad of a recorded Tensor can't be switched off; use t.detach()",
    ),
    "integers that are to require one": (
        lambda t: tensor([1], requires_grad=True),
        TypeError,
        "requires_grad needs a floating dtype, got int64; convert it with .astype(float) first",
    ),
    "an array of it": (np.asarray, TypeError, f"turning it into an array {LOST}"),
    "a float of it": (lambda t: float(t[0]), TypeError, f"float() {LOST}"),
    "an int of it": (lambda t: int(t[0]), TypeError, f"int() {LOST}"),
    "a complex of it": (lambda t: complex(t[0]), TypeError, f"complex() {LOST}"),
    "an index of it": (lambda t: operator.index(t[0]), TypeError, f"use as an index {LOST}"),
    "writing in place": (
        lambda t: operator.setitem(t, 0, 1.0),
        TypeError,
        "a Tensor can't be written to in place; make a new one with np.where, np.concatenate or scatter_add, or write "
        "to .data of a leaf",
    ),
    "a copy of a result": (
        lambda t: copy.copy(t * 2),
        TypeError,
        "a recorded Tensor can't be copied or pickled, its graph can't follow; copy t.detach() or t.numpy()",
    ),
    "iteration without an axis": (lambda t: iter(t[0]), TypeError, "iteration over a 0-d Tensor"),
    "a backward pass from what requires none": (
        lambda t: tensor(1.0).backward(),
        ValueError,
        "this Tensor requires no gradient, so there is nothing to carry back; make its inputs with requires_grad=True",
    ),
    "a backward pass without a gradient": (
        lambda t: t.backward(),
        ValueError,
        "gradient must be given for a Tensor of shape (3,); only a single number has gradient 1 by itself",
    ),
    "a gradient of another shape": (
        lambda t: t.backward(np.ones(2)),
        ValueError,
        "gradient has shape (2,), but the Tensor has shape (3,)",
    ),
    "a rule that gives another shape": (
        lambda t: np.sum(cut(t)).backward(),
        ValueError,
        "the rule of double for argument 0 gave shape (1,), the argument has (3,)",
    ),
}

OF_FUNCTIONS = {
    "a function without a rule": (
        np.fft.fft,
        "np.fft.fft has no derivative rule: complex numbers have no derivative here. Add one with "
        "acg_numpy.register_rule(np.fft.fft, rule), where rule(g, ans, *args) is the gradient of its first argument, "
        "or leave the graph on purpose: call it on t.numpy()",
    ),
    "a function of a module without a rule": (
        lambda t: np.linalg.eig(np.reshape(t[:1], (1, 1))),
        "np.linalg.eig has no derivative rule: its result is complex; np.linalg.eigh is for symmetric matrices. Add "
        "one with acg_numpy.register_rule(np.linalg.eig, rule), where rule(g, ans, *args) is the gradient of its first "
        "argument, or leave the graph on purpose: call it on t.numpy()",
    ),
    "out=": (
        lambda t: np.exp(t, out=np.zeros(3)),
        "np.exp: out= (or `array += tensor`) would write into an array; take the result instead",
    ),
    "ufunc.at": (
        lambda t: np.add.at(t, [0], 1.0),
        "np.add.at has no derivative rule; it would write in place: use scatter_add",
    ),
    "ufunc.reduceat": (
        lambda t: np.add.reduceat(t, [0, 1]),
        "np.add.reduceat has no derivative rule (reduce and accumulate have them for add, multiply, maximum, minimum)",
    ),
    "an option of a function": (
        lambda t: np.var(t, mean=1.0),
        "np.var: no derivative with mean=1.0; leave mean out (options that have one: axis, correction, ddof, keepdims, "
        "where)",
    ),
    "an option of a ufunc": (
        lambda t: np.add(t, 1, dtype=float),
        "np.add: no derivative with dtype=<class 'float'>; leave dtype out (options that have one: none)",
    ),
    "a list of Tensors for an array": (
        lambda t: np.where(np.array([True, False, True]), [t[0], t[1], t[2]], t),
        "np.where: argument 1 is a list of Tensors; join them with np.stack",
    ),
    "a condition": (
        lambda t: np.where(t, 1.0, 2.0),
        "np.where: no derivative for argument 0; give it as a plain array (t.numpy())",
    ),
}

OF_PAIRS = {
    "an input that is missing": (lambda t: product(x=t), "product: missing argument w"),
    "an option that requires a gradient": (
        lambda t: by_option(t, s=t),
        "<lambda>: s is an option, not an input, and has no gradient; give it as s.numpy()",
    ),
    "a gradient that is missing": (
        lambda t: np.sum(first_only(t, t)).backward(),
        "product: the backward gave no gradient for w, which requires one",
    ),
    "a gradient that is missing for an input without a name": (
        lambda t: np.sum(total(t, t)).backward(),
        "total: the backward gave no gradient for 1, which requires one",
    ),
    "a gradient that is missing for the first without a name": (
        lambda t: np.sum(total_of_one(t, t)).backward(),
        "<lambda>: the backward gave no gradient for 1, which requires one",
    ),
    "gradients too many": (
        lambda t: np.sum(two_too_many(t, t)).backward(),
        "product: the backward gave 4 gradients for 2 inputs",
    ),
    "a rule for what is no function": (
        lambda t: register_rule(3, lambda g, ans, x: g),
        "function must be callable, got 3",
    ),
    "a rule that is no function": (lambda t: register_rule(double, 3), "every rule must be callable or None, got 3"),
}

OF_TRANSFORMS = {
    "a tree of other leaves": (lambda t: flatten([1, 2])[1]([1]), ValueError, "the tree has 2 leaves, got 1"),
    "the gradient of several numbers": (
        lambda t: grad(double)(np.ones(2)),
        TypeError,
        "grad needs a function whose value is a single number, got shape (2,); sum it, or use vjp or jacobian",
    ),
    "a gradient by an integer": (
        lambda t: grad(double)(3),
        TypeError,
        "grad: an argument to differentiate by must be floating, got 3 of dtype int64; use float(3)",
    ),
    "a gradient by integers": (
        lambda t: grad(double)(np.array([3])),
        TypeError,
        "grad: an argument to differentiate by must be floating, got dtype int64; convert it with .astype(float) first",
    ),
    "a vjp by an integer": (
        lambda t: vjp(double, 3),
        TypeError,
        "vjp: an argument to differentiate by must be floating, got 3 of dtype int64; use float(3)",
    ),
    "a jvp by an integer": (
        lambda t: jvp(double, (3,), (1.0,)),
        TypeError,
        "jvp: an argument to differentiate by must be floating, got 3 of dtype int64; use float(3)",
    ),
    "a Jacobian by an integer": (
        lambda t: jacobian(double)(3),
        TypeError,
        "jacobian: an argument to differentiate by must be floating, got 3 of dtype int64; use float(3)",
    ),
    "an argument that was not given": (
        lambda t: grad(double, 1)(3.0),
        ValueError,
        "argnums is 1, but the function was called with 1 positional arguments",
    ),
    "an argument before the first": (
        lambda t: jacobian(double, (0, -2))(3.0),
        ValueError,
        "argnums is (0, -2), but the function was called with 1 positional arguments",
    ),
    "tangents too many": (
        lambda t: jvp(double, (1.0,), (1.0, 2.0)),
        ValueError,
        "jvp: as many tangents as primals are needed, got 2 for 1",
    ),
    "cotangents too few": (
        lambda t: vjp(lambda x: (x, x), 1.0)[1]((1.0,)),
        ValueError,
        "the gradient must be a tree like the result, with 2 leaves, got 1",
    ),
    "a cotangent of another shape": (
        lambda t: vjp(double, 1.0)[1](np.ones(2)),
        ValueError,
        "the gradient has shape (2,), but the Tensor has shape ()",
    ),
}

OF_ROWS = {
    "a row that is not there": (
        lambda t: RowSparseGradient([3], [[1.0]], (3, 1)),
        IndexError,
        "rows holds 3, but the number of rows in shape is 3 (ids run from 0 to 2)",
    ),
    "rows that are not integers": (
        lambda t: RowSparseGradient([1.0], [[1.0]], (3, 1)),
        TypeError,
        "rows has dtype float64; expected integers",
    ),
    "a table without rows": (
        lambda t: RowSparseGradient([1], [[1.0]], ()),
        ValueError,
        "shape is (); expected that of a table, (N, ...)",
    ),
    "values of another width": (
        lambda t: RowSparseGradient([1], [[1.0]], (3, 2)),
        ValueError,
        "values has shape (1, 1); expected (1, 2), the shapes of rows and of a row",
    ),
    "an array of rows without making one": (
        lambda t: np.array(RowSparseGradient([1], [[1.0]], (3, 1)), copy=False),
        ValueError,
        "a RowSparseGradient can't be turned into an array without making one",
    ),
}

REFUSALS = (
    OF_TENSORS
    | {name: (call, NoDerivativeError, message) for name, (call, message) in OF_FUNCTIONS.items()}
    | {name: (call, TypeError, message) for name, (call, message) in OF_PAIRS.items()}
    | OF_TRANSFORMS
    | OF_ROWS
)


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_whole_sentence(name):
    call, error, message = REFUSALS[name]
    with pytest.raises(error) as caught:
        call(tensor([1.0, 2.0, 3.0], requires_grad=True))
    assert str(caught.value) == message
    assert type(caught.value) is error


def test_a_backward_gives_nothing_for_what_was_not_given():
    """As many gradients as inputs, or more that are None."""
    padded = from_passes(product_forward, lambda g, cache: (*product_backward(g, cache), None, None))
    t = tensor([1.0, 2.0], requires_grad=True)
    np.sum(padded(t, np.array([3.0, 4.0]))).backward()
    np.testing.assert_array_equal(t.grad, [6.0, 8.0])
