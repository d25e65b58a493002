"""Integer codes in place of ids: the ids as an array, and the position of each row's id by its hash."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.interactions import DataError

if TYPE_CHECKING:
    import duckdb

Codes: TypeAlias = npt.NDArray[np.int32]
Names: TypeAlias = npt.NDArray[np.str_]

BLOCK = 1 << 20  # rows that are handled together
SPREAD = 8  # places for each row in a table of all numbers from the lowest to the highest; beyond that they are sorted


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


class NumberTable:
    """The positions of whole numbers that are not negative, as ids, in the order of their texts.

    Parameters
    ----------
    numbers : array of whole numbers, shape (R,)
        Any number may occur several times.

    Attributes
    ----------
    names : array of str, shape (n,)
        The texts of the different numbers, in order.

    Examples
    --------
    >>> table = NumberTable(np.array([12, 7, 100, 7]))
    >>> table.names.tolist(), table.positions(np.array([7, 100, 8])).tolist()
    (['100', '12', '7'], [2, 0, -1])
    """

    def __init__(self, numbers: npt.NDArray[np.integer[Any]]) -> None:
        self._high = int(numbers.max(initial=0))
        places = self._high + 1 if self._high < SPREAD * len(numbers) + BLOCK else 0
        if places:
            seen = np.zeros(places, bool)
            seen[numbers] = True
            distinct = np.flatnonzero(seen)
        else:
            distinct = np.unique(numbers).astype(np.int64)
        order = _order_of_texts(distinct)
        self.names: Names = distinct[order].astype(f"<U{len(str(self._high))}")
        codes = np.empty(len(distinct), np.int32)
        codes[order] = np.arange(len(distinct), dtype=np.int32)
        self._distinct, self._codes, self._table = distinct, codes, np.full(places, -1, np.int32)
        if places:
            self._table[distinct] = codes

    def positions(self, numbers: npt.NDArray[np.integer[Any]]) -> Codes:
        """Return the position of each number among the names, and -1 for one that is not among them."""
        found = np.full(len(numbers), -1, np.int32)
        if not len(self._distinct):
            return found
        for start in range(0, len(numbers), BLOCK):
            block = numbers[start : start + BLOCK]
            if len(self._table):
                codes = self._table[np.minimum(block, self._high)]
                codes[block > self._high] = -1
            else:
                places = np.minimum(np.searchsorted(self._distinct, block), len(self._distinct) - 1)
                codes = np.where(self._distinct[places] == block, self._codes[places], -1)
            found[start : start + BLOCK] = codes
        return found


def _order_of_texts(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return the order of the texts of whole numbers that are not negative, as in 1, 10, 100, 11, 2."""
    digits = np.ones(len(numbers), np.int64)
    for power in range(1, 19):
        digits += numbers >= 10**power
    filled = numbers.astype(np.uint64) * np.uint64(10) ** (19 - digits).astype(np.uint64)  # as if zeros followed
    return np.lexsort((digits, filled))


def _places(keys: npt.NDArray[np.uint64], shift: np.uint64, table: Codes) -> npt.NDArray[np.uint64]:
    return keys >> shift & np.uint64(len(table) - 1)
