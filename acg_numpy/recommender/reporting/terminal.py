"""A report as text for a terminal: tables in columns, paragraphs wrapped, control characters as codes."""

import textwrap
from collections.abc import Iterator

from acg_numpy.recommender.reporting.document import (
    Block,
    BulletList,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
    Text,
    plain_text,
)
from acg_numpy.text import WIDTH, printable, text_table


def render_terminal(document: Document) -> str:
    r"""Render a document for reading in a terminal.

    Examples
    --------
    >>> from acg_numpy.recommender.reporting.document import Code, Strong
    >>> table = Table(["model", "NDCG"], [[[Strong("attention")], "0.5"], ["film", "0.25"]])
    >>> print(render_terminal(Document("Title", [table, Paragraph([("See ", Code("film"), " in\x1b[2J.")])])))
    Title
    <BLANKLINE>
    model      NDCG
    ---------  ----
    attention   0.5
    film       0.25
    <BLANKLINE>
    See film in\x1b[2J.
    """
    blocks: list[Block] = [Heading(1, document.title), *document.blocks]
    return "\n\n".join("\n".join(_lines(block)) for block in blocks)


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text=text):
            yield from _wrapped(text)
        case Paragraph(sentences=sentences):
            for sentence in sentences:
                yield from _wrapped(sentence)
        case BulletList(items=items):
            for item in items:
                yield from _wrapped(item, "- ")
        case Table(header=header, rows=rows):
            yield from text_table([header, *([plain_text(cell) for cell in row] for row in rows)])
        case Figure(file=file, alt=alt, caption=caption):
            yield from _wrapped(f"{file}: {alt}")
            yield from _wrapped(caption)


def _wrapped(text: Text, mark: str = "") -> list[str]:
    """Wrap a text; the lines after the first start where the text did, after the mark."""
    return textwrap.wrap(
        printable(plain_text(text)),
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
    )
