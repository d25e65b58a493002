"""Axes to draw on, arrays to draw, and a way to a file that leaves no window behind."""

from collections.abc import Callable
from inspect import signature
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acg_numpy.shapes import Array


def new_axes() -> Axes:
    """Axes of a new figure that pyplot knows, so that a notebook shows it and `plt.show()` finds it."""
    return new_figure().subplots()


def new_figure(size: tuple[float, float] | None = None) -> Figure:
    """A figure that pyplot knows, of so many inches."""
    import matplotlib.pyplot as plt  # here, for it picks a backend: whoever brings their own axes needs none

    return plt.figure(figsize=size, layout="constrained")


def root_figure(ax: Axes) -> Figure:
    """The figure that axes are on, even where they are on a part of it."""
    assert ax.figure is not None
    root = ax.figure.figure  # of a part, the whole; of a figure, itself
    assert isinstance(root, Figure)
    return root


def as_array(values: Any, name: str) -> Array:
    """The numbers of an array, a list or a Tensor, as a floating ndarray without NaN or infinity."""
    array = np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=float)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} holds NaN or infinity, which cannot be drawn")
    return array


def save(
    path: str | PathLike[str] | BinaryIO,
    plot: Callable[..., Axes | Figure],
    data: Any,
    *args: Any,
    size: tuple[float, float] | None = None,
    **options: Any,
) -> None:
    """Draw one plot and write it to a file, with no window and no figure left open.

    Parameters
    ----------
    path : path or binary file
        Where to write; the suffix of a path says the format (.png, .pdf, .svg).
    plot : function of this package
    data
        What to draw, the function's first argument.
    size : tuple of two floats, optional
        Inches; by default 6.4 x 4.8, and 11 x 6 for several panels.
    **options
        Handed on to `plot`, but for `ax`, or `figure` where it draws several panels.

    Examples
    --------
    >>> import io
    >>> from acg_numpy.plots import attention_map
    >>> picture = io.BytesIO()
    >>> save(picture, attention_map, np.full((4, 8), 0.125))
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    panels = "figure" in signature(plot).parameters
    figure = Figure(figsize=size or ((11.0, 6.0) if panels else None), layout="constrained")
    where: dict[str, Any] = {"figure": figure} if panels else {"ax": figure.subplots()}
    plot(data, *args, **{**options, **where})
    figure.savefig(path, dpi=150)
