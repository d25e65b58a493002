"""Quality against size: how well each model ranks, and how many parameters it has.

What does a better ranking cost?
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acg_numpy.plots.bars import GREY, REFERENCE_LINES, SIGNIFICANT
from acg_numpy.plots.curves import BLUE, VERMILION
from acg_numpy.plots.figures import finite_array, new_figure

LETTER, LINE = 4.6, 9.5  # points that a letter is wide, and a line high, at font size 8
KINDS = {"parameters": "parameters", "parameters_per_domain": "parameters for one more domain"}


def quality_and_parameters(metrics: Mapping[str, Any], *, figure: Figure | None = None) -> Figure:
    """Draw ``NDCG@10`` of each model against its parameters, and against what one more domain would add.

    Parameters
    ----------
    metrics : mapping
        As in metrics.json: `test`, whose rows have ``"ndcg@10"``, "parameters" and perhaps "parameters_per_domain"; and
        `paired`, if there is one.
    figure : matplotlib Figure, optional
        Where to draw; by default a new one.

    Returns
    -------
    matplotlib Figure
        A panel for each of the two that is known.  Scales of parameters are logarithmic, so models without any are not
        drawn.  Strokes are two standard errors of the difference to attention.

    Raises
    ------
    ValueError
        If no model has parameters, or a figure is not finite.

    Examples
    --------
    >>> test = {
    ...     "film": {"ndcg@10": {"mean": 0.5}, "parameters": 1632},
    ...     "attention": {"ndcg@10": {"mean": 0.6}, "parameters": 6336},
    ... }
    >>> [ax.get_xlabel() for ax in quality_and_parameters({"test": test}).axes]
    ['parameters']
    """
    test = metrics["test"]
    panels = {
        kind: names for kind in KINDS if (names := [name for name, row in test.items() if (row.get(kind) or 0) > 0])
    }
    if not panels:
        raise ValueError("metrics hold no model with parameters: there is nothing to draw")
    if figure is None:
        figure = new_figure((4.6 * len(panels), 4.0))
    all_axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for ax, (kind, names) in zip(all_axes, panels.items(), strict=True):
        _draw_panel(ax, [test[name][kind] for name in names], names, test, metrics.get("paired", {}))
        ax.set_xlabel(KINDS[kind])
    all_axes[0].set_ylabel("NDCG@10 on test pairs")
    _draw_names(figure, all_axes, list(panels.values()))
    return figure


def _draw_panel(
    ax: Axes, sizes: Sequence[int], names: Sequence[str], test: Mapping[str, Any], paired: Mapping[str, Any]
) -> None:
    means = finite_array([test[name]["ndcg@10"]["mean"] for name in names], "ndcg@10")
    ax.set_xscale("log")
    for size, mean, name in zip(sizes, means, names, strict=True):
        colour = VERMILION if name.startswith("attention") else GREY if name in REFERENCE_LINES else BLUE
        face = "white" if name in REFERENCE_LINES else colour
        marker = "D" if name == "attention" else "o"
        if name in paired:
            reach = SIGNIFICANT * paired[name]["se"]
            ax.plot([size, size], [mean - reach, mean + reach], color=colour, linewidth=1, alpha=0.6)
        ax.plot([size], [mean], marker, color=colour, markerfacecolor=face, markersize=6, zorder=3)
    if "attention" in test:
        ax.axhline(test["attention"]["ndcg@10"]["mean"], color=VERMILION, linewidth=1, linestyle=":", zorder=0)
    ax.set_xlim(min(sizes) / 3, max(sizes) * 3)
    ax.margins(y=0.08)
    ax.grid(color="0.93", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _draw_names(figure: Figure, all_axes: Any, names: Sequence[Sequence[str]]) -> None:
    """Write each name beside its point, where it covers no other name and no point."""
    figure.draw_without_rendering()  # so that it is known where points are
    points_per_pixel = 72 / figure.dpi
    for ax, shown in zip(all_axes, names, strict=True):
        marks = [line for line in ax.lines if line.get_marker() in ("o", "D")]
        at = np.array([ax.transData.transform((line.get_xdata()[0], line.get_ydata()[0])) for line in marks])
        at = at * points_per_pixel
        taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in at]
        for stroke in ax.lines:
            if stroke.get_marker() == "None" and len(set(stroke.get_xdata())) == 1:
                ends = ax.transData.transform(np.column_stack(stroke.get_data())) * points_per_pixel
                taken.append((ends[0, 0] - 2, ends[:, 1].min(), ends[0, 0] + 2, ends[:, 1].max()))
        area = ax.get_window_extent()
        left, right = area.x0 * points_per_pixel, area.x1 * points_per_pixel
        for line, (x, y), name in zip(marks, at, shown, strict=True):
            width = LETTER * len(name)
            places = [
                (dx, dy, side)
                for dy in (0, LINE, -LINE, 2 * LINE, -2 * LINE, 3 * LINE, -3 * LINE)
                for dx, side in ((8, "left"), (-8, "right"))
            ]
            boxes = []
            for dx, dy, side in places:
                start = x + dx if side == "left" else x + dx - width
                boxes.append((start, y + dy - LINE / 2, start + width, y + dy + LINE / 2))
            free = [
                n
                for n, box in enumerate(boxes)
                if left <= box[0] and box[2] <= right and not any(_overlap(box, other) for other in taken)
            ]
            n = free[0] if free else 0
            dx, dy, side = places[n]
            taken.append(boxes[n])
            ax.annotate(
                name,
                (line.get_xdata()[0], line.get_ydata()[0]),
                xytext=(dx, dy),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0} if dy else None,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
            )


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
