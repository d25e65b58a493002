"""Tables line up whatever letters stand in them, and no text controls the terminal."""

from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.text import WIDTH, display_width, joined, paragraph, printable, separators, text_list, text_table


@given(st.text())
def test_what_is_printed_is_printable_and_printed_once_as_it_is(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.just("|")), min_size=1, max_size=6))
def test_the_cells_of_a_column_begin_below_each_other(rows: list[tuple[str, ...]]) -> None:
    lines = list(text_table(rows))
    assert len(lines) == len(rows) + 1
    assert len({display_width(line[: line.rindex("|")]) for line in [lines[0], *lines[2:]]}) == 1


def test_columns_of_numbers_end_below_each_other_and_others_begin_so() -> None:
    assert list(text_table([("item", "score"), ("a", "-1.5"), ("bb", "12.25"), ("c", "1,000")])) == [
        "item  score",
        "----  -----",
        "a      -1.5",
        "bb    12.25",
        "c     1,000",
    ]


def test_long_cells_are_cut_unless_they_are_wanted_whole() -> None:
    assert list(text_table([("item",), ("x" * 50,)]))[2] == "x" * 39 + "…"
    assert list(text_table([("item",), ("x" * 50,)], longest=None))[2] == "x" * 50


def test_points_stand_under_their_title_and_none_without_one() -> None:
    assert list(text_list("Advice", ())) == []
    lines = list(text_list("Advice", ("word " * 40,)))
    assert lines[:2] == ["", "Advice"]
    assert lines[2].startswith("- word")
    assert all(line.startswith("  word") for line in lines[3:])
    assert max(map(len, lines)) <= WIDTH
    assert max(map(len, paragraph("word " * 60).splitlines())) <= WIDTH


@given(st.lists(st.text(), max_size=6), st.sampled_from(["and", "or"]))
def test_joined_names_stand_in_their_order_with_one_last_word(names: list[str], last: str) -> None:
    between = separators(len(names), last)
    assert len(between) == max(len(names) - 1, 0)
    assert between[-1:] == [f" {last} "] * (len(names) > 1)
    assert set(between[:-1]) <= {", "}
    pairs = zip(names, [*between, ""], strict=False)
    assert joined(names, last) == "".join(f"{name}{after}" for name, after in pairs)
