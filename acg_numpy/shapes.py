"""Checks that shapes fit together, with messages that say what was wrong, what was expected, and the likely fix.

The checks look at shapes, dtypes and ids alone, never at floating values, so that they cost next to nothing and work
alike on anything that has a `.shape` and a `.dtype`: NumPy's arrays and the engine's Tensors.  Each `check_...` raises
a TypeError for a wrong type or dtype, a ValueError for a wrong shape, and an IndexError for an id out of range.
"""

import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from acg_numpy.element_types import check_elements, check_floating, check_ids
from acg_numpy.text import joined

Array: TypeAlias = npt.NDArray[Any]
ArrayOrTensor: TypeAlias = Any
"""A NumPy array or a Tensor.  To a type checker it is `Any`, because NumPy's functions, which take a Tensor by its
`__array_function__`, are typed for arrays alone."""


def unbroadcast(grad: Array, like: Array) -> Array:
    """Sum a gradient over the axes along which `like` was broadcast.

    Broadcasting uses a value several times; the gradient of a value used several times is the sum over its uses.

    Parameters
    ----------
    grad : array, shape that `like` was broadcast to
    like : array
        Only its shape is read.

    Returns
    -------
    array, shape of `like`

    Examples
    --------
    >>> unbroadcast(np.ones((2, 3)), np.zeros((3,)))
    array([2., 2., 2.])
    >>> unbroadcast(np.ones((2, 3)), np.zeros((2, 1)))
    array([[3.],
           [3.]])
    """
    if grad.shape == like.shape:
        return grad
    axes, keepdims = _broadcast_axes(grad.shape, like.shape)
    reduce: Any = np.add.reduce
    summed: Array = reduce(grad, axis=axes, keepdims=keepdims)
    return summed if summed.ndim == like.ndim else summed.reshape(like.shape)


@functools.lru_cache(maxsize=1024)  # a network has few pairs of shapes, and asks for each at every step
def _broadcast_axes(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """Return the axes along which shape `like` was broadcast to `shape`, and whether some of them are its own."""
    added = len(shape) - len(like)
    stretched = tuple(added + i for i, n in enumerate(like) if n == 1 and shape[added + i] != 1)
    return (*range(added), *stretched), bool(stretched)


def check_axes(least: int, **arrays: Array) -> None:
    """Refuse arrays that are not floating, or have too few of the axes (..., heads, rows, features).

    Examples
    --------
    >>> check_axes(2, query=np.zeros(4))
    Traceback (most recent call last):
    ValueError: query has shape (4,); expected (..., rows, features), which query[None] has
    """
    check_floating(**arrays)
    for name, array in arrays.items():
        if array.ndim < least:
            axes = ", ".join(("heads", "rows", "features")[-least:])
            fix = f"{name}[{', '.join(['None'] * (least - array.ndim))}]"
            raise ValueError(f"{name} has shape {array.shape}; expected (..., {axes}), which {fix} has")


def check_attention(query: Array, key: Array, value: Array, mask: Array | None, dropout_mask: Array | None) -> None:
    """Refuse queries, keys, values and masks that do not fit together.

    Raises
    ------
    TypeError
        If a dtype is not floating, or a mask is not boolean.
    ValueError
        If shapes do not fit; the message names both.

    Examples
    --------
    >>> check_attention(np.zeros((5, 4)), np.zeros((3, 2)), np.zeros((3, 2)), None, None)
    Traceback (most recent call last):
    ValueError: query has 4 features (shape (5, 4)), but key has 2 (shape (3, 2)); a score is their dot product
    """
    check_axes(2, query=query, key=key, value=value)
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query has {query.shape[-1]} features (shape {query.shape}), but key has {key.shape[-1]} "
            f"(shape {key.shape}); a score is their dot product"
        )
    if query.shape[-1] == 0:
        raise ValueError(f"query has shape {query.shape}; expected at least one feature on the last axis")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"key has {key.shape[-2]} rows (shape {key.shape}), but value has {value.shape[-2]} "
            f"(shape {value.shape}); each key comes with its value"
        )
    batch = check_broadcast(query=query.shape[:-2], key=key.shape[:-2], value=value.shape[:-2])
    pairs = (*batch, query.shape[-2], key.shape[-2])
    check_mask(mask, pairs)
    check_dropout_mask(dropout_mask, pairs)


def check_multi_head(
    query: Array,
    context: Array,
    projections: dict[str, tuple[Any, Array | None]],
    mask: Array | None,
    dropout_mask: Array | None,
    head_dropout_mask: Array | None,
    num_heads: int,
) -> None:
    """Refuse what does not fit together in multi-head attention.

    Parameters
    ----------
    projections : dict
        Weight and bias of each of query, key, value and output; the output's may both be None.

    Examples
    --------
    >>> square = (np.zeros((4, 4)), None)
    >>> projections = {name: square for name in ("query", "key", "value", "output")}
    >>> check_multi_head(np.zeros((5, 3)), np.zeros((8, 4)), projections, None, None, None, num_heads=2)
    Traceback (most recent call last):
    ValueError: query has 3 features (shape (5, 3)), but query_weight takes 4 (shape (4, 4), in by out)
    """
    check_axes(2, query=query, context=context)
    inputs = {"query": query, "key": context, "value": context}
    for name, x in inputs.items():
        check_linear(x, *projections[name], names=("query" if name == "query" else "context", f"{name}_"))
        check_num_heads(num_heads, projections[name][0].shape[1], f"{name}_weight")
    widths = {name: projections[name][0].shape[1] for name in inputs}
    if widths["query"] != widths["key"]:
        raise ValueError(
            f"query_weight makes {widths['query']} features, but key_weight makes {widths['key']}; "
            "a score is their dot product"
        )
    _check_output(*projections["output"], widths["value"])
    L, S = query.shape[-2], context.shape[-2]
    batch = check_broadcast(query=query.shape[:-2], context=context.shape[:-2])
    check_shared_mask(mask, (*batch, L, S))
    check_dropout_mask(dropout_mask, (*batch, num_heads, L, S))
    if head_dropout_mask is not None:
        check_factors(head_dropout_mask, "head_dropout_mask")
        columns = "one row for each query, one column for each feature of the values"
        _check_rows("head_dropout_mask", head_dropout_mask, (*batch, L, widths["value"]), columns)


def _check_output(weight: Array | None, bias: Array | None, features: int) -> None:
    """Refuse an output projection that does not take this many features, or a bias without a weight."""
    if weight is None:
        if bias is not None:
            raise ValueError("output_bias is given, but output_weight is None: give both or neither")
        return
    _check_matrix(weight, bias, "output_")
    if weight.shape[0] != features:
        raise ValueError(
            f"value_weight makes {features} features, but output_weight has shape {weight.shape}, in by out"
        )
    _check_bias(weight, bias, "output_")


def check_broadcast(**shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that all broadcast to.

    Examples
    --------
    >>> check_broadcast(query=(5, 1), key=(3,))
    (5, 3)
    >>> check_broadcast(query=(5,), key=(3,))
    Traceback (most recent call last):
    ValueError: axes do not broadcast: query has (5,), key has (3,)
    """
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        parts = [f"{name} has {shape}" for name, shape in shapes.items()]
        raise ValueError(f"axes do not broadcast: {', '.join(parts)}") from None


def check_mask(mask: Array | None, shape: tuple[int, ...]) -> None:
    """Refuse a mask that is not boolean, or does not fit scores of this shape; leading axes broadcast.

    Examples
    --------
    >>> check_mask(np.zeros((2, 3)), (2, 3))
    Traceback (most recent call last):
    TypeError: mask has dtype float64; expected bool, True where attention is allowed, as mask != 0 makes
    """
    if mask is None:
        return
    check_boolean(mask, "where attention is allowed")
    _check_pairs("mask", mask, shape)


def check_shared_mask(mask: Array | None, shape: tuple[int, ...]) -> None:
    """Refuse a mask that does not fit scores of this shape, or has an axis for the heads, which share it.

    Parameters
    ----------
    shape : tuple of int
        (..., n_q, n_k), without an axis for the heads.

    Examples
    --------
    >>> check_shared_mask(np.ones((5, 1, 1, 8), dtype=bool), (5, 3, 8))
    Traceback (most recent call last):
    ValueError: mask has shape (5, 1, 1, 8), but the scores are (5, 3, 8): leave out the axis of the heads, which \
share the mask
    """
    if mask is None:
        return
    check_boolean(mask, "where attention is allowed")
    if mask.ndim > len(shape):
        raise ValueError(
            f"mask has shape {mask.shape}, but the scores are {shape}: leave out the axis of the heads, which share "
            "the mask"
        )
    check_mask(mask, shape)


def check_boolean(mask: Array, where: str) -> None:
    """Refuse a mask of numbers; `where` completes "True ..." in the message."""
    dtype = getattr(mask, "dtype", type(mask).__name__)
    check_elements(mask, "mask")
    if dtype != np.bool_:
        raise TypeError(f"mask has dtype {dtype}; expected bool, True {where}, as mask != 0 makes")


def check_dropout_mask(dropout_mask: Array | None, shape: tuple[int, ...]) -> None:
    """Refuse a dropout mask of booleans, or one that does not fit weights of this shape.

    Examples
    --------
    >>> check_dropout_mask(np.array([[True, False]]), (1, 2))
    Traceback (most recent call last):
    TypeError: dropout_mask has dtype bool; expected factors, as dropout_mask / keep_rate makes
    """
    if dropout_mask is None:
        return
    check_factors(dropout_mask)
    _check_pairs("dropout_mask", dropout_mask, shape)


def check_factors(dropout_mask: Array, name: str = "dropout_mask") -> None:
    """Refuse a dropout mask of anything but factors: 0 where dropped, 1 / keep rate elsewhere."""
    if getattr(dropout_mask, "dtype", None) == np.bool_:
        raise TypeError(f"{name} has dtype bool; expected factors, as {name} / keep_rate makes")
    check_floating(**{name: dropout_mask})


def _check_pairs(name: str, array: Array, shape: tuple[int, ...]) -> None:
    _check_rows(name, array, shape, "one row for each query, one column for each key")


def _check_rows(name: str, array: Array, shape: tuple[int, ...], meaning: str) -> None:
    """Refuse an array that does not broadcast to (..., rows, columns); `meaning` says what these are."""
    *batch, rows, columns = shape
    if array.ndim < 2 or array.shape[-2] not in (1, rows) or array.shape[-1] not in (1, columns):
        raise ValueError(f"{name} has shape {array.shape}; expected (..., {rows}, {columns}): {meaning}")
    check_broadcast(**{name: array.shape[:-2], "scores": tuple(batch)})


def check_linear(x: Array, weight: Array, bias: Array | None, names: tuple[str, str] = ("x", "")) -> None:
    """Refuse rows, weight and bias that do not fit together.

    Parameters
    ----------
    names : (str, str)
        What the caller calls x, and what stands before "weight" and "bias" there.

    Examples
    --------
    >>> check_linear(np.zeros((5, 3)), np.zeros((4, 2)), None)
    Traceback (most recent call last):
    ValueError: x has 3 features (shape (5, 3)), but weight takes 4 (shape (4, 2), in by out)
    """
    x_name, prefix = names
    check_axes(1, **{x_name: x})
    _check_matrix(weight, bias, prefix)
    if x.shape[-1] != weight.shape[0]:
        hint = f"; {prefix}weight.T would fit" if x.shape[-1] == weight.shape[1] else ""
        raise ValueError(
            f"{x_name} has {x.shape[-1]} features (shape {x.shape}), but {prefix}weight takes {weight.shape[0]} "
            f"(shape {weight.shape}, in by out){hint}"
        )
    _check_bias(weight, bias, prefix)


def check_domain_linear(x: Array, ids: Any, weight: Array, bias: Array | None) -> npt.NDArray[np.intp]:
    """Return ids as an integer array, having refused rows, ids, weights and biases that do not fit together.

    Examples
    --------
    >>> check_domain_linear(np.zeros((5, 3)), np.zeros(5, int), np.zeros((3, 2)), None)
    Traceback (most recent call last):
    ValueError: weight has shape (3, 2); expected (domains, in, out), a matrix for each domain
    """
    check_axes(1, x=x)
    check_floating(weight=weight, bias=bias)
    if weight.ndim != 3:
        raise ValueError(f"weight has shape {weight.shape}; expected (domains, in, out), a matrix for each domain")
    domains, features, columns = weight.shape
    if x.shape[-1] != features:
        raise ValueError(
            f"x has {x.shape[-1]} features (shape {x.shape}), but weight takes {features} (shape {weight.shape}, "
            "domains by in by out)"
        )
    if bias is not None and bias.shape != (domains, columns):
        raise ValueError(f"bias has shape {bias.shape}; expected {(domains, columns)}, a row for each domain")
    places = check_ids(ids, domains, rows="the number of domains in weight")
    check_broadcast(x=x.shape[:-1], ids=places.shape)
    return places


def _check_matrix(weight: Array, bias: Array | None, prefix: str) -> None:
    check_floating(**{f"{prefix}weight": weight, f"{prefix}bias": bias})
    if weight.ndim != 2:
        raise ValueError(f"{prefix}weight has shape {weight.shape}; expected two axes, in by out")


def _check_bias(weight: Array, bias: Array | None, prefix: str) -> None:
    if bias is not None and bias.shape != (weight.shape[1],):
        raise ValueError(
            f"{prefix}bias has shape {bias.shape}; expected ({weight.shape[1]},), one number for each column of "
            f"{prefix}weight"
        )


def check_num_heads(num_heads: int, features: int, name: str) -> None:
    """Refuse a number of heads that does not divide the number of features.

    Examples
    --------
    >>> check_num_heads(4, 6, "x")
    Traceback (most recent call last):
    ValueError: num_heads is 4, which does not divide 6, the last axis of x; 1, 2, 3 or 6 would
    """
    if num_heads < 1 or features % num_heads:
        divisors = [str(n) for n in range(1, features + 1) if features % n == 0] or ["1"]
        raise ValueError(
            f"num_heads is {num_heads}, which does not divide {features}, the last axis of {name}; "
            f"{joined(divisors, 'or')} would"
        )


def check_layer_norm(x: Array, weight: Array, bias: Array | None) -> None:
    """Refuse rows, weight and bias that do not fit together.

    Examples
    --------
    >>> check_layer_norm(np.zeros((2, 4)), np.ones(3), None)
    Traceback (most recent call last):
    ValueError: weight has shape (3,); expected (4,), one number for each feature of x
    """
    check_axes(1, x=x)
    check_floating(weight=weight, bias=bias)
    features = x.shape[-1:]
    if features == (0,):
        raise ValueError(f"x has shape {x.shape}; expected at least one feature on the last axis, to take a mean")
    for name, array in {"weight": weight, "bias": bias}.items():
        if array is not None and array.shape != features:
            raise ValueError(f"{name} has shape {array.shape}; expected {features}, one number for each feature of x")


def check_same_shape(**arrays: Array) -> None:
    """Refuse shapes that differ, where broadcasting would only hide a mistake, and arrays without elements.

    Examples
    --------
    >>> check_same_shape(prediction=np.zeros((3, 1)), target=np.zeros(3))
    Traceback (most recent call last):
    ValueError: prediction has shape (3, 1), but target has (3,); expected the same
    """
    check_floating(**arrays)
    (first, a), (second, b) = arrays.items()
    if a.shape != b.shape:
        raise ValueError(f"{first} has shape {a.shape}, but {second} has {b.shape}; expected the same")
    check_not_empty(**{first: a})


def check_not_empty(**arrays: Array) -> None:
    """Refuse arrays without elements, which have no mean."""
    for name, array in arrays.items():
        if 0 in array.shape:
            raise ValueError(f"{name} has shape {array.shape}, no elements to take a mean of")


def check_distinct_rows(x: Array) -> None:
    """Refuse sets of fewer than two rows, which have no pairs."""
    if x.shape[-2] < 2:
        raise ValueError(f"x has shape {x.shape}, sets of {x.shape[-2]} row; expected at least 2, to compare")


def check_candidates(mask: Array | None, shape: tuple[int, ...]) -> None:
    """Refuse a mask of candidates that is not boolean, or does not broadcast to the logits.

    Examples
    --------
    >>> check_candidates(np.ones(3, dtype=bool), (2, 4))
    Traceback (most recent call last):
    ValueError: mask has shape (3,); expected one that broadcasts to (2, 4), True for candidates
    """
    if mask is None:
        return
    check_boolean(mask, "for candidates")
    fits = mask.ndim <= len(shape) and all(m in (1, n) for m, n in zip(mask.shape[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"mask has shape {mask.shape}; expected one that broadcasts to {shape}, True for candidates")
