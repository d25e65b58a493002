"""Operators and methods of an array that can be written to, each the NumPy function of that name.

Those of a Tensor take a short way to their rules, write nothing, and take no out=.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

# fmt: off
_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "mod": np.remainder,
    "matmul": np.matmul, "pow": np.power, "floordiv": np.floor_divide,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}
_COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute}
# fmt: on


def _operator(ufunc: np.ufunc, *, reflected: bool = False) -> Callable[[Any, Any], Any]:
    """Return an operator: the ufunc, except where the other operand handles arrays itself."""

    def operate(self: Any, other: Any) -> Any:
        if getattr(other, "__array_ufunc__", ufunc) is None:
            return NotImplemented
        if ufunc is np.power and not reflected and type(other) is int and other == 2:
            return np.square(self)
        return ufunc(other, self) if reflected else ufunc(self, other)

    return operate


def _inplace_operator(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return an operator that writes; to a number, which is not an array in NumPy either, it gives a new one."""

    def operate(self: Any, other: Any) -> Any:
        result = _operator(ufunc)(self, other)
        if self.ndim == 0:
            return result
        if np.shape(result) != self.shape:
            raise ValueError(
                f"non-broadcastable output operand with shape {self.shape} doesn't match the broadcast shape "
                f"{np.shape(result)}"
            )
        self.write(result)
        return self

    return operate


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy as a method."""
    return lambda self, *args, **options: function(self, *args, **options)


class InPlaceOperators:
    """The operators, `x += y` among them, and the methods that take `out=`."""

    __slots__ = ()


for _name, _ufunc in _BINARY.items():
    setattr(InPlaceOperators, f"__{_name}__", _operator(_ufunc))
    setattr(InPlaceOperators, f"__r{_name}__", _operator(_ufunc, reflected=True))
    setattr(InPlaceOperators, f"__i{_name}__", _inplace_operator(_ufunc))
for _name, _ufunc in _COMPARISONS.items():
    setattr(InPlaceOperators, f"__{_name}__", _operator(_ufunc))
for _name, _ufunc in _UNARY.items():
    setattr(InPlaceOperators, f"__{_name}__", lambda self, ufunc=_ufunc: ufunc(self))
# methods of an ndarray that take out=, which those of a Tensor do not
for _name in (
    "sum", "prod", "mean", "std", "var", "max", "min", "any", "all", "argmax", "argmin", "cumsum", "cumprod",
    "clip", "round", "dot", "trace", "take", "choose",
):  # fmt: skip
    setattr(InPlaceOperators, _name, _method(getattr(np, _name)))
