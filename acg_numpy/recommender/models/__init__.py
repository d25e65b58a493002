"""Models that attention is compared with: other conditioners, and recommenders of items that make no condition."""

from acg_numpy.recommender.models.baselines import TRAINED, make_model
from acg_numpy.recommender.models.item_recommenders import REFERENCES

__all__ = ["REFERENCES", "TRAINED", "make_model"]
