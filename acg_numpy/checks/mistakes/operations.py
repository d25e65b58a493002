"""The operations that mistakes are made in: a pair, inputs for it, and the wrong backwards that are entered for it.

A wrong backward is a plain function as a person would write it, and a story: how the mistake is made.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

Grads: TypeAlias = tuple[Any, ...]
Backward = TypeVar("Backward", bound=Callable[..., Any])

# None is a product, a square, a root or twice another, nor a constant of a formula: a factor tells its origin.
DIFFERENT = (3, 5, 7, 8, 11)


class Mistake(NamedTuple):
    """A wrong backward, the right one, and the name of the difference."""

    name: str
    """Unique: "softmax: the diagonal of the Jacobian only"."""
    operation: str
    """As in `acg_numpy.passes`: "softmax"."""
    expected: str
    """A key of `acg_numpy.checks.report.mistake_names.MISTAKES`."""
    story: str
    """How it is made, in one or two sentences."""
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    right: Callable[..., Any]
    draw: Callable[[np.random.Generator, bool], tuple[Any, ...]]
    """`draw(rng, distinct)`: inputs at which the mistake shows; distinct: with axes that no size confuses."""


@dataclass(frozen=True)
class Operation:
    """A pair of passes with inputs for it, and the mistakes that are made in its backward.

    Examples
    --------
    >>> def draw(rng, distinct):
    ...     return (rng.normal(size=3),)
    >>> SQUARE = Operation("square", lambda x: (x * x, x), lambda dy, x: 2 * x * dy, draw)
    >>> @SQUARE.mistake("the factor 2 lost", "constant-factor", "The square is differentiated in a hurry.")
    ... def without_two(dy, x):
    ...     return x * dy
    >>> SQUARE.mistakes[0].name, SQUARE.mistakes[0].story
    ('square: the factor 2 lost', 'The square is differentiated in a hurry.')
    """

    name: str
    forward: Callable[..., Any]
    right: Callable[..., Any]
    draw: Callable[[np.random.Generator, bool], tuple[Any, ...]]
    mistakes: list[Mistake] = field(default_factory=list)

    def mistake(self, name: str, expected: str, story: str) -> Callable[[Backward], Backward]:
        """Enter the function that follows as a wrong backward.

        Parameters
        ----------
        name : str
            What is wrong, in a few words; the operation's name is put before it.
        expected : str
            The id that the diagnosis should give.
        story : str
            How the mistake is made, in one or two sentences.
        """

        def enter(backward: Backward) -> Backward:
            full = f"{self.name}: {name}"
            self.mistakes.append(
                Mistake(full, self.name, expected, story, self.forward, backward, self.right, self.draw)
            )
            return backward

        return enter


def sizes(rng: np.random.Generator, distinct: bool, count: int) -> tuple[int, ...]:
    """Draw lengths for `count` axes: all different, or as they fall among 3 and 4, so that some coincide.

    Examples
    --------
    >>> lengths = sizes(np.random.default_rng(0), True, 5)
    >>> sorted(lengths) == sorted(DIFFERENT)
    True
    """
    lengths = rng.permutation(DIFFERENT)[:count] if distinct else rng.integers(3, 5, size=count)
    return tuple(int(n) for n in lengths)
