"""Interactions, synthetic or read from files; splits of them; vectors made of them.

>>> from acg_numpy.recommender.data import draw_split, factorise, make_world
>>> taken = make_world(seed=0).interactions
>>> split = draw_split(taken, seed=0)
>>> factors = factorise(split.visible(taken), taken)
>>> factors.user_vectors(split.visible(taken)).shape  # every user, seen from every domain
(1000, 5, 32)
"""

from acg_numpy.recommender.data.agreement import taste_agreement, taste_assignment
from acg_numpy.recommender.data.checkpoints import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    replacing,
    save_checkpoint,
)
from acg_numpy.recommender.data.description import Description, describe_interactions
from acg_numpy.recommender.data.factors import Factors, factorise
from acg_numpy.recommender.data.interactions import DataError, Interactions
from acg_numpy.recommender.data.new_users import Newcomers, read_newcomers
from acg_numpy.recommender.data.reader import read_interactions
from acg_numpy.recommender.data.splits import Split, draw_split, read_split
from acg_numpy.recommender.data.synthetic import World, make_world
from acg_numpy.recommender.data.vectors import Vectors, read_vectors

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "Description",
    "Factors",
    "Interactions",
    "Newcomers",
    "Split",
    "Vectors",
    "World",
    "describe_interactions",
    "draw_split",
    "factorise",
    "load_checkpoint",
    "make_world",
    "read_interactions",
    "read_newcomers",
    "read_split",
    "read_vectors",
    "replacing",
    "save_checkpoint",
    "taste_agreement",
    "taste_assignment",
]
