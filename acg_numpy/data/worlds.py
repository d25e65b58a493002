"""A world to try things in, whose truth is known.

Users.    A user u has a few tastes: 3 of K = 8, with strengths s_uk in [0.5, 1]; the others are 0.
Domains.  Every domain d has a space of its own, of 6 dimensions, in which the tastes are re-arranged: taste k lies at m_dk, a random unit
          vector, so that tastes which are neighbours in one domain are strangers in the next.  And every domain brings other tastes to the
          fore: taste k has prominence o_dk there, from -0.5 to 0.5, in an order of the domain's own.
Items.    Item i of domain d belongs to one taste and lies near it: x_i = unit(m_dk + noise).  Some items are taken more than others: b_i.

What u looks for in d is a point of d's space, a mean of the tastes' places:

    p_ud = sum_k a_udk m_dk

In the world of tastes the strongest dominate:  a_ud = softmax(10 (s_u + o_d)), over the tastes that u has.  Which of u's tastes that is depends on
the domain, and no linear map of s_u says it: to know it is to choose.  In the linear world each counts by its strength, a_ud = s_u, in every
domain alike, and there is nothing to choose: a linear map from what u did elsewhere should do as well as anything.

Choices.  A user is met in each domain with probability 0.85 and there takes 4 to 12 different items, one after the other, each with
          probability proportional to exp(4 p_ud . x_i + b_i).

These constants were fixed from this description, before any model was run on the world, and are not options.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.data.interactions import Interactions
from acg_numpy.shapes import Array

Kind = Literal["tastes", "linear"]
KINDS: tuple[Kind, ...] = ("tastes", "linear")

DOMAINS = ("books", "films", "games", "music", "podcasts")
NUM_USERS, ITEMS_PER_DOMAIN = 800, 80
NUM_TASTES, TASTES_PER_USER = 8, 3
SPACE_DIM = 6
WEAKEST, STRONGEST = 0.5, 1.0  # of the tastes that a user has
PROMINENCE = 0.5
DOMINANCE = 10.0
ITEM_SPREAD = 0.5  # length of the noise between an item and its taste
POPULARITY_SPREAD = 0.7
CHOICE_SHARPNESS = 4.0
PRESENCE = 0.85
FEWEST_TAKEN, MOST_TAKEN = 4, 12


@dataclass(frozen=True, eq=False)
class World:
    """Interactions, and the truth behind them.

    Parameters
    ----------
    kind : "tastes" or "linear"
    seed : int
    interactions : Interactions
        All that a model may see.
    tastes : array, shape (U, K)
        s: how strong each of the user's tastes is, 0 for those that the user has not.
    weights : array, shape (U, N, K)
        a: how much each taste counts for the user in each domain.
    item_taste : array of int, shape (I,)
        The taste that the item belongs to.
    """

    kind: Kind
    seed: int
    interactions: Interactions
    tastes: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    item_taste: npt.NDArray[np.int64]


def make_world(kind: Kind = "tastes", *, seed: int = 0) -> World:
    """Make a world of five domains.

    Parameters
    ----------
    kind : {"tastes", "linear"}
        What leads from a user's tastes to what the user looks for in a domain: the strongest dominate, or each counts by its strength.
    seed : int, default 0
        The same seed gives the same world.

    Returns
    -------
    World

    Raises
    ------
    ValueError
        If there is no such kind.

    Examples
    --------
    >>> world = make_world(seed=0)
    >>> world.interactions.domains.tolist()
    ['books', 'films', 'games', 'music', 'podcasts']
    >>> (world.tastes > 0).sum(axis=1).max()  # a few tastes each
    np.int64(3)
    >>> float(world.weights.max(axis=-1).mean().round(1))  # of which one usually dominates
    0.9
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, but it is {kind!r}")
    U, N, K, R, I = NUM_USERS, len(DOMAINS), NUM_TASTES, SPACE_DIM, ITEMS_PER_DOMAIN  # noqa: E741
    rng = np.random.default_rng(seed)

    has_taste = rng.permuted(np.tile(np.arange(K) < TASTES_PER_USER, (U, 1)), axis=1)
    tastes = np.where(has_taste, rng.uniform(WEAKEST, STRONGEST, (U, K)), 0.0)
    places = _unit(rng.standard_normal((N, K, R)))  # m
    prominence = rng.permuted(np.tile(np.linspace(-PROMINENCE, PROMINENCE, K), (N, 1)), axis=1)  # o
    item_taste = rng.permuted(np.tile(np.arange(I) % K, (N, 1)), axis=1)  # (N, I)
    noise = ITEM_SPREAD * _unit(rng.standard_normal((N, I, R)))
    items = _unit(np.take_along_axis(places, item_taste[:, :, None], axis=1) + noise)  # x (N, I, R)
    appeal = POPULARITY_SPREAD * rng.standard_normal((N, I))  # b

    if kind == "tastes":
        scores = np.where(has_taste[:, None], DOMINANCE * (tastes[:, None] + prominence), -np.inf)  # (U, N, K)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
    else:
        weights = np.repeat(tastes[:, None], N, axis=1)
    points = np.einsum("unk,nkr->unr", weights, places)  # p

    # The n largest of (log-probability + Gumbel noise) are n draws without replacement.
    keys = CHOICE_SHARPNESS * np.einsum("unr,nir->uni", points, items) + appeal + rng.gumbel(size=(U, N, I))
    rank = np.argsort(np.argsort(-keys, axis=-1), axis=-1)
    number = rng.integers(FEWEST_TAKEN, MOST_TAKEN + 1, (U, N)) * (rng.random((U, N)) < PRESENCE)
    taken = (rank < number[:, :, None]).reshape(U, N * I)

    return World(kind, seed, _interactions(taken), tastes, weights, item_taste.reshape(-1))


def _interactions(taken: npt.NDArray[np.bool_]) -> Interactions:
    users, items = taken.shape
    X = sp.csr_array(taken.astype(np.float32))
    return Interactions(
        users=np.array([f"user-{u:03d}" for u in range(users)]),
        items=np.array([f"{name}-{i:02d}" for name in DOMAINS for i in range(items // len(DOMAINS))]),
        domains=np.array(DOMAINS),
        matrix=X,
        item_domain=np.repeat(np.arange(len(DOMAINS)), items // len(DOMAINS)),
        sha256=hashlib.sha256(np.packbits(taken).tobytes()).hexdigest(),
    )


def _unit(x: Array) -> Array:
    length: Array = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / length
