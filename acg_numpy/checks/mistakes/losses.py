"""Squared error, cross-entropy, BPR: what is divided by what, who is subtracted from whom."""

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


def draw_mse(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Predictions and targets."""
    shape = sizes(rng, distinct, 2)
    return rng.normal(size=shape), rng.normal(size=shape)


def draw_cross_entropy(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Logits, and target distributions over all candidates."""
    B, K = sizes(rng, distinct, 2)
    return 2 * rng.normal(size=(B, K)), distributions(rng, B, K), None


def draw_candidates(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """The same with a mask that leaves out some to which the target gives something."""
    logits, target, _ = draw_cross_entropy(rng, distinct)
    return logits, target, random_mask(rng, *logits.shape)


def draw_bpr(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """One positive against K negatives."""
    B, K = sizes(rng, distinct, 2)
    return rng.normal(size=(B, 1)), rng.normal(size=(B, K))


MSE = Operation("mse", mse_forward, mse_backward, draw_mse)
CROSS_ENTROPY = Operation("cross_entropy", cross_entropy_forward, cross_entropy_backward, draw_cross_entropy)
CANDIDATES = Operation("cross_entropy", cross_entropy_forward, cross_entropy_backward, draw_candidates)
BPR = Operation("bpr", bpr_forward, bpr_backward, draw_bpr)


@MSE.mistake("the 2 of the square lost", "constant-factor")
def mse_without_two(grad_out: Array, cache: MseCache) -> Grads:
    """Many books define the loss with a half in front, and there the 2 is gone."""
    dp = cache.difference * (grad_out / cache.difference.size)
    return dp, -dp


@MSE.mistake("not divided by the number of elements", "mean-for-sum")
def mse_not_divided(grad_out: Array, cache: MseCache) -> Grads:
    """The square is differentiated, the mean around it forgotten."""
    dp = 2 * cache.difference * grad_out
    return dp, -dp


@MSE.mistake("divided by the batch size alone", "mean-for-sum")
def mse_divided_by_batch(grad_out: Array, cache: MseCache) -> Grads:
    """The loss is a mean over all elements, but `len` counts the rows."""
    dp = 2 * cache.difference * (grad_out / len(cache.difference))
    return dp, -dp


@MSE.mistake("the target pulled along", "wrong-sign")
def mse_target_sign(grad_out: Array, cache: MseCache) -> Grads:
    """The square is symmetric, so both are given the same gradient."""
    dp = 2 * cache.difference * (grad_out / cache.difference.size)
    return dp, dp.copy()


@MSE.mistake("no gradient for the target", "zero-gradient")
def mse_target_is_data(grad_out: Array, cache: MseCache) -> Grads:
    """Targets are data, one thinks, until two embeddings are drawn towards each other."""
    dp = 2 * cache.difference * (grad_out / cache.difference.size)
    return dp, np.zeros_like(dp)


@MSE.mistake("no second gradient", "wrong-count")
def mse_prediction_alone(grad_out: Array, cache: MseCache) -> Grads:
    """The loss has one input that learns, and the other is forgotten."""
    return (2 * cache.difference * (grad_out / cache.difference.size),)


@CROSS_ENTROPY.mistake("P for P - t", "target-not-subtracted")
def cross_entropy_target_forgotten(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """Softmax gives P, and the target, which only picks things out of the loss, is not thought to be in its slope."""
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return np.exp(log_P) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake("t - P", "wrong-sign")
def cross_entropy_negated(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """What is missing from P to t is what one would like to add, so it is what one writes."""
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (t - np.exp(log_P)) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake("the logits not divided by the batch size", "mean-for-sum")
def cross_entropy_not_divided(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """P - t is so famous that the mean over the rows is not looked for."""
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * grad_out, -log_P * (grad_out / len(t))


@CROSS_ENTROPY.mistake("divided by the number of elements", "mean-for-sum")
def cross_entropy_divided_by_all(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """The mean is taken over all of the array, as in the squared error."""
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * (grad_out / t.size), -log_P * (grad_out / t.size)


@CANDIDATES.mistake("the target of excluded candidates left in", "missing-mask")
def cross_entropy_mask_forgotten(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """Masked logits have P = 0 of their own accord, so the mask seems to be dealt with; t is not zero there."""
    log_P, t = cache.log_softmax.L, cache.target
    N, P = len(t), np.exp(log_P)
    dS = (P * np.sum(t, axis=-1, keepdims=True) - t) * (grad_out / N)
    return dS, -np.where(P > 0, log_P, 0.0) * (grad_out / N)


@CROSS_ENTROPY.mistake("the normaliser held fixed", "held-constant")
def cross_entropy_normaliser_fixed(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """The loss is -t S plus something that no target multiplies, which is taken for a constant."""
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -t * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake("the diagonal of the Jacobian only", "diagonal-softmax")
def cross_entropy_diagonal(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """-t / P times P (1 - P), element by element, is neat and forgets that each score moves every P."""
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -t * (1 - np.exp(log_P)) * (grad_out / N), -log_P * (grad_out / N)


@CROSS_ENTROPY.mistake("no gradient for the target", "zero-gradient")
def cross_entropy_target_is_data(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """Labels have no gradient; but where a teacher's distribution is the target, the teacher has one."""
    log_P, t = cache.log_softmax.L, cache.target
    return (np.exp(log_P) - t) * (grad_out / len(t)), np.zeros_like(t)


@CROSS_ENTROPY.mistake("probabilities for log-probabilities", "stale-value")
def cross_entropy_not_logarithmic(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """P is at hand for the logits' gradient, and serves for the target's as well."""
    t, P = cache.target, np.exp(cache.log_softmax.L)
    N = len(t)
    return (P - t) * (grad_out / N), -P * (grad_out / N)


@BPR.mistake("one gradient a negative for the positive", "missing-broadcast-sum")
def bpr_not_summed(grad_out: Array, cache: BprCache) -> Grads:
    """dp = -dn is so simple that nobody looks at the shapes."""
    dn = bpr_pull(cache) * (grad_out / cache.negative.size)
    return -dn, dn


@BPR.mistake("the positive averaged over its negatives", "mean-for-sum")
def bpr_averaged(grad_out: Array, cache: BprCache) -> Grads:
    """There is one positive, so it gets the mean of what its negatives say."""
    dn = bpr_pull(cache) * (grad_out / cache.negative.size)
    return -np.mean(dn, axis=1, keepdims=True), dn


@BPR.mistake("not divided by the number of pairs", "mean-for-sum")
def bpr_not_divided(grad_out: Array, cache: BprCache) -> Grads:
    """The paper's criterion is a sum over pairs, the code's a mean."""
    dn = bpr_pull(cache) * grad_out
    return -np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake("the positive pushed down", "wrong-sign")
def bpr_positive_sign(grad_out: Array, cache: BprCache) -> Grads:
    """The inner derivative of n - p is forgotten for p."""
    dn = bpr_pull(cache) * (grad_out / cache.negative.size)
    return np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake("positive and negative exchanged", "swapped-inputs")
def bpr_swapped(grad_out: Array, cache: BprCache) -> Grads:
    """z = n - p puts the negative first, and the gradients follow."""
    dn = bpr_pull(cache) * (grad_out / cache.negative.size)
    return dn, -np.sum(dn, axis=1, keepdims=True)


@BPR.mistake("the positive's gradient of its last negative", "last-only")
def bpr_last_negative(grad_out: Array, cache: BprCache) -> Grads:
    """A loop over the negatives fills in theirs, and assigns that of the positive anew each time."""
    s, N = bpr_pull(cache), cache.negative.size
    dn = np.zeros_like(s)
    for k in range(s.shape[1]):
        dn[:, k] = s[:, k] * (grad_out / N)
        dp = -dn[:, k : k + 1]
    return dp, dn


@BPR.mistake("summed over the batch", "wrong-axis")
def bpr_other_axis(grad_out: Array, cache: BprCache) -> Grads:
    """Sums over the batch are the usual ones, and (K,) is a column to whoever reshapes it."""
    dn = bpr_pull(cache) * (grad_out / cache.negative.size)
    return -np.sum(dn, axis=0)[:, None], dn


def bpr_pull(cache: BprCache) -> Array:
    """s(n - p), how wrong each pair still is."""
    pull: Array = 1 / (1 + np.exp(cache.positive - cache.negative))
    return pull


@CANDIDATES.mistake("P for P - t among candidates", "target-not-subtracted")
def cross_entropy_target_forgotten_among_candidates(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """The mask and the mean are dealt with at length, and the target is lost over it."""
    log_P, t = cache.log_softmax.L, cache.target
    N, P = len(t), np.exp(log_P)  # 0 where masked, and there alone
    dS = P * np.sum(np.where(P > 0, t, 0.0), axis=-1, keepdims=True) * (grad_out / N)
    return dS, -np.where(P > 0, log_P, 0.0) * (grad_out / N)


@CROSS_ENTROPY.mistake("logits and target exchanged", "swapped-inputs")
def cross_entropy_swapped(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """In t log P the target stands first."""
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return -log_P * (grad_out / N), (np.exp(log_P) - t) * (grad_out / N)


@CROSS_ENTROPY.mistake("log-probabilities for probabilities", "stale-value")
def cross_entropy_not_exponentiated(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """The cache holds log P under a short name, and it is put where P belongs."""
    P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (P - t) * (grad_out / N), -P * (grad_out / N)


@CROSS_ENTROPY.mistake("the target pulled along", "wrong-sign")
def cross_entropy_target_sign(grad_out: Array, cache: CrossEntropyCache) -> Grads:
    """The minus before the sum is dealt with in P - t, and so forgotten for the target itself."""
    log_P, t = cache.log_softmax.L, cache.target
    N = len(t)
    return (np.exp(log_P) - t) * (grad_out / N), log_P * (grad_out / N)


@MSE.mistake("t - p", "wrong-sign")
def mse_negated(grad_out: Array, cache: MseCache) -> Grads:
    """For the loss it does not matter which is taken from which, for the slope it does."""
    dp = -2 * cache.difference * (grad_out / cache.difference.size)
    return dp, -dp


@BPR.mistake("one minus the sigmoid", "stale-value")
def bpr_complement(grad_out: Array, cache: BprCache) -> Grads:
    """s(p - n) is in the loss, and stands where its slope has s(n - p): right pairs push, and wrong ones rest."""
    s, N = 1 - bpr_pull(cache), cache.negative.size
    dn = s * (grad_out / N)
    return -np.sum(dn, axis=1, keepdims=True), dn


@BPR.mistake("divided by the number of positives", "mean-for-sum")
def bpr_divided_by_positives(grad_out: Array, cache: BprCache) -> Grads:
    """Users are counted, and each has K pairs."""
    dn = bpr_pull(cache) * (grad_out / len(cache.positive))
    return -np.sum(dn, axis=1, keepdims=True), dn
