"""The meaning of tokens: the items that a token favours, and the tastes that its attention follows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.plots.figures import finite_array, new_axes, new_figure, root_figure
from acg_numpy.plots.maps import block_means, label_axis, label_tokens, repeat_cells

LETTER = 0.62  # width of a letter, relative to the font size
MOST_TOKENS = 40  # tokens whose items can be read in one picture


def token_items(
    scores: Any,
    item_names: Sequence[str],
    *,
    top: int = 5,
    token_labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw, for each token, the items that score highest against its value.

    Parameters
    ----------
    scores : array or Tensor, shape (K, items)
        Of each item against what each token adds to a condition: with the value of the token in every head carried
        through the output projection, `value @ output @ item_vectors.T`.
    item_names : sequence of str
        Names of the items.
    top : int, default 5
        How many items of each token are drawn.
    token_labels : sequence of str, optional
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        A row for each token, the item of the highest score first.  The colour is how many standard deviations of that
        token's scores the item stands above their mean, so that tokens can be compared.  Of more than 40 tokens, those
        whose first item stands out most, which the title says.

    Raises
    ------
    ValueError
        If there is not a name for each item, or not a label for each token, or `top` is less than 1.

    Examples
    --------
    >>> scores = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 0.0]])
    >>> ax = token_items(scores, ["Alien", "Bambi", "Casablanca"], top=2)
    >>> [text.get_text() for text in ax.texts]
    ['Alien', 'Casablanca', 'Bambi', 'Alien']
    """
    table = finite_array(scores, "scores")
    if table.ndim != 2 or table.size == 0 or table.shape[1] != len(item_names):
        raise ValueError(
            f"scores has shape {table.shape}, but (K, items) is expected, with the {len(item_names)} names of the items"
        )
    if top < 1:
        raise ValueError(f"top is {top}; at least one item of each token is drawn")
    labels = [f"token {k}" for k in range(len(table))] if token_labels is None else list(map(str, token_labels))
    if len(labels) != len(table):
        raise ValueError(f"token_labels holds {len(labels)} names, but there are {len(table)} tokens")
    order = np.argsort(-table, axis=1, kind="stable")[:, :top]  # (K, top)
    deviation = table.std(axis=1, keepdims=True)
    standardised = (table - table.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1.0)
    above = np.take_along_axis(standardised, order, axis=1)  # (K, top)
    K = len(labels)
    if K > MOST_TOKENS:
        shown = np.sort(np.argsort(-above[:, 0], kind="stable")[:MOST_TOKENS])
        order, above, labels = order[shown], above[shown], [labels[k] for k in shown]
    if ax is None:
        ax = new_figure((2.4 + 1.9 * order.shape[1], max(1.0 + 0.4 * len(labels), 2.4))).subplots()
    if K > MOST_TOKENS:
        ax.set_title(f"the {MOST_TOKENS} of {K:,} tokens whose first item stands out most", fontsize="medium")
    image = ax.imshow(
        above, cmap="cividis", vmin=0.0, vmax=max(float(above.max()), 1e-12), aspect="auto", origin="upper"
    )
    ax.set_xticks(range(order.shape[1]), [str(rank + 1) for rank in range(order.shape[1])])
    ax.set_yticks(range(len(labels)), labels=labels, parse_math=False)
    ax.set_xlabel("rank among the items of the domain")
    figure = root_figure(ax)
    figure.colorbar(image, ax=ax).set_label("standard deviations\nabove the token's mean")
    figure.draw_without_rendering()  # now the layout is made, and a cell has its size
    extent = ax.get_window_extent()
    wide, high = (
        72 * extent.width / figure.dpi / order.shape[1],
        72 * extent.height / figure.dpi / len(labels),
    )  # points
    size = float(np.clip(0.6 * high, 4.0, 8.0))
    letters = max(4, int(wide / (LETTER * size)))
    middle = image.get_clim()[1] / 2
    for (k, rank), item in np.ndenumerate(order):
        name = shorten(str(item_names[int(item)]), letters)
        colour = "black" if above[k, rank] > middle else "white"
        ax.text(rank, k, name, ha="center", va="center", color=colour, fontsize=size, parse_math=False)
    return ax


def shorten(name: str, letters: int) -> str:
    """Shorten a name to one line of this many letters.

    Examples
    --------
    >>> shorten("The Third Man (1949)", 12), shorten("$9.99", 12)
    ('The Third M…', '$9.99')
    """
    line = " ".join(name.split())
    return line if len(line) <= letters else line[: letters - 1] + "…"


def taste_map(
    correlations: Any,
    assigned: Any,
    *,
    taste_labels: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how attention to each token correlates with the weight of each true taste, and the token assigned to each.

    Parameters
    ----------
    correlations : array, shape (tastes, tokens)
        Over users, between the weight of the taste and the attention to the token.
    assigned : integer array, shape (tastes,)
        The token that the best assignment gives to each taste, -1 for none.
    taste_labels, token_labels : sequence of str, optional
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Colours run from -1 to 1 and white is 0; a ring marks the assigned token.  With more than 256 tokens
        neighbours share a cell, as in `attention_map`.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> ax = taste_map([[0.9, -0.1], [0.0, 0.7]], [0, 1], taste_labels=["noir", "slapstick"])
    >>> ax.get_title()
    'mean of the assigned: 0.80'
    """
    table, chosen = finite_array(correlations, "correlations"), np.asarray(assigned)
    if table.ndim != 2 or chosen.shape != table.shape[:1] or table.size == 0:
        raise ValueError(
            f"correlations has shape {table.shape} and assigned {chosen.shape}; (tastes, tokens) and (tastes,) are "
            "expected"
        )
    if ax is None:
        ax = new_axes()
    named = ((taste_labels, "taste", len(table)), (token_labels, "token", table.shape[1]))
    tastes_named, tokens_named = (
        [f"{what} {n}" for n in range(count)] if labels is None else list(map(str, labels))
        for labels, what, count in named
    )
    if (len(tastes_named), len(tokens_named)) != table.shape:
        raise ValueError(
            f"there are {len(tastes_named)} taste_labels and {len(tokens_named)} token_labels, but correlations has "
            f"shape {table.shape}"
        )
    cells, (down, across) = block_means(table)
    right, bottom = cells.shape[1] * across - 0.5, cells.shape[0] * down - 0.5
    image = ax.imshow(
        repeat_cells(cells),
        cmap="RdBu_r",
        vmin=-1.0,
        vmax=1.0,
        aspect="auto",
        origin="upper",
        extent=(-0.5, right, bottom, -0.5),
    )
    ax.set(xlim=(-0.5, table.shape[1] - 0.5), ylim=(len(table) - 0.5, -0.5))
    ax.set_xlabel("" if across == 1 else f"a cell is the mean of {across} tokens")
    ax.set_ylabel("" if down == 1 else f"a cell is the mean of {down} tastes")
    label_axis(ax.yaxis, tastes_named)
    label_tokens(ax, tokens_named)
    tastes = np.flatnonzero(chosen >= 0)
    ax.plot(chosen[tastes], tastes, "o", markersize=10, markerfacecolor="none", markeredgecolor="black")
    mean = table[tastes, chosen[tastes]].mean() if tastes.size else float("nan")
    ax.set_title(f"mean of the assigned: {mean:.2f}", fontsize="medium")
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax).set_label("correlation over users")
    return ax
