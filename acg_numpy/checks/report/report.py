"""What a gradient check found: a report to be read, printed or asked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import BlindSpot, Diagnosis
from acg_numpy.checks.report.rendering import as_html, as_text


@dataclass(frozen=True)
class WorstElement:
    """The element that is furthest off.

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
    """The outcome of `check_backward` or `gradcheck`; `print(report)` is made to be read.

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
        The same for the gradient of the gradient, where asked for.
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

    @property
    def per_input(self) -> Mapping[str, InputComparison]:
        """Each input's comparison, by name."""
        return {comparison.name: comparison for comparison in self.comparisons}

    @property
    def undecided(self) -> int:
        """How many elements were below what the numeric derivative can resolve."""
        deeper = 0 if self.second_order is None else self.second_order.undecided
        return sum(comparison.num_undecided for comparison in self.comparisons) + deeper

    @property
    def nothing_decided(self) -> bool:
        """Whether there were elements to compare and none of them could be decided."""
        decided = sum(c.num_right + c.num_wrong for c in self.comparisons)
        return decided == 0 and any(c.num_undecided for c in self.comparisons)

    @property
    def passed(self) -> bool:
        """Whether all that was compared is right, and the check was able to compare something."""
        first = not self.faults and not self.nothing_decided and all(c.passed for c in self.comparisons)
        return first and (self.second_order is None or self.second_order.passed)

    @property
    def worst(self) -> WorstElement | None:
        """The wrong element furthest off for its input's size; if none is wrong, that of the largest relative error."""
        ranked = self.ranked()
        return max(ranked, key=lambda rank: rank[:-1])[-1] if ranked else None

    def ranked(self) -> list[tuple[bool, int, float, WorstElement]]:
        """The worst element of every input behind its rank: wrong before right, first order before second, by error."""
        ranks = [rank for comparison in self.comparisons if (rank := worst_of(comparison, self.order)) is not None]
        return ranks + (self.second_order.ranked() if self.second_order else [])

    def __str__(self) -> str:
        return as_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self)


def worst_of(comparison: InputComparison, order: int) -> tuple[bool, int, float, WorstElement] | None:
    """The worst element of one input, behind what it is ranked by; None where nothing was decided."""
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
    """A gradient is not what the numeric derivative says; `.report` has the whole story, and so has the message."""

    def __init__(self, report: GradientReport) -> None:
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[type["GradientMismatch"], tuple[GradientReport]]:
        return type(self), (self.report,)  # pickled by its report, as test runners do between processes
