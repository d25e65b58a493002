"""Wrong layer norms."""

from typing import Any

import numpy as np

from acg_numpy.testing.properties import check_layer_norm
from tests.testing.wrong.kind import Wrong

EPS = 1e-5


def right(x: Any, weight: Any, bias: Any, eps: float = EPS) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    v = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(v + x.dtype.type(eps)) * weight + bias


def one_less_in_the_variance(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    v = np.sum(centred * centred, axis=-1, keepdims=True) / max(1, x.shape[-1] - 1)
    return centred / np.sqrt(v + x.dtype.type(EPS)) * weight + bias


def eps_outside_the_root(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    v = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / (np.sqrt(v) + x.dtype.type(EPS)) * weight + bias


def another_eps(x, weight, bias):
    return right(x, weight, bias, eps=1e-6)


def no_eps(x, weight, bias):
    return right(x, weight, bias, eps=0.0)


def over_everything(x, weight, bias):
    centred = x - x.mean() if x.size else x
    return centred / np.sqrt((centred * centred).mean() + x.dtype.type(EPS) if x.size else 1) * weight + bias


def over_the_rows(x, weight, bias):
    if x.ndim < 2 or not x.size:
        return right(x, weight, bias)
    centred = x - x.mean(axis=0)
    return centred / np.sqrt(np.mean(centred * centred, axis=0) + x.dtype.type(EPS)) * weight + bias


def mean_not_taken_off(x, weight, bias):
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + x.dtype.type(EPS)) * weight + bias


def root_mean_square_alone(x, weight, bias):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(EPS)) * weight + bias


def variance_of_what_was_not_centred(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(EPS)) * weight + bias


def root_forgotten(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / (np.mean(centred * centred, axis=-1, keepdims=True) + x.dtype.type(EPS)) * weight + bias


def weight_and_bias_exchanged(x, weight, bias):
    return right(x, bias, weight)


def one_added_to_the_weight(x, weight, bias):
    return right(x, weight + 1, bias)


def bias_before_weight(x, weight, bias):
    return (right(x, np.ones_like(weight), 0 * bias) + bias) * weight


def bias_forgotten(x, weight, bias):
    return right(x, weight, 0 * bias)


def weights_reversed(x, weight, bias):
    return right(x, weight[::-1], bias)


def first_feature_counts_double(x, weight, bias):
    counts = np.ones(x.shape[-1], x.dtype)
    counts[0] = 2
    counts /= counts.sum()
    centred = x - (x * counts).sum(axis=-1, keepdims=True)
    v = (centred * centred * counts).sum(axis=-1, keepdims=True)
    return centred / np.sqrt(v + x.dtype.type(EPS)) * weight + bias


def mean_of_squares_less_square_of_the_mean(x, weight, bias):
    mean = x.mean(axis=-1, keepdims=True)
    v = np.mean(x * x, axis=-1, keepdims=True) - mean * mean
    return (x - mean) / np.sqrt(np.maximum(v, 0) + x.dtype.type(EPS)) * weight + bias


def fourth_powers(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    v = np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) ** 16) ** x.dtype.type(1 / 8)
    return centred / np.sqrt(v + x.dtype.type(EPS)) * weight + bias


def in_place(x, weight, bias):
    x -= x.mean(axis=-1, keepdims=True)
    return right(x, weight, bias)


def float32_comes_out(x, weight, bias):
    return right(x, weight, bias).astype(np.float32)


class LastCallAgain:
    """Keeps what it computed, and gives it out once more."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, x, weight, bias):
        out = right(x, weight, bias)
        out, self.kept[x.shape] = self.kept.get(x.shape, out), out
        return out


WRONG = [
    Wrong(name, check_layer_norm, implementation, refuted_by, options)
    for name, implementation, refuted_by, options in [
        ("layer norm: one less in the variance", one_less_in_the_variance, "variance", {}),
        ("layer norm: eps outside the root", eps_outside_the_root, "variance", {}),
        ("layer norm: another eps", another_eps, "stretch", {}),
        ("layer norm: no eps", no_eps, "constant-row", {}),
        ("layer norm: over everything", over_everything, "one-row", {}),
        ("layer norm: over the rows", over_the_rows, "one-row", {}),
        ("layer norm: the mean not taken off", mean_not_taken_off, "mean", {}),
        ("layer norm: root mean square alone", root_mean_square_alone, "shift", {}),
        ("layer norm: variance of what was not centred", variance_of_what_was_not_centred, "shift", {}),
        ("layer norm: the root forgotten", root_forgotten, "stretch", {}),
        ("layer norm: weight and bias exchanged", weight_and_bias_exchanged, "constant-row", {}),
        ("layer norm: one added to the weight", one_added_to_the_weight, "variance", {}),
        ("layer norm: the bias before the weight", bias_before_weight, "affine", {}),
        ("layer norm: the bias forgotten", bias_forgotten, "affine", {}),
        ("layer norm: weights reversed", weights_reversed, "affine", {}),
        ("layer norm: the first feature counts double", first_feature_counts_double, "exchange", {}),
        ("layer norm: cancellation in the variance", mean_of_squares_less_square_of_the_mean, "shift", {}),
        ("layer norm: powers that overflow", fourth_powers, "large-rows", {}),
        ("layer norm: in place", in_place, "unchanged", {}),
        ("layer norm: float32 comes out", float32_comes_out, "form", {}),
        ("layer norm: the last call's output again", LastCallAgain(), "repeatable", {}),
    ]
]
