"""`acg export` writes a whole folder with what is known of the run, or nothing."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.cli.commands.export import TO
from acg_numpy.interop.export_folder import FORMATS

Captured = pytest.CaptureFixture[str]


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_run_is_written_with_its_conditions_and_its_metrics(results: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "deep" / "served"
    assert main(["export", str(results), "--to", "npy", "--out", str(out)]) == 0
    told, err = capsys.readouterr()
    assert err == ""
    names = [path.name for path in out.iterdir()]
    assert told.startswith(f"{out}: {len(names)} files for npy\n")
    assert all(f"\n{name} " in told for name in names)
    assert "Files of conditions, queries and users are data of 80 users." in told
    np.testing.assert_array_equal(np.load(out / "conditions.npy"), np.load(results / "conditions.npy"))
    users = (results / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads((out / "users.json").read_text(encoding="utf-8")) == users
    about = json.loads((out / "serving.json").read_text(encoding="utf-8"))["about"]
    metrics = json.loads((results / "metrics.json").read_text(encoding="utf-8"))
    data = json.loads((results / "run.json").read_text(encoding="utf-8"))["data"]
    assert about["interactions, SHA-256"] == data["sha256"]
    assert about["question"].startswith("which items of a domain would a user take")
    assert about["ndcg@10 on held-out pairs"].startswith(f"{metrics['test']['attention']['ndcg@10']['mean']:.4f} ")
    best = max(metrics["paired"], key=lambda name: metrics["test"][name]["ndcg@10"]["mean"])
    assert about[f"lead over {best}, ndcg@10"].startswith(f"{metrics['paired'][best]['difference']:+.4f} ")
    assert files_below(out.parent) == sorted([out.name, *(f"{out.name}/{name}" for name in names)])


def test_its_card_says_where_it_is_from_and_nothing_of_users(results: Path, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("safetensors")
    out = tmp_path / "served"
    assert main(["export", str(results), "--to", "safetensors", "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr() == (f"{out}: 6 files for safetensors\n", "")
    card = (out / "README.md").read_text(encoding="utf-8")
    for part in (
        "| question | which items",
        "| interactions, SHA-256 |",
        "| ndcg@10 on held-out",
        "What it is not for",
    ):
        assert part in card
    assert "| protocol | random, min inside " in card
    assert "(one run)" in card
    assert "± 0.0000 (deviation" not in card
    whole = b"".join(path.read_bytes() for path in out.iterdir())
    users = (results / "users.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert [user for user in users if user.encode() in whole or json.dumps(user).encode() in whole] == []


def test_without_files_of_users_or_metrics_it_says_so(results: Path, tmp_path: Path, capsys: Captured) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(results / "checkpoint.npz", run)
    assert main(["export", str(run), "--to", "npy", "--out", str(tmp_path / "served")]) == 0
    assert f"No conditions were written: {run} has no conditions.npy and users.txt." in capsys.readouterr().out
    about = json.loads((tmp_path / "served" / "serving.json").read_text(encoding="utf-8"))["about"]
    assert about["metrics"] == "not known: there was no metrics.json"


def test_what_is_no_run_or_no_place_leaves_nothing(
    results: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, short, broken, damaged = (tmp_path / name for name in ("full", "short", "broken", "damaged"))
    for folder in (full, short, broken, damaged):
        folder.mkdir()
        shutil.copy(results / "checkpoint.npz", folder)
        shutil.copy(results / "conditions.npy", folder)
    (short / "users.txt").write_text("ann\n", encoding="utf-8")
    (damaged / "users.txt").write_bytes(b"ann\n\xff\n")
    (broken / "metrics.json").write_text('{"test": {}}', encoding="utf-8")
    before = files_below(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    run, new = str(results), tmp_path / "new"
    for folder, to, out, message in (
        (str(tmp_path / "nowhere"), "npy", new, "does not exist: a folder that 'acg train' or 'acg demo' wrote was"),
        (str(results / "checkpoint.npz"), "npy", new, "is a file: a folder that 'acg train'"),
        (run, "npy", full, f"{full} is not empty: remove it, or give --out another name; nothing is overwritten"),
        (run, "npy", full / "conditions.npy", "conditions.npy is a file: remove it"),
        (run, "onnx", new, 'export to onnx needs onnx, which is not installed: pip install "acg_numpy[interop]"'),
        (str(full), "npy", new, "users.txt: no such file"),
        (str(short), "npy", new, f"{short}: conditions have shape (80, 3, 8); expected"),
        (str(damaged), "npy", new, "users.txt is damaged, it is not UTF-8: train again"),
        (str(broken), "onnx", new, "metrics.json is not what 'acg train' wrote"),
    ):
        assert main(["export", folder, "--to", to, "--out", str(out)]) == 1
        told, err = capsys.readouterr()
        assert (told, err.count("\n")) == ("", 1)
        assert message in err
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    "change", [lambda c: c + 0.1, lambda c: c[:-1], lambda c: c[:, :1]], ids=["numbers", "users", "domains"]
)
def test_conditions_of_another_run_than_the_checkpoint_are_refused(
    change: Callable[[np.ndarray], np.ndarray], results: Path, tmp_path: Path, capsys: Captured
) -> None:
    run, out = tmp_path / "run", tmp_path / "served"
    shutil.copytree(results, run)
    np.save(run / "conditions.npy", change(np.load(run / "conditions.npy")))
    assert main(["export", str(run), "--to", "npy", "--out", str(out)]) == 1
    assert "conditions.npy was not made by" in capsys.readouterr().err
    assert not out.exists()


def test_what_a_killed_export_left_is_removed(results: Path, tmp_path: Path) -> None:
    left, other = tmp_path / ".served.0123456789abcdef.tmp", tmp_path / ".served.mine.tmp"
    for folder in (left, other):
        (folder / "content").mkdir(parents=True)
    (tmp_path / "served").mkdir()
    assert main(["export", str(results), "--to", "npy", "--out", str(tmp_path / "served"), "--quiet"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "served"]


def test_the_formats_of_the_help_are_those_of_the_library() -> None:
    assert TO == FORMATS
