"""The catalogue: the classic wrong backwards of every pair in `acg_numpy.passes`, each with its story.

for mistake in CATALOGUE:
    print(mistake.name, "-", mistake.story)
"""

from acg_numpy.checks.mistakes import (
    dropout,
    forwards,
    layer_norm,
    layouts,
    linear,
    lookups,
    misbehaving,
    one_head,
    probabilities,
    rows,
    several_heads,
    targets,
)
from acg_numpy.checks.mistakes.mistake import Mistake

OPERATIONS = (
    lookups.EMBEDDING,
    linear.LINEAR,
    linear.ROWS,
    layouts.SPLIT,
    layouts.MERGE,
    probabilities.SOFTMAX,
    probabilities.LOG_SOFTMAX,
    one_head.ATTENTION,
    one_head.MASKED,
    one_head.DROPPED,
    one_head.SHARED,
    several_heads.MULTI_HEAD,
    several_heads.DROPPED,
    dropout.DROPOUT,
    dropout.SHARED,
    layer_norm.LAYER_NORM,
    targets.MSE,
    targets.CROSS_ENTROPY,
    targets.CANDIDATES,
    targets.BPR,
    rows.COSINE,
    rows.DIVERSITY,
    *misbehaving.OPERATIONS,
)

CATALOGUE: tuple[Mistake, ...] = (
    *(mistake for operation in OPERATIONS for mistake in operation.mistakes),
    *forwards.MISTAKES,
)

__all__ = ["CATALOGUE", "Mistake"]
