"""The gradient that arrives at each parameter, a bar for each.

Which parameters cannot learn?
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.autograd import RowSparseGradient
from acg_numpy.plots.figures import finite_array, new_axes

LIVE, DEAD = "#0072B2", "#D55E00"


def gradient_flow(parameters: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the root mean square of each parameter's gradient, and mark those that are exactly zero.

    Parameters
    ----------
    parameters : Module, or mapping of str to Tensor
        After a backward pass; what has no gradient yet is left out and counted in the title.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        A bar for each parameter, in the order in which they are named, on a logarithmic scale.  Beside a gradient of
        exactly zero stands "0": nothing can be learned there, as with a single key, and always at the bias of
        the keys.

    Raises
    ------
    ValueError
        If no parameter has a gradient.

    Examples
    --------
    >>> from acg_numpy import MultiHeadCrossAttention
    >>> attention, rng = MultiHeadCrossAttention(4, 2, seed=0), np.random.default_rng(0)
    >>> query, context = rng.normal(size=(2, 3, 4))
    >>> attention(query, context).backward(rng.normal(size=(3, 4)))
    >>> ax = gradient_flow(attention)
    >>> [name.get_text() for name, bar in zip(ax.get_yticklabels(), ax.patches) if bar.get_width() == 0]
    ['key.bias']
    """
    named = dict(parameters.items() if isinstance(parameters, Mapping) else parameters.named_parameters())
    arrived = {name: p.grad for name, p in named.items() if p.grad is not None}
    if not arrived:
        raise ValueError(f"none of {len(named)} parameters has a gradient; call .backward() on a loss first")
    sizes = np.array([_root_mean_square(name, grad) for name, grad in arrived.items()])
    if ax is None:
        ax = new_axes()
    places = np.arange(len(sizes))
    ax.barh(places, sizes, color=LIVE)
    positive = sizes[sizes > 0]
    if positive.size:
        ax.set_xscale("log")
        ax.set_xlim(positive.min() / 3, positive.max() * 3)
    else:
        ax.set_xlim(0, 1)
    for place in places[sizes == 0]:
        ax.annotate(
            "0, it cannot learn", (0.01, place), xycoords=("axes fraction", "data"), color=DEAD, va="center", fontsize=9
        )
    ax.set_yticks(places, labels=list(arrived), parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("root mean square of the gradient")
    if missing := len(named) - len(arrived):
        ax.set_title(f"{missing} of {len(named)} parameters have no gradient", fontsize="medium")
    return ax


def _root_mean_square(name: str, grad: Any) -> float:
    array = finite_array(np.asarray(grad) if isinstance(grad, RowSparseGradient) else grad, f"the gradient of {name}")
    return float(np.sqrt(np.mean(array**2))) if array.size else 0.0
