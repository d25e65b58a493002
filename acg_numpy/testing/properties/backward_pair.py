"""The property of a forward and its backward: the backward is the derivative, whatever the shapes."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from acg_numpy.checks import GradientReport, check_backward
from acg_numpy.checks.contract.checked_inputs import names_from_signature
from acg_numpy.testing.properties.expectations import Difference
from acg_numpy.testing.properties.runner import Effort, Example, Property, run_all

GRADIENT = "The backward pass is the derivative of its forward, whatever the shapes."


def check_backward_pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: st.SearchStrategy[Any],
    *,
    max_examples: int | None = None,
    seed: int | None = 0,
    **options: Any,
) -> None:
    """Look for inputs at which a hand-written backward is not the derivative of its forward.

    Parameters
    ----------
    forward : callable
        `out, cache = forward(*inputs)`.
    backward : callable
        `grads = backward(grad_out, cache)`, as `acg_numpy.check_backward` takes it.
    inputs : search strategy
        Draws tuples of inputs.
    max_examples : int, optional
        How many inputs to try.  By default as many as the active Hypothesis profile says, which is 100 unless one
        was loaded; within a property test, as many as that test's settings say.
    seed : int or None
        The seed that the inputs are drawn from; None for different ones in every run.
    **options
        Passed to `acg_numpy.check_backward`: `rtol`, `method`, `names`, `second_order` and more.

    Raises
    ------
    PropertyViolation
        With the smallest inputs found, the numeric derivative and what was returned at the worst element, and the
        report, which names the mistake.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import strategies as st
    >>> numbers = st.tuples(st.integers(-3, 3).map(float))
    >>> def square(x):
    ...     return np.square(x), x
    >>> check_backward_pair(square, lambda grad_out, x: 2 * grad_out * x, numbers, max_examples=5)
    >>> check_backward_pair(square, lambda grad_out, x: grad_out * x, numbers)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    acg_numpy.testing.violation.PropertyViolation: The backward pass is the derivative of its forward, ...
    """
    __tracebackhide__ = True
    names = options.pop("names", None)

    def name_inputs(values: tuple[Any, ...]) -> Example:
        return dict(zip(names or names_from_signature(forward, len(values)), values, strict=True))

    def is_derivative(pair: Any, conventions: None, **example: Any) -> None:
        report = check_backward(*pair, *example.values(), names=list(example), raise_on_failure=False, **options)
        if _is_wrong(report):
            raise Difference(*_expected_and_got(report))

    property = Property("gradient", GRADIENT, lambda conventions: inputs.map(name_inputs), is_derivative)
    run_all([property], (forward, backward), None, Effort(max_examples, seed, None))


def _is_wrong(report: GradientReport) -> bool:
    """Return whether a report finds something wrong; that nothing could be decided, at a kink say, is no finding."""
    deeper = report.second_order is not None and _is_wrong(report.second_order)
    return deeper or not (report.passed or (report.nothing_decided and not report.faults))


def _expected_and_got(report: GradientReport) -> tuple[str, str]:
    """Return the worst element's numeric derivative, and its analytic one with the whole report."""
    worst = report.worst
    if worst is None:
        return "a gradient that can be compared", f"\n\n{report}"
    where = f"{worst.input}[{', '.join(map(str, worst.index))}]" if worst.index else worst.input
    return f"{worst.numeric:.6g}, the numeric derivative by {where}", f"{worst.analytic:.6g}\n\n{report}"
