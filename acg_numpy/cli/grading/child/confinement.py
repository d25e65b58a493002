"""What holds the child back: limits of the system, a view of the file system, and a hook on what Python does.

Each is set where the platform has it, before the student's file is run, and `confine` returns what was set, so that the
parent can say what held.  None of it decides points: the parent judges arrays alone.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

NO_FILE = ("open", "os.listdir", "os.scandir")  # events whose path has to be one of the readable ones
REFUSED = (
    "_winapi.", "ctypes.", "fcntl.", "ftplib.", "gc.", "http.", "mmap.", "msvcrt.", "os.", "pickle.", "pty.",
    "resource.", "shutil.", "signal.", "smtplib.", "socket.", "sqlite3.", "subprocess.", "sys._current_frames",
    "sys.addaudithook", "sys.monitoring", "sys.settrace", "syslog.", "urllib.", "webbrowser.",
    "winreg.",
)  # fmt: skip
SWITCHED_OFF = "sys.setprofile"
ALLOWED = ("os.putenv", "os.unsetenv", "os.add_dll_directory")
UNPRIVILEGED = 65534
PDEATHSIG, NO_NEW_PRIVS = 1, 38  # of prctl
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # system calls, the same on every processor
READ_FILE, READ_DIR = 1 << 2, 1 << 3


def confine(seconds: float, megabytes: int, packages: str) -> list[str]:
    """Hold this process back in every way that the platform has, and say which these are.

    Parameters
    ----------
    seconds : float
        Of processor time.
    megabytes : int
        Of address space.
    packages : str
        The folder in which NumPy lies.
    """
    readable = list(readable_paths(packages))
    held = [*_limit_resources(seconds, megabytes)]
    if sys.platform == "linux":
        held += [*_drop_root(readable), *_end_with_parent(), *_limit_files(readable)]
    return held


def readable_paths(packages: str) -> Iterator[str]:
    """Yield what the child may read: the standard library without installed packages, NumPy, and two devices."""
    for folder in dict.fromkeys(path for path in sys.path if os.path.isdir(path)):
        for name in os.listdir(folder):
            if name not in ("site-packages", "dist-packages"):
                yield os.path.join(folder, name)
    inside = [os.path.join(packages, name) for name in ("numpy", "numpy.libs")]
    yield from filter(os.path.exists, (*inside, *filter(os.path.isfile, sys.path), "/dev/null", "/dev/urandom"))


def _limit_resources(seconds: float, megabytes: int) -> Iterator[str]:
    """Limit processor time, memory, files, processes and core dumps."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits: list[tuple[str, str, int]] = [
        ("processor time", "RLIMIT_CPU", int(seconds) + 2),
        ("memory", "RLIMIT_AS", megabytes << 20),
        ("written files", "RLIMIT_FSIZE", 0),
        ("open files", "RLIMIT_NOFILE", 64),
        ("processes", "RLIMIT_NPROC", 0),
        ("core dumps", "RLIMIT_CORE", 0),
    ]
    for name, limit, value in limits:
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, limit), (value, value))
            if limit != "RLIMIT_NPROC" or os.getuid() != 0:  # which does not hold root
                yield name


def _end_with_parent() -> Iterator[str]:
    """Let this process be killed when its parent ends."""
    with suppress(OSError, AttributeError):
        if ctypes.CDLL(None).prctl(PDEATHSIG, 9, 0, 0, 0) == 0:
            yield "ends with its parent"


def _drop_root(readable: list[str]) -> Iterator[str]:
    """Give up being root, if this is root and every user can read Python and NumPy."""
    if os.getuid() != 0 or not all(map(_readable_by_all, readable)):
        return
    with suppress(OSError):
        os.setgroups([])
        os.setgid(UNPRIVILEGED)
        os.setuid(UNPRIVILEGED)
        yield "not root"
        yield "processes"


def _readable_by_all(path: str) -> bool:
    """Return whether every user can read a path."""
    path = os.path.realpath(path)
    if not os.stat(path).st_mode & 0o004:
        return False
    while (parent := os.path.dirname(path)) != path:
        path = parent
        if not os.stat(path).st_mode & 0o001:
            return False
    return True


def _limit_files(readable: list[str]) -> Iterator[str]:
    """Let this process read these paths and nothing else, write nothing, run nothing and signal no other: Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return
    rights = (1 << {1: 13, 2: 14}.get(version, 15)) - 1 if version < 5 else (1 << 16) - 1
    fields = (ctypes.c_uint64 * 3)(rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    ruleset = libc.syscall(LANDLOCK_CREATE, fields, 24 if version >= 6 else 16 if version >= 4 else 8, 0)
    if ruleset < 0:
        return
    for path in readable:
        _add_path(libc, ruleset, path, READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE)
    for path in sys.path:
        if os.path.isdir(path):
            _add_path(libc, ruleset, path, READ_DIR)
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and libc.syscall(LANDLOCK_RESTRICT, ruleset, 0) == 0:
        yield "files"
        yield from ["network"] * (version >= 4) + ["signals"] * (version >= 6)
    os.close(ruleset)


class _PathBeneath(ctypes.Structure):
    """A rule of Landlock."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _add_path(libc: Any, ruleset: int, path: str, rights: int) -> None:
    """Allow something beneath a path."""
    with suppress(OSError):
        descriptor = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
        libc.syscall(LANDLOCK_ADD, ruleset, 1, ctypes.byref(_PathBeneath(rights, descriptor)), 0)
        os.close(descriptor)


def watch_events(packages: str, own: str, report: Callable[[str], None]) -> None:
    """Refuse what a forward and a backward have no use for, and report it: a hook that Python cannot take away.

    Parameters
    ----------
    packages : str
        The folder in which NumPy lies.
    own : str
        The name of the student's file, which Python looks for when it prints a warning, and which is not there.
    report : callable
        Called with a sentence for each event.
    """
    roots = tuple(dict.fromkeys(os.path.realpath(path) for path in readable_paths(packages)))
    folders = tuple(os.path.realpath(path) for path in sys.path)
    modules = frozenset({*sys.stdlib_module_names, "numpy"})
    realpath, separator, frame_at = os.path.realpath, os.sep, sys._getframe

    def is_readable(path: Any, mode: Any) -> bool:
        if isinstance(path, int):
            return True
        text = path.decode("utf-8", "replace") if isinstance(path, bytes) else str(path)
        if isinstance(mode, str) and set(mode) & set("wax+"):
            return False
        found = realpath(text)
        return found in folders or any(found == root or found.startswith(root + separator) for root in roots)

    def is_library(path: str) -> bool:
        return path.startswith(folders) or any(path.startswith(root + separator) for root in roots)

    def is_importer(path: str) -> bool:
        return path.startswith("<frozen") or "importlib" in path

    def imported_by_student() -> bool:
        """Return whether the import that is going on was asked for outside the libraries: they try optional ones."""
        frame: FrameType | None = frame_at(2)
        while frame is not None and is_importer(frame.f_code.co_filename):
            frame = frame.f_back
        return frame is None or not is_library(realpath(frame.f_code.co_filename))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            name = str(arguments[0]).partition(".")[0]
            if name not in modules and imported_by_student():
                report(f"import {str(arguments[0])[:80]}")
                raise ImportError(f"No module named {name!r}: only NumPy and the standard library are there")
        elif event in NO_FILE:
            path = arguments[0] if arguments else ""
            if not is_readable(path, arguments[1] if len(arguments) > 1 else None):
                if path != own:
                    report(f"{event} {str(path)[:200]}")
                raise PermissionError(f"{event} {str(path)[:200]}: this file cannot be used here")
        elif event == SWITCHED_OFF:  # by Python itself as well, in a recursion that is too deep
            report(event)
        elif event.startswith(REFUSED) and event not in ALLOWED:
            report(event)
            raise PermissionError(f"{event} is not possible here")

    sys.addaudithook(hook)

    def refuse_thread(*arguments: Any, **options: Any) -> None:
        report("_thread.start_new_thread")
        raise PermissionError("a thread is not possible here")

    # not every version of Python has an event for it, and calls of the forward in a thread of C's are not counted
    import _thread
    import threading

    for module in (_thread, threading):
        for name in ("start_new_thread", "start_new", "start_joinable_thread"):
            for given in (name, f"_{name}"):
                if hasattr(module, given):
                    setattr(module, given, refuse_thread)
