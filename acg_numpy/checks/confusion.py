"""The confusion table of the diagnosis, over a catalogue of mistakes whose names are known."""

from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from acg_numpy.checks.backward_pass import check_backward
from acg_numpy.checks.mistakes import Mistake

NOTHING = "(nothing)"


@dataclass(frozen=True)
class Confusion:
    """The counts of what each mistake was called.

    Attributes
    ----------
    counts : Counter
        Cases by (name of the mistake, expected id, id that the report named first); None if it named none.

    Examples
    --------
    >>> cases = [("a", "wrong-sign", "wrong-sign"), ("b", "wrong-sign", "transposed"), ("c", "last-only", None)]
    >>> confusion = Confusion(Counter(cases))
    >>> round(confusion.recall, 3), confusion.precision
    (0.333, 0.5)
    >>> confusion.confused
    [('b', 'wrong-sign', 'transposed', 1), ('c', 'last-only', None, 1)]
    """

    counts: Counter[tuple[str, str, str | None]]

    @property
    def num_cases(self) -> int:
        """The number of cases, a mistake at a draw each."""
        return self.counts.total()

    @property
    def num_named(self) -> int:
        """The number of cases in which the report named a mistake."""
        return sum(count for (_, _, named), count in self.counts.items() if named is not None)

    @property
    def num_right(self) -> int:
        """The number of cases in which it named the expected one first."""
        return sum(count for (_, expected, named), count in self.counts.items() if named == expected)

    @property
    def recall(self) -> float:
        """The share of cases in which the expected id is named first."""
        return _share(self.num_right, self.num_cases)

    @property
    def precision(self) -> float:
        """The share of right names among the cases in which something is named."""
        return _share(self.num_right, self.num_named)

    @property
    def confused(self) -> list[tuple[str, str, str | None, int]]:
        """(mistake, expected, named, how often) wherever the two differ, in the catalogue's order."""
        return [(*case, count) for case, count in self.counts.items() if case[1] != case[2]]

    def table(self) -> str:
        """Write the confusion table as text: a line for each expected id, with what it was called and how often.

        Examples
        --------
        >>> cases = [("a", "wrong-sign", "wrong-sign")] * 3 + [("b", "wrong-sign", None)]
        >>> print(Confusion(Counter(cases)).table())
        expected    cases  right  named otherwise
        wrong-sign      4      3  (nothing) 1
        all             4      3  recall 75.0%, precision 100.0%
        """
        by_id: dict[str, Counter[str]] = {}
        for (_, expected, named), count in self.counts.items():
            by_id.setdefault(expected, Counter())[named or NOTHING] += count
        lines = [("expected", "cases", "right", "named otherwise")]
        for expected, names in sorted(by_id.items()):
            others = ", ".join(f"{name} {count}" for name, count in names.most_common() if name != expected)
            lines.append((expected, f"{names.total()}", f"{names[expected]}", others))
        summary = f"recall {self.recall:.1%}, precision {self.precision:.1%}"
        lines.append(("all", f"{self.num_cases}", f"{self.num_right}", summary))
        wide = max(len(line[0]) for line in lines)
        return "\n".join(f"{a:<{wide}}  {b:>5}  {c:>5}  {d}".rstrip() for a, b, c, d in lines)

    __str__ = table


def _share(part: int, whole: int) -> float:
    """Return a ratio; 1 where there are no cases."""
    return part / whole if whole else 1.0


def measure(mistakes: Iterable[Mistake], *, draws: int = 3, distinct: bool = True, seed: int = 0) -> Confusion:
    """Check every wrong backward at several draws, and count what the reports name first.

    Parameters
    ----------
    mistakes : iterable of Mistake
    draws : int
        At how many drawn inputs each is checked.
    distinct : bool
        Whether all axes have different lengths; if lengths coincide, one constant has several names.
    seed : int
        Draws the inputs.

    Examples
    --------
    >>> from acg_numpy.checks.mistakes import CATALOGUE
    >>> measure([m for m in CATALOGUE if m.name == "mse: one gradient for both"], draws=2).recall
    1.0
    """
    counts: Counter[tuple[str, str, str | None]] = Counter()
    for mistake in mistakes:
        for number in range(draws):
            inputs = mistake.draw(np.random.default_rng([seed, number]), distinct)
            report = check_backward(
                mistake.forward, deepcopy(mistake.backward), *inputs, seed=seed, raise_on_failure=False
            )
            named = report.diagnoses[0].mistake if report.diagnoses else None
            counts[mistake.name, mistake.expected, named] += 1
    return Confusion(counts)
