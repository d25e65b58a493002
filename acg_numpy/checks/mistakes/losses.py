"""Squared error, cross-entropy, BPR: what is divided by what, which is subtracted from which."""

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
    "The loss is a mean over all elements, but `len` counts the rows.",
)
def _mse_divided_by_batch(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * (grad_out / len(cache.difference))
    return dp, -dp


@MSE.mistake(
    "one gradient for both",
    "wrong-sign",
    "The square is symmetric, so both are given the same gradient.",
)
def _mse_target_sign(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * (grad_out / cache.difference.size)
    return dp, dp.copy()


@MSE.mistake(
    "no gradient for the target",
    "zero-gradient",
    "The target is taken for data and gets no gradient, but it may be a second embedding.",
)
def _mse_target_is_data(grad_out: Array, cache: MseCache) -> Grads:
    dp = 2 * cache.difference * (grad_out / cache.difference.size)
    return dp, np.zeros_like(dp)


@MSE.mistake(
    "no second gradient",
    "wrong-count",
    "The loss has one input that learns, and the other is forgotten.",
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
    "t - P is what should be added to P, so it is written for the gradient, which has the other sign.",
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
    "Masked logits have P = 0 of their own accord, so the mask seems to be dealt with; t is not zero there.",
)
def _cross_entropy_mask_forgotten(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N, P = len(t), np.exp(log_P)
    dS = (P * np.sum(t, axis=-1, keepdims=True) - t) * (grad_out / N)
    return dS, -np.where(P > 0, log_P, 0.0) * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the normaliser held fixed",
    "held-constant",
    "The loss is -t S plus something that no target multiplies, which is taken for a constant.",
)
def _cross_entropy_normaliser_fixed(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -t * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the diagonal of the Jacobian only",
    "diagonal-softmax",
    "-t / P times P (1 - P), element by element, is neat and forgets that each score moves every P.",
)
def _cross_entropy_diagonal(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -t * (1 - np.exp(log_P)) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "no gradient for the target",
    "zero-gradient",
    "Labels have no gradient; but where a teacher's distribution is the target, the teacher has one.",
)
def _cross_entropy_target_is_data(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * (grad_out / len(t)), np.zeros_like(t)


@CROSS_ENTROPY.mistake(
    "probabilities for log-probabilities",
    "stale-value",
    "P is at hand for the logits' gradient, and serves for the target's as well.",
)
def _cross_entropy_not_logarithmic(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    t, P = cache.target, np.exp(cache.log_softmax.L)
    N = len(t)
    return (P - t) * (grad_out / N), -P * (grad_out / N)


@BPR.mistake(
    "one gradient a negative for the positive",
    "missing-broadcast-sum",
    "dp = -dn is returned, but one positive has several negatives, so dp is a sum.",
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
    "The paper's criterion is a sum over pairs, the code's a mean.",
)
def _bpr_not_divided(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * grad_out
    return -np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "the positive pushed down",
    "wrong-sign",
    "The inner derivative of n - p is forgotten for p.",
)
def _bpr_positive_sign(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "positive and negative exchanged",
    "swapped-inputs",
    "z = n - p puts the negative first, and the gradients follow.",
)
def _bpr_swapped(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / cache.negative.size)
    return dn, -np.sum(dn, axis=1, keepdims=True)


@BPR.mistake(
    "the positive's gradient of its last negative",
    "last-only",
    "A loop over the negatives fills in theirs, and assigns that of the positive anew each time.",
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
    "Sums over the batch are the usual ones, and (K,) is easily reshaped into a column.",
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
    "The mask and the mean are dealt with at length, and the target is lost over it.",
)
def _cross_entropy_target_forgotten_among_candidates(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N, P = len(t), np.exp(log_P)  # 0 where masked, and there alone
    dS = P * np.sum(np.where(P > 0, t, 0.0), axis=-1, keepdims=True) * (grad_out / N)
    return dS, -np.where(P > 0, log_P, 0.0) * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "logits and target exchanged",
    "swapped-inputs",
    "The gradients are returned in the order of t log P, where the target is first.",
)
def _cross_entropy_swapped(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -log_P * (grad_out / N), (np.exp(log_P) - t) * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "log-probabilities for probabilities",
    "stale-value",
    "The cache holds log P under a short name, and it is put where P belongs.",
)
def _cross_entropy_not_exponentiated(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (P - t) * (grad_out / N), -P * (grad_out / N)


@CROSS_ENTROPY.mistake(
    "the target's gradient without the minus",
    "wrong-sign",
    "The minus before the sum is dealt with in P - t, and so forgotten for the target itself.",
)
def _cross_entropy_target_sign(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (np.exp(log_P) - t) * (grad_out / N), log_P * (grad_out / N)


@MSE.mistake(
    "t - p",
    "wrong-sign",
    "The loss does not depend on the order of the difference, but the sign of the gradient does.",
)
def _mse_negated(grad_out: Array, cache: MseCache) -> Grads:
    dp = -2 * cache.difference * (grad_out / cache.difference.size)
    return dp, -dp


@BPR.mistake(
    "one minus the sigmoid",
    "stale-value",
    "s(p - n) is in the loss, and is used where its slope has s(n - p): so right pairs get the large gradient.",
)
def _bpr_complement(grad_out: Array, cache: BprCache) -> Grads:
    s, N = 1 - _pair_error(cache), cache.negative.size
    dn = s * (grad_out / N)
    return -np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake(
    "divided by the number of positives",
    "mean-for-sum",
    "The gradient is divided by the number of users in place of the number of pairs, K for each user.",
)
def _bpr_divided_by_positives(grad_out: Array, cache: BprCache) -> Grads:
    dn = _pair_error(cache) * (grad_out / len(cache.positive))
    return -np.sum(dn, axis=1, keepdims=True), dn
