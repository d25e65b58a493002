"""Elements that NumPy's writing functions write, each by the number of where it comes from.

`np.add.at`, `np.put`, `np.copyto` and their like write into an array.  Run on numbers instead of values, they say what
goes where; that is recorded as moved elements.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from acg_numpy.checks.tracing.moved_elements import move, numbered
from acg_numpy.shapes import Array

WRITERS = (np.copyto, np.put_along_axis, np.fill_diagonal, np.put, np.place, np.putmask)
_SIGNATURES: dict[Callable[..., Any], Callable[..., Any]] = {  # of functions in C, which tell theirs since NumPy 2.4
    np.copyto: lambda dst, src, casting="same_kind", where=True: None,
    np.putmask: lambda a, mask, values: None,
}
# what the writers call the values that they write
_VALUE_NAMES = ("src", "values", "val", "v", "vals")


def written_at(ufunc: np.ufunc, array: Any, numbers: Array, value: Any) -> Any:
    """Return what an array holds after ufunc.at: each element as often as it is named, one time after the other.

    Parameters
    ----------
    ufunc : ufunc
        Of two arguments.
    array : Tensor
    numbers : int array
        Of the elements that are written to.
    value : array or Tensor
        Broadcast to the shape of the numbers.
    """
    value = np.ravel(np.broadcast_to(value, np.shape(numbers)))
    numbers, flat = np.ravel(numbers), np.ravel(array)
    if ufunc is np.add:
        total = np.bincount(numbers, weights=value, minlength=array.size)
        return np.reshape(flat + total, array.shape)
    # the turn in which each number is written to: its n-th naming is in turn n
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], numbers[order])
    turn = np.empty(len(numbers), dtype=np.int64)
    turn[order] = np.arange(len(numbers)) - starts
    for number in range(int(np.max(turn, initial=-1)) + 1):
        now = turn == number
        source = numbered((array.size,))
        source[numbers[now]] = array.size + np.arange(int(np.sum(now)))
        flat = move("assignment", source, flat, ufunc(flat[numbers[now]], value[now]))
    return np.reshape(flat, array.shape)


def written_by(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    plain: Callable[[Any], Any],
    recorded: Callable[[Any], Any],
) -> tuple[Any, Array, Any]:
    """Return the target of a writing function, the number of the value for each of its elements or -1, and the values.

    Parameters
    ----------
    func : callable
        One of `WRITERS`.
    args, kwargs : tuple, dict
        What it is called with.
    plain, recorded : callable
        Make plain arrays of an argument that is an index or a mask, and Tensors of the values.
    """
    bound = inspect.signature(_SIGNATURES.get(func, func)).bind(*args, **kwargs).arguments
    first = next(iter(bound))
    value_name = next(name for name in _VALUE_NAMES if name in bound)
    target, value = bound.pop(first), recorded(bound.pop(value_name))
    source = np.full(target.shape, -1)
    func(source, **plain(bound), **{value_name: numbered(np.shape(value))})
    return target, source, value
