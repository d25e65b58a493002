"""Multi-head attention is attention over slices of the features, and its key bias has no effect."""

from typing import Any

import numpy as np
from hypothesis import given

from acg_numpy.passes import (
    linear_backward,
    multi_head_attention_backward,
    multi_head_attention_forward,
    scaled_dot_product_backward,
    scaled_dot_product_forward,
)
from tests.passes.numeric import central_difference, complex_step, contract, is_floating
from tests.passes.pairs import Call, generators, multi_head_attention_calls

multi_head = multi_head_attention_calls()


@given(multi_head, generators)
def test_a_gradient_for_the_weights_of_all_heads_is_carried_back_too(call: Call, rng: np.random.Generator) -> None:
    out, cache = multi_head_attention_forward(*call.args, **call.options)
    grad_out, grad_weights = rng.normal(size=out.shape), rng.normal(size=cache.weights.shape)

    def loss(*args: Any) -> Any:
        out, cache = multi_head_attention_forward(*args, **call.options)
        return contract(grad_out, out) + contract(grad_weights, cache.weights)

    grads = multi_head_attention_backward(grad_out, cache, grad_weights)
    for which in filter(lambda i: is_floating(call.args[i]), range(13)):
        np.testing.assert_allclose(
            grads[which], complex_step(loss, call.args, which), rtol=1e-10, atol=1e-10, err_msg=grads._fields[which]
        )


@given(multi_head)
def test_heads_are_attention_over_slices_of_the_features(call: Call) -> None:
    x, c, W_q, b_q, W_k, b_k, W_v, b_v, W_o, b_o, mask, M, R = call.args
    H = call.options["num_heads"]
    out, cache = multi_head_attention_forward(*call.args, **call.options)

    def project(rows: Any, weight: Any, bias: Any) -> Any:
        return rows @ weight if bias is None else rows @ weight + bias

    Q, K, V = project(x, W_q, b_q), project(c, W_k, b_k), project(c, W_v, b_v)
    d, d_v = Q.shape[-1] // H, V.shape[-1] // H
    pieces = []
    for h in range(H):
        piece, head = scaled_dot_product_forward(
            Q[..., h * d : (h + 1) * d],
            K[..., h * d : (h + 1) * d],
            V[..., h * d_v : (h + 1) * d_v],
            mask,
            None if M is None else M[..., h, :, :],
        )
        np.testing.assert_allclose(cache.weights[..., h, :, :], head.weights, rtol=1e-10, atol=1e-12)
        pieces.append(piece)
    merged = np.concatenate(pieces, axis=-1) if R is None else np.concatenate(pieces, axis=-1) * R
    expected = merged if W_o is None else project(merged, W_o, b_o)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-11)


def multi_head_example(dtype: Any = np.float64) -> tuple[Any, Any]:
    """Many users over eight tokens, and a gradient for the output."""
    rng = np.random.default_rng(0)
    args: list[Any] = [rng.normal(size=(50, 8)), rng.normal(size=(8, 8))]
    for _ in range(4):
        args += [rng.normal(size=(8, 8)) / np.sqrt(8), rng.normal(size=8)]
    return [x.astype(dtype) for x in args], rng.normal(size=(50, 8)).astype(dtype)


def test_the_cache_of_each_step_is_the_one_that_its_backward_takes() -> None:
    args, _ = multi_head_example()
    _, cache = multi_head_attention_forward(*args, head_dropout_mask=np.ones((50, 8)), num_heads=2)
    assert {name: type(step).__name__ for name, step in cache._asdict().items()} == {
        "query": "LinearCache",
        "key": "LinearCache",
        "value": "LinearCache",
        "split": "SplitHeadsCache",
        "heads": "ScaledDotProductCache",
        "merge": "MergeHeadsCache",
        "head_dropout": "DropoutCache",
        "output": "LinearCache",
    }
    assert cache.weights is cache.heads.weights


def test_the_key_bias_gets_exactly_zero_where_adding_up_gives_rounding_noise() -> None:
    args, grad_out = multi_head_example(np.float32)
    _, cache = multi_head_attention_forward(*args, num_heads=2)
    grads = multi_head_attention_backward(grad_out, cache)
    assert grads.key_bias is not None
    assert grads.key_bias.dtype == np.float32
    np.testing.assert_array_equal(grads.key_bias, np.zeros(8))

    heads = scaled_dot_product_backward(np.ones((2, 50, 4), np.float32), cache.heads)
    noise = linear_backward(np.reshape(np.swapaxes(heads.key, 0, 1), (8, 8)), cache.key).bias
    assert noise is not None
    assert np.any(noise != 0)
    np.testing.assert_allclose(noise, 0, atol=1e-4)


def test_moving_the_key_bias_changes_neither_the_output_nor_any_other_gradient() -> None:
    args, grad_out = multi_head_example()
    out, cache = multi_head_attention_forward(*args, num_heads=2)
    moved, moved_cache = multi_head_attention_forward(*args[:5], args[5] + 3.0, *args[6:], num_heads=2)
    np.testing.assert_allclose(moved, out, rtol=1e-9, atol=1e-11)
    grads = multi_head_attention_backward(grad_out, cache)
    moved_grads = multi_head_attention_backward(grad_out, moved_cache)
    for name in ("context", "query_weight", "key_weight", "value_weight"):
        np.testing.assert_allclose(getattr(moved_grads, name), getattr(grads, name), rtol=1e-7, atol=1e-9, err_msg=name)


def test_behind_one_key_the_query_and_key_projections_cannot_learn() -> None:
    args, grad_out = multi_head_example()
    args[1] = args[1][:1]
    _, cache = multi_head_attention_forward(*args, num_heads=2)
    grads = multi_head_attention_backward(grad_out, cache)
    for name in ("query", "query_weight", "query_bias", "key_weight", "key_bias"):
        assert not np.any(getattr(grads, name)), name
    assert np.any(grads.value_weight)


def test_the_context_gets_the_sum_of_the_gradients_from_both_uses() -> None:
    args, grad_out = multi_head_example()

    def loss(keys: Any, values: Any) -> Any:
        Q, K, V = (x @ W + b for x, W, b in zip((args[0], keys, values), args[2:8:2], args[3:8:2], strict=True))
        heads = [scaled_dot_product_forward(*(x[:, h : h + 4] for x in (Q, K, V)))[0] for h in (0, 4)]
        return contract(grad_out, np.concatenate(heads, axis=-1) @ args[8] + args[9])

    both = [args[1], args[1]]
    _, cache = multi_head_attention_forward(*args, num_heads=2)
    expected = central_difference(loss, both, 0) + central_difference(loss, both, 1)
    np.testing.assert_allclose(multi_head_attention_backward(grad_out, cache).context, expected, rtol=1e-5, atol=1e-6)


@given(multi_head, generators)
def test_exchanging_tokens_of_the_context_exchanges_weights_and_changes_no_output(
    call: Call, rng: np.random.Generator
) -> None:
    x, c, *projections, mask, M, R = call.args
    order = rng.permutation(c.shape[-2])
    out, cache = multi_head_attention_forward(*call.args, **call.options)
    masks = [m if m is None else m[..., order] for m in (mask, M)]
    exchanged, other = multi_head_attention_forward(x, c[..., order, :], *projections, *masks, R, **call.options)
    np.testing.assert_allclose(exchanged, out, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(other.weights, cache.weights[..., order], rtol=1e-9, atol=1e-12)
