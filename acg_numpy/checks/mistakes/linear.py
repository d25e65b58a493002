"""Linear: three gradients, each a product or a sum, with wrong factors, axes or signs."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.passes.linear import LinearCache, linear_backward, linear_forward
from acg_numpy.shapes import Array


def _draw_linear(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw sequences x of rows, a weight and a bias."""
    B, L, d_in, d_out = sizes(rng, distinct, 4)
    return rng.normal(size=(B, L, d_in)), rng.normal(size=(d_in, d_out)), rng.normal(size=d_out)


def _draw_rows(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw rows x, a weight and a bias."""
    B, d_in, d_out = sizes(rng, distinct, 3)
    return rng.normal(size=(B, d_in)), rng.normal(size=(d_in, d_out)), rng.normal(size=d_out)


LINEAR = Operation("linear", linear_forward, linear_backward, _draw_linear)
ROWS = Operation("linear", linear_forward, linear_backward, _draw_rows)


@ROWS.mistake(
    "the weight's gradient transposed",
    "transposed",
    "dy^T x is right for weights of shape (out, in), as in PyTorch. Here they have shape (in, out).",
)
def _linear_weight_transposed(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, dy.T @ x, np.sum(dy, axis=0)


@LINEAR.mistake(
    "one bias gradient a row",
    "missing-broadcast-sum",
    "y = xW + b, so dy/db = 1, and db = dy is returned; but b is added to every row.",
)
def _linear_bias_not_summed(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, np.einsum("bli,blo->io", x, dy), dy.copy()


@LINEAR.mistake(
    "the bias summed over the batch alone",
    "missing-broadcast-sum",
    "`axis=0` is right for an array of rows, but this input has sequences of rows, and so one more axis.",
)
def _linear_bias_summed_once(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, np.einsum("bli,blo->io", x, dy), np.sum(dy, axis=0)


@ROWS.mistake(
    "the bias summed over the features",
    "wrong-axis",
    "The sum runs over the last axis, as in most sums, and not over the rows.",
)
def _linear_bias_other_axis(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, x.T @ dy, np.sum(dy, axis=-1)


@ROWS.mistake(
    "the bias averaged over the rows",
    "mean-for-sum",
    "The gradient of a batch is taken for an average, and np.mean gives the right shape.",
)
def _linear_bias_averaged(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, x.T @ dy, np.mean(dy, axis=0)


@ROWS.mistake(
    "weight and bias divided by the batch size",
    "mean-for-sum",
    "Lecture notes divide dW and db by m, because their loss is a mean. Here the loss has already divided.",
)
def _linear_averaged(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    m = len(x)
    return dy @ W.T, x.T @ dy / m, np.sum(dy, axis=0) / m


@LINEAR.mistake(
    "the weight's gradient of the last sequence",
    "last-only",
    "A loop over the batch assigns with `=` where it has to add with `+=`.",
)
def _linear_weight_of_last(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    for b in range(len(x)):
        dW = x[b].T @ dy[b]
    return dy @ W.T, dW, np.sum(dy, axis=(0, 1))


@LINEAR.mistake(
    "no gradient for x",
    "zero-gradient",
    "In a first layer x is data and needs no gradient. The same layer is also used as a second one, where x needs it.",
)
def _linear_x_is_data(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, _, _) = grad_out, cache
    return np.zeros_like(x), np.einsum("bli,blo->io", x, dy), np.sum(dy, axis=(0, 1))


@LINEAR.mistake(
    "no gradient for the bias",
    "wrong-count",
    "The bias was added to the forward later, and the backward was not changed.",
)
def _linear_bias_forgotten(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, np.einsum("bli,blo->io", x, dy)


@ROWS.mistake(
    "the gradients of x and the weight exchanged",
    "swapped-inputs",
    "The weight's gradient is returned first, in the order of the formula W x + b. The forward takes x first.",
)
def _linear_swapped(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    dx, dW = dy @ W.T, x.T @ dy
    return dW, dx, np.sum(dy, axis=0)


@ROWS.mistake(
    "the weight's gradient with a minus",
    "wrong-sign",
    "An update subtracts the gradient. Here its minus sign is in the gradient as well.",
)
def _linear_descending(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, -(x.T @ dy), np.sum(dy, axis=0)


@ROWS.mistake(
    "the weight's gradient in float32",
    "wrong-dtype",
    "The gradient is stored in float32 to save memory, although the weight is float64.",
)
def _linear_weight_in_float32(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, (x.T @ dy).astype(np.float32), np.sum(dy, axis=0)


@ROWS.mistake(
    "the learning rate in it",
    "constant-factor",
    "The layer once updated its own weights, and the learning rate was left in the gradient.",
)
def _linear_with_learning_rate(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    rate = 0.01
    return dy @ W.T, rate * (x.T @ dy), rate * np.sum(dy, axis=0)


@ROWS.mistake(
    "the bias's gradient with an axis left over",
    "wrong-shape",
    "keepdims=True leaves the shape (1, out). A gradient of this shape is subtracted from (out,) without an error.",
)
def _linear_bias_keeps_axis(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, x.T @ dy, np.sum(dy, axis=0, keepdims=True)


@LINEAR.mistake(
    "the rows of x not put back into sequences",
    "wrong-shape",
    "All arrays are reshaped to rows to compute the weight's gradient, and dx is returned in this shape, too.",
)
def _linear_rows_left_flat(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    x_rows, dy_rows = np.reshape(x, (-1, len(W))), np.reshape(dy, (-1, W.shape[1]))
    return dy_rows @ W.T, x_rows.T @ dy_rows, np.sum(dy_rows, axis=0)


@LINEAR.mistake(
    "the bias of the last sequence",
    "last-only",
    "In a loop over the batch, the weight's gradient is added up, and the bias's gradient, in the next line, is "
    "assigned.",
)
def _linear_bias_of_last(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    dW = np.zeros_like(W)
    for x_b, dy_b in zip(x, dy, strict=True):
        dW += x_b.T @ dy_b
        db = np.sum(dy_b, axis=0)
    return dy @ W.T, dW, db


@ROWS.mistake(
    "no gradient for the bias but zeros",
    "zero-gradient",
    "All gradients are created as zeros, and the bias's gradient is never computed.",
)
def _linear_bias_left_zero(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    return dy @ W.T, x.T @ dy, np.zeros(W.shape[-1])


@LINEAR.mistake(
    "the first sequence counted twice",
    "double-counted",
    "The sum starts with the first term, so that no zeros are needed, and the loop starts with the first term, too.",
)
def _linear_first_twice(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    dW, db = x[0].T @ dy[0], np.sum(dy[0], axis=0)
    for x_b, dy_b in zip(x, dy, strict=True):
        dW += x_b.T @ dy_b
        db += np.sum(dy_b, axis=0)
    return dy @ W.T, dW, db


@LINEAR.mistake(
    "the first sequence left out",
    "missing-path",
    "The loop starts at 1, which was right while the sum started with the first term. Now the sum starts with zeros.",
)
def _linear_first_left_out(grad_out: Array, cache: LinearCache) -> Grads:
    dy, (x, W, _) = grad_out, cache
    dW, db = np.zeros_like(W), np.zeros(W.shape[-1])
    for b in range(1, len(x)):
        dW += x[b].T @ dy[b]
        db += np.sum(dy[b], axis=0)
    return dy @ W.T, dW, db
