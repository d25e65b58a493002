"""Integer codes in place of ids: the ids as an array, and the position of each row's id by its hash."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.interactions import DataError

if TYPE_CHECKING:
    import duckdb

Codes: TypeAlias = npt.NDArray[np.int32]
Names: TypeAlias = npt.NDArray[np.str_]

BLOCK = 1 << 20  # rows that are handled together


def hash_of(text: str, salt: int) -> str:
    """Write SQL for a hash of a text, another one for each salt.

    The salt stands before the text, because two texts of one hash have one hash with anything that is hashed after it.
    """
    return f"hash('{salt}' || {text})" if salt else f"hash({text})"


def fetch_texts(cursor: "duckdb.DuckDBPyConnection", table: str) -> Names:
    """Return the column `id` of a table as an array of fixed width, made in blocks so that few are Python's at once."""
    rows, width = cursor.execute(f"SELECT count(*), coalesce(max(length(id)), 1) FROM {table}").fetchall()[0]
    texts = np.empty(rows, f"<U{max(width, 1)}")
    for start in range(0, rows, BLOCK):
        block = cursor.execute(
            f"SELECT id FROM {table} WHERE rowid BETWEEN {start} AND {start + BLOCK - 1} ORDER BY rowid"
        )
        texts[start : start + BLOCK] = np.ma.getdata(block.fetchnumpy()["id"])
    return texts


class HashTables:
    """The positions of hashes: a table by their last bits, a second by other bits for those that lost a place, ...

    Parameters
    ----------
    keys : array of uint64, shape (n,)

    Attributes
    ----------
    distinct : bool
        Whether every key has a place of its own, which two equal ones have not.

    Examples
    --------
    >>> tables = HashTables(np.array([12, 7, 20], np.uint64))
    >>> tables.distinct, tables.positions(np.array([20, 7, 7, 12], np.uint64)).tolist()
    (True, [2, 1, 1, 0])
    >>> HashTables(np.array([7, 7, 12], np.uint64)).distinct
    False
    """

    def __init__(self, keys: npt.NDArray[np.uint64]) -> None:
        self.keys = keys
        self.tables: list[tuple[np.uint64, Codes]] = []
        left = np.arange(len(keys), dtype=np.int32)
        for shift in range(0, 64, 5):
            if not len(left):
                break
            table = np.zeros(1 << (4 * len(left)).bit_length(), np.int32)
            places = _places(keys[left], np.uint64(shift), table)
            table[places] = left
            self.tables.append((np.uint64(shift), table))
            winner = table[places]
            lost = winner != left
            if (keys[winner[lost]] == keys[left[lost]]).any():  # which would have the same place in every table
                break
            left = left[lost]
        self.distinct = not len(left)

    def positions(self, wanted: npt.NDArray[np.uint64]) -> Codes:
        """Return the position of each of `wanted`.

        Raises
        ------
        DataError
            If one is not among the keys: the rows are others than those that the keys were made of.
        """
        found = np.zeros(len(wanted), np.int32)
        for start in range(0, len(wanted), BLOCK):
            some, left = wanted[start : start + BLOCK], np.arange(min(BLOCK, len(wanted) - start))
            for shift, table in self.tables:
                codes = table[_places(some, shift, table)]
                found[start : start + BLOCK][left] = codes
                wrong = np.flatnonzero(self.keys[codes] != some)
                if not len(wrong):
                    break
                some, left = some[wrong], left[wrong]
            else:
                raise DataError("rows have changed while they were read: read a file that nothing writes to")
        return found


def _places(keys: npt.NDArray[np.uint64], shift: np.uint64, table: Codes) -> npt.NDArray[np.uint64]:
    return keys >> shift & np.uint64(len(table) - 1)
