"""What the command prints is lines of printable letters, whatever ids, names of files and errors hold."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acg_numpy import cli
from acg_numpy.cli import main
from acg_numpy.cli.printing import echo
from acg_numpy.recommender.data import read_interactions
from acg_numpy.recommender.training import fit

Captured = pytest.CaptureFixture[str]

CLEAR, TITLE, BACK = (
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x9b31m\u202e",
)  # clear, rename the window, turn letters round
USER = f"ann{CLEAR}"
DOMAINS = [f"{BACK}books", f"films{TITLE}", f"{CLEAR}games"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results whose users, items, domains, and files are full of what steers a terminal."""
    folder, rng = tmp_path_factory.mktemp("hostile"), np.random.default_rng(0)
    rows = ["user,item,domain"]
    for user in range(60):
        name = USER if user == 0 else f"{TITLE} {user}"
        for item in rng.permutation(36)[: rng.integers(12, 30)].tolist():
            rows.append(f"{name},{CLEAR}{BACK} {item:02d},{DOMAINS[item % 3]}")
    rows += [f"{USER},{TITLE} lonely,", f"{USER},{CLEAR}{BACK} 00,{TITLE}rare", "too,many,fields,\x1b[5m"]
    taken = folder / f"taken{CLEAR}.csv"
    taken.write_text("\n".join(rows) + "\n", encoding="utf-8")
    small: dict[str, Any] = {"epochs": 1, "emb_dim": 8, "heads": 2, "tokens_per_domain": 2, "baselines": False}
    fit(read_interactions(taken), **small).write(folder / f"run{TITLE}")
    return folder


def printed(capsys: Captured, *arguments: object, code: int = 0) -> str:
    """What a command prints on both streams, none of it a letter that steers."""
    assert main([str(one) for one in arguments]) == code
    out, err = capsys.readouterr()
    assert [letter for letter in out + err if not letter.isprintable() and letter != "\n"] == []
    return out + err


def test_reading_commands_show_ids_as_what_they_are(hostile: Path, capsys: Captured) -> None:
    taken, run = hostile / f"taken{CLEAR}.csv", hostile / f"run{TITLE}"
    assert r"\x1b[2J\x1b[Hgames" in printed(capsys, "inspect", taken)
    for name in ("checkpoint.npz", "conditions.npy", "interactions.npz"):
        printed(capsys, "inspect", run / name)
    assert r"\x1b[2J" in printed(capsys, "split", taken, "--out", hostile / f"split{BACK}.tsv")
    assert r"for ann\x1b[2J\x1b[H" in printed(capsys, "recommend", run, "--user", USER)
    new = hostile / f"new{TITLE}.npy"
    assert r"\x07" in printed(capsys, "condition", run / "checkpoint.npz", "--interactions", taken, "--out", new)


def test_a_page_is_named_as_what_it_is(hostile: Path, capsys: Captured) -> None:
    pytest.importorskip("plotly", reason="the page is made with Plotly")
    run = hostile / f"run{TITLE}"
    assert r"\x07" in printed(capsys, "explore", run, "--out", hostile / f"page{TITLE}.html", "--user", USER)


def test_a_file_s_own_names_errors_and_warnings_are_shown(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / f"mine{CLEAR}.py"
    for body in (
        f"raise ValueError({CLEAR!r})",
        f"import warnings; warnings.warn({TITLE!r}); return x, x",
        f"return ({CLEAR!r}, x)",
    ):
        file.write_text(f"def forward(x):\n    {body}\n\ndef backward(grad_out, x):\n    return x\n", encoding="utf-8")
        for options in ((), ("--json",), ("--hints", "1")):
            assert r"\x1b" in printed(capsys, "gradcheck", file, "--inputs", "3", *options, code=1).replace(
                "u001b", "x1b"
            )


def test_folders_that_are_written_are_shown(tmp_path: Path, capsys: Captured) -> None:
    assert r"\x1b[2J" in printed(capsys, "handout", "mse", "--to", tmp_path / CLEAR)
    (tmp_path / CLEAR / "mse.py").write_text("mine", encoding="utf-8")
    assert r"\x1b[2J" in printed(capsys, "handout", "mse", "--to", tmp_path / CLEAR, code=1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((f"train{CLEAR}",), 2),
        (("demo", f"--{TITLE}"), 2),
        (("demo", "--world", BACK), 2),
        (("train", "a", "--out", "b", CLEAR), 2),
        (("train", "a", "--out", "b", "--heads", TITLE), 2),
        (("inspect", f"nowhere{CLEAR}"), 1),
        (("inspect", f"new\nline{CLEAR}"), 1),
        (("recommend", f"nowhere{TITLE}", "--user", "a"), 1),
        (("explore", f"nowhere{TITLE}"), 1),
        (("condition", f"nowhere{TITLE}", "--users", BACK, "--out", "c.npy"), 1),
        (("gradcheck", f"nowhere{CLEAR}.py", "--inputs", "3"), 1),
        (("gradcheck", f"nowhere{CLEAR}.py:a,b c"), 2),
        (("handout", CLEAR, "--to", "x"), 2),
        (("bench", "--against", TITLE), 2),
    ],
)
def test_errors_quote_what_they_are_about(
    arguments: tuple[str, ...], code: int, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, *arguments, code=code)
    assert any(mark in text for mark in (r"\x1b", r"\x9b"))
    assert text.count("\n") <= 2


def test_a_name_cannot_begin_a_line_of_its_own(capsys: Captured) -> None:
    echo("for ann\nacg: all is well", "2")
    assert capsys.readouterr().out == "for ann\\nacg: all is well\n2\n"


FILES = sorted(Path(cli.__file__).parent.rglob("*.py"))
PIPES = {"benchmarks/__main__.py"}  # write JSON for the process that started them


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(Path(cli.__file__).parent).as_posix())
def test_one_module_alone_prints(path: Path) -> None:
    name = path.relative_to(Path(cli.__file__).parent).as_posix()
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    prints = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    writes = [call for call in calls if isinstance(call, ast.Attribute) and ast.unparse(call).startswith("sys.std")]
    written = [call for call in writes if call.attr == "write"]
    assert not prints or name == "printing.py"
    assert not written or name in PIPES
