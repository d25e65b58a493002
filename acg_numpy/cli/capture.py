"""Running other people's code in a command: what it prints, who interrupts it, and what it leaves running."""

import builtins
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import Any, TextIO

_USER_CODE_RAN = threading.Event()
_PROCESS_IS_OWN = threading.Event()


@contextmanager
def output_to_stderr() -> Iterator[TextIO]:
    """Send what is printed to standard error, also what C code or another process writes to descriptor 1.

    Yields
    ------
    text file
        Where results go: what standard output was, whatever other people's code does to that.
    """
    _USER_CODE_RAN.set()
    stdout, stderr = sys.stdout, sys.stderr
    stdout.flush()
    try:
        kept, errors = os.dup(1), os.dup(2)
    except OSError:  # one of them is closed
        with redirect_stdout(stderr):
            yield stdout
        return
    results = _open_results(stdout, kept)
    try:
        os.dup2(2, 1)
        with redirect_stdout(stderr):
            yield results
    finally:
        with suppress(OSError, AttributeError, TypeError):  # where there is no C library to ask
            ctypes.CDLL(None).fflush(None)
        with suppress(ValueError, OSError):  # what was written to sys.__stdout__ is no result
            stdout.flush()
        if results is not stdout:
            with suppress(OSError):  # what reads the results has ended
                results.close()
        if not _PROCESS_IS_OWN.is_set():  # else a thread that is left running would write below the results
            os.dup2(kept, 1)
        os.dup2(errors, 2)
        os.close(kept)
        os.close(errors)
        sys.stderr = (
            os.fdopen(os.dup(2), "w", errors="backslashreplace") if getattr(stderr, "closed", False) else stderr
        )


def _open_results(stdout: TextIO, kept: int) -> TextIO:
    """Return a stream for results: a copy of the process's own standard output, or what stands in its place."""
    try:
        own = stdout.fileno() == 1
    except (OSError, ValueError, AttributeError):
        own = False
    return open(os.dup(kept), "w", encoding=stdout.encoding, errors="backslashreplace") if own else stdout


def own_process() -> None:
    """Tell that the process is the command's own, and ends with it."""
    _PROCESS_IS_OWN.set()


def end_after_user_code(code: int) -> None:
    """End the process at once if it has run other people's code.

    Threads that the code left running, what it registered with `atexit` and objects that print when they are deleted
    would add to the results, change the exit code or keep the process from ending.

    Parameters
    ----------
    code : int
        The exit code.
    """
    if _USER_CODE_RAN.is_set():
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # what reads it has ended, or the code has closed it
                stream.flush()
        os._exit(code)


class ProcessState:
    """Context manager that undoes what other people's code does to builtins, signal handlers and timers.

    A report is written with builtins as they were, and no alarm of the file's interrupts it.  Names that the code adds
    to the builtins stay, because its functions may need them.
    """

    # No generator with `contextmanager`: that one calls `next` and `type`, which may be what was replaced.

    def __enter__(self) -> None:
        self._names, self._before = builtins.__dict__, dict(builtins.__dict__)
        self._is_main = threading.current_thread() is threading.main_thread()
        self._handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        kinds = [getattr(signal, name, None) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")]
        self._timers = [kind for kind in kinds if kind is not None and signal.getitimer(kind)[0] == 0]

    def __exit__(self, *error: object) -> None:
        tries = 0
        while tries < 1000:
            try:
                self._restore()
            except BaseException:  # raised by a handler of the file's, at any line
                tries += 1
            else:
                return

    def _restore(self) -> None:
        self._names.update(self._before)
        for kind in self._timers:
            signal.setitimer(kind, 0.0)
        for number, handler in self._handlers.items() if self._is_main else ():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def user_interrupts() -> Iterator[list[int]]:
    """Collect interrupts by the user, because a file may raise KeyboardInterrupt itself."""
    asked: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before: Any = signal.signal(signal.SIGINT, interrupt)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
