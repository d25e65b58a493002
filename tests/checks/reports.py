"""Reports made up of known numbers."""

import numpy as np

from acg_numpy.checks.numeric.verdicts import InputComparison
from acg_numpy.checks.report.diagnosis import Diagnosis
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


WIDE = np.arange(20.0).reshape(2, 10)
OFF = WIDE + np.where(WIDE == 17, 0.5, 0.0)

FAILED = GradientReport(
    "check_backward of <b>",
    "central differences in float64, rtol 1e-05, seed 0",
    (
        compared("x", OFF, WIDE, wrong=[(1, 7)], undecided=[(0, 0)]),
        InputComparison("w", (3,), fault="the gradient of w has shape (2,): expected (3,), that of w"),
        InputComparison("ids", (4,), held="int64"),
        InputComparison("mask", (), held="None"),
        compared("b", [1.0, 2.0], [1.0, 4.0], wrong=[1]),
        compared("dead", [0.0], [1e-17], zero=[0]),
        InputComparison("skipped", (2,)),
    ),
    faults=("the gradient of w has shape (2,): expected (3,), that of w",),
    notes=("the first note",),
    diagnoses=(
        Diagnosis("wrong-sign", 0.9, "minus for plus in line 3", "all agree", "turn it round"),
        *(Diagnosis(f"other-{i}", 0.5 - i / 10, f"message {i}", f"evidence {i}", f"hint {i}") for i in range(5)),
    ),
    second_order=GradientReport(
        "second",
        "the same",
        (compared("x", [[1.0, 2.0]], [[1.0, 2.0]]),),
        faults=("a second fault",),
        notes=("a second note",),
        order=2,
    ),
)
