"""What was brought along instead of being made here?  A split, user vectors, item vectors: any of them, or none."""

from typing import NamedTuple, Self

from acg_numpy.recommender.data import Interactions, Split, Vectors
from acg_numpy.recommender.data.checkpoints import fingerprint
from acg_numpy.recommender.data.vectors import Scaled, for_items, for_users


class Given(NamedTuple):
    """A split and vectors from elsewhere, lined up with the interactions; None where there are none."""

    split: Split | None
    users: Scaled | None  # (U, N, D)
    items: Scaled | None  # (I, D)
    terms: dict[str, str | None]  # which they are: a fingerprint of each

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        emb_dim: int,
        split: Split | None,
        user_vectors: Vectors | None,
        item_vectors: Vectors | None,
    ) -> Self:
        """Line them up; a DataError says where they do not fit."""
        terms = {
            "split": None if split is None else fingerprint(split.train, split.validation, split.test),
            "user_vectors": None if user_vectors is None else _fingerprint(user_vectors),
            "item_vectors": None if item_vectors is None else _fingerprint(item_vectors),
        }
        users = None if user_vectors is None else for_users(user_vectors, interactions, emb_dim)
        items = None if item_vectors is None else for_items(item_vectors, interactions, emb_dim)
        return cls(split, users, items, terms)


def _fingerprint(given: Vectors) -> str:
    return fingerprint(given.ids, given.vectors, *([] if given.domains is None else [given.domains]))
