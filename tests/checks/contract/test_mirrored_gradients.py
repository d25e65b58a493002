"""Gradients in lists of dicts belong to the parameters at the same places, in whatever form they are returned."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward, check_layer, check_loss

RNG = np.random.default_rng(0)
X, TARGET = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
PARAMS = [{"w": RNG.normal(size=(4, 4)), "b": RNG.normal(size=4)} for _ in range(2)]


def forward(params, x):
    values = [x]
    for layer in params:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    return values[-1], (params, values)


def gradients(g, cache):
    params, values = cache
    grads = [{}, {}]
    for i in (1, 0):
        g = g * (1 - values[i + 1] ** 2)
        grads[i] = {"w": values[i].T @ g, "b": np.sum(g, axis=0)}
        g = g @ params[i]["w"].T
    return grads, g


class Net:
    def __init__(self, form):
        self.layers, self.form = PARAMS, form

    def forward(self, x):
        out, self.cache = forward(self.layers, x)
        return out

    def backward(self, grad_out):
        grads, grad_x = gradients(grad_out, self.cache)
        self.grads = self.form(grads)
        return grad_x


def loss(params, x, form):
    out, cache = forward(params, x)
    return np.sum((out - TARGET) ** 2) / 2, form(gradients(out - TARGET, cache)[0])


def check_pair(form, place):
    def backward(grad_out, cache):
        grads, grad_x = gradients(grad_out, cache)
        return place(form(grads), grad_x)

    return check_backward(forward, backward, PARAMS, X, raise_on_failure=False)


CHECKS = {
    "beside that of another input": lambda form: check_pair(form, lambda grads, grad_x: (grads, grad_x)),
    "one after the other": lambda form: check_pair(form, lambda grads, grad_x: (*grads, grad_x)),
    "in a layer": lambda form: check_layer(
        lambda: Net(form), X, params="layers", grads="grads", raise_on_failure=False
    ),
    "of a loss": lambda form: check_loss(lambda params, x: loss(params, x, form), PARAMS, X, raise_on_failure=False),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_a_list_of_dicts_mirrors_the_parameters(check):
    assert check(lambda grads: grads).passed
    assert check(lambda grads: [{f"d{key}": g for key, g in layer.items()} for layer in grads]).passed
    assert not check(lambda grads: grads[::-1]).passed


def test_two_dicts_with_the_same_keys_are_told_by_their_order():
    one, other = ({"a": RNG.normal(size=3)} for _ in range(2))

    def product(p, q):
        return p["a"] * q["a"], (p["a"], q["a"])

    right = check_backward(product, lambda g, c: ({"a": g * c[1]}, {"a": g * c[0]}), one, other)
    assert list(right.per_input) == ["p.a", "q.a"]
    wrong = check_backward(product, lambda g, c: ({"a": g * c[0]}, {"a": g * c[1]}), one, other, raise_on_failure=False)
    assert not wrong.passed


@pytest.mark.parametrize("kind", [list, tuple, lambda layers: dict(enumerate(layers))], ids=["list", "tuple", "dict"])
def test_layers_may_have_different_keys(kind):
    """A key that one layer alone has names its parameter without its place."""
    layers = [{"w": PARAMS[0]["w"], "b": PARAMS[0]["b"]}, {"w": PARAMS[1]["w"]}]

    def without_bias(params, x):
        whole = [params[0], {**params[1], "b": np.zeros(4)}]
        return forward(whole, x)

    def backward(grad_out, cache, order=(0, 1)):
        grads, grad_x = gradients(grad_out, cache)
        found = [{"dw": grads[order[0]]["w"], "db": grads[0]["b"]}, {"dw": grads[order[1]]["w"]}]
        return kind(found), grad_x

    report = check_backward(without_bias, backward, kind(layers), X)
    assert list(report.per_input) == ["params[0].w", "b", "params[1].w", "x"]

    def swapped(grad_out, cache):
        return backward(grad_out, cache, order=(1, 0))

    assert not check_backward(without_bias, swapped, kind(layers), X, raise_on_failure=False).passed
