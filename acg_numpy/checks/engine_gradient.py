"""`gradcheck`, the comparison of the engine's gradient of a function with numeric derivatives of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acg_numpy.autograd import Tensor, no_grad, tensor
from acg_numpy.checks.build_report import build_report
from acg_numpy.checks.contract.checked_inputs import Argument, Outputs, copy_arrays, function_name, read_arguments
from acg_numpy.checks.contract.returned import FunctionOutputs, is_floating, random_grad_outs, read_outputs, refuse_nan
from acg_numpy.checks.findings import Subject, add_findings
from acg_numpy.checks.report.report import GradientMismatch, GradientReport
from acg_numpy.checks.second_order import engine_gradients, second_order_report
from acg_numpy.checks.settings import Settings, read_settings


def gradcheck(
    function: Callable[..., Any],
    *inputs: Any,
    method: str = "central",
    rtol: float = 1e-5,
    atol: float = 0.0,
    step: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    raise_on_failure: bool = True,
    second_order: bool = False,
    hints: int = 2,
) -> GradientReport:
    """Compare the engine's gradient of a function of Tensors with numeric derivatives, element by element.

    Parameters
    ----------
    function : callable
        Takes Tensors, returns a Tensor or a tuple of them.  What it reaches from outside is held fixed.
    *inputs : arrays, Tensors, numbers or None
        Floating ones of any precision are checked, in float64, and reach `function` as Tensors; integers, booleans and
        None are held fixed and reach it as they are.
    method, rtol, atol, step, seed, names, raise_on_failure, hints
        As for `check_backward`.
    second_order : bool
        Whether to check the gradient of the gradient as well.

    Returns
    -------
    GradientReport
        `passed`, `worst`, `per_input`, `undecided` and more; `print(report)` reads well.

    Raises
    ------
    GradientMismatch
        An AssertionError with the report for its message, and in `.report`.
    TypeError, ValueError
        If the check makes no sense as called.  What `function` raises is passed on.

    Examples
    --------
    >>> import numpy as np
    >>> report = gradcheck(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.full((3, 2), 0.1), second_order=True)
    >>> report.passed
    True
    >>> print(gradcheck(np.sin, np.array([0.0, 1.0]), names=["angle"]))  # doctest: +ELLIPSIS
    gradcheck of sin: passed
    (central differences in float64, rtol 1e-05, seed 0)
    <BLANKLINE>
      input  shape  right  wrong  undecided  largest  relative error
      angle  (2,)       2      .          .     0.77         ...
    """
    __tracebackhide__ = True  # pytest shows the report, and not this function
    settings = read_settings(method, rtol, atol, step, seed, hints)
    arguments = read_arguments(function, inputs, names)
    report = replace(_function_report(function, arguments, settings, second_order), hints=hints)
    if raise_on_failure and not report.passed:
        raise GradientMismatch(report)
    return report


def _function_report(
    function: Callable[..., Any], arguments: Sequence[Argument], settings: Settings, second_order: bool
) -> GradientReport:
    """Make the report on a function, at first order and, if asked for, at second."""

    def run(point: Sequence[Any]) -> FunctionOutputs:
        with no_grad():
            given = zip(arguments, copy_arrays(point), strict=True)
            out = function(*(tensor(value) if argument.checked else value for argument, value in given))
        single = not isinstance(out, (tuple, list))
        arrays = [o.numpy() if isinstance(o, Tensor) else o for o in ([out] if single else out)]
        return read_outputs(arrays[0] if single else tuple(arrays))

    def outputs(*point: Any) -> Any:
        out = function(*point)
        return tuple(o for o in (out if isinstance(out, (tuple, list)) else [out]) if is_floating(o))

    def first_gradients(point: Sequence[Any], grad_outs: Sequence[Any]) -> Outputs:
        found = engine_gradients(outputs, copy_arrays(point), arguments, copy_arrays(grad_outs))
        return tuple(gradient for gradient in found if gradient is not None)

    values = [argument.value for argument in arguments]
    result = run(values)
    refuse_nan(result)
    grad_outs = random_grad_outs(result, settings.rng)
    title = f"gradcheck of {function_name(function)}"
    gradients = engine_gradients(outputs, copy_arrays(values), arguments, copy_arrays(grad_outs))

    def evaluate(point: Sequence[Any]) -> Outputs:
        return run(point).floating

    def evaluate_complex(point: Sequence[Any]) -> Outputs:
        out = function(*copy_arrays(point))  # Tensors are real, and what works on them works on arrays as a rule
        return tuple(map(np.asarray, result.select_floating([out] if result.single else out)))

    report = build_report(title, settings, arguments, evaluate, grad_outs, gradients, evaluate_complex=evaluate_complex)
    report = add_findings(report, Subject(arguments, outputs, evaluate, grad_outs, gradients), settings)
    if not second_order or report.faults:
        return report
    second = second_order_report(title, settings, arguments, grad_outs, outputs, first_gradients)
    return replace(report, second_order=second)
