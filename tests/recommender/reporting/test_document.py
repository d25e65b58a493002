"""A document is its blocks: sections begin at headings of level 2, and text is only text."""

from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.reporting.document import (
    Code,
    Heading,
    Paragraph,
    Strong,
    is_strong,
    join_sentences,
    joined_code,
    plain_text,
    split_sections,
)
from acg_numpy.text import joined

BLOCKS = st.one_of(
    st.builds(Heading, st.sampled_from([2, 3]), st.text()), st.builds(Paragraph, st.lists(st.text(), max_size=2))
)
SPANS = st.one_of(st.text(), st.builds(Strong, st.text()), st.builds(Code, st.text()))


@given(st.lists(BLOCKS))
def test_sections_together_are_all_blocks_in_their_order(blocks):
    introduction, sections = split_sections(blocks)
    again = [*introduction, *(block for heading, below in sections for block in (heading, *below))]
    assert again == blocks
    assert not any(isinstance(block, Heading) and block.level == 2 for block in introduction)
    assert [section.heading.level for section in sections] == [2] * len(sections)


@given(st.lists(st.text(min_size=1), max_size=5))
def test_names_in_code_are_joined_as_other_names_are(names):
    assert plain_text(joined_code(names)) == joined(names)
    assert [span.text for span in joined_code(names) if isinstance(span, Code)] == names


@given(st.lists(SPANS))
def test_plain_text_keeps_every_letter_of_every_span(spans):
    assert plain_text(spans) == "".join(span if isinstance(span, str) else span.text for span in spans)
    assert plain_text(join_sentences([spans, "."])) == f"{plain_text(spans)}{' ' if spans else ''}."


def test_a_text_is_strong_where_all_of_it_is():
    assert is_strong([Strong("us")])
    assert not is_strong([Strong("us"), " too"])
    assert not is_strong("us")
