"""A synthetic world of users, items and domains, whose truth is known.

Every domain d has a space of its own, in which the tastes are re-arranged: taste k lies at m_dk, a random unit
vector, so that tastes which are close in one domain are usually far apart in another.  Item i of domain d belongs to
one taste and lies near it, x_i = unit(m_dk + noise), and some items are more popular than others, by b_i.  What user u
looks for in d is a point of d's space, a sum of the tastes' places:

    p_ud = sum_k a_udk m_dk

The two kinds of world differ in the weights a.

"tastes"  A user has a few tastes, 3 of 8, of strength s_uk in [0.5, 1].  Every domain makes other tastes prominent:
          taste k has prominence o_dk there, from -0.5 to 0.5, in an order of the domain's own.  The strongest dominate:

              a_ud = softmax(10 (s_u + o_d))  over the tastes that u has

          Which of u's tastes that is depends on the domain, and is no linear function of s_u: it is a choice, and so
          the right map from what u did elsewhere to p_ud is not linear.  The spaces have 6 dimensions.
"linear"  A user likes or dislikes each of 24 tastes, s_uk normal with variance 1/24, and all count everywhere as they
          are, a_ud = s_u.  The right map is linear, of full rank, and there is nothing to choose: attention should not
          lead.  The spaces have 24 dimensions, as many as the protocol's item vectors.

A user is active in each domain with probability 0.85 and takes 10 to 30 of its 100 items, one after the other, each
with probability proportional to exp(sharpness * p_ud . x_i + b_i); sharpness is 4 in 6 dimensions and 8 in 24, so that
the taste of a point of the same length shows as clearly in both.

The constants follow from what each world is for.  That the models order themselves as the construction says
(popularity, then linear maps, then attention; and no lead for attention in the linear world) was tested before they
were fixed; they are not tuned to any model's figures, and they are not options.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.recommender.data.interactions import Interactions
from acg_numpy.shapes import Array

Kind = Literal["tastes", "linear"]
KINDS: tuple[Kind, ...] = ("tastes", "linear")

DOMAINS = ("books", "films", "games", "music", "podcasts")
NUM_USERS, ITEMS_PER_DOMAIN = 1000, 100
NUM_TASTES = {"tastes": 8, "linear": 24}
SPACE_DIM = {"tastes": 6, "linear": 24}
SHARPNESS = {"tastes": 4.0, "linear": 8.0}
TASTES_PER_USER = 3
WEAKEST, STRONGEST = 0.5, 1.0  # of the tastes that a user has
PROMINENCE = 0.5
DOMINANCE = 10.0
ITEM_SPREAD = 0.5  # length of the noise between an item and its taste
POPULARITY_SPREAD = 0.7
PRESENCE = 0.85
FEWEST_TAKEN, MOST_TAKEN = 10, 30


@dataclass(frozen=True, eq=False)
class World:
    """Interactions, and the tastes that they were drawn from.

    Parameters
    ----------
    kind : "tastes" or "linear"
    seed : int
    interactions : Interactions
        All that a model may see.
    tastes : array, shape (U, K)
        s: how strong each of the user's tastes is, 0 for tastes that the user does not have.
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
    """Make a world of 1,000 users and five domains with 100 items each.

    Parameters
    ----------
    kind : {"tastes", "linear"}
        What leads from tastes to what a user looks for in a domain: the strongest dominate, or all count as they are.
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
    >>> int((world.tastes > 0).sum(axis=1).max())  # a few tastes each
    3
    >>> bool((world.weights.max(axis=-1) > 0.7).mean() > 0.8)  # of which one nearly always dominates
    True
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, but it is {kind!r}")
    rng = np.random.default_rng(seed)
    users, domains, number_of_items = NUM_USERS, len(DOMAINS), ITEMS_PER_DOMAIN
    tastes, weights = (
        _draw_dominating_tastes(rng, users, domains) if kind == "tastes" else _draw_linear_tastes(rng, users, domains)
    )
    K, R = NUM_TASTES[kind], SPACE_DIM[kind]

    places = _unit(rng.standard_normal((domains, K, R)))  # m
    item_taste = rng.permuted(np.tile(np.arange(number_of_items) % K, (domains, 1)), axis=1)  # (N, I)
    noise = ITEM_SPREAD * _unit(rng.standard_normal((domains, number_of_items, R)))
    items = _unit(np.take_along_axis(places, item_taste[:, :, None], axis=1) + noise)  # x (N, I, R)
    appeal = POPULARITY_SPREAD * rng.standard_normal((domains, number_of_items))  # b

    points = np.einsum("unk,nkr->unr", weights, places)  # p
    logits = SHARPNESS[kind] * np.einsum("unr,nir->uni", points, items) + appeal
    # The n largest of (logit + Gumbel noise) are n draws without replacement, each in proportion to exp(logit).
    rank = np.argsort(np.argsort(-(logits + rng.gumbel(size=logits.shape)), axis=-1), axis=-1)
    number = rng.integers(FEWEST_TAKEN, MOST_TAKEN + 1, (users, domains)) * (rng.random((users, domains)) < PRESENCE)
    taken = (rank < number[:, :, None]).reshape(users, -1)  # (U, N I)
    return World(kind, seed, _interactions(taken), tastes, weights, item_taste.reshape(-1))


def _draw_dominating_tastes(rng: np.random.Generator, users: int, domains: int) -> tuple[Array, Array]:
    """Draw a few tastes for each user (U, K), and weights (U, N, K) in which the strongest of each domain dominates."""
    K = NUM_TASTES["tastes"]
    has_taste = rng.permuted(np.tile(np.arange(K) < TASTES_PER_USER, (users, 1)), axis=1)
    tastes = np.where(has_taste, rng.uniform(WEAKEST, STRONGEST, (users, K)), 0.0)
    prominence = rng.permuted(np.tile(np.linspace(-PROMINENCE, PROMINENCE, K), (domains, 1)), axis=1)  # o
    scores = np.where(has_taste[:, None], DOMINANCE * (tastes[:, None] + prominence), -np.inf)
    E = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return tastes, E / E.sum(axis=-1, keepdims=True)


def _draw_linear_tastes(rng: np.random.Generator, users: int, domains: int) -> tuple[Array, Array]:
    """Draw likes and dislikes of every taste (U, K), and weights (U, N, K) that are just these."""
    K = NUM_TASTES["linear"]
    tastes = rng.standard_normal((users, K)) / math.sqrt(K)
    return tastes, np.repeat(tastes[:, None], domains, axis=1)


def _interactions(taken: npt.NDArray[np.bool_]) -> Interactions:
    users, items = taken.shape
    return Interactions(
        users=np.array([f"user-{u:03d}" for u in range(users)]),
        items=np.array([f"{name}-{i:02d}" for name in DOMAINS for i in range(items // len(DOMAINS))]),
        domains=np.array(DOMAINS),
        matrix=sp.csr_array(taken.astype(np.float32)),
        item_domain=np.repeat(np.arange(len(DOMAINS)), items // len(DOMAINS)),
        sha256=hashlib.sha256(np.packbits(taken).tobytes()).hexdigest(),
    )


def _unit(x: Array) -> Array:
    length: Array = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / length
