"""Layers written as classes, and losses that return their gradients, are checked as they stand."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from acg_numpy import GradientMismatch, check_layer, check_loss

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
IDS = np.array([0, 2, 1, 2, 0])


class Linear:
    """A layer whose gradients are left on itself; most others here are made from it."""

    def __init__(self):
        self.W, self.b = W.copy(), B.copy()

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def gradients(self, grad_out):
        return grad_out @ self.W.T, self.x.T @ grad_out, grad_out.sum(axis=0)

    def backward(self, grad_out):
        dx, self.dW, self.db = self.gradients(grad_out)
        return dx


class Accumulating(Linear):
    def __init__(self):
        super().__init__()
        self.dW, self.db = np.zeros_like(W), np.zeros_like(B)

    def backward(self, grad_out):
        dx, dw, db = self.gradients(grad_out)
        self.dW += dw
        self.db += db
        return dx


class InDicts:
    """Parameters and gradients in dicts; the forward reads another name of the same arrays."""

    def __init__(self):
        self.params = {"W": W.copy(), "b": B.copy()}
        self.grads = {}
        self.weight = self.params["W"]

    def forward(self, x):
        self.x = x
        return x @ self.weight + self.params["b"]

    def backward(self, grad_out):
        self.grads["dW"], self.grads["db"] = self.x.T @ grad_out, grad_out.sum(axis=0)
        return grad_out @ self.weight.T


class InLists(Linear):
    def __init__(self):
        self.params, self.grads = [W.copy(), B.copy()], [np.zeros_like(W), np.zeros_like(B)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, grad_out):
        self.grads[0][...] = self.x.T @ grad_out
        self.grads[1][...] = grad_out.sum(axis=0)
        return grad_out @ self.params[0].T


class ParameterObjects(Linear):
    def __init__(self):
        self.weight, self.bias = (SimpleNamespace(data=one.copy(), grad=None) for one in (W, B))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, grad_out):
        self.weight.grad, self.bias.grad = self.x.T @ grad_out, grad_out.sum(axis=0)
        return grad_out @ self.weight.data.T


class ReturnsAll(Linear):
    def backward(self, grad_out):
        return self.gradients(grad_out)


class ReturnsNames(Linear):
    def backward(self, grad_out):
        return dict(zip(("grad_x", "dL_dW", "db"), self.gradients(grad_out), strict=True))


class ReturnsDictInTuple(Linear):
    def backward(self, grad_out):
        dx, dw, db = self.gradients(grad_out)
        return dx, {"W": dw, "b": db}


class ReturnsNothing(Linear):
    def forward(self, x):
        self.output = super().forward(x)

    def backward(self, grad_out):
        self.dx, self.dW, self.db = self.gradients(grad_out)


class GivesCache(Linear):
    def forward(self, x):
        return super().forward(x), (x,)

    def backward(self, grad_out, cache):
        (self.x,) = cache
        return super().backward(grad_out)


class TakesInput(Linear):
    def backward(self, x, grad_out):
        self.x = x
        return super().backward(grad_out)


class TakesStep(Linear):
    def backward(self, grad_out, learning_rate):
        dx, dw, db = self.gradients(grad_out)
        self.W -= learning_rate * dw
        self.b = self.b - learning_rate * db
        return dx


class HoldsModule(Linear):
    def __init__(self):
        super().__init__()
        self.np = np


class Callable(Linear):
    __call__ = Linear.forward


class Single(Linear):
    """Parameters in float32, and a buffer for the gradient in float32."""

    def __init__(self):
        self.W, self.b, self.dW = W.astype(np.float32), B.astype(np.float32), np.zeros((4, 3), np.float32)

    def backward(self, grad_out):
        dx, self.dW[...], self.db = self.gradients(grad_out)
        return dx


NAMES = {"params": ("W", "b"), "grads": ("dW", "db")}
LAYERS = {
    "attributes": (Linear, NAMES),
    "attributes found by their names": (Linear, {"params": "W, b"}),
    "a function": (Linear, {"params": "W, b", "grads": lambda layer: (layer.dW, layer.db)}),
    "accumulated": (Accumulating, NAMES),
    "dicts": (InDicts, {"params": "params", "grads": "grads"}),
    "keys of a dict": (InDicts, {"params": ("W", "b"), "grads": ("grads.dW", "grads.db")}),
    "dicts found by their names": (InDicts, {"params": "params"}),
    "lists": (InLists, {"params": "params", "grads": "grads"}),
    "positions of lists": (InLists, {"params": ("params[0]", "params[1]"), "grads": ("grads[0]", "grads[1]")}),
    "objects": (ParameterObjects, {"params": ("weight", "bias")}),
    "all returned": (ReturnsAll, {"params": "W, b"}),
    "all returned by name": (ReturnsNames, {"params": "W, b"}),
    "a dict in a tuple": (ReturnsDictInTuple, {"params": "W, b"}),
    "nothing returned": (ReturnsNothing, NAMES),
    "a cache": (GivesCache, NAMES),
    "the input again": (TakesInput, NAMES),
    "a step of training": (TakesStep, {"params": "W, b"}),
    "a module in the layer": (HoldsModule, NAMES),
    "another method": (Callable, {**NAMES, "forward": "__call__"}),
    "a function for a method": (Linear, {**NAMES, "backward": lambda layer, g: layer.backward(grad_out=g)}),
    "float32": (Single, NAMES),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_right_layer_passes_as_it_stands(name):
    make, options = LAYERS[name]
    report = check_layer(make, X, **options)
    assert [comparison.num_right for comparison in report.comparisons] == [20, 12, 3]
    assert not report.faults


@pytest.mark.parametrize("name", ["attributes", "dicts", "all returned by name", "a cache", "objects", "float32"])
def test_a_wrong_layer_is_diagnosed_as_a_pair_is(name):
    make, options = LAYERS[name]

    class Wrong(make):
        def forward(self, x):
            returned = super().forward(0.3 * x)
            self.x = x  # as if it were not scaled
            return (returned[0], (x,)) if isinstance(returned, tuple) else returned

    report = check_layer(Wrong, X, **options, raise_on_failure=False)
    assert not report.passed
    assert report.diagnoses[0].mistake in ("constant-factor", "missing-path", "stale-value")
    assert "test_layer.py" in str(report)


class First(Linear):
    """A first layer: what it returns in place of the gradient of its input is varied."""

    returns = staticmethod(lambda dw, db: None)

    def backward(self, grad_out):
        super().backward(grad_out)
        return self.returns(self.dW, self.db)


NO_INPUT_GRADIENT = {
    "nothing": lambda dw, db: None,
    "a tuple of None": lambda dw, db: (None,),
    "None beside the others": lambda dw, db: (None, dw, db),
}


@pytest.mark.parametrize("name", NO_INPUT_GRADIENT)
def test_a_first_layer_is_checked_on_its_parameters_alone(name):
    returns = NO_INPUT_GRADIENT[name]

    class Layer(First):
        pass

    Layer.returns = staticmethod(returns)
    report = check_layer(Layer, X, params="W, b")
    assert report.per_input["x"].held == "no gradient of it is returned"
    assert [report.per_input[name].num_right for name in "Wb"] == [12, 3]
    assert [note for note in report.notes if "first layer of a network only: x is held fixed" in note]
    Layer.returns = staticmethod(lambda dw, db: returns(dw.__imul__(2), db))
    assert not check_layer(Layer, X, params="W, b", raise_on_failure=False).passed


def test_a_gradient_missing_among_others_is_a_fault():
    class Two(Linear):
        def forward(self, x, y):
            return super().forward(x + y)

        def backward(self, grad_out):
            return super().backward(grad_out), None

    report = check_layer(Two, X, X, **NAMES, raise_on_failure=False)
    (fault,) = report.faults
    assert fault.startswith("the gradient of y is None, but y is floating: expected an array of shape (5, 4)")
    (fault,) = check_layer(First, X, raise_on_failure=False).faults
    assert fault.endswith("name its parameters (params): they are checked alone")


def test_what_a_second_use_of_a_layer_does_is_noted():
    (note,) = [note for note in check_layer(Accumulating, X, **NAMES).notes if "used again" in note]
    assert "adds the gradients of W and b to what the call before left: set them to zero" in note
    assert not [note for note in check_layer(Linear, X, **NAMES).notes if "used again" in note]

    class Remembering(Linear):
        calls = 0.0

        def forward(self, x):
            self.calls += 1
            return super().forward(x * self.calls)

        def backward(self, grad_out):
            return super().backward(grad_out) * self.calls

    notes = check_layer(Remembering, X, **NAMES, raise_on_failure=False).notes
    assert any("gives other gradients of x and W: it keeps something" in note for note in notes)


def test_a_buffer_that_all_layers_share_carries_over():
    class Shared(Linear):
        total = np.zeros_like(W)

        def backward(self, grad_out):
            dx = super().backward(grad_out)
            Shared.total += self.dW
            self.dW = Shared.total.copy()
            return dx

    report = check_layer(Shared, X, **NAMES, raise_on_failure=False)
    assert report.diagnoses[0].mistake == "carries-over"


def test_the_precision_of_float32_is_that_of_the_check():
    report = check_layer(Single, X, **NAMES)
    assert any("the gradient of W comes in float32" in note for note in report.notes)
    report = check_layer(Linear, X, **NAMES, dtype="float32")
    assert any(note.endswith("so an error of less than 0.1% would pass") for note in report.notes)
    assert "gradients in float32" in report.settings

    class Wrong(Single):
        def backward(self, grad_out):
            dx = super().backward(grad_out)
            self.dW *= np.float32(1.01)
            return dx

    assert not check_layer(Wrong, X, **NAMES, raise_on_failure=False).passed


class SquaredError:
    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * self.difference / self.difference.size


def test_a_loss_class_may_take_no_gradient_and_hold_its_target():
    report = check_layer(SquaredError, X, X[::-1].copy())
    assert report.per_input["target"].held == "no gradient of it is returned"
    assert any("target" in note for note in report.notes)


def softmax_loss(scores, ids):
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(probabilities[np.arange(len(ids)), ids]))
    grad = probabilities.copy()
    grad[np.arange(len(ids)), ids] -= 1
    return loss, grad / len(ids)


class Classifier:
    """A model whose loss returns its gradients, by the names of its parameters."""

    def __init__(self):
        self.params = {"W": W.copy(), "b": B.copy()}

    def loss(self, x, ids):
        loss, grad = softmax_loss(x @ self.params["W"] + self.params["b"], ids)
        return loss, {"W": x.T @ grad, "b": grad.sum(axis=0)}


def test_a_model_whose_loss_returns_gradients_is_checked_in_one_call():
    report = check_layer(Classifier, X, IDS, params="params", forward="loss", backward=None)
    assert [report.per_input[name].num_right for name in "Wb"] == [12, 3]
    assert report.per_input["x"].held == "no gradient of it is returned"


LOSSES = {
    "an array": softmax_loss,
    "a tuple": lambda scores, ids: (lambda loss, grad: (loss, (grad,)))(*softmax_loss(scores, ids)),
    "a third thing": lambda scores, ids: (*softmax_loss(scores, ids), None),
    "a dict": lambda scores, ids: (lambda loss, grad: (loss, {"dscores": grad}))(*softmax_loss(scores, ids)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_may_return_its_gradients_in_any_form(name):
    assert check_loss(LOSSES[name], W.T.repeat(2, axis=0)[:5], IDS).passed


def test_a_wrong_loss_is_diagnosed_as_a_pair_is():
    report = check_loss(lambda p, y: (1.5 * np.sum((p - y) ** 2), p - y), X, X[::-1], raise_on_failure=False)
    assert report.diagnoses[0].mistake == "constant-factor"
    with pytest.raises(GradientMismatch):
        check_loss(lambda p: (np.sum(p * p), p), X)


BAD_CALLS = {
    "a layer for make": (lambda: check_layer(Linear(), X), "make should return a layer, and is one, of type Linear"),
    "a class with parameters": (
        lambda: check_layer(lambda width: Linear(), X),
        r"make is called without arguments, but is <lambda>\(width\)",
    ),
    "no such method": (
        lambda: check_layer(Linear, X, forward="forwards"),
        "has no method forwards; it has backward, forward and gradients",
    ),
    "no such backward": (lambda: check_layer(Linear, X, backward="back"), "has no method back"),
    "no such parameter": (lambda: check_layer(Linear, X, params="w"), "no parameter 'w'; its arrays are W and b"),
    "no array": (lambda: check_layer(HoldsModule, X, params="np"), "the layer's np is no array, and holds none"),
    "no such gradient": (
        lambda: check_layer(Linear, X, params="W", grads="dw"),
        "has no 'dw' after backward; it holds W, b, dW, db and x",
    ),
    "gradients too few": (lambda: check_layer(Linear, X, params="W, b", grads="dW"), "W"),
    "no gradient found": (
        lambda: check_layer(Linear, X, params="W", backward=lambda layer, g: g @ layer.W.T),
        "no gradient of W is returned by backward, or left in the layer under its name",
    ),
    "a loss alone": (lambda: check_loss(np.sum, X), r"should return \(loss, gradients\) in one call"),
    "a loss with a shape": (lambda: check_loss(lambda x: (x, x), X), r"a single number; it has shape \(5, 4\)"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_call_that_makes_no_sense_is_refused_with_the_fix(name):
    call, message = BAD_CALLS[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_hints_say_as_much_as_they_should():
    options = {**NAMES, "backward": lambda layer, g: -layer.backward(g), "raise_on_failure": False}
    none, some, everything = (str(check_layer(Linear, X, **options, hints=hints)) for hints in (0, 1, 2))
    assert "Hint" not in none
    assert "Hint" in some
    assert "wrong-sign" not in some
    assert "wrong-sign" in everything
    assert "<pre>" in copy.copy(check_layer(Linear, X, **options, hints=1))._repr_html_()
    with pytest.raises(ValueError, match="hints=3 should be 0"):
        check_layer(Linear, X, **NAMES, hints=3)


def test_a_hidden_layer_that_forgets_to_return_is_told():
    class Forgets(Linear):
        def backward(self, grad_out):
            dx = super().backward(grad_out)  # noqa: F841

    report = check_layer(Forgets, X, params="W, b", raise_on_failure=False)
    assert not report.passed
    assert "backward computes dx and returns None: return dx" in report.faults[0]


class UpdatesItself:
    def __init__(self, lr, factor=1.0):
        self.W, self.lr, self.factor = np.random.default_rng(0).normal(size=(4, 2)), lr, factor

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, grad_out):
        grad_x = grad_out @ self.W.T
        self.W -= self.lr * (self.factor * self.x.T @ grad_out)
        return grad_x


@pytest.mark.parametrize("lr", [0.1, 2, np.float32(0.1), np.array(0.1)], ids=["float", "int", "float32", "array"])
def test_an_update_is_divided_by_the_learning_rate_that_the_layer_holds(lr):
    x = np.random.default_rng(1).normal(size=(3, 4))
    report = check_layer(lambda: UpdatesItself(lr), x, params="W")
    assert "gradients of the parameters are read from the update of W divided by lr" in " ".join(report.notes)
    assert not check_layer(lambda: UpdatesItself(lr, 0.5), x, params="W", raise_on_failure=False).passed
