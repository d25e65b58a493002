"""Figures and axes to draw on, arrays to draw, and saving to a file without opening a window."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from os import PathLike
from typing import Any, BinaryIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acg_numpy.shapes import Array


def new_axes() -> Axes:
    """Return axes of a new figure that pyplot knows, so that a notebook shows it and `plt.show()` finds it."""
    return new_figure().subplots()


def new_figure(size: tuple[float, float] | None = None) -> Figure:
    """Return a new figure that pyplot knows, of this size in inches."""
    # imported here because pyplot chooses a backend, which callers that pass their own axes do not need
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size, layout="constrained")


def root_figure(ax: Axes) -> Figure:
    """Return the figure that axes are on, even if they are on a subfigure."""
    assert ax.figure is not None
    root = ax.figure.figure  # of a subfigure, the whole figure; of a figure, itself
    assert isinstance(root, Figure)
    return root


def finite_array(values: Any, name: str) -> Array:
    """Return an array, a list or a Tensor as a floating ndarray; refuse NaN and infinity."""
    array = np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=float)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} holds NaN or infinity, which cannot be drawn")
    return array


@contextmanager
def default_settings() -> Iterator[None]:
    """Draw with the settings that Matplotlib comes with.

    A matplotlibrc may turn maps upside down, or need a program that is not there.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def save(
    path: str | PathLike[str] | BinaryIO,
    plot: Callable[..., Axes | Figure],
    data: Any,
    *args: Any,
    size: tuple[float, float] | None = None,
    **options: Any,
) -> None:
    """Draw one plot and write it to a file; no window and no figure stays open.

    Parameters
    ----------
    path : path or binary file
        Where to write; the suffix of a path gives the format (.png, .pdf, .svg).
    plot : function of this package
    data : object
        What to draw, the first argument of `plot`.
    *args
        Further positional arguments of `plot`.
    size : tuple of two floats, optional
        Inches; by default 6.4 x 4.8, and 11 x 6 for several panels.
    **options
        Passed on to `plot`, except `ax`, or `figure` if it draws several panels.

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
