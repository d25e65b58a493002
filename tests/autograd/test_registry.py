"""Rules of one's own."""

import numpy as np
import pytest

from acg_numpy import grad, register_rule, tensor
from acg_numpy.autograd.table import TABLE


@pytest.fixture(autouse=True)
def _table_as_it_was():
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


def test_a_numpy_function_needs_no_other_name():
    assert register_rule(np.sinc, lambda g, ans, x: g * (np.cos(np.pi * x) - ans) / x) is np.sinc
    assert grad(np.sinc)(0.5) == pytest.approx(-4 / np.pi)


def test_a_function_of_ones_own_is_called_by_what_comes_back():
    def softsign(x, scale=1.0):
        """x / (scale + |x|)."""
        return x / (scale + np.abs(x))

    soft = register_rule(softsign, lambda g, ans, x, scale=1.0: g * scale / (scale + np.abs(x)) ** 2)
    assert soft.__doc__ == softsign.__doc__
    assert soft(2.0) == pytest.approx(2 / 3)
    assert grad(soft)(2.0) == pytest.approx(1 / 9)
    assert grad(lambda x: soft(x, scale=2.0))(2.0) == pytest.approx(1 / 8)
    assert grad(grad(soft))(2.0) == pytest.approx(-2 / 27)


def test_it_decorates_a_rule():
    def halve(x):
        return x / 2

    @register_rule(halve)
    def half(g, ans, x):
        return g / 2

    assert half(tensor(4.0, requires_grad=True)).item() == 2.0
    assert grad(half)(4.0) == 0.5


def test_none_marks_an_argument_without_derivative():
    def scale_by(x, times):
        return x * times

    f = register_rule(scale_by, lambda g, ans, x, times: g * times, None)
    assert grad(f)(3.0, 2) == 2.0
    with pytest.raises(TypeError, match="argument 1"):
        f(tensor(3.0, requires_grad=True), tensor(2.0, requires_grad=True))


def test_a_rule_of_the_wrong_shape_is_caught_when_it_is_used():
    def same(x):
        return x * 1.0

    f = register_rule(same, lambda g, ans, x: np.sum(g))
    with pytest.raises(ValueError, match=r"the rule of .*same for argument 0 gave shape"):
        f(tensor(np.ones(2), requires_grad=True)).backward(np.ones(2))


@pytest.mark.parametrize("bad", [("exp", lambda g, ans, x: g), (np.exp, "rule")], ids=["function", "rule"])
def test_nonsense_is_refused(bad):
    with pytest.raises(TypeError, match="callable"):
        register_rule(*bad)
