"""Forest plots: attention's lead over each model, with its standard error, in every domain.

Where is attention ahead, and where behind?
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from acg_numpy.plots.bars import GREY, REFERENCE_LINES, SIGNIFICANT
from acg_numpy.plots.curves import BLUE
from acg_numpy.plots.figures import finite_array, new_figure
from acg_numpy.text import counted

MOST_PANELS = 12  # domains that can be read in one picture
COLUMNS = 4


def leads_by_domain(by_domain: Mapping[str, Mapping[str, Any]], *, figure: Figure | None = None) -> Figure:
    """Draw attention's lead over each model in ``NDCG@10``, a panel for each domain.

    Parameters
    ----------
    by_domain : mapping
        As in metrics.json: for each domain "pairs", the number of test pairs of each run, and "paired", for each model
        "difference" and "se".
    figure : matplotlib Figure, optional
        Where to draw; by default a new one.

    Returns
    -------
    matplotlib Figure
        To the right of the line attention is ahead, to the left behind.  Strokes reach two standard errors to each
        side; where they do not cross the line, the point is filled.  Models stand in one order in all panels, the one
        that attention leads by most at the bottom.  Of more than 12 domains those with most pairs are drawn.

    Raises
    ------
    ValueError
        If no domain has a difference to draw, or one is not finite.

    Examples
    --------
    >>> lead = {"film": {"difference": 0.02, "se": 0.004}}
    >>> drawn = leads_by_domain({"books": {"pairs": [90], "paired": lead}, "games": {"pairs": [40], "paired": lead}})
    >>> [ax.get_title() for ax in drawn.axes]
    ['books, 90 pairs', 'games, 40 pairs']
    """
    domains = {name: group for name, group in by_domain.items() if group["paired"]}
    if not domains:
        raise ValueError("by_domain holds no difference between models: there is nothing to draw")
    most = sorted(domains, key=lambda name: -sum(domains[name]["pairs"]))[:MOST_PANELS]
    domains = {name: group for name, group in domains.items() if name in most}
    models = list(next(iter(domains.values()))["paired"])
    leads = {name: _figures(group["paired"], models, "difference") for name, group in domains.items()}
    errors = {name: _figures(group["paired"], models, "se") for name, group in domains.items()}
    order = np.argsort(-np.mean(list(leads.values()), axis=0), kind="stable")
    models = [models[m] for m in order]

    columns = min(COLUMNS, len(domains))
    rows = -(-len(domains) // columns)
    if figure is None:
        figure = new_figure((2.3 + 1.8 * columns, 0.7 + rows * (0.8 + 0.2 * len(models))))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax, (name, lead) in zip(panels.flat, leads.items(), strict=False):
        ax.axvline(0, color="0.6", linewidth=1, zorder=0)
        for y, m in enumerate(order):
            colour = GREY if models[y] in REFERENCE_LINES else BLUE
            reach = SIGNIFICANT * errors[name][m]
            face = colour if abs(lead[m]) > reach else "white"
            ax.plot([lead[m] - reach, lead[m] + reach], [y, y], color=colour, linewidth=1.2)
            ax.plot([lead[m]], [y], "o", color=colour, markerfacecolor=face, markersize=5)
        ax.set_title(f"{name}, {counted(sum(domains[name]['pairs']), 'pair')}", fontsize="medium")
        ax.set_yticks(range(len(models)), labels=models)
        ax.set_ylim(-0.7, len(models) - 0.3)
        ax.xaxis.set_major_locator(MaxNLocator(4, prune="upper"))
        ax.grid(axis="y", color="0.92", linewidth=0.8)
        ax.tick_params(axis="y", length=0)
        ax.set_axisbelow(True)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
    for ax in panels.flat[len(domains) :]:
        ax.remove()
    for column in range(columns):  # the lowest panel of each column has the numbers
        ax = panels[rows - 1 if (rows - 1) * columns + column < len(domains) else rows - 2, column]
        ax.tick_params(axis="x", labelbottom=True)
    grey = "; grey: no conditioner" if set(models) & set(REFERENCE_LINES) else ""
    caption = f"attention's lead in NDCG@10, ± two standard errors; filled: more than two{grey}"
    figure.supxlabel(caption, fontsize="medium")
    return figure


def _figures(paired: Mapping[str, Mapping[str, float]], models: list[str], key: str) -> Any:
    return finite_array([paired[model][key] for model in models], key)
