"""A judgement names mistakes of wrong answers alone."""

from pathlib import Path

from acg_numpy.cli.grading.child_process import Limits
from acg_numpy.cli.grading.graded_exercise import task_exercise
from acg_numpy.cli.grading.judge import judge_file
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
