"""Functions that join arrays, or take them apart."""

import numpy as np

from tests.autograd.cases.making import CaseList, real

CASES = CaseList()

CASES.add(np.concatenate, [real(2, 3), real(1, 3)])
CASES.add(np.concatenate, (real(2, 3), real(2, 1), real(2, 2)), 1)
CASES.add(np.concatenate, [real(2, 3), real(2, 0)], axis=-1)
CASES.add(np.concatenate, [real(2, 3), real(4)], axis=None)
CASES.add(np.concatenate, [real(2), [1.0, 2.0]])
CASES.add(np.concatenate, [real(2, 2), np.array([[1, 2]])], axis=0)
for axis in [0, 1, -1, -2]:
    CASES.add(np.stack, [real(2, 3), real(2, 3)], axis)
CASES.add(np.stack, [real(), real(), 1.0])
CASES.add(np.stack, arrays=(real(0, 2), real(0, 2)), axis=1)
CASES.add(np.append, real(2, 3), real(2))
CASES.add(np.append, real(2, 3), real(2, 1), 1)
CASES.add(np.append, arr=real(2), values=1.0)
for function in [np.atleast_1d, np.atleast_2d, np.atleast_3d]:
    for shape in [(), (2,), (2, 3), (2, 1, 3), (0,)]:
        CASES.add(function, real(*shape))
    CASES.add(function, real(), real(2, 2), 3.0)
CASES.add(np.hstack, [real(2), real(3)])
CASES.add(np.hstack, (real(2, 2), real(2, 1)))
CASES.add(np.hstack, [real(), real(2)])
CASES.add(np.vstack, [real(3), real(2, 3)])
CASES.add(np.vstack, tup=(real(2, 2), real(0, 2)))
CASES.add(np.dstack, [real(2), real(2)])
CASES.add(np.dstack, (real(2, 3), real(2, 3, 2)))
CASES.add(np.column_stack, [real(2), real(2, 2), real(2)])

for function in [np.split, np.array_split]:
    CASES.add(function, real(6), 3)
    CASES.add(function, real(2, 4), 2, 1)
    CASES.add(function, real(2, 4), [1, 3], axis=-1)
    CASES.add(function, ary=real(4, 2), indices_or_sections=(1,), axis=0)
    CASES.add(function, real(4), [2, 2])
    CASES.add(function, real(4), 1)
CASES.add(np.array_split, real(5), 3)
CASES.add(np.array_split, real(2, 3), 4, axis=1)
CASES.add(np.hsplit, real(4), 2)
CASES.add(np.hsplit, real(2, 4), [1])
CASES.add(np.vsplit, real(4, 2), 2)
CASES.add(np.dsplit, real(2, 1, 4), 2)
CASES.add(np.dsplit, real(2, 1, 4), [1])
if hasattr(np, "unstack"):
    CASES.add(np.unstack, real(2, 3))
    CASES.add(np.unstack, real(2, 3), axis=-1)
    CASES.add(np.unstack, real(2, 3, 4), axis=-1)

CASES.add(np.block, [[real(2, 2), real(2, 1)], [real(1, 2), real(1, 1)]])
CASES.add(np.block, [real(2), real(3), 1.0])
CASES.add(np.block, real(2, 3))
CASES.add(np.block, [[real(2)], [real(2)]])
