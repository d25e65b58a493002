"""Softmax and its logarithm: every output depends on every score of its row."""

from typing import Any

import numpy as np

from acg_numpy.checks.mistakes.operations import Grads, Operation, sizes
from acg_numpy.passes.softmax import (
    LogSoftmaxCache,
    SoftmaxCache,
    log_softmax_backward,
    log_softmax_forward,
    softmax_backward,
    softmax_forward,
)
from acg_numpy.shapes import Array


def draw_scores(rng: np.random.Generator, distinct: bool) -> tuple[Any, ...]:
    """Draw rows of scores, far enough apart that no row is uniform."""
    return (2 * rng.normal(size=sizes(rng, distinct, 3)),)


SOFTMAX = Operation("softmax", softmax_forward, softmax_backward, draw_scores)
LOG_SOFTMAX = Operation("log_softmax", log_softmax_forward, log_softmax_backward, draw_scores)


@SOFTMAX.mistake(
    "the diagonal of the Jacobian only",
    "diagonal-softmax",
    "The derivative s (1 - s) of a sigmoid is used, as if softmax were a sigmoid of each score.",
)
def _softmax_diagonal(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * (1 - P) * dP,)


@SOFTMAX.mistake(
    "the denominator held fixed",
    "held-constant",
    "exp is its own derivative, and the sum in the denominator is treated as a constant. But it contains every score.",
)
def _softmax_denominator_fixed(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * dP,)


@SOFTMAX.mistake(
    "the row's average added",
    "wrong-sign",
    "The minus sign of the quotient rule is left out in the code.",
)
def _softmax_average_added(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * (dP + np.sum(P * dP, axis=-1, keepdims=True)),)


@SOFTMAX.mistake(
    "the average over the rows",
    "wrong-axis",
    "`axis=-2` is written in place of -1. With keepdims the product broadcasts, so no error is raised.",
)
def _softmax_over_rows(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * (dP - np.sum(P * dP, axis=-2, keepdims=True)),)


@SOFTMAX.mistake(
    "one average for everything",
    "wrong-axis",
    "The backward was written for one row, where the sum <P, dP> needs no axis, and is used for many rows.",
)
def _softmax_over_everything(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * (dP - np.sum(P * dP)),)


@SOFTMAX.mistake(
    "minus the gradient",
    "wrong-sign",
    "The two terms in the bracket are exchanged.",
)
def _softmax_negated(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * (np.sum(P * dP, axis=-1, keepdims=True) - dP),)


@LOG_SOFTMAX.mistake(
    "the diagonal of the Jacobian only",
    "diagonal-softmax",
    "dL_i / dS_i = 1 - P_i is right, but every other L_j depends on S_i as well.",
)
def _log_softmax_diagonal(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    dL, P = grad_out, np.exp(cache.L)
    return ((1 - P) * dL,)


@LOG_SOFTMAX.mistake(
    "the normaliser held fixed",
    "held-constant",
    "L is S minus the log of the sum of exponentials. This term is treated as a constant.",
)
def _log_softmax_normaliser_fixed(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    return (grad_out.copy(),)


@LOG_SOFTMAX.mistake(
    "the row's sum added",
    "wrong-sign",
    "The minus sign before the log of the sum is lost.",
)
def _log_softmax_sum_added(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    dL, P = grad_out, np.exp(cache.L)
    return (dL + P * np.sum(dL, axis=-1, keepdims=True),)


@LOG_SOFTMAX.mistake(
    "the sum over the rows",
    "wrong-axis",
    "The sum runs over the axis before the last, where candidates were in another file. Here they are on the "
    "last axis.",
)
def _log_softmax_over_rows(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    dL, P = grad_out, np.exp(cache.L)
    return (dL - P * np.sum(dL, axis=-2, keepdims=True),)


@LOG_SOFTMAX.mistake(
    "log-probabilities for probabilities",
    "stale-value",
    "The cache holds log P, the formula needs P, and both have the same shape.",
)
def _log_softmax_not_exponentiated(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    dL = grad_out
    return (dL - cache.L * np.sum(dL, axis=-1, keepdims=True),)


@LOG_SOFTMAX.mistake(
    "the row's mean for its sum",
    "mean-for-sum",
    "The mean of the row is subtracted, as in softmax's backward. But there the mean is weighted by P.",
)
def _log_softmax_mean(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    dL, P = grad_out, np.exp(cache.L)
    return (dL - P * np.mean(dL, axis=-1, keepdims=True),)


@SOFTMAX.mistake(
    "the average divided by the number of scores",
    "mean-for-sum",
    "<P, dP> is called an average, so np.mean is used. But P sums to one, so <P, dP> is already an average.",
)
def _softmax_averaged_again(grad_out: Array, cache: SoftmaxCache) -> Grads:
    dP, P = grad_out, cache.P
    return (P * (dP - np.mean(P * dP, axis=-1, keepdims=True)),)


@LOG_SOFTMAX.mistake(
    "minus the gradient",
    "wrong-sign",
    "A loss is the negative of a log-probability. The minus sign is in this backward, and again in the loss.",
)
def _log_softmax_negated(grad_out: Array, cache: LogSoftmaxCache) -> Grads:
    dL, P = grad_out, np.exp(cache.L)
    return (P * np.sum(dL, axis=-1, keepdims=True) - dL,)
