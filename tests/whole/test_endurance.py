"""Real processes, stopped and killed at random moments, end in the numbers of one that was left alone.

`HYPOTHESIS_PROFILE=thorough pytest tests/whole/test_endurance.py` kills many more, of a longer training.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from acg_numpy.cli.output_files import locked_folder
from acg_numpy.recommender.data import load_checkpoint
from tests.cli.conftest import EMPTY_PICTURE
from tests.thoroughness import THOROUGH

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills with POSIX signals")]

KILLS = 30 if THOROUGH else 4
SMALL = (
    *("--seeds", "2" if THOROUGH else "1", "--epochs", "60" if THOROUGH else "40", "--emb-dim", "8", "--heads", "2"),
    *("--clip-norm", "0.5", "--schedule", "plateau", "--quiet"),
    *(() if THOROUGH else ("--models", "popularity,concat-linear,ptupcdr,attention,attention-own-output")),
)
# `acg` with a state that is written after every epoch, so that there is one to be killed in, however short training is;
# without pictures, which no state keeps; and Ctrl-C works, also where the tests run in the background, where a shell
# has it ignored.
OFTEN = f"""
import signal, sys
from acg_numpy.cli import main
from acg_numpy.recommender.reporting import write
from acg_numpy.recommender.training import resume
write._png = lambda drawing: {EMPTY_PICTURE!r}
signal.signal(signal.SIGINT, signal.default_int_handler)
resume.EVERY = resume.SHARE = 0.0
sys.exit(main())
"""


def start(taken: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", OFTEN, "train", str(taken), "--out", str(out), *SMALL, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def waited(process: "subprocess.Popen[str]") -> str:
    """Wait for a process that is to end well; what it said on standard error."""
    with process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def numbers(out: Path) -> dict[str, Any]:
    """All that came out, but the seconds."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    for row in metrics["test"].values():
        del row["seconds"]
    files = ("conditions.npy", "checkpoint.npz", "item_bias.npy", "item_vectors.npy", "split.tsv")
    return {"metrics": json.dumps(metrics), **{name: (out / name).read_bytes() for name in files}}


def written(out: Path) -> int:
    """When the state was written last, in nanoseconds; 0 if it was not."""
    return (out / "last.npz").stat().st_mtime_ns if (out / "last.npz").exists() else 0


def wait_for_a_write(process: "subprocess.Popen[str]", out: Path) -> None:
    """Wait until the process has written the state, or ended."""
    before = written(out)
    while process.poll() is None and written(out) == before:
        time.sleep(0.001)


@pytest.fixture(scope="module")
def alone(taken: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """The numbers of a process that was left alone, and for how many seconds it wrote states and results."""
    out = tmp_path_factory.mktemp("alone") / "out"
    process = start(taken, out)
    wait_for_a_write(process, out)
    began = time.monotonic()
    waited(process)
    return numbers(out), time.monotonic() - began


def test_killed_at_random_moments_it_ends_in_the_same_numbers(
    taken: Path, tmp_path: Path, alone: tuple[dict[str, Any], float]
) -> None:
    expected, seconds = alone
    out, seed = tmp_path / "out", random.randrange(10**6)
    rng = random.Random(seed)
    done = []  # finished outcomes, and epochs of the training under way, in the state that each kill left
    for kill in range(KILLS):
        with start(taken, out, "--resume") as process:
            if kill % 4 < 3:
                wait_for_a_write(process, out)
                time.sleep(rng.uniform(0.0, 1.3 * seconds / KILLS))
            else:
                time.sleep(rng.uniform(0.0, 2.0))  # before it has come to writing
            process.kill()
        if process.returncode == 0:  # it was through before it could be killed
            break
        assert process.returncode == -signal.SIGKILL
        state = load_checkpoint(out / "last.npz").about  # whole, whenever it was killed
        (course,) = state["under way"].values() or ({"history": {"epoch": []}},)
        done.append((len(state["finished"]), len(course["history"]["epoch"])))
    print(f"killed {len(done)} times, with so many outcomes and epochs done: {done}")
    assert done == sorted(done), f"something that was done was lost (seed {seed})"
    assert len(set(done)) > 1, f"no kill met a process at work (seed {seed})"
    waited(start(taken, out, "--resume"))
    assert numbers(out) == expected, f"seed {seed}"
    assert not list(out.glob(".*")), "a half-written file was left behind"


def test_a_folder_that_another_process_writes_is_refused(taken: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with locked_folder(out), start(taken, out) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith(f"acg: {out} is being written by process {os.getpid()} on ")
    assert list(out.iterdir()) == []


def test_the_command_that_an_interruption_names_ends_in_the_same_numbers(
    taken: Path, tmp_path: Path, alone: tuple[dict[str, Any], float]
) -> None:
    out = tmp_path / "with a space"
    for stop, options in ((signal.SIGINT, ()), (signal.SIGTERM, ("--resume",))):
        with start(taken, out, *options) as process:
            wait_for_a_write(process, out)
            process.send_signal(stop)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert err.splitlines() == [
            f"acg: interrupted; go on with: acg train {taken} --out '{out}' {' '.join(SMALL)} --resume"
        ]
        assert {path.name for path in out.iterdir()} == {"last.npz"}
    assert waited(start(taken, out, "--resume")) == ""
    assert numbers(out) == alone[0]
