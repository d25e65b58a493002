"""An operation that mistakes are made in, and sizes for its axes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.mistakes import Mistake

DIFFERENT = (3, 5, 6, 7, 8)  # none is a product, a square or a square root of others, nor a constant of a formula


class Operation(NamedTuple):
    """A forward, its right backward, and inputs for them."""

    name: str
    forward: Callable[..., Any]
    right: Callable[..., Any]
    draw: Callable[[np.random.Generator, bool], tuple[Any, ...]]

    def mistake(self, name: str, expected: str, story: str, backward: Callable[..., Any]) -> Mistake:
        """Return a wrong backward of this operation."""
        return Mistake(
            f"{self.name}: {name}", self.name, expected, story, self.forward, backward, self.right, self.draw
        )


def sizes(rng, distinct, count, among=DIFFERENT):
    """Draw sizes for `count` axes: all different, or as they fall among 3 and 4, so that some coincide."""
    return (int(n) for n in (rng.permutation(among)[:count] if distinct else rng.integers(3, 5, size=count)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(scores, axis=-1):
    exponentials = np.exp(scores - np.max(scores, axis=axis, keepdims=True))
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)
