"""The demo tells the whole story, in either world."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from acg_numpy.cli import main
from acg_numpy.cli.commands.demo import introduction
from acg_numpy.recommender.data import make_world
from acg_numpy.recommender.evaluation.significance import verdict
from tests.cli.commands.test_train import FILES
from tests.cli.conftest import undrawn_pictures

BESIDE = ("popularity", "one-key", "concat-linear", "emcdr-linear")


class Demo(NamedTuple):
    """What the demo wrote, and printed."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, of a few epochs, which are enough for attention to lead, and of the models that it must lead."""
    folder, out, err = tmp_path_factory.mktemp("demo"), io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), undrawn_pictures():
        options = ("--epochs", "20", "--seeds", "1", "--models", ",".join(BESIDE))
        assert main(["demo", "--out", str(folder), *options]) == 0
    return Demo(folder, out.getvalue(), err.getvalue())


def test_it_tells_the_world_the_results_and_what_to_open(demo: Demo) -> None:
    folder, out, err = demo
    told = [
        out.index(part)
        for part in ("three of eight tastes", "attention's lead", "Did tokens become tastes?", "Open next", "acg train")
    ]
    assert told == sorted(told)
    for name in ("report.html", "attention_map.png"):
        assert str(folder / name) in out
    assert "(baselines.png)" in (folder / "report.md").read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == FILES | {"taste_map.png"}
    assert "seed 1/1  attention  epoch 20/20" in err


def test_within_a_few_epochs_attention_finds_tastes_and_leads(demo: Demo) -> None:
    out = " ".join(demo.out.split())
    figures = re.search(r"weight of the taste is (0\.\d+)\. .* at random it is (0\.\d+)\.", out)
    assert figures is not None
    assert float(figures[1]) > float(figures[2]) + 0.1
    # the report itself claims no lead over models that so few epochs leave improving
    paired = json.loads((demo.folder / "metrics.json").read_text(encoding="utf-8"))["paired"]
    for model in BESIDE:
        assert verdict(paired[model]) == 1


@pytest.mark.usefixtures("undrawn")
def test_quiet_tells_the_results_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("--world", "linear", "--epochs", "1", "--seeds", "1", "--models", "user", "--quiet")
    assert main(["demo", "--out", str(tmp_path), *options]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("How well the conditions rank")
    assert "Open next" not in out


@pytest.mark.parametrize("kind", ["tastes", "linear"])
def test_the_introduction_has_the_worlds_own_figures(kind: str) -> None:
    world = make_world(kind, seed=2)  # type: ignore[arg-type]
    text = introduction(world, tuned=False, quick=True)
    assert text.endswith(
        "To be quick the demo leaves out user+domain, ptupcdr and attention-own-output, unless --models names them."
    )
    assert f"{world.interactions.matrix.nnz:,} altogether" in text
    assert "1,000 users" in text
    assert "books, films, games, music, podcasts" in text


@pytest.mark.usefixtures("undrawn")
def test_demo_too_prints_json_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1", "--seeds", "1", "--json"]) == 0
    assert "item-ridge" in json.loads(capfd.readouterr().out)["test"]


@pytest.mark.usefixtures("undrawn")
def test_demo_is_tuned_as_training_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    along = ("--models", "user", "--epochs", "1", "--seeds", "1")
    assert main(["demo", "--out", str(tmp_path), "--tune", "1", *along]) == 0
    out, err = capfd.readouterr()
    assert "the best of the settings that are tried for it" in " ".join(out.split())
    assert "To be quick" not in out
    assert "user 1: rate" in err
    assert main(["demo", "--out", str(tmp_path), "--tune", "500", *along]) == 2
    assert "acg demo: tune is 500, but the grid of" in capfd.readouterr().err
