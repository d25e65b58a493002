"""Training: the loop, its optimisers and metrics, the models attention is compared with, and what is kept of it.

>>> from acg_numpy.data import make_world
>>> from acg_numpy.training import fit
>>> taken = make_world(seed=0).interactions
>>> result = fit(taken, epochs=1, baselines=False)
>>> result.conditions.shape == (len(taken.users), len(taken.domains), 32)  # every user in every domain
True
"""

from acg_numpy.training.baselines import TRAINED, make_model
from acg_numpy.training.checkpoints import Checkpoint, CheckpointError, load_checkpoint, replacing, save_checkpoint
from acg_numpy.training.experiment import fit
from acg_numpy.training.folding import Folded, fold_interactions, fold_vectors
from acg_numpy.training.inspection import inspect_file
from acg_numpy.training.keeping import Interrupted
from acg_numpy.training.loop import EpochReport, Progress
from acg_numpy.training.metrics import ndcg_at_k, recall_at_k, top_k
from acg_numpy.training.recommending import Recommendation, Recommender
from acg_numpy.training.references import REFERENCES
from acg_numpy.training.result import Result
from acg_numpy.training.serving import Trained

__all__ = [
    "REFERENCES",
    "TRAINED",
    "Checkpoint",
    "CheckpointError",
    "EpochReport",
    "Interrupted",
    "Folded",
    "Progress",
    "Recommendation",
    "Recommender",
    "Result",
    "Trained",
    "fit",
    "fold_interactions",
    "fold_vectors",
    "inspect_file",
    "load_checkpoint",
    "make_model",
    "ndcg_at_k",
    "recall_at_k",
    "replacing",
    "save_checkpoint",
    "top_k",
]
