"""How does text look on a terminal?  Tables in columns, paragraphs wrapped, and no id that plays tricks with it."""

import difflib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from unicodedata import category, combining, east_asian_width

WIDTH = 100  # columns of text on standard output
LONGEST_CELL = 40


def printable(text: str) -> str:
    r"""Show letters that steer a terminal (tabs, escapes, changes of direction) as what they are.

    Examples
    --------
    >>> print(printable("a\tb\x1b[31m Jürgen 日本"))
    a\tb\x1b[31m Jürgen 日本
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def width(text: str) -> int:
    """Count the places that text takes on a terminal: two for a wide letter, none for an accent.

    Examples
    --------
    >>> width("日本"), width("e\u0301"), width("plain")
    (4, 1, 5)
    """
    return sum(
        0 if combining(letter) or category(letter) in ("Mn", "Me") else 2 if east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def table(rows: Sequence[Sequence[str]], *, longest: int | None = LONGEST_CELL) -> Iterator[str]:
    """Lay a table out, its first row as a header; columns of numbers end below each other, longer cells are cut.

    Examples
    --------
    >>> print("\\n".join(table([("domain", "items"), ("books", "1,200"), ("日本", "30")])))
    domain  items
    ------  -----
    books   1,200
    日本       30
    """
    shown = [[_short(printable(cell), longest) for cell in row] for row in rows]
    columns = list(zip(*shown, strict=True))
    widths = [max(map(width, column)) for column in columns]
    numbers = [len(column) > 1 and all(map(_is_number, column[1:])) for column in columns]
    for n, row in enumerate([shown[0], ["-" * places for places in widths], *shown[1:]]):
        cells = [
            " " * (places - width(cell)) + cell if right and n != 1 else cell + " " * (places - width(cell))
            for cell, places, right in zip(row, widths, numbers, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def paragraph(text: str) -> str:
    """Wrap text to the width of a page."""
    return textwrap.fill(printable(text), WIDTH, break_on_hyphens=False, break_long_words=False)


def listed(title: str, points: Sequence[str]) -> Iterator[str]:
    """Lay points out under a title, or nothing where there are none."""
    if points:
        yield from ("", title)
    for point in points:
        yield from textwrap.wrap(
            printable(point), WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )


def _short(cell: str, longest: int | None) -> str:
    return cell if longest is None or len(cell) <= longest else cell[: longest - 1] + "…"


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").removeprefix("-").removesuffix("%").isdecimal()


def wrapped(sentence: str, head: str) -> list[str]:
    """A sentence under a head, at most 100 wide."""
    return textwrap.wrap(sentence, width=100, initial_indent=head, subsequent_indent=" " * len(head))


def name_list(names: list[str]) -> str:
    """One is wrong; two and three are wrong.

    Examples
    --------
    >>> name_list(["key"]), name_list(["query", "key", "value"])
    ('key is', 'query, key and value are')
    """
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    Examples
    --------
    >>> count(1, "element"), count(3, "element")
    ('1 element', '3 elements')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the known names, as the end of a sentence.

    Examples
    --------
    >>> suggestion("trian", ["demo", "train"])
    "; did you mean 'train'?"
    >>> suggestion("xyz", ["demo", "train"])
    ''
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
