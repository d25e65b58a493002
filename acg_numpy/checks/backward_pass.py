"""`check_backward`, the comparison of a hand-written backward pass with numeric derivatives of its forward."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acg_numpy.autograd import from_passes
from acg_numpy.checks.build_report import build_report
from acg_numpy.checks.contract.call_form import CallForm
from acg_numpy.checks.contract.checked_inputs import Argument, Outputs, copy_arrays, function_name
from acg_numpy.checks.contract.nested_inputs import NestedInputs, read_nested_inputs
from acg_numpy.checks.contract.returned import (
    FunctionOutputs,
    random_grad_outs,
    read_entries,
    read_gradients,
    read_outputs,
    read_pair,
    refuse_nan,
)
from acg_numpy.checks.contract.side_effects import find_side_effects
from acg_numpy.checks.contract.unwritten import describe_outside_gradients, outside_arrays
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
    hints: int = 2,
    dtype: Any = np.float64,
) -> GradientReport:
    """Compare a backward pass with numeric derivatives of its forward, element by element.

    The outputs are contracted with random gradients, never constant ones, which would hide every mistake behind a
    softmax or a layer norm.  Inputs are copied before every call.

    Parameters
    ----------
    forward : callable
        `out, cache = forward(*inputs)`, with one array or a tuple of them for `out`; `h, c, cache`, and `out` alone,
        are understood from what `backward` takes.  Bind options with `functools.partial`.
    backward : callable
        `grads = backward(grad_out, cache)`: a tuple, list or NamedTuple with one entry an input, a single array for a
        single input, a dict by the inputs' names, with or without `d`, `grad_` or `dL_d` before them, or lists and
        dicts that mirror those of the inputs; None for inputs that are not floating, and these may be left out.  For
        several outputs, `backward(grad_h, grad_c, cache)` as well; where `forward` returns no cache,
        `backward(grad_out, x)` with the names of inputs; `backward(grad_out)` alone, where the two share what the
        forward keeps in a closure.
    *inputs : arrays, numbers, None, or dicts and lists of arrays
        Floating ones of any precision are checked, in float64; integers, booleans and None are held fixed.  In a dict
        or a list each array is an input of its own, and everything else is an option.  The same array given for several
        inputs may have one gradient, the sum over its uses.
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
        The step, instead of `eps^(1/3) * max(|x|, 1)` and ladders of others, down to a
        thousandth of `|x|`, if that leaves doubt.
    seed : int
        Draws the gradients of the outputs.
    names : sequence of str, optional
        The inputs' names, instead of those in the forward's signature.
    raise_on_failure : bool
        Whether to raise if the report has not passed.
    second_order : bool
        Whether to check the gradient of the gradient as well: the engine carries gradients back through `backward`
        itself (so both passes must be written in functions that it knows), and numeric derivatives of `backward` tell
        whether it does so rightly.
    hints : {0, 1, 2}
        How much the printed report gives away: right or wrong for each input; a hint, too; everything.
    dtype : {"float64", "float32"}
        In which the passes are run for their gradients; numeric derivatives are taken in float64 in either case.

    Returns
    -------
    GradientReport
        `passed`, `worst`, `per_input`, `undecided` and more; `print(report)` reads well.

    Raises
    ------
    GradientMismatch
        An AssertionError with the report for its message, and in `.report`.
    TypeError, ValueError
        If the check makes no sense as called.  What `forward` and `backward` raise is passed on.

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
    settings = read_settings(method, rtol, atol, step, seed, hints, dtype)
    title = f"check_backward of {function_name(backward)}"

    def make_pair(nested: NestedInputs) -> tuple[CallForm, Pair]:
        form = CallForm(forward, backward, nested)
        return form, Pair(form.forward, form.backward, nested.arguments, title, source=backward)

    nested = merge_if_summed(read_nested_inputs(forward, inputs, names), lambda one: make_pair(one)[1])
    form, pair = make_pair(nested)
    report = pair_report(pair, settings, second_order)
    report = replace(report, notes=(*nested.notes, *form.notes, *report.notes))
    if raise_on_failure and not report.passed:
        raise GradientMismatch(report)
    return report


class Pair:
    """A forward and a backward, with the form of the outputs at the inputs of a check.

    Parameters
    ----------
    forward, backward : callables
        `out, cache = forward(*values)` and `grads = backward(grad_out, cache)`.
    arguments : sequence of Argument
    title : str, optional
        Heads the report; by default with the backward's name.
    coarse : bool
        Whether gradients may come in another floating dtype than float64.
    source : callable, optional
        The backward as its author wrote it; by default `backward`.

    Raises
    ------
    ContractError
        If the forward does not return `out, cache`, or its output is not finite real numbers.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        arguments: Sequence[Argument],
        title: str = "",
        *,
        coarse: bool = False,
        source: Callable[..., Any] | None = None,
    ) -> None:
        self.forward, self.backward, self.arguments = forward, backward, arguments
        self.source = backward if source is None else source
        self.title = title or f"check_backward of {function_name(backward)}"
        self.values = [argument.value for argument in arguments]
        self.form, _ = self.run(self.values)
        refuse_nan(self.form)
        self.coarse = coarse or any(output.dtype != np.float64 for output in self.form.floating)

    def run(self, point: Sequence[Any]) -> tuple[FunctionOutputs, Any]:
        """Run the forward on copies of the inputs."""
        out, cache = read_pair(self.forward(*copy_arrays(point)))
        return read_outputs(out), cache

    def evaluate(self, point: Sequence[Any]) -> Outputs:
        """Return the floating outputs."""
        return self.run(point)[0].floating

    def evaluate_complex(self, point: Sequence[Any]) -> Outputs:
        """Return the floating outputs where an input is complex, and with it they may be."""
        return tuple(map(np.asarray, self.outputs(*copy_arrays(point))))

    def outputs(self, *point: Any) -> tuple[Any, ...]:
        """Return the floating outputs as they come, for inputs that may be Tensors."""
        return self.select_floating(read_pair(self.forward(*point))[0])

    def select_floating(self, out: Any) -> tuple[Any, ...]:
        """Return the floating ones of what the forward returned."""
        return tuple(self.form.select_floating([out] if self.form.single else out))

    def pull(self, point: Sequence[Any], grad_outs: Sequence[Any]) -> Any:
        """Run both passes, and return what the backward returned, in the order of the arguments where that is known."""
        returned = self.pull_as_returned(point, grad_outs)
        aligned = read_entries(returned, self.arguments)
        return returned if aligned.fault else copy_arrays(aligned.entries)

    def pull_as_returned(self, point: Sequence[Any], grad_outs: Sequence[Any]) -> Any:
        """Run both passes, and return the very objects that the backward returned."""
        form, cache = self.run(point)
        return self.backward(form.as_returned(form.place_gradients(copy_arrays(grad_outs))), cache)


def merge_if_summed(nested: NestedInputs, make_pair: Callable[[NestedInputs], Pair]) -> NestedInputs:
    """Merge inputs that are one array if the backward returns one gradient for each array, not for each input.

    Parameters
    ----------
    nested : NestedInputs
    make_pair : callable
        Makes the pair of functions of these inputs.
    """
    merged = nested.merged()
    if merged is None or not _is_miscounted(make_pair(nested)) or _is_miscounted(make_pair(merged)):
        return nested
    return merged


def _is_miscounted(pair: Pair) -> bool:
    """Check whether the backward returns too few or too many gradients."""
    returned = pair.pull(pair.values, random_grad_outs(pair.form, np.random.default_rng(0)))
    return read_entries(returned, pair.arguments).miscounted


def compare_gradients(
    pair: Pair, settings: Settings, *, float32_inside: bool = False
) -> tuple[GradientReport, Subject]:
    """Compare the gradients of a pair at first order, and look for neither side effects nor mistakes.

    Parameters
    ----------
    pair : Pair
    settings : Settings
    float32_inside : bool
        Whether the backward rounds as float32 does, whatever dtype it returns.

    Returns
    -------
    GradientReport
    Subject
        What it is about, for the search for mistakes.
    """
    arguments = pair.arguments
    grad_outs = random_grad_outs(pair.form, settings.rng)
    point = [_cast(argument.value, settings.dtype) if argument.checked else argument.value for argument in arguments]
    returned = pair.pull(point, [_cast(gradient, settings.dtype) for gradient in grad_outs])
    aligned = read_entries(returned, arguments)
    coarse = pair.coarse or settings.dtype != np.float64
    allowed = (np.float64, np.float32, np.float16, np.longdouble) if coarse else (np.float64,)
    gradients, fault = read_gradients(returned, arguments, allowed)
    dtypes = {
        argument.name: np.dtype(np.float32) if float32_inside else np.asarray(entry).dtype
        for argument, entry, gradient in zip(arguments, aligned.entries, gradients, strict=True)
        if argument.checked and isinstance(gradient, np.ndarray)
    }
    settings, notes = settings.for_gradients(dtypes, float32_inside=float32_inside)
    report = build_report(
        pair.title,
        settings,
        arguments,
        pair.evaluate,
        grad_outs,
        gradients,
        fault=fault,
        evaluate_complex=pair.evaluate_complex,
    )
    report = replace(report, notes=(*aligned.notes, *notes, *report.notes))
    entries = (
        aligned.entries if fault is None else list(returned) if isinstance(returned, (tuple, list)) else [returned]
    )
    subject = Subject(
        arguments,
        pair.outputs,
        pair.evaluate,
        grad_outs,
        entries,
        wrong_count=fault is not None,
        coarse=float32_inside,
    )
    return report, subject


def _cast(value: Any, dtype: np.dtype[Any]) -> Any:
    return np.asarray(value, dtype=dtype)


def _unwritten_notes(pair: Pair, grad_outs: Sequence[Any]) -> list[str]:
    """Say which gradients are arrays from outside, as those of a skeleton may be."""
    outside = outside_arrays(pair.source)
    if not outside:
        return []
    try:
        returned = pair.pull_as_returned(pair.values, grad_outs)
    except Exception:  # anything that a backward may raise when it is called once more
        return []
    said = describe_outside_gradients(read_entries(returned, pair.arguments).entries, pair.arguments, outside)
    return [] if said is None else [said]


def pair_report(pair: Pair, settings: Settings, second_order: bool = False, layer: bool = False) -> GradientReport:
    """Make the report on a pair, at first order and, if asked for, at second.

    Parameters
    ----------
    pair : Pair
    settings : Settings
    second_order : bool
    layer : bool
        Whether the cache is a layer, which a backward may change.
    """
    report, subject = compare_gradients(pair, settings)
    arguments, grad_outs = pair.arguments, subject.grad_outs
    # a generator of its own, because settings.rng would draw the gradients of the outputs once more
    rng = np.random.default_rng([settings.seed, 1])
    conduct = find_side_effects(pair.forward, pair.backward, arguments, grad_outs, rng, layer=layer)
    if conduct.coarse:
        report, subject = compare_gradients(pair, settings, float32_inside=True)
    report = replace(report, notes=(*report.notes, *conduct.notes), hints=settings.hints)
    report = add_findings(report, subject, settings, conduct.faults)
    if not report.passed:
        report = replace(report, notes=(*_unwritten_notes(pair, grad_outs), *report.notes))
    if not second_order or report.faults:
        return report

    in_engine = from_passes(pair.forward, pair.backward)

    def outputs(*point: Any) -> Any:
        return pair.select_floating(in_engine(*point))

    def first_gradients(point: Sequence[Any], grad_outs: Sequence[Any]) -> Outputs:
        read, _ = read_gradients(pair.pull(point, grad_outs), arguments)
        return tuple(gradient for gradient in read if isinstance(gradient, np.ndarray))

    second = second_order_report(report.title, settings, arguments, grad_outs, outputs, first_gradients)
    return replace(report, second_order=second)
