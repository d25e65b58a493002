"""What a report answers when it is asked: its worst element, and its way to another process."""

import concurrent.futures
import multiprocessing
import pickle
import sys
import types

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.report import GradientMismatch
from tests.checks.reports import FAILED, compared, passed


def test_the_worst_is_furthest_off_for_the_size_of_its_input():
    worst = FAILED.worst
    assert (worst.input, worst.index, worst.analytic, worst.numeric, worst.order) == ("b", (1,), 2.0, 4.0, 1)
    assert (worst.absolute_error, worst.relative_error) == (2.0, 0.5)


def test_of_right_elements_the_worst_has_the_largest_relative_error():
    report = passed(compared("x", [1.0, 10.0, 5.0], [1.1, 10.5, 50.0], undecided=[2]), compared("w", [4.0], [4.1]))
    assert report.passed
    assert (report.worst.input, report.worst.index) == ("x", (0,))
    assert report.worst.relative_error == pytest.approx(0.1 / 1.1)
    assert report.worst.absolute_error == pytest.approx(0.1)
    assert passed(compared("x", [1.0], [2.0], undecided=[0])).worst is None
    assert passed(InputComparison("x", (1,), held="int64")).worst is None


def test_a_wrong_element_goes_before_a_right_one_however_far_off():
    report = passed(
        compared("x", [0.0], [1e-17], zero=[0], scale=1e-17), compared("w", [1.0, np.nan], [1.1, 1.0], wrong=[0, 1])
    )
    assert report.worst.input == "w"
    assert report.worst.index == (1,)


def square_forward(x):
    return x * x, x


def halved(grad_out, x):
    return x * grad_out


def fail(x):
    check_backward(square_forward, halved, x)


def test_a_mismatch_survives_pickling_with_its_report():
    with pytest.raises(GradientMismatch) as caught:
        fail(np.array([1.0, -2.0]))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is GradientMismatch
    assert str(copy) == str(caught.value)
    assert str(copy.report) == str(caught.value.report)
    np.testing.assert_array_equal(copy.report.per_input["x"].analytic, caught.value.report.per_input["x"].analytic)


def test_a_mismatch_comes_back_from_another_process():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        error = pool.submit(fail, np.array([1.0, -2.0])).exception(timeout=120)
    assert isinstance(error, GradientMismatch)
    assert error.report.worst.input == "x"


def test_a_notebook_shows_the_report_once_a_cell_and_no_traceback(monkeypatch):
    shown, shell = [], types.SimpleNamespace(execution_count=3)
    module = types.ModuleType("IPython.display")
    module.display = shown.append
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    with pytest.raises(GradientMismatch) as caught:
        check_backward(lambda x: (x * x, x), lambda g, x: g * x, np.ones(3))
    (line,) = caught.value._render_traceback_()
    caught.value._render_traceback_()  # IPython asks again for what it sends to the notebook
    assert shown == [caught.value.report]
    shell.execution_count = 4
    caught.value._render_traceback_()
    assert len(shown) == 2
    assert line.startswith("GradientMismatch: check_backward of <lambda> FAILED")
