"""A world with known tastes, and a run on it: trained once for all files here that only read them."""

import pytest

from acg_numpy.recommender.data import World
from acg_numpy.recommender.training import Result, fit
from tests.recommender.small_world import small_world


@pytest.fixture(scope="session")
def world() -> World:
    return small_world()


@pytest.fixture(scope="session")
def result(world: World) -> Result:
    return fit(world.interactions, epochs=3, baselines=False)
