"""The table of derivative rules: one entry for each NumPy function, and the names of its arguments.

An entry is one of three things:

- a `Primitive` has a rule for each of its first arguments: the vector-Jacobian product
  `rule(g, ans, *args, **options)`, where `g` is the gradient of the result `ans`;
- a `Composite` is written in functions that have entries already, so that its derivative needs no line of its own;
- `PLAIN` marks a function that has no derivative by any argument: it works on the arrays inside Tensors and returns
  plain arrays.
"""

import inspect
import sys
from collections.abc import Callable, Container
from typing import Any, Final

import numpy as np

Rule = Callable[..., Any]

TABLE: dict[Any, "Primitive | Composite | Plain"] = {}


class NoDerivativeError(TypeError):
    """A Tensor that requires a gradient reached a function, or a place in one, for which there is no rule."""


class Plain:
    """The type of `PLAIN`."""


PLAIN: Final = Plain()


class EachPosition:
    """One rule for a function of any number of arrays; its first argument is the position of the array it is for."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, position: int) -> Rule:
        return lambda g, ans, *args, **options: self.rule(position, g, ans, *args, **options)


class Binding:
    """The arguments of a call in one form: arrays by position, options by keyword.

    `np.sum(a=t, axis=0)`, `np.sum(t, 0)` and `np.sum(t, 0, None, None, False)` are one call; a rule sees the first form
    that it can be written in.  Options that have NumPy's default value are left out, others must be named by `accepts`.
    """

    __slots__ = ("accepts", "arity", "defaults", "leading", "name", "names", "options", "usual")

    def __init__(self, function: Any, arity: int, like: Callable[..., Any], skip: int) -> None:
        self.name: str = name_of(function)
        self.arity = arity
        own = list(inspect.signature(like).parameters.values())[skip:]
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (ValueError, TypeError):  # a function in C without a signature: the rule's own names are used
            parameters = own
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.names = [p.name for p in parameters if p.kind in positional]
        self.leading = frozenset(self.names[:arity])
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        everything = any(p.kind is p.VAR_KEYWORD for p in own)
        self.accepts = None if everything else frozenset(p.name for p in own)
        self.options = sorted(p.name for p in own[arity:])
        self.usual = frozenset(self.options) - self.leading

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call in that form."""
        if len(args) <= self.arity and self.usual.issuperset(kwargs):
            return args, kwargs  # in that form already, as nearly always
        if kwargs and not self.leading.isdisjoint(kwargs):
            kwargs = dict(kwargs)
            gathered = list(args)
            for name in self.names[len(args) : self.arity]:
                if self.leading.isdisjoint(kwargs):
                    break
                gathered.append(kwargs.pop(name, self.defaults.get(name)))
            args = tuple(gathered)
        if len(args) > self.arity and self.names:
            kwargs = {**dict(zip(self.names[self.arity :], args[self.arity :], strict=False)), **kwargs}
            args = args[: self.arity]
        if kwargs and self.accepts is not None and not self.accepts.issuperset(kwargs):
            kwargs = {k: v for k, v in kwargs.items() if k in self.accepts or not self._is_default(k, v)}
            for name in kwargs.keys() - self.accepts:
                options = ", ".join(self.options) or "none"
                raise NoDerivativeError(
                    f"{self.name}: no derivative with {name}={kwargs[name]!r}; leave {name} out (options that have "
                    f"one: {options})"
                )
        return args, kwargs

    def _is_default(self, name: str, value: Any) -> bool:
        default = self.defaults.get(name)
        return value is default or value is None or (name == "where" and value is True)


class Primitive:
    """A function with derivative rules of its own, one for each of its first arguments.

    None stands for an argument by which there is no derivative: a Tensor there that requires a gradient is refused.
    `run`, if given, is called in its place: the same values by a shorter way.  `unread` holds the arguments of which no
    rule reads more than the shape.
    """

    __slots__ = ("bind", "function", "name", "partial", "rules", "unread")

    def __init__(
        self,
        function: Callable[..., Any],
        rules: tuple[Rule | None, ...] | EachPosition,
        run: Callable[..., Any] | None = None,
    ) -> None:
        self.function = run or function
        self.rules = rules
        self.name = name_of(function)
        self.partial = not isinstance(rules, EachPosition) and None in rules
        self.unread: Container[int] = frozenset()
        if isinstance(rules, EachPosition):
            like, skip = rules.rule, 3  # position, g, ans
        else:
            like, skip = next((rule for rule in rules if rule is not None), lambda g, ans: None), 2  # g, ans
        self.bind = Binding(function, len(rules), like, skip)


class Composite:
    """A function rewritten in functions that have entries already."""

    __slots__ = ("bind", "function", "name")

    def __init__(self, function: Callable[..., Any], rewrite: Callable[..., Any]) -> None:
        self.name = name_of(function)
        self.function = rewrite
        kinds = {p.kind for p in inspect.signature(rewrite).parameters.values()}
        arity = sys.maxsize if inspect.Parameter.VAR_POSITIONAL in kinds else 0
        self.bind = Binding(function, arity, rewrite, 0)


def name_of(function: Any) -> str:
    """Return the name that users call a function by: `np.linalg.norm`, `np.add`."""
    if isinstance(function, tuple):  # a method of a ufunc: (np.add, "reduce")
        return f"{name_of(function[0])}.{function[1]}"
    if isinstance(function, np.ufunc):
        return f"np.{function.__name__}"
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", repr(function))
    prefix = module.replace("numpy", "np", 1) + "." if module.startswith("numpy") and "._" not in module else ""
    return f"{prefix}{name}"


# What to write instead of functions that have no rule, by name; a package's name stands for all its functions.
RECIPES: dict[str, str] = {
    "np.fft": "complex numbers have no derivative here",
    "np.linalg.eig": "its result is complex; np.linalg.eigh is for symmetric matrices",
    "np.linalg.eigvals": "its result is complex; np.linalg.eigvalsh is for symmetric matrices",
    "np.roots": "its result is complex",
    "np.copyto": "it would write in place; np.where makes a new array",
    "np.place": "it would write in place; np.where makes a new array",
    "np.putmask": "it would write in place; np.where makes a new array",
    "np.put": "it would write in place; np.where makes a new array",
    "np.put_along_axis": "it would write in place; np.where makes a new array",
    "np.fill_diagonal": "it would write in place; np.where(np.eye(n, dtype=bool), value, a) makes a new array",
    "np.save": "a file holds values alone",
    "np.savez": "a file holds values alone",
    "np.savez_compressed": "a file holds values alone",
    "np.savetxt": "a file holds values alone",
}


def no_rule(function: Any) -> NoDerivativeError:
    """Return the error for a function that has no entry: what it is, what to write instead, and how to add a rule."""
    name = name_of(function)
    recipe = RECIPES.get(name) or RECIPES.get(name.rpartition(".")[0])
    return NoDerivativeError(
        f"{name} has no derivative rule{f': {recipe}' if recipe else ''}. Add one with acg_numpy.register_rule({name}, "
        "rule), where rule(g, ans, *args) is the gradient of its first argument, or leave the graph on purpose: call "
        "it on t.numpy()"
    )
