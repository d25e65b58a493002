"""The graph that the engine recorded of a Tensor: its operations and their arguments.

What was it made from?
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from acg_numpy.autograd import Tensor
from acg_numpy.autograd.backward import gradients
from acg_numpy.plots.figures import new_axes, root_figure
from acg_numpy.shapes import Array

MOST_NODES = 120  # more cannot be read
MOST_ELEMENTS = 3  # of an array whose elements are written beside its box
LEAF, OPERATION, RESULT = "#E69F00", "#DDE8F0", "#009E73"
VALUE, GRADIENT = "#0072B2", "#C04A00"


def graph(tensor: Any, *, names: dict[str, Tensor] | None = None, values: bool = False, ax: Axes | None = None) -> Axes:
    r"""Draw how a Tensor was made: leaves first, the Tensor itself last, an arrow from each argument to its result.

    Parameters
    ----------
    tensor : Tensor
        The result whose graph is drawn.
    names : dict of str to Tensor, optional
        Names of leaves, or of any other Tensors of the graph: `dict(module.named_parameters())`, or {"x": x}.
    values : bool
        Whether to write the value of each node above its box and, below it, the gradient of the Tensor with respect to
        it (of the sum of its elements, if it has several).  Where a value is used more than once, each of its arrows
        has the gradient that comes back along it; the gradient of the value is their sum.  The graph then runs from
        left to right.  Of an array of more than three elements the root mean square is written.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        A box for each node: its operation, or its name, and its shape.  The graph runs from top to bottom, and a node
        stands one row below the lowest of its arguments; an arrow that would run under a box goes round it.

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

    >>> x, y = tensor(3.0, requires_grad=True), tensor(-4.0, requires_grad=True)
    >>> ax = graph(x * y, names={"x": x, "y": y}, values=True)
    >>> [text.get_text() for text in ax.texts if text.get_text()]
    ['x\n()', '3', '-4', 'y\n()', '-4', '3', 'np.multiply\n()', '-12', '1']
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
    bends = {arrow: _bend(places, *arrow) for arrow in arrows}
    if values:  # from left to right, which is a reflection, so that an arrow bends to the other side
        places = {order: (-y, -x) for order, (x, y) in places.items()}
        bends = {arrow: -bend for arrow, bend in bends.items()}
    left, wide = _span(x for x, _ in places.values())
    low, deep = _span(y for _, y in places.values())
    if ax is None:
        ax = new_axes()
        width, height = (1.75 * wide + 1.6, 0.9 * deep + 1.2) if values else (1.9 * wide + 2.6, 0.95 * (deep + 1))
        root_figure(ax).set_size_inches(min(width, 16.0), min(height, 20.0))
    room = 28 if values else 16  # points between the middle of a box and its arrows
    for start, end in arrows:
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": "#777777", "shrinkA": room, "shrinkB": room}
        arrow["connectionstyle"] = f"arc3,rad={bends[start, end]}"
        ax.annotate("", places[end], places[start], arrowprops=arrow)
    whole, along = _gradients(tensor, nodes, arrows) if values else ({}, {})
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
        if values:
            _write(ax, places[order], 20, node._elements, VALUE)
            _write(ax, places[order], -20, whole[order], GRADIENT)
    uses = [start for start, _ in along]
    for (start, end), gradient in along.items():
        if uses.count(start) > 1:
            (x0, y0), (x1, y1) = places[start], places[end]
            bend = bends[start, end] / 2  # the middle of an arc lies half of its bend to the side
            middle = ((x0 + x1) / 2 + bend * (y1 - y0), (y0 + y1) / 2 - bend * (x1 - x0))
            _write(ax, middle, -8, gradient, GRADIENT)
    ax.set(xlim=(left - 0.7, left + wide + 0.7), ylim=(low - 0.5, low + deep + 0.5))
    ax.set_axis_off()
    return ax


def _gradients(
    tensor: Tensor, nodes: dict[int, Tensor], arrows: list[tuple[int, int]]
) -> tuple[dict[int, Array], dict[tuple[int, int], Array]]:
    """Return the gradient of the sum of `tensor` for each node, and the part of it that comes along each arrow."""
    whole = {order: np.zeros(node.shape, node.dtype) for order, node in nodes.items()}
    whole[tensor._order] = np.ones(tensor.shape, tensor.dtype)
    along = {}
    for order in reversed(nodes):  # a result is younger than its arguments
        arguments = sorted({start for start, end in arrows if end == order})
        if arguments:
            parts = gradients([(nodes[order], whole[order])], [nodes[start] for start in arguments], False)
            for start, part in zip(arguments, parts, strict=True):
                along[start, order] = np.asarray(part)
                whole[start] = whole[start] + along[start, order]
    return whole, along


def _write(ax: Axes, place: tuple[float, float], above: float, array: Array, colour: str) -> None:
    """Write an array at a number of points above a place."""
    if array.size == 1:
        text = f"{array.item():.3g}"
    elif array.size <= MOST_ELEMENTS:
        text = np.array2string(array.ravel(), precision=2, suppress_small=True)
    else:
        text = f"rms {np.sqrt(np.mean(np.square(array))):.2g}"
    look: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center"}
    look["bbox"] = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.5}  # no arrow crosses the number
    ax.annotate(text, place, (0, above), color=colour, size=8, parse_math=False, **look)


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
