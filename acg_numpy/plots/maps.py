"""Where did attention go?  One row of a map is one distribution over tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.plots.figures import as_array, new_axes
from acg_numpy.shapes import Array

MAX_TICKS = 16  # labels on one axis; beyond that every n-th is written
MAX_LETTERS = 50  # in all the labels below the map; beyond that they are slanted
LAYOUTS = "(H, K), (B, H, K), or (H, L, S) with head_axis=0"


def attention_map(
    attention: Any,
    *,
    ax: Axes | None = None,
    head: int | None = None,
    row_labels: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    head_axis: int = -2,
) -> Axes:
    """Draw attention weights as a map: a row a distribution, a column a token, a colour a weight.

    Heads are never averaged.  Without `head`, every head of every row is drawn, one above the other in the order of the
    array's axes; with it, that head alone.

    Parameters
    ----------
    attention : array or Tensor, shape (H, K), (B, H, K) or (H, L, S)
        Weights, none negative.  The first two are what a conditioner returns for one user and for a batch; the third
        is what `MultiHeadCrossAttention` returns for one sequence of queries, and wants `head_axis=0`.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.
    head : int, optional
        The one head to draw, from 0.
    row_labels : sequence of str, optional
        Names of the B rows (or L queries); of the H heads where the array is (H, K).
    token_labels : sequence of str, optional
        Names of the tokens, one a column.
    head_axis : int, default -2
        Which axis counts the heads.  Shape alone cannot tell (B, H, K) from (H, L, S).

    Returns
    -------
    matplotlib Axes
        Colours run from 0 to the largest weight drawn, and the colour bar says which that is.
        `ax.images[0].set_clim(0, 1)` makes several maps comparable.

    Raises
    ------
    ValueError
        If the array has another number of axes, holds nothing, a negative number or NaN, or if labels do not fit it.
    IndexError
        If there is no such head.

    Examples
    --------
    >>> attention = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])  # 2 heads, 3 tokens
    >>> ax = attention_map(attention, token_labels=["shared", "comedy", "drama"])
    >>> ax.images[0].get_array().shape
    (2, 3)
    >>> ax.images[0].get_clim()
    (0.0, 0.8)
    """
    weights = _checked(as_array(attention, "attention"))
    axis = _checked_head_axis(head_axis, weights)
    if head is not None and not -weights.shape[axis] <= head < weights.shape[axis]:
        raise IndexError(
            f"head is {head}, but axis {axis} of attention {weights.shape} counts {weights.shape[axis]} heads "
            f"(numbered from 0); other layouts: {LAYOUTS}"
        )

    names, kind = _row_names(weights, axis, head, row_labels)
    tokens = [str(k) for k in range(weights.shape[-1])] if token_labels is None else list(token_labels)
    _check_length("token_labels", tokens, weights.shape[-1], "tokens")
    rows = weights if head is None else np.take(weights, [head], axis=axis)
    rows = rows.reshape(-1, weights.shape[-1])  # (rows, K)
    top = float(rows.max()) or 1.0

    if ax is None:
        ax = new_axes()
    image = ax.imshow(rows, cmap="viridis", vmin=0.0, vmax=top, aspect="auto")
    if head is None and weights.ndim == 3:
        _separate(ax, blocks=weights.shape[0], length=weights.shape[1])
    block = weights.shape[1] if head is None and weights.ndim == 3 else 1
    written = _label(ax.xaxis, tokens)
    if sum(map(len, written)) > MAX_LETTERS:
        ax.tick_params(axis="x", labelrotation=45)
        for text in ax.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    _label(ax.yaxis, names, block=block)
    ax.set_xlabel("token")
    ax.set_ylabel(kind)
    if head is not None:
        ax.set_title(f"head {head % weights.shape[axis]}")
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, ticks=np.linspace(0.0, top, 5), format="%.3g")
    bar.set_label("attention weight (weights are not causes)")
    return ax


def _checked(weights: Array) -> Array:
    if weights.ndim not in (2, 3):
        raise ValueError(f"attention has shape {weights.shape}, but a map shows {LAYOUTS}: index the other axes away")
    if weights.size == 0:
        raise ValueError(f"attention has shape {weights.shape}: there is nothing to draw")
    if weights.min() < 0:
        raise ValueError(f"attention holds {weights.min():.3g}, but weights are never negative: are these scores?")
    return weights


def _checked_head_axis(head_axis: int, weights: Array) -> int:
    axis = head_axis + weights.ndim if head_axis < 0 else head_axis
    if not 0 <= axis < weights.ndim - 1:
        raise ValueError(f"head_axis is {head_axis}, but the layouts of attention {weights.shape} are {LAYOUTS}")
    return axis


def _row_names(weights: Array, axis: int, head: int | None, row_labels: Sequence[str] | None) -> tuple[list[str], str]:
    """What each drawn row is called, and what the rows are together."""
    heads = [f"head {h}" for h in range(weights.shape[axis])]
    if weights.ndim == 2:
        names = heads if row_labels is None else list(row_labels)
        _check_length("row_labels", names, len(heads), "heads")
        return (names if head is None else [names[head]]), "head"

    row_axis = 1 - axis
    kind = "row" if row_axis == 0 else "query"
    count = weights.shape[row_axis]
    names = [str(r) for r in range(count)] if row_labels is None else list(row_labels)
    _check_length("row_labels", names, count, f"rows (axis {row_axis} of attention {weights.shape})")
    if head is not None:
        return names, kind
    if row_axis == 0:
        return [f"{name}, {head_name}" for name in names for head_name in heads], "row, head"
    return [f"{head_name}, {name}" for head_name in heads for name in names], "head, query"


def _check_length(argument: str, labels: Sequence[str], count: int, what: str) -> None:
    if len(labels) != count:
        raise ValueError(f"{argument} holds {len(labels)} names, but there are {count} {what}; layouts: {LAYOUTS}")


def _separate(ax: Axes, *, blocks: int, length: int) -> None:
    """A line between one block of rows and the next, while there are few enough to see."""
    if blocks <= MAX_TICKS:
        ax.hlines(np.arange(1, blocks) * length - 0.5, *ax.get_xlim(), colors="white", linewidths=1.0)


def _label(axis: Any, names: Sequence[str], *, block: int = 1) -> list[str]:
    """Write every name or, where they are too many, the first of every 1, 2, 5, 10, 20, 50, ... blocks."""
    step = 1
    if len(names) > MAX_TICKS:
        steps = (block * mantissa * 10**power for power in range(len(str(len(names)))) for mantissa in (1, 2, 5))
        step = next(step for step in steps if step * MAX_TICKS >= len(names))
    places = range(0, len(names), step)
    written = [names[place] for place in places]
    axis.set_ticks(places, labels=written)
    return written
