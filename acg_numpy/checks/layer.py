"""`check_layer` and `check_loss`, the checks of layers written as classes and of losses that return their gradients."""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acg_numpy.checks.backward_pass import Pair, merge_if_summed, pair_report
from acg_numpy.checks.contract.checked_inputs import Argument, ContractTypeError, function_name
from acg_numpy.checks.contract.layer_pair import LayerPair, align_scaled, read_layer_inputs, split_loss
from acg_numpy.checks.contract.named_gradients import AlignedGradients
from acg_numpy.checks.contract.nested_inputs import NestedInputs, read_nested_inputs
from acg_numpy.checks.contract.returned import random_grad_outs, read_entries
from acg_numpy.checks.contract.side_effects import alike, arrays_in
from acg_numpy.checks.report.report import GradientMismatch, GradientReport
from acg_numpy.checks.settings import read_settings
from acg_numpy.text import joined


def check_layer(
    make: Callable[[], Any],
    *inputs: Any,
    params: str | Sequence[str] = (),
    grads: str | Sequence[str] | Callable[[Any], Any] | None = None,
    forward: str | Callable[..., Any] = "forward",
    backward: str | Callable[..., Any] | None = "backward",
    method: str = "central",
    rtol: float = 1e-5,
    atol: float = 0.0,
    step: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    raise_on_failure: bool = True,
    hints: int = 2,
    dtype: Any = np.float64,
) -> GradientReport:
    """Compare the gradients of a layer, written as a class, with numeric derivatives of its forward.

    The layer becomes a pair of functions of its inputs and its parameters, and is checked as `check_backward` checks
    one.  Every call has a layer of its own, so gradients may be added to what the layer holds.

    Parameters
    ----------
    make : callable
        Returns a layer; called once, and copied for each call.
    *inputs : arrays, numbers, None, or dicts and lists of arrays
        What `forward` is called with.
    params : str or sequence of str
        The parameters: attributes, keys of a dict, positions in a list (`"W"`, `"params.W"`, `"layers[0].W"`); a dict
        or a list stands for everything in it.
    grads : str, sequence of str, or callable, optional
        Where their gradients are after a backward: a name for each parameter, the name of a dict or list of them, or
        a function of the layer that returns them.  By default they are what `backward` returns beside the gradients of
        the inputs, or else are found by the parameters' names: `dW`, `grad_W`, `W_grad`, `grads["W"]`.
    forward, backward : str or callable
        The names of the methods, or functions that take the layer first.  `backward` may take the gradient of the
        output, one for each output, the cache that `forward` returned, and inputs of `forward` by their names.  With
        `backward=None` the forward itself returns `(loss, grads)`.  If `backward` returns no gradient of any input, as
        that of the first layer of a network may, the parameters alone are checked, and a note says so.
    method, rtol, atol, step, seed, names, raise_on_failure, hints, dtype
        As for `check_backward`; `names` are those of the inputs.

    Returns
    -------
    GradientReport

    Raises
    ------
    GradientMismatch
        An AssertionError with the report for its message, and in `.report`.
    TypeError, ValueError
        If the check makes no sense as called.  What the layer raises is passed on.

    Examples
    --------
    >>> import numpy as np
    >>> class Linear:
    ...     def __init__(self, width, height):
    ...         self.W = np.random.default_rng(0).normal(size=(width, height))
    ...         self.b = np.zeros(height)
    ...
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.W + self.b
    ...
    ...     def backward(self, grad_out):
    ...         self.dW = self.x.T @ grad_out
    ...         self.db = grad_out.sum(axis=0)
    ...         return grad_out @ self.W.T
    >>> x = np.random.default_rng(1).normal(size=(5, 4))
    >>> report = check_layer(lambda: Linear(4, 3), x, params=("W", "b"), grads=("dW", "db"))
    >>> report.passed, list(report.per_input)
    (True, ['x', 'W', 'b'])
    """
    __tracebackhide__ = True
    settings = read_settings(method, rtol, atol, step, seed, hints, dtype)
    layer = _make_layer(make, forward)
    source = getattr(layer, backward, None) if isinstance(backward, str) else backward
    title = f"check_layer of {type(layer).__name__}"

    def make_pair(nested: NestedInputs) -> tuple[LayerPair, Pair]:
        state = LayerPair(layer, nested, params, grads, forward, backward, names)
        return state, Pair(state.forward, state.backward, state.arguments, title, coarse=True, source=source)

    nested = read_layer_inputs(layer, inputs, params, forward, names)
    state, pair = make_pair(merge_if_summed(nested, lambda one: make_pair(one)[1]))
    number = len(state.nested.arguments)
    pair.arguments = state.arguments = _hold_missing(pair, state.arguments, state.notes, number)
    report = pair_report(pair, settings, layer=True)
    report = replace(report, notes=(*state.notes, *_reuse_notes(state, pair), *report.notes))
    if raise_on_failure and not report.passed:
        raise GradientMismatch(report)
    return report


def check_loss(
    function: Callable[..., Any],
    *inputs: Any,
    method: str = "central",
    rtol: float = 1e-5,
    atol: float = 0.0,
    step: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    raise_on_failure: bool = True,
    hints: int = 2,
    dtype: Any = np.float64,
) -> GradientReport:
    """Compare the gradients that a loss returns beside its value with numeric derivatives of it.

    Parameters
    ----------
    function : callable
        `loss, grads = function(*inputs)`, with one number for `loss`.  `grads` is a gradient for each input, for the
        first or the first few, or a dict by the inputs' names; the other inputs are held fixed, and the report says so.
    *inputs : arrays, numbers, None, or dicts and lists of arrays
    method, rtol, atol, step, seed, names, raise_on_failure, hints, dtype
        As for `check_backward`.

    Returns
    -------
    GradientReport

    Raises
    ------
    GradientMismatch
        An AssertionError with the report for its message, and in `.report`.
    TypeError, ValueError
        If the check makes no sense as called.  What `function` raises is passed on.

    Examples
    --------
    >>> import numpy as np
    >>> def squared_error(prediction, target):
    ...     return np.mean((prediction - target) ** 2), 2 * (prediction - target) / prediction.size
    >>> report = check_loss(squared_error, np.array([1.0, 2.0]), np.array([0.5, 2.5]))
    >>> report.passed, report.per_input["target"].held
    (True, 'no gradient of it is returned')
    """
    __tracebackhide__ = True
    settings = read_settings(method, rtol, atol, step, seed, hints, dtype)
    nested = read_nested_inputs(function, inputs, names)
    notes = list(nested.notes)

    def forward(*values: Any) -> tuple[Any, Any]:
        return split_loss(function(*nested.rebuild(values)))

    def backward(grad_out: Any, gradients: Any) -> AlignedGradients:
        return align_scaled(gradients, grad_out, nested.arguments)

    pair = Pair(forward, backward, nested.arguments, f"check_loss of {function_name(function)}", coarse=True)
    arguments = _hold_missing(pair, nested.arguments, notes)
    pair.arguments = arguments
    report = pair_report(pair, settings)
    report = replace(report, notes=(*notes, *report.notes))
    if raise_on_failure and not report.passed:
        raise GradientMismatch(report)
    return report


def _hold_missing(
    pair: Pair, arguments: Sequence[Argument], notes: list[str], num_inputs: int | None = None
) -> tuple[Argument, ...]:
    """Hold those arguments fixed of which a loss returns no gradient, or all inputs if a layer returns none of any.

    Parameters
    ----------
    pair : Pair
    arguments : sequence of Argument
    notes : list of str
        What is worth saying is added to it.
    num_inputs : int, optional
        How many of the arguments of a layer are inputs; those after them are parameters.
    """
    arguments = tuple(arguments)
    is_loss = all(output.size == 1 for output in pair.form.floating)
    if not is_loss and num_inputs in (None, len(arguments)):
        return arguments
    rng = np.random.default_rng(0)
    aligned = read_entries(pair.pull(pair.values, random_grad_outs(pair.form, rng)), arguments)
    if aligned.fault is not None:
        return arguments
    missing = [a.name for a, entry in zip(arguments, aligned.entries, strict=True) if a.checked and entry is None]
    if not missing or len(missing) == sum(argument.checked for argument in arguments):
        return arguments
    verb = "is" if len(missing) == 1 else "are"
    if not is_loss:
        if missing != [argument.name for argument in arguments[:num_inputs] if argument.checked]:
            return arguments  # a gradient that is missing among others is a fault
        notes.append(
            f"backward returns no gradient of {joined(missing, 'or')}, which is right for the first layer of a network "
            f"only: {joined(missing)} {verb} held fixed, and the parameters are checked"
        )
    else:
        notes.append(f"no gradient of {joined(missing, 'or')} is returned, so {joined(missing)} {verb} held fixed")
    held = "no gradient of it is returned"
    return tuple(argument._replace(held=held) if argument.name in missing else argument for argument in arguments)


def _make_layer(make: Callable[[], Any], forward: str | Callable[..., Any]) -> Any:
    """Make the layer that is copied for every call.

    Raises
    ------
    ContractTypeError
        If `make` cannot be called without arguments, or what it returns has no forward.
    """
    name = forward if isinstance(forward, str) else ""
    is_layer = name != "__call__" and not isinstance(make, type) and hasattr(make, name or "forward")
    if is_layer or not callable(make):
        raise ContractTypeError(
            f"make should return a layer, and is one, of type {type(make).__name__}: pass lambda: layer, or the class"
        )
    try:
        inspect.signature(make).bind()
    except TypeError:
        raise ContractTypeError(
            f"make is called without arguments, but is {function_name(make)}{inspect.signature(make)}: "
            f"pass lambda: {function_name(make)}(...)"
        ) from None
    except ValueError:  # a class without a signature
        pass
    layer = make()
    if name and not callable(getattr(layer, name, None)):
        there = [one for one in dir(type(layer)) if not one.startswith("_") and callable(getattr(layer, one, None))]
        raise ContractTypeError(
            f"the layer, of type {type(layer).__name__}, has no method {name}; it has {joined(there) or 'none'}: "
            "say which by forward= and backward="
        )
    return layer


def _reuse_notes(state: LayerPair, pair: Pair) -> list[str]:
    """Say what a layer does that is called twice: a step of training would meet it."""
    if state.backward_method is None:
        return []
    rng = np.random.default_rng(1)
    grad_outs = random_grad_outs(pair.form, rng)
    out_grad = pair.form.as_returned(pair.form.place_gradients(grad_outs))
    layer, inputs = state.fresh(pair.values)
    outs: list[list[Any]] = []
    results: list[list[Any]] = []
    try:
        for _ in range(2):
            if results:
                state.set_parameters(layer, [value.copy() for value in pair.values[len(state.nested.arguments) :]])
            out, kept = state.run(layer, copy.deepcopy(inputs))
            outs.append(copy.deepcopy(arrays_in(out)))
            results.append([copy.deepcopy(arrays_in(entry)) for entry in state.backward(out_grad, kept).entries])
    except Exception:  # anything that a user's layer may do when it is used again
        return ["used again, the layer raises an error: it can be called once only"]
    pairs = list(zip([argument.name for argument in state.arguments], *results, strict=True))
    differ = [name for name, one, two in pairs if not alike(one, two)]
    added = [name for name, one, two in pairs if name in differ and alike([2 * array for array in one], two)]
    if not alike(*outs):
        added = []
    others = [name for name in differ if name not in added]
    notes = []
    if added:
        notes.append(
            f"used again, the layer adds the gradient{'s' * (len(added) > 1)} of {joined(added)} to what the call "
            "before left: set them to zero between two steps"
        )
    if others:
        notes.append(
            f"used again with the same inputs, the layer gives other gradients of {joined(others)}: it keeps something "
            "from the call before"
        )
    return notes
