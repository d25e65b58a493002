"""A cluster whose workers die, whose scheduler dies, or which is not there, is told from blocks that cannot be done."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("distributed")

from acg_numpy.scale import BlockError, ClusterError, connect
from acg_numpy.scale.clusters import map_blocks_in_order, run_blocks

BLOCKS = [range(start, start + 10) for start in range(0, 80, 10)]

ALONE = """
import time
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address=":0") as cluster:
        print(cluster.scheduler_address, flush=True)
        time.sleep(60)
"""


def kill_at_thirty(job: str, block: range) -> int:
    if block.start == 30:
        os._exit(1)
    return block.start


def sleep_long(job: str, block: range) -> None:
    time.sleep(30)


def add(job: int, number: int) -> int:
    return job + number


def test_a_block_that_kills_its_workers_is_named_and_the_others_finish(
    cluster, by_workers, client, monkeypatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)  # so that others are suspected with it
    done = {}
    with pytest.raises(BlockError, match="1 of 8 blocks failed, and the others are done") as caught:
        run_blocks(
            kill_at_thirty, "job", BLOCKS, client=client, done=lambda block, result: done.update({block: result})
        )
    assert "users 30 to 39: every worker that computed it died" in str(caught.value)
    assert [rows for rows, _ in caught.value.failed] == [range(30, 40)]
    assert done == {block: block.start for block in BLOCKS if block.start != 30}


def test_results_come_in_the_order_of_the_arguments(client) -> None:
    assert list(map_blocks_in_order(add, range(9), job=100, client=client)) == list(range(100, 109))
    assert list(map_blocks_in_order(add, range(9), job=100, client=None)) == list(range(100, 109))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere:9"])
def test_an_address_where_no_scheduler_is_fails_soon(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acg_numpy.scale.clusters.ANSWER_WITHIN", 0.5)
    with pytest.raises(
        ClusterError, match=f"no Dask scheduler answers at {address} .*: start one with 'dask scheduler'"
    ):
        connect(address)


@pytest.mark.parametrize(
    ("answer", "message"),
    [(b"", "timed out"), (b"HTTP/1.1 400 Bad Request\r\n", "another service answers there"), (b"?", "another service")],
)
def test_a_port_without_a_scheduler_is_refused_before_a_client_is_made(
    answer: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acg_numpy.scale.clusters.ANSWER_WITHIN", 0.5)
    monkeypatch.setattr("distributed.Client", None)  # one that fails prints a traceback when the process ends
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                if answer:
                    connection.sendall(answer)
                else:
                    connection.recv(1)  # until the other side gives up

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ClusterError, match=f"no Dask scheduler answers at .*{message}"):
            connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        *((bad, "a host and a port are expected") for bad in ("", "127.0.0.1", "tcp://127.0.0.1:abc", "tcp://:1")),
        ("http://127.0.0.1:1", "the scheme 'http' is not one of .*'?tcp'?"),
    ],
)
def test_a_malformed_address_is_refused_before_a_client_is_made(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distributed.Client", None)
    with pytest.raises(ClusterError, match=f"no Dask scheduler answers at {address} \\({message}.*: start one"):
        connect(address)


def test_a_scheduler_that_is_killed_ends_the_work_with_what_is_done() -> None:
    with subprocess.Popen([sys.executable, "-c", ALONE], stdout=subprocess.PIPE, text=True) as process:
        try:
            client = connect(process.stdout.readline().strip())
        finally:
            os.kill(process.pid, signal.SIGKILL)
        with client, pytest.raises(ClusterError, match="to the scheduler was lost, with 0 of 8 blocks done"):
            run_blocks(sleep_long, "job", BLOCKS, client=client)


def test_a_scheduler_without_workers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acg_numpy.scale.clusters.ANSWER_WITHIN", 1.0)
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(ClusterError, match="has no worker: start one or more with 'dask worker tcp://"),
    ):
        connect(cluster.scheduler_address)
