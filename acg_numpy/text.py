"""Text of messages: joined names, counts, tables and lists, and control characters shown as codes."""

import difflib
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from unicodedata import category, combining, east_asian_width

WIDTH = 100  # columns of text on standard output
LONGEST_CELL = 40
MANY_NAMES = 6  # from so many on, names may be given by those that are not among them
FEW_OTHERS = 3
NEAR = 0.75  # least likeness, from 0 to 1, at which one name may stand for another


def joined(names: Sequence[str], last: str = "and") -> str:
    """Join names as a sentence does.

    Examples
    --------
    >>> joined(["key"]), joined(["query", "key", "value"]), joined(["int", "str"], "or")
    ('key', 'query, key and value', 'int or str')
    """
    between = [*separators(len(names), last), ""]
    return "".join(f"{name}{after}" for name, after in zip(names, between, strict=False))


def joined_among(names: Sequence[str], everything: Sequence[str], noun: str = "inputs") -> str:
    """Join names, or say which of all names are not among them if these are few and the names are many.

    Examples
    --------
    >>> layers = [f"W[{i}]" for i in range(12)]
    >>> joined_among(layers[1:], layers), joined_among(layers, layers), joined_among(layers[:2], layers)
    ('all but W[0]', 'all 12 inputs', 'W[0] and W[1]')
    """
    if len(names) < MANY_NAMES:
        return joined(names)
    others = [name for name in everything if name not in names]
    if not others:
        return f"all {len(names)} {noun}"
    return f"all but {joined(others)}" if len(others) <= FEW_OTHERS else joined(names)


def separators(number: int, last: str = "and") -> list[str]:
    """Return what stands between so many names in a sentence.

    Examples
    --------
    >>> separators(3), separators(2, "or"), separators(1)
    ([', ', ' and '], [' or '], [])
    """
    return [*[", "] * (number - 2), *[f" {last} "] * (number > 1)]


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> counted(1, "element"), counted(1200, "element")
    ('1 element', '1,200 elements')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def first_few(names: Iterable[object], most: int = 5) -> str:
    """Quote the first few of many names, and count the others.

    Examples
    --------
    >>> first_few(["ann", "bob"])
    "'ann', 'bob'"
    >>> first_few(range(1200), most=3)
    '0, 1, 2 and 1,197 more'
    """
    every = list(names)
    shown = ", ".join(str(name) if isinstance(name, int) else repr(str(name)) for name in every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most:,} more"


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "", *, head: str = "") -> str:
    """Ask for the nearest of the known names, after a head, or return another text where none is near.

    Examples
    --------
    >>> did_you_mean("trian", ["demo", "train"])
    "did you mean 'train'?"
    >>> did_you_mean("xyz", ["demo", "train"], "known are demo and train")
    'known are demo and train'
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=NEAR)
    return f"{head}did you mean {near[0]!r}?" if near else otherwise


def printable(text: str) -> str:
    r"""Show control characters (tabs, escapes, changes of direction) as codes, so that no text controls a terminal.

    Examples
    --------
    >>> print(printable("a\tb\x1b[31m Jürgen 日本"))
    a\tb\x1b[31m Jürgen 日本
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def display_width(text: str) -> int:
    """Count the columns that text takes on a terminal: two for a wide letter, none for an accent.

    Examples
    --------
    >>> display_width("日本"), display_width("e\u0301"), display_width("plain")
    (4, 1, 5)
    """
    return sum(
        0 if combining(letter) or category(letter) in ("Mn", "Me") else 2 if east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def wrapped(sentence: str, head: str = "") -> list[str]:
    """Wrap a sentence after a head; the lines that follow start where the sentence did.

    Examples
    --------
    >>> wrapped("a " * 60, "note: ")[1]
    '      a a a a a a a a a a a a a'
    """
    return textwrap.wrap(sentence, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def paragraph(text: str) -> str:
    """Wrap text to `WIDTH` columns."""
    return textwrap.fill(printable(text), WIDTH, break_on_hyphens=False, break_long_words=False)


def text_list(title: str, points: Sequence[str]) -> Iterator[str]:
    """Lay points out under a title, or return nothing where there are none."""
    if points:
        yield from ("", title)
    for point in points:
        yield from textwrap.wrap(
            printable(point), WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )


def text_table(
    rows: Sequence[Sequence[str]], *, longest: int | None = LONGEST_CELL, rule: bool = True
) -> Iterator[str]:
    r"""Lay a table out, its first row as a header; columns of numbers are aligned to the right, long cells are cut.

    Parameters
    ----------
    rows : sequence of sequences of str
        The last cell of a row that is shorter than the header runs on over the missing columns.
    longest : int, optional
        The length at which a cell is cut; None: nowhere.
    rule : bool
        Whether a line is drawn below the header.

    Examples
    --------
    >>> print("\n".join(text_table([("domain", "items"), ("books", "1,200"), ("日本", "30")])))
    domain  items
    ------  -----
    books   1,200
    日本       30
    >>> rows = [("input", "right", "error"), ("x", "3", "1.5e-11"), ("ids", "held fixed (int64)")]
    >>> print("\n".join(text_table(rows, rule=False)))
    input  right    error
    x          3  1.5e-11
    ids    held fixed (int64)
    """
    shown = [[_short(printable(cell), longest) for cell in row] for row in rows]
    columns: list[list[str]] = [[] for _ in shown[0]]
    for row in shown:
        for column, cell in zip(columns, row if len(row) == len(columns) else row[:-1], strict=False):
            column.append(cell)
    widths = [max(map(display_width, column)) for column in columns]
    numeric = [_are_numbers(column[1:]) for column in columns]
    line = ["-" * places for places in widths]
    for row in [shown[0], line, *shown[1:]] if rule else shown:
        cells = [
            _padded(cell, places, right=right and row is not line)
            for cell, places, right in zip(row, widths, numeric, strict=False)
        ]
        if len(row) < len(columns):
            cells[-1] = row[-1]
        yield "  ".join(cells).rstrip()


def html_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", cell: Callable[[str], str] = escape
) -> str:
    """Write a table as HTML; the first cell of each row names the row.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequences of str
        The last cell of a row that is shorter than the header spans the missing columns.
    caption : str
    cell : callable
        Returns the HTML of a cell; escapes it by default.

    Examples
    --------
    >>> html_table(["name", "shape"], [["<x>", "(3,)"]])
    '<table><thead><tr><th>name</th><th>shape</th></tr></thead><tbody><tr><th>&lt;x&gt;</th><td>(3,)</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{cell(name)}</th>" for name in header)
    lines = []
    for row in rows:
        spans = [""] * len(row)
        if len(row) < len(header):
            spans[-1] = f" colspan='{len(header) - len(row) + 1}'"
        tags = ["th", *["td"] * (len(row) - 1)]
        cells = (f"<{tag}{span}>{cell(one)}</{tag}>" for tag, span, one in zip(tags, spans, row, strict=True))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _padded(cell: str, places: int, *, right: bool) -> str:
    space = " " * (places - display_width(cell))
    return space + cell if right else cell + space


def _short(cell: str, longest: int | None) -> str:
    return cell if longest is None or len(cell) <= longest else cell[: longest - 1] + "…"


def _are_numbers(cells: Sequence[str]) -> bool:
    """Check whether a column holds numbers, a point for 0 among them; some may be left out."""
    written = [cell for cell in cells if cell]
    return bool(written) and all(cell == "." or _is_number(cell) for cell in written)


def _is_number(cell: str) -> bool:
    mantissa, _, exponent = cell.removesuffix("%").partition("e")
    digits = mantissa.replace(",", "").replace(".", "").removeprefix("-")
    return cell in ("nan", "inf") or ((digits + exponent.lstrip("+-")).isdecimal() and digits.isdecimal())
