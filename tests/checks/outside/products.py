"""Products and distances: bilinear form, factorization machine, distances, a kernel, a scaled layer, log-sum-exp."""

import numpy as np

from tests.checks.outside.operations import Operation, sizes, softmax

# Bilinear form: x W y for every pair of a batch


def bilinear_forward(x, weight, y):  # (B, M), (M, N), (B, N) -> (B,)
    return np.sum((x @ weight) * y, axis=1), (x, weight, y)


def bilinear_backward(grad_out, cache):
    x, weight, y = cache
    g = grad_out[:, None]
    return g * (y @ weight.T), x.T @ (g * y), g * (x @ weight)


def bilinear_other_way(grad_out, cache):
    x, weight, y = cache
    g = grad_out[:, None]
    return g * (y @ weight.T), (g * y).T @ x, g * (x @ weight)


def bilinear_exchanged(grad_out, cache):
    dx, dweight, dy = bilinear_backward(grad_out, cache)
    return dy, dweight, dx


def bilinear_each(grad_out, cache):
    x, _, y = cache
    dx, _, dy = bilinear_backward(grad_out, cache)
    return dx, np.einsum("b,bm,bn->bmn", grad_out, x, y), dy


def bilinear_x_without_upstream(grad_out, cache):
    return bilinear_backward(np.ones(len(cache[0])), cache)


def draw_bilinear(rng, distinct):
    B, M, N = sizes(rng, distinct, 3)
    return rng.normal(size=(B, M)), rng.normal(size=(M, N)), rng.normal(size=(B, N))


BILINEAR = Operation("bilinear form", bilinear_forward, bilinear_backward, draw_bilinear)


# Factorization machine: all pairs of features, by (sum)^2 - sum of squares


def machine_forward(x, base, linear, factors):  # (B, F), (), (F,), (F, K) -> (B,)
    total = x @ factors
    pairs = 0.5 * np.sum(total**2 - x**2 @ factors**2, axis=1)
    return base + x @ linear + pairs, (x, linear, factors, total)


def machine_backward(grad_out, cache):
    x, linear, factors, total = cache
    g = grad_out[:, None]
    dx = g * (linear + total @ factors.T - x * np.sum(factors**2, axis=1))
    dfactors = x.T @ (g * total) - (x**2).T @ np.broadcast_to(g, total.shape) * factors
    return dx, np.sum(grad_out), x.T @ grad_out, dfactors


def machine_squares_forgotten(grad_out, cache):
    x, _, _, total = cache
    return *machine_backward(grad_out, cache)[:3], x.T @ (grad_out[:, None] * total)


def machine_no_half(grad_out, cache):
    dx, dbase, dlinear, dfactors = machine_backward(grad_out, cache)
    return dx, dbase, dlinear, 2 * dfactors


def machine_base_each(grad_out, cache):
    dx, _, dlinear, dfactors = machine_backward(grad_out, cache)
    return dx, grad_out, dlinear, dfactors


def machine_x_linear_twice(grad_out, cache):
    dx, dbase, dlinear, dfactors = machine_backward(grad_out, cache)
    return dx + grad_out[:, None] * cache[1], dbase, dlinear, dfactors


def machine_squares_added(grad_out, cache):
    x, _, factors, total = cache
    g = grad_out[:, None]
    dfactors = x.T @ (g * total) + (x**2).T @ np.broadcast_to(g, total.shape) * factors
    return *machine_backward(grad_out, cache)[:3], dfactors


def draw_machine(rng, distinct):
    B, F, K = sizes(rng, distinct, 3)
    return rng.normal(size=(B, F)), rng.normal(size=()), rng.normal(size=F), 0.5 * rng.normal(size=(F, K))


MACHINE = Operation("factorization machine", machine_forward, machine_backward, draw_machine)


# Squared distances of every row to every other, by |a|^2 + |b|^2 - 2 a b


def distances_forward(a, b):  # (N, D), (M, D) -> (N, M)
    return np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1) - 2 * a @ b.T, (a, b)


def distances_backward(grad_out, cache):
    a, b = cache
    da = 2 * (a * np.sum(grad_out, axis=1)[:, None] - grad_out @ b)
    db = 2 * (b * np.sum(grad_out, axis=0)[:, None] - grad_out.T @ a)
    return da, db


def distances_product_alone(grad_out, cache):
    a, b = cache
    return -2 * grad_out @ b, -2 * grad_out.T @ a


def distances_no_two(grad_out, cache):
    da, db = distances_backward(grad_out, cache)
    return da / 2, db / 2


def distances_product_added(grad_out, cache):
    a, b = cache
    da = 2 * (a * np.sum(grad_out, axis=1)[:, None] + grad_out @ b)
    db = 2 * (b * np.sum(grad_out, axis=0)[:, None] + grad_out.T @ a)
    return da, db


def draw_two_sets(rng, distinct):
    N, M, D = sizes(rng, distinct, 3)
    return 0.5 * rng.normal(size=(N, D)), 0.5 * rng.normal(size=(M, D))


DISTANCES = Operation("squared distances", distances_forward, distances_backward, draw_two_sets)


# Radial kernel: exp(-|a - b|^2 / (2 s^2)), with a width s for each feature's scale


def kernel_forward(a, b):  # (N, D), (M, D) -> (N, M)
    difference = a[:, None, :] - b[None, :, :]
    squared = np.sum(difference**2, axis=-1)
    k = np.exp(-squared / 1.4)
    return k, (difference, squared, k)


def kernel_backward(grad_out, cache):
    difference, _, k = cache
    ddifference = (-2 / 1.4 * grad_out * k)[..., None] * difference
    return np.sum(ddifference, axis=1), -np.sum(ddifference, axis=0)


def kernel_sign(grad_out, cache):
    da, db = kernel_backward(grad_out, cache)
    return -da, -db


def kernel_distance_for_value(grad_out, cache):
    difference, squared, _ = cache
    return kernel_backward(grad_out, (difference, squared, squared))


def kernel_no_width(grad_out, cache):
    da, db = kernel_backward(grad_out, cache)
    return 1.4 * da, 1.4 * db


def kernel_second_alike(grad_out, cache):
    da, db = kernel_backward(grad_out, cache)
    return da, -db


def kernel_not_summed(grad_out, cache):
    difference, _, k = cache
    ddifference = (-2 / 1.4 * grad_out * k)[..., None] * difference
    return ddifference[:, 0], -ddifference[0]


KERNEL = Operation("radial kernel", kernel_forward, kernel_backward, draw_two_sets)


# A linear layer scaled by its width in the forward, and not in the weights


def scaled_forward(x, weight, bias):  # (B, I), (I, O), (O,)
    return x @ weight / np.sqrt(x.shape[-1]) + bias, (x, weight)


def scaled_backward(grad_out, cache):
    x, weight = cache
    g = grad_out / np.sqrt(x.shape[-1])
    return g @ weight.T, x.T @ g, np.sum(grad_out, axis=0)


def scaled_weight_unscaled(grad_out, cache):
    dx, _, dbias = scaled_backward(grad_out, cache)
    return dx, cache[0].T @ grad_out, dbias


def scaled_twice(grad_out, cache):
    dx, dweight, dbias = scaled_backward(grad_out, cache)
    root = np.sqrt(cache[0].shape[-1])
    return dx / root, dweight / root, dbias


class KeepsAdding:
    """A layer with a buffer for its weight's gradient, which is never set back to zero."""

    def __init__(self):
        self.buffer = np.zeros((0, 0))

    def __call__(self, grad_out, cache):
        dx, dweight, dbias = scaled_backward(grad_out, cache)
        if self.buffer.shape != dweight.shape:
            self.buffer = np.zeros_like(dweight)
        self.buffer += dweight
        return dx, self.buffer.copy(), dbias


def draw_scaled(rng, distinct):
    B, I, O = sizes(rng, distinct, 3)  # noqa: E741
    return rng.normal(size=(B, I)), rng.normal(size=(I, O)), rng.normal(size=O)


SCALED = Operation("width-scaled layer", scaled_forward, scaled_backward, draw_scaled)


# Log-sum-exp over the middle axis


def log_sum_exp_forward(x):  # (B, T, D) -> (B, D)
    top = np.max(x, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0], x


def log_sum_exp_backward(grad_out, x):
    return grad_out[:, None] * softmax(x, axis=1)


def log_sum_exp_last_axis(grad_out, x):
    return grad_out[:, None] * softmax(x, axis=-1)


def log_sum_exp_upstream_left_out(_, x):
    return softmax(x, axis=1)


def draw_log_sum_exp(rng, distinct):
    return (rng.normal(size=tuple(sizes(rng, distinct, 3))),)


LOG_SUM_EXP = Operation("log-sum-exp", log_sum_exp_forward, log_sum_exp_backward, draw_log_sum_exp)


MISTAKES = (
    BILINEAR.mistake("weight the other way", "transposed", "y W x is the same number.", bilinear_other_way),
    BILINEAR.mistake("x and y exchanged", "swapped-inputs", "dx has y in it, and is called dy.", bilinear_exchanged),
    BILINEAR.mistake("weight of each pair", "missing-broadcast-sum", "It was derived for one pair.", bilinear_each),
    BILINEAR.mistake(
        "upstream ignored",
        "ignored-upstream",
        "The form's own derivative is taken for all.",
        bilinear_x_without_upstream,
    ),
    MACHINE.mistake(
        "squares forgotten",
        "missing-path",
        "The factors' part in the correction is left out.",
        machine_squares_forgotten,
    ),
    MACHINE.mistake("no half", "constant-factor", "The half was to cancel a 2 that is not written.", machine_no_half),
    MACHINE.mistake("base of each", "missing-broadcast-sum", "A scalar broadcasts unseen.", machine_base_each),
    MACHINE.mistake(
        "linear part twice",
        "double-counted",
        "It is added in its own line and again in the sum.",
        machine_x_linear_twice,
    ),
    MACHINE.mistake("squares added", "wrong-sign", "The correction's minus is overlooked.", machine_squares_added),
    DISTANCES.mistake(
        "product alone",
        "missing-path",
        "Only the product joins a and b, so only it seems to matter.",
        distances_product_alone,
    ),
    DISTANCES.mistake("no 2", "constant-factor", "Half the squared distance is the usual form.", distances_no_two),
    DISTANCES.mistake(
        "product added", "wrong-sign", "The minus stands before a 2 and is lost with it.", distances_product_added
    ),
    KERNEL.mistake("minus lost", "wrong-sign", "exp is its own derivative, and that was all.", kernel_sign),
    KERNEL.mistake(
        "distance for value",
        "stale-value",
        "Both are (N, M), and exp's derivative is its output.",
        kernel_distance_for_value,
    ),
    KERNEL.mistake("no width", "constant-factor", "The width is mostly 1.", kernel_no_width),
    KERNEL.mistake(
        "second like first", "wrong-sign", "The kernel is symmetric, the difference is not.", kernel_second_alike
    ),
    KERNEL.mistake(
        "first of each", "missing-broadcast-sum", "An index was put where the sum belongs.", kernel_not_summed
    ),
    SCALED.mistake("weight not scaled", "missing-scale", "x is remembered without its factor.", scaled_weight_unscaled),
    SCALED.mistake("scaled twice", "missing-scale", "Once in the loss's scale, and once here.", scaled_twice),
    SCALED.mistake("keeps adding", "carries-over", "zero_grad is left to other code.", KeepsAdding()),
    LOG_SUM_EXP.mistake(
        "softmax of the last axis", "wrong-axis", "softmax has an axis by default.", log_sum_exp_last_axis
    ),
    LOG_SUM_EXP.mistake(
        "upstream ignored",
        "ignored-upstream",
        "Its gradient is the softmax, as everyone knows.",
        log_sum_exp_upstream_left_out,
    ),
)
