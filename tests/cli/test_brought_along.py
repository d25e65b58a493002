"""A split and vectors of one's own at the command line, and the metrics as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data import draw_split, read_interactions

SMALL = ("--epochs", "2", "--emb-dim", "8", "--heads", "2", "--tokens-per-domain", "3", "--no-baselines")


@pytest.fixture(scope="module")
def own(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """User and item vectors that do not know what a split hides, and the split."""
    folder, data, rng = tmp_path_factory.mktemp("own"), read_interactions(taken), np.random.default_rng(0)
    split = draw_split(data, 5)
    split.write(folder / "split.tsv", data)
    maps = rng.normal(size=(len(data.items), 8))
    np.savez(folder / "users.npz", ids=data.users, vectors=split.visible(data) @ maps)
    np.savez(folder / "items.npz", ids=data.items, vectors=maps)
    return {
        "--split": f"{folder}/split.tsv",
        "--user-vectors": f"{folder}/users.npz",
        "--item-vectors": f"{folder}/items.npz",
    }


def options(own: dict[str, str], *names: str) -> list[str]:
    return [part for name in names for part in (name, own[name])]


def test_json_is_all_that_goes_to_standard_output_and_is_metrics_json(
    taken: Path, own: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    along = options(own, "--split", "--user-vectors", "--item-vectors")
    assert main(["train", str(taken), "--out", str(tmp_path), *SMALL, *along, "--json"]) == 0
    out, err = capfd.readouterr()
    metrics = json.loads(out)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert all(metrics["given"].values())
    assert "interactions of 80 users" in err
    assert "may have seen" not in (tmp_path / "metrics.md").read_text(encoding="utf-8")
    assert (tmp_path / "split.tsv").read_text() == Path(own["--split"]).read_text()
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert run["arguments"]["user_vectors"] == own["--user-vectors"]


def test_demo_too_prints_json_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1", "--seeds", "1", "--json"]) == 0
    assert "item-ridge" in json.loads(capfd.readouterr().out)["test"]


@pytest.mark.parametrize("name", ["--user-vectors", "--item-vectors"])
def test_vectors_without_a_split_are_warned_of(
    name: str, taken: Path, own: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(taken), "--out", str(tmp_path), *SMALL, *options(own, name), "--quiet"]) == 0
    kind = name.strip("-").split("-")[0]
    assert f"The {kind} vectors were given. They may have seen the test pairs" in " ".join(
        capfd.readouterr().out.split()
    )


def test_what_does_not_fit_is_one_line_and_leaves_no_results(
    taken: Path, own: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "other.npz"
    np.savez(elsewhere, ids=["nobody"], vectors=np.ones((1, 8)))
    for along, message in (
        (["--user-vectors", own["--item-vectors"]], "has no vector for 80 of 80 users"),
        (["--item-vectors", str(elsewhere)], "has no vector for 36 of 36 items"),
        (["--user-vectors", str(taken)], "is not an .npz file"),
        (["--user-vectors", str(tmp_path / "none.npz")], "cannot be read: no such file"),
        (["--split", str(tmp_path / "none.tsv")], "cannot be read: no such file"),
        (["--split", str(taken)], "has no column 'part'"),
        ([*options(own, "--user-vectors"), "--emb-dim", "16"], "set emb_dim (--emb-dim) to 8"),
    ):
        assert main(["train", str(taken), "--out", str(tmp_path / "out"), *SMALL, *along, "--quiet"]) == 1
        out, err = capfd.readouterr()
        assert out == ""
        assert message in err
        assert err.startswith("acg: ")
        assert err.count("\n") == 1
        assert not (tmp_path / "out" / "metrics.json").exists()
