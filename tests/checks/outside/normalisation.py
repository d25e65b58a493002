"""Normalisations: RMS norm, batch norm, weight normalisation, a matrix of cosines."""

import numpy as np

from tests.checks.outside.operations import Operation, sizes

# RMS norm: y = x / sqrt(mean(x^2) + eps) * weight


def rms_norm_forward(x, weight):  # (B, T, D), (D,)
    rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    n = x / rms
    return n * weight, (x, weight, rms, n)


def rms_norm_backward(grad_out, cache):
    _, weight, rms, n = cache
    dn = grad_out * weight
    dx = (dn - n * np.mean(dn * n, axis=-1, keepdims=True)) / rms
    return dx, np.sum(grad_out * n, axis=(0, 1))


def rms_held(grad_out, cache):
    _, weight, rms, n = cache
    return grad_out * weight / rms, np.sum(grad_out * n, axis=(0, 1))


def rms_added(grad_out, cache):
    _, weight, rms, n = cache
    dn = grad_out * weight
    dx = (dn + n * np.mean(dn * n, axis=-1, keepdims=True)) / rms
    return dx, np.sum(grad_out * n, axis=(0, 1))


def rms_sum_inside(grad_out, cache):
    _, weight, rms, n = cache
    dn = grad_out * weight
    dx = (dn - n * np.sum(dn * n, axis=-1, keepdims=True)) / rms
    return dx, np.sum(grad_out * n, axis=(0, 1))


def rms_weight_by_x(grad_out, cache):
    return rms_norm_backward(grad_out, cache)[0], np.sum(grad_out * cache[0], axis=(0, 1))


def rms_weight_over_batch_alone(grad_out, cache):
    return rms_norm_backward(grad_out, cache)[0], np.sum(grad_out * cache[3], axis=0)


def rms_in_place(grad_out, cache):
    _, weight, rms, n = cache
    dweight = np.sum(grad_out * n, axis=(0, 1))
    dn = grad_out * weight
    mean = np.mean(dn * n, axis=-1, keepdims=True)
    n *= mean  # saves an allocation
    return (dn - n) / rms, dweight


def draw_rms_norm(rng, distinct):
    B, T, D = sizes(rng, distinct, 3)
    return rng.normal(size=(B, T, D)), rng.uniform(0.5, 2, size=D)


RMS_NORM = Operation("RMS norm", rms_norm_forward, rms_norm_backward, draw_rms_norm)


# Batch norm: each feature to mean 0 and variance 1 over the batch


def batch_norm_forward(x, gamma, beta):  # (N, D), (D,), (D,)
    centred = x - np.mean(x, axis=0)
    std = np.sqrt(np.mean(centred**2, axis=0) + 1e-5)
    n = centred / std
    return gamma * n + beta, (gamma, std, n)


def batch_norm_backward(grad_out, cache):
    gamma, std, n = cache
    dn = grad_out * gamma
    dx = (dn - np.mean(dn, axis=0) - n * np.mean(dn * n, axis=0)) / std
    return dx, np.sum(grad_out * n, axis=0), np.sum(grad_out, axis=0)


def batch_statistics_held(grad_out, cache):
    gamma, std, n = cache
    return grad_out * gamma / std, np.sum(grad_out * n, axis=0), np.sum(grad_out, axis=0)


def batch_variance_held(grad_out, cache):
    gamma, std, n = cache
    dn = grad_out * gamma
    return (dn - np.mean(dn, axis=0)) / std, np.sum(grad_out * n, axis=0), np.sum(grad_out, axis=0)


def batch_over_features(grad_out, cache):
    gamma, std, n = cache
    dn = grad_out * gamma
    dx = (dn - np.mean(dn, axis=-1, keepdims=True) - n * np.mean(dn * n, axis=-1, keepdims=True)) / std
    return dx, np.sum(grad_out * n, axis=0), np.sum(grad_out, axis=0)


def batch_mean_for_gamma(grad_out, cache):
    dx, _, _ = batch_norm_backward(grad_out, cache)
    return dx, np.mean(grad_out * cache[2], axis=0), np.mean(grad_out, axis=0)


def batch_beta_first(grad_out, cache):
    dx, dgamma, dbeta = batch_norm_backward(grad_out, cache)
    return dx, dbeta, dgamma


def batch_keepdims(grad_out, cache):
    dx, dgamma, _ = batch_norm_backward(grad_out, cache)
    return dx, dgamma, np.sum(grad_out, axis=0, keepdims=True)


def draw_batch_norm(rng, distinct):
    N, D = sizes(rng, distinct, 2)
    return rng.normal(size=(N, D)), rng.uniform(0.5, 2, size=D), rng.normal(size=D)


BATCH_NORM = Operation("batch norm", batch_norm_forward, batch_norm_backward, draw_batch_norm)


# Weight normalisation: the rows of a weight by direction and length


def weight_norm_forward(x, direction, gain):  # (B, I), (O, I), (O,)
    norm = np.sqrt(np.sum(direction**2, axis=1, keepdims=True))
    unit = direction / norm
    weight = gain[:, None] * unit
    return x @ weight.T, (x, direction, gain, norm, unit, weight)


def weight_norm_backward(grad_out, cache):
    x, _, gain, norm, unit, weight = cache
    dweight = grad_out.T @ x
    dgain = np.sum(dweight * unit, axis=1)
    ddirection = gain[:, None] / norm * (dweight - unit * dgain[:, None])
    return grad_out @ weight, ddirection, dgain


def weight_norm_held(grad_out, cache):
    x, _, gain, norm, unit, weight = cache
    dweight = grad_out.T @ x
    return grad_out @ weight, gain[:, None] / norm * dweight, np.sum(dweight * unit, axis=1)


def weight_norm_gain_by_direction(grad_out, cache):
    dx, ddirection, _ = weight_norm_backward(grad_out, cache)
    return dx, ddirection, np.sum((grad_out.T @ cache[0]) * cache[1], axis=1)


def weight_norm_no_gain(grad_out, cache):
    dx, ddirection, dgain = weight_norm_backward(grad_out, cache)
    return dx, ddirection, np.zeros_like(dgain)


def draw_weight_norm(rng, distinct):
    B, I, O = sizes(rng, distinct, 3)  # noqa: E741
    return rng.normal(size=(B, I)), rng.normal(size=(O, I)), rng.uniform(0.5, 2, size=O)


WEIGHT_NORM = Operation("weight normalisation", weight_norm_forward, weight_norm_backward, draw_weight_norm)


# Cosines of every row of one matrix with every row of another


def cosines_forward(a, b):  # (N, D), (M, D) -> (N, M)
    norm_a = np.sqrt(np.sum(a * a, axis=-1, keepdims=True))
    norm_b = np.sqrt(np.sum(b * b, axis=-1, keepdims=True))
    return (a / norm_a) @ (b / norm_b).T, (a / norm_a, b / norm_b, norm_a, norm_b)


def cosines_backward(grad_out, cache):
    unit_a, unit_b, norm_a, norm_b = cache
    da, db = grad_out @ unit_b, grad_out.T @ unit_a
    da = da - unit_a * np.sum(da * unit_a, axis=-1, keepdims=True)
    db = db - unit_b * np.sum(db * unit_b, axis=-1, keepdims=True)
    return da / norm_a, db / norm_b


def cosines_norms_held(grad_out, cache):
    unit_a, unit_b, norm_a, norm_b = cache
    return grad_out @ unit_b / norm_a, grad_out.T @ unit_a / norm_b


def cosines_one_norm_held(grad_out, cache):
    da, _ = cosines_backward(grad_out, cache)
    return da, grad_out.T @ cache[0] / cache[3]


def draw_cosines(rng, distinct):
    N, M, D = sizes(rng, distinct, 3)
    return rng.normal(size=(N, D)), rng.normal(size=(M, D))


COSINES = Operation("cosine matrix", cosines_forward, cosines_backward, draw_cosines)


MISTAKES = (
    RMS_NORM.mistake(
        "rms held fixed", "held-constant", "Dividing by a number one has at hand looks like a plain scale.", rms_held
    ),
    RMS_NORM.mistake(
        "projection added", "wrong-sign", "The derivative of 1 / rms is negative, and the minus got lost.", rms_added
    ),
    RMS_NORM.mistake(
        "sum for the mean inside",
        "mean-for-sum",
        "The mean inside the square root has a 1 / D that the chain rule keeps.",
        rms_sum_inside,
    ),
    RMS_NORM.mistake(
        "weight by the input",
        "stale-value",
        "The weight is taken for that of a linear layer, whose gradient has x in it.",
        rms_weight_by_x,
    ),
    RMS_NORM.mistake(
        "weight summed over the batch alone",
        "missing-broadcast-sum",
        "The pass was written for (B, D) and a time axis came later.",
        rms_weight_over_batch_alone,
    ),
    RMS_NORM.mistake(
        "cache used as scratch",
        "mutated-cache",
        "Working in place saves an allocation, and a second backward is not thought of.",
        rms_in_place,
    ),
    BATCH_NORM.mistake(
        "mean and variance held fixed",
        "held-constant",
        "At inference they are constants, and that backward was copied.",
        batch_statistics_held,
    ),
    BATCH_NORM.mistake(
        "variance held fixed",
        "held-constant",
        "The mean is subtracted from the gradient in analogy, and the variance forgotten.",
        batch_variance_held,
    ),
    BATCH_NORM.mistake(
        "means over the features", "wrong-axis", "The formula was taken over from layer norm.", batch_over_features
    ),
    BATCH_NORM.mistake(
        "mean for gamma and beta",
        "mean-for-sum",
        "Everything else in the pass is a mean over the batch, so these are too.",
        batch_mean_for_gamma,
    ),
    BATCH_NORM.mistake(
        "beta before gamma",
        "swapped-inputs",
        "beta is derived first, being easier, and returned first.",
        batch_beta_first,
    ),
    BATCH_NORM.mistake(
        "beta with keepdims",
        "wrong-shape",
        "keepdims=True was needed elsewhere and is kept up.",
        batch_keepdims,
    ),
    WEIGHT_NORM.mistake(
        "norm held fixed", "held-constant", "The norm is computed once at the top and seems given.", weight_norm_held
    ),
    WEIGHT_NORM.mistake(
        "gain by the direction",
        "stale-value",
        "The direction and the unit vector look alike on paper.",
        weight_norm_gain_by_direction,
    ),
    WEIGHT_NORM.mistake(
        "no gradient for the gain",
        "zero-gradient",
        "The gradient was allocated and its line never written.",
        weight_norm_no_gain,
    ),
    COSINES.mistake(
        "both norms held fixed", "held-constant", "The rows count as unit vectors already.", cosines_norms_held
    ),
    COSINES.mistake(
        "second norm held fixed",
        "held-constant",
        "The projection was written for the one side and not for the other.",
        cosines_one_norm_held,
    ),
)
