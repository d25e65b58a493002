"""Over time: a simple recurrent network in a loop, and a GRU cell."""

import numpy as np

from tests.checks.outside.operations import Operation, sigmoid, sizes

# h_t = tanh(x_t W + h_{t-1} U + b), all h_t returned


def rnn_forward(x, start, weight, recurrent, bias):  # (T, B, I), (B, H), (I, H), (H, H), (H,)
    h, states = start, [start]
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ weight + h @ recurrent + bias)
        states.append(h)
    return np.stack(states[1:]), (x, weight, recurrent, states)


def rnn_backward(grad_out, cache):
    x, weight, recurrent, states = cache
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(weight), np.zeros_like(recurrent), np.zeros(len(recurrent))
    carried = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dz = (grad_out[t] + carried) * (1 - states[t + 1] ** 2)
        dx[t] = dz @ weight.T
        dW += x[t].T @ dz
        dU += states[t].T @ dz
        db += np.sum(dz, axis=0)
        carried = dz @ recurrent.T
    return dx, carried, dW, dU, db


def rnn_assigned(grad_out, cache):
    x, _, recurrent, states = cache
    dx, _, _, dU, _ = rnn_backward(grad_out, cache)
    db = np.zeros(len(recurrent))
    carried = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dz = (grad_out[t] + carried) * (1 - states[t + 1] ** 2)
        dW = x[t].T @ dz
        db += np.sum(dz, axis=0)
        carried = dz @ recurrent.T
    return dx, carried, dW, dU, db


def rnn_state_after(grad_out, cache):
    x, _, recurrent, states = cache
    dx, dstart, dW, _, db = rnn_backward(grad_out, cache)
    dU = np.zeros_like(recurrent)
    carried = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dz = (grad_out[t] + carried) * (1 - states[t + 1] ** 2)
        dU += states[t + 1].T @ dz
        carried = dz @ recurrent.T
    return dx, dstart, dW, dU, db


def rnn_bias_over_time_alone(grad_out, cache):
    x, _, recurrent, states = cache
    db = np.zeros_like(states[0])
    carried = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dz = (grad_out[t] + carried) * (1 - states[t + 1] ** 2)
        db += dz
        carried = dz @ recurrent.T
    return *rnn_backward(grad_out, cache)[:4], db


def rnn_not_transposed(grad_out, cache):
    x, weight, recurrent, states = cache
    return rnn_backward(grad_out, (x, weight, recurrent.T, states))


def rnn_clipped(grad_out, cache):
    return tuple(np.clip(d, -0.3, 0.3) for d in rnn_backward(grad_out, cache))


def rnn_no_start(grad_out, cache):
    dx, dstart, dW, dU, db = rnn_backward(grad_out, cache)
    return dx, np.zeros_like(dstart), dW, dU, db


def draw_rnn(rng, distinct):
    T, B, I, H = sizes(rng, distinct, 4)  # noqa: E741
    return (
        rng.normal(size=(T, B, I)),
        rng.normal(size=(B, H)),
        0.4 * rng.normal(size=(I, H)),
        0.4 * rng.normal(size=(H, H)),
        0.2 * rng.normal(size=H),
    )


RNN = Operation("recurrent network", rnn_forward, rnn_backward, draw_rnn)


# A GRU cell: how much of the state to replace (z), and how much of it to look at (r)


def gru_forward(x, h, Wz, Uz, Wr, Ur, Wc, Uc):  # (B, I), (B, H), then (I, H) and (H, H) three times
    z = sigmoid(x @ Wz + h @ Uz)
    r = sigmoid(x @ Wr + h @ Ur)
    c = np.tanh(x @ Wc + (r * h) @ Uc)
    return (1 - z) * h + z * c, (x, h, Wz, Uz, Wr, Ur, Wc, Uc, z, r, c)


def gru_inner(grad_out, cache):
    """Return the gradients before each activation, and that of r * h."""
    _, h, _, _, _, _, _, Uc, z, r, c = cache
    dz = grad_out * (c - h) * z * (1 - z)
    dc = grad_out * z * (1 - c**2)
    drh = dc @ Uc.T
    return dz, drh * h * r * (1 - r), dc, drh


def gru_outward(inner, grad_out, cache):
    x, h, Wz, Uz, Wr, Ur, Wc, _, z, r, _ = cache
    dz, dr, dc, drh = inner
    dx = dz @ Wz.T + dr @ Wr.T + dc @ Wc.T
    dh = grad_out * (1 - z) + dz @ Uz.T + dr @ Ur.T + drh * r
    return dx, dh, x.T @ dz, h.T @ dz, x.T @ dr, h.T @ dr, x.T @ dc, (r * h).T @ dc


def gru_backward(grad_out, cache):
    return gru_outward(gru_inner(grad_out, cache), grad_out, cache)


def gru_not_reset(grad_out, cache):
    dx, dh, *others = gru_backward(grad_out, cache)
    drh, r = gru_inner(grad_out, cache)[3], cache[9]
    return dx, dh - drh * r, *others


def gru_not_kept(grad_out, cache):
    dx, dh, *others = gru_backward(grad_out, cache)
    return dx, dh - grad_out * (1 - cache[8]), *others


def gru_update_reversed(grad_out, cache):
    dz, dr, dc, drh = gru_inner(grad_out, cache)
    return gru_outward((-dz, dr, dc, drh), grad_out, cache)


def gru_whole_state(grad_out, cache):
    *others, _ = gru_backward(grad_out, cache)
    return *others, cache[1].T @ gru_inner(grad_out, cache)[2]


def gru_gates_exchanged(grad_out, cache):
    dx, dh, dWz, dUz, dWr, dUr, dWc, dUc = gru_backward(grad_out, cache)
    return dx, dh, dWr, dUz, dWz, dUr, dWc, dUc


def draw_gru(rng, distinct):
    B, I, H = sizes(rng, distinct, 3)  # noqa: E741
    weights = [0.5 * rng.normal(size=shape) for _ in range(3) for shape in [(I, H), (H, H)]]
    return rng.normal(size=(B, I)), rng.normal(size=(B, H)), *weights


GRU = Operation("GRU cell", gru_forward, gru_backward, draw_gru)


MISTAKES = (
    RNN.mistake("weight assigned in the loop", "last-only", "One = where a += belongs.", rnn_assigned),
    RNN.mistake(
        "state from after the step", "stale-value", "The list of states starts one earlier than x.", rnn_state_after
    ),
    RNN.mistake(
        "bias summed over time alone",
        "missing-broadcast-sum",
        "It was written for a single sequence.",
        rnn_bias_over_time_alone,
    ),
    RNN.mistake(
        "recurrent weight not transposed", "transposed", "It is square, so that no shape complains.", rnn_not_transposed
    ),
    RNN.mistake(
        "clipped",
        "nonlinear-in-grad",
        "Clipping helps recurrent networks, and was put where it was handy.",
        rnn_clipped,
    ),
    RNN.mistake("no gradient for the start", "zero-gradient", "The start is mostly zeros, so who asks?", rnn_no_start),
    GRU.mistake("state not through the reset", "missing-path", "h is used four times.", gru_not_reset),
    GRU.mistake(
        "state not kept", "missing-path", "The way straight through has no weight to remind one.", gru_not_kept
    ),
    GRU.mistake(
        "update gate reversed", "wrong-sign", "Papers differ on which of z and 1 - z keeps.", gru_update_reversed
    ),
    GRU.mistake(
        "whole state for the candidate", "stale-value", "The line of the other gates is copied.", gru_whole_state
    ),
    GRU.mistake("gates' weights exchanged", "swapped-inputs", "Six weights of two shapes.", gru_gates_exchanged),
)
