"""The curves of training: the loss of every epoch, and NDCG on the validation part.

How did training go?
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from acg_numpy.plots.figures import finite_array, new_axes

# two colours of Okabe and Ito's palette, which colour-blind readers can tell apart
BLUE, VERMILION = "#0072B2", "#D55E00"


def loss_curve(history: Mapping[str, Sequence[Any]], *, ax: Axes | None = None) -> Axes:
    """Draw the training loss by epoch and, if there is one, ``NDCG@10`` on the validation part.

    Parameters
    ----------
    history : mapping
        `epoch` and `loss`, two sequences of the same length; `validation_epoch` and `validation_ndcg`
        likewise, or neither.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        The axes of the loss.  NDCG has an axis of its own on the right, and a line marks its best epoch.

    Raises
    ------
    ValueError
        If the sequences are missing, empty, or differ in length.

    Examples
    --------
    >>> history = {"epoch": [1, 2], "loss": [2.0, 1.0], "validation_epoch": [2], "validation_ndcg": [0.5]}
    >>> ax = loss_curve(history)
    >>> ax.lines[0].get_ydata()
    array([2., 1.])
    """
    epoch, loss = _matching_series(history, "epoch", "loss")
    if len(epoch) == 0:
        raise ValueError("history holds no epoch: there is nothing to draw")
    validation = (
        _matching_series(history, "validation_epoch", "validation_ndcg")
        if len(history.get("validation_epoch", ()))
        else None
    )
    if ax is None:
        ax = new_axes()

    ax.plot(epoch, loss, color=BLUE, marker="o", markersize=3, label="training loss")
    ax.set_xlim(min(epoch) - 0.5, max(epoch) + 0.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel("training loss", color=BLUE)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    if validation is not None:
        seen, ndcg = validation
        best = int(np.argmax(ndcg))
        right = ax.twinx()
        right.plot(seen, ndcg, color=VERMILION, marker="s", markersize=4, linestyle="--", label="validation NDCG@10")
        right.set_ylabel("validation NDCG@10", color=VERMILION)
        right.axvline(seen[best], color="0.6", linewidth=1, linestyle=":", zorder=0)
        right.set_title(f"best validation NDCG@10: {ndcg[best]:.3f}, epoch {seen[best]:g}")
    return ax


def _matching_series(history: Mapping[str, Sequence[Any]], x: str, y: str) -> tuple[Any, Any]:
    missing = [key for key in (x, y) if key not in history]
    if missing:
        raise ValueError(f"history has no {missing[0]!r}; it holds {sorted(history)}")
    across, up = finite_array(history[x], x), finite_array(history[y], y)
    if across.ndim != 1 or across.shape != up.shape:
        raise ValueError(
            f"history[{x!r}] has shape {across.shape} and history[{y!r}] {up.shape}: give one number for each epoch"
        )
    return across, up
