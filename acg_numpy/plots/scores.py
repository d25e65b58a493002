"""The scores of one query, component by component.

Why does a query attend to a key?
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.passes import softmax_forward
from acg_numpy.plots.bars import MINUS
from acg_numpy.plots.figures import finite_array, new_figure
from acg_numpy.plots.maps import label_axis, repeat_cells
from acg_numpy.plots.meanings import shorten

MOST_KEYS = 40  # keys whose scores can be read in one picture
LONGEST = 24  # letters of a key's name


def attention_scores(
    query: Any, key: Any, *, token_labels: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what each component adds to the scores of one query: a row for each key, a column for each component.

    Parameters
    ----------
    query : array or Tensor, shape (d,)
        Of one user, or position, in one head.
    key : array or Tensor, shape (K, d)
        Of the tokens, in the same head.
    token_labels : sequence of str, optional
        Names of the tokens; by default their numbers.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        Cells are q_i k_ji / sqrt(d), red above 0 and blue below.  A row sums to the score of its key, which stands to
        the right of it with the weight that softmax makes of it.  With more than 40 keys, only those of the
        highest scores, as the title says.

    Raises
    ------
    ValueError
        If the shapes do not fit, or hold nothing, or there is not a name for each key.

    Examples
    --------
    >>> ax = attention_scores([2.0, 0.0], [[1.0, 5.0], [0.5, 5.0]])
    >>> np.asarray(ax.images[0].get_array()).round(2)
    array([[1.41, 0.  ],
           [0.71, 0.  ]])
    >>> [label.get_text() for label in ax.child_axes[0].get_yticklabels()]
    ['1.41, 67.0%', '0.71, 33.0%']
    """
    q, k = finite_array(query, "query"), finite_array(key, "key")
    if q.ndim != 1 or k.ndim != 2 or k.shape[1:] != q.shape or k.size == 0:
        raise ValueError(
            f"query has shape {q.shape} and key {k.shape}, but (d,) and (K, d) are expected, of one query in one head"
        )
    K, d = k.shape
    labels = (
        [str(n) for n in range(K)] if token_labels is None else [shorten(str(name), LONGEST) for name in token_labels]
    )
    if len(labels) != K:
        raise ValueError(f"token_labels holds {len(labels)} names, but there are {K} keys")
    parts = q * k / math.sqrt(d)  # (K, d)
    scores = parts.sum(axis=1)
    weights = softmax_forward(scores)[0]
    shown = np.sort(np.argsort(-scores, kind="stable")[:MOST_KEYS])
    if ax is None:
        ax = new_figure((min(3.6 + 0.2 * d, 10.0), max(0.9 + 0.3 * len(shown), 2.2))).subplots()
    most = float(np.abs(parts[shown]).max()) or 1.0
    extent = (-0.5, d - 0.5, len(shown) - 0.5, -0.5)
    image = ax.imshow(
        repeat_cells(parts[shown]), cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto", origin="upper", extent=extent
    )
    label_axis(ax.xaxis, [str(i) for i in range(d)])
    ax.set_xlabel("component of the query and the keys")
    ax.set_yticks(range(len(shown)), labels=[labels[n] for n in shown], parse_math=False)
    ax.set_ylabel("token")
    right = ax.secondary_yaxis("right")
    scores_and_weights = [f"{scores[n]:.2f}, {weights[n]:.1%}".replace("-", MINUS) for n in shown]
    right.set_yticks(range(len(shown)), labels=scores_and_weights)
    right.set_ylabel("score, weight")
    right.tick_params(length=0)
    if len(shown) < K:
        ax.set_title(f"the {MOST_KEYS} of {K:,} tokens with the highest scores", fontsize="medium")
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax, pad=0.03).set_label("adds to the score")
    return ax
