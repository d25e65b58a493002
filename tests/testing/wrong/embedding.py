"""Wrong embeddings."""

from typing import Any

import numpy as np

from acg_numpy.testing.properties import check_embedding
from tests.testing.wrong.kind import Wrong


def right(table: Any, ids: Any) -> Any:
    if np.any((ids < 0) | (ids >= len(table))):
        raise IndexError(f"ids run from 0 to {len(table) - 1}")
    return np.array(table[ids])


def off_by_one(table, ids):
    right(table, ids)
    return np.array(table[(ids + 1) % len(table)])


def counted_from_one(table, ids):
    right(table, ids)
    return np.array(table[ids - 1])


def clipped(table, ids):
    return np.array(table[np.clip(ids, 0, len(table) - 1)])


def wrapped(table, ids):
    return np.array(table[ids % len(table)])


def counted_from_the_end(table, ids):
    return np.array(table[ids])


def a_view_of_the_row(table, ids):
    right(table, ids)
    return table[int(ids)] if ids.ndim == 0 else table[ids]


def flattened(table, ids):
    return right(table, ids.reshape(-1))


def each_row_once(table, ids):
    _, first = np.unique(ids, return_index=True)
    out = np.zeros((ids.size, *table.shape[1:]), table.dtype)
    flat = right(table, ids.reshape(-1))
    out[first] = flat[first]
    return out.reshape(*ids.shape, *table.shape[1:])


def averaged(table, ids):
    out = right(table, ids)
    return np.broadcast_to(out.mean(axis=0), out.shape).copy() if ids.ndim and ids.size else out


def float32_comes_out(table, ids):
    return right(table, ids).astype(np.float32)


def ids_sorted(table, ids):
    return right(table, np.sort(ids, axis=None).reshape(ids.shape))


def last_row_never_reached(table, ids):
    return right(table, np.minimum(ids, max(0, len(table) - 2)))


def row_emptied_after_use(table, ids):
    out = right(table, ids)
    table[ids] = 0
    return out


def scaled_by_the_width(table, ids):
    return right(table, ids) * table.dtype.type(np.sqrt(max(2, table[0].size)))


class LastCallAgain:
    """Keeps what it computed, and gives it out once more."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, table, ids):
        out = right(table, ids)
        out, self.kept[out.shape] = self.kept.get(out.shape, out), out
        return out


WRONG = [
    Wrong(name, check_embedding, implementation, refuted_by)
    for name, implementation, refuted_by in [
        ("embedding: ids off by one", off_by_one, "rows"),
        ("embedding: ids counted from one", counted_from_one, "rows"),
        ("embedding: ids clipped", clipped, "too-large"),
        ("embedding: ids wrapped", wrapped, "too-large"),
        ("embedding: ids below zero wrapped", wrapped, "negative"),
        ("embedding: negative ids counted from the end", counted_from_the_end, "negative"),
        ("embedding: a view of the row", a_view_of_the_row, "copies"),
        ("embedding: ids flattened", flattened, "form"),
        ("embedding: a repeated row given once", each_row_once, "rows"),
        ("embedding: averaged over the ids", averaged, "one-place"),
        ("embedding: float32 comes out", float32_comes_out, "form"),
        ("embedding: ids sorted", ids_sorted, "one-place"),
        ("embedding: the last row never reached", last_row_never_reached, "rows"),
        ("embedding: rows emptied after use", row_emptied_after_use, "unchanged"),
        ("embedding: scaled by the width", scaled_by_the_width, "rows"),
        ("embedding: the last call's output again", LastCallAgain(), "repeatable"),
    ]
]
