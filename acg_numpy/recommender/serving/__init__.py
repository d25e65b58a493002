"""Serving: a trained conditioner for users that were not in training, and recommendations with their attention."""

from acg_numpy.recommender.serving.describe_file import inspect_file
from acg_numpy.recommender.serving.fold_in import FoldInSummary, fold_interactions, fold_vectors
from acg_numpy.recommender.serving.own_history import OwnHistory
from acg_numpy.recommender.serving.recommender import Recommendation, Recommender
from acg_numpy.recommender.serving.top_lists import TopLists
from acg_numpy.recommender.serving.trained import Trained

__all__ = [
    "FoldInSummary",
    "OwnHistory",
    "Recommendation",
    "Recommender",
    "TopLists",
    "Trained",
    "fold_interactions",
    "fold_vectors",
    "inspect_file",
]
