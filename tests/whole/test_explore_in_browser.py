"""The page in headless Chromium: controls change what is shown, and what is shown is what NumPy computes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.exploring import Exploration, gather, write_page
from acg_numpy.recommender.serving import Recommender
from acg_numpy.shapes import Array
from tests.browsing import READABLE, contrast, luminance, opened, overflow, style
from tests.recommender.exploring.ids import LONELY, NAMES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

NEAR = 2e-4  # what is shown has four digits


@pytest.fixture(scope="module")
def opened_page(page_file: Path, browser: "Browser") -> Iterator[tuple["Page", list[str]]]:
    with opened(browser, page_file) as shown:
        yield shown


@pytest.fixture
def page(opened_page: tuple["Page", list[str]]) -> Iterator["Page"]:
    """The page as it opens, of the first user; at the end nothing may have been said or asked."""
    shown, said = opened_page
    shown.uncheck("#compare")
    shown.fill("#search-a", "")
    shown.fill("#temperature", "0")
    for control in ("user-a", "domain", "head"):
        shown.select_option(f"#{control}", "0")
    settle(shown)
    yield shown
    assert said == []


def settle(page: "Page") -> None:
    """Wait for what a control asked for: it is drawn in the next frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def choose(page: "Page", control: str, number: int) -> None:
    page.select_option(f"#{control}", str(number))
    settle(page)


def slide(page: "Page", step: int) -> None:
    page.fill("#temperature", str(step))
    settle(page)


def trace(page: "Page", figure: str, number: int) -> Any:
    """What Plotly draws."""
    return page.evaluate("([id, n]) => document.getElementById(id).data[n]", [figure, number])


def table(page: "Page", column: int, which: str = "tokens") -> list[str]:
    return page.locator(f"#{which} tbody tr > :nth-child({column + 1})").all_inner_texts()


def user(page: "Page", who: str = "a") -> int:
    return int(page.input_value(f"#user-{who}"))


def cosine(x: Array, y: Array) -> float:
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def test_attention_is_shown_for_any_user_domain_and_head(page: "Page", found: Exploration) -> None:
    P = found.attention()
    for u, d, h in [(3, 0, 0), (17, 2, 1), (39, 1, 1)]:
        for control, number in (("user-a", u), ("domain", d), ("head", h)):
            choose(page, control, number)
        bars = trace(page, "attention", 0)
        assert bars["x"] == found.tokens
        np.testing.assert_allclose(bars["y"], P[u, d, h], atol=1e-6)
        assert table(page, 1) == pytest.approx([f"{100 * weight:.1f}%" for weight in P[u, d, h]])
        heads = trace(page, "heads-a", 0)
        np.testing.assert_allclose(heads["z"], P[u, d], atol=1e-6)


def test_tokens_are_named_by_the_items_they_stand_for(page: "Page", found: Exploration) -> None:
    for d, h in [(0, 1), (3, 0)]:
        choose(page, "domain", d)
        choose(page, "head", h)
        expected = [", ".join(found.items[n] for n in places if n >= 0) for places in found.token_items[d, h]]
        assert table(page, 3) == expected


@pytest.mark.parametrize("step", [-19, -7, 0, 8, 19])
def test_the_slider_divides_the_scores_by_a_temperature(page: "Page", found: Exploration, step: int) -> None:
    slide(page, step)
    temperature = 10 ** (-step / 10)
    told = page.inner_text("#temperature-text")
    assert float(told.split(",")[0]) == pytest.approx(temperature, rel=0.05)
    assert told.endswith("as trained") == (step == 0)
    u, d = user(page), int(page.input_value("#domain"))
    np.testing.assert_allclose(trace(page, "heads-a", 0)["z"], found.attention(temperature)[u, d], atol=1e-5)


def test_at_its_ends_the_slider_shows_the_average_and_the_argmax(page: "Page", found: Exploration) -> None:
    u, d = user(page), int(page.input_value("#domain"))
    slide(page, -20)
    np.testing.assert_allclose(trace(page, "heads-a", 0)["z"], 1 / 5, rtol=1e-12)
    assert "spreads over 5.0 of 5 tokens" in page.inner_text("#spread")
    slide(page, 20)
    np.testing.assert_array_equal(trace(page, "heads-a", 0)["z"], np.eye(5)[found.scores[u, d].argmax(axis=-1)])
    assert "spreads over 1.0 of 5 tokens" in page.inner_text("#spread")
    page.click("#trained")
    settle(page)
    assert page.inner_text("#temperature-text") == "1.0, as trained"
    np.testing.assert_allclose(trace(page, "heads-a", 0)["z"], found.attention()[u, d], atol=1e-6)


@pytest.mark.parametrize("step", [0, 10])
def test_the_nearest_are_those_of_the_highest_cosine_at_that_temperature(
    page: "Page", found: Exploration, step: int
) -> None:
    slide(page, step)
    choose(page, "domain", 1)
    choose(page, "user-a", 5)
    conditions = found.conditions(10 ** (-step / 10))[:, 1].astype(np.float64)
    others = [u for u in range(40) if u != 5 and found.reachable[u, 1]]
    expected = sorted((cosine(conditions[5], conditions[u]) for u in others), reverse=True)[:8]
    rows = page.locator("#nearest-a li").all_inner_texts()
    assert [float(row.split()[-1]) for row in rows] == pytest.approx(expected, abs=NEAR)
    page.locator("#nearest-a button").first.click()
    settle(page)
    assert page.is_checked("#compare")
    assert cosine(conditions[5], conditions[user(page, "b")]) == pytest.approx(expected[0], abs=NEAR)


def test_a_condition_s_way_through_the_domains_lies_on_the_plane(page: "Page", found: Exploration) -> None:
    choose(page, "user-a", 7)
    expected = (found.conditions()[7] - found.centre) @ found.plane.T
    way = trace(page, "plane", 2)
    np.testing.assert_allclose(np.column_stack([way["x"], way["y"]]), expected[found.reachable[7]], atol=1e-4)
    assert len(trace(page, "plane", 0)["x"]) + len(trace(page, "plane", 1)["x"]) == np.sum(found.reachable)
    assert len(trace(page, "plane", 1)["x"]) == np.sum(found.reachable[:, 0])


def test_beside_the_plane_stands_how_alike_the_condition_is_in_each_domain(page: "Page", found: Exploration) -> None:
    page.check("#compare")
    choose(page, "user-a", 7)
    choose(page, "user-b", 8)
    choose(page, "domain", 2)
    for column, u in ((1, 7), (2, 8)):
        conditions = found.conditions()[u].astype(np.float64)
        assert found.reachable[u].all()
        expected = [cosine(c, conditions[2]) for c in conditions]
        assert [float(text) for text in table(page, column, "moves")] == pytest.approx(expected, abs=1e-3)
    assert page.locator("#moves tbody th").all_inner_texts() == found.domains.tolist()
    assert page.inner_text("#here") == found.domains[2]


def test_two_users_stand_side_by_side_once_asked_for(page: "Page", found: Exploration) -> None:
    assert not page.is_visible("#heads-b")
    assert page.is_disabled("#user-b")
    page.check("#compare")
    choose(page, "user-a", 2)
    choose(page, "user-b", 30)
    P = found.attention()[:, 0]
    for who, u in enumerate((2, 30)):
        np.testing.assert_allclose(trace(page, "attention", who)["y"], P[u, 0], atol=1e-6)
        np.testing.assert_allclose(trace(page, "heads-" + "ab"[who], 0)["z"], P[u], atol=1e-6)
        assert trace(page, "attention", who)["visible"] is True
        assert trace(page, "plane", 2 + who)["visible"] is True
    places = [page.locator(f"#heads-{who}").bounding_box() for who in "ab"]
    assert places[0] is not None
    assert places[1] is not None
    assert places[0]["y"] == places[1]["y"]
    assert places[0]["x"] + places[0]["width"] <= places[1]["x"]
    page.uncheck("#compare")
    settle(page)
    assert not page.is_visible("#nearest-b")
    assert trace(page, "attention", 1)["visible"] is False


def test_the_search_finds_every_id_on_the_page(page: "Page", found: Exploration) -> None:
    for u, name in enumerate(found.users.tolist()):
        page.fill("#search-a", name.upper() if u % 2 else name)
        assert user(page) == u
    page.fill("#search-a", "script>")
    several = [u for u, name in enumerate(found.users.tolist()) if "script>" in name]
    assert page.locator("#user-a option").evaluate_all("all => all.map(one => Number(one.value))") == several
    assert page.inner_text("#matches-a") == f"{len(several)} of 40"
    page.fill("#search-a", "")
    assert page.locator("#user-a option").count() == 40


def test_who_is_not_on_the_page_is_said_not_to_be(page: "Page") -> None:
    before = user(page)
    page.fill("#search-a", "nobody at all")
    assert page.inner_text("#matches-a") == "none of the 40 on this page, of 80: acg explore --user ID puts one in"
    assert user(page) == before


def test_ids_are_shown_as_they_are_and_run_nothing(page: "Page", found: Exploration) -> None:
    hostile = next(name for name in found.users.tolist() if name.startswith(NAMES[1]))
    page.fill("#search-a", hostile)
    settle(page)
    assert page.locator(".name-a").first.inner_text() == f"A: {hostile}"
    legend = page.locator("#attention .legendtext").first
    assert legend.text_content() == f"A: {hostile[:18]}…{hostile[-9:]}"
    films = found.domains.tolist().index("<i>films</i>")
    choose(page, "domain", films)
    assert "<i>films</i>" in page.locator("#plane").text_content()  # type: ignore[operator]


def test_of_an_unknown_user_it_shows_nothing_and_says_so(page: "Page", found: Exploration) -> None:
    page.fill("#search-a", LONELY)
    choose(page, "domain", found.domains.tolist().index("books"))
    assert page.inner_text("#notice").startswith("Nothing is known of A outside books")
    assert set(table(page, 1)) == {"\N{EN DASH}"}
    assert page.locator("#nearest-a li").count() == 0
    assert len(trace(page, "plane", 2)["x"]) == 3
    assert set(table(page, 1, "moves")) == {"\N{EN DASH}"}
    choose(page, "domain", found.domains.tolist().index("games"))
    assert page.inner_text("#notice") == ""


def test_every_control_is_reached_and_worked_with_the_keyboard(page: "Page", found: Exploration) -> None:
    page.reload()
    settle(page)
    focused = "document.activeElement.id"
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focused))
        if reached[-1] == "compare":
            page.keyboard.press("Space")
    controls = ["search-a", "user-a", "compare", "search-b", "user-b", "domain", "head", "temperature", "trained"]
    assert reached == controls
    page.focus("#temperature")
    page.keyboard.press("End")
    settle(page)
    assert page.inner_text("#temperature-text").startswith("0:")
    assert page.get_attribute("#temperature", "aria-valuetext") == page.inner_text("#temperature-text")
    page.focus("#head")
    page.keyboard.press("ArrowDown")
    settle(page)
    u, d = user(page), int(page.input_value("#domain"))
    assert np.argmax(trace(page, "attention", 0)["y"]) == found.scores[u, d, 1].argmax()
    page.focus("#nearest-a button")
    page.keyboard.press("Enter")
    assert page.evaluate(focused) == "user-b"


def test_every_control_has_a_name(page: "Page") -> None:
    for control in ("search-a", "user-a", "search-b", "user-b", "compare", "domain", "head", "temperature"):
        named = page.evaluate("id => [...document.getElementById(id).labels].map(label => label.innerText)", control)
        assert any(text.strip() for text in named), control


@pytest.fixture(scope="module")
def many(recommender: Recommender) -> Exploration:
    """The same users, over a thousand tokens in each domain."""
    conditioner = AttentionConditioner(8, 2, 4, tokens_per_domain=1000, seed=0)
    return gather(replace(recommender, trained=replace(recommender.trained, conditioner=conditioner)))


@pytest.fixture(scope="module")
def opened_wide(
    many: Exploration, browser: "Browser", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple["Page", list[str]]]:
    path = tmp_path_factory.mktemp("wide") / "many.html"
    write_page(many, path)
    with opened(browser, path) as shown:
        yield shown


@pytest.fixture
def wide(opened_wide: tuple["Page", list[str]]) -> Iterator["Page"]:
    """The page of a thousand tokens, at the temperature of its training."""
    shown, said = opened_wide
    slide(shown, 0)
    yield shown
    assert said == []


def test_of_a_thousand_tokens_those_with_most_weight_are_shown(wide: "Page", many: Exploration) -> None:
    page = wide
    P = many.attention()[user(page), 0, 0]
    expected = np.sort(np.argsort(-P, kind="stable")[:24])
    assert trace(page, "attention", 0)["x"] == [many.tokens[k] for k in expected]
    np.testing.assert_allclose(trace(page, "attention", 0)["y"], P[expected], atol=1e-6)
    assert "the 24 of 1,000 tokens" in page.inner_text("#spread")


def test_of_many_tokens_bars_are_high_enough_to_see(wide: "Page", many: Exploration) -> None:
    place = (user(wide), 0, 0)
    axis = "document.getElementById('attention').layout.yaxis.range[1]"
    for step, temperature in ((0, 1.0), (10, 0.1)):
        slide(wide, step)
        highest = many.attention(temperature)[place].max()
        assert highest <= wide.evaluate(axis) < 2.6 * highest
    slide(wide, 20)
    assert wide.evaluate(axis) == pytest.approx(1.02)


def test_attention_follows_the_slider_in_the_next_frame(wide: "Page", many: Exploration) -> None:
    place = (user(wide), 0, 0)
    drawn = wide.evaluate(
        """async () => {
          const frame = () => new Promise(done => requestAnimationFrame(done)), drawn = [];
          const way = () => JSON.stringify(document.getElementById("plane").data[2].x), before = way();
          document.getElementById("temperature").value = 10;
          document.getElementById("temperature").dispatchEvent(new Event("input"));
          for (const n of [1, 2]) {
            await frame();
            drawn.push([Array.from(document.getElementById("attention").data[0].y), way() !== before]);
          }
          return drawn;
        }"""
    )
    tokens = np.sort(np.argsort(-many.attention()[place], kind="stable")[:24])
    for heights, _ in drawn:
        np.testing.assert_allclose(heights, many.attention(0.1)[place][tokens], atol=1e-5)
    assert [moved for _, moved in drawn] == [False, True]


def test_of_many_tokens_and_users_the_cloud_shows_some_and_says_so(wide: "Page", many: Exploration) -> None:
    known = many.reachable[::2]
    assert wide.inner_text("#cloud") == f"The cloud shows {known.sum()} conditions, of one user in 2."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(page: "Page", scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.check("#compare")
    settle(page)
    paper = style(page, "body", "backgroundColor")
    assert (luminance(paper) > 0.5) == (scheme == "light")
    for selector, name in (
        ("h1", "color"),
        ("#spread", "color"),
        ("th.a", "color"),
        ("th.b", "color"),
        ("#attention .xtick text", "fill"),
        ("#plane .ytitle", "fill"),
        ("#attention .legendtext", "fill"),
    ):
        assert contrast(style(page, selector, name), paper) >= READABLE, selector
    for control in ("#user-a", "#search-a", "#controls button"):
        assert contrast(style(page, control, "color"), style(page, control, "backgroundColor")) >= READABLE, control


def test_every_figure_is_as_wide_as_its_place(page: "Page") -> None:
    page.reload()
    settle(page)
    widths = "id => { const place = document.getElementById(id); return [place, place.querySelector('svg')]" + (
        ".map(one => one.getBoundingClientRect().width); }"
    )
    for figure in ("attention", "heads-a", "plane"):
        place, drawn = page.evaluate(widths, figure)
        assert drawn == pytest.approx(place, abs=1), figure


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_telephone_nothing_sticks_out_of_the_page(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.check("#compare")
    settle(page)
    page.wait_for_function("() => document.querySelector('#plane svg').clientWidth <= innerWidth")
    assert overflow(page) == 0
    page.set_viewport_size({"width": 1200, "height": 1000})
