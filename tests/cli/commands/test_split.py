"""`acg split` draws what training would, or leaves what is there."""

from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data import draw_split, read_interactions, read_split

Captured = pytest.CaptureFixture[str]


def test_a_split_is_drawn_as_training_would_and_can_be_read_back(taken: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "deep" / "split.tsv"
    assert main(["split", str(taken), "--out", str(out), "--seed", "3"]) == 0
    told, err = capsys.readouterr()
    data = read_interactions(taken)
    split, expected = read_split(out, data), draw_split(data, 3)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(split, part), getattr(expected, part))
    sizes = f"{len(split.train)} pairs for training, {len(split.validation)} for validation, {len(split.test)}"
    assert told == f"{out}: {sizes} for the test\n"
    assert "Leave out what validation and test pairs took" in err


def test_a_split_that_cannot_be_drawn_leaves_the_one_that_was_there(tmp_path: Path, capsys: Captured) -> None:
    taken, out = tmp_path / "taken.csv", tmp_path / "split.tsv"
    taken.write_text("user,item,domain\n" + "".join(f"a,{n},{'xy'[n % 2]}\n" for n in range(8)))
    out.write_text("before")
    assert main(["split", str(taken), "--out", str(out), "--quiet"]) == 1
    assert "more interactions are needed" in capsys.readouterr().err
    assert out.read_text() == "before"
    assert main(["split", str(taken), "--out", str(taken), "--quiet"]) == 1
    assert "is what is to be read" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_a_split_by_time_is_drawn_and_trained_on(tmp_path: Path, capsys: Captured) -> None:
    rng, taken, out = np.random.default_rng(0), tmp_path / "taken.csv", tmp_path / "split.tsv"
    rows = [
        f"u{user},i{item},{'xyz'[item % 3]},{100 * user + 200 * (item % 3) + item}"
        for user in range(60)
        for item in rng.permutation(36)[:24].tolist()
    ]
    taken.write_text("\n".join(["user,item,domain,timestamp", *rows]), encoding="utf-8")
    options = ["--protocol", "temporal", "--min-elsewhere", "4", "--validation", "0.3"]
    assert main(["split", str(taken), "--out", str(out), "--quiet", *options]) == 0
    folders, small = (tmp_path / "a", tmp_path / "b"), ["--epochs", "1", "--no-baselines", "--quiet"]
    assert main(["train", str(taken), "--out", str(folders[0]), *small, *options]) == 0
    assert main(["train", str(taken), "--out", str(folders[1]), *small, "--split", str(out)]) == 0
    tables = [(folder / "test_pairs.tsv").read_text(encoding="utf-8") for folder in folders]
    assert tables[0] == tables[1]
    assert (folders[0] / "split.tsv").read_text(encoding="utf-8") == out.read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["train", str(taken), "--out", str(folders[1]), *small, "--split", str(out), *options]) == 2
    assert "so --protocol, --min-elsewhere and --validation would do nothing" in capsys.readouterr().err
