"""Work over blocks of rows: in this process, or on a Dask cluster whose workers may die.

On a cluster a few blocks more than there are threads are under way, so that the scheduler never holds all of them.  A
block whose worker dies is computed by another one.  A block with which several workers died is tried once more alone:
so it is told from blocks that were merely assigned to the same workers.  Errors that lie in a block's rows let the
others finish; errors of the disk, of the library or of the network end the work.
"""

import secrets
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from acg_numpy.interop.libraries import require
from acg_numpy.num_threads import one_blas_thread
from acg_numpy.text import counted, joined

ANSWER_WITHIN = 5.0  # seconds, of a scheduler
LONGEST_GREETING = 1 << 20  # bytes of a scheduler's first message
WORKERS_WITHIN = 60.0  # seconds without a worker, after which the work is given up
LOOK_EVERY = 5.0  # seconds, for whether there is still a worker
AHEAD = 2  # blocks under way for each thread of the cluster
SHOWN = 3  # failed blocks in a message


class ClusterError(RuntimeError):
    """A cluster cannot be used; the message says why, and what is done already."""


class BlockError(ClusterError):
    """Some blocks failed, and the others are done.

    Attributes
    ----------
    failed : tuple of (range, str)
        The rows of each failed block, counted from 0, and why it failed.
    """

    def __init__(self, message: str, failed: Sequence[tuple[range, str]] = ()) -> None:
        super().__init__(message)
        self.failed = tuple(failed)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.failed)


class Failure(NamedTuple):
    """A block that failed, and why."""

    rows: range
    error: BaseException
    killed: bool  # its workers died

    @property
    def reason(self) -> str:
        """Why it failed, in words."""
        if self.killed:
            return "every worker that computed it died (was there too little memory for it?)"
        named = str(self.error) or type(self.error).__name__
        return named if isinstance(self.error, ValueError | OSError | FloatingPointError) else repr(self.error)


Work = Callable[[Any, range], Any]
Done = Callable[[range, Any], None]


def connect(address: str) -> Any:
    """Connect to the scheduler of a Dask cluster that has workers.

    Parameters
    ----------
    address : str
        As `dask scheduler` prints it: ``tcp://192.0.2.10:8786``.

    Returns
    -------
    distributed.Client
        To be closed by the caller, for example by a `with` block.

    Raises
    ------
    ClusterError
        If the address is malformed, no scheduler answers within 5 seconds, or it has no worker.
    ModuleNotFoundError
        If distributed is not installed.
    """
    distributed = require("distributed", "a Dask cluster")
    try:
        _reach(address)
        client = distributed.Client(address, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({_short(error)}): start one with 'dask scheduler', and give the "
            "address that it prints, as in tcp://192.0.2.10:8786"
        ) from error
    try:
        client.wait_for_workers(1, timeout=ANSWER_WITHIN / 2)
    except TimeoutError:
        client.close()
        raise ClusterError(
            f"the scheduler at {address} has no worker: start one or more with 'dask worker {address}'"
        ) from None
    return client


def _reach(address: str) -> None:
    """Raise an error if no scheduler answers; a client that finds none takes long to give up, and longer to close.

    Without encryption a Dask server begins with the length of a short message, 8 bytes, the lowest first.
    """
    place = _check_address(address)
    if place is None:
        return
    with socket.create_connection(place, timeout=ANSWER_WITHIN) as connection:
        if address.startswith("tls:"):
            return
        length = connection.recv(8)
    if len(length) < 8 or int.from_bytes(length, "little") > LONGEST_GREETING:
        raise ValueError("another service answers there")


def _check_address(address: str) -> tuple[str, int] | None:
    """Return the host and port of an address, None where its scheme has none; raise ValueError if it is malformed."""
    addressing = require("distributed.comm.addressing", "a Dask cluster")
    backends = require("distributed.comm.registry", "a Dask cluster").backends
    scheme, place = addressing.parse_address(address)
    if scheme not in backends:
        raise ValueError(f"the scheme {scheme!r} is not one of {joined(sorted(backends), 'or')}")
    if scheme in ("tcp", "tls"):
        try:
            host, port = addressing.parse_host_port(place)
        except ValueError:
            host, port = "", 0
        if not host or not 0 < port < 1 << 16:
            raise ValueError("a host and a port are expected")
        return host, port
    return None


def run_blocks(
    work: Work,
    job: Any,
    blocks: Sequence[range],
    *,
    client: Any = None,
    done: Done | None = None,
    prepare: Callable[[range], None] | None = None,
    rows: str = "users",
) -> None:
    """Do the work for every block.

    Parameters
    ----------
    work : callable
        A function of a module, called as `work(job, block)`.
    job : object
        What all blocks need; on a cluster it is pickled.
    blocks : sequence of range
        The rows of each.
    client : distributed.Client, optional
        By default the work is done in this process.
    done : callable, optional
        Called as `done(block, result)` in this process, in the order in which blocks end.
    prepare : callable, optional
        Called as `prepare(block)` in this process, before the block is computed.
    rows : str, default "users"
        What messages call rows.

    Raises
    ------
    BlockError
        If blocks failed, after all others are done; it names their rows.
    ClusterError
        If the scheduler or all workers are gone.
    OSError
        If a file cannot be read or written, in this process or on a worker.
    """
    outcomes = _run_here(work, job, blocks, prepare) if client is None else _run_on(client, work, job, blocks, prepare)
    failures: list[Failure] = []
    for block, result in outcomes:
        if isinstance(result, Failure):
            failures.append(result)
        elif done is not None:
            done(block, result)
    if failures:
        _raise_failures(failures, len(blocks), rows)


def map_blocks_in_order(work: Callable[..., Any], arguments: Sequence[Any], *, job: Any, client: Any) -> Iterator[Any]:
    """Yield `work(job, argument)` for each argument, in their order, however many workers compute them."""
    if client is None:
        with one_blas_thread():
            for argument in arguments:
                yield work(job, argument)
        return
    running: dict[int, Any] = {}

    def submit(m: int, shared: Any) -> Any:
        key = f"acg-partition-{m}-{secrets.token_hex(4)}"
        return client.submit(_in_worker, work, shared, arguments[m], key=key, pure=False)

    with _connection(client, "partitions", len(arguments)) as connection:
        shared, ahead = _share(client, job), AHEAD * _threads(client)
        for n in range(len(arguments)):
            for m in range(n, min(n + ahead, len(arguments))):
                if m not in running:
                    running[m] = submit(m, shared)
            try:
                result = running.pop(n).result()
            except _killed_worker():
                running.clear()  # once more, alone: it may have been another one that the workers died of
                shared = _share(client, job)
                try:
                    result = submit(n, shared).result()
                except _killed_worker() as error:
                    raise BlockError(
                        f"every worker that computed partition {n} (counted from 0) died: was there too little memory "
                        "for it?",
                        [(range(n, n + 1), "its workers died")],
                    ) from error
            connection.ended += 1
            yield result


def _run_here(
    work: Work, job: Any, blocks: Sequence[range], prepare: Callable[[range], None] | None
) -> Iterator[tuple[range, Any]]:
    with one_blas_thread():
        for block in blocks:
            if prepare is not None:
                prepare(block)
            try:
                result = work(job, block)
            except (ValueError, FloatingPointError) as error:  # of the block's own rows
                result = Failure(block, error, killed=False)
            yield block, result


def _run_on(
    client: Any, work: Work, job: Any, blocks: Sequence[range], prepare: Callable[[range], None] | None
) -> Iterator[tuple[range, Any]]:
    killers = []
    with _connection(client, "blocks", len(blocks)) as connection:
        for block, result in _run_together(connection, work, job, blocks, prepare, AHEAD * _threads(client)):
            if isinstance(result, Failure) and result.killed:
                killers.append(block)
            else:
                connection.ended += 1
                yield block, result
        yield from _run_together(connection, work, job, killers, prepare, ahead=1)


def _run_together(
    connection: "_Connection",
    work: Work,
    job: Any,
    blocks: Sequence[range],
    prepare: Callable[[range], None] | None,
    ahead: int,
) -> Iterator[tuple[range, Any]]:
    client = connection.client
    shared, token = _share(client, job), secrets.token_hex(4)  # another run of the same blocks has other keys
    waiting, running = iter(blocks), dict[Any, range]()
    while True:
        while len(running) < ahead and (block := next(waiting, None)) is not None:
            if prepare is not None:
                prepare(block)
            key = f"acg-rows-{block.start}-{block.stop - 1}-{token}"
            running[client.submit(_in_worker, work, shared, block, key=key, pure=False)] = block
        if not running:
            return
        for future in _wait(connection, list(running)):
            block = running.pop(future)
            if future.status == "finished":
                yield block, future.result()
                continue
            error = future.exception()
            killed = isinstance(error, _killed_worker())
            if not killed and isinstance(error, OSError | ImportError | ClusterError):
                raise error
            yield block, Failure(block, error, killed)


@dataclass
class _Connection:
    """A client at work, and how much of it has ended."""

    client: Any
    what: str
    total: int
    ended: int = 0

    @property
    def done(self) -> str:
        return f"with {self.ended} of {self.total} {self.what} done"


@contextmanager
def _connection(client: Any, what: str, total: int) -> Iterator[_Connection]:
    """Put a lost connection into words, whichever call of the client it came from."""
    distributed = require("distributed", "a Dask cluster")
    connection = _Connection(client, what, total)
    try:
        yield connection
    except ClusterError:
        raise
    except (Exception, CancelledError) as error:
        lost = isinstance(error, CancelledError | distributed.comm.CommClosedError)
        if lost or client.status not in ("running", "newly-created"):
            raise ClusterError(
                f"the connection to the scheduler was lost, {connection.done}: see why it ended, and run the same "
                "again to go on"
            ) from error
        raise


def _wait(connection: _Connection, running: list[Any]) -> list[Any]:
    """Wait until a block has ended, and return all that have; raise ClusterError if none will."""
    distributed = require("distributed", "a Dask cluster")
    client, idle = connection.client, 0.0
    while True:
        try:
            with client.as_current():
                distributed.wait(running, return_when="FIRST_COMPLETED", timeout=LOOK_EVERY)
        except TimeoutError:
            idle = 0.0 if _threads(client, least=0) else idle + LOOK_EVERY
            if idle >= WORKERS_WITHIN:
                raise ClusterError(
                    f"the cluster has had no worker for {WORKERS_WITHIN:.0f} s, {connection.done}: start workers, and "
                    "run the same again to go on"
                ) from None
        else:
            return [future for future in running if future.done()]


def _threads(client: Any, least: int = 1) -> int:
    """Return how many threads the cluster has now."""
    threads: dict[str, int] = client.nthreads()
    return max(least, sum(threads.values()))


def _share(client: Any, job: Any) -> Any:
    """Give every task the same object, which the scheduler can make again when workers have died."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
        return client.submit(_same, job, pure=False)


def _same(job: Any) -> Any:
    return job


def _in_worker(work: Callable[..., Any], job: Any, block: Any) -> Any:
    with one_blas_thread():
        return work(job, block)


def _killed_worker() -> Any:
    return require("distributed", "a Dask cluster").KilledWorker


def _raise_failures(failures: Sequence[Failure], blocks: int, rows: str) -> None:
    failed = sorted(((failure.rows, failure.reason) for failure in failures), key=lambda one: one[0].start)
    lines = [f"{rows} {block.start} to {block.stop - 1}: {reason}" for block, reason in failed[:SHOWN]]
    more = f"; and {counted(len(failed) - SHOWN, 'block')} more" if len(failed) > SHOWN else ""
    error = BlockError(
        f"{len(failed)} of {counted(blocks, 'block')} failed, and the others are done ({rows} counted from 0): "
        + "; ".join(lines)
        + more,
        failed,
    )
    raise error from failures[0].error


def _short(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]
