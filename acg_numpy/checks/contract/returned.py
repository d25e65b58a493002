"""What the forward and the backward returned, read and checked for its form.

    out, cache = forward(*inputs)             out: one array or a tuple of them
    grads      = backward(grad_out, cache)    one entry an input, None for those that are not floating

Nones may be left out, or stand for optional inputs that were not given, one array stands for a tuple of one, and
gradients may be given by name, see `named_gradients`.  A fault in what the forward returns is raised, because without
it nothing can be checked; what the backward returns is the subject of the check, so its faults of form go into the
report.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import (
    Argument,
    ContractError,
    ContractTypeError,
    ContractValueError,
    Outputs,
    read_array,
)
from acg_numpy.checks.contract.named_gradients import AlignedGradients, align_gradients
from acg_numpy.checks.contract.unwritten import is_placeholder
from acg_numpy.shapes import Array


class FunctionOutputs(NamedTuple):
    """Outputs of a function: its arrays, and whether it returned a single one."""

    arrays: tuple[Array, ...]
    single: bool

    @property
    def floating(self) -> Outputs:
        """The outputs that have a derivative."""
        return tuple(self.select_floating(self.arrays))

    def select_floating(self, values: Sequence[Any]) -> list[Any]:
        """Return, of one value for each output, those of the floating outputs."""
        return [value for value, array in zip(values, self.arrays, strict=True) if is_floating(array)]

    def place_gradients(self, grad_outs: Sequence[Any]) -> list[Any]:
        """Return the gradients of the floating outputs in their places, None in the others."""
        given = iter(grad_outs)
        return [next(given) if is_floating(array) else None for array in self.arrays]

    def as_returned(self, values: Sequence[Any]) -> Any:
        """Return one value for each output, in the form that the outputs came in."""
        return values[0] if self.single else tuple(values)


def is_floating(array: Array) -> bool:
    """Check whether a derivative by or of this array makes sense."""
    return np.issubdtype(array.dtype, np.floating)


def read_pair(returned: Any) -> tuple[Any, Any]:
    """Unpack `out, cache`.

    Raises
    ------
    ContractTypeError
        If that is not what was returned.
    """
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned[0], returned[1]
    was = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
    raise ContractTypeError(f"forward should return (out, cache), two things; it returned {was}")


def read_outputs(out: Any) -> FunctionOutputs:
    """Read what came out: one array or a tuple of them, none of it complex, some of it floating.

    Raises
    ------
    ContractTypeError, ContractValueError
        If it is something else.
    """
    single = not isinstance(out, (tuple, list))
    parts = [out] if single else out
    for part in parts:
        odd = odd_array(part)
        if odd is not None:
            raise ContractTypeError(f"the output is {odd}: expected an ndarray")
    arrays = tuple(read_array(part, "the output") for part in parts)
    result = FunctionOutputs(arrays, single)
    kinds = ", ".join(str(array.dtype) for array in arrays) or "nothing"
    if any(array.dtype.kind not in "fiub" for array in arrays):
        raise ContractTypeError(f"the output should be a real array or a tuple of real arrays; it holds {kinds}")
    if not result.floating:
        raise ContractValueError(f"the output is not floating ({kinds}), so it has no derivative")
    return result


def refuse_nan(result: FunctionOutputs) -> None:
    """Refuse an output that holds NaN, because a derivative there means nothing.

    Raises
    ------
    ContractValueError
        With the first place that is NaN.
    """
    for number, array in enumerate(result.arrays):
        if np.any(np.isnan(array)):
            where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
            raise ContractValueError(
                f"the output{'' if result.single else f' {number}'} is NaN at {where}, "
                "so nothing can be compared here; check at inputs for which it is finite"
            )


def random_grad_outs(result: FunctionOutputs, rng: np.random.Generator) -> Outputs:
    """Draw a gradient for each floating output.

    Random and never constant: all rows of a softmax sum to 1, so a constant gradient does nothing behind it and would
    call every backward right.  Sizes lie between 1/2 and 3/2, as an entry close to zero would look at nothing.
    """
    return tuple(random_like(output, rng) for output in result.floating)


def random_like(output: Array, rng: np.random.Generator) -> Array:
    """Draw one such gradient, in the output's shape and dtype."""
    signs = rng.choice([-1.0, 1.0], size=output.shape)
    return np.asarray(signs * rng.uniform(0.5, 1.5, size=output.shape), dtype=output.dtype)


def return_fault(returned: Any) -> str | None:
    """Describe what a backward returned where it is no gradients at all: None, a text, a generator."""
    if returned is None:
        return "backward returned None; is its body still to be written, or its return statement missing?"
    if is_placeholder(returned):
        return f"backward returned {_written(returned)}: it is still to be written"
    if isinstance(returned, (set, frozenset, str, bytes, Iterator)):
        kind = type(returned).__name__
        return f"backward returned a {kind}; expected a tuple of gradients, one for each input in the order of forward"
    return None


def read_entries(returned: Any, arguments: Sequence[Argument]) -> AlignedGradients:
    """Put what a backward returned into the order of the arguments, if it is gradients."""
    if isinstance(returned, AlignedGradients):
        return returned
    nothing = return_fault(returned)
    if nothing is not None:
        return AlignedGradients([None] * len(arguments), nothing)
    return align_gradients(returned, arguments)


def read_gradients(
    returned: Any, arguments: Sequence[Argument], dtypes: Sequence[Any] = (np.float64,)
) -> tuple[list[Array | str | None], str | None]:
    """Read what the backward returned, one entry for each argument.

    Returns
    -------
    gradients : list, one entry an argument
        The gradient as a float64 array, or a sentence on what is wrong with its form, or None for arguments held fixed.
    fault : str or None
        What is wrong with their number; then it is not known which gradient is whose, and none is compared.
    """
    entries, fault, *_ = read_entries(returned, arguments)
    if fault is not None:
        return [None] * len(arguments), fault
    return [read_gradient(entry, argument, dtypes) for entry, argument in zip(entries, arguments, strict=True)], None


def read_gradient(entry: Any, argument: Argument, dtypes: Sequence[Any] = (np.float64,)) -> Array | str | None:
    """Read one gradient as a float64 array of the argument's shape, or describe what is wrong with it.

    Parameters
    ----------
    entry : object
    argument : Argument
    dtypes : sequence of dtypes
        Those that a gradient may have.
    """
    name, shape = argument.name, argument.shape
    if argument.held is not None:
        if entry is None:
            return None
        return f"{name} is held fixed ({argument.held}) and has no gradient: expected None, got {_summary(entry)}"
    if entry is None:
        return (
            f"the gradient of {name} is None, but {name} is floating: expected an array of shape {shape}; is it still "
            "to be written?"
        )
    if is_placeholder(entry):
        return (
            f"the gradient of {name} is {_written(entry)}: it is still to be written; expected an array of shape "
            f"{shape}"
        )
    odd = odd_array(entry)
    if odd is not None:
        return f"the gradient of {name} is {odd}: expected an ndarray of shape {shape}"
    try:
        array = read_array(entry, f"the gradient of {name}")
    except ContractError as error:
        return f"{error}: expected one of shape {shape}"
    if array.dtype == object:
        return f"the gradient of {name} is {_summary(entry)}: expected an array of shape {shape}"
    if array.shape != shape:
        hint = shape_hint(array.shape, shape, name)
        return f"the gradient of {name} has shape {array.shape}: expected {shape}, that of {name}{hint}"
    if array.dtype not in dtypes:
        return f"the gradient of {name} has dtype {array.dtype}: expected float64, the dtype that {name} was given in"
    return np.array(array, dtype=np.float64)


def odd_array(value: Any) -> str | None:
    """Describe an array of a kind whose operators differ from an ndarray's; None for any other value.

    Examples
    --------
    >>> odd_array(np.ma.array([1.0]))
    'a masked array (np.ma), which skips what is masked; use np.where'
    >>> odd_array(np.ones(3)) is None
    True
    """
    if isinstance(value, np.ma.MaskedArray):
        return "a masked array (np.ma), which skips what is masked; use np.where"
    if isinstance(value, np.matrix):
        return "an np.matrix, whose * is a matrix product and which is always 2-D; use np.asarray and @"
    if hasattr(value, "toarray") and isinstance(getattr(value, "nnz", None), (int, np.integer)):
        return f"a sparse {type(value).__name__}; use its toarray()"
    return None


def shape_hint(got: tuple[int, ...], expected: tuple[int, ...], name: str = "x") -> str:
    """Return the likely fix for a gradient of the wrong shape, or an empty text if there is none.

    Examples
    --------
    >>> shape_hint((5, 1), (5,))
    '; reshape it to (5,): in a step, x - rate * gradient would have shape (5, 5)'
    """
    if sorted(got) == sorted(expected):
        return "; are two axes exchanged?"
    try:
        together = np.broadcast_shapes(got, expected)
    except ValueError:
        together = None
    if [n for n in got if n != 1] == [n for n in expected if n != 1]:
        would = "fail" if together is None else f"have shape {together}"
        felt = f": in a step, {name} - rate * gradient would {would}" if together != expected else ""
        return f"; reshape it to {expected}{felt}"
    return "; sum over the axes along which it was broadcast" if together == got else ""


def _written(placeholder: Any) -> str:
    """Write a placeholder as a file has it."""
    return "`...`" if placeholder is Ellipsis else str(placeholder)


def _summary(entry: Any) -> str:
    if isinstance(entry, np.ndarray):
        return f"an array of shape {entry.shape} and dtype {entry.dtype}"
    return f"{type(entry).__name__}"
