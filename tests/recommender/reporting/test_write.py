"""The report is a folder of files that say the same, and what an earlier run left there is gone."""

import re
from html import unescape
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from acg_numpy.recommender.data import World, read_interactions
from acg_numpy.recommender.reporting import words, write_report
from acg_numpy.recommender.reporting.markdown import render_markdown
from acg_numpy.recommender.reporting.write import PICTURES, _png, report
from acg_numpy.recommender.training import Result, fit
from tests.cli.conftest import undrawn_pictures
from tests.recommender.small_world import small_world

BASE = ("attention_map", "attention_by_domain", "attention_entropy", "token_items", "baselines", "loss_curve")

DRAWN = ("attention_map.png", "taste_map.png")


@pytest.fixture(scope="module")
def folder(result: Result, world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report, of whose pictures those are drawn that the training of `tests/cli` has not drawn."""
    out = tmp_path_factory.mktemp("drawn") / "made" / "on the way"
    with undrawn_pictures(but=DRAWN):
        write_report(result, out, world)
    return out


def texts(folder: Path) -> tuple[str, str]:
    """The page, and the Markdown."""
    html, markdown = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    return html, markdown


@pytest.mark.slow
def test_pictures_look_the_same_whatever_the_settings_of_matplotlib(result: Result, folder: Path) -> None:
    draw = next(drawing for drawing in report(result)[1] if drawing.figure.file == "attention_map.png")
    with mpl.rc_context({"image.origin": "lower", "figure.facecolor": "black", "text.usetex": True}):
        assert _png(draw) == (folder / "attention_map.png").read_bytes()
        assert mpl.rcParams["text.usetex"]


def test_every_picture_stands_in_the_page_and_beside_it_with_words(folder: Path) -> None:
    compared = {"leads_by_domain.png", "quality_and_parameters.png"}  # attention was trained alone
    assert {path.name for path in folder.iterdir()} == {"metrics.md", "report.html", "report.md", *PICTURES} - compared
    html, markdown = texts(folder)
    alts = [unescape(alt) for alt in re.findall(r'<img [^>]*? alt="(.*?)"', html)]
    linked = re.findall(r"!\[(.*?[^\\])\]\((.*?)\)", markdown)
    shown = [name for name in PICTURES if name not in {"baselines.png", *compared}]
    assert sorted(file for _, file in linked) == sorted(shown)
    assert [alt.replace("\\", "") for alt, _ in linked] == alts
    assert all(len(alt) > 60 for alt in alts)
    assert html.count("<figcaption>") == len(shown)
    for drawn in DRAWN:
        assert (folder / drawn).read_bytes().startswith(b"\x89PNG")
        assert len((folder / drawn).read_bytes()) > 5000


def test_metrics_md_and_the_report_have_the_table_and_the_words(folder: Path, result: Result) -> None:
    def without_layout(text: str) -> str:
        return re.sub(r"[\s|:-]+", " ", text)

    summary = (folder / "metrics.md").read_text(encoding="utf-8")
    assert summary == render_markdown(words.summary(result.metrics)) == result._repr_markdown_()
    text = without_layout(texts(folder)[1])
    for line in summary.splitlines():
        assert without_layout(line) in text
    assert "Weights are not causes" in text


@pytest.mark.filterwarnings("ignore::acg_numpy.conditioner.OneKeyWarning")
def test_a_single_token_is_said_and_pictures_of_an_earlier_run_go(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "taken.csv"
    rows = [
        f"user {user},item {item},{('books', 'films', 'games')[item % 3]}"
        for user in range(80)
        for item in rng.permutation(36)[: rng.integers(12, 30)]
    ]
    path.write_text("\n".join(["user,item,domain", *rows]) + "\n", encoding="utf-8")
    for stale in ("taste_map.png", "attention_through_training.png"):
        (tmp_path / stale).touch()
    data = read_interactions(path)
    with undrawn_pictures(but=("attention_map.png", "attention_entropy.png", "token_items.png")):
        write_report(fit(data, epochs=1, emb_dim=8, heads=2, tokens_per_domain=1, baselines=False), tmp_path)
    html, _ = texts(tmp_path)
    assert "There is a single token, whose weight is always 1" in html
    assert "Every head of every user gives all its weight to the only token of" in html
    assert "For the only token of" in html
    assert {path.stem for path in tmp_path.glob("*.png")} == set(BASE)


def test_a_world_without_tastes_has_no_picture_of_them(result: Result) -> None:
    _, drawings = report(result, small_world("linear"))
    files = [drawing.figure.file for drawing in drawings]
    assert "taste_map.png" not in files
    assert set(files) < set(PICTURES)
