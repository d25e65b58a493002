"""The report of a gradient check, and the error that carries it."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import BlindSpot, Diagnosis
from acg_numpy.checks.report.hints import hint_lines
from acg_numpy.checks.report.rendering import as_html, as_text


@dataclass(frozen=True)
class WorstElement:
    """Element with the largest error.

    Attributes
    ----------
    input : str
        The name of the input.
    index : tuple of int
        Where in it.
    analytic, numeric : float
        The gradient under test, and the numeric derivative.
    absolute_error, relative_error : float
        ``|a - n|``, and the same over ``max(|a|, |n|)`` (over the gradient's scale where both are zero but for
        rounding).
    order : int
        1 for a gradient, 2 for the gradient of a gradient.
    """

    input: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    absolute_error: float
    relative_error: float
    order: int = 1


@dataclass(frozen=True, eq=False)
class GradientReport:
    """Result of `check_backward` or `gradcheck`; `print(report)` shows it.

    Attributes
    ----------
    title : str
        What was checked.
    settings : str
        How: method, tolerances, seed.
    comparisons : tuple of InputComparison
        One an input, in order.
    faults : tuple of str
        What is wrong with the form of what was returned, a sentence each.
    notes : tuple of str
        What is worth knowing and not wrong.
    diagnoses : tuple of Diagnosis
        Which mistake a wrong gradient makes, the likeliest explanation first.
    blind_spots : tuple of BlindSpot
        Which mistakes this check could not have seen.
    order : int
        1 for gradients, 2 for gradients of gradients.
    second_order : GradientReport or None
        The same for the gradient of the gradient, if asked for.
    hints : {0, 1, 2}
        How much is printed.
    """

    title: str
    settings: str
    comparisons: tuple[InputComparison, ...]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    blind_spots: tuple[BlindSpot, ...] = ()
    order: int = 1
    second_order: "GradientReport | None" = None
    hints: int = 2

    @property
    def per_input(self) -> Mapping[str, InputComparison]:
        """The comparison of each input, by name."""
        return {comparison.name: comparison for comparison in self.comparisons}

    @property
    def undecided(self) -> int:
        """The number of elements that the numeric derivative could not decide."""
        deeper = 0 if self.second_order is None else self.second_order.undecided
        return sum(comparison.num_undecided for comparison in self.comparisons) + deeper

    @property
    def compared(self) -> int:
        """The number of elements that were compared."""
        deeper = 0 if self.second_order is None else self.second_order.compared
        return (
            sum(comparison.analytic.size for comparison in self.comparisons if comparison.analytic is not None) + deeper
        )

    @property
    def mostly_undecided(self) -> bool:
        """Whether more elements are undecided than decided: then a pass says little."""
        return 2 * self.undecided > self.compared

    @property
    def nothing_decided(self) -> bool:
        """Whether there were elements to compare and none of them could be decided."""
        decided = sum(c.num_right + c.num_wrong for c in self.comparisons)
        return decided == 0 and any(c.num_undecided for c in self.comparisons)

    @property
    def passed(self) -> bool:
        """Whether everything that was compared is right, and something could be decided."""
        first = not self.faults and not self.nothing_decided and all(c.passed for c in self.comparisons)
        return first and (self.second_order is None or self.second_order.passed)

    @property
    def worst(self) -> WorstElement | None:
        """The wrong element furthest off for its input's size; if none is wrong, that of the largest relative error."""
        ranked = self._ranked()
        return max(ranked, key=lambda rank: rank[:-1])[-1] if ranked else None

    def _ranked(self) -> list[tuple[bool, int, float, WorstElement]]:
        """Return the worst element of every input with its rank: wrong first, then first order, then by error."""
        ranks = [rank for comparison in self.comparisons if (rank := _worst_of(comparison, self.order)) is not None]
        return ranks + (self.second_order._ranked() if self.second_order else [])

    def __str__(self) -> str:
        return as_text(self) if self.hints == 2 else "\n".join(hint_lines(self, self.hints))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self) if self.hints == 2 else f"<pre>{escape(str(self))}</pre>"


def _worst_of(comparison: InputComparison, order: int) -> tuple[bool, int, float, WorstElement] | None:
    """Return the worst element of one input behind its rank; None if nothing was decided."""
    analytic, numeric = comparison.analytic, comparison.numeric
    wrong, undecided = comparison.wrong, comparison.undecided
    if analytic is None or numeric is None or wrong is None or undecided is None or np.all(undecided):
        return None
    distance, relative = np.abs(analytic - numeric), comparison.relative_error
    if any_wrong := bool(np.any(wrong)):
        scale = np.max(np.abs(numeric), initial=0.0, where=np.isfinite(numeric)) or 1.0
        off = np.where(wrong, np.nan_to_num(distance, nan=np.inf) / scale, -1.0)
    else:
        off = np.where(undecided, -1.0, relative)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(off), off.shape))
    a, n, absolute, rel = (float(array[index]) for array in (analytic, numeric, distance, relative))
    worst = WorstElement(comparison.name, index, a, n, absolute, rel, order)
    return any_wrong, -order if any_wrong else 0, float(off[index]), worst


class GradientMismatch(AssertionError):
    """Error for a gradient that differs from the numeric derivative; `.report` is the report, and so is the message.

    In a notebook the report is shown as HTML, and no traceback.
    """

    def __init__(self, report: GradientReport) -> None:
        super().__init__(str(report))
        self.report = report
        self._shown_in: int | None = None

    def _render_traceback_(self) -> list[str]:
        """Show the report; IPython calls this instead of printing a traceback, twice for one cell."""
        from IPython import get_ipython  # no dependency: this runs where IPython called it
        from IPython.display import display

        cell = getattr(get_ipython(), "execution_count", None)
        if cell is None or cell != self._shown_in:
            display(self.report)
        self._shown_in = cell
        return [f"{type(self).__name__}: {self.report.title} FAILED; the report is shown above"]

    def __reduce__(self) -> tuple[type["GradientMismatch"], tuple[GradientReport]]:
        return type(self), (self.report,)  # pickled by its report, as test runners do between processes
