"""A timed step, with what makes its arguments and what reads its results, which are not timed."""

from collections.abc import Callable
from typing import Any, NamedTuple

from acg_numpy.cli.benchmarks.cases import Batch, Gradients
from acg_numpy.shapes import Array


class TimedStep(NamedTuple):
    """A step of a library for one case, with its parameters loaded.

    `prepare` converts a batch to the library's arrays; only `step` is timed; `read` returns condition and
    gradients as arrays, and is None where there are none to compare.
    """

    step: Callable[..., Any]
    prepare: Callable[[Batch], tuple[Any, ...]] = tuple
    read: Callable[[Any], tuple[Array, Gradients]] | None = None
