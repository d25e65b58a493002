"""The demo tells the whole story, in either world."""

import re
from pathlib import Path

import pytest

from acg_numpy.cli import main
from acg_numpy.cli.commands.demo import introduction
from acg_numpy.recommender.data import make_world
from tests.cli.commands.test_train import FILES


def test_it_tells_what_the_world_is_what_came_out_and_what_to_open(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path), "--epochs", "2", "--seeds", "1"]) == 0
    out, err = capfd.readouterr()
    told = [
        out.index(part)
        for part in ("three of eight tastes", "attention's lead", "Did tokens become tastes?", "Open next", "acg train")
    ]
    assert told == sorted(told)
    for name in ("report.html", "attention_map.png"):
        assert str(tmp_path / name) in out
    assert "(baselines.png)" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"taste_map.png"}
    assert "seed 1/1  attention  epoch 2/2" in err


def test_attention_finds_the_tastes_and_leads_the_linear_maps_within_a_few_epochs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path), "--epochs", "14", "--seeds", "1"]) == 0
    out = " ".join(capfd.readouterr().out.split())
    figures = re.search(r"weight of the taste is (0\.\d+)\. .* at random it is (0\.\d+)\.", out)
    assert figures is not None
    assert float(figures[1]) > float(figures[2]) + 0.1
    leads = out[out.index("Attention leads") : out.index("by more than two standard errors")]
    for model in ("popularity", "one-key", "concat-linear", "domain-linear"):
        assert model in leads


def test_quiet_tells_the_results_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("--world", "linear", "--epochs", "2", "--seeds", "1", "--quiet")
    assert main(["demo", "--out", str(tmp_path), *options]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("How well the conditions rank")
    assert "Open next" not in out


@pytest.mark.parametrize("kind", ["tastes", "linear"])
def test_the_introduction_has_the_worlds_own_figures(kind: str) -> None:
    world = make_world(kind, seed=2)  # type: ignore[arg-type]
    text = introduction(world)
    assert f"{world.interactions.matrix.nnz:,} altogether" in text
    assert "1,000 users" in text
    assert "books, films, games, music, podcasts" in text
