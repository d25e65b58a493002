"""Activations and gates made of them: softplus, swish, GELU, ELU, a SwiGLU layer."""

import numpy as np

from tests.checks.outside.operations import Operation, sigmoid, sizes


def draw_features(rng, distinct):
    T, D = sizes(rng, distinct, 2, among=(5, 6, 7, 8))  # without 3, which is a constant of GELU's
    return (rng.normal(size=(T, D)),)


# softplus: log(1 + exp(x))


def softplus_forward(x):
    y = np.log1p(np.exp(x))
    return y, (x, y)


def softplus_backward(grad_out, cache):
    return grad_out * sigmoid(cache[0])


def softplus_of_output(grad_out, cache):
    return grad_out * sigmoid(cache[1])


SOFTPLUS = Operation("softplus", softplus_forward, softplus_backward, draw_features)


# swish: x sigmoid(x)


def swish_forward(x):
    s = sigmoid(x)
    y = x * s
    return y, (x, s, y)


def swish_backward(grad_out, cache):
    x, s, _ = cache
    return grad_out * (s + x * s * (1 - s))


def swish_inside_alone(grad_out, cache):
    x, s, _ = cache
    return grad_out * x * s * (1 - s)


def swish_by_output(grad_out, cache):
    x, s, y = cache
    return grad_out * (s + x * y * (1 - y))


def swish_first_twice(grad_out, cache):
    x, s, _ = cache
    return grad_out * (s + s + x * s * (1 - s))


SWISH = Operation("swish", swish_forward, swish_backward, draw_features)


# GELU, by its approximation with tanh

ROOT = float(np.sqrt(2 / np.pi))


def gelu_forward(x):
    u = ROOT * (x + 0.044715 * x**3)
    t = np.tanh(u)
    return 0.5 * x * (1 + t), (x, u, t)


def gelu_backward(grad_out, cache):
    x, _, t = cache
    du = ROOT * (1 + 3 * 0.044715 * x**2)
    return grad_out * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)


def gelu_inside_alone(grad_out, cache):
    x, _, t = cache
    du = ROOT * (1 + 3 * 0.044715 * x**2)
    return grad_out * 0.5 * x * (1 - t**2) * du


def gelu_no_cube(grad_out, cache):
    x, _, t = cache
    return grad_out * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * ROOT)


def gelu_no_three(grad_out, cache):
    x, _, t = cache
    du = ROOT * (1 + 0.044715 * x**2)
    return grad_out * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)


def gelu_tanh_of_inside(grad_out, cache):
    x, u, t = cache
    du = ROOT * (1 + 3 * 0.044715 * x**2)
    return grad_out * (0.5 * (1 + t) + 0.5 * x * (1 - u**2) * du)


GELU = Operation("GELU", gelu_forward, gelu_backward, draw_features)


# ELU: x above 0, alpha (exp(x) - 1) below


def elu_forward(x):
    curve = 1.7 * (np.exp(x) - 1)
    y = np.where(x > 0, x, curve)
    return y, (x, curve)


def elu_backward(grad_out, cache):
    x, curve = cache
    return grad_out * np.where(x > 0, 1.0, curve + 1.7)


def elu_above_alone(grad_out, cache):
    return grad_out * (cache[0] > 0)


def elu_no_alpha(grad_out, cache):
    x, curve = cache
    return np.where(x > 0, grad_out, grad_out * (curve / 1.7 + 1))


def draw_elu(rng, distinct):
    T, D = sizes(rng, distinct, 2)
    x = rng.uniform(0.1, 2, size=(T, D)) * rng.choice([-1.0, 1.0], size=(T, D))  # off the kink
    x[0, 0], x[-1, -1] = 0.5, -0.5
    return (x,)


ELU = Operation("ELU", elu_forward, elu_backward, draw_elu)


# SwiGLU: a feed-forward layer, one half of which gates the other


def swiglu_forward(x, gate_weight, up_weight, down_weight):  # (B, D), (D, H), (D, H), (H, O)
    a, b = x @ gate_weight, x @ up_weight
    s = sigmoid(a)
    h = a * s * b
    return h @ down_weight, (x, gate_weight, up_weight, down_weight, a, b, s, h)


def swiglu_inner(grad_out, cache):
    _, _, _, down_weight, a, b, s, _ = cache
    dh = grad_out @ down_weight.T
    return dh * b * (s + a * s * (1 - s)), dh * a * s


def swiglu_backward(grad_out, cache):
    x, gate_weight, up_weight, _, _, _, _, h = cache
    da, db = swiglu_inner(grad_out, cache)
    return da @ gate_weight.T + db @ up_weight.T, x.T @ da, x.T @ db, h.T @ grad_out


def swiglu_gate_alone(grad_out, cache):
    x, gate_weight, _, _, _, _, _, h = cache
    da, db = swiglu_inner(grad_out, cache)
    return da @ gate_weight.T, x.T @ da, x.T @ db, h.T @ grad_out


def swiglu_up_first(grad_out, cache):
    dx, dgate, dup, ddown = swiglu_backward(grad_out, cache)
    return dx, dup, dgate, ddown


def swiglu_down_by_gate(grad_out, cache):
    dx, dgate, dup, _ = swiglu_backward(grad_out, cache)
    return dx, dgate, dup, cache[4].T @ grad_out


def swiglu_down_other_way(grad_out, cache):
    dx, dgate, dup, _ = swiglu_backward(grad_out, cache)
    return dx, dgate, dup, grad_out.T @ cache[7]


def draw_swiglu(rng, distinct):
    B, D, H, O = sizes(rng, distinct, 4)  # noqa: E741
    return (
        rng.normal(size=(B, D)),
        0.6 * rng.normal(size=(D, H)),
        0.6 * rng.normal(size=(D, H)),
        rng.normal(size=(H, O)),
    )


SWIGLU = Operation("SwiGLU", swiglu_forward, swiglu_backward, draw_swiglu)


MISTAKES = (
    SOFTPLUS.mistake(
        "sigmoid of the output", "stale-value", "Sigmoid and tanh are written in their outputs.", softplus_of_output
    ),
    SWISH.mistake(
        "the factor x as a constant",
        "missing-path",
        "One remembers the sigmoid and forgets the product.",
        swish_inside_alone,
    ),
    SWISH.mistake("y (1 - y) of swish's y", "stale-value", "y is what the output was always called.", swish_by_output),
    SWISH.mistake(
        "the product's x twice", "double-counted", "A term from the draft is left standing.", swish_first_twice
    ),
    GELU.mistake(
        "the factor x as a constant",
        "missing-path",
        "The chain rule is followed and not the product's.",
        gelu_inside_alone,
    ),
    GELU.mistake(
        "the cube as a constant", "missing-path", "0.044715 is so small that it looks negligible.", gelu_no_cube
    ),
    GELU.mistake("no 3 from the cube", "constant-factor", "The power falls and the 3 with it.", gelu_no_three),
    GELU.mistake(
        "1 - u^2 for 1 - tanh(u)^2", "stale-value", "The rule 1 - t^2 is about the output.", gelu_tanh_of_inside
    ),
    ELU.mistake("above zero alone", "missing-path", "The pass of a ReLU is copied.", elu_above_alone),
    ELU.mistake("no alpha", "constant-factor", "alpha is mostly 1, and so it was when tested.", elu_no_alpha),
    SWIGLU.mistake("x through the gate alone", "missing-path", "x goes into two products.", swiglu_gate_alone),
    SWIGLU.mistake("up before gate", "swapped-inputs", "The two weights have one shape.", swiglu_up_first),
    SWIGLU.mistake("down weight by the gate's input", "stale-value", "a, b and h have one shape.", swiglu_down_by_gate),
    SWIGLU.mistake(
        "down weight the other way", "transposed", "Elsewhere weights are kept as (out, in).", swiglu_down_other_way
    ),
)
