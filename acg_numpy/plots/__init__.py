"""Figures of attention, of training, of models compared, of gradients and of graphs, by Matplotlib's conventions.

Every plot takes `ax=None`, draws on it or on a new figure, and returns the Axes; plots of several panels take
`figure=None` and return the Figure.  None calls `show`, none changes a global setting, and all take Tensors as well as
arrays.
"""

from acg_numpy.plots.bars import baselines
from acg_numpy.plots.curves import loss_curve
from acg_numpy.plots.entropy import attention_entropy
from acg_numpy.plots.figures import save
from acg_numpy.plots.flow import gradient_flow
from acg_numpy.plots.forest import leads_by_domain
from acg_numpy.plots.gradients import gradient_error, v_curve
from acg_numpy.plots.graphs import graph
from acg_numpy.plots.maps import attention_map
from acg_numpy.plots.meanings import taste_map, token_items
from acg_numpy.plots.panels import (
    attention_by_domain,
    attention_by_group,
    attention_heads,
    attention_through_training,
)
from acg_numpy.plots.scores import attention_scores
from acg_numpy.plots.tradeoff import quality_and_parameters

__all__ = [
    "attention_map",
    "attention_heads",
    "attention_by_domain",
    "attention_by_group",
    "attention_through_training",
    "attention_entropy",
    "attention_scores",
    "token_items",
    "taste_map",
    "baselines",
    "leads_by_domain",
    "quality_and_parameters",
    "loss_curve",
    "graph",
    "gradient_flow",
    "gradient_error",
    "v_curve",
    "save",
]
