"""The data of the page: scores, what each token adds to a condition, and the items that tokens stand for.

The weights of head h are P_h = softmax(S_h / temperature), with the scores S_h = q_h K_h' / sqrt(d), and a condition is

    c = sum_h P_h V_h W_o,h + b_o = sum_hk P_hk C_hk + b_o        with C_hk = V_hk W_o,h, (D,)

so the scores of users and the few vectors C of each domain are enough to show weights and conditions at any
temperature; at 1 they are the trained conditioner's.  C_hk is what token k adds to the condition through head h if that
head attends to it alone, and the token stands for the items of the domain that score highest against it.

Where conditions are layer-normed, the condition is LN(c) = gain (c - mean(c)) / deviation(c) + shift.  The deviation is
one number for all items, so a token stands for those that score highest against gain (C_hk - mean(C_hk)).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd import no_grad
from acg_numpy.passes import layer_norm_forward, split_heads_forward
from acg_numpy.recommender.data import DataError
from acg_numpy.recommender.data.interactions import titles_or_ids
from acg_numpy.recommender.evaluation import top_k
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.serving.recommender import find_name
from acg_numpy.recommender.serving.token_values import token_contributions
from acg_numpy.shapes import Array

SAMPLE = 1000  # users
NUMBERS = 3_000_000  # scores at most, so that the page stays below some 20 MB
ITEMS = 5  # that a token stands for


@dataclass(frozen=True, eq=False, repr=False)
class Exploration:
    """The data that the page shows, for a sample of U users, N domains, H heads and K tokens.

    Attributes
    ----------
    users : array of str, shape (U,)
        In the order of the interactions.
    domains : array of str, shape (N,)
    tokens : list of str, length K
        The domain's own, and then those that all domains share.
    total : int
        Of how many users this is a sample.
    scores : array, shape (U, N, H, K), float32
        Before softmax.
    added : array, shape (N, H, K, D), float32
        What each token adds to a condition: its value in the head, through the output projection.
    bias : array, shape (D,), float32
        Of the output projection.
    gain, shift : arrays, shape (D,), float32
        Of the layer norm; of shape (0,) where conditions are not normed.
    reachable : array of bool, shape (U, N)
        Whether anything is known of the user that leads to the domain; otherwise the condition is zeros.
    items : array of str
        The items that some token stands for.
    token_items : array of int, shape (N, H, K, n)
        Indices into `items`, the item of the highest score first; -1 where a domain has fewer than n.
    centre, plane : arrays, shapes (D,) and (2, D), float32
        The mean of all conditions, and the two directions in which they differ most.
    share : tuple of two floats
        Of the variance of all conditions, along each direction.
    about : dict
        Of the checkpoint.
    """

    users: npt.NDArray[np.str_]
    domains: npt.NDArray[np.str_]
    tokens: list[str]
    total: int
    scores: npt.NDArray[np.float32]
    added: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]
    reachable: npt.NDArray[np.bool_]
    items: npt.NDArray[np.str_]
    token_items: npt.NDArray[np.int64]
    centre: npt.NDArray[np.float32]
    plane: npt.NDArray[np.float32]
    share: tuple[float, float]
    about: dict[str, Any] = field(default_factory=dict)

    def attention(self, temperature: float = 1.0) -> Array:
        """Compute weights (U, N, H, K) of the scores divided by a temperature above 0, as the page does."""
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, but it must be above 0")
        scaled = (self.scores - self.scores.max(axis=-1, keepdims=True)) / np.float32(temperature)
        raised: Array = np.exp(scaled)
        weights: Array = raised / raised.sum(axis=-1, keepdims=True)
        return weights

    def conditions(self, temperature: float = 1.0) -> Array:
        """Compute conditions (U, N, D) at a temperature, as the page does; zeros where nothing leads to the domain."""
        conditions = np.einsum("unhk,nhkd->und", self.attention(temperature), self.added, optimize=True) + self.bias
        if len(self.gain):
            conditions, _ = layer_norm_forward(conditions, self.gain, self.shift)
        return np.where(self.reachable[..., None], conditions, np.float32(0))

    def __repr__(self) -> str:
        domains, heads, tokens = self.scores.shape[1:]
        return (
            f"<Exploration: {len(self.users):,} of {self.total:,} users, {domains:,} domains, {heads} heads, "
            f"{tokens:,} tokens>"
        )


def gather(recommender: Recommender, *, sample: int = SAMPLE, users: Sequence[str] = (), seed: int = 0) -> Exploration:
    """Compute the data that the page shows.

    Parameters
    ----------
    recommender : Recommender
        As `Recommender.load` reads it from a folder of results.
    sample : int, default 1000
        How many users at most.  Fewer, if that many would have more than 3,000,000 scores together.
    users : sequence of str
        Ids of users that the sample must contain.
    seed : int
        The others are drawn at random, the same ones for the same seed.

    Returns
    -------
    Exploration

    Raises
    ------
    DataError
        If there is no such user, or the conditioner adds the user's vector to attention, or has an output projection
        for each domain, which this page does not show.
    ValueError
        If `sample` is not positive.

    Examples
    --------
    See `acg_numpy.recommender.exploring`.
    """
    if sample < 1:
        raise ValueError(f"sample is {sample}; at least one user is needed")
    trained = recommender.trained
    conditioner, N = trained.conditioner, len(trained.domains)
    if conditioner.residual:
        raise DataError("the conditioner has a residual connection, whose conditions cannot be shown")
    embedding, attention = conditioner.domain_embedding, conditioner.attention
    if attention.output is None:
        raise DataError("the conditioner has an output projection for each domain, whose conditions cannot be shown")
    own, shared, H = embedding.tokens_per_domain, embedding.num_global_tokens, attention.num_heads
    K = own + shared
    chosen = _sample(recommender, min(sample, max(1, NUMBERS // (N * H * K))), users, seed)
    vectors, reachable = recommender.vectors(chosen)

    d = attention.inner_dim // H
    with no_grad():
        context = embedding(np.arange(N))  # (N, K, D)
        key = split_heads_forward(attention.key(context).numpy(), num_heads=H)[0]  # (N, H, K, d)
        query = split_heads_forward(attention.query(vectors.astype(attention.dtype)).numpy(), num_heads=H)[
            0
        ]  # (U, H, N, d)
    scores = np.einsum("uhnd,nhkd->unhk", query, key, optimize=True) / np.float32(math.sqrt(d))
    added, b_o = token_contributions(conditioner), attention.output.bias

    norm, none = conditioner.norm, np.zeros(0, np.float32)
    gain, shift = (none, none) if norm is None else (norm.weight.numpy(), norm.bias.numpy())
    stands_for = added if norm is None else (added - added.mean(axis=-1, keepdims=True)) * gain
    items, token_items = _token_items(recommender, stands_for)
    found = Exploration(
        users=recommender.users[chosen],
        domains=trained.domains,
        tokens=[f"token {k}" if k < own else f"global token {k - own}" for k in range(K)],
        total=len(recommender.users),
        scores=scores.astype(np.float32),
        added=added.astype(np.float32),
        bias=np.zeros(added.shape[-1], np.float32) if b_o is None else b_o.numpy().astype(np.float32),
        gain=gain.astype(np.float32),
        shift=shift.astype(np.float32),
        reachable=reachable,
        items=items,
        token_items=token_items,
        centre=np.zeros(added.shape[-1], np.float32),
        plane=np.zeros((2, added.shape[-1]), np.float32),
        share=(0.0, 0.0),
        about=trained.about,
    )
    return _with_plane(found)


def _sample(recommender: Recommender, most: int, users: Sequence[str], seed: int) -> npt.NDArray[np.int64]:
    """Draw indices of users at random, beside those of the users who are named."""
    named = np.unique(np.array([find_name(user, recommender.users, "user") for user in users], np.int64))
    others = np.setdiff1d(np.arange(len(recommender.users)), named)
    number = min(max(most - len(named), 0), len(others))
    drawn = np.random.default_rng(seed).choice(others, size=number, replace=False)
    return np.sort(np.concatenate([named, drawn]))


def _token_items(
    recommender: Recommender, added: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Find the items of each domain whose vectors have the largest inner product with what each token adds."""
    trained = recommender.trained
    columns_of = np.full((*added.shape[:3], ITEMS), -1, np.int64)
    for d in range(len(added)):
        columns = trained.columns(d)
        scores = added[d] @ trained.factors.item_vectors[columns].T  # (H, K, items of the domain)
        best = top_k(scores.reshape(-1, len(columns)), ITEMS).reshape(*scores.shape[:2], -1)
        columns_of[d, :, :, : best.shape[-1]] = columns[best]
    used, indices = np.unique(columns_of, return_inverse=True)
    fewer = int(used[0] == -1)  # -1 comes first, and stays -1
    return titles_or_ids(trained.titles, trained.items)[used[fewer:]], indices.reshape(columns_of.shape) - fewer


def _with_plane(found: Exploration) -> Exploration:
    """Add the plane of most variance through the conditions at temperature 1, by their singular vectors."""
    conditions = found.conditions()[found.reachable].astype(np.float64)  # (pairs, D)
    if len(conditions) < 2:
        return found
    centre = conditions.mean(axis=0)
    spread, directions = np.linalg.eigh((conditions - centre).T @ (conditions - centre))  # ascending
    plane = np.zeros_like(found.plane, np.float64)
    first = directions[:, ::-1][:, :2].T
    plane[: len(first)] = first
    total = max(float(spread.sum()), 1e-300)
    shares = [float(max(part, 0.0)) / total for part in spread[::-1][:2]]
    one, two = (*shares, 0.0)[:2]
    return replace(found, centre=centre.astype(np.float32), plane=plane.astype(np.float32), share=(one, two))
