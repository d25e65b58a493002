"""Three ways of knowing a derivative, for every pair: derived by hand, by the engine's primitive rules, and by trying.

The engine runs the very same functions, on Tensors.  The first derivative goes through the forward; the second through
the hand-derived backward, whose own derivative was not derived by hand.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd import from_passes, grad, tensor
from tests.passes.numeric import central_difference, contract, is_floating
from tests.passes.pairs import PAIRS, Call, Pair

every_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def recorded(args: Any) -> list[Any]:
    """The arguments as Tensors, where a gradient belongs to them."""
    return [tensor(x, requires_grad=True) if is_floating(x) else x for x in args]


def gradient_output(pair: Pair, call: Call, seed: int = 0) -> Any:
    out, _ = pair.forward(*call.args, **call.options)
    return np.random.default_rng(seed).normal(size=np.shape(out)).astype(out.dtype)


def as_single(call: Call) -> Call:
    return call._replace(args=tuple(x.astype(np.float32) if is_floating(x) else x for x in call.args))


class Slope:
    """<r, backward(grad_out)>: one number made of all gradients, as a function of inputs and grad_out."""

    def __init__(self, pair: Pair, call: Call) -> None:
        self.pair, self.options = pair, call.options
        rng = np.random.default_rng(1)
        self.directions = [rng.normal(size=np.shape(x)).astype(x.dtype) if is_floating(x) else None for x in call.args]

    def __call__(self, *args_and_grad_out: Any) -> Any:
        *args, grad_out = args_and_grad_out
        _, cache = self.pair.forward(*args, **self.options)
        grads = self.pair.backward(grad_out, cache)
        return sum(contract(r, g) for r, g in zip(self.directions, grads, strict=True) if r is not None)


@every_pair
@given(st.data())
def test_by_hand_is_by_primitive_rules(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    grad_out = gradient_output(pair, call)
    by_hand = pair.backward(grad_out, pair.forward(*call.args, **call.options)[1])
    tensors = recorded(call.args)
    pair.forward(*tensors, **call.options)[0].backward(grad_out)
    for t, expected, name in zip(tensors, by_hand, by_hand._fields, strict=True):
        if expected is not None:
            np.testing.assert_allclose(t.grad, expected, rtol=1e-10, atol=1e-11, err_msg=name)


@every_pair
@given(st.data())
def test_by_hand_through_the_adapter_is_by_hand(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    grad_out = gradient_output(pair, call)
    by_hand = pair.backward(grad_out, pair.forward(*call.args, **call.options)[1])
    tensors = recorded(call.args)
    from_passes(pair.forward, pair.backward)(*tensors, **call.options).backward(grad_out)
    for t, expected in zip(tensors, by_hand, strict=True):
        if expected is not None:
            np.testing.assert_array_equal(t.grad, expected)


@every_pair
@given(st.data())
def test_the_second_derivative_through_the_backward_is_what_trying_gives(pair: Pair, data: st.DataObject) -> None:
    call = data.draw(pair.calls)
    arguments = [*call.args, gradient_output(pair, call)]
    slope = Slope(pair, call)
    tensors = recorded(arguments)
    slope(*tensors).backward()
    for which, t in enumerate(tensors):
        if is_floating(arguments[which]):
            numeric = central_difference(slope, arguments, which)
            engine = np.zeros(t.shape) if t.grad is None else t.grad
            np.testing.assert_allclose(engine, numeric, rtol=1e-5, atol=1e-6, err_msg=str(which))


@every_pair
@given(st.data())
def test_the_second_derivative_through_the_adapter_is_the_one_through_the_backward(
    pair: Pair, data: st.DataObject
) -> None:
    call = data.draw(pair.calls)
    arguments = [*call.args, gradient_output(pair, call)]
    inputs = tuple(i for i, x in enumerate(call.args) if is_floating(x))
    function = from_passes(pair.forward, pair.backward)
    through_backward = Slope(pair, call)

    def through_adapter(*args_and_grad_out: Any) -> Any:
        def loss(*args: Any) -> Any:
            return contract(args_and_grad_out[-1], function(*args, **call.options))

        grads = grad(loss, argnums=inputs)(*args_and_grad_out[:-1])
        return sum(contract(through_backward.directions[i], g) for i, g in zip(inputs, grads, strict=True))

    everything = (*inputs, len(call.args))
    pairs = zip(
        grad(through_adapter, argnums=everything)(*arguments),
        grad(through_backward, argnums=everything)(*arguments),
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


@every_pair
@given(st.data())
def test_float32_stays_float32_at_first_and_second_order(pair: Pair, data: st.DataObject) -> None:
    call = as_single(data.draw(pair.calls))
    grad_out = gradient_output(pair, call)
    tensors = recorded(call.args)
    pair.forward(*tensors, **call.options)[0].backward(grad_out)
    assert all(t.grad.dtype == np.float32 for t in tensors if is_floating(t))

    tensors = recorded([*call.args, grad_out])
    value = Slope(pair, call)(*tensors)
    assert value.dtype == np.float32
    value.backward()
    assert all(t.grad.dtype == np.float32 for t in tensors if is_floating(t) and t.grad is not None)


NO_KEYS = np.array([[False, False, False], [True, False, True]])
RNG = np.random.default_rng(0)
EDGES = {
    "softmax": Call((np.array([[-np.inf, -np.inf], [1.0, -np.inf]]),), {}),
    "scaled_dot_product": Call((*(RNG.normal(size=s) for s in [(2, 4), (3, 4), (3, 2)]), NO_KEYS, None), {}),
    "multi_head_attention": Call(
        (*(RNG.normal(size=s) for s in [(2, 4), (3, 4), *[(4, 4), (4,)] * 4]), NO_KEYS, None, None), {"num_heads": 2}
    ),
    "cross_entropy": Call((RNG.normal(size=(2, 3)), RNG.random((2, 3)), NO_KEYS), {}),
    "cosine": Call((np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 0.0]])), {}),
    "diversity": Call((np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]]),), {}),
    "layer_norm": Call((np.full((2, 3), 7.0), RNG.normal(size=3), RNG.normal(size=3)), {"eps": 1e-5}),
    "bpr": Call((np.array([1e4, 0.0, -1e4]), np.zeros(3)), {}),
}


@pytest.mark.parametrize("edge", EDGES)
def test_the_engine_follows_each_convention_and_is_finite_at_both_orders(edge: str) -> None:
    pair, call = PAIRS[edge], EDGES[edge]
    grad_out = gradient_output(pair, call)
    by_hand = pair.backward(grad_out, pair.forward(*call.args, **call.options)[1])
    tensors = recorded(call.args)
    pair.forward(*tensors, **call.options)[0].backward(grad_out)
    for t, expected in zip(tensors, by_hand, strict=True):
        if expected is not None:
            assert np.all(np.isfinite(t.grad))
            np.testing.assert_allclose(t.grad, expected, rtol=1e-10, atol=1e-11)

    tensors = recorded([*call.args, grad_out])
    Slope(pair, call)(*tensors).backward()
    for t in tensors:
        if is_floating(t) and t.grad is not None:
            assert np.all(np.isfinite(t.grad))
