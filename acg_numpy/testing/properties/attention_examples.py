"""Examples for attention: queries, keys, values and masks that fit together."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import arrays, broadcastable, side
from acg_numpy.testing.properties.expectations import largest_magnitude, rounding_error
from acg_numpy.testing.properties.runner import Example


@dataclass(frozen=True)
class Conventions:
    """On what implementations of attention may differ, as the arguments of `check_attention` say."""

    dtype: Any = np.float64
    masked: str = "zero"
    takes_mask: bool = True
    batch_axes: int | None = None
    empty: bool = True
    rtol: float | None = None

    @property
    def empty_value(self) -> float:
        """The output for a query that may attend to no key."""
        return math.nan if self.masked == "nan" else 0.0

    def relative_tolerance(self, steps: float) -> float:
        """Return how far an average may be off, relative to the values, whatever its weights are."""
        return rounding_error(self.dtype, 1 + steps) if self.rtol is None else self.rtol


# all sizes in one draw, as `arrays` draws numbers: Hypothesis varies bytes best
_SIZES = st.binary(min_size=26, max_size=26)


@st.composite
def attention_examples(
    draw: Any,
    conventions: Conventions,
    *,
    masked: bool | None = None,
    keys: tuple[int, int] = (0, 4),
    queries: tuple[int, int] = (0, 3),
    magnitude: float | None = None,
    empty: bool = True,
    least_batch: int = 1,
) -> Example:
    """Draw `query (..., n_q, d)`, `key (..., n_k, d)`, `value (..., n_k, Dv)` and a `mask (..., n_q, n_k)` or None.

    Parameters
    ----------
    masked : bool or None
        Whether there is a mask; None for some with and some without.
    keys, queries : pairs of int
        The smallest and the largest number of them.
    magnitude : float, optional
        Bounds queries and keys, by default 2 or 10; values stay at 10.
    empty : bool
        Whether other axes may have size 0, if `conventions` allows it as well.
    least_batch : int
        The least size of a batch axis, if none is empty; if more than 1, there is a batch axis at least.
    """
    empty = empty and conventions.empty
    least = 0 if empty else 1
    codes = np.frombuffer(draw(_SIZES), ">u2").tolist()
    L = side(codes[0], max(queries[0], least), queries[1])
    S = side(codes[1], max(keys[0], 0 if empty and conventions.masked != "any" else 1), keys[1])
    d, Dv = side(codes[2], 1, 5), side(codes[3], least, 3)
    batch = tuple(side(code, least and least_batch, 2) for code in codes[4:6])
    if conventions.batch_axes is None:
        batch, shared = batch[: codes[6] % 3 or least_batch - 1], codes[7:11]
    else:
        batch, shared = (batch * conventions.batch_axes)[: conventions.batch_axes], [0, 0, 0, 0]
    query_batch, key_batch, value_batch = (broadcastable(batch, code) for code in shared[:3])
    scores_batch = np.broadcast_shapes(query_batch, key_batch)  # it is scores that are masked: values have no part
    mask_batch = broadcastable(scores_batch, shared[3])
    if magnitude is None:
        magnitude = (10.0, 2.0)[codes[11] % 2]  # at 10, one key is mostly far ahead of the others

    example: Example = {
        "query": draw(arrays((*query_batch, L, d), dtype=conventions.dtype, magnitude=magnitude)),
        "key": draw(arrays((*key_batch, S, d), dtype=conventions.dtype, magnitude=magnitude)),
        "value": draw(arrays((*value_batch, S, Dv), dtype=conventions.dtype)),
        "mask": None,
    }
    if conventions.takes_mask and (codes[12] % 2 if masked is None else masked):
        mask = ~draw(arrays((*mask_batch, L, S), dtype=np.bool_))
        if conventions.masked == "any" and S:  # nothing is said of a query that may attend to nothing, so there is none
            first = np.arange(S) == 0
            mask = mask | (first & ~mask.any(axis=-1, keepdims=True))
        example["mask"] = mask
    return example


class Inputs(NamedTuple):
    """The arguments of an attention."""

    query: Array  # (..., n_q, d)
    key: Array  # (..., n_k, d)
    value: Array  # (..., n_k, Dv)
    mask: Array | None = None  # (..., n_q, n_k)

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch shape that the inputs broadcast to."""
        return np.broadcast_shapes(*[x.shape[:-2] for x in self if x is not None])

    @property
    def allowed(self) -> Array:
        """Which query may attend to which key, for every element of the batch: (..., n_q, n_k)."""
        shape = (*self.batch, self.query.shape[-2], self.key.shape[-2])
        return np.broadcast_to(True if self.mask is None else self.mask, shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape that the output should have."""
        return (*self.batch, self.query.shape[-2], self.value.shape[-1])

    def select_keys(self, places: Any) -> "Inputs":
        """Return the same inputs with the keys at these places alone, in that order, and their values and mask."""
        mask = None if self.mask is None else _select(self.mask, -1, places)
        return Inputs(self.query, _select(self.key, -2, places), _select(self.value, -2, places), mask)

    def select_queries(self, places: Any) -> "Inputs":
        """Return the same inputs with the queries at these places alone, in that order, and their mask."""
        mask = None if self.mask is None else _select(self.mask, -2, places)
        return Inputs(_select(self.query, -2, places), self.key, self.value, mask)

    def map(self, function: Callable[[Array], Array]) -> "Inputs":
        """Return a function of each array."""
        mask = None if self.mask is None else function(self.mask)
        return Inputs(function(self.query), function(self.key), function(self.value), mask)

    def element(self, place: tuple[int, ...]) -> "Inputs":
        """Return one element of the batch, with as many batch axes as before."""

        def one(x: Array) -> Array:
            axes = x.ndim - 2
            here = [0 if side == 1 else i for side, i in zip(x.shape[:-2], place[len(place) - axes :], strict=True)]
            return x[tuple(slice(i, i + 1) for i in here)]

        return self.map(one)

    def repeat(self) -> "Inputs":
        """Return every array with all of the batch axes, in memory of its own."""
        batch = self.batch
        return self.map(lambda x: np.broadcast_to(x, (*batch, *x.shape[-2:])).copy())


class Attention:
    """An implementation, called with a mask only if there is one."""

    def __init__(self, implementation: Any) -> None:
        self.implementation = implementation

    def __call__(self, inputs: Inputs) -> Array:
        """Return the output for these inputs."""
        arguments = inputs if inputs.mask is not None else inputs[:3]
        return np.asarray(self.implementation(*arguments))


def value_bounds(conventions: Conventions, inputs: Inputs) -> tuple[Array, Array]:
    """Return the smallest and the largest value that each query may attend to, each of the output's shape."""
    allowed = inputs.allowed[..., None]  # (..., n_q, n_k, 1)
    shape = (*inputs.allowed.shape, inputs.value.shape[-1])
    values = np.broadcast_to(inputs.value[..., None, :, :], shape)
    allowed = np.broadcast_to(allowed, shape)
    low = np.min(values, axis=-2, where=allowed, initial=np.inf)
    high = np.max(values, axis=-2, where=allowed, initial=-np.inf)
    none = ~allowed.any(axis=-2)
    return np.where(none, conventions.empty_value, low), np.where(none, conventions.empty_value, high)


def tolerance(conventions: Conventions, *calls: Inputs) -> float:
    """Return how far right answers to these calls may be apart.

    A score is off by eps times what it is a sum of, a weight by that share of itself, and an output by that share of
    the values.
    """
    if conventions.rtol is not None:
        return conventions.rtol * largest_magnitude(*(call.value for call in calls))
    query, num_keys = calls[0].query, calls[0].key.shape[-2]
    size = largest_magnitude(query) * largest_magnitude(*(call.key for call in calls)) * math.sqrt(query.shape[-1])
    return rounding_error(conventions.dtype, 1 + size + num_keys) * largest_magnitude(*(call.value for call in calls))


def _select(x: Array, axis: int, places: Any) -> Array:
    """Return some places of one axis, as a new array in this order."""
    return np.ascontiguousarray(np.take(x, np.asarray(places, dtype=np.intp), axis=axis))


def draw_two_indices(draw: Any, number: int) -> Example:
    """Draw two different places of an axis."""
    first, further = draw(st.integers(0, number - 1)), draw(st.integers(1, number - 1))
    return {"first": first, "second": (first + further) % number}


def transposition(number: int, first: int, second: int) -> list[int]:
    """Return all places in order, with two of them exchanged."""
    order = [*range(number)]
    order[first], order[second] = second, first
    return order
