"""Module and Parameter, which models are made of, and the names of their parts."""

import copy
import functools
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd import Tensor
from acg_numpy.autograd.tensors import plain_tensor
from acg_numpy.shapes import Array
from acg_numpy.text import joined

_getter = functools.cache(attrgetter)


class Parameter(Tensor):
    """Tensor that is learned: a leaf that requires a gradient.

    Parameters
    ----------
    data : array_like, floating
        Copied.  `.data` is the parameter's own array, to be written to by optimisers.

    Examples
    --------
    >>> weight = Parameter(np.ones(2))
    >>> np.sum(weight * weight).backward()
    >>> weight.data -= 0.1 * weight.grad
    >>> weight.data
    array([0.8, 0.8])
    """

    __slots__ = ()

    def __init__(self, data: npt.ArrayLike) -> None:
        super().__init__(data, requires_grad=True)

    def __repr__(self) -> str:
        return f"Parameter({np.array2string(self._elements, separator=', ', prefix='Parameter(')}, dtype={self.dtype})"


class Module:
    """Base class of everything that holds parameters.

    A subclass assigns Parameters and other Modules to attributes and says in `__call__` what it computes.  The
    attributes' names, joined by dots, are the parameters' names; in lists and dicts they would have none, and are
    refused there.  A new Module is in training mode.

    Examples
    --------
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = Parameter(np.array([2.0]))
    ...
    ...     def __call__(self, x):
    ...         return self.factor * x
    >>> model = Scale()
    >>> [name for name, _ in model.named_parameters()]
    ['factor']
    >>> model(np.array([1.0, 3.0]))
    tensor([2., 6.], requires_grad=True)
    """

    _defined_call: ClassVar[Any]
    _defined_names: ClassVar[frozenset[str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Remember what the class is defined with, so that `replaced_module` can notice a replacement."""
        super().__init_subclass__(**kwargs)
        cls._defined_call, cls._defined_names = cls.__call__, frozenset(vars(cls))

    def __init__(self) -> None:
        self.training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the module computes; a subclass defines it."""
        raise TypeError(f"{type(self).__name__} does not say what it computes; define its __call__")

    def children(self) -> Iterator[tuple[str, "Module"]]:
        """Yield the name and the Module of every direct part, in the order of assignment."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield name and Parameter of all parameters, the module's own first; a shared one comes once.

        Raises
        ------
        TypeError
            If a list, tuple or dict holds parameters that no attribute leads to: they have no names.
        """
        seen: set[int] = set()
        for name, parameter in self._all_parameters(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter
        self._refuse_nameless(seen)

    def _all_parameters(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.children():
            yield from child._all_parameters(f"{prefix}{name}.")

    def _refuse_nameless(self, seen: set[int]) -> None:
        """Refuse parameters in lists and dicts, which would be neither trained nor saved."""
        for name, value in vars(self).items():
            for item in _held_in(value):
                found = item.parameters() if isinstance(item, Module) else [item]
                if any(id(parameter) not in seen for parameter in found):
                    raise TypeError(
                        f"{type(self).__name__}.{name} is a {type(value).__name__} that holds a "
                        f"{type(item).__name__}, whose parameters have no names there: assign each part to an "
                        "attribute of its own, as setattr(self, f'layer{i}', layer)"
                    )
        for _, child in self.children():
            child._refuse_nameless(seen)

    def parameters(self) -> list[Parameter]:
        """Return all parameters, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def num_parameters(self) -> int:
        """Return how many numbers are learned."""
        return sum(parameter.size for parameter in self.parameters())

    def zero_grad(self) -> None:
        """Set every parameter's gradient to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, in which dropout drops, and return the module."""
        self.training = mode
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode, in which nothing is random, and return the module."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters' arrays, by name."""
        return {name: parameter.numpy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Copy arrays into the parameters: all of them or, if anything does not fit, none.

        Parameters
        ----------
        state : mapping of name to array
            As `state_dict` gives it; floating arrays of another precision are converted.

        Raises
        ------
        KeyError
            If a name is missing or unknown.
        ValueError, TypeError
            If an array has another shape, or is not floating.
        """
        own = dict(self.named_parameters())
        missing, unknown = [k for k in own if k not in state], [k for k in state if k not in own]
        if missing or unknown:
            problems = {"misses": missing, "holds unknown": unknown}
            parts = [f"{what} {joined(names)}" for what, names in problems.items() if names]
            raise KeyError(f"state {joined(parts)}; it must be of a module made with the same options")
        arrays = {}
        for name, parameter in own.items():
            array = np.asarray(state[name])
            if array.shape != parameter.shape:
                raise ValueError(f"state[{name!r}] has shape {array.shape}, the parameter has {parameter.shape}")
            if array.dtype.kind != "f":
                raise TypeError(f"state[{name!r}] has dtype {array.dtype}; expected floating numbers")
            arrays[name] = array.astype(parameter.dtype)
        for name, parameter in own.items():
            parameter.data[...] = arrays[name]

    def random_state(self) -> dict[str, dict[str, Any]]:
        """Return the state of every generator of random numbers, by name: what dropout draws next depends on it.

        Returns
        -------
        dict of dicts
            Named like parameters, by the attributes that hold a `numpy.random.Generator`.  Each is the `state` of its
            bit generator: plain numbers, for those of `numpy.random.default_rng`.

        Examples
        --------
        >>> from acg_numpy.layers import dropout_mask
        >>> class Drop(Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rng = np.random.default_rng(0)
        ...
        ...     def __call__(self, x):
        ...         return x * dropout_mask(self.rng, np.shape(x), 0.5, np.float64)
        >>> drop = Drop()
        >>> state = drop.random_state()
        >>> first, second = drop(np.ones(8)), drop(np.ones(8))
        >>> drop.load_random_state(state)
        >>> np.array_equal(drop(np.ones(8)), first), np.array_equal(second, first)
        (True, False)
        """
        return {name: generator.bit_generator.state for name, generator in self._generators("")}  # type: ignore[misc]

    def load_random_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Set every generator to a state: all of them or, if anything does not fit, none.

        Parameters
        ----------
        state : mapping of name to state
            As `random_state` gives it.

        Raises
        ------
        KeyError
            If a name is missing or unknown.
        ValueError
            If a state is of another kind of bit generator.
        """
        own = dict(self._generators(""))
        if set(own) != set(state):
            raise KeyError(
                f"state names the generators {joined(list(state)) or 'none'}, but the module's are "
                f"{joined(list(own)) or 'none'}; it must be of a module made with the same options"
            )
        for name, generator in own.items():
            kind = type(generator.bit_generator).__name__
            if state[name].get("bit_generator") != kind:
                raise ValueError(f"state[{name!r}] is not of a {kind}: {state[name].get('bit_generator')!r}")
        for name, generator in own.items():
            generator.bit_generator.state = state[name]

    def _generators(self, prefix: str) -> Iterator[tuple[str, np.random.Generator]]:
        for name, value in vars(self).items():
            if isinstance(value, np.random.Generator):
                yield prefix + name, value
        for name, child in self.children():
            yield from child._generators(f"{prefix}{name}.")

    def extra_repr(self) -> str:
        """Return what the repr says of the module itself, in its parentheses."""
        return ""

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.extra_repr()})"
        lines = [f"{name}: Parameter{p.shape} {p.dtype}" for name, p in vars(self).items() if isinstance(p, Parameter)]
        for name, child in self.children():
            lines.extend(f"{name}: {child!r}".splitlines())
        return "\n  ".join([head, *lines])


def _held_in(value: Any) -> Iterator[Any]:
    """Yield the Parameters and Modules in lists, tuples and dicts, at any depth."""
    containers, known = [value], {id(value)}
    while containers:
        container = containers.pop()
        if not isinstance(container, list | tuple | dict):
            continue
        for item in container.values() if isinstance(container, dict) else container:
            if isinstance(item, Parameter | Module):
                yield item
            elif isinstance(item, list | tuple | dict) and id(item) not in known:
                known.add(id(item))
                containers.append(item)


def functional_call(module: Module, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call a module with other values in the place of its parameters; the module is not changed.

    Its output is then a function of `params`, which transforms can differentiate: a model's loss has a Hessian.

    Parameters
    ----------
    module : Module
    params : mapping of name to array or Tensor
        Names as in `module.named_parameters()`; parameters that are not named keep their values.
    *args, **kwargs
        What the module is called with.

    Returns
    -------
    object
        What the module returns.

    Raises
    ------
    KeyError
        If a name is not that of a parameter.
    ValueError
        If a value has another shape than the parameter.

    Examples
    --------
    >>> from acg_numpy import grad
    >>> from acg_numpy.layers import Linear
    >>> layer = Linear(2, 1, dtype=np.float64)
    >>> def loss(params):
    ...     return np.sum(functional_call(layer, params, np.array([[3.0, 4.0]])))
    >>> grad(loss)({"weight": np.zeros((2, 1)), "bias": np.zeros(1)})
    {'weight': array([[3.],
           [4.]]), 'bias': array([1.])}
    """
    own = dict(module._all_parameters(""))
    for name, value in params.items():
        if name not in own:
            raise KeyError(f"params holds {name!r}, but the parameters are {joined(list(own))}")
        if np.shape(value) != own[name].shape:
            raise ValueError(f"params[{name!r}] has shape {np.shape(value)}, the parameter has {own[name].shape}")
    return _with_values(module, params, "")(*args, **kwargs)


def _with_values(module: Module, params: Mapping[str, Any], prefix: str) -> Module:
    """Return a copy of the tree of modules that shares everything with it but the parameters that are named."""
    other = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, Module):
            setattr(other, name, _with_values(value, params, f"{prefix}{name}."))
        elif isinstance(value, Parameter) and prefix + name in params:
            replacement = params[prefix + name]
            is_tensor = isinstance(replacement, Tensor)
            setattr(other, name, replacement if is_tensor else plain_tensor(np.asarray(replacement)))
    return other


def replaced_module(module: Module, classes: Mapping[str, type[Module]]) -> str | None:
    """Return the name of the first part of a module that may compute something else than what its class says.

    A part may do so if it is not exactly of the class (another module, a function, or one of a subclass), if the class
    got another `__call__` after it was defined, or if an attribute of the instance hides a method of the class.

    Parameters
    ----------
    module : Module
    classes : mapping of name to class
        What each part is expected to be, a part before its own parts; names may have dots.

    Returns
    -------
    str or None
        None if every part computes what its class says.

    Examples
    --------
    >>> from acg_numpy import MultiHeadCrossAttention
    >>> from acg_numpy.layers import Linear
    >>> attention = MultiHeadCrossAttention(8, 2)
    >>> replaced_module(attention, {"query": Linear, "key": Linear})
    >>> attention.key = lambda context: 2 * context
    >>> replaced_module(attention, {"query": Linear, "key": Linear})
    'key'
    """
    for name, cls in classes.items():
        part = _getter(name)(module)
        if (
            type(part) is not cls
            or cls.__call__ is not cls._defined_call
            or not cls._defined_names.isdisjoint(part.__dict__)
        ):
            return name
    return None
