"""A split, user vectors and item vectors that the caller provides, any of them or none, and how splits are drawn."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from acg_numpy.recommender.data import Interactions, Split, Vectors
from acg_numpy.recommender.data.checkpoints import fingerprint
from acg_numpy.recommender.data.vectors import ScaledVectors, align_item_vectors, align_user_vectors


class Provided(NamedTuple):
    """A split and vectors from the caller, aligned with the interactions; None where there are none."""

    split: Split | None
    users: ScaledVectors | None  # (U, N, D)
    items: ScaledVectors | None  # (I, D)
    fingerprints: dict[str, str | None]  # one for each, which tells it from any other
    protocol: Mapping[str, Any] = {}  # the keywords of `draw_split`, where no split is provided

    @classmethod
    def align(
        cls,
        interactions: Interactions,
        emb_dim: int,
        split: Split | None,
        user_vectors: Vectors | None,
        item_vectors: Vectors | None,
        protocol: Mapping[str, Any] = {},
    ) -> Self:
        """Align them with the interactions; a DataError says where they do not fit."""
        fingerprints = {
            "split": None if split is None else _fingerprint_split(split),
            "user_vectors": None if user_vectors is None else _fingerprint(user_vectors),
            "item_vectors": None if item_vectors is None else _fingerprint(item_vectors),
        }
        users = None if user_vectors is None else align_user_vectors(user_vectors, interactions, emb_dim)
        items = None if item_vectors is None else align_item_vectors(item_vectors, interactions, emb_dim)
        return cls(split, users, items, fingerprints, protocol)


def _fingerprint_split(split: Split) -> str:
    return fingerprint(split.train, split.validation, split.test, *([] if split.cut is None else [split.cut]))


def _fingerprint(vectors: Vectors) -> str:
    return fingerprint(vectors.ids, vectors.vectors, *([] if vectors.domains is None else [vectors.domains]))
