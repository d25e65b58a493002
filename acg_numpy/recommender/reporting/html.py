"""A report as HTML: one page with its pictures and style in it, or a fragment for a cell of a notebook.

The page needs no network and no script.  Text is escaped, control characters are shown as codes.
"""

import base64
import re
import struct
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from acg_numpy.recommender.reporting.document import (
    Block,
    BulletList,
    Code,
    Document,
    Figure,
    Heading,
    Paragraph,
    Section,
    Span,
    Strong,
    Table,
    Text,
    is_strong,
    join_sentences,
    split_sections,
    text_spans,
)
from acg_numpy.text import printable

IMAGE_DPI, CSS_DPI = 150, 96  # dots per inch in a picture, and on a page
NARROW = 640  # CSS pixels: a single panel
NOTEBOOK_LEVEL = 2  # headings of level 1 and 2 are the notebook's own


def render_page(document: Document, images: Mapping[str, bytes], footer: str = "") -> str:
    """Render a document as one HTML file.

    Parameters
    ----------
    document : Document
    images : mapping
        For each figure's file, the PNG.
    footer : str
        Plain text.

    Returns
    -------
    str

    Examples
    --------
    >>> blocks = [Paragraph(["About <b>."]), Heading(2, "Where"), Figure("a.png", "A", "B")]
    >>> page = render_page(Document("A run", blocks), {"a.png": bytes(24)})
    >>> "<p>About &lt;b&gt;.</p>" in page, 'alt="A"' in page, "<script" in page
    (True, True, False)
    """
    introduction, sections = split_sections(document.blocks)
    links = "".join(f'<li><a href="#{_anchor(one)}">{_plain(one.heading.text)}</a></li>' for one in sections)
    parts = [f"<h1>{_plain(document.title)}</h1>", *(_block(block, images) for block in introduction)]
    parts.append(f'<nav aria-label="On this page"><ul>{links}</ul></nav>')
    for section in sections:
        anchor = _anchor(section)
        parts += [f'<section aria-labelledby="{anchor}">', f'<h2 id="{anchor}">{_plain(section.heading.text)}</h2>']
        parts += [*(_block(block, images) for block in section.blocks), "</section>"]
    if footer:
        parts.append(f"<footer><p><small>{_plain(footer)}</small></p></footer>")
    body = "\n".join(parts)
    style = files("acg_numpy.recommender.reporting").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_plain(document.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def render_fragment(document: Document) -> str:
    """Render a document without figures as HTML for a cell of a notebook, its headings below the notebook's own.

    Examples
    --------
    >>> print(render_fragment(Document("A run", [BulletList([(Code("us"), ": <i>"), "them"])])))
    <h3>A run</h3>
    <ul><li><code>us</code>: &lt;i&gt;</li><li>them</li></ul>
    """
    blocks: list[Block] = [Heading(1, document.title), *document.blocks]
    return "\n".join(_block(block, {}, NOTEBOOK_LEVEL) for block in blocks)


def _plain(text: str) -> str:
    return escape(printable(text))


def _inline(text: Text) -> str:
    return "".join(_span(span) for span in text_spans(text))


def _span(span: Span) -> str:
    if isinstance(span, Strong):
        return f"<strong>{_plain(span.text)}</strong>"
    if isinstance(span, Code):
        return f"<code>{_plain(span.text)}</code>"
    return _plain(span)


def _anchor(section: Section) -> str:
    return re.sub(r"[^a-z0-9]+", "-", section.heading.text.lower()).strip("-")


def _block(block: Block, images: Mapping[str, bytes], deeper: int = 0) -> str:
    """Render one block; headings are so many levels deeper than in the document."""
    match block:
        case Heading(level=level, text=text):
            return f"<h{level + deeper}>{_plain(text)}</h{level + deeper}>"
        case Paragraph(sentences=sentences):
            return f"<p>{_inline(join_sentences(sentences))}</p>"
        case BulletList(items=items):
            return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
        case Table():
            return _table(block)
        case Figure(file=file, alt=alt, caption=caption):
            return f"<figure>{_image(images[file], alt)}\n<figcaption>{_plain(caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_plain(cell)}</th>' for cell in table.header)
    rows = []
    for name, *cells in table.rows:
        row_class = ' class="us"' if is_strong(name) else ""
        # a difference in brackets stands below its figure, so that the table is narrower
        row = "".join(f"<td>{_inline(cell).replace(' (', '<br>(')}</td>" for cell in cells)
        rows.append(f'<tr{row_class}><th scope="row">{_inline(name)}</th>{row}</tr>')
    # the table can be scrolled sideways, so the keyboard has to reach it, and a screen reader to name it
    label = _plain(f"{table.header[0]}: {', '.join(table.header[1:])}")
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _image(png: bytes, alt: str) -> str:
    """Return a picture within the page; one of several panels stays wide enough to read, and scrolls if it must."""
    width, height = (side * CSS_DPI // IMAGE_DPI for side in struct.unpack(">II", png[16:24]))
    data = base64.b64encode(png).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{_plain(alt)}" width="{width}" height="{height}">'
    if width <= NARROW:
        return image
    label = _plain(f"Wide picture: {alt.partition('.')[0]}")
    return f'<div class="wide" tabindex="0" role="region" aria-label="{label}">{image}</div>'
