"""Rows of interactions: what is read of each table, which rows count, and codes in place of ids.

Rows are staged in the database as text, one column a role, with a number that says why a row does not count:

    0 it counts     > 0 it is malformed, for the reason of this number     < 0 an option leaves it out
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import numpy.typing as npt

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.database import first_line, identifier, literal, unique_name
from acg_numpy.recommender.data.sources.id_codes import Codes, HashTables, Names, fetch_texts, hash_of
from acg_numpy.recommender.data.sources.lines import find_lines, line_of_byte
from acg_numpy.recommender.data.sources.numbers.rating_summary import RatingSummary, is_number, summarise_texts
from acg_numpy.recommender.data.sources.tables import Table, TextTable, TypedTable
from acg_numpy.recommender.data.sources.text_layout import split_line

if TYPE_CHECKING:
    Cursor = duckdb.DuckDBPyConnection

SPACES = " \t\xa0"
LONGEST_ID = 1000  # characters
REMEMBERED = 5  # malformed rows that are described one by one
ID_ROLES = ("user", "item", "domain")
ROLES = (*ID_ROLES, "rating", "timestamp", "title")
MISSING = ("nan", "NaN", "NAN", "none", "None", "NONE", "null", "Null", "NULL", "<NA>", "\\N", "NaT", "N/A", "#N/A")

LOW_RATING, NOT_CHOSEN, UNDECIDED = -1, -2, -3
EMPTY, TOO_LONG, BREAK, MISSING_ID = 1, 2, 3, 4  # and 10 for each role before it
NOT_A_NUMBER, HEADER_AGAIN = 91, 92
PLAIN = frozenset(("and", "or", "not", "in", "is", "null", "between", "like", "true", "false"))  # in a condition
OF_CONDITIONS = (duckdb.BinderException, duckdb.ParserException, duckdb.ConversionException, duckdb.CatalogException)


@dataclass(frozen=True)
class Choice:
    """Which rows count.

    Attributes
    ----------
    min_rating : float, optional
        Rows with a rating below it do not.
    where : str, optional
        A condition in SQL over the columns of the table.
    keep_null_ids : bool
        Whether `nan`, `NULL` and the like are ids, and not missing ones.
    normalize_ids : bool
        Whether ids lose spaces around them and ".0" at the end of whole numbers, and take Unicode's composed form.
    """

    min_rating: float | None = None
    where: str | None = None
    keep_null_ids: bool = False
    normalize_ids: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty condition."""
        if self.where is not None and not self.where.strip():
            raise DataError("where is empty: leave it out, or write a condition such as 'rating >= 4'")


class ConditionError(DataError):
    """A condition that cannot be evaluated on a table."""


@dataclass
class StagedRows:
    """The rows of one or several tables: text in a table of the database, and a view of what has columns already.

    A view is scanned for each question, which costs less than to keep its rows, because the database reads no column of
    Parquet that a question does not need.  Text is parsed once, and so are bytes that stand for text; and a condition
    that may give other rows or another order each time, as `random() < 0.1` does, is evaluated once.
    """

    cursor: "Cursor"
    tables: Sequence[Table]
    roles: Mapping[str, Sequence[int | None]]  # the column of each role in each table
    choice: Choice
    name: str = ""
    counts: dict[tuple[int, int], int] = field(default_factory=dict)  # of rows of each table with each status
    ids: dict[str, str] = field(default_factory=dict)  # the table of the ids of each role that was encoded

    @classmethod
    def stage(
        cls, cursor: "Cursor", tables: Sequence[Table], roles: Mapping[str, Sequence[int | None]], choice: Choice
    ) -> "StagedRows":
        """Read the tables.

        Raises
        ------
        DataError
            If a table cannot be read; a ConditionError if the condition cannot be evaluated.
        """
        staged = cls(cursor, tables, roles, choice, unique_name("rows"))
        selected = [staged._select(number, table) for number, table in enumerate(tables)]
        as_view = staged._can_be_read_again()
        if not as_view:
            columns = ", ".join(f"{role} VARCHAR" for role in staged.present)
            cursor.execute(f"CREATE TEMP TABLE {staged.name} (source INTEGER, {columns}, status TINYINT)")
        for number, table in enumerate(tables):
            try:
                if not as_view:
                    cursor.execute(f"INSERT INTO {staged.name} {selected[number]}")
                staged._count(number, f"({selected[number]})" if as_view else staged.name)
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                raise staged._error(table, error) from error
        if as_view:
            cursor.execute(f"CREATE TEMP VIEW {staged.name} AS {' UNION ALL '.join(selected)}")
        return staged

    @cached_property
    def present(self) -> list[str]:
        """The roles that have a column in any table."""
        return [role for role in ROLES if any(position is not None for position in self.roles.get(role, ()))]

    @cached_property
    def counting(self) -> str:
        """SQL for the rows that count; without a condition where all do, because it costs more than the rest."""
        return self.name if all(not status for _, status in self.counts) else f"(FROM {self.name} WHERE status = 0)"

    def _can_be_read_again(self) -> bool:
        """Return whether each scan gives the same rows in the same order, whichever columns it reads."""
        for number, table in enumerate(self.tables):
            positions = [self.roles[role][number] for role in self.present]
            if not isinstance(table, TypedTable) or any(p is not None and table.types[p] == "BLOB" for p in positions):
                return False
            if self.choice.where is not None and not _is_plain(self.choice.where, table.columns):
                return False
        return True

    def _count(self, number: int, relation: str) -> None:
        found = self.cursor.execute(
            f"SELECT status, count(*) FROM {relation} WHERE source = {number} GROUP BY ALL"
        ).fetchall()
        self.counts |= {(number, status): count for status, count in found}

    def _select(self, number: int, table: Table) -> str:
        texts = {role: self._text(number, table, role) for role in self.present}
        selected = ", ".join(f"{text} AS {identifier(f'the {role}')}" for role, text in texts.items())
        rows, condition = f"(SELECT {selected} FROM {table.relation})", ""
        if self.choice.where is not None:  # on a line of its own, because it may end in a comment
            selected += ", " + ", ".join(_typed_columns(self.cursor, table))
            condition = identifier("the condition")
            rows = (
                f"(SELECT *, CAST((\n{self.choice.where}\n) AS BOOLEAN) AS {condition} "
                f"FROM (SELECT {selected} FROM {table.relation}))"
            )
        names = {role: identifier(f"the {role}") for role in self.present}
        roles = ", ".join(f"{name} AS {identifier(role)}" for role, name in names.items())
        status = self._status(number, table, names, condition)
        return f"SELECT {number} AS source, {roles}, CAST({status} AS TINYINT) AS status FROM {rows}"

    def _text(self, number: int, table: Table, role: str) -> str:
        position = self.roles[role][number] if role in self.roles else None
        if position is None:
            return "CAST(NULL AS VARCHAR)"
        text = table.text_of(position)
        if role == "rating" and _has_decimal_commas(table, position):
            text = f"replace({text}, ',', '.')"
        if role in ID_ROLES and self.choice.normalize_ids:
            text = normal_form_of(text)
        return text

    def _status(self, number: int, table: Table, names: Mapping[str, str], condition: str) -> str:
        """Write the CASE that decides whether a row counts."""
        present = [role for role in ID_ROLES if role in self.roles and self.roles[role][number] is not None]
        cases = []
        numbered = table.columns == tuple(str(n + 1) for n in range(len(table.columns)))  # without a header
        if isinstance(table, TextTable) and len(present) > 1 and not numbered:
            header = [
                f"{names[role]} = {literal(table.columns[position])}"
                for role in present
                if (position := self.roles[role][number]) is not None
            ]
            cases.append((" AND ".join(header), HEADER_AGAIN))
        for role in present:
            rank, text = ID_ROLES.index(role), names[role]
            cases.append((f"{text} IS NULL OR {text} = ''", EMPTY + 10 * rank))
            if isinstance(table, TypedTable) and table.is_whole(self.roles[role][number]):
                continue
            cases.append((f"strlen({text}) > {LONGEST_ID} AND length({text}) > {LONGEST_ID}", TOO_LONG + 10 * rank))
            if not (isinstance(table, TextTable) and table.rows_are_lines):
                marks = " OR ".join(f"contains({text}, chr({code}))" for code in (10, 13, 0))
                cases.append((marks, BREAK + 10 * rank))
            if role != "domain" and not self.choice.keep_null_ids:
                missing = (
                    f"strlen({text}) <= {max(map(len, MISSING))} AND {text} IN ({', '.join(map(literal, MISSING))})"
                )
                cases.append((missing, MISSING_ID + 10 * rank))
        if self.choice.min_rating is not None and "rating" in self.roles:
            cases.append((f"NOT coalesce({is_number(names['rating'])}, false)", NOT_A_NUMBER))
        if condition:
            cases.append((f"{condition} IS NULL", UNDECIDED))
            cases.append((f"NOT {condition}", NOT_CHOSEN))
        if self.choice.min_rating is not None and "rating" in self.roles:
            cases.append((f"CAST({names['rating']} AS DOUBLE) < {self.choice.min_rating!r}", LOW_RATING))
        return "CASE " + " ".join(f"WHEN {when} THEN {then}" for when, then in cases) + " ELSE 0 END"

    def _error(self, table: Table, error: duckdb.Error) -> DataError:
        if self.choice.where is not None and (
            isinstance(error, OF_CONDITIONS) or "for the following parameters" in str(error)
        ):
            return ConditionError(
                f"where={self.choice.where!r} cannot be evaluated on {table.name}: {first_line(error)}; its columns "
                "are " + ", ".join(map(identifier, table.columns))
            )
        return table.reading_error(error)

    def count(self, status: int) -> int:
        """Count the rows with a status, over all tables."""
        return sum(number for (_, other), number in self.counts.items() if other == status)

    def note_left_out(self, notes: list[str]) -> None:
        """Note the rows that do not count, and why."""
        for number, table in enumerate(self.tables):
            self._note_malformed(number, table, notes)
        note_low_ratings(self.count(LOW_RATING), self.choice, notes)
        if other := self.count(NOT_CHOSEN):
            notes.append(f"rows for which {self.choice.where!r} does not hold, left out: {other:,}")
        if unknown := self.count(UNDECIDED):
            notes.append(
                f"rows for which {self.choice.where!r} is neither true nor false, because a value in them is missing, "
                f"left out: {unknown:,}"
            )

    def _note_malformed(self, number: int, table: Table, notes: list[str]) -> None:
        staged = sum(count for (source, _), count in self.counts.items() if source == number)
        malformed = sum(count for (source, status), count in self.counts.items() if source == number and status > 0)
        num_rejected, rejected = table.rejected(self.cursor)
        if not malformed + num_rejected:
            return
        first = self.cursor.execute(
            f"SELECT place, status, {', '.join(map(identifier, self.present))} FROM (SELECT row_number() OVER () - 1 "
            f"AS place, * FROM {self.name} WHERE source = {number}) WHERE status > 0 ORDER BY place LIMIT {REMEMBERED}"
        ).fetchall()
        rows = [row[0] for row in first]
        lines = find_lines(table, rows, self.cursor)
        described: list[tuple[float, str]] = []
        for row, line, values in zip(rows, lines, first, strict=True):
            place = f"row {row + 1:,}" if line is None else f"line {line}"
            reason = describe_status(values[1], dict(zip(self.present, values[2:], strict=True)))
            described.append((row if line is None else line, f"{place}: {reason}"))
        for reject in rejected[:REMEMBERED]:
            line = line_of_byte(table, reject.byte)
            described.append((-1 if line is None else line, f"line {line}: {reject.reason}" if line else reject.reason))
        described.sort(key=lambda entry: entry[0])
        shown = "; ".join(_without_repeated_advice([text for _, text in described[:REMEMBERED]]))
        more = "; ..." if malformed + num_rejected > min(len(described), REMEMBERED) else ""
        notes.append(
            f"{table.short_name}: {malformed + num_rejected:,} of {staged + num_rejected:,} rows malformed and left "
            f"out ({shown}{more})"
        )

    def encode(self, role: str) -> "tuple[Codes, Names]":
        """Return codes of a role's ids in the rows that count, and the ids in their order.

        Returns
        -------
        codes : array of int32, shape (R,)
        ids : array of str, shape (number of ids,)
        """
        ids, column = self.ids.setdefault(role, unique_name("ids")), identifier(role)
        self.cursor.execute(
            f"CREATE TEMP TABLE {ids} AS SELECT DISTINCT {column} AS id FROM {self.counting} ORDER BY 1"
        )
        names = fetch_texts(self.cursor, ids)
        for salt in itertools.count():  # until no two ids have the same hash: the first one does in all likelihood
            hashes = self._fetch(f"SELECT {hash_of('id', salt)} AS x FROM {ids} ORDER BY rowid")
            if (tables := HashTables(hashes)).distinct:
                break
        of_rows = self._fetch(f"SELECT {hash_of(column, salt)} AS x FROM {self.counting}")
        if len(of_rows) != self.count(0):
            raise DataError("rows have changed while they were read: read a file that nothing writes to")
        return tables.positions(of_rows), names

    def _fetch(self, query: str) -> npt.NDArray[Any]:
        """Return the column x of a query."""
        return np.ma.getdata(self.cursor.execute(query).fetchnumpy()["x"])

    @property
    def has_ratings(self) -> bool:
        """Whether a table has a column for the rating."""
        return "rating" in self.present

    def summarise_ratings(self) -> RatingSummary:
        """Summarise the ratings of the rows that count."""
        return summarise_texts(self.cursor, self.counting)

    def text_at(self, role: str, row: int) -> str:
        """Return a role's cell in one of the rows that count, by its place among them."""
        found = self.cursor.execute(f"SELECT {identifier(role)} FROM {self.counting} LIMIT 1 OFFSET {row}").fetchone()
        return (found and found[0]) or ""

    def contradicting(self) -> tuple[int, str, str]:
        """Count the pairs of a user and an item in rows that count and in rows with a rating that is too low.

        Returns
        -------
        number : int
        user, item : str
            The first of the pairs.
        """
        pairs = [f'SELECT "user", item FROM {self.name} WHERE status = {status}' for status in (LOW_RATING, 0)]
        both = " INTERSECT ".join(pairs)
        found = self.cursor.execute(
            f'SELECT count(*) OVER (), "user", item FROM ({both}) ORDER BY 2, 3 LIMIT 1'
        ).fetchone()
        return found or (0, "", "")

    def sources(self) -> Codes:
        """Return the number of the table of each row that counts, shape (R,)."""
        return self._fetch(f"SELECT source AS x FROM {self.counting}")

    def titles(self) -> dict[str, str]:
        """Return the title of each item that has one; of several, the first in the order of the alphabet."""
        if all(position is None for position in self.roles.get("title", [])):
            return {}
        rows = self.cursor.execute(
            f"SELECT item, min(title) FROM {self.counting} WHERE trim(title) <> '' GROUP BY item"
        ).fetchall()
        return dict(rows)

    def numbers(self, role: str) -> npt.NDArray[np.float64]:
        """Return a role's cells as numbers in the rows that count, NaN where they are none, shape (R,)."""
        return self._fetch(
            f"SELECT CASE WHEN isfinite(number) AND NOT contains({role}, '_') THEN number "
            f"WHEN isfinite(TRY_CAST({role} AS TIMESTAMPTZ)) THEN epoch(CAST({role} AS TIMESTAMPTZ)) ELSE 'nan' END "
            f"AS x FROM (SELECT {role}, TRY_CAST({role} AS DOUBLE) AS number FROM {self.counting})"
        )


def note_low_ratings(number: int, choice: Choice, notes: list[str]) -> None:
    """Note how many rows have a rating that is too low."""
    if number:
        notes.append(f"rows with a rating below {choice.min_rating:g}, which do not count: {number:,}")


def describe_status(status: int, values: Mapping[str, str | None]) -> str:
    """Describe what is wrong with a row.

    Examples
    --------
    >>> describe_status(EMPTY + 10, {"user": "u", "item": ""})
    'the item is empty'
    """
    if status == HEADER_AGAIN:
        return "it repeats the header"
    if status == NOT_A_NUMBER:
        return f"the rating {values['rating'] or ''!r} is not a number"
    rank, kind = divmod(status, 10)
    role = ID_ROLES[rank]
    text = values[role] or ""
    if kind == EMPTY:
        return f"the {role} is empty"
    if kind == TOO_LONG:
        return f"the {role} is {len(text):,} characters long, more than {LONGEST_ID:,}"
    if kind == MISSING_ID:
        return f"the {role} {text!r} stands for a missing one (keep_null_ids=True or --keep-null-ids takes it as an id)"
    return f"the {role} {text!r} holds a line break or a null character"


def _without_repeated_advice(reasons: Sequence[str]) -> list[str]:
    """Leave out advice, which stands in parentheses at the end of a reason, where a reason before has the same.

    Examples
    --------
    >>> _without_repeated_advice(["line 2: it is null (keep it)", "line 3: it is null (keep it)"])
    ['line 2: it is null (keep it)', 'line 3: it is null']
    """
    seen, shown = set[str](), []
    for reason in reasons:
        what, _, advice = reason.partition(" (")
        shown.append(what if reason.endswith(")") and advice in seen else reason)
        seen.add(advice)
    return shown


def normal_form_of(text: str) -> str:
    """Write SQL for what `normalize_ids` makes of an id."""
    return f"regexp_replace(nfc_normalize(trim({text}, {literal(SPACES)})), '^([0-9]+)[.]0$', '\\1')"


def _is_plain(condition: str, columns: Sequence[str]) -> bool:
    """Return whether a condition has only columns, constants and the words of `PLAIN` in it, and calls no function."""
    bare = re.sub(r"'[^']*'", " ", re.sub(r'"[^"]*"', " quoted_name ", condition)).lower()
    called = re.findall(r"(\w+)\s*\(", bare)
    known = {*PLAIN, "quoted_name", *(column.lower() for column in columns)}
    return known.issuperset(re.findall(r"\b[^\W\d]\w*", bare)) and PLAIN.issuperset(called)


def _typed_columns(cursor: "Cursor", table: Table) -> list[str]:
    """Write the columns of a table under their names: text as numbers, where its first thousand cells are numbers."""
    if isinstance(table, TypedTable):
        return [identifier(column) for column in table.columns]
    places = [n for n in range(len(table.columns)) if n not in table.nested]
    texts = [table.text_of(n) for n in places]
    tests = ", ".join(f"count(x{n}) > 0 AND count(x{n}) = count(TRY_CAST(x{n} AS DOUBLE))" for n in range(len(texts)))
    cells = ", ".join(f"{text} AS x{n}" for n, text in enumerate(texts))
    try:
        numeric = cursor.execute(f"SELECT {tests} FROM (SELECT {cells} FROM {table.relation} LIMIT 1000)").fetchall()[0]
    except duckdb.Error as error:
        raise table.reading_error(error) from error
    return [
        f"{f'TRY_CAST({text} AS DOUBLE)' if number else text} AS {identifier(column)}"
        for text, number, column in zip(texts, numeric, [table.columns[n] for n in places], strict=True)
        if column  # one without a name cannot be meant
    ]


def _has_decimal_commas(table: Table, position: int) -> bool:
    """Return whether the first cells of a column are numbers with decimal commas, as in 4,5."""
    if not isinstance(table, TextTable) or table.layout is None:
        return False
    cells = [split_line(line, table.layout.delimiter, bool(table.layout.quote)) or [] for line in table.sample]
    texts = [row[position].strip('" ') for row in cells if len(row) > position]
    # between commas a quoted 1,234 may be a thousand
    number = re.compile(r"[+-]?\d+(,\d{1,2})?" if table.layout.delimiter == "," else r"[+-]?\d+(,\d*)?|,\d+")
    return any("," in text for text in texts) and all(number.fullmatch(text) for text in texts if text)
