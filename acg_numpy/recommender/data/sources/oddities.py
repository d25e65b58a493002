"""Oddities of interactions: counted, shown with an example, and with the option that changes what they do.

What certainly loses rows is an error; all else is a note, because only a reader who knows the data can decide it.
"""

import re
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from acg_numpy.recommender.data.interactions import DataError
from acg_numpy.recommender.data.sources.database import identifier, literal
from acg_numpy.recommender.data.sources.lines import line_of_byte, line_of_text
from acg_numpy.recommender.data.sources.numbers.numeric_ids import NumericRows
from acg_numpy.recommender.data.sources.rows import LOW_RATING, SPACES, StagedRows, normal_form_of
from acg_numpy.recommender.data.sources.tables import Table, TextTable
from acg_numpy.text import counted, first_few

LARGEST_SCORE = 100  # a rating above it counts something
PLACEHOLDERS = re.compile(
    r"\(?(no genres? listed|unknown|undefined|uncategori[sz]ed|other|others|misc|none|nan|null|n/?a|-+|\?+|)\)?",
    re.IGNORECASE,
)


def refuse_swallowed_rows(staged: StagedRows, number: int, notes: list[str]) -> None:
    """Refuse a file in which a quote that is never closed has taken rows into a field; note other line breaks.

    Raises
    ------
    DataError
        If a field holds a line that has all separators of a row.
    """
    table, cursor = staged.tables[number], staged.cursor
    if not isinstance(table, TextTable) or table.rows_are_lines or table.layout is None or not table.layout.quote:
        return
    if (rejected := table.swallowing(cursor)) is not None:
        raise _swallowed(table, line_of_byte(table, rejected[0]), rejected[1])
    if table.lines is not None and not _has_more_lines_than_rows(staged, number, table):
        return
    cells = ", ".join(table.text_of(n) for n in range(len(table.columns)))
    rows = cursor.execute(
        f"SELECT unnest(list_filter([{cells}], lambda cell: contains(cell, chr(10)))) FROM {table.relation} "
        f"WHERE contains(concat_ws('', {cells}), chr(10)) LIMIT 1000"
    ).fetchall()
    if not rows:
        return
    separators = len(table.columns) - 1
    for (text,) in rows:
        inside = text.split("\n")[1:]
        if separators and any(line.count(table.layout.delimiter) >= separators for line in inside):
            written = table.layout.quote + text.split("\n")[0].replace(table.layout.quote, 2 * table.layout.quote)
            raise _swallowed(table, line_of_text(table, written), text)
    many = "1,000 or more" if len(rows) == 1000 else f"{len(rows):,}"
    notes.append(f"{table.short_name}: quoted fields with line breaks: {many} (the first: {rows[0][0][:60]!r})")


def _swallowed(table: Table, line: int | None, text: str) -> DataError:
    place = f"{table.name}, line {line}" if line else table.name
    first, *inside = text.strip("\n\r").split("\n")
    return DataError(
        f"{place}: a quote is opened here ({first[-60:]!r}) and not closed in this line, so that it takes "
        f"{counted(len(inside), 'line')} into its field, which hold rows ({inside[0][:60]!r}): close or double the "
        "quote, or read quotes as any other character (quotes=False or --no-quotes)"
    )


def _has_more_lines_than_rows(staged: StagedRows, number: int, table: TextTable) -> bool:
    """Return whether a file has lines that are neither rows nor the header: blank ones, or parts of quoted fields."""
    assert table.lines is not None
    assert table.layout is not None
    rows = sum(count for (source, _), count in staged.counts.items() if source == number)
    rejected, _ = table.rejected(staged.cursor)
    return table.lines > rows + rejected + table.layout.header_lines


def note_ratings(rows: "StagedRows | NumericRows", notes: list[str]) -> None:
    """Note what the ratings are, where they are not looked at, and pairs that are rated high and low."""
    if not rows.has_ratings:
        return
    if (threshold := rows.choice.min_rating) is not None:
        if rows.count(LOW_RATING) and (contradicting := rows.contradicting())[0]:
            number, user, item = contradicting
            notes.append(
                f"items that a user rated more than once, below {threshold:g} and not below it, which count as taken: "
                f"{number:,} (the first: user {user!r}, item {item!r})"
            )
        return
    found = rows.summarise_ratings()
    low, high = found.low, found.high
    if not found.numbers or low == high:
        return
    if found.whole and found.kinds > 20 and high > LARGEST_SCORE:
        what, advice = f"counts from {low:g} to {high:g}", f"--min-rating {max(2, int(low) + 1)} drops the smallest"
    elif low >= 0 and high == 1 and found.whole:
        what, advice = "0 and 1", "--min-rating 1 drops the zeros"
    else:
        threshold = low + 0.75 * (high - low)
        threshold = float(np.ceil(threshold)) if found.whole else threshold
        what, advice = f"from {low:g} to {high:g}", f"--min-rating {threshold:g} keeps the high ones"
    share = f"{found.lowest / found.rows:.0%}" if found.lowest / found.rows >= 0.01 else f"{found.lowest:,}"
    notes.append(
        f"there are ratings, {what}, and they are not looked at: every row counts as taken, also the {share} with "
        f"{low:g} ({advice})"
    )


def note_spellings(staged: StagedRows, role: str, notes: list[str]) -> None:
    """Note ids that differ only in spaces around them, in the form of their characters, or in ".0" at the end."""
    spaces = f"id <> trim(id, {literal(SPACES)})"
    cursor, point = staged.cursor, "ends_with(id, '.0')"
    with_form = (
        f"(SELECT id, CASE WHEN {spaces} OR {point} OR strlen(id) > length(id) THEN {normal_form_of('id')} ELSE id END "
        f"AS form FROM {staged.ids[role]})"
    )
    groups = cursor.execute(
        f"SELECT count(*) OVER (), ids FROM (SELECT list(id ORDER BY id) AS ids FROM {with_form} WHERE form IN "
        f"(SELECT form FROM {with_form} WHERE form <> id) GROUP BY form HAVING count(*) > 1) ORDER BY ids[1] LIMIT 1"
    ).fetchall()
    if groups:
        notes.append(
            f"{role}s that differ only in spaces, in Unicode's form, or in '.0' at the end, read as different ones: "
            f"{groups[0][0]:,} (the first: {first_few(groups[0][1])}); --normalize-ids joins them"
        )
        return
    first, all_spaces, all_points = cursor.execute(
        f"SELECT min(id), bool_and({spaces}), bool_and({point}) FROM {staged.ids[role]}"
    ).fetchall()[0]
    if all_spaces:
        notes.append(f"every {role} has spaces around it (the first: {first!r}); --normalize-ids drops them")
    elif all_points:
        notes.append(
            f"every {role} ends in '.0' (the first: {first!r}), as whole numbers do after a column with missing "
            "values; --normalize-ids drops it"
        )


def note_domains(names: Sequence[str], column: str | None, notes: list[str]) -> None:
    """Note domains in several spellings, and those that stand for none; `column` has them, if it is in the rows."""
    forms: dict[str, list[str]] = defaultdict(list)
    for name in names:
        forms[normal_form(name).casefold()].append(name)
    if several := [group for group in forms.values() if len(group) > 1]:
        notes.append(
            f"domains that differ only in case or in Unicode's form, read as different ones: {len(several):,} (the "
            f"first: {first_few(several[0])}); --normalize-ids joins them"
        )
    if none := [name for name in names if PLACEHOLDERS.fullmatch(name.strip())]:
        without = "a table of items without it"
        if column is not None:
            condition = f"{column if column.isalnum() else identifier(column)} <> {literal(none[0])}"
            without = "--where " + (shlex.quote(condition) if set(condition) & set('"$`\\!') else f'"{condition}"')
        notes.append(f"a domain that stands for none: {first_few(none)}; {without} leaves it out")


def normal_form(name: str) -> str:
    """Return what `normalize_ids` makes of an id, as `normal_form_of` in SQL.

    Examples
    --------
    >>> normal_form(" 12.0"), normal_form("1.50")
    ('12', '1.50')
    """
    if name.isascii() and name[:1] > " " and name[-1:] > " " and not name.endswith(".0"):
        return name
    return re.sub(r"^([0-9]+)\.0$", r"\1", unicodedata.normalize("NFC", name.strip(SPACES)))
