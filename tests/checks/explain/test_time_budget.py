"""The time that a search may take is the processor's."""

import time

import numpy as np
import pytest

from acg_numpy.checks.explain.time_budget import OutOfTimeError, TimeBudget


def test_time_that_is_slept_through_is_not_used_up():
    budget = TimeBudget(0.05)
    time.sleep(0.1)
    budget.check()


def test_time_that_is_computed_through_is_used_up():
    budget = TimeBudget(0.02)
    began = time.thread_time()
    while time.thread_time() - began < 0.03:
        np.sum(np.ones(1000))
    with pytest.raises(OutOfTimeError):
        budget.check()


def test_processor_time_is_asked_for_only_where_it_could_be_up(monkeypatch):
    budget = TimeBudget(60.0)
    monkeypatch.setattr(time, "thread_time", lambda: pytest.fail("asked for the processor time"))
    budget.check()


def test_an_infinite_budget_is_never_used_up():
    TimeBudget(np.inf).check()
