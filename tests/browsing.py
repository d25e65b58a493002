"""Checks of any page: nothing on the console, no request to a network, and text with enough contrast."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

READABLE = 4.5  # WCAG 2.2, 1.4.3


def listen(page: "Page") -> list[str]:
    """From now on, all that the page says on the console or asks of a network."""
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url.startswith(("http", "ws")) else None)
    return said


@contextmanager
def opened(browser: "Browser", file: Path) -> Iterator[tuple["Page", list[str]]]:
    """A page, and all that it says on the console or asks of a network while it is open."""
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    said = listen(page)
    page.goto(file.as_uri())
    yield page, said
    page.close()


def luminance(colour: str) -> float:
    numbers = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in numbers]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def style(page: "Page", selector: str, name: str) -> str:
    read = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
    found: str = page.evaluate(read, [selector, name])
    return found


def contrast(colour: str, other: str) -> float:
    dark, bright = sorted((luminance(colour), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def overflow(page: "Page") -> int:
    """How many points of the screen the page is wider than its window."""
    found: int = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found
