"""Strategies for small arrays with zeros, ties and signs, laid out in memory in every way that NumPy allows.

An array is one draw, of bytes whose number does not depend on its shape.  A draw costs some thirty microseconds and a
byte less than one; and when Hypothesis makes the shape smaller, the bytes stay where they were.  A byte is a place in a
list that begins 0, 1, -1, 2, -2, ..., so that smaller bytes are simpler numbers.  They are read from the last to the
first: Hypothesis sorts bytes where it can, so that what matters comes to stand at their end, and what a smaller array
keeps is its beginning.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from acg_numpy.shapes import Array

NUM_DRAWN = 64  # numbers that are drawn for an array; a larger one repeats them
BYTES = 2 + NUM_DRAWN  # bytes that an array is read from

# Which numbers, how they go together, how they lie in memory, whether they may be written.  The first of each is the
# simplest, and what an example shrinks to where it can.
_STYLES = [(kind, pattern) for pattern in ("each", "one or zero", "alike") for kind in ("whole", "fractions", "powers")]
_LAYOUTS = [(layout, writeable) for writeable in (True, False) for layout in ("C", "Fortran", "reversed", "slice")]


def arrays(
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]],
    *,
    dtype: npt.DTypeLike = np.float64,
    magnitude: float = 10.0,
    smallest: float | None = None,
    any_layout: bool = True,
) -> st.SearchStrategy[Array]:
    """Draw arrays of finite numbers, or of booleans.

    Zeros, ties, both signs, whole numbers, fractions and powers of ten are all frequent; an example that fails shrinks
    to zeros and small whole numbers, element by element, and booleans to True, as a mask does that hides nothing.  An
    array of more than 64 elements repeats some.

    Parameters
    ----------
    shape : tuple of int, or strategy of them
    dtype : floating dtype or bool
    magnitude : float
        No number is further from 0.
    smallest : float, optional
        No number but 0 is nearer to 0.  By default 0.001, or `magnitude` if that is less.
    any_layout : bool
        Whether to draw arrays that are Fortran-ordered, reversed (negative strides), slices of something larger, which
        holds not-a-number elsewhere, or read-only.  If not, they are C-contiguous and writeable.

    Returns
    -------
    strategy of arrays

    Raises
    ------
    TypeError
        For another dtype.
    ValueError
        For bounds that the dtype cannot hold.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(arrays(shapes()), lambda x: np.any(x > 3))
    array(4.)
    """
    return _arrays(shape, number_range(dtype, magnitude, smallest), any_layout)


class NumberRange(NamedTuple):
    """The numbers that an array may hold."""

    dtype: np.dtype[Any]
    smallest: float
    magnitude: float


BOOLEANS = NumberRange(np.dtype(np.bool_), 0.0, 1.0)


def number_range(dtype: npt.DTypeLike, magnitude: float = 10.0, smallest: float | None = None) -> NumberRange:
    """Return the bounds of an array's numbers, with the defaults of `arrays`; refuse what the dtype cannot hold."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return BOOLEANS
    if dtype.kind != "f":
        raise TypeError(f"dtype is {dtype}; expected a floating one or bool")
    least = min(1e-3, magnitude) if smallest is None else smallest
    limits = np.finfo(dtype)
    if not float(limits.tiny) <= least <= magnitude <= float(limits.max):
        raise ValueError(
            f"smallest={least} and magnitude={magnitude}; expected the first no larger than the second, and both from "
            f"{limits.tiny} to {limits.max}, which is what {dtype} can hold"
        )
    return NumberRange(dtype, float(least), float(magnitude))


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, max_side: int = 5, min_side: int = 0
) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw shapes of arrays, axes of size 1 and 0 among them; they shrink to few axes, and these to size 1.

    Parameters
    ----------
    min_dims, max_dims : int
        The number of axes.
    min_side, max_side : int
        The sizes of the axes; if 0 is allowed, one in sixteen has it.

    Returns
    -------
    strategy of tuples of int

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(shapes(), lambda shape: 0 in shape)
    (0,)
    """
    if not 0 <= min_dims <= max_dims:
        raise ValueError(f"min_dims={min_dims} and max_dims={max_dims}; expected 0 <= min_dims <= max_dims")
    if not 0 <= min_side <= max_side:
        raise ValueError(f"min_side={min_side} and max_side={max_side}; expected 0 <= min_side <= max_side")
    drawn = st.binary(min_size=1 + 2 * max_dims, max_size=1 + 2 * max_dims)
    axes = range(min_dims, max_dims + 1)
    return drawn.map(lambda drawn: _sides(drawn[1:], axes[drawn[0] % len(axes)], min_side, max_side))


def _sides(drawn: bytes, number: int, least: int, largest: int) -> tuple[int, ...]:
    """Read `number` sizes of axes from the end of some bytes, two bytes for each."""
    codes = np.frombuffer(drawn, ">u2").tolist()
    return tuple(side(code, least, largest) for code in codes[len(codes) - number :])


def side(code: int, least: int, largest: int) -> int:
    """Return the size that a number stands for: 0 is size 1 (or `least`), 1 the next, and so on; size 0 is rare."""
    if least == 0:
        if code % 16 == 15 or largest == 0:
            return 0
        code -= code // 16  # which numbers the others without a gap
    sizes = range(max(least, 1), largest + 1)
    return sizes[code % len(sizes)]


def broadcastable(batch: tuple[int, ...], code: int) -> tuple[int, ...]:
    """Return batch axes that broadcast with these: half of the time all of them, else some of size 1, or fewer."""
    if code % 16 < 8:
        return batch
    axes = tuple(1 if code >> 1 + axis & 1 else n for axis, n in enumerate(batch))
    return axes[code & 1 :]


_ONE = st.binary(min_size=BYTES, max_size=BYTES)


@st.composite
def _arrays(
    draw: st.DrawFn, shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]], bounds: NumberRange, any_layout: bool
) -> Array:
    if isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    return read_array(draw(_ONE), shape, bounds, any_layout)


def read_array(drawn: bytes, shape: tuple[int, ...], bounds: NumberRange, any_layout: bool = True) -> Array:
    """Return the array that `BYTES` bytes stand for."""
    kind, pattern = _STYLES[drawn[0] % len(_STYLES)]
    codes = np.frombuffer(drawn[:1:-1], np.uint8)
    if pattern == "one or zero":
        codes = np.where(codes % 2 == codes[0] % 2, codes[0], 0)
    elif pattern == "alike":
        codes = codes[:1]
    places = np.arange(math.prod(shape))
    # a repetition begins one further on, so that parts of a large array differ, whatever their size
    codes = codes[(places + places // NUM_DRAWN) % len(codes)]
    array = _simplest_first(kind, bounds)[codes].reshape(shape)
    return lay_out(array, drawn[1]) if any_layout else array


@lru_cache
def _simplest_first(kind: str, bounds: NumberRange) -> Array:
    """Return what each of 256 bytes stands for, simple numbers first.

    Hypothesis makes a byte smaller by clearing its high bits, halving it, or taking one or two away as often as it can.
    That is why the high bits are left out first, the sign is the lowest, and what lies between grows with the byte.
    """
    if bounds == BOOLEANS:
        return np.resize([True, False], 256)
    dtype, smallest, magnitude = bounds
    unit = min(1.0, magnitude)
    signed = [0.0, *(sign * unit * k for k in range(1, int(min(10, magnitude / unit)) + 1) for sign in (1, -1))]
    again = [number for pair in zip([0.0] * len(signed), signed, strict=True) for number in pair]  # more zeros
    found = np.resize([*signed, *np.resize(again, 32 - len(signed))], 256)
    if kind == "fractions":
        found += 0.1 * unit * (np.arange(256) // 32)  # tenths, so that sums are rounded
    elif kind == "powers":
        least, most = int(np.floor(np.log10(smallest))), int(np.floor(np.log10(magnitude)))
        large = [*(float(f"1e{exponent}") for exponent in range(max(least, 2), most + 1)), magnitude]
        small = [*(float(f"1e{exponent}") for exponent in range(min(most, -1), least - 1, -1)), smallest]
        found = np.resize([*signed, *(sign * size for size in large + small for sign in (1, -1))], 256)
    return _clip(found.astype(dtype), smallest, magnitude)


def _clip(numbers: Array, smallest: float, magnitude: float) -> Array:
    """Return the numbers clipped to these bounds, which are rounded inwards; zeros stay."""
    dtype = numbers.dtype.type
    low, high = dtype(smallest), dtype(magnitude)
    low = np.nextafter(low, dtype(np.inf)) if float(low) < smallest else low
    high = np.nextafter(high, dtype(0)) if float(high) > magnitude else high
    within: Array = np.where(numbers == 0, numbers, np.copysign(np.clip(np.abs(numbers), low, high), numbers))
    return within


def lay_out(array: Array, code: int) -> Array:
    """Return the same numbers, laid out in memory in the way that a byte stands for."""
    layout, writeable = _LAYOUTS[code % len(_LAYOUTS)]
    if array.ndim == 0:  # which has no layout, and of which asfortranarray and flip make something else
        pass
    elif layout == "Fortran":
        array = np.asfortranarray(array)
    elif layout == "reversed":
        array = np.flip(np.flip(array).copy())
    elif layout == "slice":
        # not-a-number where no implementation should read, so that it shows if one did
        outside = np.nan if array.dtype.kind == "f" else 99
        larger = np.full([2 * n + 1 for n in array.shape], outside, array.dtype)
        part = larger[(slice(1, None, 2),) * array.ndim]
        part[...] = array
        array = part
    array.flags.writeable = writeable
    return array
