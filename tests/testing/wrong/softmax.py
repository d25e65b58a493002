"""Wrong softmaxes."""

from typing import Any

import numpy as np

from acg_numpy.testing.properties import check_softmax
from tests.testing.wrong.kind import Wrong


def right(scores: Any) -> Any:
    highest = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isfinite(highest), highest, scores.dtype.type(0)))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, scores.dtype.type(1), total)


def over_the_first_axis(scores):
    return np.moveaxis(right(np.moveaxis(scores, 0, -1).copy()), -1, 0)


def over_everything(scores):
    return right(scores.reshape(-1)).reshape(scores.shape)


def nothing_taken_off(scores):
    weights = np.exp(scores)
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def maximum_of_all_taken_off(scores):
    return nothing_taken_off(scores - np.max(scores, initial=-1e300))


def size_taken_off(scores):
    return nothing_taken_off(np.abs(scores))


def scores_clipped(scores):
    return right(np.clip(scores, -5, 5))


def in_place(scores):
    scores -= np.max(scores, axis=-1, keepdims=True, initial=-1e300)
    return right(scores)


def without_the_sum(scores):
    return np.exp(scores - np.max(scores, axis=-1, keepdims=True, initial=-np.inf))


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def base_two(scores):
    return right(scores * scores.dtype.type(np.log(2)))


def squares_for_exponentials(scores):
    squares = scores * scores
    total = squares.sum(axis=-1, keepdims=True)
    return np.where(total == 0, 1 / max(1, scores.shape[-1]), squares / np.where(total == 0, 1, total))


def softmin(scores):
    return right(-scores)


def one_more_in_the_denominator(scores):
    weights = np.exp(scores)
    return weights / (1 + weights.sum(axis=-1, keepdims=True))


def the_first_counts_double(scores):
    place = np.zeros(scores.shape[-1], scores.dtype)
    place[:1] = np.log(2)
    return right(scores + place)


def weights_sorted(scores):
    return np.sort(right(scores), axis=-1)


def float32_within(scores):
    return right(scores.astype(np.float32)).astype(scores.dtype)


def float32_comes_out(scores):
    return right(scores).astype(np.float32)


def minus_infinity_as_zero(scores):
    return right(np.where(np.isneginf(scores), 0, scores))


def uniform_where_all_is_minus_infinity(scores):
    return right(np.where(np.isneginf(scores).all(axis=-1, keepdims=True), 0, scores))


class LastCallAgain:
    """Keeps what it computed, and gives it out once more."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, scores):
        out = right(scores)
        out, self.kept[scores.shape] = self.kept.get(scores.shape, out), out
        return out


WRONG = [
    Wrong(name, check_softmax, implementation, refuted_by)
    for name, implementation, refuted_by in [
        ("softmax: over the first axis", over_the_first_axis, "one-row"),
        ("softmax: over everything", over_everything, "distribution"),
        ("softmax: no maximum taken off", nothing_taken_off, "large-scores"),
        ("softmax: the maximum of all rows taken off", maximum_of_all_taken_off, "large-scores"),
        ("softmax: of sizes", size_taken_off, "order"),
        ("softmax: scores clipped", scores_clipped, "shift"),
        ("softmax: in place", in_place, "unchanged"),
        ("softmax: not divided by the sum", without_the_sum, "distribution"),
        ("softmax: sigmoid", sigmoid, "distribution"),
        ("softmax: to base two", base_two, "ratio"),
        ("softmax: squares for exponentials", squares_for_exponentials, "shift"),
        ("softmax: the smallest for the largest", softmin, "order"),
        ("softmax: one more in the denominator", one_more_in_the_denominator, "distribution"),
        ("softmax: the first score counts double", the_first_counts_double, "exchange"),
        ("softmax: weights sorted", weights_sorted, "exchange"),
        ("softmax: float32 within", float32_within, "ratio"),
        ("softmax: float32 comes out", float32_comes_out, "form"),
        ("softmax: -inf taken for 0", minus_infinity_as_zero, "minus-infinity"),
        ("softmax: uniform where all is -inf", uniform_where_all_is_minus_infinity, "minus-infinity"),
        ("softmax: the last call's output again", LastCallAgain(), "repeatable"),
    ]
]
