"""Linear algebra."""

import numpy as np

from tests.autograd.cases.making import CaseList, real, regular
from tests.autograd.cases.reductions import spread_out

CASES = CaseList()
INF = np.inf

CASES.add(np.linalg.norm, real(2, 3, 2))
CASES.add(np.linalg.norm, real(2, 3, 2), keepdims=True)
for ord in [None, 1, 2, INF, -INF]:
    CASES.add(np.linalg.norm, spread_out(5), ord)
    CASES.add(np.linalg.norm, spread_out(2, 3), ord, -1)
    CASES.add(np.linalg.norm, spread_out(2, 3), ord=ord, axis=0, keepdims=True)
    CASES.add(np.linalg.vector_norm, spread_out(2, 3), ord=2 if ord is None else ord)
    CASES.add(np.linalg.vector_norm, spread_out(2, 3, 2), axis=(0, -1), ord=2 if ord is None else ord)
    CASES.add(np.linalg.vector_norm, spread_out(2, 3, 2), axis=1, keepdims=True)
for ord in [None, "fro", 1, -1, INF, -INF]:
    CASES.add(np.linalg.norm, spread_out(3, 4), ord)
    CASES.add(np.linalg.norm, spread_out(2, 3, 4), ord, (0, -1))
    CASES.add(np.linalg.norm, spread_out(2, 3, 4), ord, axis=(2, 1), keepdims=True)
    CASES.add(np.linalg.matrix_norm, spread_out(2, 3, 4), ord="fro" if ord is None else ord)
    CASES.add(np.linalg.matrix_norm, spread_out(3, 4), keepdims=True)
CASES.add(np.linalg.norm, real(0, 3), axis=1)
CASES.add(np.linalg.norm, x=real(2, 0), axis=-1)

for shape in [(1, 1), (3, 3), (2, 3, 3), (0, 2, 2), (0, 0)]:
    CASES.add(np.linalg.inv, regular(*shape))
    CASES.add(np.linalg.det, regular(*shape))
    CASES.add(np.linalg.slogdet, regular(*shape))
CASES.add(np.linalg.inv, a=regular(2, 2))

for a, b in [
    ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3,)), ((2, 3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)),
    ((3, 3), (2, 3, 2)),
    ((2, 1, 3, 3), (4, 3, 1)), ((0, 3, 3), (0, 3, 1)),
]:  # fmt: skip
    CASES.add(np.linalg.solve, regular(*a), real(*b))
CASES.add(np.linalg.solve, a=regular(2, 2), b=real(2))
CASES.add(np.linalg.solve, [[2.0, 1.0], [0.5, 3.0]], real(2))

for ord in [0.5, 1.5, 3, -1, -2]:
    CASES.add(np.linalg.norm, spread_out(5), ord)
    CASES.add(np.linalg.norm, spread_out(2, 3), ord, 0)
    CASES.add(np.linalg.vector_norm, spread_out(2, 3), ord=ord, axis=1, keepdims=True)
for ord in [2, -2, "nuc"]:
    CASES.add(np.linalg.norm, spread_out(3, 4), ord)
    CASES.add(np.linalg.norm, spread_out(2, 3, 4), ord, axis=(2, 0), keepdims=True)
    CASES.add(np.linalg.matrix_norm, real(2, 3, 2), ord=ord)
for p in [None, 1, -1, 2, -2, INF, -INF, "fro", "nuc"]:
    CASES.add(np.linalg.cond, regular(3, 3), p)
    CASES.add(np.linalg.cond, regular(2, 2, 2), p=p)
CASES.add(np.linalg.cond, real(4, 3))
for n in [0, 1, 2, 3, 5, -1, -2]:
    CASES.add(np.linalg.matrix_power, regular(2, 2), n)
    CASES.add(np.linalg.matrix_power, regular(2, 3, 3), n)
CASES.add(np.linalg.tensorsolve, regular(6, 6).reshape(2, 3, 6), real(2, 3))
CASES.add(np.linalg.tensorsolve, regular(6, 6).reshape(6, 2, 3), real(6))
CASES.add(np.linalg.tensorsolve, np.moveaxis(regular(6, 6).reshape(6, 2, 3), 1, 0).copy(), real(6), axes=(0, 2))
CASES.add(np.linalg.tensorinv, regular(6, 6).reshape(2, 3, 6), ind=2)
CASES.add(np.linalg.tensorinv, regular(6, 6).reshape(2, 3, 3, 2))
CASES.add(np.linalg.tensorinv, regular(4, 4), 1)
