"""A pool of supervisors, which goes on when one of them dies: the file that it was at is tried once more, alone."""

import contextlib
import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from acg_numpy.cli.grading.child_process import START, ChildStartError, Limits

DIAGNOSIS = 180.0  # seconds beside those of the file itself, after which a supervisor is given up
LARGEST_LINE = 1 << 26
TRIES = 2


class Setup(NamedTuple):
    """What every supervisor is told: the folder of the hand-out, the text of the inputs, and how to judge."""

    handout: Path
    inputs: str | None
    limits: Limits
    hints: int


class Job(NamedTuple):
    """A file to judge, with a key for its result."""

    key: int
    file: str
    source: str


def judge_all(setup: Setup, jobs: Sequence[Job], workers: int, take: Callable[[int, dict[str, Any]], None]) -> None:
    """Judge files in several processes.

    Parameters
    ----------
    setup : Setup
    jobs : sequence of Job
    workers : int
    take : callable
        Called with the key and the answer of each job, as soon as it is there and from this thread: `result` as from
        `judge_file`, or `failed`, why there is none.

    Raises
    ------
    ChildStartError
        If no file can be run on this machine.
    """
    pending: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        pending.put(job)
    answers: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
    # the folders of the children lie in it, because a supervisor that is killed cannot remove its own
    with tempfile.TemporaryDirectory(prefix="acg-grade-", ignore_cleanup_errors=True) as folder:
        workplaces = [_Workplace(setup, folder, pending, answers) for _ in range(min(workers, len(jobs)))]
        try:
            for workplace in workplaces:
                workplace.start()
            for _ in jobs:
                key, answer = answers.get()
                if "stop" in answer:
                    raise ChildStartError(str(answer["stop"]))
                take(key, answer)
        finally:
            for workplace in workplaces:
                workplace.end()


class _Workplace(threading.Thread):
    """A thread with a supervisor, which is replaced when it dies."""

    def __init__(
        self,
        setup: Setup,
        folder: str,
        pending: "queue.SimpleQueue[Job]",
        answers: "queue.SimpleQueue[tuple[int, dict[str, Any]]]",
    ) -> None:
        super().__init__(daemon=True)
        self.environment = {**os.environ, **dict.fromkeys(["TMPDIR", "TEMP", "TMP"], folder)}
        self.setup, self.pending, self.answers = setup, pending, answers
        self.process: subprocess.Popen[str] | None = None
        self.ended = False

    def run(self) -> None:
        """Judge until there is nothing left."""
        while not self.ended:
            try:
                job = self.pending.get_nowait()
            except queue.Empty:
                break
            self.answers.put((job.key, self._judge(job)))
        self._close()

    def _judge(self, job: Job) -> dict[str, Any]:
        """Judge one file; if the supervisor dies, in a new one."""
        for _ in range(TRIES):
            try:
                answer = self._ask(job)
            except (OSError, ValueError):  # the pipe is broken, or has been closed
                answer = None
            if answer is not None:
                return answer
            self._close()
            if self.ended:
                return {"failed": "grading was interrupted"}
        return {"failed": "the process that judged it was ended from outside twice, and only while it judged this file"}

    def _ask(self, job: Job) -> dict[str, Any] | None:
        """Send a file and wait for its answer; None if the supervisor ends before it."""
        process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        number = secrets.token_hex(16)
        timer = threading.Timer(START + self.setup.limits.seconds + DIAGNOSIS, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps({"job": number, "file": job.file, "source": job.source}) + "\n")
            process.stdin.flush()
            while line := process.stdout.readline(LARGEST_LINE):
                with contextlib.suppress(ValueError, RecursionError):
                    answer = json.loads(line)
                    if isinstance(answer, dict) and answer.get("job") == number:
                        return answer
            return None
        finally:
            timer.cancel()

    def _start(self) -> "subprocess.Popen[str]":
        """Start a supervisor."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "acg_numpy.cli.grading.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdin is not None
        self.process = process
        setup = self.setup
        told = {"handout": str(setup.handout), "inputs": setup.inputs, "limits": setup.limits, "hints": setup.hints}
        process.stdin.write(json.dumps(told) + "\n")
        return process

    def _close(self) -> None:
        """End the supervisor."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()  # type: ignore[union-attr]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        process.kill()
        process.wait()
        with contextlib.suppress(OSError, ValueError):
            process.stdout.close()  # type: ignore[union-attr]

    def end(self) -> None:
        """End at once, whatever is being judged."""
        self.ended = True
        process = self.process
        if process is not None and self.is_alive():
            process.kill()
        self.join(timeout=10)
