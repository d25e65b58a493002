"""`acg evaluate` judges a folder and lists beside it by later rows, and says what it left out."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def later(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What half of the users took later, a user who is new, and an item that is."""
    users = (results / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]
    rng = np.random.default_rng(1)
    rows = [("user", "item"), ("zoe", "item 03, new"), (users[0], "unheard of")]
    rows += [(user, f"item {item:02d}, new") for user in users[::2] for item in rng.permutation(36)[:9]]
    path = tmp_path_factory.mktemp("later") / "later.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_tables_verdict_and_what_was_left_out_are_printed(
    results: Path, later: Path, tmp_path: Path, capsys: Captured
) -> None:
    lists = tmp_path / "theirs.csv"
    assert main(["recommend", str(results), "--all", "--domain", "books", "--out", str(lists)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(results), "--interactions", str(later), "--against", str(lists)]) == 0
    out, err = capsys.readouterr()
    assert "items that are not known, left out: 1 of 37 (the first: 'unheard of')" in err
    assert "users that are not known, left out: 1 of " in err
    assert "interactions that training had already, left out: " in err
    assert f"{lists}: " in err
    lines = out.splitlines()
    assert lines[0].endswith("in which something new was taken.")
    assert any(line.startswith("trained ") for line in lines)
    assert any(line.startswith("films ") for line in lines)
    assert "lists nothing for" in out
    assert "standard error" in out


def test_json_has_the_same_figures_and_nothing_else(results: Path, later: Path, capsys: Captured) -> None:
    command = ["evaluate", str(results), "--interactions", str(later), "--quiet"]
    assert main([*command, "--json", "--k", "3"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    figures = json.loads(out)
    assert {"ndcg@3", "ndcg@10", "precision@10"} <= set(figures["test"]["trained"])
    assert figures["left_out"]["unknown_users"] == 1
    assert main(command) == 0
    assert f"{figures['test']['trained']['ndcg@10']:.4f}" in capsys.readouterr().out


def test_lists_may_have_the_name_of_a_model(
    results: Path, later: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    user = (results / "users.txt").read_text(encoding="utf-8").split("\n")[0]
    with Path("popularity").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("user", "item"), (user, "item 03, new")])
    command = ["evaluate", str(results), "--interactions", str(later), "--against", "popularity", "--json", "--quiet"]
    assert main(command) == 0
    assert {"popularity", "./popularity"} <= set(json.loads(capsys.readouterr().out)["test"])


def test_wrong_usage_and_missing_files_are_one_line(results: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["evaluate", str(results)]) == 2
    assert main(["evaluate", str(results), "--interactions", "x.csv", "--against", "a.csv", "a.csv"]) == 2
    assert "names a file twice" in capsys.readouterr().err
    assert main(["evaluate", str(results), "--interactions", "x.csv", "--against", "popularity", "./popularity"]) == 2
    assert "names a file twice" in capsys.readouterr().err
    assert main(["evaluate", str(results), "--interactions", str(tmp_path / "none.csv")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
