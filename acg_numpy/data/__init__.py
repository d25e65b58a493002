"""Interactions: made up, or read from files; split; turned into vectors.

>>> from acg_numpy.data import draw_split, factorise, make_world
>>> taken = make_world(seed=0).interactions
>>> split = draw_split(taken, seed=0)
>>> factors = factorise(split.visible(taken), taken)
>>> factors.user_vectors(split.visible(taken)).shape  # every user, seen from every domain
(1000, 5, 32)
"""

from acg_numpy.data.agreement import taste_agreement, taste_assignment
from acg_numpy.data.description import Description, describe_interactions
from acg_numpy.data.factors import Factors, factorise
from acg_numpy.data.interactions import DataError, Interactions
from acg_numpy.data.newcomers import Newcomers, read_newcomers
from acg_numpy.data.reader import read_interactions
from acg_numpy.data.splits import Split, draw_split, read_split
from acg_numpy.data.vectors import Vectors, read_vectors
from acg_numpy.data.worlds import World, make_world

__all__ = [
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
    "make_world",
    "read_interactions",
    "read_newcomers",
    "read_split",
    "read_vectors",
    "taste_agreement",
    "taste_assignment",
]
