"""A judgement names mistakes of wrong answers alone, and says what a program does to hide what it is."""

from pathlib import Path

import pytest

from acg_numpy.cli.grading.child_process import Limits
from acg_numpy.cli.grading.graded_exercise import task_exercise
from acg_numpy.cli.grading.judge import judge_file, unusual_names
from acg_numpy.cli.handouts.student_file import pass_names, student_file
from acg_numpy.cli.handouts.task import Task

RELU = """\
import numpy as np


def relu_forward(x):
    return np.maximum(x, 0.0), x


def relu_backward(grad_out, cache):
    return grad_out * (cache > 0)
"""
INPUTS = """\
import numpy as np

SEED, OPTIONS = 0, {}
CASES = {"kink": {"x": np.array([-1.0, 0.0, 2.0])}}
"""


def test_a_kink_is_no_mistake_of_a_right_answer() -> None:
    task = Task("relu", "relu_forward", "relu_backward", RELU, INPUTS, ["3"], 0)
    found = judge_file(task_exercise(task, Path("relu.py")), "relu.py", RELU, Limits(isolate="none"))
    assert (found["passed"], found["mistakes"]) == (True, [])
    assert "kink" in str(found["cases"])


STEPS = "f has a loop and a small number, as numeric derivatives have"
SECRETIVE = {
    "x = random._os": "uses _os",
    "from collections import _sys as s": "imports _sys",
    "import pkgutil": "imports pkgutil",
    "frame = error.__traceback__.tb_frame": "uses tb_frame",
    "frame = getattr(error, '__trace' + 'back__')": "calls getattr with a name that it computes",
    "frame = getattr(error, 'tb_frame')": "uses tb_frame",
    "find = getattr": "uses getattr",
    "match error:\n    case Exception(__traceback__=trace): pass": "uses __traceback__",
    "name = '__globals__'": "holds the text '__globals__'",
    "class Dual:\n    def __mul__(self, other): return self": "defines __mul__",
    "x = __builtins__": "uses __builtins__",
    "x = np.ctypeslib": "uses ctypeslib",
    "x = (lambda: (yield))().gi_frame": "uses gi_frame",
    "call = eval": "uses eval",
    "def f(x):\n    for i in range(3):\n        x[i] += 1e-6": STEPS,
    "def f(x):\n    h = 10**-4\n    return [g(x + h) for _ in x]": STEPS,
}


@pytest.mark.parametrize("code", SECRETIVE)
def test_what_hides_a_call_is_shown_however_it_is_written(code: str) -> None:
    assert SECRETIVE[code] in list(unusual_names(code))


def test_what_a_derivation_uses_is_not_shown() -> None:
    plain = "\n".join(
        [
            '"""`__dict__` in words."""',
            "from __future__ import annotations",
            "import math, numpy.linalg, dataclasses, unittest",
            "__all__ = ['f']",
            "class Cache:\n    def __init__(self, x):\n        self.x, self.shape = x, np.shape(x)",
            "def g(x):\n    return [row * len(row) ** -0.5 for row in x]",
            "if __name__ == '__main__':\n    import os\n    os._exit(0)",
        ]
    )
    assert list(unusual_names(plain)) == []


def test_what_was_handed_out_is_not_shown() -> None:
    for name in pass_names():
        blank, solved = student_file(name), student_file(name, solved=True)
        assert list(unusual_names(solved, blank)) == []
        assert list(unusual_names(f"import os\n{solved}", blank)) == ["imports os"]
