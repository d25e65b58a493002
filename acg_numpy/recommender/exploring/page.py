"""The page, made of a template, style, figures, data and script, with no network address in it.

Ids and names come from files that may be hostile.  They are in the page as data only: JSON without "<", which page.js
shows as text and never as markup.
"""

import base64
import html
import json
import os
import re
from importlib.resources import files
from typing import Any

import numpy as np

from acg_numpy.recommender.data import replacing
from acg_numpy.recommender.exploring.page_data import Exploration
from acg_numpy.recommender.exploring.plotly_figures import figures
from acg_numpy.shapes import Array


def write_page(found: Exploration, path: str | os.PathLike[str], *, title: str = "a trained conditioner") -> None:
    """Write the page, completely or not at all.

    Parameters
    ----------
    found : Exploration
    path : path
        Replaced if it exists.
    title : str
        The name of what was trained.

    Raises
    ------
    ModuleNotFoundError
        If Plotly is not installed; the message says how to install it.

    Examples
    --------
    >>> from acg_numpy.recommender.exploring import gather
    >>> from acg_numpy.recommender.serving import Recommender
    >>> write_page(gather(Recommender.load("acg-demo")), "page.html")  # doctest: +SKIP
    """
    text = render(found, title)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def render(found: Exploration, title: str) -> str:
    """Make the text of the page."""
    plots = figures(found)
    from plotly.offline import get_plotlyjs

    here = files("acg_numpy.recommender.exploring")
    template, style, script = (
        here.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    config = {"displaylogo": False, "responsive": True, "typesetMath": False}  # an id may be "$x$"
    export = {"full_html": False, "include_plotlyjs": False, "config": config}
    parts = {
        "title": html.escape(title),
        "facts": html.escape(page_summary(found)),
        "style": style,
        "plotly": get_plotlyjs(),
        "data": data_as_json(found),
        "glue": script,
        **{name: figure.to_html(div_id=name, **export) for name, figure in plots.items()},
    }
    return re.sub(r"\{\{ ([\w-]+) \}\}", lambda field: parts[field[1]], template)


def page_summary(found: Exploration) -> str:
    """Write a sentence on what the page shows, and of how many users it is a sample."""
    U, (N, H, K) = len(found.users), found.scores.shape[1:]
    users = f"All {U:,} users" if found.total == U else f"{U:,} of {found.total:,} users, drawn at random"
    shared = sum(name.startswith("global") for name in found.tokens)
    tokens = f"{K - shared:,} tokens of its own in each" + (f" and {shared:,} that all share" if shared else "")
    one = "; attention over a single token is 1 whatever the user" if K == 1 else ""
    return f"{users}; domains: {N:,}, with {tokens}; heads: {H}{one}."


def data_as_json(found: Exploration) -> str:
    """Write the data as JSON that is safe between script tags, arrays of numbers as float32 in base64."""
    data: dict[str, Any] = {
        "users": found.users.tolist(),
        "domains": found.domains.tolist(),
        "tokens": found.tokens,
        "total": found.total,
        "heads": found.scores.shape[2],
        "dim": len(found.bias),
        "reachable": "".join("01"[known] for known in found.reachable.ravel().tolist()),
        "items": found.items.tolist(),
        "tokenItems": found.token_items.tolist(),
    }
    for name in ("scores", "added", "bias", "gain", "shift", "centre", "plane"):
        data[name] = _base64(getattr(found, name))
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")
