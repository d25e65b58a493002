"""What `acg inspect` prints of each kind of file, and `acg split` writes."""

import re
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.cli import main
from acg_numpy.recommender.data import draw_split, read_interactions, read_split

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


HOSTILE = {
    "empty": b"",
    "binary": b"\x00\xff\xfe\x01" * 100,
    "image.png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "zip.npz": b"PK\x03\x04",
    "zip then noise.npz": b"PK\x03\x04" + bytes(range(256)),
    "magic.npy": b"\x93NUMPY",
    "header alone.csv": b"user,item,domain\n",
    "other columns.csv": b"a,b\n1,2\n",
    "one domain.csv": b"user,item,domain\na,1,x\nb,2,x\nc,3,x\n",
    "open quote.csv": b'user,item,domain\n"a,1,x\nb,2,y\n',
    "latin.csv": b"user,item,domain\nJ\xfcrgen,1,x\n",
    "wide.csv": "user,item,domain\na,1,x\n".encode("utf-16"),
    "json.json": b'{"user": 1}\n',
    "new\nline": b"user\n1\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_will_not_do_are_one_line_and_exit_code_1_for_every_command(
    name: str, tmp_path: Path, capsys: Captured
) -> None:
    path, out = tmp_path / name, tmp_path / "out"
    path.write_bytes(HOSTILE[name])
    for command in (
        ("inspect", str(path)),
        ("split", str(path), "--out", str(out), "--quiet"),
        ("recommend", str(path), "--user", "a"),
        ("condition", str(path), "--interactions", str(path), "--out", str(out)),
        ("condition", str(path), "--users", str(path), "--out", str(out)),
    ):
        assert main(list(command)) == 1, command
        told, err = capsys.readouterr()
        assert told == ""
        assert err.startswith("acg: ")
        assert err.count("\n") == 1, command
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_missing_files_are_named_for_every_command(tmp_path: Path, capsys: Captured) -> None:
    nowhere, out = str(tmp_path / "nowhere"), str(tmp_path / "out")
    for command in (
        ("inspect", nowhere),
        ("split", nowhere, "--out", out),
        ("recommend", nowhere, "--user", "a"),
        ("condition", nowhere, "--users", nowhere, "--out", out),
    ):
        assert main(list(command)) == 1
        assert re.fullmatch(rf"acg: {re.escape(nowhere)}.* (no such file|does not exist).*\n", capsys.readouterr().err)
