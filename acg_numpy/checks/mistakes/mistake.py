"""One wrong backward, with all that it takes to run it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Mistake(NamedTuple):
    """A wrong backward, the right one, and what a good teacher would call the difference."""

    name: str
    """Unique: "softmax: the diagonal of the Jacobian only"."""
    operation: str
    """As in `acg_numpy.passes`: "softmax"."""
    expected: str
    """A key of `acg_numpy.checks.naming.MISTAKES`."""
    story: str
    """How people come to make it, in a sentence."""
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    right: Callable[..., Any]
    draw: Callable[[np.random.Generator, bool], tuple[Any, ...]]
    """`draw(rng, distinct)`: inputs at which the mistake shows; distinct: with axes that no size confuses."""
