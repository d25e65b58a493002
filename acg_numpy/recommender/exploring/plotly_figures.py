"""The figures of the page, made with Plotly without data, which page.js fills in as the controls say."""

from typing import Any

import numpy as np

from acg_numpy.recommender.exploring.page_data import Exploration

# Okabe and Ito's colours, which colour-blind people can distinguish too.
A, B, CHOSEN, OTHERS = "#0072B2", "#D55E00", "#009E73", "#999999"


def figures(found: Exploration) -> dict[str, Any]:
    """Make the figures of the page, by the id of their element.

    Raises
    ------
    ModuleNotFoundError
        If Plotly is not installed; the message says how to install it.
    """
    try:
        import plotly.graph_objects as go
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'the page is made with Plotly, which is not installed: pip install "acg_numpy[explore]"', name="plotly"
        ) from error

    def figure(traces: list[Any], height: int, margin: dict[str, int], **layout: Any) -> Any:
        clear = "rgba(0,0,0,0)"
        legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
        whole = {
            "paper_bgcolor": clear,
            "plot_bgcolor": clear,
            "margin": {"l": 60, "r": 16, "t": 30, "b": 40, **margin},
            "legend": legend,
            "height": height,
        }
        return go.Figure(
            traces, {"template": "none", "showlegend": True, "hoverlabel": {"namelength": -1}, **whole, **layout}
        )

    bars = figure(
        [
            go.Bar(x=[], y=[], name="A", marker={"color": A}),
            go.Bar(
                x=[], y=[], name="B", marker={"color": B, "pattern": {"shape": "/", "fillmode": "overlay", "size": 6}}
            ),
        ],
        280,
        {},
        xaxis={"type": "category", "automargin": True},
        yaxis={"title": {"text": "attention weight"}, "range": [0, 1.02], "fixedrange": True},
        barmode="group",
    )

    def heads() -> Any:
        colour_bar = {"title": {"text": "weight"}, "thickness": 12}
        map_ = go.Heatmap(x=[], y=[], z=[], zmin=0, zmax=1, colorscale="Viridis", colorbar=colour_bar, xgap=1, ygap=1)
        axes = {"type": "category", "automargin": True}
        return figure([map_], 200, {"t": 8}, xaxis=axes, yaxis={**axes, "autorange": "reversed"})

    def cloud(name: str, colour: str, size: int) -> Any:
        marker = {"color": colour, "size": size, "opacity": 0.45}
        return go.Scatter(x=[], y=[], mode="markers", name=name, marker=marker, hoverinfo="skip")

    def path(name: str, colour: str, symbol: str, place: str) -> Any:
        line = {"color": colour, "width": 2}
        marker = {"color": colour, "size": 10, "symbol": symbol, "opacity": 1}
        text = {"text": [], "textposition": place, "customdata": [], "hovertemplate": "%{customdata}<extra></extra>"}
        return go.Scatter(x=[], y=[], mode="lines+markers+text", name=name, line=line, marker=marker, **text)

    at_one = (found.conditions()[found.reachable] - found.centre) @ found.plane.T  # (pairs, 2)
    ends = np.quantile(at_one, [0.01, 0.99], axis=0).T.tolist() if len(at_one) else [[-1.0, 1.0]] * 2
    one, two = found.share
    plane = figure(
        [
            cloud("all, in the other domains", OTHERS, 4),
            cloud("all, in this domain", CHOSEN, 5),
            path("A", A, "circle", "top center"),
            path("B", B, "diamond", "bottom center"),
        ],
        480,
        {},
        xaxis={
            "title": {"text": f"first direction ({one:.0%} of the variance)"},
            "zeroline": False,
            "autorangeoptions": {"include": ends[0]},  # so that shrinking is visible
        },
        yaxis={
            "title": {"text": f"second direction ({two:.0%})"},
            "zeroline": False,
            "autorangeoptions": {"include": ends[1]},
            "scaleanchor": "x",  # so that distances can be read
        },
    )
    return {"attention": bars, "heads-a": heads(), "heads-b": heads(), "plane": plane}
