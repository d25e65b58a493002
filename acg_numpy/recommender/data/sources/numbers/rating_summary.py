"""A summary of the ratings of rows: how many there are, their range, and how often the lowest occurs."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import duckdb


class RatingSummary(NamedTuple):
    """What the ratings of some rows are.

    Attributes
    ----------
    rows, numbers : int
        All rows, and those whose rating is a finite number.
    low, high : float
        The lowest and the highest of these, NaN where there is none.
    whole : bool
        Whether all are whole numbers.
    kinds : int
        How many different ones there are.
    lowest : int
        How many rows have the lowest.
    """

    rows: int
    numbers: int
    low: float
    high: float
    whole: bool
    kinds: int
    lowest: int


def is_number(text: str) -> str:
    """Write SQL that holds where a text is a finite number; 1_0, which the database reads as 10, is none."""
    return f"isfinite(TRY_CAST({text} AS DOUBLE)) AND NOT contains({text}, '_')"


def summarise_texts(cursor: "duckdb.DuckDBPyConnection", relation: str) -> RatingSummary:
    """Summarise the column `rating` of a relation, whose cells are text; each different text is converted once."""
    found = cursor.execute(
        f"WITH texts AS (SELECT rating, count(*) AS n FROM {relation} GROUP BY rating), "
        f"ratings AS (SELECT n, CASE WHEN {is_number('rating')} THEN CAST(rating AS DOUBLE) END AS r FROM texts) "
        "SELECT sum(n), coalesce(sum(n) FILTER (r IS NOT NULL), 0), coalesce(min(r), 'nan'), coalesce(max(r), 'nan'), "
        "coalesce(bool_and(r = round(r)), true), count(DISTINCT r), "
        "coalesce(sum(n) FILTER (r = (SELECT min(r) FROM ratings)), 0) FROM ratings"
    ).fetchall()[0]
    rows, numbers, low, high, whole, kinds, lowest = found
    return RatingSummary(int(rows), int(numbers), low, high, whole, kinds, int(lowest))


def summarise_numbers(ratings: npt.NDArray[np.float64]) -> RatingSummary:
    """Summarise ratings that are numbers, NaN where there is none.

    Examples
    --------
    >>> summarise_numbers(np.array([1.0, 5.0, 1.0, np.nan]))
    RatingSummary(rows=4, numbers=3, low=1.0, high=5.0, whole=True, kinds=2, lowest=2)
    """
    known = ratings[np.isfinite(ratings)] if not np.isfinite(ratings.sum()) else ratings
    if not len(known):
        return RatingSummary(len(ratings), 0, np.nan, np.nan, True, 0, 0)
    low, whole = float(known.min()), bool((known == np.rint(known)).all())
    return RatingSummary(
        len(ratings), len(known), low, float(known.max()), whole, len(np.unique(known)), int((known == low).sum())
    )
