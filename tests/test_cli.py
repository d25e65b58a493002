"""What the command says when asked for help or called wrongly, and what it exits with."""

import re
import sys
from pathlib import Path

import pytest

from acg_numpy.cli import COMMANDS, main


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_begins_with_examples_and_exits_with_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert 0 < out.index("examples:\n  acg ") < out.index("options:")
    assert max(map(len, out.splitlines())) <= 120


def test_help_shows_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    for option, default in (("--heads H", 16), ("--seed N", 0), ("--min-items N", 3), ("--encoding NAME", "utf-8")):
        after = help_text[help_text.index(f"{option} ") :]
        assert f"(default: {default})" in after[:120]
    assert "(default: None)" not in help_text
    assert "(default: False)" not in help_text


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"acg_numpy {version('acg_numpy')}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "acg: the following arguments are required: COMMAND"),
        (["trian"], "acg: there is no command 'trian'; did you mean 'train'?"),
        (["demo", "--epoch", "3"], "acg demo: unknown option --epoch; did you mean '--epochs'?"),
        (["demo", "--wrold=linear"], "acg demo: unknown option --wrold=linear; did you mean '--world'?"),
        (["explore", "a", "b"], "acg explore: unknown argument b"),
        (["train", "a.csv"], "acg train: the following arguments are required: --out"),
        (["demo", "--epochs", "0"], "argument --epochs: expected a whole number, 1 or more, but it is '0'"),
        (["demo", "--seeds", "two"], "argument --seeds: expected a whole number, 1 or more, but it is 'two'"),
        (
            ["train", "a", "--out", "b", "--min-rating", "nan"],
            "--min-rating: expected a number, but it is 'nan'",
        ),
        (
            ["train", "a", "--out", "b", "--max-domains", "1"],
            "argument --max-domains: expected a whole number, 2 or more, but it is '1'",
        ),
        (
            ["train", "a", "--out", "b", "--heads", "5"],
            "--inner-dim 128 cannot be divided among --heads 5: take a divisor",
        ),
        (["demo", "--world", "flat"], "argument --world: invalid choice: 'flat'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_and_where_help_is(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.rstrip().endswith("--help'.")


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
def test_files_that_cannot_be_used_are_one_line_for_every_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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


def test_missing_files_are_named_for_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere, out = str(tmp_path / "nowhere"), str(tmp_path / "out")
    for command in (
        ("inspect", nowhere),
        ("split", nowhere, "--out", out),
        ("recommend", nowhere, "--user", "a"),
        ("condition", nowhere, "--users", nowhere, "--out", out),
    ):
        assert main(list(command)) == 1
        assert re.fullmatch(rf"acg: {re.escape(nowhere)}.* (no such file|does not exist).*\n", capsys.readouterr().err)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_an_error_is_not_hidden_where_scipy_is_missing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: object) -> None:
        raise error

    for name in ("data", "training"):
        monkeypatch.setitem(sys.modules, f"acg_numpy.recommender.{name}", None)  # its import fails
    monkeypatch.setattr(COMMANDS["learn"], "run", fail)
    if isinstance(error, KeyboardInterrupt):
        assert main(["learn", "practice"]) == 130
    else:
        with pytest.raises(RuntimeError, match="a bug"):
            main(["learn", "practice"])
