"""Document model of a report: headings, paragraphs, lists, tables and figures, with plain, strong and code text.

`words` and `write` build documents; `terminal`, `markdown` and `html` render them.  Text in a document is only text:
names of domains, items and users stand in it as they are.  Each renderer escapes what has a meaning in its format, and
shows control characters as codes (`acg_numpy.text.printable`), so that no name has to be escaped before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from acg_numpy.text import separators


@dataclass(frozen=True)
class Strong:
    """Text that stands out."""

    text: str


@dataclass(frozen=True)
class Code:
    """A name from a program: a model, a command, an option."""

    text: str


Span: TypeAlias = str | Strong | Code
Text: TypeAlias = str | Sequence[Span]
"""One span, if it is plain, or several in a row."""


@dataclass(frozen=True)
class Heading:
    """A heading; the title of a document is of level 1, so its sections have level 2."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences; where lines are not wrapped to a width, each is a line of its own."""

    sentences: Sequence[Text]


@dataclass(frozen=True)
class BulletList:
    """Items without an order."""

    items: Sequence[Text]


@dataclass(frozen=True)
class Table:
    """A header, and rows whose first cell names them; a row whose name is `Strong` stands out as a whole."""

    header: Sequence[str]
    rows: Sequence[Sequence[Text]]


@dataclass(frozen=True)
class Figure:
    """A picture: the name of its file, its content in words, and how to read it."""

    file: str
    alt: str
    caption: str


Block: TypeAlias = Heading | Paragraph | BulletList | Table | Figure


class Document(NamedTuple):
    """A title, and blocks in reading order."""

    title: str
    blocks: Sequence[Block]


class Section(NamedTuple):
    """A heading of level 2, and the blocks below it."""

    heading: Heading
    blocks: list[Block]


def text_spans(text: Text) -> Sequence[Span]:
    """Return the spans of a text.

    Examples
    --------
    >>> text_spans("NDCG"), text_spans(("as ", Code("film"), " does"))
    (('NDCG',), ('as ', Code(text='film'), ' does'))
    """
    return (text,) if isinstance(text, str) else text


def plain_text(text: Text) -> str:
    """Return a text without saying what is strong or code.

    Examples
    --------
    >>> plain_text(("as ", Code("film"), " does"))
    'as film does'
    """
    return "".join(span if isinstance(span, str) else span.text for span in text_spans(text))


def is_strong(text: Text) -> bool:
    """Return whether a text is strong as a whole.

    Examples
    --------
    >>> is_strong([Strong("attention")]), is_strong("film")
    (True, False)
    """
    return all(isinstance(span, Strong) for span in text_spans(text))


def joined_code(names: Sequence[str]) -> list[Span]:
    """Join names as a sentence does, each as code.

    Examples
    --------
    >>> joined_code(["user", "film"])
    [Code(text='user'), ' and ', Code(text='film')]
    """
    between = [*separators(len(names)), ""]
    return [span for name, after in zip(names, between, strict=False) for span in (Code(name), after) if span]


def join_sentences(sentences: Sequence[Text]) -> list[Span]:
    """Join sentences with spaces.

    Examples
    --------
    >>> join_sentences(["One.", (Code("film"), " leads.")])
    ['One.', ' ', Code(text='film'), ' leads.']
    """
    spans: list[Span] = []
    for sentence in sentences:
        spans += [*([" "] if spans else []), *text_spans(sentence)]
    return spans


def split_sections(blocks: Sequence[Block]) -> tuple[list[Block], list[Section]]:
    """Split blocks into the introduction and the sections, one for each heading of level 2.

    Examples
    --------
    >>> introduction, sections = split_sections([Paragraph(["In short."]), Heading(2, "Where"), Paragraph(["There."])])
    >>> introduction, [section.heading.text for section in sections]
    ([Paragraph(sentences=['In short.'])], ['Where'])
    """
    introduction: list[Block] = []
    sections: list[Section] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            sections.append(Section(block, []))
        else:
            (sections[-1].blocks if sections else introduction).append(block)
    return introduction, sections
