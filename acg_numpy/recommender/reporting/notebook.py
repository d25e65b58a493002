"""The display of a run in a notebook: its words and tables, as HTML and as Markdown.

Jupyter shows what `_repr_html_` returns.  The weights that a conditioner returns are a Tensor like any other, and a
Tensor is shown as its numbers, because it cannot know that it is an attention;
`acg_numpy.plots.attention_map(attention)` shows them as what they are.
"""

from collections.abc import Mapping
from typing import Any

from acg_numpy.recommender.reporting.html import render_fragment
from acg_numpy.recommender.reporting.markdown import render_markdown
from acg_numpy.recommender.reporting.words import summary


def result_html(metrics: Mapping[str, Any]) -> str:
    """Return the words and tables of metrics.md as HTML, with headings of a size that suits a cell.

    Examples
    --------
    >>> spread = {"mean": 0.5, "std": 0.0, "values": [0.5]}
    >>> row = {"ndcg@10": spread, "recall@10": spread, "parameters": 8, "seconds": 1.0}
    >>> metrics = {"test": {"attention": row}, "paired": {}, "runs": [{"seed": 0, "pairs": {"test": 9}}]}
    >>> result_html({**metrics, "users": 3, "items": 4, "domains": ["<b>"]}).split(chr(10))[1]
    '<p>3 users, 4 items, 1 domain: &lt;b&gt;. Test pairs of user and domain: 9 (seed 0).</p>'
    """
    return f"<div class='acg-result'>{render_fragment(summary(metrics))}</div>"


def result_markdown(metrics: Mapping[str, Any]) -> str:
    """Return the text of metrics.md."""
    return render_markdown(summary(metrics))
