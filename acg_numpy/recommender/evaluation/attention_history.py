"""The history of attention through training: the weights of a few held-out users, at a few epochs."""

from typing import Any, NamedTuple

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data.factors import UserVectors
from acg_numpy.recommender.data.pairs import Ids

USERS = 2  # whose weights are recorded, of all heads
NUMBERS = 2048  # weights at most in a snapshot, because the history is stored as text


class WatchedUsers(NamedTuple):
    """The users whose attention is recorded, and the domain."""

    users: Ids
    domain: int


def choose_watched_users(validation: Ids) -> WatchedUsers | None:
    """Choose the first users of validation pairs in the largest domain that has any.

    Parameters
    ----------
    validation : integer array, shape (P, 2)
        Pairs of user and domain, the largest domain being 0.

    Examples
    --------
    >>> import numpy as np
    >>> choose_watched_users(np.array([[7, 1], [4, 2], [9, 1], [11, 1]]))
    WatchedUsers(users=array([7, 9]), domain=1)
    """
    if not len(validation):
        return None
    domain = int(validation[:, 1].min())
    return WatchedUsers(validation[validation[:, 1] == domain][:USERS, 0], domain)


def is_snapshot_epoch(epoch: int) -> bool:
    """Return whether this is one of the epochs 0, 1, 2, 5, 10, 20, 50, ...

    Examples
    --------
    >>> [epoch for epoch in range(1000) if is_snapshot_epoch(epoch)]
    [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    """
    digits = str(epoch)
    return digits[0] in "0125" and not digits[1:].strip("0")


def attention_snapshot(model: Any, user_vectors: UserVectors, watched: WatchedUsers) -> list[Any] | None:
    """Return the attention (B, H, K) of the watched users as nested lists; None for one token, or too many weights.

    Nothing is drawn at random, so that training goes on as it would without snapshots.
    """
    if not isinstance(model, AttentionConditioner):
        return None
    tokens = model.domain_embedding.tokens_per_domain + model.domain_embedding.num_global_tokens
    if tokens == 1 or tokens * model.attention.num_heads * len(watched.users) > NUMBERS:
        return None
    training = model.training
    model.eval()
    with no_grad():
        _, attention = model(user_vectors[watched.users, watched.domain], watched.domain, return_attention=True)
    model.train(training)
    weights: list[Any] = attention.numpy().tolist()
    return weights
