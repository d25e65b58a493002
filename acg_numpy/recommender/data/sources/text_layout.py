"""The layout of a delimited text file: its separator, its header, its quotes and types, found from its first lines.

user,item,domain,rating            user_id:token  item_id:token  rating:float      196::242::3.0
ann,Dune,books,5                   196            242            3.0               186::302::3.0
CSV on the left, with quotes       RecBole: names with types, tabs, no quotes      no header: columns by number
"""

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from acg_numpy.recommender.data.interactions import DataError

LONGEST_HEADER = 1 << 17  # characters; a line beyond it is no header
TYPED = re.compile(r"([^:]+):(token|token_seq|float|float_seq)")
NUMERIC = re.compile(r"\s*[+-]?\d+([.,]\d+)?\s*")


class TextLayout(NamedTuple):
    """How the text is divided into rows and columns.

    Attributes
    ----------
    delimiter : str
    quote : str
        A double quote, or nothing.
    columns : tuple of str
        Names without types; "1", "2", ... where there is no header.
    types : tuple of str
        The type of each column in a RecBole file, else empty strings.
    header_lines : int
        Lines above the first row.
    notes : tuple of str
        What a reader should know of the layout.
    """

    delimiter: str
    quote: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    header_lines: int
    notes: tuple[str, ...] = ()

    @property
    def typed(self) -> bool:
        """Whether the names of the columns carry types, as RecBole's do."""
        return all(self.types)


def find_layout(name: str, lines: Sequence[str], *, header: bool, quotes: bool) -> TextLayout:
    r"""Find the layout from the first lines of a file.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    lines : sequence of str
        The first lines, without line breaks; at least one.
    header : bool
        Whether the first line names the columns.
    quotes : bool
        Whether double quotes enclose fields, as spreadsheets write them.

    Raises
    ------
    DataError
        If the first line cannot be a header.

    Examples
    --------
    >>> find_layout("a.csv", ["user;item", "ann;Dune"], header=True, quotes=True).columns
    ('user', 'item')
    >>> find_layout("u.data", ["196\t242\t3", "186\t302\t3"], header=False, quotes=True).columns
    ('1', '2', '3')
    """
    skipped = 0
    forced = re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff \r"), re.IGNORECASE)
    if forced and len(lines) > 1:  # the first line that spreadsheets write to say how they separated
        skipped = 1
    first = lines[skipped].removeprefix("\ufeff")
    if "\0" in first or len(first) > LONGEST_HEADER:
        raise DataError(f"{name} is not a text file: a header with the names of the columns was expected")
    if not first.strip():
        raise DataError(f"the first line of {name} is blank: a header with the names of the columns was expected")
    delimiter = forced[1] if skipped and forced else find_delimiter(first)
    cells = split_line(first, delimiter, quotes)
    if cells is None:
        raise DataError(
            f"{name}, line {skipped + 1}: a quote is opened in the header and not closed in it; close it, or double it "
            "if it is part of a name (quotes=False or --no-quotes reads quotes as any other character)"
        )
    if not header:
        names = tuple(str(n + 1) for n in range(len(cells)))
        return TextLayout(delimiter, '"' if quotes else "", names, ("",) * len(cells), skipped)
    typed = [TYPED.fullmatch(cell.strip()) for cell in cells]
    if all(typed):
        matches = [match for match in typed if match]
        return TextLayout(delimiter, "", tuple(m[1] for m in matches), tuple(m[2] for m in matches), skipped + 1)
    columns = tuple(cell.strip() for cell in cells)
    return TextLayout(delimiter, '"' if quotes else "", columns, ("",) * len(cells), skipped + 1)


def find_delimiter(line: str) -> str:
    r"""Find the separator: a tab, two colons, a semicolon, a bar or a comma, whichever the line has, in this order.

    Examples
    --------
    >>> [find_delimiter(line) for line in ("a,b", "a;b", "a\tb", "1::2", "a|b", "x,y;z")]
    [',', ';', '\t', '::', '|', ',']
    """
    unquoted = re.sub(r'"[^"]*"', "", line)
    if "\t" in unquoted:
        return "\t"
    if re.search(r"\w::\w", unquoted) and "," not in unquoted:
        return "::"
    if "," in unquoted:
        return ","
    return next((mark for mark in ";|" if mark in unquoted), ",")


def split_line(line: str, delimiter: str, quotes: bool) -> list[str] | None:
    """Split one line into its cells; None where a quote is left open."""
    if not quotes or len(delimiter) > 1:
        return line.split(delimiter)
    csv.field_size_limit(max(csv.field_size_limit(), 2 * LONGEST_HEADER))
    reader = csv.reader([line], delimiter=delimiter, strict=True)
    try:
        return next(reader)
    except csv.Error:
        loose = next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE))
        return None if any(cell.startswith('"') for cell in loose) else loose


def looks_like_data(cells: Sequence[str]) -> bool:
    """Return whether a first line holds numbers, which are hardly the names of columns.

    Examples
    --------
    >>> looks_like_data(["196", "242", "3"]), looks_like_data(["user", "item", "rating"])
    (True, False)
    """
    return any(NUMERIC.fullmatch(cell) for cell in cells)
