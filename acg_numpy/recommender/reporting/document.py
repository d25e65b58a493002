"""How does a run read as a page?  Words, tables and pictures: report.html to be looked at, report.md for a terminal.

Both are made from the same sections, so they say the same.  The page is one file that needs no network and no script;
what stands in it that came from outside, names of domains and of users, is escaped.
"""

import base64
import re
import struct
import textwrap
from collections.abc import Mapping, Sequence
from html import escape, unescape
from typing import Any, NamedTuple

from acg_numpy.text import WIDTH, text_table

# behind a backslash, in a text that is escaped already: a sign that stands for itself, as in Markdown
PUNCTUATION = re.compile(r"\\(&(?:amp|lt|gt|quot|#x27);|[!-/:-@\[-`{-~])")
DOTS, CSS_DOTS = 150, 96  # an inch has so many in a picture, and on a page
NARROW = 640  # of those: a single panel

STYLE = """\
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #fdfdfc; --quiet: #5c5c66; --line: #d9d9de;
  --mark: #eef3f8; --link: #005a9c }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e8; --paper: #17171b; --quiet: #a5a5b0; --line: #3a3a44;
  --mark: #22303c; --link: #7cc0f5 } }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 52rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.2 } h2 { font-size: 1.25rem; margin-top: 2.6rem;
  scroll-margin-top: 1rem }
a { color: var(--link) } code { font-size: .92em }
nav ul { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem; overflow-wrap: normal }
th, td { padding: .3rem 0 .3rem 1.1rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums } th:first-child { padding-left: .3rem; text-align: left }
thead th { color: var(--quiet); font-weight: 500 } tbody th { font-weight: 400 }
tr.us > * { background: var(--mark); font-weight: 600 }
li { margin: .2rem 0 } figure { margin: 1.6rem 0 }
.wide { overflow-x: auto } .wide img { min-width: 36rem }
img { display: block; max-width: 100%; height: auto; background: white; border-radius: 6px }
figcaption { margin-top: .6rem; color: var(--quiet); font-size: .95rem }
@media (prefers-color-scheme: dark) { img { filter: brightness(.88) } }
@media (max-width: 34rem) { tbody th { white-space: normal; min-width: 6.5rem } ul { padding-left: 1.2rem } }
@media print { body { max-width: none } figure, tr { break-inside: avoid } }
"""


class Picture(NamedTuple):
    """A picture in words: the name of its file, what is to be seen, and how it is read."""

    file: str
    alt: str
    caption: str


class Section(NamedTuple):
    """A heading, with Markdown and pictures below it."""

    title: str
    lines: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    after: Sequence[str] = ()  # Markdown below the pictures


def page_markdown(title: str, introduction: Sequence[str], sections: Sequence[Section]) -> str:
    r"""Write the page as Markdown that reads well as it stands, with links to the pictures beside it.

    Examples
    --------
    >>> picture = Picture("map.png", "A map [of sorts]", "Bright is much.")
    >>> print(page_markdown("A run", ["In short."], [Section("Where", pictures=[picture])]))
    # A run
    <BLANKLINE>
    In short.
    <BLANKLINE>
    ## Where
    <BLANKLINE>
    ![A map \[of sorts\]](map.png)
    <BLANKLINE>
    Bright is much.
    <BLANKLINE>
    """
    lines = [f"# {title}", "", *introduction]
    for section in sections:
        lines += ["", f"## {section.title}", "", *section.lines]
        for picture in section.pictures:
            lines += ["", f"![{literal(picture.alt)}]({picture.file})", "", picture.caption]
        lines += ["", *section.after]
    return "\n\n".join(_laid_out(kind, block) for kind, block in _blocks(lines)) + "\n"


def page_html(
    title: str, introduction: Sequence[str], sections: Sequence[Section], images: Mapping[str, bytes], footer: str = ""
) -> str:
    """Write the page as one HTML file.

    Parameters
    ----------
    title : str
    introduction : sequence of str
        Lines of Markdown.
    sections : sequence of Section
    images : mapping
        For each picture's file, the PNG.
    footer : str
        Plain text.

    Returns
    -------
    str

    Examples
    --------
    >>> where = Section("Where", pictures=[Picture("a.png", "A", "B")])
    >>> page = page_html("A run", ["Of <b>."], [where], {"a.png": bytes(24)})
    >>> "<p>Of &lt;b&gt;.</p>" in page, 'alt="A"' in page, "<script" in page
    (True, True, False)
    """
    anchors = [re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") for section in sections]
    links = [
        f'<li><a href="#{anchor}">{escape(section.title)}</a></li>'
        for anchor, section in zip(anchors, sections, strict=True)
    ]
    parts = [f"<h1>{escape(title)}</h1>", markdown_html(introduction)]
    parts.append(f'<nav aria-label="On this page"><ul>{"".join(links)}</ul></nav>')
    for anchor, section in zip(anchors, sections, strict=True):
        parts += [f'<section aria-labelledby="{anchor}">', f'<h2 id="{anchor}">{escape(section.title)}</h2>']
        parts.append(markdown_html(section.lines))
        for picture in section.pictures:
            image = _image(images[picture.file], picture.alt)
            parts.append(f"<figure>{image}\n<figcaption>{inline(picture.caption)}</figcaption></figure>")
        parts += [markdown_html(section.after), "</section>"]
    if footer:
        parts.append(f"<footer><p><small>{escape(footer)}</small></p></footer>")
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
        "</html>\n"
    )


def _image(png: bytes, alt: str) -> str:
    """A picture within the page; one of several panels stays as wide as can be read, and scrolls on a narrow screen."""
    width, height = (side * CSS_DOTS // DOTS for side in struct.unpack(">II", png[16:24]))
    data = base64.b64encode(png).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="{width}" height="{height}">'
    if width <= NARROW:
        return image
    return f'<div class="wide" tabindex="0" role="region" aria-label="Picture, wide">{image}</div>'


def markdown_html(lines: Sequence[str]) -> str:
    """Turn into HTML the Markdown that reports are written in: headings, paragraphs, lists and tables.

    Examples
    --------
    >>> print(markdown_html(["Who leads?", "", "- `us`: <i>", "- them"]))
    <p>Who leads?</p>
    <ul><li><code>us</code>: &lt;i&gt;</li><li>them</li></ul>
    """
    return "\n".join(_block(kind, block) for kind, block in _blocks(lines))


def _blocks(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Tell headings, paragraphs, lists and tables apart."""
    kinds = {"|": "table", "- ": "list", "#": "heading", "![": "picture"}
    blocks: list[tuple[str, list[str]]] = []
    open_block = False
    for line in lines:
        if not line:
            open_block = False
            continue
        kind = next((kind for start, kind in kinds.items() if line.startswith(start)), "paragraph")
        if not (open_block and blocks[-1][0] == kind) or kind == "heading":
            blocks.append((kind, []))
        blocks[-1][1].append(line)
        open_block = True
    return blocks


def _laid_out(kind: str, lines: Sequence[str]) -> str:
    """Markdown for reading as it stands: paragraphs wrapped, the columns of tables below each other."""
    if kind in ("heading", "picture"):
        return lines[0]
    if kind == "table":
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        rows[1] = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        return "\n".join(
            f"| {' | '.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])} |" for row in rows
        )
    if kind == "list":
        return "\n".join(_wrapped(line, "  ") for line in lines)
    return _wrapped(" ".join(lines), "")


def _wrapped(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    taken_for_a_list = any(re.match(r"\s*([-+*]|\d+[.)])(\s|$)", line) for line in lines[1:])
    return text if taken_for_a_list else "\n".join(lines)


def inline(text: str) -> str:
    r"""Escape a text for HTML, and then set **strong** and `code`; a backslash takes the next sign as it is.

    Examples
    --------
    >>> inline(r'a **b** `c < d` & "e" \*\*')
    'a <strong>b</strong> <code>c &lt; d</code> &amp; &quot;e&quot; &#42;&#42;'
    """
    text = PUNCTUATION.sub(lambda found: f"&#{ord(unescape(found[1]))};", escape(text))
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def literal(name: str) -> str:
    r"""Write a name from outside so that Markdown shows it as it is, on one line.

    Examples
    --------
    >>> print(literal("<b> [a](b) **c** sci-fi"))
    \<b\> \[a\](b) \*\*c\*\* sci-fi
    """
    return re.sub(r"([\\`*\[\]<>|#&])", r"\\\1", " ".join(name.split()))


def with_literal_names(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics, with the names of domains as `literal` writes them."""
    told = {**metrics, "domains": [literal(name) for name in metrics["domains"]]}
    if drawn := metrics.get("drawn_candidates"):
        told["drawn_candidates"] = {literal(name): of for name, of in drawn.items()}
    if found := metrics.get("dependence"):
        told["dependence"] = {
            model: {**of, "tokens": {literal(name): row for name, row in of["tokens"].items()}}
            for model, of in found.items()
        }
    return told


def _block(kind: str, lines: Sequence[str]) -> str:
    if kind == "table":
        return _table([[cell.strip() for cell in line.strip("|").split("|")] for line in lines])
    if kind == "list":
        return f"<ul>{''.join(f'<li>{inline(line[2:])}</li>' for line in lines)}</ul>"
    if kind == "heading":
        level = len(lines[0]) - len(lines[0].lstrip("#"))
        return f"<h{level}>{inline(lines[0].lstrip('# '))}</h{level}>"
    return f"<p>{inline(' '.join(lines))}</p>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is the header, whose second is the rule below it, and whose first column names rows."""
    header, _, *body = rows
    head = "".join(f'<th scope="col">{inline(cell)}</th>' for cell in header)
    lines = []
    for name, *cells in body:
        us = ' class="us"' if name.startswith("**") else ""
        row = "".join(f"<td>{inline(cell).replace(' (', '<br>(')}</td>" for cell in cells)  # what is in brackets below
        lines.append(f'<tr{us}><th scope="row">{inline(name)}</th>{row}</tr>')
    # it can be scrolled sideways, so the keyboard has to reach it, and a reader of screens to name it
    told = escape(f"{header[0]}: {', '.join(header[1:])}")
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{told}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def for_terminal(markdown: str) -> str:
    """Lay Markdown out for reading as it stands: tables in columns, paragraphs wrapped.

    Examples
    --------
    >>> print(for_terminal("# Title\\n\\n| model | NDCG |\\n|---|---|\\n| **us** | 0.5 |\\n| somebody | 0.25 |"))
    Title
    <BLANKLINE>
    model     NDCG
    --------  ----
    us         0.5
    somebody  0.25
    """
    lines: list[str] = []
    rows: list[list[str]] = []
    for line in [*markdown.replace("**", "").replace("`", "").splitlines(), ""]:
        if line.startswith("|"):
            if not line.startswith("|---"):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        lines += text_table(rows) if rows else []
        rows = []
        indent = "  " if line.startswith("- ") else ""
        lines += textwrap.wrap(line.lstrip("# "), WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return "\n".join(lines).rstrip()
