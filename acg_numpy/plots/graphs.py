"""The graph that the engine recorded of a Tensor: its operations and their arguments.

What was it made from?
"""

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes

from acg_numpy.autograd import Tensor
from acg_numpy.plots.figures import new_axes, root_figure
from acg_numpy.shapes import Array

MOST_NODES = 120  # more cannot be read
LEAF, OPERATION, RESULT = "#E69F00", "#DDE8F0", "#009E73"


def graph(tensor: Any, *, names: dict[str, Tensor] | None = None, ax: Axes | None = None) -> Axes:
    r"""Draw how a Tensor was made: leaves on top, the Tensor itself below, an arrow from each argument to its result.

    Parameters
    ----------
    tensor : Tensor
        The result whose graph is drawn.
    names : dict of str to Tensor, optional
        Names of leaves, or of any other Tensors of the graph: `dict(module.named_parameters())`, or {"x": x}.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        A box for each node: its operation, or its name, and its shape.  A node stands one row below the lowest of its
        arguments; an arrow that would run under a box goes round it.

    Raises
    ------
    TypeError
        If it is not a Tensor.
    ValueError
        If the graph has more than 120 nodes, which could not be read.

    Examples
    --------
    >>> import numpy as np
    >>> from acg_numpy import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> ax = graph(np.sum(np.tanh(x) * x), names={"x": x})
    >>> [text.get_text() for text in ax.texts if text.get_text()]
    ['x\n(2,)', 'np.tanh\n(2,)', 'np.multiply\n(2,)', 'np.sum\n()']
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"tensor is a {type(tensor).__name__}; a Tensor is expected, because only a Tensor records how it was made"
        )
    nodes, arrows = _recorded_graph(tensor)
    if len(nodes) > MOST_NODES:
        raise ValueError(
            f"the graph of this Tensor has {len(nodes):,} nodes, and of more than {MOST_NODES} nothing can be read; "
            "draw one layer, or a smaller example (sizes do not matter, steps do)"
        )
    given_names = {id(t): name for name, t in (names or {}).items()}
    places = _node_places(nodes, arrows)
    left, wide = _span(x for x, _ in places.values())
    low, deep = _span(y for _, y in places.values())
    if ax is None:
        ax = new_axes()
        root_figure(ax).set_size_inches(min(1.9 * wide + 2.6, 16.0), min(0.95 * (deep + 1), 20.0))
    for start, end in arrows:
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": "#777777", "shrinkA": 16, "shrinkB": 16}
        arrow["connectionstyle"] = f"arc3,rad={_bend(places, start, end)}"
        ax.annotate("", places[end], places[start], arrowprops=arrow)
    for order, node in nodes.items():
        made = node._record is not None
        colour = RESULT if node is tensor else OPERATION if made else LEAF
        ax.text(
            *places[order],
            f"{given_names.get(id(node)) or _operation(node)}\n{_shape(node)}",
            ha="center",
            va="center",
            fontsize=8,
            parse_math=False,
            bbox={"boxstyle": "round" if made else "square", "facecolor": colour, "edgecolor": "#555555", "pad": 0.35},
        )
    ax.set(xlim=(left - 0.7, left + wide + 0.7), ylim=(low - 0.5, low + deep + 0.5))
    ax.set_axis_off()
    return ax


def _recorded_graph(tensor: Tensor) -> tuple[dict[int, Tensor], list[tuple[int, int]]]:
    """Return nodes by order, oldest first, and arrows from argument to result, without what needs no gradient."""
    nodes, arrows, stack = {tensor._order: tensor}, [], [tensor]
    while stack:
        node = stack.pop()
        for argument in node._record[1] if node._record is not None else ():
            if isinstance(argument, Tensor) and argument._needs:
                arrows.append((argument._order, node._order))
                if argument._order not in nodes:
                    nodes[argument._order] = argument
                    stack.append(argument)
    return dict(sorted(nodes.items())), arrows


def _node_places(nodes: dict[int, Tensor], arrows: list[tuple[int, int]]) -> dict[int, tuple[float, float]]:
    """Return the place of each node: its row by the longest path from a leaf, its column by its arguments."""
    above: dict[int, list[int]] = {order: [] for order in nodes}
    for start, end in arrows:
        above[end].append(start)
    row: dict[int, int] = {}
    for order in nodes:  # arguments are older than results
        row[order] = 1 + max((row[a] for a in above[order]), default=-1)
    below: dict[int, list[int]] = {order: [] for order in nodes}
    for start, end in arrows:
        below[start].append(end)
    for order in reversed(list(nodes)):  # a leaf stands just above the first that uses it
        if not above[order] and below[order]:
            row[order] = min(row[b] for b in below[order]) - 1
    rows: dict[int, list[int]] = {}
    for order in nodes:
        rows.setdefault(row[order], []).append(order)
    x: dict[int, float] = {}
    for level in sorted(rows):
        middle = {
            order: sum(x.get(a, 0.0) for a in above[order]) / len(above[order]) if above[order] else 0.0
            for order in rows[level]
        }
        for place, order in enumerate(sorted(rows[level], key=lambda order: middle[order])):
            x[order] = place - (len(rows[level]) - 1) / 2
    return {order: (x[order], -float(row[order])) for order in nodes}


def _bend(places: dict[int, tuple[float, float]], start: int, end: int) -> float:
    """Return how far an arrow is bent to avoid running under a box: not at all, or past it on the nearer side."""
    (x0, y0), (x1, y1) = places[start], places[end]
    distances = [x0 + (x1 - x0) * (y0 - y) / (y0 - y1) - x for x, y in places.values() if y1 < y < y0]
    crossed = [distance for distance in distances if abs(distance) < 0.3]
    return (
        (-0.45 if sum(crossed) > 0 else 0.45) if crossed else 0.0
    )  # a positive bend of an arrow down goes to the left


def _span(numbers: Iterable[float]) -> tuple[float, float]:
    """Return the smallest number, and the distance of the largest from it."""
    found = list(numbers)
    return min(found), max(found) - min(found)


def _operation(node: Tensor) -> str:
    if node._record is None:
        return "leaf"
    return str(node._record[0].name)


def _shape(node: Tensor) -> str:
    data: Array | None = node._elements
    return "" if data is None else str(data.shape)
