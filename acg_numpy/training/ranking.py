"""What is learnt, from which pairs?  To rank a domain's items for a user who is new there.

A pair (u, d) is a user and a domain; its positives are the items of d that u took.  From the user's vector for d,
made of what u did elsewhere, a model makes a condition vector c, and every item i of the domain is scored against it:

    score_i = 3 c . v_i / sqrt(D) + b_i

The item vectors v are given and stay as they are; the model and the item biases b are trained.  The loss is the
cross-entropy of the softmax over the domain's items against the uniform distribution over the pair's positives,
averaged over interactions: a pair with n positives counts n times, so that over a batch

    L = - sum_(u, d) sum_(i positive) log softmax(score)_i / (number of positives in the batch)

Candidates are the domain's own items and no others, so pairs are taken a domain at a time, a dense product each.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acg_numpy.autograd import Tensor, from_passes
from acg_numpy.data import Interactions
from acg_numpy.module import Module, Parameter
from acg_numpy.passes import log_softmax_backward, log_softmax_forward
from acg_numpy.shapes import Array
from acg_numpy.training.metrics import ndcg_of_hits, recall_of_hits, top_k

Ids = npt.NDArray[np.int64]
Score = Callable[[Ids, int], Array]
"""Scores of users (b,) for the items of one domain: (b, items of the domain), floating."""

SHARPNESS = 3.0  # the 3 of the score
GROUP = 4096  # pairs that are scored together, so that memory does not grow with users x items

log_softmax = from_passes(log_softmax_forward, log_softmax_backward)


class Group(NamedTuple):
    """Pairs of one domain that stand beside each other."""

    domain: int
    rows: slice  # which pairs
    positive: npt.NDArray[np.bool_]  # (pairs, items of the domain)


@dataclass(frozen=True)
class Catalogue:
    """The items of each domain, with their fixed vectors.

    Attributes
    ----------
    items : tuple of (I_d,) int64 arrays
        The items of each domain, in item order.
    vectors : tuple of (I_d, D) float32 arrays
        Their vectors, already times 3 / sqrt(D).
    position : (I,) int64 array
        Where an item stands within its domain.
    """

    items: tuple[Ids, ...]
    vectors: tuple[Array, ...]
    position: Ids

    @classmethod
    def of(cls, interactions: Interactions, item_vectors: Array) -> Self:
        """Sort items and their vectors (I, D) by domain."""
        items = tuple(interactions.columns(d) for d in range(len(interactions.domains)))
        position = np.zeros(len(interactions.items), np.int64)
        for of_domain in items:
            position[of_domain] = np.arange(len(of_domain))
        scale = SHARPNESS / math.sqrt(item_vectors.shape[1])
        return cls(items, tuple(item_vectors[i] * scale for i in items), position)


@dataclass(frozen=True)
class Pairs:
    """Pairs of a user and a domain, with the positives of each.

    Attributes
    ----------
    users, domains : (P,) int64 arrays
    offsets : (P + 1,) int64 array
        The positives of pair p are `positives[offsets[p]:offsets[p + 1]]`.
    positives : (n,) int64 array
        Positions of items within the pair's domain.
    sizes : (N,) int64 array
        How many items each domain has.
    """

    users: Ids
    domains: Ids
    offsets: Ids
    positives: Ids
    sizes: Ids

    @classmethod
    def of(cls, pairs: Ids, matrix: sp.csr_array, item_domain: Ids, catalogue: Catalogue) -> Self:
        """Look up the positives of `pairs` (P, 2), rows of (user, domain), in a user-item matrix (U, I)."""
        sizes = np.array([len(items) for items in catalogue.items])
        users, items = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices
        key = users * len(sizes) + item_domain[items]
        order = np.lexsort((items, key))
        wanted = pairs[:, 0] * len(sizes) + pairs[:, 1]
        starts, ends = (np.searchsorted(key[order], wanted, side=side) for side in ("left", "right"))
        offsets = np.concatenate([[0], np.cumsum(ends - starts)])
        positives = catalogue.position[items[order[_ranges(starts, ends - starts)]]]
        return cls(pairs[:, 0], pairs[:, 1], offsets, positives, sizes)

    def __len__(self) -> int:
        return len(self.users)

    def take(self, index: Ids) -> Self:
        """Pick pairs, sorted by domain (and otherwise in the order of `index`), as `groups` wants them."""
        index = index[np.argsort(self.domains[index], kind="stable")]
        counts = self.offsets[index + 1] - self.offsets[index]
        return type(self)(
            self.users[index],
            self.domains[index],
            np.concatenate([[0], np.cumsum(counts)]),
            self.positives[_ranges(self.offsets[index], counts)],
            self.sizes,
        )

    def groups(self) -> Iterator[Group]:
        """Go through pairs that are sorted by domain, a domain (and at most 4096 pairs) at a time."""
        ends = np.searchsorted(self.domains, np.arange(len(self.sizes)), side="right").tolist()
        start = 0
        for domain, end in enumerate(ends):
            while start < end:
                stop = min(end, start + GROUP)
                counts = self.offsets[start + 1 : stop + 1] - self.offsets[start:stop]
                positive = np.zeros((stop - start, self.sizes[domain]), np.bool_)
                within = self.positives[self.offsets[start] : self.offsets[stop]]
                positive[np.repeat(np.arange(stop - start), counts), within] = True
                yield Group(domain, slice(start, stop), positive)
                start = stop


class Ranker(Module):
    """A model of condition vectors, and the item biases that are trained with it.

    Parameters
    ----------
    model : Module
        Called with user vectors (B, D) and domain ids (B,), it returns conditions (B, D), as the conditioner does.
    catalogue : Catalogue
    item_bias : array, shape (I,)
        Where the biases start.
    """

    def __init__(self, model: Module, catalogue: Catalogue, item_bias: Array) -> None:
        super().__init__()
        self.model = model
        self.item_bias = Parameter(item_bias)
        self.catalogue = catalogue

    def __call__(self, user_vectors: Array, domain_id: Ids | int) -> Tensor:
        """Make conditions (B, D) from user vectors (B, D)."""
        condition: Tensor = self.model(user_vectors, domain_id)
        return condition

    def score(self, condition: Any, domain: int) -> Any:
        """Score conditions (b, D) against the items of one domain: (b, I_d)."""
        return condition @ self.catalogue.vectors[domain].T + self.item_bias[self.catalogue.items[domain]]

    def loss(self, user_vectors: Array, batch: Pairs) -> Tensor:
        """Compute the in-domain softmax loss of a batch sorted by domain; `user_vectors` (B, D) belong to its pairs."""
        condition = self(user_vectors, batch.domains)
        total: Any = 0.0
        for domain, rows, positive in batch.groups():
            total = total - np.sum(log_softmax(self.score(condition[rows], domain)) * positive)
        mean: Tensor = total / len(batch.positives)
        return mean


def evaluate(score: Score, pairs: Pairs, k: int = 10) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rank a domain's items for the user of each pair, and measure how well its positives come out.

    Parameters
    ----------
    score : callable
        `score(users, domain)`, users (b,) and one domain, gives (b, items of the domain).
    pairs : Pairs
    k : int, default 10

    Returns
    -------
    ndcg, recall : arrays, shape (P,), float64
        In the order of `pairs`.
    """
    order = np.argsort(pairs.domains, kind="stable")
    ordered = pairs.take(order)
    ndcg, recall = np.zeros(len(pairs)), np.zeros(len(pairs))
    for domain, rows, positive in ordered.groups():
        ranked = top_k(score(ordered.users[rows], domain), k)
        hits, found = np.take_along_axis(positive, ranked, axis=1), np.sum(positive, axis=1)
        ndcg[order[rows]] = ndcg_of_hits(hits, found, k)
        recall[order[rows]] = recall_of_hits(hits, found, k)
    return ndcg, recall


def _ranges(starts: Ids, counts: Ids) -> Ids:
    """Concatenate the ranges start .. start + count."""
    ends = np.cumsum(counts)
    ranges: Ids = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return ranges
