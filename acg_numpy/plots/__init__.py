"""Pictures of attention, of training, of models side by side and of gradients, in Matplotlib's own manner.

Every plot takes `ax=None`, draws on it or on a new figure, and returns the Axes.  None calls `show`, none changes a
global setting, and all take Tensors as well as arrays.
"""

from acg_numpy.plots.bars import baselines
from acg_numpy.plots.curves import loss_curve
from acg_numpy.plots.figures import save
from acg_numpy.plots.gradients import gradient_error, v_curve
from acg_numpy.plots.maps import attention_map

__all__ = ["attention_map", "baselines", "gradient_error", "loss_curve", "save", "v_curve"]
