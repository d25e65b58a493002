"""Derivatives by trying: what the passes are held against, independent of the package's own checks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Arguments = Sequence[Any]


def is_floating(argument: Any) -> bool:
    """Whether an argument is an array that a gradient belongs to."""
    return getattr(argument, "dtype", np.dtype(bool)).kind in "fc"


def contract(grad_out: Any, out: Any) -> Any:
    """<grad_out, out>: the loss whose gradient with respect to out is grad_out."""
    return np.sum(grad_out * out)


def central_difference(loss: Callable[..., Any], arguments: Arguments, which: int, step: float = 1e-6) -> Any:
    """(L(x + h) - L(x - h)) / 2h for each element x of one argument; the error is of the order of h^2."""
    return _element_by_element(
        arguments,
        which,
        lambda nudged: (loss(*nudged(step)) - loss(*nudged(-step))) / (2 * step),
    )


def complex_step(loss: Callable[..., Any], arguments: Arguments, which: int) -> Any:
    """Im L(x + ih) / h for each element x of one argument: nothing is subtracted, so h can be 1e-20 and the error is 0.

    It works for any L without abs, conj and the like.
    """
    step = 1e-20
    return _element_by_element(arguments, which, lambda nudged: np.imag(loss(*nudged(step * 1j))) / step)


def _element_by_element(arguments: Arguments, which: int, derivative: Callable[..., Any]) -> Any:
    x = arguments[which]
    grad = np.zeros(np.shape(x))
    for index in np.ndindex(np.shape(x)):

        def nudged(by: complex, index: tuple[int, ...] = index) -> list[Any]:
            moved = np.array(x, dtype=np.result_type(x.dtype, type(by)))
            moved[index] += by
            return [*arguments[:which], moved, *arguments[which + 1 :]]

        grad[index] = derivative(nudged)
    return grad
