"""Properties of every embedding: rows of a table, by number."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from acg_numpy.shapes import Array
from acg_numpy.testing.arrays import arrays, shapes
from acg_numpy.testing.properties.expectations import (
    Difference,
    expect_equal,
    expect_form,
    expect_shape,
    expect_unchanged,
)
from acg_numpy.testing.properties.runner import (
    REPEATABLE,
    UNCHANGED,
    Effort,
    Example,
    Property,
    property_decorator,
    read_batch_axes,
    run_all,
)

EMBEDDING: list[Property] = []
_state = property_decorator(EMBEDDING)


@dataclass(frozen=True)
class Conventions:
    """On what implementations of an embedding may differ, as the arguments of `check_embedding` say."""

    dtype: Any
    outside: str
    row_axes: int | None
    empty: bool
    batch_axes: int | None = None


def check_embedding(
    embedding: Callable[[Any, Any], Any],
    *,
    dtype: Any = np.float64,
    outside: str = "refuse",
    row_axes: int | None = None,
    batch_axes: int | None = None,
    empty: bool = True,
    only: Collection[str] | None = None,
    max_examples: int | None = None,
    seed: int | None = 0,
) -> None:
    """Look for a counterexample to the properties of an embedding.

    Parameters
    ----------
    embedding : callable
        `embedding(table, ids)` returns rows of the table (N, ...), for integer ids of any shape.
    dtype : floating dtype
        Of the table, and so of the output.
    outside : {"refuse", "any"}
        What becomes of ids below 0, or not below N: an IndexError, or anything (they are not drawn).
    row_axes : int, optional
        How many axes a row has, if the implementation takes just so many.
    batch_axes : int, optional
        How many axes the ids have, if the implementation takes just so many.
    empty : bool
        Whether axes of size 0, of ids and rows, are among what is drawn.
    only : collection of str, optional
        The names of the properties to check; by default all.
    max_examples : int, optional
        Examples of each property.  By default as many as the active Hypothesis profile says, which is 100 unless one
        was loaded; within a property test, as many as that test's settings say.
    seed : int or None
        The seed that they are drawn from; None for different ones in every run.

    Raises
    ------
    PropertyViolation
        With the property, the smallest counterexample found, the expected and the actual result.

    Examples
    --------
    >>> from acg_numpy.passes import embedding_forward
    >>> check_embedding(lambda table, ids: embedding_forward(table, ids)[0], max_examples=5)

    NumPy counts negative ids from the end:

    >>> check_embedding(lambda table, ids: table[ids])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    acg_numpy.testing.violation.PropertyViolation: ...
    """
    __tracebackhide__ = True
    if outside not in ("refuse", "any"):
        raise ValueError(f'outside={outside!r} should be "refuse" or "any"')
    conventions = Conventions(np.dtype(dtype).type, outside, row_axes, empty, read_batch_axes(batch_axes))
    run_all(EMBEDDING, embedding, conventions, Effort(max_examples, seed, only))


@st.composite
def _lookups(draw: Any, conventions: Conventions) -> Example:
    """Draw a table, and ids into it: of any shape, of 64 or 32 bits, often repeated."""
    least = 0 if conventions.empty else 1
    axes = (0, 2) if conventions.row_axes is None else (conventions.row_axes, conventions.row_axes)
    row = draw(shapes(min_dims=axes[0], max_dims=axes[1], max_side=3, min_side=least))
    num_rows = draw(st.integers(1, 5))
    table = draw(arrays((num_rows, *row), dtype=conventions.dtype))
    fewest, most = (0, 2) if conventions.batch_axes is None else (conventions.batch_axes, conventions.batch_axes)
    ids_shape = draw(shapes(min_dims=fewest, max_dims=most, max_side=3, min_side=least))
    size = int(np.prod(ids_shape))
    ids = draw(st.lists(st.integers(0, num_rows - 1), min_size=size, max_size=size))
    width = draw(st.sampled_from([np.int64, np.int32]))
    return {"table": table, "ids": np.array(ids, dtype=width).reshape(ids_shape)}


@st.composite
def _lookups_outside(draw: Any, conventions: Conventions, below: bool) -> Example:
    """Draw a lookup one of whose ids points nowhere."""
    example = draw(_lookups(conventions).filter(lambda example: example["ids"].size > 0))
    table, ids = example["table"], example["ids"].copy()
    place = draw(st.integers(0, ids.size - 1))
    ids.reshape(-1)[place] = draw(st.integers(-7, -1) if below else st.integers(len(table), len(table) + 7))
    return {"table": table, "ids": ids}


@_state("unchanged", UNCHANGED, _lookups)
def _inputs_are_left_as_they_were(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    expect_unchanged(lambda: embedding(table, ids), table, ids)


@_state("form", "The output has the shape of the ids and then that of a row, and the table's dtype.", _lookups)
def _output_has_the_form_of_ids_and_rows(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    expect_form(embedding(table, ids), (*ids.shape, *table.shape[1:]), conventions.dtype)


@_state("repeatable", REPEATABLE, _lookups)
def _asked_again_it_gives_the_same(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    first = np.array(embedding(table, ids))
    embedding(table + 1, ids)
    expect_equal(embedding(table, ids), first)


@_state("rows", "Each id gets its row of the table, exactly, as often as it is asked for.", _lookups)
def _each_id_gets_its_row(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    out = np.asarray(embedding(table, ids))
    expected = np.zeros((*ids.shape, *table.shape[1:]), table.dtype)
    for place in np.ndindex(ids.shape):
        expected[place] = table[int(ids[place])]
    expect_equal(out, expected)


@_state(
    "one-place",
    "What a place gets does not depend on the ids beside it.",
    lambda conventions: None if conventions.batch_axes == 0 else _lookups(conventions),
)
def _a_place_is_independent_of_those_beside_it(
    embedding: Any, conventions: Conventions, table: Array, ids: Array
) -> None:
    out = np.asarray(embedding(table, ids))
    expect_shape(out, (*ids.shape, *table.shape[1:]))
    for place in np.ndindex(ids.shape):
        one = ids[place] if conventions.batch_axes is None else ids[tuple(slice(i, i + 1) for i in place)]
        expect_equal(out[place], np.reshape(embedding(table, one), table.shape[1:]))


@_state("copies", "The output is a copy: writing into it leaves the table alone.", _lookups)
def _output_is_a_copy(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    out = np.asarray(embedding(table, ids))
    if out.size and np.shares_memory(out, table):
        raise Difference("an array of its own", "an array that shares the table's memory")


@_state(
    "too-large",
    "An id that is not below the number of rows is refused with an IndexError.",
    lambda conventions: _refused_lookups(conventions, below=False),
)
def _an_id_beyond_the_table_is_refused(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    _expect_index_error(embedding, table, ids)


@_state(
    "negative",
    "A negative id is refused with an IndexError; it does not count from the end.",
    lambda conventions: _refused_lookups(conventions, below=True),
)
def _a_negative_id_is_refused(embedding: Any, conventions: Conventions, table: Array, ids: Array) -> None:
    _expect_index_error(embedding, table, ids)


def _refused_lookups(conventions: Conventions, below: bool) -> st.SearchStrategy[Example] | None:
    return _lookups_outside(conventions, below) if conventions.outside == "refuse" else None


def _expect_index_error(embedding: Any, table: Array, ids: Array) -> None:
    got: Any
    try:
        got = np.asarray(embedding(table, ids))
    except IndexError:
        return
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
    raise Difference("an IndexError", got)
