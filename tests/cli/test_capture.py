"""Other people's code in a command adds nothing to its results, and keeps nothing running after them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PAIR = """
def forward(x):
    return x * x, x

def backward(grad_out, x):
    return 2 * grad_out * x

def softmax(scores):
    return scores
"""
NOISE = """
import atexit, os, signal, subprocess, sys, threading, time

class Printing:
    def __del__(self):
        print("noise of an object")

def write():
    while True:
        os.write(1, b"noise of a thread")
        time.sleep(1e-4)

def explode(*_):
    1 / 0

kept = Printing()
threading.Thread(target=write).start()  # it never ends
threading.Thread(target=write, daemon=True).start()
subprocess.Popen([sys.executable, "-c", "print('noise of a process')"])
atexit.register(os._exit, 7)
atexit.register(explode)
atexit.register(print, "noise at the end")
print("noise of another name", file=sys.__stdout__)
"""
REPLACED = """
import builtins

for name in ("len", "print", "next", "type", "str", "isinstance", "sorted", "open", "getattr", "__import__"):
    setattr(builtins, name, None)
"""
ALARMS = """
import signal, time

def ring(*_):
    raise RuntimeError("it is time")

signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.001)
"""
CLOSING = "import os, sys\nsys.stdout.close()\nsys.stderr.close()\nos.close(1)\nos.close(2)\n1 / 0\n"
NO_ALARMS = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarms")
PROGRAM = "import sys; from acg_numpy.cli import main; sys.exit(main())"
GRADCHECK, PROPERTIES = (
    ["gradcheck", "mine.py", "--inputs", "3"],
    ["properties", "mine.py:softmax", "--kind", "softmax"],
)


def run(words: list[str], source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "mine.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.mark.parametrize(("words", "code"), [(GRADCHECK, 0), ([*PROPERTIES, "--examples", "1"], 1)])
def test_what_a_file_leaves_running_adds_nothing(words: list[str], code: int, tmp_path: Path) -> None:
    done = run([*words, "--json"], NOISE + PAIR, tmp_path)
    assert json.loads(done.stdout)["passed"] is (code == 0)
    assert done.returncode == code
    assert "noise of another name" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "source"), [(GRADCHECK, REPLACED), pytest.param(PROPERTIES, ALARMS, marks=NO_ALARMS)]
)
def test_a_file_that_changes_the_process_is_answered_without_a_traceback(
    words: list[str], source: str, tmp_path: Path
) -> None:
    done = run([*words, "--json"], source + PAIR, tmp_path)
    assert json.loads(done.stdout)["error"]["message"]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a program cannot be started with closed descriptors there")
@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_the_caller_closed_is_no_failure(closed: int, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PAIR, encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, *GRADCHECK]
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command], cwd=tmp_path, timeout=120)
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors that a program closed are not given back there")
def test_a_file_that_closes_the_streams_is_answered(tmp_path: Path) -> None:
    done = run(GRADCHECK, CLOSING, tmp_path)
    assert done.returncode == 1
    assert "mine.py:6: while the file was run: ZeroDivisionError" in done.stderr
