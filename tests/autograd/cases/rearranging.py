"""Functions that repeat, pad, sort, cut away or difference elements."""

import numpy as np

from tests.autograd.cases.making import CaseList, real
from tests.autograd.cases.reductions import spread_out

CASES = CaseList()

CASES.add(np.repeat, real(2, 3), 2)
CASES.add(np.repeat, real(2, 3), 2, axis=-1)
CASES.add(np.repeat, real(2, 3), np.array([2, 0]), 0)
CASES.add(np.repeat, a=real(3), repeats=[1, 3, 2], axis=0)
CASES.add(np.repeat, real(0, 3), 2, axis=0)
CASES.add(np.repeat, real(2), 0)
CASES.add(np.tile, real(2, 3), 2)
CASES.add(np.tile, real(2, 3), (2, 1))
CASES.add(np.tile, real(3), (2, 2))
CASES.add(np.tile, real(2, 1, 3), (2, 3))
CASES.add(np.tile, A=real(2), reps=[2, 1, 3])
CASES.add(np.tile, real(2, 0), 2)
CASES.add(np.tile, real(), 3)

for mode in ["edge", "reflect", "symmetric", "wrap", "mean", "maximum", "minimum", "linear_ramp", "constant"]:
    CASES.add(np.pad, spread_out(3, 4), 2, mode)
    CASES.add(np.pad, spread_out(3, 4), (1, 2), mode=mode)
    CASES.add(np.pad, spread_out(2, 3), ((0, 1), (2, 0)), mode)
    CASES.add(np.pad, array=spread_out(4), pad_width=[(5, 6)], mode=mode)
    CASES.add(np.pad, spread_out(3, 4), ((1, 0), (0, 0)), mode)
CASES.add(np.pad, spread_out(2, 3), 1)
CASES.add(np.pad, spread_out(2, 3), 1, constant_values=2.5)
CASES.add(np.pad, spread_out(2, 3), ((1, 2), (0, 1)), "constant", constant_values=((1.0, 2.0), (3.0, 4.0)))
CASES.add(np.pad, real(0, 3), 1)
CASES.add(np.pad, spread_out(2, 3), ((1, 2), (2, 1)), "linear_ramp", end_values=((5.0, -4.0), (1.0, 2.0)))
CASES.add(np.pad, spread_out(3, 4), 2, "mean", stat_length=2)
CASES.add(np.pad, spread_out(3, 4), 2, "maximum", stat_length=((1, 2), (3, 9)))
CASES.add(np.pad, spread_out(3, 4), 2, "mean", stat_length=((3, 3), (9, 9)))
CASES.add(np.pad, spread_out(2, 3, 4), ((1, 0), (2, 1), (0, 2)), "reflect", reflect_type="odd")
if np.lib.NumpyVersion(np.__version__) >= "2.2.0":
    CASES.add(np.pad, spread_out(2, 3, 2), {-1: (1, 2), 1: 2}, "edge")
    CASES.add(np.pad, spread_out(2, 3, 2), {-2: (2, 1)})
CASES.add(np.pad, spread_out(3, 4), 2, "reflect", reflect_type="odd")
CASES.add(np.pad, spread_out(4), (5, 7), "symmetric", reflect_type="odd")
CASES.add(np.pad, real(1, 3), ((2, 2), (1, 1)), "reflect")

for axis in [0, 1, -1, None]:
    CASES.add(np.sort, spread_out(3, 4), axis)
CASES.add(np.sort, a=spread_out(3, 4))
CASES.add(np.sort, spread_out(5), kind="mergesort")
CASES.add(np.sort, spread_out(5), stable=True)
CASES.add(np.sort, real(0, 3), axis=0)

for function in [np.tril, np.triu]:
    for k in [-1, 0, 2]:
        CASES.add(function, real(3, 4), k)
    CASES.add(function, m=real(2, 3, 3))
    CASES.add(function, real(3))
    CASES.add(function, real(0, 2))
for offset in [-1, 0, 1, 4]:
    for function in (np.diagonal, np.trace):
        for shape in ((2, 5), (5, 2), (3, 3)):
            CASES.add(function, real(*shape), offset)
    CASES.add(np.diagonal, real(3, 4), offset)
    CASES.add(np.trace, real(3, 4), offset)
    CASES.add(np.linalg.diagonal, real(2, 3, 4), offset=offset)
    CASES.add(np.linalg.trace, real(2, 3, 4), offset=offset)
CASES.add(np.diagonal, real(2, 3, 4), 1, 2, 0)
CASES.add(np.diagonal, a=real(2, 3, 3), axis1=-1, axis2=-2)
CASES.add(np.trace, real(2, 3, 4), axis1=1, axis2=-1)
CASES.add(np.trace, real(0, 3))
CASES.add(np.linalg.diagonal, real(3, 3))
CASES.add(np.linalg.trace, real(2, 3, 3))
for k in [-2, 0, 1]:
    CASES.add(np.diag, real(3), k)
    CASES.add(np.diag, real(3, 4), k=k)
CASES.add(np.diagflat, real(2, 2), 1)
CASES.add(np.diagflat, real(2, 2))
CASES.add(np.diag, real(3))

for n in [0, 1, 2, 3]:
    CASES.add(np.diff, real(2, 4), n)
    CASES.add(np.diff, real(4, 2), n=n, axis=0)
CASES.add(np.diff, real(2, 4), prepend=0.0)
CASES.add(np.diff, real(2, 4), prepend=real(2, 1), append=real(2, 2), axis=1)
CASES.add(np.diff, a=real(2, 1))
CASES.add(np.diff, real(2, 3, 4))
CASES.add(np.diff, real(4))
CASES.add(np.diff, real(2, 4), 0, prepend=1.0)

CASES.add(np.repeat, real(), 2, axis=0)
CASES.add(np.ediff1d, real(2, 3))
CASES.add(np.ediff1d, real(4), to_end=real(2), to_begin=0.5)
CASES.add(np.ediff1d, real(4), [1.0], real(1))
CASES.add(np.unwrap, np.array([0.1, 3.0, -3.0, 0.5, 6.1]))
CASES.add(np.unwrap, np.array([[0.1, 0.9], [0.8, 0.2]]), axis=0, period=1.0)
CASES.add(np.unwrap, np.array([0.1, 3.0, -3.0]), discont=4.0)
CASES.add(np.apply_along_axis, np.cumsum, 0, real(3, 2))
CASES.add(np.apply_along_axis, np.sum, -1, real(2, 3, 2))
CASES.add(np.apply_along_axis, lambda row: np.outer(row, row), 1, real(2, 3, 2))
CASES.add(np.apply_along_axis, lambda row, power, scale=1.0: scale * row**power, 0, real(3, 2), 2, scale=3.0)
CASES.add(np.apply_over_axes, np.sum, real(2, 3, 4), [0, 2])
CASES.add(np.apply_over_axes, np.mean, real(2, 3), -1)
