"""Errors of derivatives: of a numeric one by its step, and of a gradient by its element.

How good can a numeric derivative be, and where is a gradient wrong?
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from acg_numpy.autograd import grad
from acg_numpy.checks.numeric.differences import best_step
from acg_numpy.plots.curves import BLUE, VERMILION
from acg_numpy.plots.figures import finite_array, new_axes
from acg_numpy.shapes import Array

if TYPE_CHECKING:
    from acg_numpy.checks.numeric.verdicts import InputComparison
    from acg_numpy.checks.report.report import GradientReport, WorstElement

EPS = float(np.finfo(np.float64).eps)
STEPS = tuple(10.0 ** (exponent / 4) for exponent in range(-52, 1))  # 1e-13 to 1, four a decade
SMALLEST, LARGEST = 1e-12, 1.0  # of the relative errors that colours tell apart
MAX_MARKS = 3000  # beyond that, marks would only cover each other
MAX_ROWS = 24  # rows with a number; beyond that every n-th has one


def v_curve(
    function: Callable[[Any], Any],
    x: float,
    derivative: float | None = None,
    *,
    steps: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the error of a central difference against its step: a V, with truncation on one side, rounding on the other.

    Parameters
    ----------
    function : callable
        From a number to a number, in functions that the engine knows.
    x : float
        Where its derivative is taken.
    derivative : float, optional
        The right one; by default the engine's, and then `function` need not know more than NumPy.
    steps : sequence of float, optional
        By default 1e-13 to 1, four a decade, times the size of x if that is above 1.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        The first line holds the errors, those below the resolution of float64 at that resolution.  The step that a
        check takes is marked.

    Raises
    ------
    ValueError
        If a step is not positive, or nothing finite comes out.

    Examples
    --------
    >>> ax = v_curve(np.exp, 1.0)
    >>> steps, errors = ax.lines[0].get_data()
    >>> bool(1e-7 < steps[np.argmin(errors)] < 1e-4)  # where the two sides meet
    True
    """
    x = float(x)
    across = np.array(STEPS) * max(abs(x), 1.0) if steps is None else np.sort(finite_array(steps, "steps").ravel())
    if not across.size or across[0] <= 0:
        raise ValueError("steps should hold positive numbers: a central difference divides by the step")
    right = float(grad(function)(x)) if derivative is None else float(derivative)
    value = abs(float(function(x)))
    with np.errstate(all="ignore"):
        errors = np.array([abs(_central_difference(function, x, step) - right) for step in across])
    finite = np.isfinite(errors)
    if not np.isfinite(right) or not np.isfinite(value) or not np.any(finite):
        raise ValueError(f"at x = {x:g} |y| is {value:g} and the derivative {right:g}: take an x where all is finite")
    floor = EPS * (max(abs(right), value) or 1.0) / 2
    finite_steps, drawn = across[finite], np.maximum(errors[finite], floor)

    if ax is None:
        ax = new_axes()
    ax.loglog(finite_steps, drawn, color=BLUE, marker="o", markersize=3, linewidth=1, label="error")
    bottom, top = floor / 3, 10 * float(np.max(drawn))
    if value > 0:
        ax.loglog(across, EPS * value / across, color="0.45", linestyle="--", zorder=1, label="rounding, ε |y| / h")
    curvature = _truncation_factor(finite_steps, drawn)
    if curvature is not None:
        ax.loglog(across, curvature * across**2, color="0.45", linestyle=":", zorder=1, label="truncation, ∝ h²")
    chosen = best_step(x, EPS)
    ax.axvline(chosen, color=VERMILION, linewidth=1.5, label=f"step of a check, {chosen:.0e}")
    ax.set_ylim(bottom, top)
    ax.set_xlabel("step h")
    ax.set_ylabel("error of the central difference")
    ax.set_title(
        f"derivative {right:.6g}, off by {abs(_central_difference(function, x, chosen) - right):.0e} at that step"
    )
    ax.legend()
    return ax


def _central_difference(function: Callable[[Any], Any], x: float, step: float) -> float:
    """Return the central difference, divided by the exact distance of the two floats."""
    above, below = np.float64(x + step), np.float64(x - step)
    return float((function(above) - function(below)) / (above - below))


def _truncation_factor(steps: Array, errors: Array) -> float | None:
    """Return the factor c of c h^2, from the steps over which the error grows like it; None if it does so nowhere."""
    slopes = np.diff(np.log(errors)) / np.diff(np.log(steps))
    growing = np.abs(slopes - 2) < 0.25
    if np.sum(growing) < 3:
        return None
    factors = errors[1:][growing] / steps[1:][growing] ** 2
    return float(np.median(factors))


def gradient_error(report: "GradientReport", *, ax: Axes | None = None) -> Axes:
    """Draw where a gradient is wrong: a cell for each element, its relative error as a colour, a cross if it is wrong.

    Inputs stand below one another, each with a column for each place of its last axis and a row for each place of the
    others.  A dot marks an element that could not be decided.  If derivatives were taken along random directions, an
    input has one row of them.

    Parameters
    ----------
    report : GradientReport
        What `check_backward` or `gradcheck` gave; pass `raise_on_failure=False` to have that of a wrong gradient.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib Axes
        `ax.images[0].get_array()` holds the relative errors, masked where there is no element.

    Raises
    ------
    ValueError
        If nothing was compared element by element: all gradients were of the wrong form, or held no element.

    Examples
    --------
    >>> from acg_numpy import check_backward
    >>> def forward(x):
    ...     return x * x, x
    >>> def backward(grad_out, x):
    ...     return 2 * np.abs(x) * grad_out
    >>> x = np.array([[1.0, -2.0, 3.0], [-1.0, 0.5, 2.0]])
    >>> ax = gradient_error(check_backward(forward, backward, x, raise_on_failure=False))
    >>> ax.get_title()
    'worst: x[0, 1], 5.25 where -5.25 is right'
    """
    compared = [c for c in report.comparisons if c.analytic is not None and c.analytic.size]
    if not compared:
        raise ValueError("nothing was compared element by element, so there is nothing to draw; print the report")
    blocks = [_to_table(comparison.relative_error) for comparison in compared]
    errors = _stack_tables(blocks)
    wrong, undecided = (
        _stack_tables([_to_table(np.asarray(getattr(c, mark), dtype=float)) for c in compared])
        for mark in ("wrong", "undecided")
    )

    if ax is None:
        ax = new_axes()
    colours = np.ma.masked_invalid(np.clip(errors, SMALLEST, LARGEST))
    image = ax.imshow(
        colours, cmap="viridis", norm=LogNorm(SMALLEST, LARGEST), aspect="auto", origin="upper", interpolation="nearest"
    )
    ax.set_facecolor("0.93")
    size = float(np.clip(120 / max(errors.shape), 1.5, 9))
    for marks, symbol, colour in ((wrong, "x", "black"), (undecided, ".", "white")):
        rows, columns = np.nonzero(np.nan_to_num(marks))
        if 0 < len(rows) <= MAX_MARKS:
            label = "wrong" if symbol == "x" else "undecided"
            ax.plot(columns, rows, symbol, color=colour, markersize=size, linestyle="", label=label)
    _label_blocks(ax, compared, [len(block) for block in blocks])
    ax.set_xlabel("place on the last axis")
    ax.set_title(_title(report))
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, extend="both")
    bar.set_label("relative error\n(cross: wrong, dot: undecided)")
    return ax


def _to_table(array: Array) -> Array:
    """Return any array as a table: its last axis across, all others down."""
    return array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)


def _stack_tables(blocks: Sequence[Array]) -> Array:
    """Return tables below one another, with NaN to the right of the narrower ones."""
    wide = max(block.shape[1] for block in blocks)
    return np.concatenate(
        [np.pad(block, ((0, 0), (0, wide - block.shape[1])), constant_values=np.nan) for block in blocks]
    )


def _label_blocks(ax: Axes, compared: "Sequence[InputComparison]", heights: Sequence[int]) -> None:
    """Write each input's name beside its rows, and a line between two inputs."""
    ends = np.cumsum(heights)
    middles = ends - np.array(heights) / 2 - 0.5
    verdicts = ["" if comparison.passed else " wrong" for comparison in compared]
    names = [f"{c.name} {c.shape}{mark}" for c, mark in zip(compared, verdicts, strict=True)]
    numbers = [number for c in compared if c.analytic is not None for number in _row_indices(c.analytic.shape)]
    shown = range(0, len(numbers), -(-len(numbers) // MAX_ROWS))
    ax.set_yticks(middles, labels=names, parse_math=False)
    ax.set_yticks(shown, labels=[numbers[row] for row in shown], minor=True)
    ax.tick_params(axis="y", length=0, pad=10 + 5 * max(map(len, numbers)))  # names to the left of the numbers
    ax.tick_params(axis="y", which="minor", length=2, pad=2, labelsize="small")
    ax.hlines(ends[:-1] - 0.5, -0.5, ax.get_xlim()[1], colors="white", linewidths=2.0)
    columns = round(ax.get_xlim()[1] + 0.5)
    ax.set_xticks(range(0, columns, max(1, -(-columns // 16))))


def _row_indices(shape: tuple[int, ...]) -> list[str]:
    """Return the index of each row, by all axes but the last.

    Examples
    --------
    >>> _row_indices((2, 2, 3)), _row_indices((3,))
    (['0, 0', '0, 1', '1, 0', '1, 1'], [''])
    """
    return [", ".join(map(str, index)) for index in np.ndindex(shape[:-1])]


def _title(report: "GradientReport") -> str:
    """Return the title: the worst element, or that there is none."""
    worst: WorstElement | None = report.worst
    if report.passed or worst is None or worst.order != report.order:
        return "no element is wrong"
    where = f"[{', '.join(map(str, worst.index))}]" if worst.index else ""
    if report.per_input[worst.input].directions is not None:
        where = f", direction {worst.index[0]}"
    return f"worst: {worst.input}{where}, {worst.analytic:.3g} where {worst.numeric:.3g} is right"
