"""How is the page put together?  A template, with style, figures, data and glue put in, and no address in it anywhere.

Ids and names come from strangers' files.  They stand in the page as data only: as JSON in which no "<" is left, which
page.js shows as text and never as markup.
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
    """Write the page, whole or not at all.

    Parameters
    ----------
    found : Exploration
    path : path
        Replaced if it exists.
    title : str
        What was trained.

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
    drawn = figures(found)
    from plotly.offline import get_plotlyjs

    here = files("acg_numpy.recommender.exploring")
    template, style, glue = (
        here.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    config = {"displaylogo": False, "responsive": True, "typesetMath": False}  # an id may be "$x$"
    export = {"full_html": False, "include_plotlyjs": False, "config": config}
    parts = {
        "title": html.escape(title),
        "facts": html.escape(facts(found)),
        "style": style,
        "plotly": get_plotlyjs(),
        "data": as_json(found),
        "glue": glue,
        **{name: figure.to_html(div_id=name, **export) for name, figure in drawn.items()},
    }
    return re.sub(r"\{\{ ([\w-]+) \}\}", lambda place: parts[place[1]], template)


def facts(found: Exploration) -> str:
    """Say in a sentence what the page is about, and of how many users it is a sample."""
    U, (N, H, K) = len(found.users), found.scores.shape[1:]
    users = f"All {U:,} users" if found.total == U else f"{U:,} of {found.total:,} users, drawn at random"
    shared = sum(name.startswith("global") for name in found.tokens)
    tokens = f"{K - shared:,} tokens of its own in each" + (f" and {shared:,} that all share" if shared else "")
    one = "; attention over a single token is 1 whatever the user" if K == 1 else ""
    return f"{users}; domains: {N:,}, with {tokens}; heads: {H}{one}."


def as_json(found: Exploration) -> str:
    """Write the data as JSON that can stand between script tags, arrays of numbers as float32 in base64."""
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
    for name in ("scores", "added", "bias", "centre", "plane"):
        data[name] = _base64(getattr(found, name))
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")
