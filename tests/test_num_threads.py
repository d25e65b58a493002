"""Threads: one for BLAS in the commands, unless the option or the environment says otherwise."""

import json
import os
import subprocess
import sys

import pytest

from acg_numpy import num_threads
from acg_numpy.cli import main
from acg_numpy.cli.commands import inspect
from acg_numpy.num_threads import OF_ALL, OF_EACH, command_threads, database_threads
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
        return [control.get() for control in num_threads._controls()], database_threads(), dict(os.environ)

    seen, before = [], state()
    monkeypatch.setattr(inspect, "run", lambda _: seen.append(state()))
    assert main(["inspect", "a.csv"]) == main(["inspect", "a.csv", "--threads", "1"]) == 0
    assert [set(blas) <= {1} for blas, *_ in seen] == [True, True]
    assert [database for _, database, _ in seen] == [None, 1]
    assert state() == before


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
