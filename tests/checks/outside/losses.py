"""Losses: InfoNCE, triplets, Huber, focal, ridge regression, BPR on triples."""

from functools import partial

import numpy as np

from tests.checks.outside.operations import Operation, sigmoid, sizes, softmax

# InfoNCE: every anchor among all positives of the batch


def info_nce_forward(anchor, positive, *, temperature):  # (N, D), (N, D)
    N = anchor.shape[0]
    logits = anchor @ positive.T / temperature  # (N, N)
    top = np.max(logits, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(logits - top), axis=1)) + top[:, 0]
    loss = np.mean(log_total - logits[np.arange(N), np.arange(N)])
    return loss, (anchor, positive, logits, temperature)


def info_nce_backward(grad_out, cache):
    anchor, positive, logits, temperature = cache
    N = len(logits)
    dlogits = grad_out * (softmax(logits) - np.eye(N)) / N / temperature
    return dlogits @ positive, dlogits.T @ anchor


def info_nce_no_temperature(grad_out, cache):
    da, dp = info_nce_backward(grad_out, cache)
    return da * cache[3], dp * cache[3]


def info_nce_sum(grad_out, cache):
    anchor, positive, logits, temperature = cache
    dlogits = grad_out * (softmax(logits) - np.eye(len(logits))) / temperature
    return dlogits @ positive, dlogits.T @ anchor


def info_nce_not_transposed(grad_out, cache):
    anchor, positive, logits, temperature = cache
    N = len(logits)
    dlogits = grad_out * (softmax(logits) - np.eye(N)) / N / temperature
    return dlogits @ positive, dlogits @ anchor


def draw_info_nce(rng, distinct):
    N, D = sizes(rng, distinct, 2)
    return 0.5 * rng.normal(size=(N, D)), 0.5 * rng.normal(size=(N, D))


INFO_NCE = Operation("InfoNCE", partial(info_nce_forward, temperature=0.3), info_nce_backward, draw_info_nce)


# Triplets with a soft margin: log(1 + exp(|a - p|^2 - |a - n|^2 + margin)), the mean over the batch


def triplet_forward(anchor, positive, negative):  # (N, D) each
    near, far = anchor - positive, anchor - negative
    gap = np.sum(near**2, axis=1) - np.sum(far**2, axis=1) + 0.5
    return np.mean(np.logaddexp(0.0, gap)), (near, far, gap)


def triplet_slope(grad_out, cache):
    return (grad_out * sigmoid(cache[2]) / len(cache[2]))[:, None]  # (N, 1)


def triplet_backward(grad_out, cache):
    near, far, _ = cache
    c = triplet_slope(grad_out, cache)
    return 2 * c * (near - far), -2 * c * near, 2 * c * far


def triplet_anchor_once(grad_out, cache):
    near, far, _ = cache
    c = triplet_slope(grad_out, cache)
    return 2 * c * near, -2 * c * near, 2 * c * far


def triplet_negative_sign(grad_out, cache):
    near, far, _ = cache
    c = triplet_slope(grad_out, cache)
    return 2 * c * (near - far), -2 * c * near, -2 * c * far


def triplet_no_two(grad_out, cache):
    near, far, _ = cache
    c = triplet_slope(grad_out, cache)
    return c * (near - far), -c * near, c * far


def triplet_no_upstream(grad_out, cache):
    return triplet_backward(1.0, cache)


def draw_triplet(rng, distinct):
    N, D = sizes(rng, distinct, 2)
    return tuple(0.6 * rng.normal(size=(N, D)) for _ in range(3))


TRIPLET = Operation("triplet loss", triplet_forward, triplet_backward, draw_triplet)


# Huber: quadratic near the target, linear beyond delta


def huber_forward(prediction, target):  # (N, T) each
    residual = prediction - target
    size = np.abs(residual)
    loss = np.where(size <= 1.0, 0.5 * residual**2, size - 0.5)
    return np.mean(loss), residual


def huber_backward(grad_out, residual):
    d = grad_out * np.clip(residual, -1.0, 1.0) / residual.size
    return d, -d


def huber_not_mean(grad_out, residual):
    d = grad_out * np.clip(residual, -1.0, 1.0)
    return d, -d


def huber_mean_of_rows(grad_out, residual):
    d = grad_out * np.clip(residual, -1.0, 1.0) / len(residual)
    return d, -d


def huber_target_alike(grad_out, residual):
    d, _ = huber_backward(grad_out, residual)
    return d, d


def draw_huber(rng, distinct):
    N, T = sizes(rng, distinct, 2)
    target = rng.normal(size=(N, T))
    size = np.where(
        rng.random((N, T)) < 0.5, rng.uniform(0.1, 0.9, (N, T)), rng.uniform(1.1, 2, (N, T))
    )  # off the kink
    return target + size * rng.choice([-1.0, 1.0], size=(N, T)), target


HUBER = Operation("Huber loss", huber_forward, huber_backward, draw_huber)


# Focal loss: -(1 - q)^gamma log q, with q the probability of the true class


def focal_forward(logits, labels, *, gamma):  # (N, C) floating, (N, C) bool
    p = sigmoid(logits)
    q = np.where(labels, p, 1 - p)
    return -np.sum((1 - q) ** gamma * np.log(q)), (logits, labels, p, q, gamma)


def focal_to_logits(dq, cache):
    _, labels, p, _, _ = cache
    return np.where(labels, dq, -dq) * p * (1 - p)


def focal_backward(grad_out, cache):
    _, _, _, q, gamma = cache
    dq = grad_out * (gamma * (1 - q) ** (gamma - 1) * np.log(q) - (1 - q) ** gamma / q)
    return focal_to_logits(dq, cache), None


def focal_weight_held(grad_out, cache):
    _, _, _, q, gamma = cache
    return focal_to_logits(-grad_out * (1 - q) ** gamma / q, cache), None


def focal_no_exponent(grad_out, cache):
    _, _, _, q, gamma = cache
    dq = grad_out * ((1 - q) ** (gamma - 1) * np.log(q) - (1 - q) ** gamma / q)
    return focal_to_logits(dq, cache), None


def focal_sigmoid_of_logits(grad_out, cache):
    logits, _, p, _, _ = cache
    return focal_backward(grad_out, cache)[0] / (p * (1 - p)) * (logits * (1 - logits)), None


def draw_focal(rng, distinct):
    N, C = sizes(rng, distinct, 2)
    return rng.normal(size=(N, C)), rng.random((N, C)) < 0.5


FOCAL = Operation("focal loss", partial(focal_forward, gamma=2.5), focal_backward, draw_focal)


# Ridge regression: mean squared error plus a penalty on the weights


def ridge_forward(features, weight, bias, target):  # (N, F), (F,), (), (N,)
    residual = features @ weight + bias - target
    loss = np.mean(residual**2) + 0.1 * np.sum(weight**2)
    return loss, (features, weight, residual)


def ridge_backward(grad_out, cache):
    features, weight, residual = cache
    d = 2 * grad_out * residual / len(residual)
    return d[:, None] * weight, features.T @ d + 0.2 * grad_out * weight, np.sum(d), -d


def ridge_no_penalty(grad_out, cache):
    features, weight, residual = cache
    d = 2 * grad_out * residual / len(residual)
    return d[:, None] * weight, features.T @ d, np.sum(d), -d


def ridge_penalty_by_itself(grad_out, cache):
    features, weight, residual = cache
    d = 2 * grad_out * residual / len(residual)
    return d[:, None] * weight, features.T @ d + 0.2 * weight, np.sum(d), -d


def ridge_three(grad_out, cache):
    return ridge_backward(grad_out, cache)[:3]


def draw_ridge(rng, distinct):
    N, F = sizes(rng, distinct, 2)
    return rng.normal(size=(N, F)), rng.normal(size=F), rng.normal(size=()), rng.normal(size=N)


RIDGE = Operation("ridge regression", ridge_forward, ridge_backward, draw_ridge)


# BPR on triples: the user's product with a liked item should exceed that with another


def bpr_triples_forward(user, liked, other):  # (N, K) each
    margin = np.sum(user * liked, axis=1) - np.sum(user * other, axis=1)
    return np.sum(np.log1p(np.exp(-margin))), (user, liked, other, margin)


def bpr_triples_backward(grad_out, cache):
    user, liked, other, margin = cache
    c = -(grad_out * sigmoid(-margin))[:, None]
    return c * (liked - other), c * user, -c * user


def bpr_triples_climbing(grad_out, cache):
    return tuple(-d for d in bpr_triples_backward(grad_out, cache))


def bpr_triples_liked_alone(grad_out, cache):
    user, liked, _, margin = cache
    c = -(grad_out * sigmoid(-margin))[:, None]
    return c * liked, c * user, -c * user


def draw_bpr_triples(rng, distinct):
    N, K = sizes(rng, distinct, 2)
    return tuple(0.7 * rng.normal(size=(N, K)) for _ in range(3))


BPR_TRIPLES = Operation("BPR on triples", bpr_triples_forward, bpr_triples_backward, draw_bpr_triples)


MISTAKES = (
    INFO_NCE.mistake(
        "no temperature", "constant-factor", "The temperature counts as part of the loss.", info_nce_no_temperature
    ),
    INFO_NCE.mistake("sum for the mean", "mean-for-sum", "P - Y is remembered and its 1 / N is not.", info_nce_sum),
    INFO_NCE.mistake(
        "logits not transposed for the positives",
        "transposed",
        "The logits are square, so that no shape complains.",
        info_nce_not_transposed,
    ),
    TRIPLET.mistake(
        "anchor from the positive alone",
        "missing-path",
        "The anchor's second distance is overlooked.",
        triplet_anchor_once,
    ),
    TRIPLET.mistake(
        "negative attracted",
        "wrong-sign",
        "The line of the positive is copied for the negative.",
        triplet_negative_sign,
    ),
    TRIPLET.mistake("no 2 of the squares", "constant-factor", "It is often absorbed into the rate.", triplet_no_two),
    TRIPLET.mistake(
        "upstream ignored", "ignored-upstream", "A loss is the last thing, so what should come in?", triplet_no_upstream
    ),
    HUBER.mistake("sum for the mean", "mean-for-sum", "The derivative of one term is taken for all.", huber_not_mean),
    HUBER.mistake(
        "mean over the rows alone", "mean-for-sum", "len() counts rows, and np.mean counts entries.", huber_mean_of_rows
    ),
    HUBER.mistake("target like prediction", "wrong-sign", "The residual has them both, alike.", huber_target_alike),
    FOCAL.mistake(
        "modulating factor held fixed",
        "held-constant",
        "It is spoken of as a weight of the example.",
        focal_weight_held,
    ),
    FOCAL.mistake(
        "exponent not brought down", "constant-factor", "The power rule's factor is dropped.", focal_no_exponent
    ),
    FOCAL.mistake(
        "x (1 - x) of the logits", "stale-value", "The rule y (1 - y) is about the output.", focal_sigmoid_of_logits
    ),
    RIDGE.mistake("no penalty", "missing-path", "The penalty was added to the forward later.", ridge_no_penalty),
    RIDGE.mistake(
        "penalty without upstream",
        "nonlinear-in-grad",
        "Weight decay is added to a gradient as a rule of its own.",
        ridge_penalty_by_itself,
    ),
    RIDGE.mistake("target left out", "wrong-count", "Nobody trains the target.", ridge_three),
    BPR_TRIPLES.mistake(
        "climbing", "wrong-sign", "The original paper maximises, and its updates add.", bpr_triples_climbing
    ),
    BPR_TRIPLES.mistake(
        "user from the liked item alone",
        "missing-path",
        "The user's second product is overlooked.",
        bpr_triples_liked_alone,
    ),
)
