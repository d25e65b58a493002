"""A world with known tastes that is small enough to train every model on in seconds."""

import pytest

from acg_numpy.recommender.data import World, make_world, synthetic


def small_world(kind="tastes", seed=0) -> World:
    """Make a world as `make_world` does, of 300 users and five domains with 24 items each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "NUM_USERS", 300)
        patch.setattr(synthetic, "ITEMS_PER_DOMAIN", 24)
        patch.setattr(synthetic, "FEWEST_TAKEN", 5)
        patch.setattr(synthetic, "MOST_TAKEN", 12)
        return make_world(kind, seed=seed)
