"""Functions that multiply and sum over axes."""

import numpy as np

from tests.autograd.cases.making import CaseList, real

CASES = CaseList()

PAIRS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((2, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
    ((1, 2, 3), (2, 3, 1)),
]  # fmt: skip

for x, y in PAIRS:
    CASES.add(np.matmul, real(*x), real(*y))
    CASES.add(np.linalg.matmul, real(*x), real(*y))
CASES.add(np.matmul, real(2, 3), np.arange(6).reshape(3, 2))

for x, y in [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((2, 2, 3), (3,)), ((2, 3), (4, 3, 2)), ((2, 0), (0, 2))]:
    CASES.add(np.dot, real(*x), real(*y))
CASES.add(np.dot, real(), real(3))
CASES.add(np.dot, 2.0, real(2, 3))
CASES.add(np.dot, real(2, 3), 2.0)
CASES.add(np.dot, real(3), real())
CASES.add(np.dot, real(2, 2, 3), real(4, 3, 2))
CASES.add(np.inner, real(2, 3), real(2, 2, 3))
CASES.add(np.inner, real(2), 1.5)
CASES.add(np.inner, 1.5, real(2))
CASES.add(np.inner, real(2), real())
CASES.add(np.outer, real(2), real(2, 2))
CASES.add(np.dot, a=real(2, 3), b=real(3))

for x, y in [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (1, 3)), ((), (2,)), ((0, 3), (2, 3))]:
    CASES.add(np.inner, real(*x), real(*y))

for x, y in [((2,), (3,)), ((2, 2), (3,)), ((), (3,)), ((0,), (3,))]:
    CASES.add(np.outer, real(*x), real(*y))
CASES.add(np.outer, a=real(2), b=real(3))
CASES.add(np.linalg.outer, real(2), real(3))

for x, y in [((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3, 2))]:
    CASES.add(np.vdot, real(*x), real(*y))
for x, y in [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)), ((2, 0), (2, 0))]:
    CASES.add(np.vecdot, real(*x), real(*y))
    CASES.add(np.linalg.vecdot, real(*x), real(*y))
CASES.add(np.vecdot, real(3, 2), real(3, 2), axis=0)
CASES.add(np.linalg.vecdot, real(3, 2), real(3, 2), axis=0)

if hasattr(np, "matvec"):
    for x, y in [((2, 3), (3,)), ((4, 2, 3), (3,)), ((2, 3), (4, 3)), ((2, 1, 2, 3), (4, 3))]:
        CASES.add(np.matvec, real(*x), real(*y))
    for x, y in [((2,), (2, 3)), ((2,), (4, 2, 3)), ((4, 2), (2, 3)), ((2, 1, 2), (4, 2, 3))]:
        CASES.add(np.vecmat, real(*x), real(*y))

for function in [np.tensordot, np.linalg.tensordot]:
    CASES.add(function, real(2, 3, 4), real(3, 4, 2))
    CASES.add(function, real(2, 3), real(3, 2), axes=1)
    CASES.add(function, real(2, 3), real(2), axes=0)
    CASES.add(function, real(2, 3, 2), real(2, 4, 3), axes=((0, 1), (0, 2)))
    CASES.add(function, real(2, 3, 2), real(2, 4, 3), axes=([-1, -2], [0, -1]))
    CASES.add(function, real(2, 3), real(4, 3), axes=(-1, -1))
    CASES.add(function, real(2, 0), real(0, 3), axes=1)
CASES.add(np.tensordot, real(2, 3), real(3, 2), 1)
CASES.add(np.tensordot, real(2, 3), b=real(3, 2), axes=1)

for subscripts, *shapes in [
    ("ij,jk->ik", (2, 3), (3, 2)), ("ij,jk", (2, 3), (3, 2)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("i,i", (3,), (3,)),
    ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("iij->j", (3, 3, 2)),
    ("iii->i", (2, 2, 2)), ("ij,ik->jk", (3, 2), (3, 4)), ("ij,kl->", (2, 3), (2, 2)), ("ij,kl->il", (2, 3), (2, 2)),
    ("bhqd,bhkd->bhqk", (2, 1, 2, 3), (2, 1, 3, 3)), ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...i,...i", (2, 3), (3,)),
    ("i...,i->...", (3, 2, 2), (3,)), ("ij,ij,i->j", (2, 3), (2, 3), (2,)), ("ii,i->", (3, 3), (3,)),
    ("...->...", (2, 3)),
    ("ba", (2, 3)), (" i j , j k -> i k ", (2, 3), (3, 2)), ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
    ("ij,jk->ik", (2, 1), (3, 2)),
]:  # fmt: skip
    CASES.add(np.einsum, subscripts, *(real(*shape) for shape in shapes))
CASES.add(np.einsum, real(2, 3), [0, 1], real(3, 2), [1, 2], [0, 2])
CASES.add(np.einsum, real(2, 3), [0, 1], real(3, 2), [1, 2])
CASES.add(np.einsum, real(2, 2, 3), [Ellipsis, 0], [0, Ellipsis])
CASES.add(np.einsum, "ij,jk,kl->il", real(2, 3), real(3, 2), real(2, 2), optimize=True)

# A list beside an array is an array.
CASES.add(np.matmul, [[1.0, 2.0]], real(2))
CASES.add(np.dot, real(2), [1.0, 2.0])
CASES.add(np.einsum, "i,i", real(2), [1.0, 2.0])

CASES.add(np.cross, real(3), real(3))
CASES.add(np.cross, real(2, 3), real(3))
CASES.add(np.cross, real(3, 2), real(2, 3), axisa=0)
CASES.add(np.cross, real(2, 3), real(3, 2), axisb=0, axisc=0)
CASES.add(np.cross, real(3, 2), real(3, 2), axis=0)
CASES.add(np.cross, [1.0, 2.0, 3.0], real(3))
CASES.add(np.linalg.cross, real(2, 3), real(2, 3))
CASES.add(np.linalg.cross, real(3, 2), real(3, 2), axis=0)
CASES.add(np.cross, real(0, 3), real(0, 3))

for x, y in [((2,), (3,)), ((2, 3), (2, 2)), ((2, 1, 2), (3,)), ((), (2,)), ((3,), (2, 2)), ((0, 2), (2, 1))]:
    CASES.add(np.kron, real(*x), real(*y))
CASES.add(np.kron, np.eye(2, dtype=int), real(2, 2))

for function in [np.convolve, np.correlate]:
    for mode in ["full", "same", "valid"]:
        for n, m in [(5, 3), (3, 5), (4, 4), (4, 2), (2, 4), (1, 3)]:
            CASES.add(function, real(n), real(m), mode)
    CASES.add(function, real(4), v=real(2))
    CASES.add(function, [1.0, 2.0], real(3), mode="full")
CASES.add(np.convolve, real(), real(3))

CASES.add(np.linalg.multi_dot, [real(2, 3), real(3, 4), real(4, 1), real(1, 3)])
CASES.add(np.linalg.multi_dot, [real(3), real(3, 4), real(4)])
CASES.add(np.linalg.multi_dot, (real(2, 3), real(3, 2)))
CASES.add(np.linalg.multi_dot, [real(2, 3), real(3, 2), real(2)])
