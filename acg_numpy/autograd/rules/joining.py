"""Derivatives of functions that join arrays or take them apart."""

from typing import Any

import numpy as np

from acg_numpy.autograd.registry import composite, register_rule
from acg_numpy.autograd.table import EachPosition


def _join(*arrays: Any, axis: int = 0) -> Any:
    return np.concatenate(arrays, axis=axis)


def _part(place: int, g: Any, ans: Any, *arrays: Any, axis: int = 0) -> Any:
    """The piece of the gradient that lies where this array was put."""
    begin = sum(np.shape(a)[axis] for a in arrays[:place])
    return g[(slice(None),) * (axis % ans.ndim) + (slice(begin, begin + arrays[place].shape[axis]),)]


join = register_rule(_join, EachPosition(_part))


@composite(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    """Arrays end to end; flat ones where the axis is None."""
    if axis is None:
        return join(*(np.ravel(a) for a in arrays), axis=0)
    return join(*arrays, axis=axis)


@composite(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    """Arrays of one shape beside each other, along a new axis."""
    shapes = {np.shape(a) for a in arrays}
    if len(shapes) != 1:
        raise ValueError(f"stack: all arrays must have one shape, got {sorted(shapes)}")
    return join(*(np.expand_dims(a, axis) for a in arrays), axis=axis)
