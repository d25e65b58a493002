"""Registration of rules in the table: `register_rule` for users, `composite` and `nondifferentiable` for the engine."""

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from acg_numpy.autograd.table import (
    PLAIN,
    TABLE,
    Composite,
    EachPosition,
    Primitive,
    Rule,
    checked_gradient,
    name_of,
)
from acg_numpy.autograd.tensors import Tensor, call_function

F = TypeVar("F", bound=Callable[..., Any])

_RULES = "acg_numpy.autograd.rules."  # the modules of the engine's own rules
_DISPATCHED = (np.ufunc, type(np.sum))  # NumPy itself passes calls of these to a Tensor


def register_rule(function: Callable[..., Any], *rules: Rule | EachPosition | None, name: str | None = None) -> Any:
    """Register the derivative of a function, so that it can be called with Tensors.

    Parameters
    ----------
    function : callable
        A ufunc, another NumPy function, or any function from arrays to an array.
    *rules : callable or None
        One for each of the function's first arguments: `rule(g, ans, *args, **options)` gives the gradient of that
        argument, in its shape, where `g` is the gradient of the result `ans`.  Written in NumPy, so that it can be
        differentiated itself. None for an argument that has no derivative.  Left out, `register_rule(function)`
        decorates the rule of the first.
    name : str, optional
        What messages and reports call the function; its own name, if left out.

    Returns
    -------
    callable
        What to call: `function` itself if NumPy passes its calls to Tensors, else a function of the same name that also
        takes Tensors.

    Examples
    --------
    >>> from acg_numpy import tensor
    >>> softplus = register_rule(
    ...     lambda x: np.logaddexp(x, 0.0), lambda g, ans, x: g / (1.0 + np.exp(-x)), name="softplus"
    ... )
    >>> t = tensor([0.0, 2.0], requires_grad=True)
    >>> softplus(t).sum().backward()
    >>> t.grad.round(3)
    array([0.5  , 0.881])

    As a decorator, for `scipy.special.exprel`:

    >>> from scipy import special
    >>> @register_rule(special.exprel)
    ... def exprel(g, ans, x):
    ...     return g * (np.exp(x) - ans) / x
    >>> exprel is special.exprel
    True
    """
    if not callable(function):
        raise TypeError(f"function must be callable, got {function!r}")
    if not rules:
        return lambda rule: register_rule(function, rule, name=name)
    for rule in rules:
        if rule is not None and not callable(rule) and not isinstance(rule, EachPosition):
            raise TypeError(f"every rule must be callable or None, got {rule!r}")
    name = name_of(function) if name is None else name
    per_argument = rules[0] if isinstance(rules[0], EachPosition) else rules
    if isinstance(per_argument, EachPosition):
        checked: Any = EachPosition(_checked(per_argument.rule, name, None))
    else:
        checked = tuple(rule and _checked(rule, name, place) for place, rule in enumerate(rules))
    TABLE[function] = Primitive(function, checked, name=name)
    if isinstance(function, _DISPATCHED):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for a in (*args, *kwargs.values()) if kwargs else args:  # a generator would cost as much as the call
            if isinstance(a, Tensor):
                return call_function(function, args, kwargs)
        return function(*args, **kwargs)

    return call


def _checked(rule: Any, name: str, place: int | None) -> Rule:
    """Return the rule of a user with a check of what it gives; the rules of the engine are held to it by a test.

    If `place` is None, it is the first argument of the rule.
    """
    if (getattr(rule, "__module__", None) or "").startswith(_RULES):
        return rule

    @functools.wraps(rule)
    def check(*arguments: Any, **options: Any) -> Any:
        grad = rule(*arguments, **options)
        position, args = (arguments[0], arguments[3:]) if place is None else (place, arguments[2:])
        grad = grad if isinstance(grad, Tensor) else np.asarray(grad)
        return checked_gradient(grad, args[position], name, position)

    return check


def composite(*functions: Any) -> Callable[[F], F]:
    """Decorate the way to write those NumPy functions in ones that the table has entries for."""

    def enter(rewrite: F) -> F:
        for function in functions:
            TABLE[function] = Composite(function, rewrite)
        return rewrite

    return enter


def nondifferentiable(functions: Iterable[Any]) -> None:
    """Register functions that have no derivative by any of their arguments."""
    for function in functions:
        TABLE.setdefault(function, PLAIN)


def reads_shape_only(function: Any, *places: int) -> None:
    """Say of arguments (of all, if none is named) that the rules read nothing of them but the shape.

    Such an argument may change before the backward pass.
    """
    entry = TABLE[function]
    assert isinstance(entry, Primitive)
    entry.unread = frozenset(places) if places else range(sys.maxsize)
    entry.reads_values = bool(places)
