"""Wrong attentions: each is the right one below, but for a single mistake."""

import math
from typing import Any

import numpy as np

from acg_numpy.testing.properties import check_attention
from tests.testing.wrong.kind import Wrong


def softmax(scores: Any, axis: int = -1) -> Any:
    highest = np.max(scores, axis=axis, keepdims=True, initial=-1e300 if scores.dtype == np.float64 else -1e38)
    weights = np.exp(scores - highest)
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def scores_of(query: Any, key: Any) -> Any:
    return query @ np.swapaxes(key, -1, -2) * (1 / math.sqrt(query.shape[-1]))


def masked(scores: Any, mask: Any, fill: float = -np.inf) -> Any:
    return scores if mask is None else np.where(mask, scores, scores.dtype.type(fill))


def right(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    return softmax(masked(scores_of(query, key), mask)) @ value


def over_the_queries(query, key, value, mask=None):
    return softmax(masked(scores_of(query, key), mask), axis=-2) @ value


def scale_forgotten(query, key, value, mask=None):
    return softmax(masked(query @ np.swapaxes(key, -1, -2), mask)) @ value


def divided_by_d(query, key, value, mask=None):
    return right(query / query.dtype.type(math.sqrt(query.shape[-1])), key, value, mask)


def scaled_by_the_width_of_the_values(query, key, value, mask=None):
    scores = query @ np.swapaxes(key, -1, -2) / query.dtype.type(math.sqrt(value.shape[-1] or 1))
    return softmax(masked(scores, mask)) @ value


def distances_for_scores(query, key, value, mask=None):
    distances = np.sum((query[..., :, None, :] - key[..., None, :, :]) ** 2, axis=-1)
    return softmax(masked(-distances / query.dtype.type(2 * math.sqrt(query.shape[-1])), mask)) @ value


def mask_inverted(query, key, value, mask=None):
    return right(query, key, value, None if mask is None else ~mask)


def masked_after_the_softmax(query, key, value, mask=None):
    weights = softmax(scores_of(query, key))
    return (weights if mask is None else weights * mask) @ value


def masked_by_minus_one(query, key, value, mask=None):
    return softmax(masked(scores_of(query, key), mask, fill=-1.0)) @ value


def masked_by_zero(query, key, value, mask=None):
    scores = scores_of(query, key)
    return softmax(scores if mask is None else scores * mask) @ value


def masked_by_a_penalty(query, key, value, mask=None):
    scores = scores_of(query, key)
    return softmax(scores if mask is None else scores - scores.dtype.type(1e4) * ~mask) @ value


def mask_ignored(query, key, value, mask=None):
    shape = np.broadcast_shapes(*[x.shape[:-2] for x in (query, key, value, mask) if x is not None])
    out = right(query, key, value)
    return np.broadcast_to(out, (*shape, *out.shape[-2:])).copy()


def mask_of_the_first_query(query, key, value, mask=None):
    return right(query, key, value, None if mask is None else np.broadcast_to(mask[..., :1, :], mask.shape))


def not_a_number_where_all_is_masked(query, key, value, mask=None):
    out = right(query, key, value, mask)
    return out if mask is None else np.where(mask.any(axis=-1, keepdims=True), out, out.dtype.type(np.nan))


def mean_where_all_is_masked(query, key, value, mask=None):
    return softmax(masked(scores_of(query, key), mask, fill=-1e30)) @ value


def causal_unless_told(query, key, value, mask=None):
    if mask is None:
        mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    return right(query, key, value, mask)


def key_for_value(query, key, value, mask=None):
    out = right(query, key, value, mask)
    return right(query, key, key, mask) if value.shape[-1] == key.shape[-1] else out


def value_for_key(query, key, value, mask=None):
    return right(query, value, value, mask) if value.shape[-1] == key.shape[-1] else right(query, key, value, mask)


def nothing_taken_off(query, key, value, mask=None):
    weights = np.exp(masked(scores_of(query, key), mask))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ value


def maximum_of_all_taken_off(query, key, value, mask=None):
    scores = masked(scores_of(query, key), mask)
    highest = np.max(scores, initial=-1e30)
    weights = np.exp(scores - highest)
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ value


def scores_clipped(query, key, value, mask=None):
    return softmax(masked(np.clip(scores_of(query, key), -600, 600), mask)) @ value


def mean_over_the_batch_leaks(query, key, value, mask=None):
    batch = tuple(range(query.ndim - 2))
    if query.size and batch:
        query = query - query.mean(axis=batch, keepdims=True)
    return right(query, key, value, mask)


def first_of_the_batch_for_all(query, key, value, mask=None):
    out = right(query, key, value, mask)
    if out.ndim > 2 and out.size:
        out[...] = out[(0,) * (out.ndim - 2)]
    return out


def summed_where_broadcast(query, key, value, mask=None):
    out = right(query, key, value, mask)
    times = out.size // max(1, out.shape[-1] * out.shape[-2] * math.prod(query.shape[:-2])) if query.ndim > 2 else 1
    return out * out.dtype.type(max(1, times))


def in_place(query, key, value, mask=None):
    query *= query.dtype.type(1 / math.sqrt(query.shape[-1]))
    return softmax(masked(query @ np.swapaxes(key, -1, -2), mask)) @ value


def float32_within(query, key, value, mask=None):
    return right(*(x.astype(np.float32) for x in (query, key, value)), mask).astype(query.dtype)


def float32_comes_out(query, key, value, mask=None):
    return right(query, key, value, mask).astype(np.float32)


def values_normalised(query, key, value, mask=None):
    length = np.sqrt(np.sum(value * value, axis=-1, keepdims=True))
    return right(query, key, value / np.where(length == 0, 1, length), mask)


def values_squashed(query, key, value, mask=None):
    return right(query, key, np.clip(value, -1, 1), mask)


def keys_normalised(query, key, value, mask=None):
    length = np.sqrt(np.sum(key * key, axis=-1, keepdims=True))
    return right(query, key / np.where(length == 0, 1, length), value, mask)


def weights_transposed(query, key, value, mask=None):
    weights = softmax(masked(scores_of(query, key), mask))
    return (np.swapaxes(weights, -1, -2) if weights.shape[-1] == weights.shape[-2] else weights) @ value


def uniform(query, key, value, mask=None):
    return right(query * query.dtype.type(0), key, value, mask)


def the_best_key_alone(query, key, value, mask=None):
    return right(query * query.dtype.type(1e6), key, value, mask)


def position_counts(query, key, value, mask=None):
    place = np.arange(key.shape[-2], dtype=key.dtype)
    return softmax(masked(scores_of(query, key) - place, mask)) @ value


def queries_normalised_together(query, key, value, mask=None):
    length = np.sqrt(np.sum(query * query, axis=(-1, -2), keepdims=True))
    return right(query / np.where(length == 0, 1, length), key, value, mask)


def the_last_query_sees_more(query, key, value, mask=None):
    factor = np.ones((query.shape[-2], 1), query.dtype)
    factor[-1:] = 2
    return right(query * factor, key, value, mask)


def one_more_in_the_denominator(query, key, value, mask=None):
    weights = np.exp(masked(scores_of(query, key), mask))
    return weights / (1 + weights.sum(axis=-1, keepdims=True)) @ value


def sigmoid_for_softmax(query, key, value, mask=None):
    weights = 1 / (1 + np.exp(-scores_of(query, key)))
    return (weights if mask is None else weights * mask) @ value


def squared_weights(query, key, value, mask=None):
    weights = softmax(masked(scores_of(query, key), mask)) ** 2
    return weights @ value


class LastCallAgain:
    """Keeps what it computed, and gives it out once more."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, query, key, value, mask=None):
        out = right(query, key, value, mask)
        shapes = query.shape, key.shape, value.shape
        out, self.kept[shapes] = self.kept.get(shapes, out), out
        return out


class DropoutLeftOn:
    """Drops a weight in ten, in evaluation as well."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, query, key, value, mask=None):
        weights = softmax(masked(scores_of(query, key), mask))
        kept = self.rng.random(weights.shape) < 0.9
        return weights * kept.astype(weights.dtype) @ value / weights.dtype.type(0.9)


WRONG = [
    Wrong(name, check_attention, implementation, refuted_by, options)
    for name, implementation, refuted_by, options in [
        ("softmax over the queries", over_the_queries, "distribution", {}),
        ("the scale forgotten", scale_forgotten, "scale", {}),
        ("the scale doubled: divided by d", divided_by_d, "scale", {}),
        ("scaled by the width of the values", scaled_by_the_width_of_the_values, "scale", {}),
        ("minus squared distances for scores", distances_for_scores, "shift", {}),
        ("the mask inverted", mask_inverted, "mask-allows", {}),
        ("masked after the softmax, without normalising again", masked_after_the_softmax, "distribution", {}),
        ("masked scores set to -1", masked_by_minus_one, "mask-allows", {}),
        ("masked scores multiplied by 0", masked_by_zero, "mask-allows", {}),
        ("masked by taking off a penalty", masked_by_a_penalty, "masked-key", {"masked": "any"}),
        ("the mask ignored", mask_ignored, "masked-key", {}),
        ("the first query's mask for all", mask_of_the_first_query, "exchange-queries", {}),
        ("not a number where all is masked", not_a_number_where_all_is_masked, "masked-row", {}),
        ("the mean of all values where all is masked", mean_where_all_is_masked, "masked-row", {}),
        ("a causal mask unless told otherwise", causal_unless_told, "mask-of-all", {}),
        ("a causal mask, and no other taken", causal_unless_told, "exchange-keys", {"takes_mask": False}),
        ("keys for values", key_for_value, "convex-hull", {}),
        ("values for keys", value_for_key, "linear", {}),
        ("no maximum taken off", nothing_taken_off, "large-scores", {}),
        ("the maximum of all rows taken off", maximum_of_all_taken_off, "large-scores", {}),
        ("scores clipped", scores_clipped, "large-scores", {}),
        ("the mean over the batch leaks", mean_over_the_batch_leaks, "batch", {}),
        ("the first of the batch for all", first_of_the_batch_for_all, "batch", {}),
        ("broadcasting by accident: summed where broadcast", summed_where_broadcast, "broadcast", {}),
        ("scaled in place", in_place, "unchanged", {}),
        ("float32 within", float32_within, "scale", {}),
        ("float32 comes out", float32_comes_out, "form", {}),
        ("values normalised", values_normalised, "one-key", {}),
        ("values clipped", values_squashed, "linear", {}),
        ("keys normalised", keys_normalised, "shift", {}),
        ("weights transposed where that fits", weights_transposed, "one-query", {}),
        ("uniform weights", uniform, "scale", {}),
        ("argmax for softmax", the_best_key_alone, "scale", {}),
        ("a key's position counts", position_counts, "exchange-keys", {}),
        ("queries normalised together", queries_normalised_together, "one-query", {}),
        ("the last query asks louder", the_last_query_sees_more, "exchange-queries", {}),
        ("one more in the denominator", one_more_in_the_denominator, "listed-twice", {}),
        ("a sigmoid for softmax", sigmoid_for_softmax, "listed-twice", {}),
        ("weights squared", squared_weights, "distribution", {}),
        ("the last call's output again", LastCallAgain(), "repeatable", {}),
        ("dropout left on", DropoutLeftOn(), "repeatable", {}),
    ]
]
