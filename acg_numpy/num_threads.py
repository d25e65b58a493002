"""Threads: how many BLAS may use, set before NumPy is loaded or after it, and workers of our own in its place.

BLAS, the library in which NumPy multiplies matrices, has threads of its own, by default one for each processor.  Those
of OpenBLAS go on spinning for 50 ms after each product, waiting for the next one: at rest they gain little on matrices
of the sizes of this package, and on a machine that other programs use as well they make training several times slower.
Workers that each take a part of a large batch through a whole kernel wait for one another once, not at each product.
"""

import ctypes
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

# What BLAS reads when it is loaded.  Each library has a variable of its own, which wins over the one that all read.
OF_ALL = "OMP_NUM_THREADS"
OF_EACH = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Result = TypeVar("Result")

_workers = 1
_pool: ThreadPoolExecutor | None = None  # of the workers, made when there is work for them
_database: int | None = None
_entering = threading.Lock()
_inside = 0  # threads that are in a block of `one_blas_thread`
_restore: Callable[[], None] | None = None  # undoes what the first of them did


def set_num_threads(n: int) -> None:
    """Compute with `n` threads, in this process and from now on.

    BLAS then has one thread.  In its place `n` workers share a large batch of `AttentionConditioner`, 65,536 results or
    more, forward and backward, where the absorbed kernel computes it.  Smaller batches are computed by one thread,
    because workers gain nothing there.  Sums are made in the same order for every `n`, so the results are equal bit by
    bit.  The database that reads files of interactions works with `n` threads as well.

    Parameters
    ----------
    n : int
        1 or more; more than there are processors gain nothing.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a whole number from 1.

    Warns
    -----
    RuntimeWarning
        If the threads of BLAS cannot be set, because its library is not known and threadpoolctl is not installed.

    Notes
    -----
    Libraries that are loaded later, SciPy's BLAS for example, and processes that are started read environment variables
    such as OPENBLAS_NUM_THREADS, which are set to 1.

    Examples
    --------
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(1)
    """
    global _workers, _pool, _database
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n is {n!r}; expected a whole number, 1 or more")
    number = n.__index__()
    if number < 1:
        raise ValueError(f"n is {n!r}; expected a whole number, 1 or more")
    os.environ.update(dict.fromkeys(OF_EACH, "1"))
    if "numpy" in sys.modules and _limit_blas(1) is None:
        warnings.warn(_uncontrolled(1), RuntimeWarning, stacklevel=2)
    if number != _workers:
        _pool = None  # its threads end with the last work that they were given
    _workers = _database = number


def get_num_threads() -> int:
    """Return the number that `set_num_threads` was given; 1 where it was not called, whatever BLAS does.

    Examples
    --------
    >>> get_num_threads()
    1
    """
    return _workers


def map_in_order(work: Callable[..., Result], *items: Iterable[Any]) -> Iterator[Result]:
    """Do the work for all items, by as many threads as were asked for, and yield the results in order of the items."""
    global _pool
    if _workers == 1:
        return map(work, *items)
    if (pool := _pool) is None:
        pool = _pool = ThreadPoolExecutor(_workers, thread_name_prefix="acg_numpy")
    # each in a context of its own, which knows what NumPy was told to do about overflow
    begun = [pool.submit(copy_context().run, work, *each) for each in zip(*items, strict=True)]
    return (each.result() for each in begun)


def _forget_pool() -> None:
    """Start anew in a forked process, because threads do not live on in it."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def database_threads() -> int | None:
    """Return how many threads the database that reads files was given; None where that is its own choice."""
    return _database


@contextmanager
def command_threads(n: int | None) -> Iterator[None]:
    """Keep BLAS and the database at `n` threads in this block, and what it starts as well.

    Where `n` is None, the database does as it likes, and BLAS has one thread unless the environment says otherwise.
    """
    global _database
    variables = _unset_variables() if n is None else dict.fromkeys((OF_ALL, *OF_EACH), str(n))
    before, database = {name: os.environ.get(name) for name in variables}, _database
    os.environ.update(variables)
    _database = database if n is None else n
    restore = None
    if "numpy" in sys.modules and variables.keys() >= {*OF_EACH}:  # whose BLAS has read the environment already
        restore = _limit_blas(n or 1)
        if restore is None and n is not None:
            warnings.warn(_uncontrolled(n), RuntimeWarning, stacklevel=3)
    try:
        yield
    finally:
        _database = database
        if restore is not None:
            restore()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS at one thread in this block, in all threads of the process that are in such a block.

    Where the threads of BLAS cannot be set, they stay as they are.
    """
    global _inside, _restore
    with _entering:
        if _inside == 0:
            _restore = _limit_blas(1)
        _inside += 1
    try:
        yield
    finally:
        with _entering:
            _inside -= 1
            if _inside == 0 and _restore is not None:
                _restore()


def _unset_variables() -> dict[str, str]:
    """Return the variables that keep BLAS at one thread, without those that the user has decided on."""
    if os.environ.get(OF_ALL):
        return {}
    return {name: "1" for name in OF_EACH if not os.environ.get(name)}


class _Control(NamedTuple):
    """The two functions of a loaded BLAS that tell and set its number of threads."""

    get: Callable[[], int]
    set: Callable[[int], object]


_FUNCTIONS = [
    *(
        (f"{before}openblas_get_num_threads{after}", f"{before}openblas_set_num_threads{after}")
        for before in ("scipy_", "")
        for after in ("64_", "_64", "")
    ),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
]


def _limit_blas(n: int) -> Callable[[], None] | None:
    """Set the threads of every BLAS that is loaded, and return what undoes it; None where there is no way to do it."""
    if find_spec("threadpoolctl") is not None:
        libraries = import_module("threadpoolctl").ThreadpoolController().select(user_api="blas")
        if len(libraries):
            undo: Callable[[], None] = libraries.limit(limits=n).restore_original_limits
            return undo
    before = [(control, control.get()) for control in _controls()]
    for control, _ in before:
        control.set(n)
    if not before or any(control.get() != n for control, _ in before):
        return None

    def restore() -> None:
        for control, number in before:
            control.set(number)

    return restore


def _controls() -> list[_Control]:
    """Find the functions in the libraries that are loaded."""
    controls = []
    for path in _libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for get, set_ in _FUNCTIONS:
            if hasattr(library, get) and hasattr(library, set_):
                controls.append(_Control(getattr(library, get), getattr(library, set_)))
                break
    return controls


def _libraries() -> list[str]:
    """Return the files of the BLAS that are loaded: as Linux lists them, elsewhere as wheels carry them."""
    named = re.compile(r"openblas|mkl_rt|blis")
    maps = Path("/proc/self/maps")
    if maps.exists():
        with maps.open(errors="surrogateescape") as lines:
            paths = {line.split(maxsplit=5)[5].rstrip("\n") for line in lines if named.search(line)}
    else:
        paths = set()
        for package in {"numpy", "scipy"} & sys.modules.keys():
            folder = Path(str(sys.modules[package].__file__)).parent
            for libraries in (folder / ".dylibs", folder.with_name(f"{package}.libs")):
                paths |= {str(path) for path in libraries.glob("*")}
    return sorted(path for path in paths if named.search(os.path.basename(path)))


def _uncontrolled(n: int) -> str:
    """Say that the threads of BLAS cannot be set, and what can be done."""
    return (
        f"the threads of NumPy's BLAS could not be set to {n}, because none of its libraries is known; they stay as "
        f"they are: install threadpoolctl, or set {OF_EACH[0]}={n} (with MKL {OF_EACH[1]}, on macOS {OF_EACH[3]}) "
        "before Python starts"
    )
