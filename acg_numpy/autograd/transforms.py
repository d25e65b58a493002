"""Transforms of functions: `grad`, `vjp`, `jvp` and the rest, named as in JAX and nesting as there.

A transform runs the function on Tensors of its own, one for each leaf of its arguments, made from them by the identity.
So a variable of an inner transform is never that of an outer one, though their values may be the same, and partial
derivatives stay partial.

The pass back is recorded, to be differentiated itself, whenever another transform is at work around this one or an
argument was recorded; otherwise the results are plain arrays.  Parameters that the function reaches from outside are
constants, and no `.grad` is touched.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from acg_numpy.autograd.backward import as_gradient, gradients
from acg_numpy.autograd.operands import Guard, as_operand, floating_advice, snapshot
from acg_numpy.autograd.state import recording, state
from acg_numpy.autograd.table import Primitive
from acg_numpy.autograd.tensors import NO_OPTIONS, Tensor, recorded_tensor
from acg_numpy.autograd.trees import flatten, tree_map

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]

_IDENTITY = Primitive(lambda x: x, (lambda g, ans, x: g,))


class _Level:
    """One run of a function by a transform: the variables that are its own, and whether what it gives is recorded."""

    def __init__(self, trees: Sequence[Any], what: str) -> None:
        leaves, self.rebuild = flatten(tuple(trees))
        self.recorded = state().enabled and (
            state().transforms > 0 or any(isinstance(x, Tensor) and x._needs for x in leaves)
        )
        self.guards: list[Guard] = []
        self.variables = [_enter(x, what, self.guards) for x in leaves]

    def run(self, function: Function) -> Any:
        with recording(True, transform=True):
            return function(*self.rebuild(self.variables))

    def give(self, tree: Any) -> Any:
        """Return what leaves the transform: Tensors if it is recorded, arrays if not."""
        if self.recorded:
            return tree
        return tree_map(lambda leaf: leaf.numpy() if isinstance(leaf, Tensor) else leaf, tree)

    def pull(self, results: Sequence[Tensor], cotangents: Sequence[Any]) -> list[Any]:
        """Return the gradients of the variables."""
        for guard in self.guards:
            guard.check()
        around = state().enabled and (
            state().transforms > 0 or any(isinstance(c, Tensor) and c._needs for c in cotangents)
        )
        create_graph = self.recorded or around
        if not create_graph:
            cotangents = [c.data if isinstance(c, Tensor) else c for c in cotangents]
        reached = [(r, c) for r, c in zip(results, cotangents, strict=True) if r._needs]
        return gradients(reached, self.variables, create_graph)


def _enter(x: Any, what: str, guards: list[Guard]) -> Tensor:
    """Return a leaf as a variable of this transform's own."""
    name = f"{what}: an argument to differentiate by"
    data = x._elements if isinstance(x, Tensor) else np.asarray(as_operand(x, name))
    if data.dtype.kind != "f":
        advice = floating_advice(data) if data.ndim or data.dtype.kind == "c" else f"use float({x!r})"
        found = f"{x!r} of dtype {data.dtype}" if data.ndim == 0 else f"dtype {data.dtype}"
        raise TypeError(f"{name} must be floating, got {found}; {advice}")
    if isinstance(x, Tensor):
        return recorded_tensor(data, _IDENTITY, (x,), (data,), NO_OPTIONS)
    data = snapshot(data, name, guards)
    return recorded_tensor(data, _IDENTITY, (data,), (data,), NO_OPTIONS)


def _as_tensor(leaf: Any) -> Tensor:
    return leaf if isinstance(leaf, Tensor) else Tensor(leaf)


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Run a function, and return the function that carries a gradient of its result back: g -> (g J, ...).

    Parameters
    ----------
    fun : callable
        From arrays, or trees of them, to an array or a tree of them.
    *primals
        Its arguments: arrays, Tensors, numbers, or nested dicts, lists and tuples of these, all floating.
    has_aux : bool
        Whether `fun` returns `(out, aux)`; then aux is passed through.

    Returns
    -------
    out : like the result of `fun`
    pullback : callable
        From a gradient like `out` to a tuple of gradients like `primals`.
    aux
        Where `has_aux`.

    Examples
    --------
    >>> out, pullback = vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    level = _Level(primals, "vjp")
    out = level.run(fun)
    if has_aux:
        out, aux = out
    leaves, rebuild = flatten(out)
    results = [_as_tensor(leaf) for leaf in leaves]

    def pullback(cotangent: Any) -> Any:
        given, _ = flatten(cotangent)
        if len(given) != len(results):
            raise ValueError(
                f"the gradient must be a tree like the result, with {len(results)} leaves, got {len(given)}"
            )
        cotangents = [as_gradient(r, c, "the gradient") for r, c in zip(results, given, strict=True)]
        return level.rebuild(level.pull(results, cotangents))

    result = level.give(rebuild(results))
    return (result, pullback, level.give(aux)) if has_aux else (result, pullback)


def value_and_grad(fun: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that gives both the value of `fun` and its gradient.

    Parameters
    ----------
    fun : callable
        Its result is a single number (with `has_aux`, a pair of it and anything else).
    argnums : int or tuple of int
        Which positional arguments to differentiate by.
    has_aux : bool
        Whether `fun` returns `(value, aux)`.

    Returns
    -------
    callable
        With the arguments of `fun`; gives `(value, grad)`, or `((value, aux), grad)`. The gradient is a tree like the
        argument, a tuple of them where `argnums` is a tuple.

    Raises
    ------
    TypeError
        Where the value is not a single floating number, or an argument to differentiate by is not floating.

    Examples
    --------
    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 3.0]))
    (array(10.), array([2., 6.]))
    """

    def function(*args: Any, **kwargs: Any) -> Any:
        level, out = _run_by_arguments("grad", fun, argnums, args, kwargs)
        value, aux = out if has_aux else (out, None)
        value = _as_tensor(value)
        if value.shape != ():
            raise TypeError(
                f"grad needs a function whose value is a single number, got shape {value.shape}; sum it, or use vjp "
                "or jacobian"
            )
        grads = level.rebuild(level.pull([value], [np.ones((), value.dtype)]))
        grad = grads if isinstance(argnums, tuple) else grads[0]
        value = level.give(value)
        return ((value, level.give(aux)), grad) if has_aux else (value, grad)

    return _named(function, "value_and_grad", fun)


def grad(fun: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that gives the gradient of `fun`; parameters as for `value_and_grad`.

    Returns
    -------
    callable
        With the arguments of `fun`; gives the gradient (with `has_aux`, a pair of it and aux).

    Examples
    --------
    >>> grad(np.tanh)(0.0)
    array(1.)
    >>> grad(grad(grad(lambda x: x**4)))(2.0)
    array(48.)
    """
    both = value_and_grad(fun, argnums, has_aux)

    def function(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return _named(function, "grad", fun)


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of a function, and its derivative along a direction: J v.

    The pullback g -> g J is linear in g, and its own pullback is v -> J v.

    Parameters
    ----------
    fun : callable
    primals : tuple
        Arguments of `fun`.
    tangents : tuple
        A direction for each, of the same tree and shapes.

    Returns
    -------
    out, tangent_out : like the result of `fun`

    Examples
    --------
    >>> jvp(np.sin, (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: as many tangents as primals are needed, got {len(tangents)} for {len(primals)}")
    level = _Level(primals, "jvp")
    level.recorded |= state().enabled and any(isinstance(t, Tensor) and t._needs for t in flatten(tuple(tangents))[0])
    with recording(True, transform=True):  # the first pass back is always recorded: it is what is differentiated
        out, pullback = vjp(fun, *level.rebuild(level.variables))
        ones = tree_map(lambda leaf: np.ones(np.shape(leaf), leaf.dtype), out)
        _, push = vjp(lambda g: pullback(g), ones)
        (tangent_out,) = push(tuple(tangents))
    return level.give(out), level.give(tangent_out)


def hvp(fun: Function, primals: Any, tangents: Any) -> Any:
    """Return the Hessian of a function of arrays to a number, times a direction.

    It is the derivative of the gradient along the direction.

    Parameters
    ----------
    fun : callable
    primals, tangents : tuple, or a single tree for a function of one argument
        Where to take it, and the direction.

    Returns
    -------
    Like the argument of `fun`; a tuple where there is more than one.

    Examples
    --------
    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    if not isinstance(primals, tuple):
        primals, tangents = (primals,), (tangents,)
    everything = tuple(range(len(primals)))
    _, product = jvp(grad(fun, everything), primals, tangents)
    return product[0] if len(primals) == 1 else product


def jacobian(fun: Function, argnums: Argnums = 0) -> Function:
    """Return the function that gives all derivatives of `fun`: a row for each element of its result.

    Parameters
    ----------
    fun : callable
        From arrays to an array, or trees of them.
    argnums : int or tuple of int
        Which positional arguments to differentiate by.

    Returns
    -------
    callable
        Gives an array of shape `out.shape + arg.shape`, or a tree like the result with trees like the argument for
        leaves.

    Examples
    --------
    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    def function(*args: Any, **kwargs: Any) -> Any:
        level, out = _run_by_arguments("jacobian", fun, argnums, args, kwargs)
        leaves, rebuild = flatten(out)
        blocks = [_rows(level, _as_tensor(leaf)) for leaf in leaves]
        if isinstance(argnums, tuple):
            return rebuild([level.rebuild(block) for block in blocks])
        return rebuild([level.rebuild(block)[0] for block in blocks])

    return _named(function, "jacobian", fun)


def _rows(level: _Level, result: Tensor) -> list[Any]:
    """Return derivatives of one result by each of a level's variables, stacked over the elements of the result."""
    rows = []
    for i in range(result.size):
        basis = np.zeros(result.size, result.dtype)
        basis[i] = 1.0
        rows.append(level.pull([result], [basis.reshape(result.shape)]))
    return [
        np.reshape(np.stack([row[k] for row in rows]), result.shape + v.shape)
        if rows
        else np.zeros(result.shape + v.shape, v.dtype)
        for k, v in enumerate(level.variables)
    ]


def hessian(fun: Function, argnums: Argnums = 0) -> Function:
    """Return the function that gives all second derivatives of `fun`: the Jacobian of its gradient.

    Examples
    --------
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return _named(jacobian(grad(fun, argnums), argnums), "hessian", fun)


def _run_by_arguments(
    what: str, fun: Function, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[_Level, Any]:
    """Run a function with variables for the arguments that `argnums` chooses, and all others as they are."""
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    for i in places:
        if not -len(args) <= i < len(args):
            raise ValueError(f"argnums is {argnums}, but the function was called with {len(args)} positional arguments")
    level = _Level([args[i] for i in places], what)

    def partial(*chosen: Any) -> Any:
        full = list(args)
        for i, tree in zip(places, chosen, strict=True):
            full[i] = tree
        return fun(*full, **kwargs)

    return level, level.run(partial)


def _named(function: Function, transform: str, of: Function) -> Function:
    function.__name__ = function.__qualname__ = f"{transform}({getattr(of, '__name__', 'function')})"
    return function
