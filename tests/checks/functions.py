"""Functions with their derivatives, for numeric derivatives to be checked with."""

import numpy as np

from acg_numpy.checks.numeric.perturbations import PerturbedFunction

EPS = 2.0**-52


def sech_squared(u):
    """The derivative of tanh, precise also where tanh is almost 1."""
    return np.cosh(np.minimum(np.abs(u), 300.0)) ** -2.0


FUNCTIONS = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "fast sin": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "tanh": (np.tanh, sech_squared),
    "cubic": (lambda x: x**3 - 4 * x, lambda x: 3 * x**2 - 4),
    "high above zero": (lambda x: 1e6 + np.sin(x), np.cos),
    "steep": (lambda x: np.tanh(10 * x), lambda x: 10 * sech_squared(10 * x)),
    "magnitude": (np.abs, np.sign),
}


ROUNDED = {"as it is written": (lambda x: np.tanh(10 * x), lambda x: 10 - 10 * np.tanh(10 * x) ** 2)}  # not precise


SMOOTH = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "fast sin": (lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "cubic": (lambda x: x**3 - 4 * x, lambda x: 3 * x**2 - 4),
    "high above zero": (lambda x: 1e6 + np.sin(x), np.cos),
}


def pair(name, factor=1.0):
    """A function of each element with its backward, or a multiple of it."""
    function, derivative = (FUNCTIONS | ROUNDED)[name]
    return lambda x: (function(x), x), lambda g, x: factor * g * derivative(x)


def softmax_forward(x):
    e = np.exp(x - np.max(x.real, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return p, p


def softmax_backward(g, p):
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


def square_near(x, weights=1.0):
    x = np.asarray(x, float)
    return PerturbedFunction(lambda inputs: (inputs[0] ** 2,), [x], (np.full(x.shape, weights),))
