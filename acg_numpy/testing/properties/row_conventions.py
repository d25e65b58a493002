"""Conventions of implementations that work row by row: how many axes stand before the rows, and how a row is given."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import shapes


@dataclass(frozen=True, kw_only=True)
class RowConventions:
    """On what implementations for rows may differ; `batch_axes` is the number of axes before the last, None for any."""

    dtype: Any
    batch_axes: int | None = None
    empty: bool
    rtol: float | None

    def outer_shapes(self, least_axes: int, least_side: int) -> st.SearchStrategy[tuple[int, ...]]:
        """Draw the shape of the axes before the last: at most two, or just as many as the implementation takes."""
        least, most = (least_axes, 2) if self.batch_axes is None else (self.batch_axes, self.batch_axes)
        return shapes(min_dims=least, max_dims=most, max_side=3, min_side=least_side)

    def has_axes(self, number: int) -> bool:
        """Return whether there may be so many axes before the last."""
        return self.batch_axes is None or self.batch_axes >= number

    def row(self, x: Array, place: tuple[int, ...]) -> Array:
        """Return one row, with as many axes as the implementation takes."""
        row: Array = x[place].copy() if self.batch_axes is None else x[tuple(slice(i, i + 1) for i in place)].copy()
        return row
