"""What stands in the page is what was gathered, whatever the ids are; and it asks nothing of anybody."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.recommender.exploring import Exploration, write_page
from acg_numpy.recommender.exploring.page import data_as_json, page_summary
from tests.recommender.exploring.ids import NAMES


class Page(HTMLParser):
    """The tags of a page in order, and what stands in its elements with an id, and its title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = dict(attrs).get("id") or (tag if tag == "title" else self._inside)

    def handle_data(self, data: str) -> None:
        self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "title", "p"):
            self._inside = ""


@pytest.fixture(scope="module")
def page(page_file: Path) -> Page:
    return Page(page_file.read_text(encoding="utf-8"))


def numbers(text: str, *shape: int) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


def test_the_numbers_in_the_page_are_those_gathered_to_the_last_bit(page: Page, found: Exploration) -> None:
    data = json.loads(page.texts["data"])
    for name in ("scores", "added", "bias", "centre", "plane"):
        expected = getattr(found, name)
        np.testing.assert_array_equal(numbers(data[name], *expected.shape), expected)
    assert (data["heads"], data["dim"], data["total"]) == (2, 8, 80)
    assert data["reachable"] == "".join(str(int(known)) for known in found.reachable.ravel())
    assert data["tokenItems"] == found.token_items.tolist()


def test_names_come_out_of_the_page_as_they_went_in(page: Page, found: Exploration) -> None:
    data = json.loads(page.texts["data"])
    for name in ("users", "domains", "items"):
        assert data[name] == getattr(found, name).tolist()
    assert page.texts["title"] == "Where attention went: a <title> & more"


@given(st.lists(st.one_of(st.sampled_from([*NAMES, "<!--", "<script>", "\u2028", "\\u003c"]), st.text()), min_size=1))
def test_any_id_is_data_and_never_markup(found: Exploration, names: list[str]) -> None:
    text = data_as_json(replace(found, users=np.array(names)))
    assert "<" not in text
    assert text.isascii()
    assert json.loads(text)["users"] == np.array(names).tolist()


def test_ids_leave_the_markup_of_the_page_as_it_is(page: Page, found: Exploration, tmp_path: Path) -> None:
    harmless = np.array([f"user {n}" for n in range(len(found.users))])
    write_page(replace(found, users=harmless, domains=np.array(list("abcd"))), tmp_path / "plain.html", title="plain")
    assert page.tags == Page((tmp_path / "plain.html").read_text(encoding="utf-8")).tags


def test_the_page_may_load_nothing_and_needs_nothing(page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*\b(?:src|href)=\"(?!data:)", text) == []
    assert re.findall(r"\{\{ [\w-]+ \}\}", text.replace('"{{ data }}', "")) == []


def test_the_page_says_its_users_and_that_weights_are_not_causes(page: Page, found: Exploration) -> None:
    assert (
        "40 of 80 users, drawn at random; domains: 4, with 4 tokens of its own in each and 1 that all share; "
        in (page.texts["facts"])
    )
    assert "weights are not causes" in " ".join(page.texts["facts"].split())
    assert page_summary(replace(found, total=100_000)).startswith("40 of 100,000 users, drawn at random")
    assert page_summary(replace(found, total=40)).startswith("All 40 users")


def test_of_a_single_token_there_is_nothing_to_choose(found: Exploration) -> None:
    one = replace(found, scores=found.scores[..., :1], tokens=["token 0"])
    assert page_summary(one).endswith("attention over a single token is 1 whatever the user.")
