"""A check that all readers can use the pages: python docs/check_pages.py docs/_build/html

The pages of a built site are opened in headless Chromium.  axe-core looks for what makes a page unusable for some:
pictures without words, letters too pale, in light and in dark, controls without a name.  At the width of a telephone
nothing may stick out; nothing may be loaded from elsewhere, no script may fail, and every link within the site must
lead somewhere.

Of the pages that autosummary makes, which are all alike, the first few are looked at; --all looks at every one.
"""

import argparse
import functools
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).parent
AXE = HERE / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LOOK = """async asked => (await axe.run(document, {runOnly: asked})).violations.map(
    found => `${found.id}: ${found.help}; ${found.nodes.length} places, first ${found.nodes[0].html.slice(0, 160)}`)"""
STILL = "*, ::before, ::after { transition: none !important; animation: none !important }"  # no colour on its way
DARK = "document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'dark'"
WIDER = """Math.max(...[document.documentElement, ...document.querySelectorAll(".bd-article-container")].map(
    box => box.scrollWidth - box.clientWidth))"""  # of the article, too, which would be scrolled in its own box
LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"
NAMES = "[...document.querySelectorAll('[id]')].map(element => element.id)"
TELEPHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
MADE = "_generated/"  # where autosummary's pages are
FEW = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="a folder that sphinx-build made")
    parser.add_argument("--all", action="store_true", help="look at every page of the reference, too")
    given = parser.parse_args()
    site = given.site.resolve()
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None or not AXE.is_file():
        lacking = "Chromium" if browser is None else f"axe-core, which npm brings to {AXE.relative_to(HERE.parent)}"
        print(f"The pages were not looked at: there is no {lacking}.")
        return 0
    pages = [str(page.relative_to(site)) for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    if not pages:
        print(f"{site} holds no page: build the site first")
        return 1
    if not given.all:
        made = [page for page in pages if page.startswith(MADE)]
        pages = [page for page in pages if page not in made[FEW:]]
    found = list(troubles(browser, site, pages))
    for page, what in found:
        print(f"{page}: {what}")
    print(f"{len(pages)} pages looked at: {len(found) or 'no'} {'trouble' if len(found) == 1 else 'troubles'}")
    return 1 if found else 0


class Seen(NamedTuple):
    """What is in some pages.

    Attributes
    ----------
    troubles : list of (str, str)
        A page, and words for something that is wrong with it.
    names : dict of sets
        By page, what can be linked to in it.
    links : dict
        By the page and the name that a link leads to, a page that it stands on.
    """

    troubles: list[tuple[str, str]]
    names: dict[str, set[str]]
    links: dict[tuple[str, str], str]


def troubles(browser: str, site: Path, pages: list[str]) -> Iterator[tuple[str, str]]:
    """Page and words for everything that is wrong."""
    at_once = max(1, min(os.cpu_count() or 1, 4))
    with served(site) as root, ThreadPoolExecutor(at_once) as pool:
        parts = list(pool.map(lambda first: seen(browser, root, pages[first::at_once]), range(at_once)))
    yield from sorted(trouble for part in parts for trouble in part.troubles)
    names = {page: known for part in parts for page, known in part.names.items()}
    links = {place: page for part in parts for place, page in part.links.items()}
    for (target, anchor), name in links.items():
        if not (site / target).exists() or (anchor and target in names and anchor not in names[target]):
            yield name, f"a link leads nowhere: {target}{'#' * bool(anchor)}{anchor}"


def seen(browser: str, root: str, pages: list[str]) -> Seen:
    """Look at some pages, one after the other, in a browser of their own."""
    from playwright.sync_api import sync_playwright

    found = Seen([], {}, {})
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        context = chromium.new_context(viewport=DESK, color_scheme="light")
        context.add_init_script("localStorage.setItem('mode', 'light')")
        view = context.new_page()
        heard: list[str] = []
        view.on("console", lambda message: message.type == "error" and heard.append(message.text))
        view.on("pageerror", lambda error: heard.append(str(error)))
        view.on("request", lambda request: heard.extend(elsewhere(root, request.url)))
        for name in pages:
            heard.clear()
            view.set_viewport_size(DESK)
            view.goto(f"{root}/{name}")
            settle(view)
            view.add_style_tag(content=STILL)
            view.add_script_tag(path=AXE)
            wrong = view.evaluate(LOOK, STANDARDS)
            found.names[name] = set(view.evaluate(NAMES))
            for target in view.evaluate(LINKS):
                if target.startswith(root):
                    parts = urlsplit(target)
                    found.links.setdefault((unquote(parts.path).lstrip("/"), unquote(parts.fragment)), name)
                elif not target.startswith("http"):
                    wrong.append(f"a link that was not meant: {target}")
            view.evaluate(DARK)
            wrong += [f"in the dark, {what}" for what in view.evaluate(LOOK, ["color-contrast"])]
            view.set_viewport_size(TELEPHONE)
            if (too_wide := view.evaluate(WIDER)) > 0:
                wrong.append(f"on a telephone, {too_wide} px too wide")
            found.troubles.extend((name, what) for what in [*wrong, *dict.fromkeys(heard)])
        chromium.close()
    return found


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address under which the site's files can be had while this lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def settle(view: Any) -> None:
    """Wait until formulas are set, where there is something to set them."""
    view.evaluate("async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise }")


def elsewhere(root: str, address: str) -> list[str]:
    return [] if address.startswith((root, "data:", "blob:")) else [f"asks the network for {address}"]


if __name__ == "__main__":
    sys.exit(main())
