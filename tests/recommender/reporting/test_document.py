"""The page says what the Markdown says, and nothing from outside it is taken for markup."""

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.reporting.document import (
    Picture,
    Section,
    inline,
    literal,
    markdown_html,
    page_html,
    page_markdown,
    with_literal_names,
)

PNG = bytes(16) + (960).to_bytes(4, "big") + (720).to_bytes(4, "big")
WIDE = bytes(16) + (1500).to_bytes(4, "big") + (720).to_bytes(4, "big")
NASTY = "<script>alert('1')</script> & \"x\" **b** `c` | [l](u) \\ #"


class Read(HTMLParser):
    """What a browser makes of a page: tags that are open at the end, attributes, and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(alt="A map", caption="Bright is much.", png=PNG):
    section = Section("Where it went", ["Words."], [Picture("map.png", alt, caption)], ["After."])
    return page_html("A run", ["In short."], [section], {"map.png": png}, "Made.")


@given(st.text())
def test_any_name_comes_through_a_browser_as_it_is(name):
    read = Read(inline(literal(name)))
    assert read.tags == []
    assert read.text == " ".join(name.split())


@given(st.text())
def test_no_text_makes_a_tag_but_for_strong_and_code(text):
    assert {tag for tag, _ in Read(inline(text)).tags} <= {"strong", "code"}


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
    read = Read(page(alt=NASTY, caption=literal(NASTY)))
    [image] = [attributes for tag, attributes in read.tags if tag == "img"]
    assert image["alt"] == NASTY
    assert (image["width"], image["height"]) == ("614", "460")  # at 96 dots an inch
    assert NASTY in read.text
    assert "script" not in [tag for tag, _ in read.tags]


def test_a_wide_picture_can_be_scrolled_by_keyboard_and_a_narrow_one_need_not():
    def reached(html):
        return [attributes for tag, attributes in Read(html).tags if attributes.get("class") == "wide"]

    assert reached(page()) == []
    [region] = reached(page(png=WIDE))
    assert region["tabindex"] == "0"
    assert region["aria-label"]


def test_markdown_links_to_the_pictures_and_says_the_same():
    section = Section("Where", ["Words."], [Picture("map.png", "A [map]", "Bright.")], ["After."])
    text = page_markdown("A run", ["In short."], [section])
    assert "![A \\[map\\]](map.png)" in text
    order = [text.index(part) for part in ("# A run", "In short.", "## Where", "Words.", "![", "Bright.", "After.")]
    assert order == sorted(order)
    assert "\n\n\n" not in text


def test_markdown_reads_well_as_it_stands():
    table = ["| model | NDCG@10 |", "|---|---|", "| popularity | 0.1 |", "| **us** | 0.25 |"]
    text = page_markdown("A run", ["word " * 40], [Section("Table", table), Section("List", [f"- {'item ' * 30}"])])
    assert max(map(len, text.splitlines())) <= 100
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "| model      | NDCG@10 |",
        "| ---------- | ------: |",
        "| popularity |     0.1 |",
        "| **us**     |    0.25 |",
    ]
    assert text.count("\n  item") == 1


@given(st.lists(st.sampled_from(["word", "1.", "-", "10)", "+", "0.5"]), min_size=1, max_size=80))
def test_no_line_of_a_paragraph_becomes_a_list_when_it_is_wrapped(words):
    text = page_markdown("A run", [" ".join(["So", *words])], [])
    assert not re.search(r"^([-+*]|\d+[.)])( |$)", text, re.MULTILINE)
    assert text.split() == ["#", "A", "run", "So", *words]


def test_tables_have_headers_for_rows_and_columns_and_attention_stands_out():
    html = markdown_html(["| model | NDCG@10 |", "|---|---|", "| popularity | 0.1 |", "| **attention** | 0.2 |"])
    assert '<th scope="col">NDCG@10</th>' in html
    assert '<tr><th scope="row">popularity</th><td>0.1</td></tr>' in html
    assert '<tr class="us"><th scope="row"><strong>attention</strong></th><td>0.2</td></tr>' in html


def test_lines_join_to_paragraphs_and_an_empty_one_parts_them():
    assert markdown_html(["a", "b", "", "c", "- d", "- e", "## f"]) == (
        "<p>a b</p>\n<p>c</p>\n<ul><li>d</li><li>e</li></ul>\n<h2>f</h2>"
    )


def test_names_of_domains_are_literal_wherever_the_metrics_have_them():
    tokens = {"a|b": {"pairs": 1, "unchanged": 0.5, "without": [0.4]}}
    metrics = {
        "domains": ["a|b"],
        "drawn_candidates": {"a|b": {"items": 9, "drawn": 3}},
        "dependence": {"attention": {"tokens": tokens}},
        "users": 3,
    }
    told = with_literal_names(metrics)
    assert (
        told["domains"]
        == list(told["drawn_candidates"])
        == list(told["dependence"]["attention"]["tokens"])
        == ["a\\|b"]
    )
    assert told["users"] == 3
    assert metrics["domains"] == ["a|b"]
