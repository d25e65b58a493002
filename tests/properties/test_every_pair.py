"""What is true of every pair, whatever it computes."""

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy import passes
from tests.passes.numeric import central_difference, complex_step, contract, is_floating
from tests.passes.pairs import PAIRS, Call, Pair

pytestmark = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def loss_of(pair: Pair, options: dict[str, Any], grad_out: Any) -> Any:
    return lambda *args: contract(grad_out, pair.forward(*args, **options)[0])


def run(pair: Pair, call: Call, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Output, cache, a random gradient for the output, and the gradients that come of it."""
    out, cache = pair.forward(*call.args, **call.options)
    grad_out = np.random.default_rng(seed).normal(size=np.shape(out)).astype(out.dtype)[()]
    return out, cache, grad_out, pair.backward(grad_out, cache)


def leaves(structure: Any) -> list[Any]:
    """The arrays in a cache of caches."""
    if isinstance(structure, tuple):
        return [leaf for part in structure for leaf in leaves(part)]
    return [structure] if isinstance(structure, np.ndarray) else []


@given(st.data())
def test_the_backward_is_the_central_difference_of_the_forward(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    _, _, grad_out, grads = run(pair, call)
    loss = loss_of(pair, call.options, grad_out)
    for which in filter(lambda i: is_floating(call.args[i]), range(len(call.args))):
        numeric = central_difference(loss, call.args, which)
        np.testing.assert_allclose(grads[which], numeric, rtol=1e-6, atol=1e-7, err_msg=grads._fields[which])


@given(st.data())
def test_the_backward_is_the_complex_step_of_the_forward(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    _, _, grad_out, grads = run(pair, call)
    loss = loss_of(pair, call.options, grad_out)
    for which in filter(lambda i: is_floating(call.args[i]), range(len(call.args))):
        exact = complex_step(loss, call.args, which)
        np.testing.assert_allclose(grads[which], exact, rtol=1e-11, atol=1e-12, err_msg=grads._fields[which])


@given(st.data())
def test_floating_arguments_get_a_gradient_of_their_shape_others_get_none(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    *_, grads = run(pair, call)
    parameters = inspect.signature(pair.forward).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert grads._fields == tuple(positional)
    for argument, grad in zip(call.args, grads, strict=True):
        if is_floating(argument):
            assert grad.shape == argument.shape
        else:
            assert grad is None


@given(st.data())
def test_float32_stays_float32(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    single = call._replace(args=tuple(x.astype(np.float32) if is_floating(x) else x for x in call.args))
    out, cache, _, grads = run(pair, single)
    assert out.dtype == np.float32
    assert all(leaf.dtype == np.float32 for leaf in leaves(cache) if is_floating(leaf))
    assert all(grad.dtype == np.float32 for grad in grads if grad is not None)


@given(st.data())
def test_inputs_are_not_changed_and_a_second_call_repeats_the_first(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    for argument in call.args:
        if isinstance(argument, np.ndarray):
            argument.setflags(write=False)
    out, cache, grad_out, grads = run(pair, call)
    before = [leaf.copy() for leaf in leaves(cache)]
    again_out, _ = pair.forward(*call.args, **call.options)
    again = pair.backward(grad_out, cache)
    np.testing.assert_array_equal(again_out, out)
    for leaf, kept in zip(leaves(cache), before, strict=True):
        np.testing.assert_array_equal(leaf, kept)
    for first, second in zip(grads, again, strict=True):
        np.testing.assert_array_equal(first, second)


@given(st.data())
def test_arrays_that_are_not_contiguous_give_the_same(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    strided = call._replace(
        args=tuple(np.repeat(x, 2, axis=-1)[..., ::2] if x is not None and np.ndim(x) else x for x in call.args)
    )
    out, _, _, grads = run(pair, call)
    strided_out, _, _, strided_grads = run(pair, strided)
    np.testing.assert_allclose(strided_out, out, rtol=1e-12)
    for contiguous, other in zip(grads, strided_grads, strict=True):
        if contiguous is not None:
            np.testing.assert_allclose(other, contiguous, rtol=1e-12, atol=1e-13)


@given(st.data())
def test_the_backward_is_linear_in_the_gradient_that_arrives(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    _, cache, a, grads_a = run(pair, call, seed=1)
    _, _, b, grads_b = run(pair, call, seed=2)
    for together, of_a, of_b in zip(pair.backward(2 * a - 3 * b, cache), grads_a, grads_b, strict=True):
        if together is not None:
            np.testing.assert_allclose(together, 2 * of_a - 3 * of_b, rtol=1e-10, atol=1e-11)


@given(st.data())
def test_an_argument_that_is_not_floating_is_refused_by_its_name(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    names = list(inspect.signature(pair.forward).parameters)
    for which in filter(lambda i: is_floating(call.args[i]), range(len(call.args))):
        name = names[which]
        for wrong, what in [(call.args[which].astype(np.int64), "has dtype int64"), ([1.0, 2.0], "is a list")]:
            with pytest.raises(TypeError, match=f"^{name} {what}; expected "):
                pair.forward(*call.args[:which], wrong, *call.args[which + 1 :], **call.options)


def test_both_halves_are_exported(pair: Pair) -> None:
    for function in (pair.forward, pair.backward):
        assert function.__name__ in passes.__all__
        assert getattr(passes, function.__name__) is function
