"""How do results look in a notebook?  A run as its table and words, a recommendation with where attention went.

Jupyter shows what `_repr_html_` returns; the names of domains, items and users in it are escaped.  The weights that a
conditioner returns are a Tensor like any other, and a Tensor is shown as its numbers, for it cannot know that it is an
attention; `acg_numpy.plots.attention_map(attention)` shows them as what they are.
"""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from acg_numpy.shapes import Array
from acg_numpy.training.page import markdown_html, with_literal_names
from acg_numpy.training.report import markdown

if TYPE_CHECKING:
    from acg_numpy.training.recommending import Recommendation

MOST_TOKENS = 16  # that have a column of their own; of more, each head's first are named
NAMED = 5
DARKEST = 0.7  # share of the colour behind a weight of 1, which leaves black and white letters readable


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


def recommendation_html(found: "Recommendation") -> str:
    """Items with their scores, and each head's attention over tokens, the darker the more."""
    taken = f"{found.taken_elsewhere:,} taken elsewhere; {found.taken_here:,} taken here, left out"
    parts = [f"<p><strong>{escape(found.domain)}</strong><br><small>{taken}</small></p>"]
    if not found.informed:
        parts.append("<p>Nothing known leads here, so the items' biases rank alone, the same for everybody.</p>")
    rows = [
        f"<tr><td>{rank}</td><td>{escape(str(item))}</td><td>{score:.3f}</td></tr>"
        for rank, (item, score) in enumerate(zip(found.items, found.scores, strict=True), start=1)
    ]
    head = "<thead><tr><th>rank</th><th>item</th><th>score</th></tr></thead>"
    parts.append(f"<table>{head}<tbody>{''.join(rows)}</tbody></table>" if rows else "<p>Nothing is left.</p>")
    if found.informed:
        parts.append(attention_html(found.attention))
    return f"<div class='acg-recommendation'>{''.join(parts)}</div>"


def attention_html(attention: Array) -> str:
    """A table of weights (H, K): a row a head, a column a token; of many tokens, those that get most in each head.

    Examples
    --------
    >>> attention_html(np.array([[0.75, 0.25]])).count("<td")
    2
    >>> "token 999 1%" in attention_html(np.arange(1000.0)[None] / 99_900)
    True
    """
    H, K = attention.shape
    caption = "attention, a row a head (weights are not causes)"
    if K > MOST_TOKENS:
        lines = []
        for h, weights in enumerate(attention):
            first = np.argsort(-weights, kind="stable")[:NAMED]
            told = ", ".join(f"token {k} {weights[k]:.0%}" for k in first)
            lines.append(f"<tr><th>head {h}</th><td>{told}, of {K:,}</td></tr>")
        return f"<table><caption>{caption}</caption><tbody>{''.join(lines)}</tbody></table>"
    tokens = "".join(f"<th>token {k}</th>" for k in range(K))
    body = ""
    for h in range(H):
        cells = "".join(
            f'<td style="background: rgba(70, 150, 220, {DARKEST * weight:.3f})">{weight:.2f}</td>'
            for weight in attention[h].tolist()
        )
        body += f"<tr><th>head {h}</th>{cells}</tr>"
    head = f"<thead><tr><th></th>{tokens}</tr></thead>"
    return f"<table><caption>{caption}</caption>{head}<tbody>{body}</tbody></table>"
