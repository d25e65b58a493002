"""Serving: a trained conditioner for users that were not in training, and recommendations with their attention."""

from acg_numpy.recommender.serving.describe_file import inspect_file
from acg_numpy.recommender.serving.fold_in import FoldInSummary, fold_interactions, fold_vectors
from acg_numpy.recommender.serving.given_lists import GivenLists, read_lists
from acg_numpy.recommender.serving.later_evaluation import LaterPairs, evaluate_later, later_pairs
from acg_numpy.recommender.serving.own_history import OwnHistory
from acg_numpy.recommender.serving.recommender import Recommendation, Recommender
from acg_numpy.recommender.serving.top_lists import TopLists
from acg_numpy.recommender.serving.trained import Trained

__all__ = [
    "FoldInSummary",
    "GivenLists",
    "LaterPairs",
    "OwnHistory",
    "Recommendation",
    "Recommender",
    "TopLists",
    "Trained",
    "evaluate_later",
    "fold_interactions",
    "fold_vectors",
    "inspect_file",
    "later_pairs",
    "read_lists",
]
