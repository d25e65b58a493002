"""The report in headless Chromium: all of it is there, can be read on any screen, and reached with the keyboard."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from acg_numpy.recommender.data import read_interactions
from acg_numpy.recommender.reporting import write_report
from acg_numpy.recommender.reporting.words import RANKING
from acg_numpy.recommender.training import fit
from tests.browsing import READABLE, contrast, luminance, opened, overflow, style
from tests.names_from_outside import write_file
from tests.recommender.small_world import small_world

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

TELEPHONES = (320, 390)
MARKUP = "outerHTML.slice(0, 80)"  # of an element, as much as tells which it is


@pytest.fixture(scope="module", params=["made up", "from a file"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a world with known tastes, which has every picture; and of a file whose ids are long and of every kind."""
    out = tmp_path_factory.mktemp("report")
    if request.param == "made up":
        world = small_world()
        write_report(fit(world.interactions, epochs=2), out, world)
    else:
        data = read_interactions(write_file(out / "taken.csv"))
        write_report(fit(data, epochs=2, emb_dim=8, heads=2), out)
    return out / "report.html"


@pytest.fixture(scope="module")
def opened_report(browser: "Browser", report: Path) -> Iterator[tuple["Page", list[str]]]:
    with opened(browser, report) as shown:
        yield shown


@pytest.fixture
def page(opened_report: tuple["Page", list[str]]) -> Iterator["Page"]:
    """The report on a wide screen, from its top; at the end nothing may have been said or asked."""
    shown, said = opened_report
    shown.set_viewport_size({"width": 1200, "height": 900})
    shown.evaluate("() => scrollTo(0, 0)")
    yield shown
    assert said == []


def boxes(page: "Page", selector: str) -> list[dict[str, float]]:
    """Where elements are on the screen."""
    found: list[dict[str, float]] = page.eval_on_selector_all(
        selector, "all => all.map(one => one.getBoundingClientRect().toJSON())"
    )
    return found


def test_all_pictures_are_shown_and_have_words(page: "Page") -> None:
    pictures = page.eval_on_selector_all("img", "all => all.map(one => [one.complete, one.naturalWidth, one.alt])")
    assert len(pictures) >= 8
    for complete, width, alt in pictures:
        assert complete
        assert width > 0
        assert len(alt) > 60
    assert page.locator("figure > figcaption").count() == len(pictures)


def test_headings_are_an_outline_and_links_lead_to_them(page: "Page") -> None:
    assert page.locator("h1").count() == 1
    titles = page.locator("h2").all_inner_texts()
    assert page.locator("nav a").all_inner_texts() == titles
    assert page.locator("html").get_attribute("lang") == "en"
    for title in titles:
        page.locator("nav a", has_text=title).click()
        box = page.locator("h2", has_text=title).bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900


@pytest.mark.parametrize("width", [*TELEPHONES, 700, 1200])
def test_nothing_sticks_out_of_the_page(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert overflow(page) == 0
    for box in boxes(page, ".table, .wide, figcaption, p, li, h1, h2"):
        assert box["left"] >= 0
        assert box["right"] <= width


@pytest.mark.parametrize("width", TELEPHONES)
def test_a_telephone_shows_models_beside_ndcg_and_scrolls_to_the_rest(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    section = f'section:has(h2:text-is("{RANKING}"))'
    rows = f"{section} .table:first-of-type tbody tr"
    names, ndcg = (boxes(page, f"{rows} > :nth-child({column})") for column in (1, 2))
    assert len(names) >= 9
    assert all(box["right"] <= width for box in (*names, *ndcg))
    size = float(style(page, "td", "fontSize").removesuffix("px"))
    assert size >= 13
    region = page.locator(f"{section} .table").first
    seconds = region.locator("tbody tr:first-child > :last-child")
    region.focus()
    page.keyboard.press("End")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("cell => cell.getBoundingClientRect().right <= innerWidth", arg=seconds.element_handle())


@pytest.mark.parametrize("width", TELEPHONES)
def test_on_a_telephone_one_panel_fits_and_several_stay_readable(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert all(box["right"] <= width for box in boxes(page, "figure > img"))
    wide = boxes(page, ".wide img")
    assert wide
    assert min(box["width"] for box in wide) > 500


def test_the_keyboard_reaches_links_and_what_scrolls_in_the_pages_order(page: "Page", report: Path) -> None:
    page.goto("about:blank")  # or the first stop would come after what was clicked last
    page.goto(report.as_uri())
    page.set_viewport_size({"width": TELEPHONES[1], "height": 800})
    stops = page.eval_on_selector_all("a, button, input, [tabindex]", f"all => all.map(one => one.{MARKUP})")
    scroll = page.eval_on_selector_all(
        "body *",
        "all => all.filter(one => one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX === 'auto')"
        f".map(one => one.{MARKUP})",
    )
    reached = []
    for _ in stops:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"document.activeElement.{MARKUP}"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached == stops
    assert scroll
    assert set(scroll) <= set(stops)
    for region in page.locator("[tabindex]").all():
        assert region.get_attribute("role") == "region"
        assert region.get_attribute("aria-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(page: "Page", scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    paper = style(page, "body", "backgroundColor")
    assert (luminance(paper) > 0.5) == (scheme == "light")
    for selector in ("h1", "p", "nav a", "thead th", "tbody th", "td", "li", "figcaption", "footer small"):
        assert contrast(style(page, selector, "color"), paper) >= READABLE, selector
    row = contrast(style(page, "tr.us td", "color"), style(page, "tr.us td", "backgroundColor"))
    assert row >= READABLE
    assert style(page, "img", "backgroundColor") == "rgb(255, 255, 255)"  # on which the pictures' black letters stand
