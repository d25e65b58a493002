"""The child of a grader: a process that is started, asked, kept to its time, and killed with all that it began."""

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from acg_numpy.cli.grading.child.messages import MessageError, read_message, write_message

PROGRAM = Path(__file__).parent / "child"
START = 60.0  # seconds for the child to start and to import NumPy
GRACE = 0.5  # seconds after the time is up, in which the child says at which line it is
MOST_PRINTED = 20_000  # bytes of what the file prints that are kept, from its beginning; and as many from its end
ISOLATIONS = ("process", "bwrap", "none")
NO_BUBBLEWRAP = "bwrap is not installed: apt install bubblewrap, dnf install bubblewrap, or --isolate process"
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG")
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Limits(NamedTuple):
    """Limits of a child.

    Attributes
    ----------
    seconds : float
        For all of its answers together.
    megabytes : int
        Of memory.
    isolate : {"process", "bwrap", "none"}
        How it is held: by limits and hooks; in a container of Bubblewrap's as well; by its time alone.
    """

    seconds: float = 10.0
    megabytes: int = 2048
    isolate: str = "process"


class ChildStartError(RuntimeError):
    """A child that could not be started, which is no fault of the student's file."""


class ChildEnded(Exception):
    """The end of a child before its answer: `late` where its time was up, with the line that it was at."""

    def __init__(self, what: str, *, late: bool = False, line: int | None = None) -> None:
        super().__init__(what)
        self.what, self.late, self.line = what, late, line


class ChildProcess:
    """A child, used in a `with` block, at whose end it is killed with its whole session.

    Parameters
    ----------
    file : str
        The name of the student's file, for lines in errors.
    source : str
    functions : tuple of str
        The names of its forward and its backward.
    options : dict
        Keyword arguments of the forward.
    limits : Limits
    handed_out : str
        The source of the file as it was handed out, by which copies of its forward are told.

    Attributes
    ----------
    held : list of str
        What holds the child, as it said before the file was run.
    loaded : dict
        Its first answer: whether the file could be run.
    """

    def __init__(
        self,
        file: str,
        source: str,
        functions: Sequence[str],
        options: dict[str, Any],
        limits: Limits,
        handed_out: str = "",
    ) -> None:
        self.file, self.source, self.limits = file, source, limits
        self.printed = PrintedText()
        self.seen: list[Any] = []
        check_isolation(limits.isolate)
        self.folder = tempfile.mkdtemp(prefix="acg-grade-")
        self.answers: queue.Queue[Any] = queue.Queue()
        self.deadline = time.monotonic() + START
        self.process = subprocess.Popen(
            child_command(limits),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | dict.fromkeys(ONE_THREAD, "1"),
            start_new_session=True,
        )
        for target in (self._read_answers, self._read_printed):
            threading.Thread(target=target, daemon=True).start()
        try:
            self.held = self._start()
            start = {"file": file, "source": source, "functions": list(functions), "options": options}
            start["handed_out"] = handed_out
            self.deadline = time.monotonic() + limits.seconds
            self.loaded, _ = self.ask(start)
        except BaseException:
            self.close()
            raise

    def _start(self) -> list[str]:
        """Wait until the child is ready."""
        try:
            ready, _ = self._next_answer()
        except ChildEnded as ended:
            text = self.printed.text.strip().splitlines()
            raise ChildStartError(f"the child did not start: {text[-1] if text else ended.what}") from None
        return [str(one) for one in ready.get("held", [])]

    def ask(
        self, head: dict[str, Any], arrays: Sequence[Any] = (), largest: int = 1 << 20
    ) -> tuple[dict[str, Any], list[Any]]:
        """Send a request and wait for its answer.

        Parameters
        ----------
        head : dict
        arrays : sequence of arrays
        largest : int
            How many bytes the arrays of the answer may take.

        Raises
        ------
        ChildEnded
            If no answer came in time, or something that is no answer.
        """
        assert self.process.stdin is not None
        self.largest = largest
        timer = threading.Timer(max(0.0, self.deadline + GRACE - time.monotonic()), self.kill)  # it may not read
        timer.start()
        try:
            with contextlib.suppress(OSError):  # it has ended, which the answer says
                write_message(self.process.stdin, head, arrays)  # type: ignore[arg-type]
        finally:
            timer.cancel()
        return self._next_answer()

    largest = 1 << 20

    def _next_answer(self) -> tuple[dict[str, Any], list[Any]]:
        """Wait for the next answer."""
        try:
            found = self.answers.get(timeout=max(0.0, self.deadline + GRACE - time.monotonic()))
        except queue.Empty:
            self.kill()
            seconds = f"it still runs after {self.limits.seconds:g} seconds"
            raise ChildEnded(seconds, late=True, line=self._last_line()) from None
        if isinstance(found, ChildEnded):
            raise found
        answer: tuple[dict[str, Any], list[Any]] = found
        if isinstance(answer[0].get("seen"), list):
            self.seen = answer[0]["seen"]
        return answer

    def _read_answers(self) -> None:
        """Read answers, in a thread of their own, until the child ends or sends something else."""
        assert self.process.stdout is not None
        while True:
            try:
                self.answers.put(read_message(self.process.stdout, self.largest))  # type: ignore[arg-type]
            except EOFError:
                self.answers.put(self._ended())
                return
            except (MessageError, OSError, ValueError) as error:
                self.answers.put(ChildEnded(f"the file wrote into the pipe of the answers ({error})"))
                return

    def _ended(self) -> ChildEnded:
        """Say how the child ended."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return ChildEnded("the file closed the pipe of the answers")
        if os.name == "posix" and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            if name == "SIGXCPU" or (name == "SIGKILL" and time.monotonic() > self.deadline):
                seconds = f"it still runs after {self.limits.seconds:g} seconds"
                return ChildEnded(seconds, late=True, line=self._last_line())
            return ChildEnded(f"the file ended the program before anything could be compared (signal {name})")
        return ChildEnded("the file ended the program before anything could be compared")

    def _read_printed(self) -> None:
        """Read what the file prints, to its end."""
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self.process.stderr.fileno(), 1 << 16):
                self.printed.add(data)

    def _last_line(self) -> int | None:
        """Return the line that the file was at when its time was up, as `faulthandler` printed it."""
        time.sleep(0.05)  # for the last of it to be read
        lines = re.findall(rf'File "{re.escape(self.file)}", line (\d+)', self.printed.tail)
        return int(lines[0]) if lines else None

    def kill(self) -> None:
        """Kill the child and every process that it began."""
        if hasattr(os, "killpg"):  # Windows has no groups of processes
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        kill_orphans()

    def close(self) -> None:
        """Kill the child and close its pipes."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(OSError):
            os.rmdir(self.folder)

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PrintedText:
    """What a file printed: its beginning and its end, and how much there was."""

    def __init__(self) -> None:
        self.size, self._head, self._tail = 0, b"", b""

    def add(self, data: bytes) -> None:
        """Add what was read."""
        self._head = (self._head + data)[:MOST_PRINTED] if len(self._head) < MOST_PRINTED else self._head
        self._tail = (self._tail + data)[-MOST_PRINTED:]
        self.size += len(data)

    @property
    def text(self) -> str:
        """The beginning, and how much more there was."""
        shown = self._head.decode("utf-8", "replace")
        return shown if self.size <= MOST_PRINTED else f"{shown}\n... {self.size - MOST_PRINTED:,} more bytes"

    @property
    def tail(self) -> str:
        """The end."""
        return self._tail.decode("utf-8", "replace")


def check_isolation(isolate: str) -> None:
    """Check that what is to hold a child is installed.

    Raises
    ------
    ChildStartError
        If it is not.
    """
    if isolate == "bwrap" and shutil.which("bwrap") is None:
        raise ChildStartError(NO_BUBBLEWRAP)


def child_command(limits: Limits) -> list[str]:
    """Return the command that starts a child."""
    packages = str(Path(np.__file__).resolve().parent.parent)
    settings = {
        "seconds": limits.seconds,
        "megabytes": limits.megabytes,
        "packages": packages,
        "confined": limits.isolate != "none",
    }
    command = [sys.executable, "-I", "-S", "-B", str(PROGRAM), json.dumps(settings)]
    return command if limits.isolate != "bwrap" else [*_bubblewrap(packages), *command]


def _bubblewrap(packages: str) -> Iterator[str]:
    """Yield the command of Bubblewrap: namespaces of its own, and of the file system what Python and NumPy need."""
    yield from ("bwrap", "--unshare-all", "--die-with-parent", "--clearenv")
    for name in ONE_THREAD:
        yield from ("--setenv", name, "1")
    folders = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", sys.base_prefix]
    for folder in dict.fromkeys(folder for folder in folders if os.path.exists(folder)):
        yield from ("--ro-bind", folder, folder)
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")
    for site in {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}:
        yield from ("--tmpfs", site)  # an installed acg_numpy is not seen
    for path in (os.path.join(packages, "numpy"), os.path.join(packages, "numpy.libs"), str(PROGRAM)):
        if os.path.exists(path):
            yield from ("--ro-bind", path, path)
    if sys.prefix != sys.base_prefix:
        for name in ("bin", "pyvenv.cfg"):
            yield from ("--ro-bind", os.path.join(sys.prefix, name), os.path.join(sys.prefix, name))
    yield from ("--chdir", "/")


def adopt_orphans() -> None:
    """Let processes whose parent ends become children of this one, so that none of them outlives (Linux).

    This process also becomes one that others of the same user may not look into.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
            libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: its memory and its descriptors are not in /proc
            _ADOPTING.append(True)


_ADOPTING: list[bool] = []


def kill_orphans(seconds: float = 5.0) -> None:
    """Kill the children of this process until none is left, if it adopts orphans."""
    end = time.monotonic() + seconds
    while _ADOPTING and time.monotonic() < end:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(OSError):
                children = Path(f"/proc/self/task/{thread}/children").read_text().split()
                for child in map(int, children):
                    with contextlib.suppress(OSError):
                        os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:  # no children
            return
        time.sleep(0.005)
