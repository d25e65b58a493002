"""Can everybody read the pages?  python docs/check_pages.py docs/_build/html

The pages of a built site are opened in headless Chromium.  axe-core looks for what keeps people out: pictures without
words, letters too pale, in light and in dark, controls without a name.  At the width of a telephone nothing may stick
out; nothing may be loaded from elsewhere, no script may fail, and every link within the site must lead somewhere.

Of the pages that autosummary makes, which are all alike, the first few are looked at; --all looks at every one.
"""

import argparse
import functools
import shutil
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).parent
AXE = HERE / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LOOK = """async asked => (await axe.run(document, {runOnly: asked})).violations.map(
    found => `${found.id}: ${found.help}; ${found.nodes.length} places, first ${found.nodes[0].html.slice(0, 160)}`)"""
DARK = "document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'dark'"
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


def troubles(browser: str, site: Path, pages: list[str]) -> Iterator[tuple[str, str]]:
    """Page and words for everything that is wrong."""
    from playwright.sync_api import sync_playwright

    links: dict[tuple[str, str], str] = {}  # where a link leads to, and a page that it stands on
    names: dict[str, set[str]] = defaultdict(set)  # what can be linked to in a page
    with served(site) as root, sync_playwright() as player:
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
            view.add_script_tag(path=AXE)
            yield from ((name, what) for what in view.evaluate(LOOK, STANDARDS))
            names[name].update(view.evaluate(NAMES))
            for target in view.evaluate(LINKS):
                if target.startswith(root):
                    parts = urlsplit(target)
                    links.setdefault((unquote(parts.path).lstrip("/"), unquote(parts.fragment)), name)
                elif not target.startswith("http"):
                    yield name, f"a link that was not meant: {target}"
            view.evaluate(DARK)
            yield from ((name, f"in the dark, {what}") for what in view.evaluate(LOOK, ["color-contrast"]))
            view.set_viewport_size(TELEPHONE)
            if (too_wide := view.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
                yield name, f"on a telephone, {too_wide} px too wide"
            yield from ((name, what) for what in dict.fromkeys(heard))
        chromium.close()
    for (target, anchor), name in links.items():
        if not (site / target).exists() or (anchor and target in names and anchor not in names[target]):
            yield name, f"a link leads nowhere: {target}{'#' * bool(anchor)}{anchor}"


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
