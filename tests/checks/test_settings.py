"""Settings that make no sense are refused in whole sentences."""

from functools import partial

import numpy as np
import pytest

from acg_numpy.checks import check_backward, gradcheck
from acg_numpy.checks.settings import read_settings
from tests.checks.pairs_to_check import square_backward, square_forward


def settings(**changed):
    return read_settings(**({"method": "central", "rtol": 1e-5, "atol": 0.0, "step": None, "seed": 0} | changed))


REFUSALS = {
    "no such method": (
        lambda: settings(method="forward"),
        ValueError,
        "method='forward' is not known; expected 'central', 'richardson', 'complex' or 'directional'",
    ),
    "rtol of zero": (
        lambda: settings(rtol=0.0),
        ValueError,
        "rtol=0.0 should be positive and finite: no numeric derivative is exact",
    ),
    "rtol that is no number": (
        lambda: settings(rtol=np.nan),
        ValueError,
        "rtol=nan should be positive and finite: no numeric derivative is exact",
    ),
    "atol below zero": (lambda: settings(atol=-1.0), ValueError, "atol=-1.0 should be zero or positive, and finite"),
    "rtol without end": (
        lambda: settings(rtol=np.inf),
        ValueError,
        "rtol=inf should be positive and finite: no numeric derivative is exact",
    ),
    "atol that is no number": (
        lambda: settings(atol=np.nan),
        ValueError,
        "atol=nan should be zero or positive, and finite",
    ),
    "a step of zero": (
        lambda: settings(step=0.0),
        ValueError,
        "step=0.0 should be positive and finite, or None to choose it for each element",
    ),
    "a step without end": (
        lambda: settings(step=np.inf),
        ValueError,
        "step=inf should be positive and finite, or None to choose it for each element",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_whole_sentence(name):
    call, error, sentence = REFUSALS[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence


def test_settings_are_written_in_a_line():
    assert str(settings()) == "central differences in float64, rtol 1e-05, seed 0"
    told = str(settings(method="richardson", atol=1e-7, step=0.25, seed=3))
    assert told == "extrapolated central differences in float64, rtol 1e-05, atol 1e-07, step 0.25, seed 3"
    assert str(settings(method="complex")).startswith("complex steps in")
    assert str(settings(method="directional")).startswith("central differences along random directions in")
    assert settings(rtol=1e-3, atol=0.5, step=2.0).tolerance == (1e-3, 0.5, 2.0)
    assert settings(seed=4).rng.random() == np.random.default_rng(4).random()


WRONG_OPTIONS = {
    "rtol": ({"rtol": 0.0}, "rtol=0.0 should be positive"),
    "atol": ({"atol": -1.0}, "atol=-1.0 should be zero or positive, and finite"),
    "step": ({"step": 0.0}, "step=0.0 should be positive and finite"),
    "names": ({"names": ["x", "y"]}, "names=['x', 'y'] should hold a different name for each of the 1 input"),
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_options_that_make_no_sense_are_refused(name):
    options, sentence = WRONG_OPTIONS[name]
    with pytest.raises(ValueError) as caught:
        check_backward(square_forward, square_backward, 1.0, **options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("method", "near"), [("forward", "expected 'central', "), ("Central", "did you mean 'central'")]
)
def test_an_unknown_method_is_refused_with_the_nearest_or_all(method, near):
    for check in (partial(check_backward, square_forward, square_backward), partial(gradcheck, np.sin)):
        with pytest.raises(ValueError, match=f"method='{method}' is not known; {near}"):
            check(1.0, method=method)
