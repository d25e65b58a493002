"""How did attention become what it is?  The weights of a few held-out users, kept at a few epochs of the training."""

from typing import Any, NamedTuple

from acg_numpy.autograd import no_grad
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data.pairs import Ids
from acg_numpy.shapes import Array

USERS = 2  # watched, with all their heads
NUMBERS = 2048  # weights at most in a snapshot: they stand in the history, which is kept as text


class Watched(NamedTuple):
    """Whom to watch, and where."""

    users: Ids
    domain: int


def watched(validation: Ids) -> Watched | None:
    """Choose the first users who are validated on in the largest domain that has any.

    Parameters
    ----------
    validation : integer array, shape (P, 2)
        Pairs of user and domain, the largest domain being 0.

    Examples
    --------
    >>> import numpy as np
    >>> watched(np.array([[7, 1], [4, 2], [9, 1], [11, 1]]))
    Watched(users=array([7, 9]), domain=1)
    """
    if not len(validation):
        return None
    domain = int(validation[:, 1].min())
    return Watched(validation[validation[:, 1] == domain][:USERS, 0], domain)


def is_kept(epoch: int) -> bool:
    """Whether this is one of the epochs 0, 1, 2, 5, 10, 20, 50, ...

    Examples
    --------
    >>> [epoch for epoch in range(1000) if is_kept(epoch)]
    [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    """
    digits = str(epoch)
    return digits[0] in "0125" and not digits[1:].strip("0")


def snapshot(model: Any, user_vectors: Array, whom: Watched) -> list[Any] | None:
    """Attention (B, H, K) of those watched as nested lists; None where there is nothing to see, or too much to keep.

    Nothing is drawn at random, so that a training goes on as it would have.
    """
    if not isinstance(model, AttentionConditioner):
        return None
    tokens = model.domain_embedding.tokens_per_domain + model.domain_embedding.num_global_tokens
    if tokens == 1 or tokens * model.attention.num_heads * len(whom.users) > NUMBERS:
        return None
    training = model.training
    model.eval()
    with no_grad():
        _, attention = model(user_vectors[whom.users, whom.domain], whom.domain, return_attention=True)
    model.train(training)
    weights: list[Any] = attention.numpy().tolist()
    return weights
