"""What is printed keeps its layout, and steers no terminal."""

from hypothesis import given
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
from acg_numpy.recommender.reporting.terminal import render_terminal
from acg_numpy.text import WIDTH, display_width, printable


@given(st.text())
def test_no_text_steers_the_terminal_wherever_it_stands(text):
    spans = [text, Strong(text), Code(text)]
    blocks = [
        Heading(2, text),
        Paragraph([spans]),
        BulletList([spans]),
        Table([text], [[spans]]),
        Figure(text, text, text),
    ]
    assert all(line.isprintable() for line in render_terminal(Document(text, blocks)).split("\n"))


@given(st.text())
def test_no_letter_of_a_paragraph_is_lost(text):
    shown = render_terminal(Document("t", [Paragraph([text])]))
    assert "".join(shown.split()) == "t" + "".join(printable(text).split())


def test_tables_stand_in_columns_and_lines_are_wrapped():
    table = Table(["model", "NDCG@10"], [["popularity", "0.1"], [[Strong("us")], "0.25"]])
    blocks = [Paragraph(["word " * 40, "Two."]), table, BulletList(["item " * 30])]
    text = render_terminal(Document("A run", blocks))
    assert max(map(display_width, text.splitlines())) <= WIDTH
    assert (
        "\nTwo.\n\nmodel       NDCG@10\n----------  -------\npopularity      0.1\nus             0.25\n\n- item" in text
    )
    assert text.count("\n  item") == 1
    assert text.startswith("A run\n\nword")
