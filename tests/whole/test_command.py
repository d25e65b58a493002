"""The command in a process of its own: interrupted, with a warning, and with a reader that goes away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.conftest import EMPTY_PICTURE

# Of a PNG, as much as a page reads: pictures take nine tenths of a small training, and no test here looks at one.
UNDRAWN = f"from acg_numpy.recommender.reporting import write; write._png = lambda drawing: {EMPTY_PICTURE!r}"

SMALL = ("--epochs", "1", "--models", "attention", "--emb-dim", "8")


def acg(*arguments: str, first: str = "pass") -> "subprocess.Popen[str]":
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's & has it ignored
    program = f"{listening}; {first}; import sys; from acg_numpy.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_says_how_to_go_on_and_leaves_a_state(tmp_path: Path) -> None:
    with acg("demo", "--out", str(tmp_path / "out"), "--epochs", "5000", "--models", "attention") as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    again = f"acg demo --out {tmp_path / 'out'} --epochs 5000 --models attention --resume"
    assert err.splitlines()[-1] == f"acg: interrupted; go on with: {again}"
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["last.npz"]


def test_a_warning_is_one_line(taken: Path, tmp_path: Path) -> None:
    command = ("train", str(taken), "--out", str(tmp_path), *SMALL, "--tokens-per-domain", "1", "--quiet")
    with acg(*command, first=UNDRAWN) as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert err.startswith("acg: one token per domain and no global ones")
    assert err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback(taken: Path, tmp_path: Path) -> None:
    command = ("train", str(taken), "--out", str(tmp_path / "out"), *SMALL, "--quiet")
    with acg(*command, first=UNDRAWN) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
