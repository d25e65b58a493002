"""The table: how functions are named, how arguments are bound, and what a function without a rule says."""

import collections
import importlib
import operator
from types import SimpleNamespace

import numpy as np
import pytest

from acg_numpy import NoDerivativeError, Tensor, passes, register_rule, tensor
from acg_numpy.autograd.registry import nondifferentiable
from acg_numpy.autograd.table import PLAIN, TABLE, Composite, EachPosition, Primitive, name_of
from tests.autograd.cases.all import ENTRIES

A = np.array([1.0, 2.0])


@pytest.fixture
def leaf():
    return tensor([1.0, 2.0, 3.0], requires_grad=True)


def bilinear(x, y, scale=1.0):
    return scale * np.sum(x**2 * y)


def test_a_function_is_called_by_the_name_people_know():
    assert name_of(np.add) == "np.add"
    assert name_of(np.linalg.norm) == "np.linalg.norm"
    assert name_of(np.sum) == "np.sum"
    assert name_of((np.add, "reduce")) == "np.add.reduce"
    assert name_of(bilinear) == "bilinear"
    assert name_of(collections.OrderedDict) == "OrderedDict"
    assert name_of(5) == "5"

    def inner():
        """Of a module that nobody imports from."""

    inner.__module__, inner.__qualname__ = "numpy._core.inner", "inner"
    assert name_of(inner) == "inner"


def test_every_entry_has_a_public_name():
    """A function inside a rule, which runs for a public one, has that one's name in messages and reports."""
    special = importlib.import_module("scipy.special")
    packages, private = SimpleNamespace(np=np, scipy=SimpleNamespace(special=special), passes=passes), []
    for key, entry in ENTRIES.items():
        name = getattr(entry, "name", None) or name_of(key)
        path = name if name.startswith(("np.", "scipy.")) else f"passes.{name}"
        try:
            operator.attrgetter(path)(packages)
        except AttributeError:
            private += [name] if name != "indexing" else []
    assert not private


@pytest.fixture
def _table_as_it_was():
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_function_of_any_number_of_arrays_has_one_rule():
    def power_sum(*terms):
        return sum(term ** (i + 1) for i, term in enumerate(terms))

    total = register_rule(
        power_sum, EachPosition(lambda i, g, ans, *terms: g * (i + 1) * np.asarray(terms[i] ** i, float))
    )
    x, y = tensor(2.0, requires_grad=True), tensor(3.0, requires_grad=True)
    total(x, y).backward()
    assert (float(x.grad), float(y.grad)) == (1.0, 6.0)


@pytest.mark.usefixtures("_table_as_it_was")
def test_an_argument_that_is_left_out_between_two_others_has_its_default():
    def weighed(x, y=2.0, z=3.0):
        return x * y * z

    rules = (
        (lambda g, ans, x, y, z: g * y * z),
        (lambda g, ans, x, y, z: g * x * z),
        (lambda g, ans, x, y, z: g * x * y),
    )
    f = register_rule(weighed, *rules)
    t = tensor(5.0, requires_grad=True)
    out = f(t, z=4.0)
    assert out.item() == 40.0
    out.backward()
    assert t.grad == 8.0
    assert f(z=t, x=1.0).item() == 10.0


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_function_may_have_no_rule_for_any_argument():
    held = register_rule(lambda x: x * 2.0, None)
    assert held(tensor(A)).requires_grad is False
    with pytest.raises(NoDerivativeError, match="no derivative for argument 0"):
        held(tensor(A, requires_grad=True))


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_function_that_is_marked_plain_works_on_arrays():
    def median_place(x):
        return np.argsort(x)[len(x) // 2]

    nondifferentiable([median_place])
    assert TABLE[median_place] is PLAIN


def test_the_table_holds_entries_of_three_kinds():
    assert {type(entry) for entry in TABLE.values()} == {Primitive, Composite, type(PLAIN)}
    assert TABLE[np.argmax] is PLAIN
    assert type(TABLE[np.exp]) is Primitive
    assert all(entry.name == name_of(function) for function, entry in TABLE.items() if type(entry) is Composite)


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_rule_is_called_without_what_a_call_leaves_out():
    def scaled(x, by=2.0):
        return x * by

    f = register_rule(scaled, lambda g, ans, x, by=2.0: g * by, lambda g, ans, x, by=2.0: g * x)
    x = tensor(3.0, requires_grad=True)
    out = f(x=x)
    out.backward()
    assert out.item() == 6.0
    assert x.grad == 2.0


@pytest.mark.usefixtures("_table_as_it_was")
def test_a_rule_is_found_for_tensors_by_keyword_too():
    def scaled(x, *, by=2.0):
        return x * by

    f = register_rule(scaled, lambda g, ans, x, by=2.0: g * by)
    t = tensor([1.0], requires_grad=True)
    f(x=t, by=3.0).backward(np.ones(1))
    assert np.array_equal(t.grad, [3.0])
    assert type(f(A)) is np.ndarray
    assert isinstance(f(tensor(A)), Tensor)


class TestWhatHasNoDerivative:
    def test_an_unknown_function_says_so_and_what_to_do(self, leaf):
        with pytest.raises(NoDerivativeError, match=r"np\.fft\.fft.*register_rule.*\.numpy\(\)"):
            np.fft.fft(leaf)

    def test_an_option_without_derivative_is_named(self, leaf):
        with pytest.raises(NoDerivativeError, match="mean"):
            np.var(leaf, mean=1.0)
        with pytest.raises(NoDerivativeError, match="where"):
            np.exp(leaf, where=np.array([True, False, True]))

    def test_the_options_that_have_one_are_named(self, leaf):
        with pytest.raises(NoDerivativeError, match=r"options that have one: none"):
            np.add(leaf, 1, dtype=np.float32)
        with pytest.raises(NoDerivativeError, match=r"options that have one: axis, correction, ddof, keepdims, where"):
            np.var(leaf, mean=1.0)

    def test_an_option_at_its_default_is_no_option(self, leaf):
        assert np.sum(leaf, None, None, None, False).item() == 6.0

    def test_writing_methods_of_ufuncs_refuse(self, leaf):
        with pytest.raises(NoDerivativeError, match="scatter_add"):
            np.add.at(leaf, [0], 1.0)
        constant = leaf.detach()
        with pytest.raises(NoDerivativeError, match="scatter_add"):
            np.add.at(constant, [0], 1.0)
        np.testing.assert_array_equal(constant.data, leaf.data)
        with pytest.raises(NoDerivativeError, match="reduceat"):
            np.add.reduceat(leaf, [0, 1])

    def test_a_tensor_as_an_option_refuses(self, leaf):
        with pytest.raises(NoDerivativeError, match="constant_values"):
            np.pad(leaf, 1, constant_values=leaf[0])

    def test_questions_are_answered_in_plain_arrays(self, leaf):
        for answer in (
            np.argmax(leaf),
            np.sign(leaf),
            np.floor(leaf),
            leaf.round(),
            np.zeros_like(leaf),
            leaf // 2,
            np.isfinite(leaf),
        ):
            assert not isinstance(answer, Tensor)
        assert np.shape(leaf) == (3,)
        assert np.argsort(leaf).tolist() == [0, 1, 2]
        assert [found.tolist() for found in np.where(tensor([0.0, 1.0, 2.0]))] == [[1, 2]]
        assert type(leaf.astype(int)) is np.ndarray
