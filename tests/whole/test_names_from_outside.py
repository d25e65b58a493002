"""`acg train` on a file of names made to be taken for something else: in every output they are names.

Ids are the data's own in users.txt, items.txt, domains.txt, split.tsv and metrics.json, which programs read.
"""

import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from acg_numpy.cli import main, training_job
from acg_numpy.recommender.models import REFERENCES, TRAINED
from acg_numpy.recommender.reporting.pictures import label
from acg_numpy.text import printable
from tests.cli.conftest import undrawn_pictures
from tests.names_from_outside import DOMAINS, ITEMS, write_file

SMALL = ("--epochs", "2", "--emb-dim", "8", "--heads", "2", "--tokens-per-domain", "3")
MODELS = {"popularity", *TRAINED, *REFERENCES}
PAGE = {
    *("html", "head", "meta", "title", "style", "body", "main", "nav", "section", "footer", "small", "h1", "h2", "p"),
    *("ul", "li", "a", "div", "table", "thead", "tbody", "tr", "th", "td", "br", "figure", "img", "figcaption"),
    *("strong", "code"),
}


class Outputs:
    """The folder of a run, and what it printed."""

    def __init__(self, folder: Path, out: str, err: str) -> None:
        self.folder, self.out, self.err = folder, out, err

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    folder = tmp_path_factory.mktemp("names")
    file = write_file(folder / "taken.csv")
    with pytest.MonkeyPatch.context() as patch, undrawn_pictures():
        out, err = io.StringIO(), io.StringIO()
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        assert main(["train", str(file), "--out", str(folder / "out"), *SMALL]) == 0
    return Outputs(folder / "out", out.getvalue(), err.getvalue())


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_no_output_for_people_has_a_letter_that_steers(outputs: Outputs) -> None:
    texts = [outputs.out, outputs.err, *map(outputs.text, ("metrics.md", "report.md", "report.html"))]
    for text in texts:
        assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert "line break" in outputs.err  # of an id: its row is left out, and counted


def test_the_terminal_shows_every_domain_as_it_is_printed(outputs: Outputs) -> None:
    for domain in DOMAINS:
        assert squeezed(printable(domain)) in squeezed(outputs.out)


@pytest.mark.parametrize("name", ["metrics.md", "report.md"])
def test_a_reader_of_markdown_sees_names_as_they_are_printed(outputs: Outputs, name: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    reader = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    inline = [child for token in reader.parse(outputs.text(name)) for child in token.children or ()]
    assert {child.type for child in inline} <= {
        "text",
        "softbreak",
        "code_inline",
        "strong_open",
        "strong_close",
        "image",
    }
    files = {"checkpoint.npz", str(outputs.folder.parent / "taken.csv")}
    assert {child.content for child in inline if child.type == "code_inline"} <= MODELS | files
    text = squeezed("".join(" " if child.type == "softbreak" else child.content for child in inline))
    for domain in DOMAINS:
        assert squeezed(printable(domain)) in text
    alts = [
        reader.renderer.renderInlineAsText(child.children, reader.options, {}) for child in inline if child.children
    ]
    assert len(alts) == (10 if name == "report.md" else 0)
    if alts:
        assert any(printable(DOMAINS[0]) in alt for alt in alts)
        assert any(printable(item) in alt for alt in alts for item in ITEMS)


class Page(HTMLParser):
    """The tags of a page, its text, and the alternative texts of its pictures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.alts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.alts += [alt for name, alt in attrs if name == "alt" and alt is not None]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_names_as_they_are_printed(outputs: Outputs) -> None:
    page = Page(outputs.text("report.html"))
    assert page.tags <= PAGE
    for domain in DOMAINS:
        assert printable(domain) in page.text
    assert len(page.alts) == 10
    assert all(alt.isprintable() for alt in page.alts)
    assert any(printable(DOMAINS[0]) in alt for alt in page.alts)
    assert any(printable(item) in alt for alt in page.alts for item in ITEMS)


def test_data_keep_the_names_as_they_are(outputs: Outputs) -> None:
    metrics = json.loads(outputs.text("metrics.json"))
    assert sorted(metrics["domains"]) == sorted(DOMAINS)
    assert sorted(outputs.text("domains.txt").split("\n")[:-1]) == sorted(DOMAINS)


def test_json_on_standard_output_is_ascii_and_whole(outputs: Outputs) -> None:
    metrics = json.loads(outputs.text("metrics.json"))
    out = training_job.as_json(SimpleNamespace(metrics=metrics))  # type: ignore[arg-type]
    assert out.isascii()
    assert [line for line in out.split("\n") if not line.isprintable()] == []
    assert json.loads(out) == metrics


def test_names_in_pictures_are_on_one_line_and_no_formula(outputs: Outputs) -> None:
    for name in (*DOMAINS, *ITEMS):
        assert label(name).isprintable()
        assert not re.search(r"(?<!\\)\$", label(name))
