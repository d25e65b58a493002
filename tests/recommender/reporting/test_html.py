"""The page is whole, stands alone, can be read by anyone, and takes no name for markup."""

import re
from html.parser import HTMLParser

import pytest
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
from acg_numpy.recommender.reporting.html import render_fragment, render_page
from acg_numpy.text import printable

PNG = bytes(16) + (960).to_bytes(4, "big") + (720).to_bytes(4, "big")
WIDE = bytes(16) + (1500).to_bytes(4, "big") + (720).to_bytes(4, "big")
NASTY = "<script>alert('1')</script> & \"x\" **b** `c` | [l](u) \\ #"


class Read(HTMLParser):
    """The page as a browser reads it: tags that are open at the end, attributes, and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(alt="A map", caption="Bright is much.", png=PNG):
    blocks = [
        Paragraph(["In short."]),
        Heading(2, "Where it went"),
        Paragraph(["Words."]),
        Figure("map.png", alt, caption),
        Paragraph(["After."]),
    ]
    return render_page(Document("A run", blocks), {"map.png": png}, "Made.")


@given(st.text())
def test_any_text_comes_through_a_browser_as_it_is_printed(text):
    document = Document(text, [Paragraph([text]), BulletList([text]), Table([text, text], [[text, "1"]])])
    read = Read(render_fragment(document))
    assert {tag for tag, _ in read.tags} <= {
        *("h3", "p", "ul", "li"),
        *("div", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert read.open == []
    assert read.text == "\n".join([printable(text)] * 3) + "\n" + printable(text) * 3 + "1"


@given(st.text())
def test_strong_text_and_code_are_just_that_with_text_within(text):
    read = Read(render_fragment(Document("", [Paragraph([[Strong(text), Code(text)]])])))
    assert [tag for tag, _ in read.tags] == ["h3", "p", "strong", "code"]
    assert read.text == "\n" + printable(text) * 2


def test_a_page_is_one_whole_file_without_script_or_network():
    html = page()
    read = Read(html)
    assert read.open == []
    assert html.startswith("<!doctype html>")
    tags = [tag for tag, _ in read.tags]
    assert not {"script", "link", "iframe"} & set(tags)
    assert not re.search(r"https?:|url\(|@import", html)
    [image] = [attributes for tag, attributes in read.tags if tag == "img"]
    assert image["src"].startswith("data:image/png;base64,")
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in read.tags
    assert "prefers-color-scheme: dark" in html
    for words in ("A run", "In short.", "Where it went", "Words.", "Bright is much.", "After.", "Made."):
        assert words in read.text


def test_links_at_the_top_lead_to_the_headings():
    read = Read(page())
    targets = {attributes["href"] for tag, attributes in read.tags if tag == "a"}
    assert targets == {f"#{attributes['id']}" for tag, attributes in read.tags if tag == "h2"} == {"#where-it-went"}


def test_a_picture_keeps_its_size_and_its_words_whatever_they_are():
    read = Read(page(alt=NASTY, caption=NASTY))
    [image] = [attributes for tag, attributes in read.tags if tag == "img"]
    assert image["alt"] == NASTY
    assert (image["width"], image["height"]) == ("614", "460")  # at 96 dots an inch
    assert NASTY in read.text
    assert "script" not in [tag for tag, _ in read.tags]


def test_a_wide_picture_is_scrolled_by_keyboard_and_a_narrow_is_not():
    def reached(html):
        return [attributes for tag, attributes in Read(html).tags if attributes.get("class") == "wide"]

    assert reached(page()) == []
    [region] = reached(page(png=WIDE))
    assert region["tabindex"] == "0"
    assert region["aria-label"]


def test_tables_have_headers_for_rows_and_columns_and_attention_stands_out():
    table = Table(["model", "NDCG@10"], [["popularity", "0.1"], [[Strong("attention")], "0.2 (+0.1)"]])
    html = render_fragment(Document("", [table]))
    assert '<th scope="col">NDCG@10</th>' in html
    assert '<tr><th scope="row">popularity</th><td>0.1</td></tr>' in html
    assert '<tr class="us"><th scope="row"><strong>attention</strong></th><td>0.2<br>(+0.1)</td></tr>' in html


def test_the_sentences_of_a_paragraph_are_one_paragraph():
    blocks = [Paragraph(["a", ("b ", Code("c"))]), Paragraph(["d"]), BulletList(["e", "f"]), Heading(2, "g")]
    assert render_fragment(Document("t", blocks)).split("\n", 1)[1] == (
        "<p>a b <code>c</code></p>\n<p>d</p>\n<ul><li>e</li><li>f</li></ul>\n<h4>g</h4>"
    )


@pytest.mark.parametrize("level", [1, 2])
def test_the_headings_of_a_fragment_stand_below_those_of_the_notebook(level):
    html = render_fragment(Document("", [Heading(level, "a")]))
    assert f"<h{level + 2}>a</h{level + 2}>" in html
