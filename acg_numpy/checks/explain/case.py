"""The case to explain: the submitted gradients, the right ones, and how far apart they are.

The right ones come from the graph of the forward if it could be traced and agrees with the numeric derivative; they
are then known to some fifteen digits.  Otherwise they are the numeric derivative, known to some seven.  The tolerance
of the case follows from which of the two they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from acg_numpy.checks.contract.checked_inputs import Argument, copy_arrays
from acg_numpy.checks.numeric.differences import Differences
from acg_numpy.checks.tracing import Graph, Line, NotFollowedError, trace
from acg_numpy.shapes import Array

# relative to the largest element of a gradient: two ways of writing one formula differ by far less
TRACED = 1e-8
# relative; in gradients of many digits a factor is known to far more
CLOSE = 1e-6
# relative to the largest element of all gradients: this is zero
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Case:
    """A gradient under test beside the right one; only the checked inputs are counted.

    Attributes
    ----------
    names : tuple of str
    values : tuple of arrays
        The checked inputs themselves.
    others : dict
        By name, the inputs held fixed, without those that are None.
    submitted : tuple of arrays or None
        As they came, of any shape; None if there is none.
    right : tuple of arrays
    grad_outs : tuple of arrays
    graph : Graph or None
    grads : tuple
        The right gradient of every result of the graph.
    tolerance : float
        How far apart two equal values may be, relative to the largest.
    replay : callable or None
        Gives the graph for other values of all inputs.
    unfollowed : str or None
        Where the forward is not followed any more, and why; None if there is a graph.
    """

    names: tuple[str, ...]
    values: tuple[Array, ...]
    others: dict[str, Array]
    submitted: tuple[Array | None, ...]
    right: tuple[Array, ...]
    grad_outs: tuple[Array, ...]
    graph: Graph | None
    grads: tuple[Array | None, ...]
    tolerance: float
    replay: Callable[[dict[str, Any]], Graph] | None = None
    unfollowed: str | None = None

    @cached_property
    def scale(self) -> float:
        """The largest element of any right gradient."""
        return max((max_abs(gradient) for gradient in self.right), default=0.0)

    @property
    def factor_tolerance(self) -> float:
        """How far apart two equal factors may be, relative to the larger, one of them found by least squares."""
        return max(CLOSE, self.tolerance)

    def fits(self, which: int) -> bool:
        """Check whether the submitted gradient has the shape of its input."""
        submitted = self.submitted[which]
        return submitted is not None and submitted.shape == self.right[which].shape

    def close(self, one: Array, other: Array) -> bool:
        """Check whether two gradients of an input are the same, except for rounding."""
        return one.shape == other.shape and self.distance(one, other) <= self.tolerance

    def distance(self, one: Array, other: Array) -> float:
        """Return the largest difference, relative to the largest element."""
        scale = max(max_abs(one), max_abs(other), NOTHING * self.scale / self.tolerance)
        if not one.size or scale == 0:
            return 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            off = float(np.max(np.abs(one - other))) / scale
        return off if np.isfinite(off) else np.inf

    @cached_property
    def wrong(self) -> tuple[int, ...]:
        """The numbers of the inputs whose gradient is wrong."""
        return tuple(
            which
            for which, (submitted, right) in enumerate(zip(self.submitted, self.right, strict=True))
            if submitted is None or not self.close(submitted, right)
        )

    def residual(self, gradients: Sequence[Array]) -> float:
        """Return the distance of the submitted gradients from others, over all inputs; infinite if a shape differs."""
        off = 0.0
        for submitted, gradient in zip(self.submitted, gradients, strict=True):
            if submitted is None or submitted.shape != gradient.shape:
                return np.inf
            off = max(off, self.distance(submitted, gradient))
            if off > self.tolerance:
                return off
        return off

    def isolate(self, which: Sequence[int]) -> "Case":
        """Return the case in which the gradients of all other inputs were right."""
        submitted = [s if i in which else r for i, (s, r) in enumerate(zip(self.submitted, self.right, strict=True))]
        return replace(self, submitted=tuple(submitted))


@dataclass(frozen=True)
class Explanation:
    """One way to get from the right gradients to the submitted ones.

    Attributes
    ----------
    mistake : str
        Its id.
    cost : float
        How far-fetched it is; the simplest explanation has the lowest.
    residual : float
        How far it misses, relative to the largest element.
    text : str
        What was done, in words about this case.
    line : Line or None
        The line of the forward that it belongs to.
    support : int
        How many numbers it explains beyond those that were chosen to fit.
    changes : int
        How many changes of the right backward it takes.
    """

    mistake: str
    cost: float
    residual: float
    text: str
    line: Line | None = None
    support: int = 2
    changes: int = 1


def max_abs(array: Array) -> float:
    """Return the largest absolute value, 0 for an empty array."""
    return float(np.max(np.abs(array), initial=0.0))


def make_case(
    outputs: Callable[..., Any],
    arguments: Sequence[Argument],
    grad_outs: Sequence[Array],
    submitted: Sequence[Any],
    numeric: Mapping[int, Differences],
) -> Case:
    """Make the case of submitted gradients, with the right ones from the most precise source available.

    Parameters
    ----------
    outputs : callable
        From all inputs to the tuple of floating outputs; on Tensors if the forward can be traced.
    arguments : sequence of Argument
    grad_outs : sequence of arrays
    submitted : sequence, one entry an argument
        What the backward returned.
    numeric : dict of Differences
        By the number of the argument, the derivatives by each that is checked, in its shape.
    """
    checked = [which for which, argument in enumerate(arguments) if argument.checked]
    names = tuple(arguments[which].name for which in checked)
    entries = tuple(_float_array(submitted[which]) for which in checked)
    known = [numeric[which] for which in checked]
    values = [argument.value for argument in arguments]

    def replay(changed: dict[str, Any]) -> Graph:
        given = [changed.get(argument.name, argument.value) for argument in arguments]
        return trace(outputs, copy_arrays(given), [argument.checked for argument in arguments])

    graph, grads, traced, unfollowed = None, [], None, None
    try:
        graph = replay({})
        grads = graph.gradients(grad_outs)
        traced = graph.at_inputs(grads)
    except NotFollowedError as error:
        unfollowed = _reason(error.line, str(error))
    except Exception as error:
        # a rule of the engine may raise anything
        unfollowed = _reason(None, f"{type(error).__name__}: {error}")
    coarse = max((_relative_error(one) for one in known), default=0.0)
    tolerance = min(1e-3, max(1e-6, 20 * coarse))
    if graph is not None and traced is not None and not all(map(_agrees, traced, known)):
        line, how = graph.exits[0] if graph.exits else (None, "the graph recorded of it has another gradient")
        unfollowed = _reason(line, f"{how} takes numbers out of what is followed" if graph.exits else how)
        graph, traced = None, None
    return Case(
        names,
        tuple(values[which] for which in checked),
        {a.name: np.asarray(a.value) for a in arguments if not a.checked and a.value is not None},
        entries,
        tuple([one.derivative for one in known] if traced is None else traced),
        tuple(grad_outs),
        graph,
        tuple(grads) if graph is not None else (),
        tolerance if graph is None else TRACED,
        replay if graph is not None else None,
        unfollowed,
    )


def _reason(line: Line | None, what: str) -> str:
    """Write where a forward is not followed any more, and why."""
    first = what.partition("\n")[0]
    return f"beyond {line} ({first})" if line is not None else f"({first})"


def _float_array(entry: Any) -> Array | None:
    """Return a gradient as it was submitted, in float64; None for what is no array of real numbers."""
    if entry is None:
        return None
    try:
        return np.asarray(np.real(entry), dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _relative_error(numeric: Differences) -> float:
    """Return how uncertain a numeric gradient is, relative to its largest element."""
    return max_abs(numeric.error) / max(max_abs(numeric.derivative), 1e-300)


def _agrees(traced: Array, numeric: Differences) -> bool:
    """Check whether the graph's gradient is the numeric one, as far as that can be told."""
    give = np.where(np.isfinite(numeric.error), numeric.error, np.inf)
    size = max(max_abs(numeric.derivative), max_abs(traced))
    with np.errstate(invalid="ignore"):
        off = np.abs(traced - numeric.derivative) > 20 * give + 1e-4 * size + 1e-9
    return not bool(np.any(off))
