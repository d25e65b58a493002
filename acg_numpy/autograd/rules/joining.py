"""Derivatives of functions that join arrays or take them apart."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, reads_shape_only, register_rule
from acg_numpy.autograd.table import EachPosition, NoDerivativeError
from acg_numpy.autograd.tensors import Tensor
from acg_numpy.autograd.trees import flatten


def as_array(x: Any) -> Any:
    """Return a Tensor as it is and anything else as an array; lists of Tensors, however deep, are stacked."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, list | tuple) and any(isinstance(leaf, Tensor) for leaf in flatten(x)[0]):
        return np.stack([as_array(branch) for branch in x])
    return np.asarray(x)


def array_of(x: Any) -> Any:
    """Return the array inside a Tensor, and anything else as an array."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def as_common_dtype(arrays: Any) -> tuple[list[Any], Any]:
    """Return arrays in the dtype that NumPy gives to them together, and the dtype; Python numbers have none."""
    arrays = [x if type(x) in (int, float) else as_array(x) for x in arrays]
    dtype = np.result_type(*(x if type(x) in (int, float) else x.dtype for x in arrays))
    arrays = [as_array(x) for x in arrays]
    return [x if x.dtype == dtype else np.astype(x, dtype) for x in arrays], dtype


def refuse_tensors(function: str, **options: Any) -> None:
    """Refuse Tensors that require a gradient as options by which a function has no derivative."""
    for name, value in options.items():
        if any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in flatten(value)[0]):
            raise NoDerivativeError(
                f"{function}: no derivative for {name}=; give it as a plain value (t.numpy(), t.item())"
            )


def _join(*arrays: Any, axis: int = 0) -> Any:
    return np.concatenate(arrays, axis=axis)


def _slice_of(place: int, g: Any, ans: Any, *arrays: Any, axis: int = 0) -> Any:
    """Return the slice of the gradient that lies where this array was put."""
    begin = sum(np.shape(a)[axis] for a in arrays[:place])
    return g[(slice(None),) * (axis % ans.ndim) + (slice(begin, begin + arrays[place].shape[axis]),)]


join = register_rule(_join, EachPosition(_slice_of), name="np.concatenate")
reads_shape_only(_join)


@composite(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    """Join arrays end to end; flat ones where the axis is None."""
    if axis is None:
        return join(*(np.ravel(a) for a in arrays), axis=0)
    return join(*arrays, axis=axis)


@composite(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis."""
    shapes = {np.shape(a) for a in arrays}
    if len(shapes) != 1:
        raise ValueError(f"stack: all arrays must have one shape, got {sorted(shapes)}")
    return join(*(np.expand_dims(a, axis) for a in arrays), axis=axis)


@composite(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join two arrays end to end; flat ones where the axis is None."""
    return np.concatenate([arr, values], axis=axis)


@composite(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """Return arrays of shape (N,) or more axes."""
    return _reshape_each(arys, lambda shape: shape or (1,))


@composite(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """Return arrays of shape (1, N) or more axes."""
    return _reshape_each(arys, lambda shape: (1,) * (2 - len(shape)) + shape)


@composite(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """Return arrays of shape (1, N, 1) or more axes."""
    return _reshape_each(
        arys, lambda shape: shape if len(shape) > 2 else (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1)
    )


def _reshape_each(arrays: tuple[Any, ...], shape_for: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Any:
    found = tuple(np.reshape(array, shape_for(np.shape(array))) for array in arrays)
    return found[0] if len(found) == 1 else found


@composite(np.hstack)
def hstack(tup: Any) -> Any:
    """Join along the second axis; along the only one for vectors."""
    arrays = [atleast_1d(array) for array in tup]
    return np.concatenate(arrays, axis=0 if arrays[0].ndim == 1 else 1)


@composite(np.vstack)
def vstack(tup: Any) -> Any:
    """Join along the first axis; vectors are rows."""
    return np.concatenate([atleast_2d(array) for array in tup], axis=0)


@composite(np.dstack)
def dstack(tup: Any) -> Any:
    """Join along the third axis."""
    return np.concatenate([atleast_3d(array) for array in tup], axis=2)


@composite(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Join along the second axis; vectors are columns."""
    return np.concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in tup], axis=1)


@composite(np.block)
def block(arrays: Any) -> Any:
    """Join nested lists of arrays: the innermost along the last axis, the next along the last but one, and so on."""
    depth = _depth(arrays)
    ndim = max([depth, *(np.ndim(leaf) for leaf in flatten(arrays)[0])])
    return _join_blocks(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(branch) for branch in arrays}
    if len(depths) != 1:
        raise ValueError(f"block: all lists must be nested equally deep and hold arrays, got depths {sorted(depths)}")
    return depths.pop() + 1


def _join_blocks(arrays: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        array = as_array(arrays)
        return np.reshape(array, (1,) * (ndim - array.ndim) + array.shape)
    return np.concatenate([_join_blocks(branch, depth - 1, ndim) for branch in arrays], axis=-depth)


# Splitting: slices, which need no rule of their own.


@composite(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Split at the indices, or into that many pieces; the first ones are longer by one where they can't be equal."""
    n = ary.shape[axis]
    if np.ndim(indices_or_sections):
        ends = [operator.index(i) for i in indices_or_sections]
    else:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError(f"split: the number of sections should be positive, got {sections}")
        short, longer = divmod(n, sections)
        ends = [i * short + min(i, longer) for i in range(1, sections)]
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(*piece))] for piece in zip([0, *ends], [*ends, n], strict=True)]


@composite(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Split at the indices, or into that many pieces of equal length."""
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections:
        raise ValueError(
            f"split: {ary.shape[axis]} elements can't be split into {indices_or_sections} equal pieces; use array_split"
        )
    return array_split(ary, indices_or_sections, axis)


@composite(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along the second axis; along the only one for vectors."""
    return split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


@composite(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along the first axis."""
    return split(ary, indices_or_sections, 0)


@composite(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along the third axis."""
    return split(ary, indices_or_sections, 2)


if hasattr(np, "unstack"):  # NumPy 2.1

    @composite(np.unstack)
    def unstack(x: Any, axis: int = 0) -> Any:
        """Return the arrays along an axis."""
        first = np.moveaxis(x, axis, 0)
        return tuple(first[i] for i in range(len(first)))
