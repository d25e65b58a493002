"""One wrong backward, with all that it takes to run it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Mistake(NamedTuple):
    """A wrong backward, the right one, and what a good teacher would call the difference."""

    name: str
    operation: str
    expected: str
    story: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    right: Callable[..., Any]
    draw: Callable[[np.random.Generator, bool], tuple[Any, ...]]
