"""Columns of Parquet files whose cells are lists of floats: a vector a user, or one for each domain."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.interop.libraries import require
from acg_numpy.recommender.data import DataError
from acg_numpy.scale.folders import locate
from acg_numpy.shapes import Array
from acg_numpy.text import first_few

USER = "user"

BUFFER = 1 << 20  # bytes of a column that are read at once, and not all of a row group
BATCH = 8192  # rows that are decoded at once


class VectorColumns(NamedTuple):
    """The columns of a Parquet file that hold user vectors.

    Attributes
    ----------
    vectors : tuple of str
        One column for all domains, or one for each.
    ids : str or None
        The column with the ids of users.
    widths : tuple of int
        How many numbers a list of a vector may have.
    dim : int
    """

    vectors: tuple[str, ...]
    ids: str | None
    widths: tuple[int, ...]
    dim: int


def find_vectors(address: str, dim: int, domains: Sequence[str]) -> VectorColumns | None:
    """Find the columns of user vectors; None, if no column of the file holds lists.

    Raises
    ------
    DataError
        If there are lists, but it is not clear which are the vectors, or which column holds the ids.
    """
    arrow = require("pyarrow", "reading Parquet")
    schema, _ = read_schema(address)
    types = dict(zip(schema.names, schema.types, strict=True))
    lists = [name for name, type_ in types.items() if arrow.types.is_list(type_) or _is_other_list(arrow, type_)]
    if not lists:
        return None
    for name in lists:
        if not arrow.types.is_floating(types[name].value_type):
            raise DataError(f"{address}: column {name!r} holds lists of {types[name].value_type}, expected floats")
    ids = _find_ids(address, [name for name in types if name not in lists])
    if len(lists) == 1:
        return VectorColumns((lists[0],), ids, (dim, len(domains) * dim), dim)
    if set(domains) <= set(lists):
        return VectorColumns(tuple(domains), ids, (dim,), dim)
    raise DataError(
        f"{address} has {len(lists)} columns of lists ({first_few(lists)}): expected one with the user's vector, or "
        f"one for each domain ({first_few(domains)})"
    )


def read_schema(address: str) -> tuple[Any, int]:
    """Read the Arrow schema of a Parquet file, and how many rows it has.

    Raises
    ------
    DataError
        If it is not a whole Parquet file.
    """
    arrow, parquet = require("pyarrow", "reading Parquet"), require("pyarrow.parquet", "reading Parquet")
    files, inside = locate(address)
    try:
        with files.open(inside, "rb") as file:
            opened = parquet.ParquetFile(file)
            return opened.schema_arrow, opened.metadata.num_rows
    except arrow.ArrowInvalid as error:
        raise DataError(f"{address} is not a whole Parquet file: {error}") from error


def read_vectors_of(address: str, rows: range, columns: VectorColumns) -> tuple[Any, Array]:
    """Read the ids and the vectors (B, D) or (B, domains, D) of some rows of a file.

    Raises
    ------
    DataError
        If a cell is missing, or has another number of values than the conditioner takes.
    """
    arrow, parquet = require("pyarrow", "reading Parquet"), require("pyarrow.parquet", "reading Parquet")
    files, inside = locate(address)
    wanted = [*columns.vectors, *([columns.ids] if columns.ids else [])]
    ids: list[Any] = []
    found: list[Array] = []
    groups: list[int] = []
    widths = columns.widths
    with files.open(inside, "rb") as file:
        opened = parquet.ParquetFile(file, buffer_size=BUFFER)
        begin = first = 0
        for group in range(opened.num_row_groups):
            end = begin + opened.metadata.row_group(group).num_rows
            if begin < rows.stop and end > rows.start:
                first = first if groups else begin
                groups.append(group)
            begin = end
        for batch in opened.iter_batches(BATCH, row_groups=groups, columns=wanted, use_threads=False):
            part = range(max(rows.start - first, 0), min(rows.stop - first, len(batch)))
            if part:
                some, row = batch.slice(part.start, len(part)), first + part.start
                vectors = [_lists(address, some[name], name, row, widths) for name in columns.vectors]
                found.append(np.stack(vectors, axis=1) if len(vectors) > 1 else vectors[0].copy())
                widths = (vectors[0].shape[1],)  # of the first row, which all others must have too
                if columns.ids is not None:
                    ids.append(_ids(address, some[columns.ids], columns.ids, row))
            first += len(batch)
            if first >= rows.stop:
                break
    arrow.default_memory_pool().release_unused()
    vectors_of_rows = np.concatenate(found)
    if len(columns.vectors) == 1 and vectors_of_rows.shape[1] != columns.dim:
        vectors_of_rows = vectors_of_rows.reshape(len(vectors_of_rows), -1, columns.dim)
    return (arrow.concat_arrays(ids) if ids else None), vectors_of_rows


def _ids(address: str, column: Any, name: str, first: int) -> Any:
    """Return ids as an Arrow array without a dictionary."""
    if column.null_count:
        row = first + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{address}: row {row} (counted from 0) has no id in column {name!r}")
    dictionary = require("pyarrow", "reading Parquet").types.is_dictionary(column.type)
    return column.dictionary_decode() if dictionary else column


def _lists(address: str, column: Any, name: str, first: int, widths: tuple[int, ...]) -> Array:
    """Return lists of equal length as a matrix."""
    compute = require("pyarrow.compute", "reading Parquet")
    lengths = compute.fill_null(compute.list_value_length(column), -1).to_numpy()
    width = int(lengths[0])
    odd = ~np.isin(lengths, widths) | (lengths != width)
    if odd.any():
        row = int(np.argmax(odd))
        held = "nothing" if lengths[row] < 0 else f"{lengths[row]} numbers"
        expected = " or ".join(map(str, dict.fromkeys(widths)))
        raise DataError(
            f"{address}: row {first + row} (counted from 0) of column {name!r} holds {held}, expected {expected} in "
            "every row"
        )
    values = compute.list_flatten(column)
    if values.null_count:
        row = first + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // width
        raise DataError(f"{address}: row {row} (counted from 0) of column {name!r} holds a null")
    found: Array = values.to_numpy().reshape(-1, width)
    return found


def _is_other_list(arrow: Any, type_: Any) -> bool:
    return bool(arrow.types.is_fixed_size_list(type_) or arrow.types.is_large_list(type_))


def _find_ids(address: str, names: Sequence[str]) -> str | None:
    if USER in names or len(names) < 2:
        return USER if USER in names else next(iter(names), None)
    raise DataError(
        f"{address}: which of the columns {first_few(names)} holds the ids of users is not clear: call it {USER!r}, or "
        "leave the others out"
    )
