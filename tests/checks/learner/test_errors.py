"""The likely fix of an error has the values of its line, described briefly."""

import numpy as np

from acg_numpy.checks.learner.errors import _likely_fix, _summary


def test_values_are_described_briefly():
    assert _summary(np.ones((2, 3))) == "(2, 3) float64"
    assert _summary((np.ones(2), 1, "x")) == "a tuple of 3: ((2,) float64, 1, str)"
    assert _summary(list(range(100))).endswith("5, ...)")


def test_a_name_that_is_far_from_all_others_has_no_nearest():
    frame = type("Frame", (), {"f_locals": {"x": 1, "cache": 2}, "f_globals": {}})()
    assert _likely_fix(NameError("no such name", name="gradient"), frame, "") == "define it above, or import it"
    assert _likely_fix(NameError("no such name", name="cach"), frame, "") == "did you mean 'cache'?"
