"""Every rule of the table is held to the same: values, dtypes, and gradients at first and second order."""

import contextlib
import inspect
from typing import NamedTuple

import numpy as np
import pytest

from acg_numpy import Tensor, vjp
from acg_numpy.autograd.table import PLAIN, Composite, EachPosition, Primitive, name_of
from acg_numpy.checks import gradcheck
from tests.autograd.cases.all import CASES, ENTRIES
from tests.autograd.cases.making import Case, is_input
from tests.thoroughness import THOROUGH

STEP = 1e-4

BY_FUNCTION: dict[str, list[Case]] = {}
for _case in CASES:
    BY_FUNCTION.setdefault(_case.name.rpartition("-")[0], []).append(_case)


def of_every_case(statement):
    """Make a statement about a case a test of every function: it must hold for all of its cases."""

    @pytest.mark.parametrize("name", BY_FUNCTION)
    def test(name):
        for case in BY_FUNCTION[name]:
            try:
                statement(case)
            except Exception as error:
                error.add_note(f"case {case.name}: {case.args}, {case.kwargs}")
                raise

    test.__name__, test.__doc__ = statement.__name__, statement.__doc__
    return test


def outputs_of(out):
    """What came out, as a tuple of arrays or Tensors."""
    several = out if isinstance(out, list | tuple) else [out]
    return tuple(o if isinstance(o, Tensor) else np.asarray(o) for o in several)


def floats_of(out):
    """The outputs that have a derivative."""
    return tuple(o for o in outputs_of(out) if np.issubdtype(o.dtype, np.floating))


def outputs_function(case):
    """The outputs that have a derivative, as a function of the inputs."""
    return lambda *inputs: floats_of(case.call(*inputs))


def first_order(case):
    """The gradients of <outputs, grads>, as a function of the inputs and of grads, one after the other."""
    n = len(case.inputs)

    def first(*inputs_and_grads):
        return vjp(outputs_function(case), *inputs_and_grads[:n])[1](inputs_and_grads[n:])

    return first


class Gradients(NamedTuple):
    """What a case gives at random `grads` of its outputs, and along random directions of these gradients."""

    values: tuple[np.ndarray, ...]
    grads: list[np.ndarray]
    first: tuple[np.ndarray, ...]
    along: list[np.ndarray]
    second: tuple[np.ndarray, ...]


def gradients(case, inputs, seed=0):
    """Outputs, gradients for random gradients of the outputs, and gradients of <these, random>."""
    rng = np.random.default_rng(seed)

    def like(arrays):
        return [np.asarray(rng.uniform(0.5, 1.5, size=x.shape), dtype=x.dtype) for x in arrays]

    values, _ = vjp(outputs_function(case), *inputs)
    grads = like(values)
    first, pull = vjp(first_order(case), *inputs, *grads)
    along = like(first)
    return Gradients(values, grads, first, along, pull(tuple(along)))


def gradients_of(case):
    """The gradients of a case as it stands, with which several statements compare others: found once."""
    if id(case) not in FOUND:
        FOUND[id(case)] = gradients(case, case.inputs)
    return FOUND[id(case)]


FOUND = {}


@contextlib.contextmanager
def watched_rules(watch):
    """Within, `watch(entry, place, grad, ans, args)` sees what every rule of the table gives."""
    before = {entry: entry.rules for entry in WATCHED}
    try:
        WATCHES.append(watch)
        for entry, rules in WATCHED.items():
            entry.rules = rules
        yield
    finally:
        WATCHES.pop()
        for entry, rules in before.items():
            entry.rules = rules


WATCHES = []


def watched(entry):
    """The rules of an entry, which show what they give to the watch."""

    def watched_at(place):
        def rule(g, ans, *args, **options):
            grad = rules[place](g, ans, *args, **options)
            WATCHES[-1](entry, place, grad, ans, args)
            return grad

        return rule

    rules = entry.rules
    if isinstance(rules, EachPosition):
        return EachPosition(lambda place, *args, **options: watched_at(place)(*args, **options))
    return tuple(None if rule is None else watched_at(place) for place, rule in enumerate(rules))


WATCHED = {entry: watched(entry) for entry in ENTRIES.values() if type(entry) is Primitive}


@of_every_case
def test_values_are_numpys(case):
    expected = outputs_of(case.call(*case.inputs))
    found = outputs_of(case.call(*(Tensor(x, requires_grad=True) for x in case.inputs)))
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert (f.shape, f.dtype) == (e.shape, e.dtype)
        assert np.allclose(f.data if isinstance(f, Tensor) else f, e, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", BY_FUNCTION)
def test_gradients_agree_with_differences_element_by_element(name):
    for case in BY_FUNCTION[name] if THOROUGH else BY_FUNCTION[name][:1]:
        assert gradcheck(case.call, *case.inputs, names=[f"x{i}" for i in range(len(case.inputs))]).passed, case


def extrapolated_slopes(function):
    """The derivatives at 0 of arrays that are functions of one number."""

    def slopes(step):
        return [(after - before) / (2 * step) for after, before in zip(function(step), function(-step), strict=True)]

    # Richardson's: of the error, step ** 4 is left
    return [(4 * narrow - wide) / 3 for wide, narrow in zip(slopes(STEP), slopes(STEP / 2), strict=True)]


@of_every_case
def test_gradients_agree_with_differences(case):
    """With F = <outputs, grads>, <dF/dinputs, direction> is the derivative of F along the direction.

    One wrong element makes a random direction differ, so two of them for each input give what a difference for each
    element gives.  `grads` are random, so no two gradients of an output cancel either.
    """
    found = gradients_of(case)
    rng = np.random.default_rng(1)
    for place, (x, first) in enumerate(zip(case.inputs, found.first, strict=True)):
        for _ in range(2):
            direction = rng.uniform(0.5, 1.5, size=x.shape) * rng.choice([-1.0, 1.0], size=x.shape)

            def moved(t, place=place, direction=direction):
                inputs = [x + t * direction if i == place else x for i, x in enumerate(case.inputs)]
                outputs = floats_of(case.call(*inputs))
                return [sum(np.vdot(out, grad) for out, grad in zip(outputs, found.grads, strict=True))]

            (expected,) = extrapolated_slopes(moved)
            scale = 1 + np.sum(np.abs(first * direction))
            assert abs(np.vdot(first, direction) - expected) < 1e-8 * scale, f"input {place}"


@of_every_case
def test_second_derivatives_agree_with_differences_of_the_gradient(case):
    """With F = <outputs, grads>, the gradient of <dF/dinputs, along> is the derivative of dF/dinputs along `along`.

    That is so by the inputs, because second derivatives are symmetric.  By `grads` it is the derivative of the outputs
    along `along`, because F is linear in them.  So a few calls give all of it, where element by element each number
    needs two.
    """
    found = gradients_of(case)

    def moved(t):
        inputs = [x + t * d for x, d in zip(case.inputs, found.along, strict=True)]
        return *first_order(case)(*inputs, *found.grads), *floats_of(case.call(*inputs))

    for actual, expected in zip(found.second, extrapolated_slopes(moved), strict=True):
        assert np.allclose(actual, expected, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(expected), initial=0.0)))


@of_every_case
def test_float32_stays_float32_at_first_and_second_order(case):
    """The engine casts a gradient to its input's dtype, so the rules are asked themselves.

    What a rule gives has the shape of its argument as well, which the backward pass relies on.
    """

    def watch(entry, place, grad, ans, args):
        assert grad.shape == args[place].shape, f"{entry.name}, argument {place}"
        if ans.dtype == np.float32:  # with int64 or a list beside it, NumPy's own result is float64
            assert grad.dtype == args[place].dtype, f"{entry.name}, argument {place}"

    inputs = [x.astype(np.float32) for x in case.inputs]
    expected = floats_of(case.call(*inputs))
    with watched_rules(watch):
        singles = gradients(case, inputs)
    assert [v.dtype for v in singles.values] == [e.dtype for e in expected]
    assert {g.dtype for g in (*singles.first, *singles.second[: len(inputs)])} == {np.dtype(np.float32)}
    doubles = gradients_of(case)
    for single, double in zip((*singles.first, *singles.second), (*doubles.first, *doubles.second), strict=True):
        assert np.allclose(single, double, rtol=2e-3, atol=2e-3 * (1 + np.max(np.abs(double), initial=0.0)))


@of_every_case
def test_strides_do_not_matter_and_inputs_are_only_read(case):
    def strided(x):
        wide = np.repeat(x[..., None], 2, axis=-1)
        view = np.flip(np.flip(wide[..., 1]).copy()) if x.ndim else wide[..., 1]
        view = view if x.ndim < 2 else np.swapaxes(np.swapaxes(view, 0, -1).copy(), 0, -1)
        view.flags.writeable = False
        return view

    inputs = [strided(x) for x in case.inputs]
    for found, expected in zip(gradients(case, inputs), gradients_of(case), strict=True):
        for f, e in zip(found, expected, strict=True):
            assert np.allclose(f, e, rtol=1e-11, atol=1e-11)


@of_every_case
def test_an_input_alone_has_the_gradient_that_it_has_beside_the_others(case):
    if len(case.inputs) < 2:
        return
    rng = np.random.default_rng(0)
    out, pull = vjp(outputs_function(case), *case.inputs)
    grad_outs = tuple(np.asarray(rng.normal(size=o.shape)) for o in out)
    together = pull(grad_outs)
    for place, x in enumerate(case.inputs):
        before, after = case.inputs[:place], case.inputs[place + 1 :]
        found, pull_alone = vjp(lambda t, b=before, a=after: floats_of(case.call(*b, t, *a)), x)
        assert len(found) == len(out)
        assert np.allclose(pull_alone(grad_outs)[0], together[place], rtol=1e-12, atol=1e-12)


def test_every_function_of_the_table_has_a_case_that_differentiates_it():
    """A function that is added without a test fails here; the rules' own functions are reached through NumPy's."""
    covered = {case.key for case in CASES if case.inputs}
    numpys = {key for key, entry in ENTRIES.items() if entry is not PLAIN and is_numpys(key)}
    assert not {str(key) for key in numpys - covered}


def parameters_of(function):
    """What this NumPy calls them, for a rule may know options of others; nothing where a function won't tell."""
    try:
        return inspect.signature(function).parameters.keys()
    except ValueError:  # np.where of NumPy 2.0
        return frozenset()


def test_every_option_that_a_rule_takes_is_given_by_a_case():
    """An axis, keepdims, a dtype that no case gives is one that nobody has tested."""
    wanted, given = set(), set()
    for case in CASES:
        entry = ENTRIES.get(case.key)
        if type(entry) is Primitive and not isinstance(case.key, np.ufunc):
            wanted |= {(entry.name, option) for option in entry.bind.usual & parameters_of(case.key)}
            given |= {(entry.name, option) for option in entry.bind(case.args, case.kwargs)[1]}
    assert not wanted - given


def test_every_ufunc_of_two_arrays_is_tried_with_each_of_them_broadcast():
    """What is used more than once collects a gradient from every use."""
    ufuncs = {key for key, entry in ENTRIES.items() if isinstance(key, np.ufunc) and type(entry) is Primitive}
    pairs = {ufunc for ufunc in ufuncs if ufunc.nin == 2}
    wanted = {(ufunc.__name__, place) for ufunc in pairs for place in range(2) if ENTRIES[ufunc].rules[place]}
    tried = set()
    for case in CASES:
        if case.key in pairs:
            shape = np.shape(case.call(*case.inputs))
            inputs = [(place, x) for place, x in enumerate(case.args) if is_input(x)]
            tried |= {(case.key.__name__, place) for place, x in inputs if x.shape != shape}
    assert not wanted - tried


def is_numpys(key):
    return isinstance(key, tuple | np.ufunc) or (getattr(key, "__module__", None) or "").startswith("numpy")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_rule_is_called_with_arrays_and_is_differentiated_itself(dtype):
    """With what it is called: g an array in a plain pass, a Tensor in one that is recorded."""
    left = {(entry, place, how) for entry, place in slots_of_the_table() for how in ("called", "differentiated")}

    def watch(entry, place, grad, ans, args):
        if args[place].dtype == dtype:
            left.discard((entry, place, "differentiated" if isinstance(grad, Tensor) and grad._needs else "called"))

    with watched_rules(watch):
        for case in likely_first(left):
            inputs = [x.astype(dtype) for x in case.inputs]
            gradients(case, inputs)
            out, pull = vjp(lambda *inputs, case=case: floats_of(case.call(*inputs)), *inputs)
            pull(out)
            if not left:
                break
    assert not {f"{entry.name}, argument {place}, {how}" for entry, place, how in left}


def likely_first(left):
    """Every case: those of rules that are left, one of each function, those that share a rule's name, then all."""
    for case in CASES:
        if any(ENTRIES.get(case.key) is entry for entry, *_ in left):
            yield case
    yield from (cases[0] for cases in BY_FUNCTION.values())
    names = {entry.name.rpartition(".")[-1] for entry, *_ in left}
    yield from (case for name, cases in BY_FUNCTION.items() if name in names for case in cases)
    yield from CASES


def slots_of_the_table():
    """Every place for a rule, as (entry, place); two of those entries that have one rule for all places."""
    for entry in ENTRIES.values():
        if type(entry) is Primitive:
            places = range(2) if isinstance(entry.rules, EachPosition) else range(len(entry.rules))
            yield from ((entry, place) for place in places if entry.rules[place] is not None)


def test_the_table_holds_nothing_but_what_it_says():
    assert {type(entry) for entry in ENTRIES.values() if entry is not PLAIN} == {Primitive, Composite}


def test_every_entry_goes_by_the_name_of_its_function():
    """It is what errors call it, and what its arguments are bound by; that of a function inside a rule is another."""
    for key, entry in ENTRIES.items():
        if entry is not PLAIN:
            public = name_of(key).startswith(("np.", "scipy.", "passes."))
            assert entry.name == entry.bind.name
            assert not public or entry.name == name_of(key)
