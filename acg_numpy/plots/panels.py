"""A panel for each head, domain or epoch, with one scale of colours for all.

Where did each head look?
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acg_numpy.plots.figures import finite_array, new_figure
from acg_numpy.plots.maps import BAR, attention_map, block_means, check_weights
from acg_numpy.shapes import Array

COLUMNS = 4  # panels side by side


def attention_heads(
    attention: Any,
    *,
    row_labels: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    head_axis: int = -2,
    figure: Figure | None = None,
) -> Figure:
    """Draw a map for each head, side by side, with one scale of colours for all.

    Parameters
    ----------
    attention : array or Tensor, shape (B, H, K), or (H, n_q, n_k) with `head_axis=0`
        Weights, none negative.
    row_labels, token_labels : sequence of str, optional
        Names of the rows (or queries), and of the tokens.
    head_axis : int, default -2
        The axis of the heads.
    figure : matplotlib Figure, optional
        Where to draw; by default a new one.

    Returns
    -------
    matplotlib Figure
        `figure.axes` holds a panel for each head, and then the colour bar.

    Raises
    ------
    ValueError
        As `attention_map` does.

    Examples
    --------
    >>> weights = np.random.default_rng(0).dirichlet(np.ones(8), size=(5, 4))  # 5 users, 4 heads, 8 tokens
    >>> [panel.get_title() for panel in attention_heads(weights).axes[:4]]
    ['head 0', 'head 1', 'head 2', 'head 3']
    """
    weights = check_weights(finite_array(attention, "attention"))
    if weights.ndim != 3:
        raise ValueError(
            f"attention has shape {weights.shape}, but panels are drawn of (B, H, K), or of (H, n_q, n_k) with "
            "head_axis=0; attention_map draws the heads of one user"
        )
    heads = weights.shape[head_axis]
    panels = _panels(figure, heads, weights.shape[1 - head_axis % 3])
    top = _largest_weight(np.moveaxis(weights, head_axis, 0))
    for head, ax in enumerate(panels):
        attention_map(
            weights,
            ax=ax,
            head=head,
            row_labels=row_labels,
            token_labels=token_labels,
            head_axis=head_axis,
            top=top,
            colour_bar=False,
        )
    return _add_colour_bar(panels)


def attention_by_domain(
    attention: Any,
    domain_id: Any,
    *,
    names: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw the mean attention of the users of each domain, a panel for each head.

    Heads are never averaged, users are: what a single one attends to is in `attention_map`.  Token 3 of one domain has
    nothing to do with token 3 of another; only shared tokens, which come last, are the same in every row.  For users of
    one domain, in groups, there is `attention_by_group`.

    Parameters
    ----------
    attention : array or Tensor, shape (B, H, K)
    domain_id : integer array, shape (B,)
        Of each user, from 0.
    names : sequence of str, optional
        Of the domains; by default their numbers.
    token_labels : sequence of str, optional
    figure : matplotlib Figure, optional
        Where to draw; by default a new one.

    Returns
    -------
    matplotlib Figure
        A row for each domain that has users, with how many they are.

    Raises
    ------
    ValueError
        If there is not one id for each user, or not a name for each domain.

    Examples
    --------
    >>> weights = np.random.default_rng(0).dirichlet(np.ones(8), size=(5, 4))
    >>> figure = attention_by_domain(weights, [0, 0, 1, 1, 1], names=["books", "films"])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['books (2)', 'films (3)']
    """
    figure = _draw_means("domain_id", attention, domain_id, names, token_labels, figure)
    figure.suptitle("mean attention of the users of each domain", fontsize="medium")
    return figure


def attention_by_group(
    attention: Any,
    group_id: Any,
    *,
    names: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw the mean attention of groups of users in one domain, a panel for each head.

    Groups can be any that distinguish users: by strongest taste, by number of interactions, by date of arrival.
    If a column changes from row to row, the head attends to that token for one group and not for another; if all
    rows are alike, it knows no difference between the groups.

    Parameters
    ----------
    attention : array or Tensor, shape (B, H, K)
        Of users in one domain, so that token 3 is the same for all.
    group_id : integer array, shape (B,)
        Of each user, from 0.
    names : sequence of str, optional
        Of the groups; by default their numbers.
    token_labels : sequence of str, optional
    figure : matplotlib Figure, optional
        Where to draw; by default a new one.

    Returns
    -------
    matplotlib Figure
        A row for each group that has users, with their number: the mean of a few is largely chance.

    Raises
    ------
    ValueError
        If there is not one id for each user, or not a name for each group.

    Examples
    --------
    >>> weights = np.random.default_rng(0).dirichlet(np.ones(8), size=(5, 4))
    >>> took = np.array([3, 40, 25, 7, 31])
    >>> figure = attention_by_group(weights, np.digitize(took, [10]), names=["below 10", "10 and more"])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['below 10 (2)', '10 and more (3)']
    """
    figure = _draw_means("group_id", attention, group_id, names, token_labels, figure)
    figure.suptitle("mean attention of the users of each group", fontsize="medium")
    return figure


def _draw_means(
    argument: str,
    attention: Any,
    groups: Any,
    names: Sequence[str] | None,
    token_labels: Sequence[str] | None,
    figure: Figure | None,
) -> Figure:
    """Draw panels of the means over the users of each group, a row for each group."""
    weights = check_weights(finite_array(attention, "attention"))
    ids = np.asarray(groups)
    if weights.ndim != 3 or ids.shape != weights.shape[:1] or ids.dtype.kind not in "iu":
        raise ValueError(
            f"{argument} has shape {ids.shape} and dtype {ids.dtype}; expected one integer for each row of attention, "
            f"which has shape {weights.shape} where (B, H, K) is expected"
        )
    found, counts = np.unique(ids, return_counts=True)
    if names is not None and not 0 <= found[0] <= found[-1] < len(names):
        raise ValueError(
            f"{argument} runs from {found[0]} to {found[-1]}, but there are {len(names)} names, numbered from 0"
        )
    group_names = [str(d) if names is None else names[d] for d in found]
    means = np.stack([weights[ids == d].mean(axis=0) for d in found])
    rows = [f"{name} ({count:,})" for name, count in zip(group_names, counts, strict=True)]
    figure = attention_heads(means, row_labels=rows, token_labels=token_labels, figure=figure)
    for panel in figure.axes[: weights.shape[1]]:
        panel.set_ylabel("")
    return figure


def attention_through_training(
    snapshots: Any,
    epochs: Sequence[int],
    *,
    row_labels: Sequence[str] | None = None,
    token_labels: Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw the same map at several epochs, small and side by side, with one scale of colours for all.

    Parameters
    ----------
    snapshots : array or Tensor, shape (E, rows, K)
        The weights of the same rows, users or heads, after each of the epochs.
    epochs : sequence of int, length E
        0 is before the first step.
    row_labels, token_labels : sequence of str, optional
    figure : matplotlib Figure, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there is not one epoch for each snapshot.

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=(2, 8))
    >>> sharper = [np.exp(t * scores) / np.exp(t * scores).sum(-1, keepdims=True) for t in (0, 1, 3)]
    >>> [panel.get_title() for panel in attention_through_training(sharper, [0, 10, 60]).axes[:3]]
    ['epoch 0', 'epoch 10', 'epoch 60']
    """
    weights = check_weights(finite_array(snapshots, "snapshots"))
    if weights.ndim != 3 or len(epochs) != len(weights):
        raise ValueError(
            f"snapshots has shape {weights.shape} where (E, rows, K) is expected, with one of the {len(epochs)} epochs "
            "for each of the E"
        )
    panels = _panels(figure, len(weights), weights.shape[1])
    top = _largest_weight(weights)
    for epoch, rows, ax in zip(epochs, weights, panels, strict=True):
        attention_map(rows, ax=ax, row_labels=row_labels, token_labels=token_labels, top=top, colour_bar=False)
        ax.set_title(f"epoch {epoch}")
        ax.set_ylabel("")
    return _add_colour_bar(panels)


def _largest_weight(maps: Array) -> float:
    """Return the largest weight that any of the maps shows."""
    return max(float(block_means(rows)[0].max()) for rows in maps) or 1.0


def _grid(count: int) -> tuple[int, int]:
    """Return the numbers of lines and columns for this many panels, no line much emptier than the others.

    Examples
    --------
    >>> _grid(3), _grid(4), _grid(5), _grid(6), _grid(9)
    ((1, 3), (1, 4), (2, 3), (2, 3), (3, 3))
    """
    lines = -(-count // COLUMNS)
    return lines, -(-count // lines)


def _panels(figure: Figure | None, count: int, rows: int) -> list[Axes]:
    """Return axes for `count` panels of `rows` rows, of which only the outer ones are labelled."""
    lines, columns = _grid(count)
    if figure is None:
        height = lines * min(max(1.9, 0.9 + 0.22 * rows), 5.0)
        figure = new_figure((min(3.2 * columns, 12.0) + 1.4, height + 0.6))
    grid: Array = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for unused in grid.ravel()[count:]:
        unused.remove()
    return list(grid.ravel()[:count])


def _add_colour_bar(panels: list[Axes]) -> Figure:
    """Return the figure, with one colour bar for all of its panels, and labels at its edge only."""
    figure = panels[0].figure
    assert isinstance(figure, Figure)
    _, columns = _grid(len(panels))
    for place, ax in enumerate(panels):
        below, _, means = ax.get_xlabel().partition(" (")
        if means:  # too long for each of them
            figure.supxlabel(means.rstrip(")") + " tokens", fontsize="medium")
        ax.label_outer()
        if place + columns >= len(panels):  # the lowest of its column, even where the last line has fewer
            ax.set_xlabel(below)
            ax.tick_params(labelbottom=True)
    figure.colorbar(panels[0].images[0], ax=panels).set_label(BAR)
    return figure
