"""Threads: one for BLAS, unless the option or the environment says otherwise, and the same bits with any number."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from acg_numpy import AttentionConditioner, get_num_threads, num_threads, set_num_threads, tensor
from acg_numpy.cli import main
from acg_numpy.cli.commands import inspect
from acg_numpy.kernels import grouping
from acg_numpy.num_threads import OF_ALL, OF_EACH, command_threads, database_threads, map_in_order
from acg_numpy.recommender.data.sources.database import database

FAKE_COMMAND = """
import json, os, sys
from acg_numpy.cli import main
from acg_numpy.cli.commands import inspect
assert "numpy" not in sys.modules  # or BLAS would have read the environment already

def run(arguments):
    import numpy
    from acg_numpy import num_threads
    blas = [control.get() for control in num_threads._controls()]
    print(json.dumps({"blas": blas, "recorded": sorted(vars(arguments)), **os.environ}))

inspect.run = run
sys.exit(main())
"""


def told_by_command(*options: str, **environment: str) -> dict[str, object]:
    """Return what a command in a process of its own finds: variables, threads of BLAS, arguments."""
    rest = {name: value for name, value in os.environ.items() if name not in {OF_ALL, *OF_EACH}}
    command = [sys.executable, "-c", FAKE_COMMAND, "inspect", "a.csv", *options]
    answer = subprocess.run(command, env={**rest, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, object] = json.loads(answer.stdout)
    return told


def test_a_command_keeps_blas_at_one_thread():
    told = told_by_command()
    assert [told[name] for name in OF_EACH] == ["1"] * 4
    assert set(told["blas"]) <= {1}
    assert OF_ALL not in told
    assert not {"threads", "blas_threads"} & {*told["recorded"]}  # a run goes on with --resume at any number


def test_the_option_wins_over_the_environment():
    told = told_by_command("--threads", "2", OMP_NUM_THREADS="7", OPENBLAS_NUM_THREADS="7")
    assert [told[name] for name in (OF_ALL, *OF_EACH)] == ["2"] * 5
    assert set(told["blas"]) <= {1, 2}  # 1 where there is one processor


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, [None, None, None, None]),
        ({"OPENBLAS_NUM_THREADS": "3"}, ["3", "1", "1", "1"]),
        ({"OMP_NUM_THREADS": "", "MKL_NUM_THREADS": "3"}, ["1", "3", "1", "1"]),
    ],
)
def test_what_the_environment_says_is_left(environment, expected, monkeypatch):
    for name in (OF_ALL, *OF_EACH):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with command_threads(None):
        assert [os.environ.get(name) for name in OF_EACH] == expected
    assert dict(os.environ) == before


def test_a_command_in_this_process_leaves_everything_as_it_was(monkeypatch):
    for name in (OF_ALL, *OF_EACH):
        monkeypatch.delenv(name, raising=False)

    def state():
        environment = dict(os.environ)
        environment.pop("KMP_DUPLICATE_LIB_OK", None)  # threadpoolctl sets it, when it is first imported
        return [control.get() for control in num_threads._controls()], database_threads(), environment

    seen, before = [], state()
    monkeypatch.setattr(inspect, "run", lambda _: seen.append(state()))
    assert main(["inspect", "a.csv"]) == main(["inspect", "a.csv", "--threads", "1"]) == 0
    assert [set(blas) <= {1} for blas, *_ in seen] == [True, True]
    assert [database for _, database, _ in seen] == [None, 1]
    assert state() == before


def test_libraries_with_different_numbers_are_limited_and_set_back():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    pytest.importorskip("scipy.linalg")  # with a BLAS of its own
    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    before = [library.num_threads for library in libraries]
    try:
        for place, library in enumerate(libraries):
            library.set_num_threads(1 + place % 2)
        given = [library.num_threads for library in libraries]
        with num_threads.one_blas_thread():
            assert {library.num_threads for library in libraries} == {1}
        assert [library.num_threads for library in libraries] == given
    finally:
        for library, number in zip(libraries, before, strict=True):
            library.set_num_threads(number)


def test_the_database_goes_back_to_its_own_choice():
    def threads():
        with database() as cursor:
            return cursor.execute("SELECT current_setting('threads')").fetchall()

    before = threads()
    with command_threads(5):
        assert threads() == [(5,)]
    assert threads() == before


def test_a_blas_that_cannot_be_controlled_is_said(monkeypatch):
    monkeypatch.setattr(num_threads, "find_spec", lambda name: None)
    monkeypatch.setattr(num_threads, "_libraries", list)
    message = "could not be set to 2.*install threadpoolctl, or set OPENBLAS"
    with pytest.warns(RuntimeWarning, match=message), command_threads(2):
        pass


@pytest.fixture
def threads(monkeypatch):
    """Give `set_num_threads`, and afterwards everything as it was."""
    before = {name: os.environ.get(name) for name in OF_EACH}
    numbers = [(control, control.get()) for control in num_threads._controls()]
    for name in ("_workers", "_pool", "_database"):
        monkeypatch.setattr(num_threads, name, getattr(num_threads, name))
    yield set_num_threads
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    for control, number in numbers:
        control.set(number)


@pytest.mark.parametrize("options", [{}, {"head_dropout": 0.2}, {"output_per_domain": True}])
@pytest.mark.parametrize("domains", [1, 3])
def test_results_are_equal_bit_by_bit_with_any_number(options, domains, threads, monkeypatch):
    monkeypatch.setattr(grouping, "LEAST", 10)
    monkeypatch.setattr(grouping, "CHUNK", 8)
    rng = np.random.default_rng(3)
    users, grad = rng.standard_normal((2, 100, 8), dtype=np.float32)
    ids = rng.integers(0, domains, 100)

    def results(n, domain_id, user_emb):
        threads(n)
        conditioner = AttentionConditioner(8, 2, domains, 0.1, seed=1, kernel="absorbed", **options)
        out = conditioner(t := tensor(user_emb, requires_grad=True), domain_id)
        out.backward(np.broadcast_to(grad[: out.shape[0]].reshape(-1, *[1] * (out.ndim - 2), 8), out.shape))
        return [out.data, t.grad, *(p.grad for p in conditioner.parameters())]

    for domain_id, user_emb in ((ids, users), (np.arange(domains), users[:40, None])):
        one = results(1, domain_id, user_emb)
        for n in (2, 3):
            for result, expected in zip(results(n, domain_id, user_emb), one, strict=True):
                np.testing.assert_array_equal(result, expected)


def test_workers_share_the_work_and_keep_its_order_and_its_settings(threads):
    threads(3)
    assert get_num_threads() == 3
    assert {control.get() for control in num_threads._controls()} <= {1}
    together = threading.Barrier(3, timeout=30)

    def work(i):
        together.wait()
        return i, np.geterr()["under"]

    with np.errstate(under="raise"):
        assert list(map_in_order(work, range(6))) == [(i, "raise") for i in range(6)]


def test_an_error_of_a_worker_is_raised(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda i: 1 // i, [1, 0]))


FORK = """
import os, signal
from acg_numpy.num_threads import map_in_order, set_num_threads
from acg_numpy.recommender.data.sources.database import database

def work():
    assert list(map_in_order(abs, [-1, -2])) == [1, 2]
    with database() as cursor:
        assert cursor.execute("SELECT current_setting('threads')").fetchall() == [(2,)]

set_num_threads(2)
work()
child = os.fork()
if child == 0:
    signal.alarm(60)  # where it waits for threads that are not there
work()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_workers_and_a_database_of_its_own():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=120)


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "n is 0; expected a whole number, 1 or more"),
        (-2, ValueError, "n is -2; expected"),
        (2.0, TypeError, "n is 2.0; expected a whole number, 1 or more"),
        (True, TypeError, "n is True; expected"),
        ("2", TypeError, "n is '2'; expected"),
        (None, TypeError, "n is None; expected"),
    ],
)
def test_what_is_no_number_of_threads_is_refused(n, error, message, threads):
    with pytest.raises(error, match=message):
        threads(n)
    assert get_num_threads() == 1
