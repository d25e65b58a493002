"""Which arrays are drawn: small, with zeros, ties and signs, lying in memory in every way that NumPy allows.

Everything that an array holds is drawn as bytes of a fixed number, whatever its shape: a draw costs some thirty
microseconds and a byte less than one, and when Hypothesis makes the shape smaller, the bytes stay where they were.  A
byte is a place in a list that begins 0, 1, -1, 2, -2, ..., so that smaller bytes are simpler numbers.  Bytes are read
from the last to the first: Hypothesis sorts them where it can, so that what matters comes to stand at their end, and
what a smaller array keeps is its beginning.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from acg_numpy.shapes import Array

DRAWN = 64  # numbers that are drawn for an array; a larger one repeats them
_BYTES = st.binary(min_size=DRAWN, max_size=DRAWN)

# How the bytes are read.  The first is the simplest, and what an example shrinks to where it still fails.
_STYLES = st.sampled_from(("whole", "few", "constant", "fractions", "powers"))
# How they lie in memory, and whether they may be written.
LAYOUTS = st.sampled_from(
    [(layout, writeable) for writeable in (True, False) for layout in ("C", "Fortran", "reversed", "slice")]
)


def arrays(
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]],
    *,
    dtype: npt.DTypeLike = np.float64,
    magnitude: float = 10.0,
    smallest: float | None = None,
    any_layout: bool = True,
) -> st.SearchStrategy[Array]:
    """Arrays of finite numbers, or of booleans.

    Zeros, ties, both signs, whole numbers, fractions and powers of ten are all frequent; an example that fails shrinks
    to zeros and small whole numbers, element by element.  An array of more than 64 elements repeats some.

    Parameters
    ----------
    shape : tuple of int, or strategy of them
    dtype : floating dtype or bool
    magnitude : float
        No number is larger.
    smallest : float, optional
        No number but 0 is nearer to 0.  By default 0.001, or `magnitude` where that is less.
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
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return _arrays(shape, dtype, (0.0, 1.0), any_layout)
    if dtype.kind != "f":
        raise TypeError(f"dtype is {dtype}; expected a floating one or bool")
    least = min(1e-3, magnitude) if smallest is None else smallest
    limits = np.finfo(dtype)
    if not limits.tiny <= least <= magnitude <= limits.max:
        raise ValueError(
            f"smallest={least} and magnitude={magnitude}; expected the first no larger than the second, and both from "
            f"{limits.tiny} to {limits.max}, which is what {dtype} can hold"
        )
    return _arrays(shape, dtype, (float(least), float(magnitude)), any_layout)


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, max_side: int = 5, min_side: int = 0
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of arrays, axes of size 1 and 0 among them; they shrink to few axes, and these to size 1.

    Parameters
    ----------
    min_dims, max_dims : int
        How many axes.
    min_side, max_side : int
        How long each; 0, where it is allowed, for one in sixteen.

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
    numbers = st.binary(min_size=2 * max_dims, max_size=2 * max_dims)
    return st.builds(
        lambda dims, drawn: sides(drawn, dims, min_side, max_side), st.integers(min_dims, max_dims), numbers
    )


def sides(drawn: bytes, number: int, least: int, largest: int) -> tuple[int, ...]:
    """Read so many sizes of axes from the end of some bytes, two for each."""
    codes = np.frombuffer(drawn, ">u2").tolist()
    return tuple(side(code, least, largest) for code in codes[len(codes) - number :])


def side(code: int, least: int, largest: int) -> int:
    """The size that a number stands for: 0 is size 1 (or `least`), 1 the next, and so on; size 0 is seldom."""
    full = range(max(least, 1), largest + 1)
    if not full or (least == 0 and code % 16 == 15):
        return 0
    return full[code % len(full)]


@st.composite
def _arrays(
    draw: st.DrawFn,
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]],
    dtype: np.dtype[Any],
    bounds: tuple[float, float],
    any_layout: bool,
) -> Array:
    if isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    style, codes, more = draw(_STYLES), draw(_BYTES), draw(_BYTES)
    layout, writeable = draw(LAYOUTS) if any_layout else ("C", True)
    numbers = _numbers(style, np.frombuffer(codes[::-1], np.uint8), np.frombuffer(more[::-1], np.uint8), dtype, bounds)
    return laid_out(np.resize(numbers, shape), layout, writeable)


def _numbers(style: str, codes: Array, more: Array, dtype: np.dtype[Any], bounds: tuple[float, float]) -> Array:
    """What the bytes stand for, within bounds: as many numbers."""
    if style == "few":
        codes = codes % 3
    elif style == "constant":
        codes, more = codes[:1], more[:1]
    if dtype == np.bool_:
        odd: Array = codes % 2 == 1
        return odd
    smallest, magnitude = bounds
    numbers = _whole(magnitude)[codes]
    if style == "fractions":
        numbers = numbers + min(1.0, magnitude) * (more / 251)  # a prime, so that sums are rounded
    elif style == "powers":
        powers = _powers(smallest, magnitude)
        numbers = numbers * powers[more % len(powers)]
    low, high = _within(dtype, bounds)
    numbers = np.clip(numbers, -magnitude, magnitude).astype(dtype)
    size = np.clip(np.abs(numbers), low, high)
    within: Array = np.where(numbers == 0, numbers, np.copysign(size, numbers))
    return within


@lru_cache
def _whole(magnitude: float) -> Array:
    """256 numbers, simple ones first: 0, 1, -1, 2, -2, ..., then again with more zeros, and the largest of all."""
    unit = min(1.0, magnitude)
    signed = [0.0, *(sign * unit * k for k in range(1, int(min(10, magnitude / unit)) + 1) for sign in (1, -1))]
    again = [number for i, number in enumerate(signed) for number in ((number, 0.0) if i % 4 == 0 else (number,))]
    return np.array([*signed, *np.resize(again, 254 - len(signed)), magnitude, -magnitude])


@lru_cache
def _powers(smallest: float, magnitude: float) -> Array:
    """Powers of ten from `smallest` to `magnitude`, those near 1 first."""
    exponents: Sequence[int] = range(int(np.floor(np.log10(smallest))), int(np.floor(np.log10(magnitude))) + 1)
    return np.array([float(f"1e{exponent}") for exponent in sorted(exponents, key=lambda k: (abs(k), -k))])


@lru_cache
def _within(dtype: np.dtype[Any], bounds: tuple[float, float]) -> tuple[Any, Any]:
    """The bounds as numbers of this dtype, rounded inwards."""
    low, high = dtype.type(bounds[0]), dtype.type(bounds[1])
    low = np.nextafter(low, dtype.type(np.inf)) if float(low) < bounds[0] else low
    high = np.nextafter(high, dtype.type(0)) if float(high) > bounds[1] else high
    return low, high


def laid_out(array: Array, layout: str, writeable: bool) -> Array:
    """The same numbers, lying in memory in another way."""
    if array.ndim == 0:  # which has no layout, and of which asfortranarray and flip make something else
        pass
    elif layout == "Fortran":
        array = np.asfortranarray(array)
    elif layout == "reversed":
        array = np.flip(np.flip(array).copy())
    elif layout == "slice":
        outside = {"f": np.nan, "b": True}.get(
            array.dtype.kind, 99
        )  # what nobody should look at, and shows where it was
        larger = np.full([2 * n + 1 for n in array.shape], outside, array.dtype)
        part = larger[(slice(1, None, 2),) * array.ndim]
        part[...] = array
        array = part
    array.flags.writeable = writeable
    return array
