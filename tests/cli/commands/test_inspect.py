"""What `acg inspect` prints of each kind of file, and `acg split` writes."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from acg_numpy.cli import main

Captured = pytest.CaptureFixture[str]


def test_interactions_are_described_with_advice(taken: Path, capsys: Captured) -> None:
    assert main(["inspect", str(taken)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = " ".join(out.split())
    assert "interactions of 80 users with 36 items in 3 domains" in told
    assert out.index("users in both") < out.index("Worth knowing") < out.index("Advice")
    assert "fewer than 20 items: 'books', 'films', 'games'" in told
    assert re.search(r"^books +12 +80 +80 ", out, re.MULTILINE)


def test_standard_input_is_called_so(taken: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    with taken.open("rb") as file:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=file))
        assert main(["inspect", "-"]) == 0
    assert capsys.readouterr().out.startswith("standard input: ")


def test_domains_too_small_for_training_are_shown_before_it(tmp_path: Path, capsys: Captured) -> None:
    rng = np.random.default_rng(0)
    names = ["日本", "tab\there", "two"]
    rows = [
        f'u{u},"{names[d]} {i}","{names[d]}"'
        for u in range(60)
        for d in range(3)
        for i in range(2 if d == 2 else 30)
        if rng.random() < 0.6
    ]
    path = tmp_path / "taken.csv"
    path.write_text("user,item,domain\n" + "\n".join(rows), encoding="utf-8")
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "fewer than 3 items: 'two'; training leaves them out (--min-items)" in out
    assert re.search(r"^tab\\there +30 ", out, re.MULTILINE)
    assert "\t" not in out
    assert main(["split", str(path), "--out", str(tmp_path / "split.tsv"), "--quiet"]) == 0
    assert "two" not in (tmp_path / "split.tsv").read_text(encoding="utf-8")
