"""How do results look in a notebook?  A run as its table and words, a recommendation with where attention went.

Jupyter shows what `_repr_html_` returns; the names of domains, items and users in it are escaped.  The weights that a
conditioner returns are a Tensor like any other, and a Tensor is shown as its numbers, for it cannot know that it is an
attention; `acg_numpy.plots.attention_map(attention)` shows them as what they are.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from acg_numpy.recommender.reporting.document import markdown_html, with_literal_names
from acg_numpy.recommender.reporting.words import markdown

if TYPE_CHECKING:
    pass


def result_html(metrics: Mapping[str, Any]) -> str:
    """The words and tables of metrics.md, with headings of a size that suits a cell.

    Examples
    --------
    >>> spread = {"mean": 0.5, "std": 0.0, "values": [0.5]}
    >>> row = {"ndcg@10": spread, "recall@10": spread, "parameters": 8, "seconds": 1.0}
    >>> metrics = {"test": {"attention": row}, "paired": {}, "runs": [{"seed": 0, "pairs": {"test": 9}}]}
    >>> result_html({**metrics, "users": 3, "items": 4, "domains": ["<b>"]}).split(chr(10))[1]
    '<p>3 users, 4 items, 1 domains: &#60;b&#62;. Test pairs of user and domain: 9 (seed 0).</p>'
    """
    lines = markdown(with_literal_names(metrics)).splitlines()
    smaller = [f"##{line}" if line.startswith("#") else line for line in lines]
    return f"<div class='acg-result'>{markdown_html(smaller)}</div>"
