"""The table of derivative rules: one entry for each NumPy function, and the names of its arguments.

An entry is one of three things:

- a `Primitive` has a rule for each of its first arguments: the vector-Jacobian product
  `rule(g, ans, *args, **options)`, where `g` is the gradient of the result `ans`;
- a `Composite` is written in functions that have entries already, so that its derivative needs no line of its own;
- `PLAIN` marks a function that has no derivative by any argument: it works on the arrays inside Tensors and returns
  plain arrays.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Container
from typing import Any, Final

import numpy as np

Rule = Callable[..., Any]

_NO_VALUE: Final = getattr(np, "_NoValue", None)  # NumPy's default for options that change nothing if left out

TABLE: dict[Any, "Primitive | Composite | Plain"] = {}


# Modules of rules that are imported when the first object of a package arrives, and what they know: how to compute a
# function with an operand from that package.
LATE_RULES: Final = {"scipy": "acg_numpy.autograd.rules.scipy_functions"}
OTHER_OPERANDS: dict[tuple[Any, str], Callable[..., Any]] = {}


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

    def __init__(self, function: Any, name: str, arity: int, like: Callable[..., Any], skip: int) -> None:
        self.name = name
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
            rest = zip(self.names[self.arity :], args[self.arity :], strict=False)
            kwargs = {**{name: value for name, value in rest if value is not _NO_VALUE}, **kwargs}
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
    `run`, if given, is called in its place: the same values by a shorter way.  `name` is what messages call it, where
    that is not the function's own name.  `unread` holds the arguments of which no rule reads more than the shape;
    `reads_values` says whether there are others.  `missing` are the places of the None.
    """

    __slots__ = ("bind", "function", "missing", "name", "num_rules", "reads_values", "rules", "unread")

    def __init__(
        self,
        function: Callable[..., Any],
        rules: tuple[Rule | None, ...] | EachPosition,
        run: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.function = run or function
        self.rules = rules
        self.name = name_of(function) if name is None else name
        self.num_rules = len(rules)
        self.missing = () if isinstance(rules, EachPosition) else tuple(i for i, r in enumerate(rules) if r is None)
        self.unread: Container[int] = frozenset()
        self.reads_values = True
        if isinstance(rules, EachPosition):
            like, skip = rules.rule, 3  # position, g, ans
        else:
            like, skip = next((rule for rule in rules if rule is not None), lambda g, ans: None), 2  # g, ans
        self.bind = Binding(function, self.name, len(rules), like, skip)


def checked_gradient(grad: Any, argument: Any, name: str, place: int) -> Any:
    """Return what a rule that is not the engine's own gives for an argument, in the dtype of the argument.

    Raises
    ------
    TypeError
        For complex numbers.
    ValueError
        If its shape is not that of the argument.
    """
    if grad.shape != argument.shape:
        raise ValueError(
            f"the rule of {name} for argument {place} gave shape {grad.shape}, the argument has {argument.shape}"
        )
    if grad.dtype is argument.dtype or grad.dtype == argument.dtype:
        return grad
    if grad.dtype.kind == "c":
        raise TypeError(f"the rule of {name} for argument {place} gave complex numbers, which have no derivative here")
    return grad.astype(argument.dtype)


class Composite:
    """A function rewritten in functions that have entries already."""

    __slots__ = ("bind", "function", "name")

    def __init__(self, function: Callable[..., Any], rewrite: Callable[..., Any]) -> None:
        self.name = name_of(function)
        self.function = rewrite
        kinds = {p.kind for p in inspect.signature(rewrite).parameters.values()}
        arity = sys.maxsize if inspect.Parameter.VAR_POSITIONAL in kinds else 0
        self.bind = Binding(function, self.name, arity, rewrite, 0)


def entry_of(function: Any) -> "Primitive | Composite | Plain | None":
    """Return the entry of a function, if it has one; the rules of other packages are imported when they are needed."""
    entry = TABLE.get(function)
    if entry is None and "scipy.special" in sys.modules:
        importlib.import_module(LATE_RULES["scipy"])
        entry = TABLE.get(function)
    return entry


def with_other_operand(function: Any, operand: Any) -> Callable[..., Any] | None:
    """Return how to compute a function with an operand from another package, if there is a way of its own."""
    package = type(operand).__module__.partition(".")[0]
    if package not in LATE_RULES:
        return None
    importlib.import_module(LATE_RULES[package])
    return OTHER_OPERANDS.get((function, package))


def name_of(function: Any) -> str:
    """Return the name that users call a function by: `np.linalg.norm`, `np.add`."""
    if isinstance(function, tuple):  # a method of a ufunc: (np.add, "reduce")
        return f"{name_of(function[0])}.{function[1]}"
    if isinstance(function, np.ufunc):
        special = sys.modules.get("scipy.special")
        package = "np" if getattr(special, function.__name__, None) is not function else "scipy.special"
        return f"{package}.{function.__name__}"
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", repr(function))
    prefix = module.replace("numpy", "np", 1) + "." if module.startswith("numpy") and "._" not in module else ""
    return f"{prefix}{name}"


# What to write instead of functions that have no rule, or why there is none, by name; the name of a package stands for
# all its functions.
_COMPLEX = "complex numbers have no derivative here"
_IN_PLACE = "it would write in place; np.where makes a new array"
_FILE = "a file holds values alone"
_TEXT = "it is for text"
_DATE = "it is for dates"
_WHOLE = "it is for whole numbers"
_SETS = "its result depends on which elements are exactly equal"
_BINS = "add up the weights of numbered bins with np.bincount(np.ravel_multi_index(places, shape), weights=t)"
RECIPES: dict[str, str] = {
    "np.fft": _COMPLEX,
    "np.lib.scimath": _COMPLEX,
    "np.linalg.eig": "its result is complex; np.linalg.eigh is for symmetric matrices",
    "np.linalg.eigvals": "its result is complex; np.linalg.eigvalsh is for symmetric matrices",
    "np.roots": "its result is complex",
    "np.sort_complex": "its result is complex; np.sort is for real numbers",
    "np.polydiv": "the lengths of its results depend on the values; np.polyval(p, x) / np.polyval(q, x) divides values",
    "np.histogram2d": _BINS,
    "np.histogramdd": _BINS,
    "np.intersect1d": _SETS,
    "np.setxor1d": _SETS,
    "np.trapz": "np.trapezoid",
    "np.in1d": "np.isin",
    "np.copyto": _IN_PLACE,
    "np.place": _IN_PLACE,
    "np.putmask": _IN_PLACE,
    "np.put": _IN_PLACE,
    "np.put_along_axis": _IN_PLACE,
    "np.fill_diagonal": "it would write in place; np.where(np.eye(n, dtype=bool), value, a) makes a new array",
    "np.save": _FILE,
    "np.savez": _FILE,
    "np.savez_compressed": _FILE,
    "np.savetxt": _FILE,
    "np.strings": _TEXT,
    "np.char": _TEXT,
    "np.isnat": _DATE,
    "np.is_busday": _DATE,
    "np.busday_count": _DATE,
    "np.busday_offset": _DATE,
    "np.datetime_as_string": _DATE,
    "np.gcd": _WHOLE,
    "np.lcm": _WHOLE,
    "np.bitwise_count": _WHOLE,
    "np.packbits": _WHOLE,
    "np.unpackbits": _WHOLE,
    "np.ravel_multi_index": _WHOLE,
    "np.unravel_index": _WHOLE,
    "np.ix_": _WHOLE,
    "scipy.special.logsumexp": "np.logaddexp.reduce(x, axis=axis)",
    "scipy.special.softmax": "np.exp(x - np.logaddexp.reduce(x, axis=axis, keepdims=True))",
    "scipy.special.log_softmax": "x - np.logaddexp.reduce(x, axis=axis, keepdims=True)",
    "scipy.special.softplus": "np.logaddexp(x, 0.0)",
    "scipy.special.multigammaln": "a sum of scipy.special.gammaln",
    "scipy.special.polygamma": "scipy.special.digamma(x) for the order 0",
    "scipy.stats": "its formula with functions of NumPy and scipy.special (gammaln, xlogy, ndtr, betainc)",
    "scipy.stats.norm.pdf": "np.exp(-0.5 * ((x - loc) / scale) ** 2) / (scale * np.sqrt(2 * np.pi))",
    "scipy.stats.norm.logpdf": "-0.5 * ((x - loc) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))",
    "scipy.stats.norm.cdf": "scipy.special.ndtr((x - loc) / scale)",
    "scipy.stats.norm.logcdf": "scipy.special.log_ndtr((x - loc) / scale)",
    "scipy.stats.norm.sf": "scipy.special.ndtr((loc - x) / scale)",
    "scipy.stats.norm.logsf": "scipy.special.log_ndtr((loc - x) / scale)",
    "scipy.signal.convolve": "np.convolve",
    **{f"scipy.linalg.{name}": f"np.linalg.{name}" for name in ("inv", "det", "solve", "pinv", "norm", "eigh", "svd")},
    "scipy.sparse._matmul_dispatch": "np.matmul(sparse, t)",
    "scipy.sparse.multiply": "t * sparse.toarray()",
}


def recipe_for(name: str) -> str | None:
    """Return what to write instead of a function, or why it has no rule, if that is known."""
    return RECIPES.get(name) or RECIPES.get(name.rpartition(".")[0])


def scipy_caller() -> tuple[str | None, str | None]:
    """Return the name of the function of SciPy that asks for the array inside a Tensor just now, and its recipe."""
    frame, called, recipe = sys._getframe(1), None, None
    while frame is not None:
        package, _, rest = frame.f_globals.get("__name__", "").partition(".")
        if package == "scipy":
            function = frame.f_code.co_name
            instance = frame.f_locals.get("self")  # a distribution, which bears the name that users call it by
            kind = type(instance).__name__.removesuffix("_gen") if rest.startswith("stats.") and instance else ""
            name = ".".join(part for part in ("scipy", rest.partition(".")[0], kind, function) if part)
            recipe = recipe or recipe_for(name)
            if function[0] != "_" and rest[:1] != "_" and function != "wrapper":
                called = name
        elif called is not None and package != "numpy":
            break
        frame = frame.f_back  # type: ignore[assignment]
    return called, recipe or (RECIPES["scipy.stats"] if called and called.startswith("scipy.stats.") else None)


def no_rule(function: Any) -> NoDerivativeError:
    """Return the error for a function that has no entry: what it is, what to write instead, and how to add a rule."""
    name = name_of(function)
    recipe = recipe_for(name)
    return NoDerivativeError(
        f"{name} has no derivative rule{f': {recipe}' if recipe else ''}. Add one with acg_numpy.register_rule({name}, "
        "rule), where rule(g, ans, *args) is the gradient of its first argument, or leave the graph on purpose: call "
        "it on t.numpy()"
    )
