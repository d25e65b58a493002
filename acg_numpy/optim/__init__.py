"""Optimisers and learning-rate schedules for any `Module`, as in every framework.

>>> import numpy as np
>>> from acg_numpy import AttentionConditioner
>>> from acg_numpy.optim import AdamW
>>> conditioner = AttentionConditioner(emb_dim=8, num_heads=2, num_domains=3, seed=0)
>>> optimiser = AdamW(conditioner.parameters(), lr=1e-2)
>>> np.sum(conditioner(np.ones((4, 8), np.float32), 1) ** 2).backward()
>>> optimiser.step()
"""

from acg_numpy.optim.optimisers import SGD, AdamW, clip_gradients
from acg_numpy.optim.schedules import SCHEDULES

__all__ = ["SCHEDULES", "SGD", "AdamW", "clip_gradients"]
