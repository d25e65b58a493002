"""The entropy of attention, from 0 (one token) to that of equal weights.

How many tokens does a head look at?
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from acg_numpy.plots.figures import finite_array, new_axes
from acg_numpy.plots.maps import MAX_TICKS, check_weights, label_axis
from acg_numpy.shapes import Array

POINTS = 300  # rows of a head that are drawn as points


def attention_entropy(attention: Any, *, ax: Axes | None = None) -> Axes:
    """Draw how many tokens each head looks at, for each row: 2 to the power of its entropy.

    A row that spreads its weight evenly over n tokens has an entropy of log2(n) bits, so it looks at n tokens; one that
    takes one token only has entropy 0, and looks at 1.

    Parameters
    ----------
    attention : array or Tensor, shape (B, H, K)
        Weights of B rows, users or queries, in H heads.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        A box for each head (the middle half of its rows, the median as a line) over the rows themselves, or, where
        there are many, over 300 of them at equal ranks; of more than 16 heads the boxes alone.  A dashed line at K:
        every token alike.

    Raises
    ------
    ValueError
        If the array has another number of axes, or holds nothing, a negative number or NaN.

    Examples
    --------
    >>> one, all_alike = [1.0, 0.0, 0.0, 0.0], [0.25] * 4
    >>> ax = attention_entropy([[one, all_alike], [one, all_alike]])
    >>> [line.get_ydata()[0] for line in ax.lines if line.get_label() == "median"]
    [np.float64(1.0), np.float64(4.0)]
    """
    weights = check_weights(finite_array(attention, "attention"))
    if weights.ndim != 3:
        raise ValueError(f"attention has shape {weights.shape}, but (B, H, K) is expected: rows, heads, tokens")
    tokens = 2 ** entropy(weights)  # (B, H)
    heads = tokens.shape[1]
    if ax is None:
        ax = new_axes()
    boxes = ax.boxplot(
        list(tokens.T),
        positions=range(heads),
        widths=0.5,
        showfliers=False,
        medianprops={"color": "#D55E00", "linewidth": 2.0},
    )
    for line in boxes["medians"]:
        line.set_label("median")
    ranks = np.unique(np.linspace(0, len(tokens) - 1, min(len(tokens), POINTS)).round().astype(int))
    shown = np.sort(tokens, axis=0)[ranks]
    offsets = np.linspace(-0.12, 0.12, 7)[np.arange(len(shown)) % 7]  # points of similar height do not overlap
    for head in range(heads) if heads <= MAX_TICKS else ():
        ax.plot(head + offsets, shown[:, head], ".", color="#0072B2", alpha=0.4, markersize=4, zorder=0)
    K = weights.shape[-1]
    ax.axhline(K, color="#555555", linestyle="--", linewidth=1.0)
    ax.annotate(
        f"all {K:,} alike" if K > 1 else "the only one",
        (0.99, K),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
    )
    named = heads <= MAX_TICKS // 2
    label_axis(ax.xaxis, [f"head {h}" if named else str(h) for h in range(heads)])
    ax.set_xlabel("" if named else "head")
    ax.set_ylim((0.9, K * (1.15 if K <= 16 else 1.8)) if K > 1 else (0, 2))
    if K > 16:
        ax.set_yscale("log", base=2)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylabel("tokens looked at, 2^entropy")
    ax.set_title(f"{len(tokens):,} rows", fontsize="medium")
    return ax


def entropy(weights: Array) -> Array:
    """Return the entropy, in bits, of the distributions along the last axis; 0 for a row of zeros.

    Examples
    --------
    >>> entropy(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]))
    array([1., 0.])
    """
    bits: Array = -np.sum(weights * np.log2(np.where(weights > 0, weights, 1.0)), axis=-1)
    return np.maximum(bits, 0.0)
