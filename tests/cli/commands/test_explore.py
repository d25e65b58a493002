"""`acg explore` writes a page, or says in a line why not."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data import save_checkpoint

Captured = pytest.CaptureFixture[str]
USER = "日本 8"


def test_a_page_is_written_and_the_sample_told(results: Path, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("plotly", reason="the page is made with Plotly")
    out = tmp_path / "deep" / "page.html"
    assert main(["explore", str(results), "--out", str(out), "--sample", "9", "--user", USER]) == 0
    told, err = capsys.readouterr()
    assert err == ""
    assert told == f"{out}: 9 of 80 users, {out.stat().st_size / 1e6:.1f} MB; open it in a browser\n"
    text = out.read_text(encoding="utf-8")
    assert json.dumps(USER) in text
    assert f"<title>Where attention went: {results.name}</title>" in text


def test_the_page_is_beside_the_results_where_no_place_is_named(
    results: Path, tmp_path: Path, capsys: Captured
) -> None:
    pytest.importorskip("plotly", reason="the page is made with Plotly")
    shutil.copytree(results, tmp_path / "run")
    assert main(["explore", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'run' / 'explore.html'}: 80 of 80 users, ")


def test_without_plotly_it_says_how_to_install_it(
    results: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    assert main(["explore", str(results), "--out", str(tmp_path / "page.html")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ('acg: the page is made with Plotly, which is not installed: pip install "acg_numpy[explore]"\n')
    assert not (tmp_path / "page.html").exists()


def test_what_is_no_folder_of_results_is_one_line(results: Path, tmp_path: Path, capsys: Captured) -> None:
    other = tmp_path / "other"
    shutil.copytree(results, other)
    save_checkpoint(other / "checkpoint.npz", {"weight": np.eye(2)}, {"model": "film"})
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((str(tmp_path / "nowhere"),), "does not exist: a folder that 'acg train' or 'acg demo' wrote was expected"),
        ((str(tmp_path / "empty"),), "has no checkpoint.npz: write it with 'acg train INTERACTIONS --out "),
        ((str(other),), "is a checkpoint, but not one of a trained conditioner"),
        ((str(results), "--out", str(tmp_path)), "is a folder: --out is the name of a file"),
        ((str(results), "--out", str(results / "checkpoint.npz")), "is what is to be read: give --out another name"),
        ((str(results), "--user", "nobody"), "there is no user 'nobody' among 80"),
    ):
        assert main(["explore", *arguments]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("acg: ")
        assert message in err
        assert err.count("\n") == 1


def test_wrong_usage_is_told_apart(results: Path, capsys: Captured) -> None:
    assert main(["explore", str(results), "--sample", "0"]) == 2
    assert "expected a whole number, 1 or more, but it is '0'" in capsys.readouterr().err
