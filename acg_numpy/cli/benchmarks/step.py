"""What is timed: a step, between what makes its arguments and what reads its results, which are not."""

from collections.abc import Callable
from typing import Any, NamedTuple

from acg_numpy.cli.benchmarks.cases import Batch, Gradients
from acg_numpy.shapes import Array


class Running(NamedTuple):
    """A step of somebody's for one case, with its parameters loaded.

    `prepare` makes a batch into what the library works on; `step`, alone, is timed; `read` gives condition and
    gradients as arrays, and is None where there are none to compare.
    """

    step: Callable[..., Any]
    prepare: Callable[[Batch], tuple[Any, ...]] = tuple
    read: Callable[[Any], tuple[Array, Gradients]] | None = None
