"""What is searched, how sure it is, and what is said."""

import numpy as np
import pytest

from acg_numpy.checks import check_backward
from acg_numpy.checks.explain import search
from acg_numpy.checks.explain.case import Explanation
from acg_numpy.checks.explain.search import explain, make_diagnosis, single_corruptions
from acg_numpy.checks.explain.time_budget import OutOfTimeError, TimeBudget
from acg_numpy.checks.explain.whole_gradient import common_factor
from acg_numpy.checks.report.mistake_names import MISTAKES
from tests.checks.explain.cases import X, right_case, submitting

FACTORS = {
    "wrong-sign": lambda x: (np.sin(x), -np.cos(x)),
    "mean-for-sum": lambda x: (np.sum(np.sin(x), axis=0), np.cos(x) / 3),
    "missing-scale": lambda x: (np.sin(x) / np.sqrt(4), np.cos(x)),
    "constant-factor": lambda x: (np.sin(x), 1.5 * np.cos(x)),
    "double-counted": lambda x: (np.sin(x) + x * x, 2 * np.cos(x) + 2 * x),
    "missing-path": lambda x: (x * x + np.sin(x), x + np.cos(x)),
}


POINT = np.array([1.0, 0.5, 3.0])


def test_an_odd_factor_of_one_number_explains_nothing_a_size_does():
    def forward(s):
        return s * np.ones(7), None

    def said(factor):
        wrong = check_backward(forward, lambda g, _: factor * np.sum(g), np.array(1.3), raise_on_failure=False)
        return wrong.diagnoses[0]

    assert (said(0.7123).mistake, said(0.7123).confidence) == ("constant-factor", 0.5)
    assert (said(1 / 7).mistake, said(1 / 7).confidence) == ("mean-for-sum", 0.99)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("mistake", FACTORS)
def test_a_mistake_is_named_to_the_last_places_of_the_gradients_dtype(mistake, dtype):
    report = check_backward(
        lambda x: (FACTORS[mistake](x)[0], x),
        lambda g, x: (g * FACTORS[mistake](x)[1]).astype(dtype),
        X,
        raise_on_failure=False,
    )
    assert report.diagnoses[0].mistake == mistake


def test_where_a_sign_explains_everything_no_edge_is_looked_at():
    case = right_case(np.sin, X)
    case = submitting(case, -case.right[0])
    (sign,) = common_factor(case)
    assert sign.mistake == "wrong-sign"
    assert list(single_corruptions(case, TimeBudget(np.inf))) == [sign]


def test_what_was_found_before_the_time_is_up_counts(monkeypatch):
    def find_one(_):
        yield Explanation("stale-value", 1.7, 0.0, "found in time")

    def run_out(_):
        raise OutOfTimeError
        yield

    monkeypatch.setattr(search, "_COMMON", (find_one, run_out))
    case = right_case(np.sin, X)
    found = explain(submitting(case, case.right[0] * X))
    assert [diagnosis.evidence.partition(".")[0] for diagnosis in found.diagnoses] == ["found in time"]
    assert not found.complete


def test_a_mistake_without_a_line_is_described_by_its_meaning_alone():
    case = right_case(np.sin, X)
    case = submitting(case, -case.right[0])
    (found,) = common_factor(case)
    assert make_diagnosis(found, 1.0, case).message == MISTAKES["wrong-sign"].meaning


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_an_error_of_a_thousandth_in_float64_is_named(factor):
    report = check_backward(
        lambda x: (np.sin(x), x), lambda g, x: factor * g * np.cos(x), POINT, raise_on_failure=False
    )
    assert [diagnosis.mistake for diagnosis in report.diagnoses] == ["constant-factor"]
    assert f"off by a factor {factor}" in report.diagnoses[0].evidence
