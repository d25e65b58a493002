"""Training: `fit` trains every model on every split, and can be stopped and resumed.

>>> from acg_numpy.recommender.data import make_world
>>> from acg_numpy.recommender.training import fit
>>> interactions = make_world(seed=0).interactions
>>> result = fit(interactions, epochs=1, baselines=False)
>>> result.conditions.shape == (len(interactions.users), len(interactions.domains), 32)  # every user in every domain
True
"""

from acg_numpy.recommender.training.experiment import fit
from acg_numpy.recommender.training.extension import Extension, extend, write_extension
from acg_numpy.recommender.training.loop import EpochReport, Progress
from acg_numpy.recommender.training.result import Result
from acg_numpy.recommender.training.resume import Interrupted

__all__ = ["EpochReport", "Extension", "Interrupted", "Progress", "Result", "extend", "fit", "write_extension"]
