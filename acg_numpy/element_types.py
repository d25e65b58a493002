"""Checks of what an array holds: plain arrays of floating numbers, and ids that point to a row.

The passes are written for plain arrays: `*` of an `np.matrix` is a matrix product, that of a masked array leaves
elements out, that of a pandas Series goes by its index.  So arrays of other types are refused, by name.  The checks
look at types, dtypes and ids, never at floating values.
"""

import operator
from typing import Any

import numpy as np
import numpy.typing as npt


def check_elements(array: Any, name: str) -> None:
    """Refuse an array with elements that are masked, or that have not been computed (dask, xarray over dask).

    `np.asarray` would give the masked elements the numbers that lie behind the mask, and would compute the others all
    at once, on this machine and in its memory.

    Examples
    --------
    >>> check_elements(np.ma.array([1.0, 2.0], mask=[False, True]), "user_emb")
    Traceback (most recent call last):
    TypeError: user_emb is a MaskedArray with masked elements, which have no value; fill them first, as \
user_emb.filled(0.0) does
    """
    kind = type(array)
    if kind is np.ndarray:
        return
    if issubclass(kind, np.ndarray) and np.any(getattr(array, "mask", False)):
        raise TypeError(
            f"{name} is a {kind.__name__} with masked elements, which have no value; fill them first, as "
            f"{name}.filled(0.0) does"
        )
    if hasattr(kind, "__dask_graph__") and array.__dask_graph__() is not None:
        raise TypeError(
            f"{name} is a {kind.__name__} that has not been computed, and is not computed here, all at once: use "
            f"{name}.map_blocks on a function of one block, or acg_numpy.scale; {name}.compute() makes an array of it"
        )


def check_plain(array: Any, name: str) -> None:
    """Refuse an array of another type than NumPy's own or the engine's, whose operators may mean something else.

    Examples
    --------
    >>> check_plain(np.zeros(3), "prediction")
    >>> check_plain(np.ma.array([1.0, 2.0]), "prediction")
    Traceback (most recent call last):
    TypeError: prediction is a MaskedArray; expected an array, as np.asarray(prediction) makes
    """
    kind = type(array)
    if kind is np.ndarray or issubclass(kind, np.generic | np.memmap):
        return
    if any(cls.__module__.startswith("acg_numpy.") for cls in kind.__mro__):
        return
    check_elements(array, name)
    raise TypeError(f"{name} is a {kind.__name__}; expected an array, as np.asarray({name}) makes")


def check_floating(**arrays: npt.NDArray[Any] | None) -> None:
    """Refuse what is not an array of real or complex floating numbers; None passes, as an absent argument.

    Examples
    --------
    >>> check_floating(x=np.zeros(3, np.float32), bias=None)
    >>> check_floating(x=np.arange(3))
    Traceback (most recent call last):
    TypeError: x has dtype int64; expected floating numbers, as x.astype(np.float32) makes
    """
    for name, array in arrays.items():
        if array is None:
            continue
        if type(array) is not np.ndarray:
            if not hasattr(array, "dtype"):
                kind = type(array).__name__
                raise TypeError(f"{name} is a {kind}; expected an array, as np.array({name}, dtype=np.float32) makes")
            check_plain(array, name)
        if array.dtype.kind not in "fc":
            raise TypeError(
                f"{name} has dtype {array.dtype}; expected floating numbers, as {name}.astype(np.float32) makes"
            )


def check_ids(ids: Any, num_rows: int, *, name: str = "ids", rows: str = "num_rows") -> npt.NDArray[np.intp]:
    """Return ids as an integer array, having refused all that would wrap round, truncate or miss.

    Parameters
    ----------
    ids : int or integer array, any shape
    num_rows : int
        Ids run from 0 to `num_rows` - 1.
    name, rows : str
        What the caller calls the two, for the message.

    Examples
    --------
    >>> check_ids(2, 4)
    array(2)
    >>> check_ids(np.array([0, 7]), 4, name="domain_id", rows="num_domains")
    Traceback (most recent call last):
    IndexError: domain_id holds 7, but num_domains is 4 (ids run from 0 to 3)
    """
    check_elements(ids, name)
    array = np.asarray(ids)
    if array.dtype.kind not in "iu":
        what = f"is {ids!r}" if array.ndim == 0 else f"has dtype {array.dtype}"
        hint = ": np.flatnonzero turns a boolean mask into ids" if array.dtype.kind == "b" else ""
        raise TypeError(f"{name} {what}; expected integers{hint}")
    places = array.astype(np.intp, copy=False)
    if places.size == 1:
        fits = 0 <= places.item() < num_rows
    else:  # read as unsigned, a negative id is a very large one; `max` would take twice as long on a few ids
        unsigned = places.view(np.uintp)
        fits = not places.size or unsigned.item(unsigned.argmax()) < num_rows
    if not fits:
        lowest, highest = array.min(), array.max()
        wrong = lowest if lowest < 0 else highest
        span = f"ids run from 0 to {num_rows - 1}" if num_rows else "there are no rows to point to"
        note = "; a negative id does not count from the end" if lowest < 0 else ""
        raise IndexError(f"{name} holds {wrong}, but {rows} is {num_rows} ({span}{note})")
    return places


def check_num_rows(num_rows: Any) -> int:
    """Return a number of rows as a plain int.

    Examples
    --------
    >>> check_num_rows(-1)
    Traceback (most recent call last):
    ValueError: num_rows is -1; expected 0 or more
    """
    if isinstance(num_rows, bool) or not hasattr(num_rows, "__index__"):
        raise TypeError(f"num_rows is {num_rows!r}; expected an integer")
    if num_rows < 0:
        raise ValueError(f"num_rows is {num_rows}; expected 0 or more")
    return operator.index(num_rows)
