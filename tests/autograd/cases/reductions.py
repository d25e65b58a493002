"""Functions that reduce axes, or run along one."""

import numpy as np

from tests.autograd.cases.making import CaseList, between, real

CASES = CaseList()


def spread_out(*shape):
    """Numbers with no two alike, so that every extremum is one element's."""
    size = int(np.prod(shape))
    return np.reshape(np.random.default_rng(size).permutation(size) * 0.31 - 1.13, shape)


AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (), (0, 1, 2)]

for function in [np.sum, np.mean, np.var, np.std, np.prod]:
    for axis in AXES:
        if axis != () or function in (np.sum, np.prod):
            CASES.add(function, real(2, 3, 2), axis=axis)
            CASES.add(function, real(2, 3, 2), axis=axis, keepdims=True)
    CASES.add(function, real(2, 3, 2))
    CASES.add(function, real(2, 3, 2), -2)
    CASES.add(function, a=real(2, 3, 2), axis=0)
    CASES.add(function, real(0, 3), axis=1)
    CASES.add(function, real(2, 0, 3), -1)
CASES.add(np.sum, real(2, 0), axis=1)
CASES.add(np.sum, real(0))
CASES.add(np.prod, real(2, 0), axis=1, keepdims=True)
CASES.add(np.sum, real())
CASES.add(np.mean, real())
for function in [np.var, np.std]:
    CASES.add(function, real(2, 4), axis=1, ddof=1)
    CASES.add(function, real(2, 4), ddof=1, keepdims=True)
    CASES.add(function, real(2, 4), axis=0, correction=0.5)

for function in [np.sum, np.mean, np.prod, np.cumsum, np.cumprod]:
    CASES.add(function, real(2, 3), axis=1, dtype=np.float64)

for function in [np.max, np.min, np.amax, np.amin, np.ptp]:
    for axis in [None, 0, -1, (0, 2), (2, -2)]:
        CASES.add(function, spread_out(2, 3, 2), axis=axis)
        CASES.add(function, spread_out(2, 3, 2), axis=axis, keepdims=True)
    CASES.add(function, spread_out(3, 4), 1)
    CASES.add(function, a=spread_out(3, 4))
    CASES.add(function, spread_out(0, 3), axis=1)

for function in [np.cumsum, np.cumprod]:
    CASES.add(function, real(2, 3))
    CASES.add(function, real(2, 3), 0)
    CASES.add(function, real(2, 3, 4), axis=-1)
    CASES.add(function, a=real(2, 3, 2), axis=1)
    CASES.add(function, real(0, 3), axis=1)
    CASES.add(function, real(2, 0), axis=1)
    CASES.add(function, real(2, 0))

for ufunc in [np.add, np.multiply, np.maximum, np.minimum]:
    for method in ["reduce", "accumulate"]:
        CASES.add((ufunc, method), spread_out(3, 4))
        CASES.add((ufunc, method), spread_out(3, 4), 1)
        CASES.add((ufunc, method), spread_out(3, 4), axis=-1)
        CASES.add((ufunc, method), spread_out(0, 4), axis=1)
    CASES.add((ufunc, "reduce"), spread_out(2, 3, 2), axis=(0, 2), keepdims=True)
    CASES.add((ufunc, "reduce"), spread_out(2, 3), axis=None)
    CASES.add((ufunc, "accumulate"), spread_out(2, 3, 4), axis=0)
    CASES.add((ufunc, "outer"), real(2), between(2.5, 3.0, 3))
    CASES.add((ufunc, "outer"), real(2, 1), between(2.5, 3.0, 3))

for name in ["cumulative_sum", "cumulative_prod"]:
    if hasattr(np, name):
        CASES.add(getattr(np, name), real(4))
        CASES.add(getattr(np, name), real(2, 3), axis=-1)
        CASES.add(getattr(np, name), real(2, 3), axis=0, include_initial=True)
        CASES.add(getattr(np, name), real(2, 3), axis=-1, include_initial=True)
        CASES.add(getattr(np, name), real(4), include_initial=True)

MASK = np.array([[True, False, True], [True, True, False]])
for function in [np.sum, np.mean, np.var, np.std, np.prod]:
    for axis in [None, 0, 1, (0, 1)]:
        CASES.add(function, real(2, 3), axis=axis, where=MASK)
        CASES.add(function, real(2, 3), axis=axis, where=MASK, keepdims=True)
    if function in (np.sum, np.prod):  # NumPy refuses the others
        CASES.add(function, real(), axis=0)
        CASES.add(function, real(), axis=-1)
for function in [np.var, np.std]:
    CASES.add(function, real(2, 3), axis=1, where=MASK, ddof=0.5)
for function in [np.sum, np.prod]:
    CASES.add(function, real(2, 3), axis=1, initial=2.0)
    CASES.add(function, real(2, 3), initial=-1.5, where=MASK)
for function, initial in [(np.max, -9.0), (np.min, 9.0), (np.amax, 0.05), (np.amin, 0.05)]:
    CASES.add(function, spread_out(2, 3), axis=0, initial=initial)
    CASES.add(function, spread_out(2, 3), initial=initial, where=MASK)
    CASES.add(function, spread_out(2, 3), axis=1, initial=initial, where=MASK, keepdims=True)
    CASES.add(function, spread_out(), axis=0)
for function in [np.cumsum, np.cumprod]:
    CASES.add(function, real(), axis=0)
CASES.add((np.logaddexp, "reduce"), real(3, 4))
CASES.add((np.logaddexp, "reduce"), real(3, 4), axis=1)
CASES.add((np.logaddexp, "reduce"), real(3, 4), axis=-1, keepdims=True)
