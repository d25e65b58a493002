"""Models that attention is compared with: other conditioners, and recommenders of items that make no condition."""

from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.models.hyperparameters import DEFAULTS, TRAINED, search_points
from acg_numpy.recommender.models.item_recommenders import REFERENCES

__all__ = ["DEFAULTS", "REFERENCES", "TRAINED", "make_model", "search_points"]
