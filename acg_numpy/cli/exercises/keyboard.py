"""Keys that are pressed and files that are saved, as one stream of events."""

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SAVED, END = "saved", "end"
POLL = 0.3  # seconds


class Events:
    """Events of one sitting, from threads that end with the process.

    Parameters
    ----------
    folder : path
        Whose files are watched.
    current : callable
        Returns the file that matters now, for polling.
    single : bool
        Whether keys are read one at a time, from a terminal; otherwise a line each.
    """

    def __init__(self, folder: Path, current: Callable[[], Path], *, single: bool) -> None:
        self.single = single
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        for work in (lambda: self._watch(folder, current), self._read_keys):
            threading.Thread(target=work, daemon=True).start()

    def __iter__(self) -> Iterator[str]:
        """Yield SAVED, END, or a key."""
        while True:
            try:
                yield self._queue.get(timeout=POLL)  # in steps, so that Ctrl-C is heard on every system
            except queue.Empty:
                continue

    def _read_keys(self) -> None:
        with suppress(ValueError, OSError):  # standard input is closed
            while key := _read_key(self.single):
                self._queue.put(key)
        self._queue.put(END)

    def _watch(self, folder: Path, current: Callable[[], Path]) -> None:
        try:
            from watchfiles import watch

            for _ in watch(folder, raise_interrupt=False):
                self._queue.put(SAVED)
        except (ImportError, OSError):  # it is not installed, or the system watches no more files
            self._poll(folder, current)

    def _poll(self, folder: Path, current: Callable[[], Path]) -> None:
        before = _stamp(current())
        while True:
            time.sleep(POLL)
            if (now := _stamp(current())) != before:
                before = now
                self._queue.put(SAVED)


@contextmanager
def single_keys(wanted: bool) -> Iterator[bool]:
    """Let a terminal hand on each key at once, without showing it; yield whether it does."""
    if not (wanted and sys.stdin.isatty()):
        yield False
        return
    try:
        import termios
        import tty
    except ImportError:  # Windows, whose console is asked for each key
        yield True
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield True
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _read_key(single: bool) -> str:
    """Return a key, or the first letter of a line; nothing at the end of the input."""
    if not single:
        line = sys.stdin.readline()
        return line.strip()[:1].lower() or "\n" if line else ""
    if sys.platform == "win32":
        import msvcrt

        return str(msvcrt.getwch()).lower()
    return sys.stdin.read(1).lower()


def _stamp(file: Path) -> tuple[Path, int, int]:
    try:
        state = file.stat()
    except OSError:
        return file, 0, 0
    return file, state.st_mtime_ns, state.st_size
