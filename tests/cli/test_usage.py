"""What the command says when asked for help or called wrongly, and what it exits with."""

import os
import signal
import subprocess
import sys
import time
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
    for option, default in (("--heads H", 4), ("--seed N", 0), ("--min-items N", 3), ("--user-column NAME", "user")):
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
        (["train", "a.csv", "b.csv", "--out", "c"], "acg train: unknown argument b.csv"),
        (["train", "a.csv"], "acg train: the following arguments are required: --out"),
        (["demo", "--epochs", "0"], "argument --epochs: '0' is not a whole number, 1 or more"),
        (["demo", "--seeds", "two"], "argument --seeds: 'two' is not a whole number, 1 or more"),
        (["train", "a", "--out", "b", "--min-rating", "nan"], "argument --min-rating: 'nan' is not a number"),
        (
            ["train", "a", "--out", "b", "--max-domains", "1"],
            "argument --max-domains: '1' is not a whole number, 2 or more",
        ),
        (
            ["train", "a", "--out", "b", "--heads", "5"],
            "--emb-dim 32 cannot be shared out among --heads 5: take a divisor",
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


def acg(*arguments: str) -> "subprocess.Popen[str]":
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's & has it ignored
    program = f"{listening}; import sys; from acg_numpy.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_asking_for_help_waits_for_nothing_that_only_the_work_needs() -> None:
    program = "import sys; from acg_numpy.cli import main; main(['train', '--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "acg_numpy.cli.commands.train" in loaded
    for heavy in ("scipy", "matplotlib", "tqdm"):
        assert heavy not in loaded


def test_ctrl_c_says_how_to_go_on_exits_with_130_and_leaves_a_state_and_no_results(tmp_path: Path) -> None:
    with acg("demo", "--out", str(tmp_path / "out"), "--epochs", "5000") as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    again = f"acg demo --out {tmp_path / 'out'} --epochs 5000 --resume"
    assert err.splitlines()[-1] == f"acg: interrupted; go on with: {again}"
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["last.npz"]


def test_a_warning_is_one_line(taken: Path, tmp_path: Path) -> None:
    with acg(
        "train", str(taken), "--out", str(tmp_path), "--epochs", "1", "--tokens-per-domain", "1", "--quiet"
    ) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.startswith("acg: one token per domain and no global ones")
    assert err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback(taken: Path, tmp_path: Path) -> None:
    with acg("train", str(taken), "--out", str(tmp_path / "out"), "--epochs", "1", "--quiet") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
