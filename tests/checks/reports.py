"""Reports made up of known numbers."""

import numpy as np

from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.report import GradientReport


def compared(name, analytic, numeric, *, wrong=(), undecided=(), zero=(), scale=4.0, **more):
    analytic, numeric = np.asarray(analytic, float), np.asarray(numeric, float)
    marks = {"wrong": wrong, "undecided": undecided, "zero": zero}
    flags = {key: np.zeros(analytic.shape, bool) for key in marks}
    for key, places in marks.items():
        for place in places:
            flags[key][place] = True
    shape = more.pop("shape", analytic.shape)
    return InputComparison(
        name,
        shape,
        analytic=analytic,
        numeric=numeric,
        error=np.full(analytic.shape, 1e-9),
        scale=scale,
        **flags,
        **more,
    )


def passed(*comparisons, **more):
    return GradientReport("check_backward of f", "central", comparisons, **more)
