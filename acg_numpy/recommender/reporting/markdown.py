"""A report as Markdown: names from outside escaped, control characters as codes."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from acg_numpy.recommender.reporting.document import (
    Block,
    BulletList,
    Code,
    Document,
    Figure,
    Heading,
    Paragraph,
    Span,
    Strong,
    Table,
    Text,
    join_sentences,
    text_spans,
)
from acg_numpy.text import printable

# an underscore within a word is only an underscore
MARKUP = re.compile(r"[\\`*\[\]<>|#&~$]|(?<![^\W_])_|_(?![^\W_])")
# at the start of a line: a bullet, a rule, the line below a heading; the number of a list's item
LINE_MARK = re.compile(r"^(?=[-+](?:\s|$)|=+\s*$|-+\s*$)")
NUMBER_MARK = re.compile(r"^(\d+)(?=[.)](?:\s|$))")


def render_markdown(document: Document, width: int | None = None) -> str:
    r"""Render a document as Markdown, with links to the pictures beside the file.

    Parameters
    ----------
    document : Document
    width : int, optional
        Columns at which paragraphs and lists are wrapped; the columns of tables are then aligned, too, so that the text
        reads well as it stands.  By default each sentence and each item is a line, however long.

    Returns
    -------
    str
        Ends in a newline.

    Examples
    --------
    >>> blocks = [Paragraph(["In *short*."]), Heading(2, "Where"), Figure("map.png", "A map [of sorts]", "Bright.")]
    >>> print(render_markdown(Document("A run", blocks)))
    # A run
    <BLANKLINE>
    In \*short\*.
    <BLANKLINE>
    ## Where
    <BLANKLINE>
    ![A map \[of sorts\]](map.png)
    <BLANKLINE>
    Bright.
    <BLANKLINE>
    """
    blocks: list[Block] = [Heading(1, document.title), *document.blocks]
    return "\n\n".join("\n".join(_lines(block, width)) for block in blocks) + "\n"


def escape_markdown(text: str) -> str:
    r"""Escape a text so that Markdown shows it as it is, on one line.

    Examples
    --------
    >>> print(escape_markdown("<b> [a](b) **c** sci-fi\n _d_ user_1"))
    \<b\> \[a\](b) \*\*c\*\* sci-fi\\n \_d\_ user_1
    """
    return MARKUP.sub(r"\\\g<0>", printable(text))


def _lines(block: Block, width: int | None) -> Iterator[str]:
    match block:
        case Heading(level=level, text=text):
            yield f"{'#' * level} {_inline(text)}"
        case Paragraph(sentences=sentences) if width is None:
            for sentence in sentences:
                yield from _wrapped(sentence, None)
        case Paragraph(sentences=sentences):
            yield from _wrapped(join_sentences(sentences), width)
        case BulletList(items=items):
            for item in items:
                yield from _wrapped(item, width, "- ")
        case Table(header=header, rows=rows):
            cells = [[_cell(cell) for cell in row] for row in (header, *rows)]
            yield from _compact_table(cells) if width is None else _aligned_table(cells)
        case Figure(file=file, alt=alt, caption=caption):
            yield f"![{escape_markdown(alt)}]({file})"
            yield ""
            yield from _wrapped(caption, width)


def _inline(text: Text) -> str:
    return "".join(_span(span) for span in text_spans(text))


def _span(span: Span) -> str:
    if isinstance(span, Strong):
        return f"**{escape_markdown(span.text)}**"
    if isinstance(span, Code):
        text = printable(span.text)
        fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        space = " " if "`" in text else ""
        return f"{fence}{space}{text}{space}{fence}"
    return escape_markdown(span)


def _cell(text: Text) -> str:
    """Return a cell of a table, where a bar ends the cell within code, too."""
    return "".join(
        _span(span).replace("|", r"\|") if isinstance(span, Code) else _span(span) for span in text_spans(text)
    ).strip()


def _wrapped(text: Text, width: int | None, mark: str = "") -> list[str]:
    """Wrap a text, none of whose lines looks like the start of another block; lines after the first are indented."""
    lines = [_inline(text).strip()]
    if width is not None:
        room = width - len(mark)
        lines = textwrap.wrap(lines[0], room, break_on_hyphens=False, break_long_words=False)
    escaped = [NUMBER_MARK.sub(r"\1\\", LINE_MARK.sub(r"\\", line)) for line in lines]
    return [f"{' ' * len(mark) if n else mark}{line}" for n, line in enumerate(escaped)]


def _compact_table(rows: Sequence[Sequence[str]]) -> list[str]:
    header, *body = (f"| {' | '.join(row)} |" for row in rows)
    return [header, f"|{'---|' * len(rows[0])}", *body]


def _aligned_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay a table out in columns; all but the first, which names the rows, are aligned to the right."""
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:])]
