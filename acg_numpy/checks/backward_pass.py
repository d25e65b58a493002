"""`check_backward`, the comparison of a hand-written backward pass with numeric derivatives of its forward."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acg_numpy.autograd import from_passes
from acg_numpy.checks.build_report import build_report
from acg_numpy.checks.contract.checked_inputs import Argument, Outputs, copy_arrays, name_of, read_arguments
from acg_numpy.checks.contract.returned import (
    FunctionOutputs,
    entries_of,
    random_grad_outs,
    read_gradients,
    read_outputs,
    read_pair,
    refuse_nan,
    return_fault,
)
from acg_numpy.checks.contract.side_effects import find_side_effects
from acg_numpy.checks.findings import Subject, add_findings
from acg_numpy.checks.report.report import GradientMismatch, GradientReport
from acg_numpy.checks.second_order import second_order_report
from acg_numpy.checks.settings import Settings, read_settings


def check_backward(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *inputs: Any,
    method: str = "central",
    rtol: float = 1e-5,
    atol: float = 0.0,
    step: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    raise_on_failure: bool = True,
    second_order: bool = False,
) -> GradientReport:
    """Compare a backward pass with numeric derivatives of its forward, element by element.

    The outputs are contracted with random gradients, never constant ones, which would hide every mistake behind a
    softmax or a layer norm.  Inputs are copied before every call.

    Parameters
    ----------
    forward : callable
        `out, cache = forward(*inputs)`, with one array or a tuple of them for `out`.  Bind options with
        `functools.partial`.
    backward : callable
        `grads = backward(grad_out, cache)`: a tuple, list or NamedTuple with one entry an input, a single array for a
        single input; None for inputs that are not floating, and these may be left out at the end.
    *inputs : arrays, numbers or None
        Floating ones of any precision are checked, in float64; integers, booleans and None are held fixed.
    method : {"central", "richardson", "complex", "directional"}
        How numeric derivatives are taken: by central differences; by these, extrapolated, which are some thousand times
        more precise at three times the cost; by complex steps, which are exact where the forward is complex-analytic
        (tried on each element, and central differences used elsewhere); or along a few random directions, at a cost
        that does not grow with the inputs.
    rtol : float
        How far two values may be apart, as a fraction of the larger.
    atol : float
        How far they may be apart in any case.  Gradients that are zero but for rounding need none: they are compared at
        the scale of the whole gradient.
    step : float, optional
        The step, instead of `eps^(1/3) * max(|x|, 1)` and a ladder of others where that leaves doubt.
    seed : int
        Draws the gradients of the outputs.
    names : sequence of str, optional
        The inputs' names, instead of those in the forward's signature.
    raise_on_failure : bool
        Whether to raise where the report has not passed.
    second_order : bool
        Whether to check the gradient of the gradient as well: the engine carries gradients back through `backward`
        itself (so both passes must be written in functions that it knows), and numeric derivatives of `backward` tell
        whether it does so rightly.

    Returns
    -------
    GradientReport
        `passed`, `worst`, `per_input`, `undecided` and more; `print(report)` reads well.

    Raises
    ------
    GradientMismatch
        An AssertionError with the report for its message, and in `.report`.
    TypeError, ValueError
        Where the check makes no sense as called.  What `forward` and `backward` raise is passed on.

    Examples
    --------
    >>> import numpy as np
    >>> def square_forward(x):
    ...     return x * x, x
    >>> def square_backward(grad_out, x):
    ...     return 2 * grad_out * x
    >>> x = np.array([1.0, -2.0, 3.0])
    >>> check_backward(square_forward, square_backward, x).passed
    True
    >>> report = check_backward(square_forward, lambda grad_out, x: grad_out * x, x, raise_on_failure=False)
    >>> report.passed, report.worst.input, report.worst.index, round(report.worst.numeric / report.worst.analytic, 6)
    (False, 'x', (2,), 2.0)
    """
    __tracebackhide__ = True  # pytest shows the report, and not this function
    settings = read_settings(method, rtol, atol, step, seed)
    arguments = read_arguments(forward, inputs, names)
    report = _pair_report(forward, backward, arguments, settings, second_order)
    if raise_on_failure and not report.passed:
        raise GradientMismatch(report)
    return report


def _pair_report(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arguments: Sequence[Argument],
    settings: Settings,
    second_order: bool,
) -> GradientReport:
    """Make the report on a pair, at first order and, where asked for, at second."""

    def run(point: Sequence[Any]) -> tuple[FunctionOutputs, Any]:
        out, cache = read_pair(forward(*copy_arrays(point)))
        return read_outputs(out), cache

    def evaluate(point: Sequence[Any]) -> Outputs:
        return run(point)[0].floating

    def evaluate_complex(point: Sequence[Any]) -> Outputs:
        out, _ = read_pair(forward(*copy_arrays(point)))
        return tuple(map(np.asarray, result.select_floating([out] if result.single else out)))

    def pull(point: Sequence[Any], grad_outs: Sequence[Any]) -> Any:
        result, cache = run(point)
        returned = backward(result.as_returned(result.place_gradients(copy_arrays(grad_outs))), cache)
        return returned if return_fault(returned) else copy_arrays(entries_of(returned))

    def outputs(*point: Any) -> Any:
        out, _ = read_pair(forward(*point))
        return tuple(result.select_floating([out] if result.single else out))

    values = [argument.value for argument in arguments]
    result, _ = run(values)
    refuse_nan(result)
    grad_outs = random_grad_outs(result, settings.rng)
    returned = pull(values, grad_outs)
    gradients, fault = read_gradients(returned, arguments)
    entries = entries_of(returned)
    title = f"check_backward of {name_of(backward)}"
    report = build_report(
        title, settings, arguments, evaluate, grad_outs, gradients, fault=fault, evaluate_complex=evaluate_complex
    )
    side_effects = find_side_effects(forward, backward, arguments, grad_outs, np.random.default_rng(settings.seed))
    subject = Subject(arguments, outputs, evaluate, grad_outs, entries, wrong_count=fault is not None)
    report = add_findings(report, subject, settings, side_effects)
    if not second_order or report.faults:
        return report

    pair = from_passes(forward, backward)

    def floating_outputs(*point: Any) -> Any:
        out = pair(*point)
        return tuple(result.select_floating([out] if result.single else out))

    def first_gradients(point: Sequence[Any], grad_outs: Sequence[Any]) -> Outputs:
        read, _ = read_gradients(pull(point, grad_outs), arguments)
        return tuple(gradient for gradient in read if isinstance(gradient, np.ndarray))

    second = second_order_report(title, settings, arguments, grad_outs, floating_outputs, first_gradients)
    return replace(report, second_order=second)
