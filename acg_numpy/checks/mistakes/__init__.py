"""The catalogue: the classic wrong backwards of every pair in `acg_numpy.passes`, each with its story.

for mistake in CATALOGUE:
    print(mistake.name, "-", mistake.story)
"""

from acg_numpy.checks.mistakes import (
    domain_linear,
    dropout,
    embedding,
    heads,
    layer_norm,
    linear,
    losses,
    misbehaving,
    multi_head_attention,
    scaled_dot_product,
    similarity,
    softmax,
)
from acg_numpy.checks.mistakes.operations import Mistake

OPERATIONS = (
    embedding.EMBEDDING,
    linear.LINEAR,
    linear.ROWS,
    domain_linear.DOMAIN_LINEAR,
    heads.SPLIT,
    heads.MERGE,
    softmax.SOFTMAX,
    softmax.LOG_SOFTMAX,
    scaled_dot_product.ATTENTION,
    scaled_dot_product.MASKED,
    scaled_dot_product.DROPPED,
    scaled_dot_product.SHARED,
    multi_head_attention.MULTI_HEAD,
    multi_head_attention.DROPPED,
    multi_head_attention.HEADS_DROPPED,
    dropout.DROPOUT,
    dropout.SHARED,
    layer_norm.LAYER_NORM,
    losses.MSE,
    losses.CROSS_ENTROPY,
    losses.CANDIDATES,
    losses.BPR,
    similarity.COSINE,
    similarity.DIVERSITY,
    *misbehaving.OPERATIONS,
)

CATALOGUE: tuple[Mistake, ...] = (
    *(mistake for operation in OPERATIONS for mistake in operation.mistakes),
    *misbehaving.MISTAKES,
)

__all__ = ["CATALOGUE", "Mistake"]
