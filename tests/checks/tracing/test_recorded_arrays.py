"""Forwards as people write them, filling buffers and writing in place: each is followed to the right gradient."""

import math
from copy import deepcopy
from math import tanh

import numpy as np
import pytest
from numpy import zeros as new_zeros
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from acg_numpy.checks.tracing import trace
from acg_numpy.text import joined

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 3))
X, Y = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
IDS = np.array([0, 2, 0])
leaky = np.vectorize(lambda v: v * v if v > 0 else 0.1 * v)


def recurrence(x, y):
    states = np.zeros((3, 4))
    for t in range(3):
        states[:, t + 1] = np.tanh(x[:, t] @ y + states[:, t])
    return states[:, 1:]


def one_hot_subtracted(x, ids):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(3), ids] -= 1
    return p * p


def masked_in_place(x):
    z = x.copy()
    z[z < 0] = 0
    z *= 2
    return z * x


def written_through_out(x):
    z = x * 1.0
    out = np.maximum(z, 0, out=z)
    np.exp(out, out=out)
    return z


def added_to_slices(x, y):
    out = np.zeros_like(x)
    out[:, :2] += y[:, :2]
    out[1:] += x[1:] * y[1:]
    return out


def dot_of_arrays_that_are_no_inputs(x):
    return (np.eye(3) * 2).dot(x) + np.ones((3, 3)).dot(np.sin(x)) + MATRIX.dot(x * x)


def no_copy(x):
    return np.exp(x.astype(np.float64, copy=False)) + x.astype(float)


def converted(x, y):
    return np.c_[np.asarray(x), np.array(y, dtype=float), np.ones(3)] * 2


def converted_list(x, y):
    return np.array([x[0, 0], 1.0, x[0, 1] * y[2, 2]]) * np.r_[x, y]


def windows(x):
    own = x.copy()
    flat = as_strided(own, (2, 2, 2, 2), own.strides * 2)
    return sliding_window_view(x, (2, 2)).sum((-1, -2)) * np.tensordot(flat, np.ones((2, 2)), 2)


def inserted(x):
    return np.insert(x, 0, 1, axis=1) ** 2


def pooled(x):
    out = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            out[i, j] = np.max(x[i : i + 2, j : j + 2]) + np.mean(x[i : i + 2, j : j + 2])
    return out


def added_at(x, ids):
    out = np.zeros((4, 3))
    np.add.at(out, ids, x)
    return out * out


def multiplied_at(x, ids):
    out = np.ones((4, 3))
    np.multiply.at(out, ids, x)
    return out * out


def written_through_views(x):
    out = np.zeros((3, 4))
    turned = out.T
    turned[1] = x[:, 0]
    out.reshape(-1)[5] = x[1, 1]
    row = out[2]
    row += x[2, 0]
    first = out[0]
    out[0, 3] = x[0, 1]
    return out * first


def divided_where(x, y):
    return np.divide(x, y, out=np.zeros_like(x), where=y > 0)


def by_functions_that_write(x, y):
    out = np.empty_like(x)
    out.fill(2.0)
    out[0] = x[0]
    np.fill_diagonal(out, y[0])
    np.put_along_axis(out, np.array([[0], [1], [2]]), y[:, :1], 1)
    np.copyto(out, x * y, where=out > 1)
    np.putmask(out, out < 0.1, y)
    out.shape = (9,)
    return out * 3


def by_methods_that_write(x, y):
    out = x * y
    out.sort(axis=0)
    out[0].partition(1)
    out.flatten()[0] = 7.0
    out.clip(-0.5, 0.5, out=out)
    y.sum(axis=1, out=out[:, 0])
    y.dot(x, out=y)
    return out * y


def by_imported_name(x):
    out = new_zeros(x.shape)
    out[0] = x[1]
    return out


def number_by_number(x):
    return np.array([[math.exp(v) + tanh(v) for v in row] for row in x]) + leaky(x)


def accumulated(x):
    total, rows = 0.0, np.zeros(3)
    for row in x:
        total += np.sum(row**2)
        rows[[1, 1]] += row[0]
    total /= 3
    return rows * total


def input_overwritten(x):
    x -= x.max(1, keepdims=True)
    x[x < -1] = 0.5
    return np.exp(x)


def added_to_a_plain_array(x):
    total = np.random.default_rng(0).normal(size=(3, 3))
    total += x
    return total * x


FORWARDS = [
    (recurrence, X, Y[:, 0]),
    (one_hot_subtracted, X, IDS),
    (masked_in_place, X),
    (written_through_out, X),
    (added_to_slices, X, Y),
    (dot_of_arrays_that_are_no_inputs, X),
    (no_copy, X),
    (converted, X, Y),
    (converted_list, X[0:1], Y),
    (windows, X),
    (inserted, X),
    (pooled, X),
    (added_at, X, IDS),
    (multiplied_at, X, IDS),
    (written_through_views, X),
    (divided_where, X, Y),
    (by_functions_that_write, X, Y),
    (by_methods_that_write, X, Y),
    (by_imported_name, X),
    (number_by_number, X),
    (accumulated, X),
    (input_overwritten, X),
    (added_to_a_plain_array, X),
]


def floating(inputs):
    return [array.dtype.kind == "f" for array in inputs]


def differences(function, inputs, which, grad_out):
    steps = 1e-6 * np.eye(inputs[which].size).reshape(-1, *inputs[which].shape)

    def shifted(step):
        given = [array.copy() for array in inputs]
        given[which] += step
        return np.sum(grad_out * function(*given))

    return np.reshape([(shifted(s) - shifted(-s)) / 2e-6 for s in steps], inputs[which].shape)


@pytest.mark.parametrize("call", FORWARDS, ids=lambda call: call[0].__name__)
def test_a_forward_that_writes_is_followed(call):
    function, *inputs = call
    inputs = [array.copy() for array in inputs]
    out = function(*[array.copy() for array in inputs])
    graph = trace(lambda *given: (function(*given),), [array.copy() for array in inputs], floating(inputs))
    np.testing.assert_allclose(graph.operations[graph.outputs[0]].value, out, rtol=1e-14)
    grad_out = np.random.default_rng(1).normal(size=out.shape)
    found = graph.at_inputs(graph.gradients([grad_out]))
    expected = [differences(function, inputs, i, grad_out) for i, f in enumerate(floating(inputs)) if f]
    for mine, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-7)


def test_the_names_of_a_module_are_its_own_again_after_a_trace():
    before = {name: globals()[name] for name in ("np", "math", "tanh", "new_zeros", "as_strided", "MATRIX", "leaky")}
    for function in (by_imported_name, dot_of_arrays_that_are_no_inputs):
        trace(lambda x, function=function: (function(x),), [X.copy()], [True])
        assert all(globals()[name] is value for name, value in before.items()), joined(list(before))
    with pytest.raises(Exception, match="no_such_method"):
        trace(lambda x: np.zeros(3).no_such_method, [X], [True])
    assert np is before["np"]
    assert type(np.zeros(2)) is np.ndarray


def test_a_floating_array_that_is_held_fixed_is_followed_into_products():
    graph = trace(lambda fixed, x: (fixed.dot(deepcopy(x)),), [Y, X.copy()], [False, True])
    np.testing.assert_allclose(graph.at_inputs(graph.gradients([np.ones((3, 3))]))[0], Y.T @ np.ones((3, 3)))


def test_what_leaves_as_plain_numbers_is_known_by_its_line():
    graph = trace(lambda x: (x * float(x[0, 0]),), [X.copy()], [True])
    ((line, how),) = graph.exits
    assert (line.text, how) == ("float(x[0, 0])", "float()")


def test_a_write_that_does_not_fit_raises_as_in_numpy():
    with pytest.raises(Exception, match=r"non-broadcastable output operand with shape \(3, 1\)"):
        trace(lambda x: (x[:, :1].copy().__iadd__(x),), [X.copy()], [True])
