"""A map of attention weights: a row is a distribution over tokens.

Where did attention go?
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.plots.figures import finite_array, new_axes, root_figure
from acg_numpy.shapes import Array

BAR = "attention weight\n(weights are not causes)"
MAX_TICKS = 16  # labels on one axis; beyond that every n-th is written
TICKS_PER_INCH, LETTERS_PER_INCH = 3.3, 10  # below a map
SHORT_NAME = 4  # letters at most in a name that is not slanted to save room
MOST_CELLS = 256  # in a row or a column of a map: more are no wider than a few pixels
NARROW = 64  # of more, a cell may be narrower than three pixels
MAX_LETTERS = 50  # in all the labels below the map; beyond that they are slanted
LAYOUTS = "(H, K), (B, H, K), or (H, n_q, n_k) with head_axis=0"


def attention_map(
    attention: Any,
    *,
    ax: Axes | None = None,
    head: int | None = None,
    row_labels: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    head_axis: int = -2,
    top: float | None = None,
    colour_bar: bool = True,
) -> Axes:
    """Draw attention weights as a map: a row for each distribution, a column for each token, a colour for each weight.

    Heads are never averaged.  Without `head`, every head of every row is drawn, one above the other in the order of the
    array's axes; with it, that head alone.

    Parameters
    ----------
    attention : array or Tensor, shape (H, K), (B, H, K) or (H, n_q, n_k)
        Weights, none negative.  The first two are what a conditioner returns for one user and for a batch; the third
        is what `MultiHeadCrossAttention` returns for one sequence of queries, and needs `head_axis=0`.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.
    head : int, optional
        The one head to draw, from 0.
    row_labels : sequence of str, optional
        Names of the B rows (or L queries); of the H heads if the array is (H, K).
    token_labels : sequence of str, optional
        Names of the tokens, one a column.
    head_axis : int, default -2
        The axis of the heads.  Shape alone cannot tell (B, H, K) from (H, n_q, n_k).
    top : float, optional
        The weight at the top of the colours, the same for maps that are to be compared; by default the largest drawn.
    colour_bar : bool, default True
        Whether to draw the bar that says what a colour means.

    Returns
    -------
    matplotlib Axes
        Colours run from 0 to `top`.  With more than 256 tokens, or rows, neighbours share a cell, which shows their
        mean, so that at most 256 cells are left; the label of the axis says how many share one.

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
    weights = check_weights(finite_array(attention, "attention"))
    axis = _checked_head_axis(head_axis, weights)
    if head is not None and not -weights.shape[axis] <= head < weights.shape[axis]:
        raise IndexError(
            f"head is {head}, but axis {axis} of attention {weights.shape} counts {weights.shape[axis]} heads "
            f"(numbered from 0); other layouts: {LAYOUTS}"
        )

    names, kind = _row_names(weights, axis, head, row_labels)
    tokens = [str(k) for k in range(weights.shape[-1])] if token_labels is None else list(map(str, token_labels))
    _check_length("token_labels", tokens, weights.shape[-1], "tokens")
    rows = weights if head is None else np.take(weights, [head], axis=axis)
    rows = rows.reshape(-1, weights.shape[-1])  # (rows, K)
    cells, (down, across) = block_means(rows)
    top = (float(cells.max()) or 1.0) if top is None else top

    if ax is None:
        ax = new_axes()
    right, bottom = cells.shape[1] * across - 0.5, cells.shape[0] * down - 0.5
    image = ax.imshow(
        repeat_cells(cells),
        cmap="viridis",
        vmin=0.0,
        vmax=top,
        aspect="auto",
        origin="upper",
        extent=(-0.5, right, bottom, -0.5),
    )
    ax.set(xlim=(-0.5, rows.shape[1] - 0.5), ylim=(rows.shape[0] - 0.5, -0.5))  # the last cell may stand for fewer
    if head is None and weights.ndim == 3:
        _draw_separators(ax, blocks=weights.shape[0], length=weights.shape[1])
    block = weights.shape[1] if head is None and weights.ndim == 3 else 1
    label_tokens(ax, tokens)
    label_axis(ax.yaxis, names, block=block)
    ax.set_xlabel("token" if across == 1 else f"token (a cell is the mean of {across})")
    ax.set_ylabel(kind if down == 1 else f"{kind} (a cell is the mean of {down})")
    if head is not None:
        ax.set_title(f"head {head % weights.shape[axis]}")
    if not colour_bar:
        return ax
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax).set_label(BAR)
    return ax


def check_weights(weights: Array) -> Array:
    """Return the weights if a map can show them: two or three axes, not empty, nothing negative."""
    if weights.ndim not in (2, 3):
        raise ValueError(f"attention has shape {weights.shape}, but a map shows {LAYOUTS}: index the other axes away")
    if weights.size == 0:
        raise ValueError(f"attention has shape {weights.shape}: there is nothing to draw")
    if weights.min() < 0:
        raise ValueError(f"attention holds {weights.min():.3g}, but weights are never negative: are these scores?")
    return weights


def block_means(rows: Array) -> tuple[Array, tuple[int, int]]:
    """Return means of blocks of cells, so that no more than can be seen are left, and the blocks' height and width.

    Examples
    --------
    >>> cells, block = block_means(np.arange(1000.0)[None])
    >>> cells.shape, block, cells[0, :2]
    ((1, 250), (1, 4), array([1.5, 5.5]))
    """
    down, across = (-(-length // MOST_CELLS) for length in rows.shape)
    for axis, block in ((0, down), (1, across)):
        starts = np.arange(0, rows.shape[axis], block)
        counts = np.diff(starts, append=rows.shape[axis])
        shape = (-1, 1) if axis == 0 else (1, -1)
        rows = np.add.reduceat(rows, starts, axis=axis) / counts.reshape(shape) if block > 1 else rows
    return rows, (down, across)


def repeat_cells(cells: Array) -> Array:
    """Repeat cells along an axis of few, if the other axis has many, because smoothing narrow cells blurs wide ones.

    Matplotlib smooths an image whose cells are hardly larger than pixels, in both directions alike.

    Examples
    --------
    >>> (
    ...     repeat_cells(np.zeros((3, 8))).shape,
    ...     repeat_cells(np.zeros((3, 250))).shape,
    ...     repeat_cells(np.zeros((200, 1))).shape,
    ... )
    ((3, 8), (258, 250), (200, 256))
    """
    down, across = (
        -(-MOST_CELLS // length) if other > NARROW else 1
        for length, other in zip(cells.shape, cells.shape[::-1], strict=True)
    )
    return np.repeat(np.repeat(cells, down, axis=0), across, axis=1)


def _checked_head_axis(head_axis: int, weights: Array) -> int:
    axis = head_axis + weights.ndim if head_axis < 0 else head_axis
    if not 0 <= axis < weights.ndim - 1:
        raise ValueError(f"head_axis is {head_axis}, but the layouts of attention {weights.shape} are {LAYOUTS}")
    return axis


def _row_names(weights: Array, axis: int, head: int | None, row_labels: Sequence[str] | None) -> tuple[list[str], str]:
    """Return the name of each drawn row, and what the rows are."""
    heads = [f"head {h}" for h in range(weights.shape[axis])]
    if weights.ndim == 2:
        names = heads if row_labels is None else list(map(str, row_labels))
        _check_length("row_labels", names, len(heads), "heads")
        return (names if head is None else [names[head]]), "head"

    row_axis = 1 - axis
    kind = "row" if row_axis == 0 else "query"
    count = weights.shape[row_axis]
    names = [str(r) for r in range(count)] if row_labels is None else list(map(str, row_labels))
    _check_length("row_labels", names, count, f"rows (axis {row_axis} of attention {weights.shape})")
    if head is not None:
        return names, kind
    if row_axis == 0:
        return [f"{name}, {head_name}" for name in names for head_name in heads], "row, head"
    return [f"{head_name}, {name}" for head_name in heads for name in names], "head, query"


def _check_length(argument: str, labels: Sequence[str], count: int, what: str) -> None:
    if len(labels) != count:
        raise ValueError(f"{argument} holds {len(labels)} names, but there are {count} {what}; layouts: {LAYOUTS}")


def _draw_separators(ax: Axes, *, blocks: int, length: int) -> None:
    """Draw a line between one block of rows and the next, if there are few enough to see."""
    if blocks <= MAX_TICKS:
        ax.hlines(np.arange(1, blocks) * length - 0.5, *ax.get_xlim(), colors="white", linewidths=1.0)


def label_tokens(ax: Axes, names: Sequence[str]) -> None:
    """Write the names of tokens below a map, slanted if they are long."""
    figure = root_figure(ax)
    inches = ax.get_window_extent().width / figure.dpi
    most, longest = TICKS_PER_INCH * inches, max(map(len, names))
    if longest <= SHORT_NAME:  # longer ones are slanted, and take less room the more of them there are
        most = min(most, LETTERS_PER_INCH * inches / (longest + 2))
    written = label_axis(ax.xaxis, names, most=max(2, min(MAX_TICKS, int(most))))
    if sum(map(len, written)) > MAX_LETTERS:
        ax.tick_params(axis="x", labelrotation=45)
        for text in ax.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def label_axis(axis: Any, names: Sequence[str], *, block: int = 1, most: int = MAX_TICKS) -> list[str]:
    """Write every name or, if they are too many, the first of every 1, 2, 5, 10, 20, 50, ... blocks; return those."""
    step = 1
    if len(names) > most:
        steps = (block * mantissa * 10**power for power in range(len(str(len(names)))) for mantissa in (1, 2, 5))
        step = next(step for step in steps if step * most >= len(names))
    places = range(0, len(names), step)
    written = [names[place] for place in places]
    axis.set_ticks(places, labels=written, parse_math=False)
    return written
