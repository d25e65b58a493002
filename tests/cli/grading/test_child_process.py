"""A child is kept to its time, also one that no longer reads what it is sent."""

import os
import sys

import numpy as np
import pytest

from acg_numpy.cli.grading.child_process import ChildEnded, ChildProcess, Limits

PAIR = "def forward(x): return x, x\ndef backward(grad_out, cache): return grad_out\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be stopped")
def test_a_child_that_does_not_read_is_ended_in_its_time() -> None:
    import signal

    with ChildProcess("mine.py", PAIR, ("forward", "backward"), {}, Limits(seconds=0.5, isolate="none")) as child:
        os.kill(child.process.pid, signal.SIGSTOP)  # nor does it look at the clock
        with pytest.raises(ChildEnded) as caught:
            child.ask({"call": "forward"}, [np.zeros(1 << 20)])  # more than a pipe holds
    assert caught.value.late
