"""A layer written as a class, as a forward and a backward of its inputs and its parameters.

Most layers keep their cache in themselves and leave the gradients of their parameters there.  Here every call has a
layer of its own, and the layer is the cache.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from acg_numpy.checks.contract.call_form import CACHE_NAMES, required_parameters, scaled
from acg_numpy.checks.contract.checked_inputs import (
    Argument,
    ContractTypeError,
    ContractValueError,
    copy_arrays,
    names_from_signature,
    read_argument,
)
from acg_numpy.checks.contract.gradient_names import find_name
from acg_numpy.checks.contract.layer_state import (
    LayerParameter,
    array_of,
    find_parameters,
    find_value,
    modules_in,
    named_arrays,
    parameter_value,
    replace_parameter,
    split_names,
    written_place,
)
from acg_numpy.checks.contract.named_gradients import AlignedGradients, align_gradients
from acg_numpy.checks.contract.nested_inputs import NestedInputs, read_nested_inputs
from acg_numpy.checks.contract.returned import return_fault
from acg_numpy.checks.contract.summed_gradients import find_kept_gradients
from acg_numpy.text import counted, joined

OUTPUTS = ("output", "outputs", "out")  # where a layer leaves its output if its forward returns None
INPUT_NAMES = ("x", "input", "inputs", "in")  # of which a backward computes the gradient, whatever forward calls them
OWN_RATES = ("lr", "eta", "learning_rate")  # of a layer that updates its parameters in backward
RATES = ("lr", "eta", "alpha")  # and what ends in rate: of a backward that updates its parameters itself
GRADIENT_DICTS = ("grads", "gradients", "grad", "gradient", "_grads")


def read_layer_inputs(
    layer: Any,
    inputs: Sequence[Any],
    params: str | Sequence[str],
    forward: str | Callable[..., Any],
    names: Sequence[str] | None,
) -> NestedInputs:
    """Read the inputs of a layer; they may all be integers where there are parameters to check."""
    bound = _bind(layer, forward)
    if split_names(params) and not any(np.asarray(value).dtype.kind == "f" for value in inputs if value is not None):
        given = names or names_from_signature(bound, len(inputs))
        arguments = tuple(read_argument(name, value) for name, value in zip(given, inputs, strict=True))
        return NestedInputs(arguments, tuple((place,) for place in range(len(inputs))), tuple(inputs))
    return read_nested_inputs(bound, inputs, names)


class LayerPair:
    """A layer as a forward and a backward of its inputs and its parameters."""

    def __init__(
        self,
        layer: Any,
        nested: NestedInputs,
        params: str | Sequence[str],
        grads: str | Sequence[str] | Callable[[Any], Any] | None,
        forward: str | Callable[..., Any],
        backward: str | Callable[..., Any] | None,
        names: Sequence[str] | None,
    ) -> None:
        self.layer, self.grads, self.forward_method, self.backward_method = layer, grads, forward, backward
        self.parameters = find_parameters(layer, params)
        # whether they were named by what holds them, statistics that are no parameters among them
        self.whole = len(self.parameters) > len(split_names(params))
        self.shared = {id(module): module for module in modules_in(layer)}
        self.notes: list[str] = []
        self.is_loss = False  # whether the output is one number; then a backward may take no gradient
        self.nested = nested
        self.input_names = list(names or names_from_signature(_bind(layer, forward), len(nested.inputs)))
        self.notes += self.nested.notes
        taken = {argument.name for argument in self.nested.arguments}
        self.names = [f"layer.{one.name}" if one.name in taken else one.name for one in self.parameters]
        found = [
            read_argument(name, np.array(array_of(one.value)))
            for name, one in zip(self.names, self.parameters, strict=True)
        ]
        self.arguments: tuple[Argument, ...] = (*self.nested.arguments, *found)
        if not any(argument.checked for argument in self.arguments):
            raise ContractValueError("no input is floating and no parameter is named, so there is no gradient to check")

    def fresh(self, values: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Return a layer with these parameters, and the inputs of its forward."""
        layer = self.copied()
        number = len(self.nested.arguments)
        self.set_parameters(layer, values[number:])
        return layer, self.nested.rebuild(values[:number])

    def copied(self) -> Any:
        """Return a copy of the layer; modules in it, which cannot be copied, are shared."""
        return copy.deepcopy(self.layer, dict(self.shared))

    def set_parameters(self, layer: Any, values: Sequence[Any]) -> None:
        """Put copies of values into the layer's parameters, which are the layer's own to change."""
        for parameter, value in zip(self.parameters, copy_arrays(values), strict=True):
            replace_parameter(layer, parameter, value)

    def forward(self, *values: Any) -> tuple[Any, Any]:
        """Return the output of a fresh layer, and the layer with what else it returned."""
        layer, inputs = self.fresh(values)
        return self.run(layer, inputs)

    def run(self, layer: Any, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """Call a layer's forward."""
        returned = _bind(layer, self.forward_method)(*inputs)
        if self.backward_method is None:
            loss, gradients = split_loss(returned)
            return loss, (layer, gradients, inputs, 1)
        if returned is None:
            found = [name for name in OUTPUTS if find_value(layer, name)[0]]
            if not found:
                raise ContractTypeError(
                    f"the layer's forward returned None, and left no {joined(OUTPUTS, 'or')} behind"
                )
            self.note(f"forward returns None, so the output is the layer's {found[0]}")
            returned = find_value(layer, found[0])[1]
        self.is_loss = not isinstance(returned, tuple) and np.size(returned) == 1
        out, cache = self.split(layer, returned)
        return out, (layer, cache, inputs, len(out) if isinstance(out, tuple) else 1)

    def split(self, layer: Any, returned: Any) -> tuple[Any, Any]:
        """Tell the outputs from a cache, which most layers keep in themselves."""
        if not isinstance(returned, tuple):
            return returned, None
        needed = self.needed(layer)
        if any(name in CACHE_NAMES for name in needed) or not all(map(_is_output, returned)):
            out = returned[:-1]
            return out[0] if len(out) == 1 else out, returned[-1]
        gradients = [name for name in needed if name not in self.input_names and not _is_rate(name)]
        if len(returned) > 1 and len(gradients) == 1:
            self.note(
                f"forward returns {counted(len(returned), 'output')}, and backward takes one gradient: "
                "outputs after the first are left out of the check"
            )
            return returned[0], None
        return returned, None

    def needed(self, layer: Any) -> list[str]:
        """Return the names of what the backward has to be given."""
        if self.backward_method is None:
            return []
        bound = _bind(layer, self.backward_method)
        names = required_parameters(bound, least=0)
        if names == [] and not self.is_loss:
            # `backward(dout=1)` takes a gradient, and `backward()` none
            names = [name for name in (required_parameters(bound, least=1) or []) if not _is_rate(name)]
        return ["grad_out"] if names is None else names

    def backward(self, grad_out: Any, kept: Any) -> AlignedGradients:
        """Call a layer's backward, and collect the gradients of its inputs and parameters."""
        layer, cache, inputs, _ = kept
        if self.backward_method is None:
            return align_scaled(cache, grad_out, self.arguments)
        needed = self.needed(layer)
        before = [np.array(array_of(parameter_value(layer, one))) for one in self.parameters]
        outs = list(grad_out) if isinstance(grad_out, tuple) else [grad_out]
        grads_needed = [n for n in needed if n not in self.input_names and not _is_rate(n) and n not in CACHE_NAMES]
        if len(grads_needed) not in (0, 1, len(outs)):
            raise ContractTypeError(
                f"the layer's backward takes {joined(needed)}, and forward returns {counted(len(outs), 'output')}: "
                f"it cannot be told what to give; pass backward=lambda layer, grad_out: layer.backward(...)"
            )
        left = iter([grad_out] if len(grads_needed) == 1 else outs)
        given = [
            cache
            if name in CACHE_NAMES
            else 1.0
            if _is_rate(name)
            else inputs[self.input_names.index(name)]
            if name in self.input_names
            else next(left)
            for name in needed
        ]
        returned = _bind(layer, self.backward_method)(*given)
        aligned = self.collect(layer, returned, before)
        if not grads_needed:
            if np.size(grad_out) != 1 or isinstance(grad_out, tuple):
                raise ContractTypeError(
                    "the layer's backward takes no gradient of the output, so the output should be a single number, "
                    f"a loss; it has shape {np.shape(grad_out)}"
                )
            aligned = aligned._replace(entries=scaled(aligned.entries, grad_out))
        return aligned

    def collect(self, layer: Any, returned: Any, before: Sequence[Any]) -> AlignedGradients:
        """Collect the gradients: of the inputs from what was returned, of the parameters from where they are left."""
        arguments, number = self.nested.arguments, len(self.nested.arguments)
        if not self.parameters:
            return self._of_inputs(layer, returned, arguments)
        if self.grads is None:
            together = self._all_returned(returned)
            if together is not None:
                return together
            of_params = self._found_by_name(layer, before)
        else:
            of_params = self._left_behind(layer)
            if len(of_params) == len(self.arguments) and number:
                return AlignedGradients(of_params)
        aligned = self._of_inputs(layer, returned, arguments)
        return aligned._replace(entries=[*aligned.entries, *of_params])

    def _of_inputs(self, layer: Any, returned: Any, arguments: Sequence[Argument]) -> AlignedGradients:
        """Return the gradients of the inputs."""
        checked = [argument for argument in arguments if argument.checked]
        if returned is None and checked:
            there = named_arrays(layer)
            inputs = {argument.name for argument in arguments}
            keys = {a.name: find_name(a.name, [key for key in there if key not in inputs]) for a in checked}
            if all(key is not None for key in keys.values()):
                self.note(
                    f"backward returns None, so the gradients are the layer's {joined([str(k) for k in keys.values()])}"
                )
                entries = [there.get(keys.get(argument.name) or "") for argument in arguments]
                return AlignedGradients(entries)
        if returned is None and (self.parameters or not checked):
            return AlignedGradients([None] * len(arguments), self._forgotten(layer, checked))
        fault = return_fault(returned)
        if fault is not None:
            if returned is None:
                fault += (
                    " If this is the first layer of a network, name its parameters (params): they are checked alone"
                )
            return AlignedGradients([None] * len(arguments), fault)
        aligned = align_gradients(returned, arguments, some=self.is_loss)
        kept = find_kept_gradients(returned, arguments, named_arrays(layer)) if aligned.miscounted else None
        if kept is None:
            return aligned
        self.note(kept.note)
        return AlignedGradients(kept.entries)

    def _forgotten(self, layer: Any, checked: Sequence[Argument]) -> str | None:
        """Say which gradient of an input a backward that returns nothing has computed, as a hidden layer's does."""
        method = _bind(layer, self.backward_method) if self.backward_method is not None else None
        code = getattr(getattr(method, "__func__", method), "__code__", None)
        if code is None or not checked:
            return None
        names = code.co_varnames[code.co_argcount + code.co_kwonlyargcount :]
        usual = [argument.name for argument in checked] + list(INPUT_NAMES)
        found = next((key for name in usual if (key := find_name(name, names)) and key not in usual), None)
        if found is None:
            return None
        return (
            f"backward computes {found} and returns None: return {found}. If this is the first layer of a network, "
            f"leave {found} out: the parameters are checked alone then"
        )

    def _all_returned(self, returned: Any) -> AlignedGradients | None:
        """Return the gradients of inputs and parameters, if `backward` returned them all."""
        if return_fault(returned) is not None or isinstance(returned, np.ndarray):
            return None
        aligned = align_gradients(returned, self.arguments)
        if aligned.fault is None:
            return aligned
        of_params = align_gradients(returned, self.arguments[len(self.nested.arguments) :])
        if of_params.fault is None and not any(a.checked for a in self.nested.arguments):
            return of_params._replace(entries=[*[None] * len(self.nested.arguments), *of_params.entries])
        return None

    def _found_by_name(self, layer: Any, before: Sequence[Any]) -> list[Any]:
        """Return the gradients that the layer holds under the parameters' names, or made its update with."""
        there = named_arrays(layer)
        own = {place for one in self.parameters for place in (one.name, written_place(one))}
        entries: list[Any] = []
        where: list[str] = []
        rate_name, rate = ("", 1.0) if any(map(_is_rate, self.needed(layer))) else _own_rate(layer)
        for parameter, was in zip(self.parameters, before, strict=True):
            key = find_gradient(parameter, there, own)
            now = np.array(array_of(parameter_value(layer, parameter)))
            if key is not None:
                entries.append(there[key])
                where.append(key)
            elif now.shape == was.shape and not np.array_equal(now, was, equal_nan=True):
                entries.append((was - now) / rate)
                where.append(f"the update of {parameter.name}{rate_name and f' divided by {rate_name}'}")
            else:
                raise ContractValueError(
                    f"no gradient of {parameter.name} is returned by backward, or left in the layer under its name; "
                    f"the layer holds {joined(sorted(there))}: say where it is by grads="
                )
        self.note(f"gradients of the parameters are read from {joined(where)}; grads= names others")
        return entries

    def _left_behind(self, layer: Any) -> list[Any]:
        """Return the gradients that `grads` says where to find."""
        if callable(self.grads):
            returned = self.grads(layer)
            arguments = self.arguments[len(self.nested.arguments) :]
            aligned = align_gradients(returned, arguments)
            if aligned.fault is not None:
                raise ContractValueError(aligned.fault.replace("backward returned", "grads(layer) returned"))
            return aligned.entries
        names = split_names(self.grads or ())
        values = []
        for name in names:
            known, value = find_value(layer, name)
            if not known:
                there = sorted(named_arrays(layer))
                raise ContractValueError(f"the layer has no {name!r} after backward; it holds {joined(there)}")
            values.append(value)
        parameters = self.arguments[len(self.nested.arguments) :]
        if len(values) == 1 and (isinstance(values[0], (Mapping, list, tuple)) or len(parameters) != 1):
            aligned = align_gradients(values[0], parameters, some=self.whole)
            missing = [a.name for a, e in zip(parameters, aligned.entries, strict=True) if a.checked and e is None]
            if aligned.fault is None and missing:
                self.note(f"the layer's {names[0]} hold no gradient of {joined(missing, 'or')}: it is taken as zero")
                zero = [np.zeros(argument.shape) for argument in parameters]
                return [z if e is None else e for z, e in zip(zero, aligned.entries, strict=True)]
            if aligned.fault is not None:
                raise ContractValueError(aligned.fault.replace("backward returned", f"the layer's {names[0]} hold"))
            return aligned.entries
        values = [value if isinstance(value, np.ndarray) else array_of(value) for value in values]
        if len(values) not in (len(parameters), len(self.arguments)):
            raise ContractValueError(
                f"grads names {counted(len(values), 'gradient')} ({joined(names)}) for "
                f"{counted(len(parameters), 'parameter')} ({joined([one.name for one in parameters])}): "
                "name one for each"
            )
        return values

    def note(self, note: str) -> None:
        """Remember what is worth saying, once."""
        if note not in self.notes:
            self.notes.append(note)


def find_gradient(parameter: LayerParameter, there: Mapping[str, Any], own: set[str]) -> str | None:
    """Return where a layer holds the gradient of a parameter, by its name, or None."""
    place = written_place(parameter)
    head, _, last = place.rpartition(".")
    in_dicts = [key for key in there if key.split(".")[-2:-1] and key.split(".")[-2] in GRADIENT_DICTS]
    # where the parameter's dict has a gradients' beside it, then an attribute, then the parameter's own object
    for keys in (
        [key for key in in_dicts if key not in own],
        [
            key
            for key in there
            if key not in own and key.rpartition(".")[0] == head and "[" not in key.replace(place, "")
        ],
        [key for key in there if key not in own],
    ):
        found = find_name(parameter.name, keys) or find_name(last, keys)
        if found is not None and found != place:
            return found
    for name in ("grad", "gradient", "d"):
        if f"{head}.{name}" in there and last in ("data", "value"):
            return f"{head}.{name}"
    return None


def split_loss(returned: Any) -> tuple[Any, Any]:
    """Split `loss, grads`, or `loss, grad_x, grad_w`.

    Raises
    ------
    ContractTypeError
        If that is not what was returned.
    """
    if not isinstance(returned, (tuple, list)) or len(returned) < 2:
        was = f"a {type(returned).__name__}"
        raise ContractTypeError(f"a loss should return (loss, gradients) in one call; it returned {was}")
    loss, *gradients = returned
    if np.size(loss) != 1:
        raise ContractTypeError(
            f"a loss should return (loss, gradients), the loss a single number; it has shape {np.shape(loss)}"
        )
    return loss, gradients[0] if len(gradients) == 1 else tuple(gradients)


def align_scaled(gradients: Any, grad_out: Any, arguments: Sequence[Argument]) -> AlignedGradients:
    """Put the gradients of a loss into the order of the arguments, times the gradient of the loss."""
    fault = return_fault(gradients)
    if fault is not None:
        return AlignedGradients([None] * len(arguments), fault)
    aligned = align_gradients(gradients, arguments, some=True)
    return aligned._replace(entries=scaled(aligned.entries, grad_out))


def _bind(layer: Any, method: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(method, str):
        return partial(method, layer)
    found = getattr(layer, method, None)
    if not callable(found):
        raise ContractTypeError(f"the layer, of type {type(layer).__name__}, has no method {method}")
    return found  # type: ignore[no-any-return]


def _is_rate(name: str) -> bool:
    """Check whether a parameter is a learning rate, by its name."""
    return name in RATES or name.endswith("rate")


def _own_rate(layer: Any) -> tuple[str, float]:
    """Return the learning rate that a layer holds, with its name; 1 if it holds none, or several."""
    held = getattr(layer, "__dict__", {})
    rates = [(name, float(held[name])) for name in OWN_RATES if _is_number(held.get(name)) and held[name] > 0]
    return rates[0] if len(rates) == 1 else ("", 1.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.ndarray) and np.shape(value) == ()


def _is_output(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.floating, float)) or hasattr(value, "__array_ufunc__")
