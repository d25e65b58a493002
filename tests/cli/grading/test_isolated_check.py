"""`acg gradcheck --isolate`: the same verdicts, with the file in a process that is held back."""

from pathlib import Path

import pytest

from acg_numpy.cli import main

Captured = pytest.CaptureFixture[str]

SOURCE = """\
import numpy as np


def forward(x, w, ids=None):
    print("called")
    return np.tanh(x @ w), (x, w, np.tanh(x @ w))


def backward(grad_out, cache):
    x, w, y = cache
    dy = grad_out * (1 - y * y)
    return dy @ w.T, x.T @ dy
"""


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        (SOURCE, 0, "blind spots were not looked for"),
        (SOURCE.replace("x.T @ dy", "-x.T @ dy"), 1, "diagnosis: wrong-sign"),
        (
            SOURCE.replace("x, w, y = cache", "import os\n    os.kill(os.getppid(), 9)"),
            1,
            "os.kill is not possible here",
        ),
    ],
)
def test_a_file_in_a_child_gets_its_report(
    tmp_path: Path, capsys: Captured, source: str, code: int, message: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source, "utf-8")
    assert main(["gradcheck", f"{file}:forward,backward", "--inputs", "3x2, 2x4", "--isolate"]) == code
    told = capsys.readouterr()
    assert message in told.out + told.err
    assert "could not be followed" not in told.out
    if code == 0:
        assert "called" in told.err


def test_what_cannot_be_isolated_is_said(tmp_path: Path, capsys: Captured) -> None:
    assert main(["gradcheck", f"{tmp_path}/mine.py:Layer", "--inputs", "3x2", "--isolate"]) == 2
    assert "--isolate goes with two functions and --inputs" in capsys.readouterr().err
    assert main(["gradcheck", f"{tmp_path}/no.py:f,b", "--inputs", "3x2", "--isolate"]) == 1
    assert "no.py: it cannot be read: no such file or directory" in capsys.readouterr().err
