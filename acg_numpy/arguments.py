"""Checks of a module's arguments: its options when it is made, its arrays when it is called."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from acg_numpy.autograd import NoDerivativeError, Tensor
from acg_numpy.autograd.operands import as_operand
from acg_numpy.element_types import check_elements, check_ids
from acg_numpy.shapes import Array
from acg_numpy.text import counted, did_you_mean, first_few, joined


def check_count(value: Any, name: str, least: int = 1) -> int:
    """Return a whole number as a plain int.

    Raises
    ------
    TypeError, ValueError

    Examples
    --------
    >>> check_count(0, "num_heads")
    Traceback (most recent call last):
    ValueError: num_heads is 0; expected 1 or more
    """
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if value < least:
        raise ValueError(f"{name} is {value}; expected {least} or more")
    return operator.index(value)


def check_rate(value: Any, name: str) -> float:
    """Return a probability of dropping, at least 0 and below 1.

    Raises
    ------
    TypeError, ValueError

    Examples
    --------
    >>> check_rate(1.0, "dropout")
    Traceback (most recent call last):
    ValueError: dropout is 1.0; expected at least 0 and below 1 (it is the part that is dropped)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} is {value!r}; expected a number")
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; expected at least 0 and below 1 (it is the part that is dropped)")
    return float(value)


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Return an option that is one of a few words.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_choice("fast", "kernel", ["auto", "classroom"])
    Traceback (most recent call last):
    ValueError: kernel is 'fast'; expected 'auto' or 'classroom'
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected {joined(list(map(repr, choices)), 'or')}")
    return str(value)


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return a floating dtype.

    Raises
    ------
    TypeError

    Examples
    --------
    >>> check_dtype(int)
    Traceback (most recent call last):
    TypeError: dtype is int64; expected a floating one, np.float32 or np.float64
    """
    found = np.dtype(dtype)
    if found.kind != "f":
        raise TypeError(f"dtype is {found}; expected a floating one, np.float32 or np.float64")
    return found


def check_input(value: Any, name: str, dtype: np.dtype[Any], features: int, *, min_ndim: int = 1) -> Any:
    """Return an array or Tensor of rows in the dtype that a module computes in; a cast of a Tensor is recorded.

    Raises
    ------
    TypeError
        If it is not floating (integers may be ids by mistake, complex numbers would lose their imaginary part), or if
        elements are masked or have not been computed (dask).
    ValueError
        If it has too few axes, or its last has another length than `features`.

    Examples
    --------
    >>> check_input(np.zeros((4, 16), np.float32), "user_emb", np.dtype(np.float32), 32)
    Traceback (most recent call last):
    ValueError: user_emb has shape (4, 16); its last axis must be emb_dim, 32
    """
    if not isinstance(value, Tensor):
        check_elements(value, name)
        value = _as_array(value, name)
    if value.dtype.kind != "f":
        raise TypeError(
            f"{name} has dtype {value.dtype}; expected floating numbers, as {name}.astype(np.{dtype}) makes"
        )
    if value.ndim < min_ndim:
        expected = "(..., rows, emb_dim)" if min_ndim == 2 else "(..., emb_dim)"
        raise ValueError(f"{name} has shape {value.shape}; expected {expected}")
    if value.shape[-1] != features:
        raise ValueError(f"{name} has shape {value.shape}; its last axis must be emb_dim, {features}")
    return value if value.dtype == dtype else value.astype(dtype)


def _as_array(value: Any, name: str) -> npt.NDArray[Any]:
    if isinstance(value, np.ndarray | list | tuple):
        return np.asarray(value)
    try:
        return np.asarray(as_operand(value, name))  # by DLPack, for what NumPy knows no other way to read
    except NoDerivativeError as error:
        raise TypeError(str(error)) from error


def domain_ids(domain_id: Any, num_domains: int, names: Sequence[str] | None = None) -> npt.NDArray[np.intp]:
    """Return domains, given by number or, where they have names, by name, as an integer array.

    Raises
    ------
    IndexError
        If a number is not from 0 to `num_domains` - 1; none is wrapped round.
    TypeError
        If they are neither integers nor names.
    ValueError
        If a name is not known.

    Examples
    --------
    >>> domain_ids(["films", "books"], 2, ["books", "films"])
    array([1, 0])
    >>> domain_ids(7, 4)
    Traceback (most recent call last):
    IndexError: domain_id holds 7, but num_domains is 4 (ids run from 0 to 3)
    """
    check_elements(domain_id, "domain_id")
    array = np.asarray(domain_id)
    if array.dtype.kind in "UO" and (array.size or names is not None):
        if names is None:
            raise TypeError(f"domain_id is {domain_id!r}; expected integers, or names if domain_names is given")
        return _ids_by_name(array, names)
    if array.size == 0 and not isinstance(domain_id, np.ndarray | Tensor):
        return array.astype(np.intp)  # an empty list has no dtype to be wrong
    return check_ids(domain_id, num_domains, name="domain_id", rows="num_domains")


def batch_shape(users: tuple[int, ...], ids: tuple[int, ...]) -> tuple[int, ...]:
    """Return the batch that users (..., D) and domains make.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> batch_shape((5, 1, 32), (3,))
    (5, 3)
    """
    if users[:-1] == ids:
        return ids
    try:
        return np.broadcast_shapes(users[:-1], ids)
    except ValueError:
        raise ValueError(
            f"user_emb has shape {users} and domain_id {ids}: {users[:-1]} and {ids} do not broadcast; give one domain "
            "for all users, one for each, or user_emb[:, None] for each user in every domain"
        ) from None


def flat_batch(user_emb: Any, ids: Array, batch: tuple[int, ...], *, every: bool) -> tuple[Any, Array]:
    """Return users as rows (U, D), with a domain for each, (U,), or with those (M,) that `every` user meets."""
    D = user_emb.shape[-1]
    if not every:
        ids = (ids if ids.shape == batch else np.broadcast_to(ids, batch)).reshape(-1)
        if user_emb.shape[:-1] != batch:
            user_emb = np.broadcast_to(user_emb, (*batch, D))
    if len(user_emb.shape) != 2:
        user_emb = np.reshape(user_emb, (math.prod(user_emb.shape[:-1]), D))
    return user_emb, ids


def _ids_by_name(array: Array, names: Sequence[str]) -> npt.NDArray[np.intp]:
    numbers = {name: i for i, name in enumerate(names)}
    for name in array.flat:
        if name not in numbers:
            hint = did_you_mean(str(name), names, f"known are {first_few(names, most=12)}")
            raise ValueError(f"domain_id holds {str(name)!r}, which is not in domain_names; {hint}")
    return np.array([numbers[name] for name in array.flat], np.intp).reshape(array.shape)


def check_names(names: Sequence[str] | None, num_domains: int) -> tuple[str, ...] | None:
    """Return names of domains as a tuple, one for each and no two alike.

    Raises
    ------
    TypeError, ValueError

    Examples
    --------
    >>> check_names(["books"], 2)
    Traceback (most recent call last):
    ValueError: domain_names holds 1 name, but num_domains is 2
    """
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"domain_names is {names!r}; expected a sequence of strings")
    if len(names) != num_domains:
        raise ValueError(f"domain_names holds {counted(len(names), 'name')}, but num_domains is {num_domains}")
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"domain_names holds {twice!r} twice")
    return tuple(map(str, names))
