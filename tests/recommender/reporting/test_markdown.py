"""A reader of Markdown sees every name as it is printed, and no name makes a block of its own."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from acg_numpy.recommender.reporting.document import (
    BulletList,
    Code,
    Document,
    Figure,
    Heading,
    Paragraph,
    Strong,
    Table,
)
from acg_numpy.recommender.reporting.markdown import escape_markdown, render_markdown
from acg_numpy.text import printable

WIDTHS = st.sampled_from([None, 20, 100])
# letters that mean something, more often than among all letters
MEANT = st.text(st.one_of(st.sampled_from("-+*_=~`#>|<&;:![](){}\\/$.1 \n\t ab"), st.characters()), max_size=60)


def parsed(markdown):
    """Types of the blocks, and the text and types of what stands in their lines, as a reader of Markdown sees them."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    blocks, text, inline = [], [], set()
    for token in reader.parse(markdown):
        if token.type.endswith("_open"):
            blocks.append(token.tag)
        elif token.type not in ("inline",) and not token.type.endswith("_close"):
            blocks.append(token.type)
        for child in token.children or ():
            inline.add(child.type)
            text.append(" " if child.type == "softbreak" else child.content)
        if token.type == "inline":
            text.append("\n")
    return blocks, "".join(text), inline


def squeezed(text):
    return " ".join(text.split())


@given(MEANT, WIDTHS)
@example("1. a", None)
@example("- a", 20)
@example("===", None)
@example("_a_ __b__ a_b", None)
@example("~~~", None)
@example("&lt;b&gt; <b>", None)
def test_any_text_is_read_as_it_is_printed_in_one_paragraph(text, width):
    assume(text.strip(" "))
    blocks, read, inline = parsed(render_markdown(Document("t", [Paragraph([text])]), width))
    assert blocks == ["h1", "p"]
    assert inline <= {"text", "softbreak"}
    assert squeezed(read) == squeezed(f"t {printable(text)}")


@given(MEANT, WIDTHS)
def test_any_text_is_read_as_printed_in_lists_tables_and_captions(text, width):
    assume(text.strip(" "))
    blocks = [Heading(2, text), BulletList([text]), Table(["h", text], [[text, "1"]]), Figure("a.png", "alt", text)]
    kinds, read, inline = parsed(render_markdown(Document("t", blocks), width))
    table = ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert kinds == ["h1", "h2", "ul", "li", "p", *table, "p", "p"]
    assert inline <= {"text", "softbreak", "image"}
    name = printable(text)
    assert squeezed(read) == squeezed(f"t {name} {name} h {name} {name} 1 alt {name}")


@given(MEANT)
def test_alternative_text_is_read_as_it_is_printed(text):
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark")
    *_, inline, _ = reader.parse(render_markdown(Document("t", [Figure("a.png", f"a{text}b", "")])).split("\n\n")[1])
    [image] = inline.children
    assert image.attrs["src"] == "a.png"
    read = reader.renderer.renderInlineAsText(image.children, reader.options, {})
    assert read == printable(f"a{text}b")


@given(st.text(st.characters(exclude_characters=" \n"), min_size=1))
def test_code_is_read_as_it_is_printed(text):
    blocks = [Paragraph([("a ", Code(text))]), Table(["h"], [[[Code(text)]]])]
    kinds, read, inline = parsed(render_markdown(Document("t", blocks)))
    assert kinds == ["h1", "p", "table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert inline == {"text", "code_inline"}
    assert read == f"t\na {printable(text)}\nh\n{printable(text)}\n"


def test_links_to_the_pictures_and_words_stand_in_their_order():
    blocks = [
        Paragraph(["In short."]),
        Heading(2, "Where"),
        Paragraph(["Words."]),
        Figure("map.png", "A [map]", "Bright."),
        Paragraph(["After."]),
    ]
    text = render_markdown(Document("A run", blocks))
    assert "![A \\[map\\]](map.png)" in text
    order = [text.index(part) for part in ("# A run", "In short.", "## Where", "Words.", "![", "Bright.", "After.")]
    assert order == sorted(order)
    assert "\n\n\n" not in text


def test_with_a_width_it_reads_well_as_it_stands():
    table = Table(["model", "NDCG@10"], [["popularity", "0.1"], [[Strong("us")], "0.25"]])
    blocks = [Paragraph(["word " * 40]), Heading(2, "Table"), table, BulletList([f"{'item ' * 30}"])]
    text = render_markdown(Document("A run", blocks), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "| model      | NDCG@10 |",
        "| ---------- | ------: |",
        "| popularity |     0.1 |",
        "| **us**     |    0.25 |",
    ]
    assert text.count("\n  item") == 1


def test_without_a_width_a_sentence_is_a_line():
    table = Table(["model", "NDCG@10"], [["popularity", "0.1"]])
    text = render_markdown(Document("A run", [Paragraph(["word " * 40, "Two."]), table]))
    assert text.splitlines()[2:] == [
        ("word " * 40).strip(), "Two.", "", "| model | NDCG@10 |", "|---|---|", "| popularity | 0.1 |",
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["word", "1.", "-", "10)", "+", "0.5", "==="]), min_size=1, max_size=80))
def test_no_line_of_a_paragraph_becomes_a_list_when_it_is_wrapped(words):
    text = render_markdown(Document("A run", [Paragraph([" ".join(["So", *words])])]), 100)
    assert not re.search(r"^([-+*]|\d+[.)]|=+$)( |$)", text, re.MULTILINE)
    assert text.replace("\\", "").split() == ["#", "A", "run", "So", *words]


@given(st.text())
def test_what_is_escaped_stands_on_one_line_and_steers_no_terminal(text):
    assert escape_markdown(text).isprintable()
