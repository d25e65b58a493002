"""Classifying: the next token of a sequence, and a class by the nearest prototype."""

import numpy as np

from tests.checks.outside.operations import Operation, sizes, softmax

# Next-token loss: cross-entropy over a vocabulary, averaged over the positions that are not padding


def next_token_forward(logits, ids, real):  # (B, T, V) floating, (B, T) int, (B, T) bool
    top = np.max(logits, axis=-1, keepdims=True)
    log_p = logits - top - np.log(np.sum(np.exp(logits - top), axis=-1, keepdims=True))
    chosen = np.take_along_axis(log_p, ids[..., None], axis=-1)[..., 0]
    return -np.sum(np.where(real, chosen, 0.0)) / np.sum(real), (log_p, ids, real)


def next_token_backward(grad_out, cache):
    log_p, ids, real = cache
    d = np.exp(log_p) - np.eye(log_p.shape[-1])[ids]
    return grad_out * d * real[..., None] / np.sum(real), None, None


def next_token_no_target(grad_out, cache):
    log_p, _, real = cache
    return grad_out * np.exp(log_p) * real[..., None] / np.sum(real), None, None


def next_token_padding_too(grad_out, cache):
    log_p, ids, real = cache
    return grad_out * (np.exp(log_p) - np.eye(log_p.shape[-1])[ids]) / np.sum(real), None, None


def next_token_no_upstream(grad_out, cache):
    return next_token_backward(1.0, cache)


def draw_next_token(rng, distinct):
    B, T, V = sizes(rng, distinct, 3)
    real = np.arange(T) < rng.integers(1, T, size=(B, 1))
    return rng.normal(size=(B, T, V)), rng.integers(0, V, size=(B, T)), real


NEXT_TOKEN = Operation("next-token loss", next_token_forward, next_token_backward, draw_next_token)


# Prototypes: the nearer a class's point, the likelier the class; cross-entropy, summed


def prototypes_forward(x, points, ids):  # (N, D), (C, D), (N,) int
    difference = x[:, None, :] - points  # (N, C, D)
    logits = -0.5 * np.sum(difference**2, axis=-1)
    top = np.max(logits, axis=1, keepdims=True)
    log_p = logits - top - np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
    return -np.sum(log_p[np.arange(len(ids)), ids]), (difference, logits, ids)


def prototypes_from(dlogits, cache):
    ddifference = -dlogits[..., None] * cache[0]
    return np.sum(ddifference, axis=1), -np.sum(ddifference, axis=0), None


def prototypes_backward(grad_out, cache):
    _, logits, ids = cache
    return prototypes_from(grad_out * (softmax(logits) - np.eye(logits.shape[1])[ids]), cache)


def prototypes_no_target(grad_out, cache):
    return prototypes_from(grad_out * softmax(cache[1]), cache)


def prototypes_repelled(grad_out, cache):
    dx, dpoints, _ = prototypes_backward(grad_out, cache)
    return -dx, -dpoints, None


def prototypes_averaged(grad_out, cache):
    return prototypes_backward(grad_out / len(cache[2]), cache)


def draw_prototypes(rng, distinct):
    N, C, D = sizes(rng, distinct, 3)
    return 0.7 * rng.normal(size=(N, D)), 0.7 * rng.normal(size=(C, D)), rng.integers(0, C, size=N)


PROTOTYPES = Operation("nearest prototype", prototypes_forward, prototypes_backward, draw_prototypes)


MISTAKES = (
    NEXT_TOKEN.mistake(
        "P for P - Y",
        "target-not-subtracted",
        "Softmax's part is done and the chosen one's forgotten.",
        next_token_no_target,
    ),
    NEXT_TOKEN.mistake(
        "padding learns too",
        "missing-mask",
        "The mask is applied to the loss and not to P - Y.",
        next_token_padding_too,
    ),
    NEXT_TOKEN.mistake(
        "upstream ignored", "ignored-upstream", "P - Y is the famous answer, and all of it.", next_token_no_upstream
    ),
    PROTOTYPES.mistake(
        "P for P - Y", "target-not-subtracted", "The ids went into the loss and were not kept.", prototypes_no_target
    ),
    PROTOTYPES.mistake(
        "repelled", "wrong-sign", "A nearer point has a smaller distance and a larger score.", prototypes_repelled
    ),
    PROTOTYPES.mistake("mean for the sum", "mean-for-sum", "A loss is averaged, as a rule.", prototypes_averaged),
)
