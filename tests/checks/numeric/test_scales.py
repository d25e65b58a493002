"""Numbers at every scale: right gradients are never called wrong, and wrong ones by one per cent never pass."""

import numpy as np
import pytest

from acg_numpy.checks.backward_pass import Pair, compare_gradients
from acg_numpy.checks.contract.checked_inputs import read_arguments
from acg_numpy.checks.settings import METHODS, read_settings

SCALES = (1e-9, 1e-8, 1e-6, 1e-3, 1.0, 1e3, 1e6)


def unit_forward(x):
    length = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return x / length, (x / length, length)


def unit_backward(g, cache):
    y, length = cache
    return (g - y * np.sum(g * y, axis=-1, keepdims=True)) / length


def standard_forward(x):
    y, length = unit_forward(x - np.mean(x, axis=-1, keepdims=True))[1]
    return y, (y, length)


def standard_backward(g, cache):
    g = unit_backward(g, cache)
    return g - np.mean(g, axis=-1, keepdims=True)


def of_each(function, slope):
    return lambda x: (function(x), x), lambda g, x: g * slope(x)


# the functions that saturate have no gradient left at some scales, and that is zero at any factor
FUNCTIONS = {
    "one over x": (*of_each(lambda x: 1 / x, lambda x: -1 / x**2), SCALES),
    "logarithm": (*of_each(lambda x: np.log(x * x), lambda x: 2 / x), SCALES),
    "cube": (*of_each(lambda x: x**3, lambda x: 3 * x * x), SCALES),
    "absolute value": (*of_each(np.abs, np.sign), SCALES),
    "fast wave": (*of_each(lambda x: np.sin(1e6 * x), lambda x: 1e6 * np.cos(1e6 * x)), SCALES),
    "slow wave": (*of_each(lambda x: np.sin(1e3 * x), lambda x: 1e3 * np.cos(1e3 * x)), SCALES),
    "steep step": (*of_each(lambda x: np.tanh(1e7 * x), lambda x: 1e7 - 1e7 * np.tanh(1e7 * x) ** 2), SCALES[:2]),
    "bell": (*of_each(lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)), SCALES[:5]),
    "unit rows": (unit_forward, unit_backward, SCALES),
    "standard rows": (standard_forward, standard_backward, SCALES),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_at_every_scale_right_is_not_wrong_and_wrong_does_not_pass(name, method):
    forward, backward, scales = FUNCTIONS[name]
    settings = read_settings(method, rtol=1e-5, atol=0.0, step=None, seed=0)
    for scale in scales:
        x = scale * np.random.default_rng(3).normal(size=(2, 4))
        arguments = read_arguments(forward, [x], None)
        report, _ = compare_gradients(Pair(forward, backward, arguments), settings)
        assert not report.comparisons[0].num_wrong, (scale, report)
        wrong = Pair(forward, lambda g, cache: 1.01 * backward(g, cache), arguments)
        report, _ = compare_gradients(wrong, settings)
        assert not report.passed, (scale, report)
