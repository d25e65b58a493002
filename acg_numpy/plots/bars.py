"""The comparison of models on one scale, a line for each.

How do they rank?
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.plots.curves import BLUE, VERMILION
from acg_numpy.plots.figures import finite_array, new_axes
from acg_numpy.text import joined

GREY = "0.45"
REFERENCE_LINES = ("item-ridge", "user-knn")  # not conditioners: drawn hollow, and in another colour
MINUS = "\N{MINUS SIGN}"  # as on the axis
SIGNIFICANT = 2.0  # standard errors beyond which a lead gets an asterisk


def baselines(metrics: Mapping[str, Any], *, measure: str = "ndcg@10", ax: Axes | None = None) -> Axes:
    """Draw how well each model ranks: the best on top, means as points, with errors of the difference to attention.

    Parameters
    ----------
    metrics : mapping
        As in metrics.json: `test`, and `paired` if there is one.
    measure : str
        ``"ndcg@10"``, the default, or ``"recall@10"``.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        The scale does not begin at 0, because differences are what matters.  Attention has a colour of its own, and a
        line down to the others; reference lines are hollow; where there are several runs, each is a short stroke.
        Beside each name stands the mean and, for ``NDCG@10``, in brackets attention's lead, with an asterisk if it is
        more than two standard errors, to either side: then the bar around the point, which is two standard errors of
        the difference to attention long to each side, does not reach attention's line.

    Raises
    ------
    ValueError
        If there is no model, or the measure is not among the metrics, or a figure is not finite.

    Examples
    --------
    >>> def row(*values):
    ...     return {"ndcg@10": {"mean": np.mean(values), "std": np.std(values), "values": values}}
    >>> ax = baselines({"test": {"popularity": row(0.47, 0.48), "attention": row(0.58, 0.60)}})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['popularity', 'attention']
    """
    test = metrics["test"]
    if not test:
        raise ValueError("metrics hold no model: there is nothing to draw")
    lacking = [name for name, row in test.items() if measure not in row]
    if lacking:
        known = sorted({key for row in test.values() for key, value in row.items() if isinstance(value, Mapping)})
        raise ValueError(f"measure is {measure!r}, which {lacking[0]!r} does not have; there are {joined(known)}")
    names = sorted(test, key=lambda name: (test[name][measure]["mean"], name))
    means = finite_array([test[name][measure]["mean"] for name in names], measure)
    runs = [finite_array(test[name][measure]["values"], measure) for name in names]
    paired = metrics.get("paired", {}) if measure == "ndcg@10" else {}
    if ax is None:
        ax = new_axes()

    if "attention" in names:
        ax.axvline(means[names.index("attention")], color=VERMILION, linewidth=1, linestyle=":", zorder=0)
    for y, (name, mean, values) in enumerate(zip(names, means, runs, strict=True)):
        colour = VERMILION if name == "attention" else GREY if name in REFERENCE_LINES else BLUE
        if len(values) > 1:
            ax.plot(values, np.full(len(values), y), "|", color=colour, markersize=9, alpha=0.6)
        if name in paired:
            reach = SIGNIFICANT * paired[name]["se"]
            ax.plot([mean - reach, mean + reach], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
        face = "white" if name in REFERENCE_LINES else colour
        marker = "D" if name == "attention" else "o"
        ax.plot([mean], [y], marker, color=colour, markerfacecolor=face, markersize=7, zorder=3)

    right = ax.secondary_yaxis("right")
    means_and_leads = [_mean_and_lead(name, test[name][measure]["mean"], paired) for name in names]
    header = ["mean (lead)"] if paired else ["mean"]
    right.set_yticks([*range(len(names)), len(names) - 0.2], labels=[*means_and_leads, *header])
    right.tick_params(length=0)
    ax.set_yticks(range(len(names)), labels=names, parse_math=False)
    ax.set_ylim(-0.7, len(names))
    ax.grid(axis="y", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in (*ax.spines.values(), *right.spines.values()):
        side.set_visible(side is ax.spines["bottom"])
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.06)
    ax.set_xlabel(_caption(measure, len(runs[0]), any(name in REFERENCE_LINES for name in names), bool(paired)))
    return ax


def _mean_and_lead(name: str, mean: float, paired: Mapping[str, Mapping[str, float]]) -> str:
    """Return what is written beside a model: its mean and, if known, attention's lead over it."""
    if name not in paired:
        return f"{mean:.3f}"
    difference, se = paired[name]["difference"], paired[name]["se"]
    lead = f"{difference:+.3f}".replace("-", MINUS)
    return f"{mean:.3f} ({lead}){'*' if abs(difference) > SIGNIFICANT * se else ''}"


def _caption(measure: str, runs: int, referred: bool, compared: bool) -> str:
    """Return the label of the axis, and below it what the marks mean."""
    lines = [f"{measure.upper() if measure.startswith('ndcg') else measure} on test pairs"]
    if marks := [*(["a stroke: one run"] if runs > 1 else []), *(["hollow: no conditioner"] if referred else [])]:
        lines.append("; ".join(marks))
    if compared:
        lines.append("in brackets: attention's lead; * more than two standard errors")
        lines.append("a bar: two standard errors of the difference to attention")
    return "\n".join(lines)
