"""Squared error, cross-entropy and BPR: wrong divisors, signs and masks."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.checks.random_inputs import distributions, random_mask
from acg_numpy.passes.losses import (
    BprCache,
    CrossEntropyCache,
    MseCache,
    bpr_backward,
    bpr_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    mse_backward,
    mse_forward,
)
from acg_numpy.shapes import Array


def _draw_mse(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw predictions and targets."""
    shape = sizes(rng, distinct, 2)
    return rng.normal(size=shape), rng.normal(size=shape)


def _draw_cross_entropy(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw logits, and target distributions over all candidates."""
    B, K = sizes(rng, distinct, 2)
    return 2 * rng.normal(size=(B, K)), distributions(rng, B, K), None


def _draw_candidates(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw the same with a mask that leaves out some to which the target gives something."""
    logits, target, _ = _draw_cross_entropy(rng, distinct)
    return logits, target, random_mask(rng, *logits.shape)


def _draw_bpr(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw one positive against K negatives."""
    B, K = sizes(rng, distinct, 2)
    return rng.normal(size=(B, 1)), rng.normal(size=(B, K))


MSE = Operation("mse", mse_forward, mse_backward, _draw_mse)
CROSS_ENTROPY = Operation("cross_entropy", cross_entropy_forward, cross_entropy_backward, _draw_cross_entropy)
CANDIDATES = Operation("cross_entropy", cross_entropy_forward, cross_entropy_backward, _draw_candidates)
BPR = Operation("bpr", bpr_forward, bpr_backward, _draw_bpr)


@MSE.mistake(
    "the 2 of the square lost",
    "constant-factor",
    "Many books define the loss with a factor 1/2, which cancels the 2; this loss has none.",
)
def _mse_without_two(grad_out: Array, cache: MseCache) -> Grads:
    dp = cache.difference * (grad_out / cache.difference.size)
    return dp, -dp


@MSE.mistake(
    "not divided by the number of elements",
    "mean-for-sum",
    "The square is differentiated, and the mean over the elements is left out.",
)
def _mse_not_divided(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * grad_out
    return dp, -dp


@MSE.mistake(
    "divided by the batch size alone",
    "mean-for-sum",
    "The loss is a mean over all elements, but `len` counts only the rows.",
)
def _mse_divided_by_batch(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * (grad_out / len(cache.difference))
    return dp, -dp


@MSE.mistake(
    "one gradient for both",
    "wrong-sign",
    "Both inputs are in the same square, so both get the same gradient. The derivative by the target has a minus.",
)
def _mse_target_sign(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * (grad_out / cache.difference.size)
    return dp, dp.copy()


@MSE.mistake(
    "no gradient for the target",
    "zero-gradient",
    "The target is taken for data and gets no gradient. But it may be computed, for example as another embedding.",
)
def _mse_target_is_data(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * (grad_out / cache.difference.size)
    return dp, np.zeros_like(dp)


@MSE.mistake(
    "no second gradient",
    "wrong-count",
    "The target is taken for a constant, so only one gradient is returned. The forward has two inputs.",
)
def _mse_prediction_alone(grad_out: Array, cache: MseCache) -> Grads:
    return (2 * cache.difference * (grad_out / cache.difference.size),)


@CROSS_ENTROPY.mistake(
    "P for P - t",
    "target-not-subtracted",
    "The target only selects a term of the loss, so it is left out of the gradient, which is P - t.",
)
def _cross_entropy_target_forgotten(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return np.exp(log_P) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "t - P",
    "wrong-sign",
    "t - P is the direction of the update. The gradient has the other sign.",
)
def _cross_entropy_negated(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (t - np.exp(log_P)) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the logits not divided by the batch size",
    "mean-for-sum",
    "P - t is returned without the division by the number of rows.",
)
def _cross_entropy_not_divided(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * grad_out, -log_P * (grad_out / len(t))


@CROSS_ENTROPY.mistake(
    "divided by the number of elements",
    "mean-for-sum",
    "The mean is taken over all of the array, as in the squared error.",
)
def _cross_entropy_divided_by_all(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * (grad_out / t.size), -log_P * (grad_out / t.size)


@CANDIDATES.mistake(
    "the target of excluded candidates left in",
    "missing-mask",
    "Excluded candidates have P = 0, so no further mask seems necessary. But their t is not zero, and P - t keeps it.",
)
def _cross_entropy_mask_forgotten(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N, P = len(t), np.exp(log_P)
    dS = (P * np.sum(t, axis=-1, keepdims=True) - t) * (grad_out / N)
    return dS, -np.where(P > 0, log_P, 0.0) * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the normaliser held fixed",
    "held-constant",
    "The loss is -t S plus a term without t. This term, the log of the sum of exponentials, is treated as a constant.",
)
def _cross_entropy_normaliser_fixed(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -t * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the diagonal of the Jacobian only",
    "diagonal-softmax",
    "-t / P is multiplied by P (1 - P), element by element. But each score changes every P, not only its own.",
)
def _cross_entropy_diagonal(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -t * (1 - np.exp(log_P)) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "no gradient for the target",
    "zero-gradient",
    "Labels need no gradient. But where the target is the output of another model, that model needs it.",
)
def _cross_entropy_target_is_data(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * (grad_out / len(t)), np.zeros_like(t)


@CROSS_ENTROPY.mistake(
    "probabilities for log-probabilities",
    "stale-value",
    "P is in the cache and is used for the target's gradient, too. That gradient is -log P.",
)
def _cross_entropy_not_logarithmic(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    t, P = cache.target, np.exp(cache.log_softmax.L)
    N = len(t)
    return (P - t) * (grad_out / N), -P * (grad_out / N)


@BPR.mistake(
    "one gradient a negative for the positive",
    "missing-broadcast-sum",
    "dp = -dn is returned, with one value for each negative. One positive has several negatives, so dp is their sum.",
)
def _bpr_not_summed(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return -dn, dn


@BPR.mistake(
    "the positive averaged over its negatives",
    "mean-for-sum",
    "The positive gets the mean of the gradients of its negatives in place of the sum.",
)
def _bpr_averaged(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return -np.mean(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "not divided by the number of pairs",
    "mean-for-sum",
    "The paper's criterion is a sum over pairs, but this loss is a mean over them.",
)
def _bpr_not_divided(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * grad_out
    return -np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "the positive pushed down",
    "wrong-sign",
    "The derivative of n - p by p is -1. This factor is left out.",
)
def _bpr_positive_sign(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "positive and negative exchanged",
    "swapped-inputs",
    "The gradients are returned in the order of z = n - p, where the negative is first. The forward takes the "
    "positive first.",
)
def _bpr_swapped(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return dn, -np.sum(dn, axis=1, keepdims=True)


@BPR.mistake(
    "the positive's gradient of its last negative",
    "last-only",
    "A loop over the negatives fills in their gradients. In each turn, the gradient of the positive is assigned, "
    "not added.",
)
def _bpr_last_negative(grad_out: Array, cache: BprCache) -> Grads:
    s, N = _pair_error(cache), cache.negative.size
    dn = np.zeros_like(s)
    for k in range(s.shape[1]):
        dn[:, k] = s[:, k] * (grad_out / N)
        dp = -dn[:, k : k + 1]
    return dp, dn


@BPR.mistake(
    "summed over the batch",
    "wrong-axis",
    "Most sums run over the batch, and (K,) can be reshaped into a column, so no error is raised.",
)
def _bpr_other_axis(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return -np.sum(dn, axis=0)[:, None], dn


def _pair_error(cache: BprCache) -> Array:
    """Return s(n - p), how wrong each pair still is."""
    pull: Array = 1 / (1 + np.exp(cache.positive - cache.negative))
    return pull


@CANDIDATES.mistake(
    "P for P - t among candidates",
    "target-not-subtracted",
    "The code deals with the mask and the mean, and leaves out the target.",
)
def _cross_entropy_target_forgotten_among_candidates(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N, P = len(t), np.exp(log_P)  # 0 where masked, and there alone
    dS = P * np.sum(np.where(P > 0, t, 0.0), axis=-1, keepdims=True) * (grad_out / N)
    return dS, -np.where(P > 0, log_P, 0.0) * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "logits and target exchanged",
    "swapped-inputs",
    "The gradients are returned in the order of the formula t log P, where the target is first. The forward "
    "takes scores first.",
)
def _cross_entropy_swapped(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -log_P * (grad_out / N), (np.exp(log_P) - t) * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "log-probabilities for probabilities",
    "stale-value",
    "The cache holds log P under a short name, and it is used in place of P.",
)
def _cross_entropy_not_exponentiated(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (P - t) * (grad_out / N), -P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the target's gradient without the minus",
    "wrong-sign",
    "The minus sign before the sum is in P - t, and is left out of the target's gradient.",
)
def _cross_entropy_target_sign(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (np.exp(log_P) - t) * (grad_out / N), log_P * (grad_out / N)


@MSE.mistake(
    "t - p",
    "wrong-sign",
    "The order of the difference is taken to be irrelevant, as in a square. Here it determines the sign of the "
    "gradient.",
)
def _mse_negated(grad_out: Array, cache: MseCache) -> Grads:
    dp = -2 * cache.difference * (grad_out / cache.difference.size)
    return dp, -dp


@BPR.mistake(
    "one minus the sigmoid",
    "stale-value",
    "The loss has s(p - n), and the derivative has s(n - p). The first is used, so pairs in the right order get "
    "large gradients.",
)
def _bpr_complement(grad_out: Array, cache: BprCache) -> Grads:
    s, N = 1 - _pair_error(cache), cache.negative.size
    dn = s * (grad_out / N)
    return -np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "divided by the number of positives",
    "mean-for-sum",
    "The gradient is divided by the number of users. It has to be divided by the number of pairs, which is K for "
    "each user.",
)
def _bpr_divided_by_positives(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / len(cache.positive))
    return -np.sum(dn, axis=1, keepdims=True), dn
