"""Rows of text files whose ids are whole numbers, read as numbers: no text is kept, compared or hashed.

A text file has a plain form, in which ratings files mostly come: its lines are its rows, its ids are written in digits
without zeros before them, and its ratings and times in digits with perhaps a point.  The ends of the fields then follow
from the bytes, and eight digits become a number in a dozen operations on whole arrays.  A file that departs from this
form anywhere (a quote, an empty id, 007, -1, 1.0, a date) is read as text by `rows`, from its first row.

This reader stands beside the database because it takes less than half the time: `docs/speed.md` has the figures.
"""

import gzip
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from acg_numpy.num_threads import database_threads
from acg_numpy.recommender.data.sources.id_codes import Codes, Names, NumberTable
from acg_numpy.recommender.data.sources.numbers.rating_summary import RatingSummary, summarise_numbers
from acg_numpy.recommender.data.sources.rows import LOW_RATING, Choice, note_low_ratings
from acg_numpy.recommender.data.sources.tables import Table, TextTable
from acg_numpy.recommender.data.sources.text_layout import TextLayout

IDS = np.uint32  # of most files; larger ones are int64
ID_ROLES = ("user", "item")
NUMERIC_ROLES = (*ID_ROLES, "rating", "timestamp")
CHUNK = 1 << 19  # bytes, so that what is made of a chunk stays in the cache of a core
LARGEST = 1 << 30  # bytes of all files; the text of larger ones is spilled to disk, which numbers in memory are not
AHEAD = 8  # blocks of text that are converted before the first of them is stored
DECIMALS = 3  # digits after the point of a rating
WORD = 8  # bytes, of which each may be a digit
ZEROS, BEYOND_NINE, HIGH_BITS = (np.uint64(0x0101010101010101 * byte) for byte in (ord("0"), 0x76, 0x80))
STEPS = [  # by how many bits the digits before are apart, ten to the power of their number, and where the sums are
    (np.uint64(8), np.uint64(10), np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(16), np.uint64(100), np.uint64(0x0000FFFF0000FFFF)),
    (np.uint64(32), np.uint64(10_000), np.uint64(0x00000000FFFFFFFF)),
]
MASKS = np.array([(1 << 64) - (1 << (8 * (WORD - width))) for width in range(WORD + 1)], np.uint64)  # of the last bytes
KEPT = np.array([(1 << 64) - 1, *MASKS[1 : DECIMALS + 1]], np.uint64)  # of a word, where a point stands before the last
SCALES = 10.0 ** np.arange(DECIMALS + 1)


_Block: TypeAlias = Mapping[str, npt.NDArray[Any]]  # numbers by role


class _NotPlain(Exception):
    """A file is not in the plain form."""


class NumericRows:
    """The rows of text files as numbers, which answer what `StagedRows` answers.

    Parameters
    ----------
    columns : mapping
        The numbers (R,) of each role, of all rows.
    source : array of int32, shape (R,)
        The number of the table of each row.
    choice : Choice
        Of which only the minimum rating matters.
    """

    def __init__(self, columns: Mapping[str, npt.NDArray[Any]], source: Codes, choice: Choice) -> None:
        self.choice, self._below = choice, {role: columns[role][:0] for role in ID_ROLES}
        if choice.min_rating is not None:
            low = columns["rating"] < choice.min_rating
            self._below = {role: columns[role][low] for role in ID_ROLES}
            columns, source = {role: numbers[~low] for role, numbers in columns.items()}, source[~low]
        self._columns, self._source = columns, source

    @classmethod
    def read(
        cls, tables: Sequence[Table], roles: Mapping[str, Sequence[int | None]], choice: Choice
    ) -> "NumericRows | None":
        """Read the tables; None where one of them has to be read as text."""
        wanted = {role: found for role, found in roles.items() if any(position is not None for position in found)}
        if choice.where is not None or not wanted.keys() <= set(NUMERIC_ROLES):
            return None
        if sum(table.size for table in tables if isinstance(table, TextTable)) > LARGEST:
            return None
        parts = []
        for number, table in enumerate(tables):
            positions = {role: position for role, found in wanted.items() if (position := found[number]) is not None}
            if len(positions) < len(wanted) or (part := _read_numbers(table, positions)) is None:
                return None
            if choice.min_rating is not None and np.isnan(part["rating"]).any():
                return None
            parts.append(part)
        source = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part["user"]) for part in parts])
        columns = {role: _concatenate([part.pop(role) for part in parts]) for role in wanted}
        return cls(columns, source, choice)

    @property
    def has_ratings(self) -> bool:
        """Whether there is a column for the rating."""
        return "rating" in self._columns

    def count(self, status: int) -> int:
        """Count the rows with a status: those that count have 0, and `LOW_RATING` is all else that there may be."""
        return {0: len(self._source), LOW_RATING: len(self._below["user"])}.get(status, 0)

    def note_left_out(self, notes: list[str]) -> None:
        """Note the rows that do not count, and why."""
        note_low_ratings(self.count(LOW_RATING), self.choice, notes)

    def encode(self, role: str) -> tuple[Codes, Names]:
        """Return codes of a role's ids in the rows that count, and the ids in the order of their texts.

        Returns
        -------
        codes : array of int32, shape (R,)
        ids : array of str, shape (number of ids,)
        """
        table = NumberTable(self._columns[role])
        return table.positions(self._columns[role]), table.names

    def sources(self) -> Codes:
        """Return the number of the table of each row that counts, shape (R,)."""
        return self._source

    def titles(self) -> dict[str, str]:
        """Return no title: a title has letters."""
        return {}

    def numbers(self, role: str) -> npt.NDArray[np.float64]:
        """Return a role's numbers in the rows that count, NaN where there is none, shape (R,)."""
        return self._columns[role]

    def summarise_ratings(self) -> RatingSummary:
        """Summarise the ratings of the rows that count."""
        return summarise_numbers(self._columns["rating"])

    def text_at(self, role: str, row: int) -> str:
        """Return a role's cell in a row where it is no number: it is empty."""
        return ""

    def contradicting(self) -> tuple[int, str, str]:
        """Count the pairs of a user and an item in rows that count and in rows with a rating that is too low.

        Returns
        -------
        number : int
        user, item : str
            The first of the pairs.
        """
        tables = {role: NumberTable(self._columns[role]) for role in ID_ROLES}
        pairs = []
        for rows in (self._below, self._columns):
            user, item = (tables[role].positions(rows[role]).astype(np.int64) for role in ID_ROLES)
            pairs.append(np.unique((user * len(tables["item"].names) + item)[(user >= 0) & (item >= 0)]))
        both = np.intersect1d(pairs[0], pairs[1], assume_unique=True)
        if not len(both):
            return 0, "", ""
        first_user, first_item = divmod(int(both[0]), len(tables["item"].names))
        return len(both), str(tables["user"].names[first_user]), str(tables["item"].names[first_item])


def _concatenate(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _read_numbers(table: Table, positions: Mapping[str, int]) -> dict[str, npt.NDArray[Any]] | None:
    """Read columns of a table as numbers; None where it is not a text file in the plain form."""
    if not isinstance(table, TextTable) or not table.rows_are_lines or table.path is None or table.layout is None:
        return None
    assert table.lines is not None
    layout, rows = table.layout, 0
    numbers = {role: np.empty(table.lines, IDS if role in ID_ROLES else np.float64) for role in positions}
    try:
        with (
            gzip.open(table.path) if table.compression == "gzip" else table.path.open("rb") as file,
            ThreadPoolExecutor(database_threads() or os.cpu_count()) as pool,
        ):
            for block in _in_order(
                pool, lambda lines: _convert(lines, layout, positions), _blocks_of_lines(file, layout)
            ):
                first, rows = rows, rows + len(block["user"])
                for role, found in block.items():
                    if role in ID_ROLES and found.max() > np.iinfo(IDS).max:
                        numbers[role] = numbers[role].astype(np.int64, copy=False)
                    numbers[role][first:rows] = found
    except _NotPlain:
        return None
    return {role: column[:rows] for role, column in numbers.items()} if rows else None


def _in_order(
    pool: ThreadPoolExecutor, convert: Callable[[bytes], _Block], blocks: Iterator[bytes]
) -> Iterator[_Block]:
    """Convert blocks in the threads of a pool, a few ahead, and give the results in the order of the blocks."""
    waiting: deque[Future[_Block]] = deque()
    try:
        for block in blocks:
            waiting.append(pool.submit(convert, block))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _convert(lines: bytes, layout: TextLayout, positions: Mapping[str, int]) -> _Block:
    """Return the numbers of some lines, by role."""
    text = np.frombuffer(lines, np.uint8)
    starts, ends = _fields(text, layout)
    return {
        role: (_ids if role in ID_ROLES else _decimals)(text, starts[position], ends[position])
        for role, position in positions.items()
    }


def _blocks_of_lines(file: BinaryIO | gzip.GzipFile, layout: TextLayout) -> Iterator[bytes]:
    """Give whole lines below the header, with as many bytes before them as two words have."""
    for _ in range(layout.header_lines):
        file.readline()
    before, kept = bytes(2 * WORD), b""
    while chunk := file.read(CHUNK):
        lines, end, kept = (kept + chunk).rpartition(b"\n")
        if len(kept) > CHUNK:
            raise _NotPlain
        if end:
            yield before + lines + end
    if kept:
        yield before + kept + b"\n"


def _fields(text: npt.NDArray[np.uint8], layout: TextLayout) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each field (columns, rows) of some lines starts and ends."""
    if text.max() > 127:  # which may be no UTF-8
        raise _NotPlain
    width = len(layout.delimiter)
    fields = width * (len(layout.columns) - 1) + 1  # two colons have a field between them, which is empty
    ends_line = text == ord("\n")
    marks = np.flatnonzero((text == ord(layout.delimiter[0])) | ends_line)
    if len(marks) % fields:
        raise _NotPlain
    starts = np.concatenate(([2 * WORD], marks[:-1] + 1)).reshape(-1, fields).T
    ends = marks.reshape(-1, fields).T
    if np.count_nonzero(ends_line) != len(ends[-1]) or not ends_line[ends[-1]].all():
        raise _NotPlain
    if (returns := np.count_nonzero(text == ord("\r"))) not in (0, len(ends[-1])):
        raise _NotPlain
    if returns:  # all of them end lines, because others would keep rows from being lines
        ends[-1] -= 1
    if width > 1:
        if (starts[1::width] != ends[1::width]).any():
            raise _NotPlain
        starts, ends = starts[::width], ends[::width]
    return starts, ends


def _ids(
    text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the numbers of fields of digits without zeros before them."""
    widths = ends - starts
    if (widths < 1).any() or ((text[starts] == ord("0")) & (widths > 1)).any():
        raise _NotPlain
    return _whole_numbers(text, ends, widths)


def _decimals(
    text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the numbers of fields of digits, with perhaps a point in a short one; NaN where a field is empty.

    They are the nearest floats to what is written, because the digits are a whole number below 2^53, and the one
    division is rounded once.
    """
    widths = ends - starts
    try:
        if ord(".") in text[starts[0] : ends[0]]:
            raise _NotPlain
        numbers = _whole_numbers(text, ends, widths).astype(np.float64)
    except _NotPlain:
        numbers = _short_decimals(_words(text)[ends - WORD], widths)
    if not widths.all():
        numbers[widths == 0] = np.nan
    return numbers


def _short_decimals(words: npt.NDArray[np.uint64], widths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the numbers that the last bytes of words write in digits with perhaps a point."""
    if widths.max() > WORD:
        raise _NotPlain
    after = np.zeros(len(words), np.int64)  # digits after the point
    for digits in range(1, DECIMALS + 1):
        is_point = (words >> np.uint64(8 * (WORD - 1 - digits)) & np.uint64(0xFF)) == ord(".")
        after[is_point & (widths > digits + 1)] = digits
    has_point, kept = after > 0, KEPT[after]
    moved = (words & kept) | (words << np.uint64(8) & ~kept)  # what is before the point, over it
    return _digits(moved, widths - has_point) / SCALES[after]


def _whole_numbers(
    text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the whole numbers of fields of at most 15 digits, 0 for an empty one."""
    if (longest := widths.max()) > 15:
        raise _NotPlain
    words = _words(text)
    if longest <= WORD:
        return _digits(words[ends - WORD], widths)
    numbers = _digits(words[ends - WORD], np.minimum(widths, WORD))
    numbers += _digits(words[ends - 2 * WORD], np.maximum(widths - WORD, 0)) * 10**WORD
    return numbers


def _words(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Return the word that begins at each byte; its bytes are those of the text, the last one the highest."""
    return np.ndarray(len(text) - WORD + 1, "<u8", text, strides=(1,))


def _digits(words: npt.NDArray[np.uint64], widths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the numbers that the last bytes of words write in digits: in pairs, then in fours, then in eights."""
    digits = words ^ ZEROS
    digits &= MASKS[widths]
    beyond = digits + BEYOND_NINE
    beyond |= digits
    beyond &= HIGH_BITS
    if beyond.any():
        raise _NotPlain
    for shift, base, mask in STEPS:
        lower = digits >> shift
        digits *= base
        digits += lower
        digits &= mask
    return digits.view(np.int64)
