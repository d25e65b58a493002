"""How a forward returns its outputs and its cache, and how its backward is called, told by what they are.

    out, cache = forward(x, w)            backward(grad_out, cache)
    h, c, cache = forward(x, w)           backward(grad_h, grad_c, cache)
    out = forward(x, w)                   backward(grad_out, x, w), in any order: inputs are known by their names
    loss = forward(p, y)                  backward(p, y), of a loss, which is one number

The first is the form that the rest of the checks is written for; a `CallForm` brings the others into it.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.checks.contract.checked_inputs import ContractTypeError, names_from_signature
from acg_numpy.checks.contract.nested_inputs import NestedInputs
from acg_numpy.text import counted, joined

CACHE_NAMES = ("cache", "caches", "cached", "ctx", "context", "saved", "memory")


class Kept(NamedTuple):
    """What a backward may ask for: the cache, and the inputs of the forward."""

    cache: Any
    inputs: tuple[Any, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is neither: the two functions share what the forward keeps outside, in a closure say."""
        return isinstance(self.cache, _Nothing) and not self.inputs


class CallForm:
    """A forward and a backward behind `out, cache = forward(*arguments)` and `grads = backward(grad_out, cache)`.

    Parameters
    ----------
    forward, backward : callables
        As their author wrote them.
    nested : NestedInputs, optional
        How the arguments make the inputs; by default they are the inputs.

    Attributes
    ----------
    notes : list of str
        What is worth saying about the form, once the forward has been called.
    """

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], nested: NestedInputs | None = None
    ) -> None:
        self.original_forward, self.original_backward, self.nested = forward, backward, nested
        self.needed = required_parameters(backward, least=2)
        self.usual = self.needed is None or (len(self.needed) == 2 and self.needed[0] not in CACHE_NAMES)
        self.notes: list[str] = []

    def forward(self, *values: Any) -> tuple[Any, Any]:
        """Return `out, cache`."""
        inputs = values if self.nested is None else self.nested.rebuild(values)
        returned = self.original_forward(*inputs)
        pair = isinstance(returned, tuple) and len(returned) == 2
        if self.usual and pair:
            return returned[0], returned[1]
        if self.needed is None:
            raise _no_pair(returned)
        return self._split(returned, tuple(inputs))

    def backward(self, grad_out: Any, cache: Any) -> Any:
        """Return what the backward returns."""
        if not isinstance(cache, Kept) or self.needed is None:
            return self.original_backward(grad_out, cache)
        grads = iter(grad_out if isinstance(grad_out, (tuple, list)) else [grad_out])
        names = names_from_signature(self.original_forward, len(cache.inputs))
        sources = self._sources(names, isinstance(cache.cache, _Nothing))
        if "gradient" not in sources and not isinstance(grad_out, tuple):
            found = self.original_backward(*(cache.inputs[names.index(source)] for source in sources))
            return scaled(found, grad_out)
        whole = sources.count("gradient") == 1
        given = [
            (grad_out if whole else next(grads))
            if source == "gradient"
            else cache.cache
            if source == "cache"
            else cache.inputs[names.index(source)]
            for source in sources
        ]
        return self.original_backward(*given)

    def _split(self, returned: Any, inputs: tuple[Any, ...]) -> tuple[Any, Kept]:
        """Tell the outputs from the cache, by the number of gradients that the backward takes."""
        names = names_from_signature(self.original_forward, len(inputs))
        number = len(returned) if isinstance(returned, tuple) else 1
        without = self._sources(names, True)
        if number == 1 or (self._asks_for_inputs(names) and without.count("gradient") == number):
            if number == 1 and not set(without) - set(names) and np.size(returned) == 1 and without:
                return returned, Kept(_Nothing(), inputs)
            unknown = number == 1 and without.count("gradient") != 1 and len(without) == 2
            if isinstance(returned, list) or unknown or "gradient" not in without or "cache" in without:
                raise _no_pair(returned)
            if without.count("gradient") != number:
                raise self._miscalled(returned, names)
            return returned, Kept(_Nothing(), inputs if set(without) - {"gradient"} else ())
        if len(self.needed or []) < 2:
            takes = joined(self.needed or []) or "nothing"
            raise ContractTypeError(f"backward takes {takes}, but is called with grad_out and the cache of forward")
        returned = self._leave_out_statistics(returned)
        number = len(returned)
        out, cache = (returned[0], returned[-1]) if number == 2 else (returned[:-1], returned[-1])
        grads = self._sources(names, False).count("gradient")
        if not isinstance(out, tuple):
            if grads != 1:
                raise self._miscalled(returned, names)
            return out, Kept(cache, inputs)
        if grads == 1 and number > 2:
            raise _no_pair(returned)
        if grads not in (1, len(out)):
            if not 1 < grads < len(out):
                raise self._miscalled(returned, names)
            self._note(f"backward takes {counted(grads, 'gradient')} for {counted(len(out), 'output')}: "
                       "the last outputs are left out of the check")  # fmt: skip
            out = out[:grads]
        return out, Kept(cache, inputs)

    def _leave_out_statistics(self, returned: tuple[Any, ...]) -> tuple[Any, ...]:
        """Leave out what follows the one thing that is no array, the cache: running averages, say."""
        places = [place for place, value in enumerate(returned) if not hasattr(value, "__array_ufunc__")]
        if len(returned) > 2 and len(places) == 1 and 0 < places[0] < len(returned) - 1:
            more = counted(len(returned) - places[0] - 1, "thing")
            self._note(f"what forward returns after its cache ({more}) is left out of the check")
            return returned[: places[0] + 1]
        return returned

    def _sources(self, names: Sequence[str], no_cache: bool) -> list[str]:
        """Return for each parameter of the backward where its value comes from: an input, the cache or a gradient."""
        needed = self.needed or []
        sources = ["cache" if name in CACHE_NAMES else "gradient" for name in needed]
        if no_cache:
            return [name if name in names else source for name, source in zip(needed, sources, strict=True)]
        if "cache" not in sources and len(sources) > 1:
            sources[-1] = "cache"
        return sources

    def _asks_for_inputs(self, names: Sequence[str]) -> bool:
        """Check whether the backward takes inputs of the forward by name, and no cache."""
        needed = self.needed or []
        return any(name in names for name in needed[1:]) and not any(name in CACHE_NAMES for name in needed)

    def _miscalled(self, returned: Any, names: Sequence[str]) -> ContractTypeError:
        number = len(returned) if isinstance(returned, tuple) else 1
        return ContractTypeError(
            f"forward returned {counted(number, 'thing')} and backward takes {joined(self.needed or [])}, so it cannot "
            f"be told which of them are gradients: return (out, cache) and define backward(grad_out, cache), or name "
            f"parameters as the inputs that they stand for ({joined(list(names))})"
        )

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def scaled(gradients: Any, factor: Any) -> Any:
    """Multiply every gradient by one number, and keep its dtype."""
    if isinstance(gradients, Mapping):
        return {key: scaled(value, factor) for key, value in gradients.items()}
    if isinstance(gradients, (tuple, list)):
        return [scaled(value, factor) for value in gradients]
    factor = np.reshape(factor, ())[()]
    if isinstance(gradients, (np.ndarray, np.floating)) and gradients.dtype.kind == "f":
        product = gradients * factor
        return product.astype(gradients.dtype) if isinstance(product, (np.ndarray, np.floating)) else product
    return gradients * factor if isinstance(gradients, (np.ndarray, np.number, int, float)) else gradients


class _Nothing:
    """The cache of a forward that returns none."""


def required_parameters(function: Callable[..., Any], least: int) -> list[str] | None:
    """Return the names of the parameters that a call has to give; None if they cannot be known.

    Parameters
    ----------
    function : callable
    least : int
        How many to return, if there are so many, even if they have defaults.

    Examples
    --------
    >>> required_parameters(lambda grad_h, grad_c, cache, eps=1e-5: None, 2)
    ['grad_h', 'grad_c', 'cache']
    >>> required_parameters(lambda *everything: None, 2) is None
    True
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in positional)
    return [p.name for p in positional[: max(required, least)]]


def _no_pair(returned: Any) -> ContractTypeError:
    was = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
    return ContractTypeError(f"forward should return (out, cache), two things; it returned {was}")
