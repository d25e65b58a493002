"""The adapter that makes a hand-derived forward and backward one node of the graph.

First order, the node calls the hand-derived backward with arrays.  Where the backward pass is itself recorded, it runs
the forward again on Tensors, so that the cache is part of the graph, and then the same backward on those: plain NumPy
both, they are differentiated like anything else.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from acg_numpy.autograd.nodes import UNRECORDED
from acg_numpy.autograd.operands import NO_ARRAYS, Guard, as_operand, plain_operands, snapshot
from acg_numpy.autograd.row_sparse import RowSparseGradient
from acg_numpy.autograd.state import state
from acg_numpy.autograd.table import checked_gradient
from acg_numpy.autograd.tensors import NO_OPTIONS, Tensor, not_floating, plain_tensor, recorded_tensor


def from_passes(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make one differentiable function of a forward and its hand-derived backward.

    Parameters
    ----------
    forward : callable
        `forward(*inputs, **options) -> (out, cache)`, in NumPy; `out` an array, or a tuple of arrays.
    backward : callable
        `backward(grad_out, cache) -> grads`, one gradient an input (a tuple, list or NamedTuple; a single array for a
        single input); None for an integer, boolean or absent one, and trailing Nones may be left out.  `grad_out` is a
        tuple where `out` is one.

    Returns
    -------
    callable
        `function(*inputs, **options) -> out`: Tensors where an input is a Tensor, otherwise what `forward` gives.

    Raises
    ------
    TypeError
        From a backward pass, where `backward` gives no gradient for an input that needs one.
    ValueError
        From a backward pass, where a gradient has another shape than its input.

    Examples
    --------
    >>> from acg_numpy import from_passes, tensor
    >>> from acg_numpy.passes import softmax_forward, softmax_backward
    >>> softmax = from_passes(softmax_forward, softmax_backward)
    >>> scores = tensor([0.0, 1.0, 2.0], requires_grad=True)
    >>> softmax(scores)[2].backward()
    >>> scores.grad.round(4)
    array([-0.0599, -0.1628,  0.2227])
    """
    return _function_of(_Pair(forward, backward))


def from_kernel(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function as `from_passes` does, of a backward that keeps nothing of the gradients that it returns.

    Such a gradient is stored as it is.  That of any other backward may be the caller's array, or the cache's, and is
    copied first.
    """
    return _function_of(_Pair(forward, backward, keeps_nothing=True))


def _function_of(pair: "_Pair") -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        return pair.call(args, kwargs)

    function.__name__ = function.__qualname__ = pair.name
    function.__doc__ = pair.forward.__doc__
    return function


class _Several(tuple[Any, ...]):
    """Gradients of several outputs, added place by place."""

    __slots__ = ()

    def __add__(self, other: Any) -> "_Several":
        return _Several(a + b for a, b in zip(self, other, strict=True))


class _Pair:
    """The table's entry for a node made by `from_passes` or `from_kernel`."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], *, keeps_nothing: bool = False
    ) -> None:
        self.forward, self.backward, self.keeps_nothing = forward, backward, keeps_nothing
        name = getattr(forward, "__name__", type(forward).__name__)
        self.name = name.removesuffix("_forward")
        parameters = inspect.signature(forward).parameters.values()
        by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.names = [p.name for p in by_place]
        self.defaults = {p.name: p.default for p in by_place if p.default is not p.empty}

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, options = self._bind(args, kwargs)
        if state().expand:
            return self.forward(*args, **options)[0]
        tensors = [a for a in args if isinstance(a, Tensor)]
        if not tensors:
            return self.forward(*args, **options)[0]
        recorded = state().enabled and any(t._needs for t in tensors)
        guards: list[Guard] = []
        args = tuple(
            [
                a if isinstance(a, Tensor) or a is None else self._operand(a, place, recorded, guards)
                for place, a in enumerate(args)
            ]
        )
        options = {name: self._operand(option, name, recorded, guards) for name, option in options.items()}
        values = tuple([a._elements if isinstance(a, Tensor) else a for a in args])
        out, cache = self.forward(*values, **options)
        outputs = tuple(np.asarray(as_operand(o, self.name)) for o in (out if isinstance(out, tuple) else (out,)))
        if not recorded:
            results = tuple(map(plain_tensor, outputs))
            if not state().enabled:
                for result in results:
                    result._order = UNRECORDED
            return results if isinstance(out, tuple) else results[0]
        for o in outputs:
            if o.dtype.kind == "c" or (o.dtype.kind != "f" and not isinstance(out, tuple)):
                raise not_floating(self, o)
        if not isinstance(out, tuple):
            return recorded_tensor(outputs[0], self, args, values, options, (cache, guards))
        call = recorded_tensor(
            None, self, args, values, options, (cache, guards)
        )  # of all outputs; it has no array itself
        return tuple(
            recorded_tensor(o, _Output(self.name, i, outputs), (call,), (), NO_OPTIONS)
            if o.dtype.kind == "f"
            else plain_tensor(o)
            for i, o in enumerate(outputs)
        )

    def _operand(self, value: Any, place: int | str, recorded: bool, guards: list[Guard]) -> Any:
        """Return an argument as a plain array, which holds its values until the backward pass."""
        if type(value) in NO_ARRAYS or isinstance(value, Tensor):
            return value
        name = f"{self.name}: {place if isinstance(place, str) or place >= len(self.names) else self.names[place]}"
        value = plain_operands(value, name, Tensor)
        return snapshot(value, name, guards) if recorded and type(value) is np.ndarray else value

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return inputs by position, options by keyword."""
        if not kwargs.keys().isdisjoint(self.names):
            kwargs, places = dict(kwargs), list(args)
            for name in self.names[len(args) :]:
                if name not in kwargs and name not in self.defaults:
                    raise TypeError(f"{self.name}: missing argument {name}")
                places.append(kwargs.pop(name, self.defaults.get(name)))
            args = tuple(places)
        for name, value in kwargs.items():
            if isinstance(value, Tensor) and value._needs:
                raise TypeError(
                    f"{self.name}: {name} is an option, not an input, and has no gradient; give it as {name}.numpy()"
                )
        return args, kwargs

    def pull(self, g: Any, args: tuple[Any, ...], options: dict[str, Any], saved: Any, create_graph: bool) -> list[Any]:
        """Return the gradients of all inputs at once, each in the shape and dtype of its input."""
        cache, guards = saved
        for guard in guards:
            guard.check()
        if create_graph:
            _, cache = self.forward(*args, **options)
        grads = self.backward(g, cache)
        if not isinstance(grads, tuple | list):
            grads = (grads,)
        if len(grads) > len(args) and any(grad is not None for grad in grads[len(args) :]):
            raise TypeError(f"{self.name}: the backward gave {len(grads)} gradients for {len(args)} inputs")
        found: list[Any] = []
        for place, arg in enumerate(args):
            grad = grads[place] if place < len(grads) else None
            if not isinstance(arg, Tensor) or not arg._needs:
                found.append(None)
                continue
            if grad is None:
                name = self.names[place] if place < len(self.names) else place
                raise TypeError(f"{self.name}: the backward gave no gradient for {name}, which requires one")
            if type(grad) is RowSparseGradient and (create_graph or arg._record is not None):
                grad = np.asarray(grad)  # only leaves store it; rules are promised arrays
            elif type(grad) is not np.ndarray or grad.dtype.kind != "f":
                if not isinstance(grad, Tensor | RowSparseGradient):
                    grad = np.asarray(as_operand(grad, f"{self.name}: the gradient of argument {place}")).view()
            elif not self.keeps_nothing:
                grad = grad.view()  # the walk copies a view before it stores it
            found.append(checked_gradient(grad, arg, self.name, place))
        return found


class _Output:
    """The entry for one of several outputs: it hands its gradient to the node of the call."""

    def __init__(self, name: str, place: int, outputs: tuple[Any, ...]) -> None:
        self.name, self.place = name, place
        self.likes = [(o.shape, o.dtype) for o in outputs]

    def pull(
        self, g: Any, args: tuple[Any, ...], options: dict[str, Any], saved: Any, create_graph: bool
    ) -> Sequence[Any]:
        """Return zeros for the other outputs: a pair is given a gradient for each."""
        return [_Several(g if i == self.place else np.zeros(*like) for i, like in enumerate(self.likes))]
