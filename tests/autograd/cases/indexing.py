"""Indexing, and what is written with it."""

import numpy as np

from acg_numpy.passes.scatter import scatter_add
from tests.autograd.cases.making import CaseList, real


def getitem(x, index):
    return x[index]


CASES = CaseList()

for index in [
    0, -1, slice(None), slice(None, None, -2), (slice(1, None), 0), (Ellipsis, 1), None, (0, None, slice(0, 2)),
    (1, 2, 0),
    np.array([0, 1, 1, 0]), np.array([[0, -1], [1, 1]]), [1, 0, 1], np.array([True, False]), np.array([], dtype=int),
    (np.array([0, 1]), np.array([2, 2])), (slice(None), np.array([0, 0, 2])),
    (np.array([1, 1]), slice(None), np.array([0, 1])),
    (np.array([[0], [1]]), np.array([0, 2])), (0, np.array([1, 1])), (Ellipsis, np.array([1, 0])),
    (np.array([True, False]), slice(1)), (slice(None), np.array([True, False, True])), slice(0, 0), np.int64(1),
    (None, np.array([0, 0]), None), (), np.arange(12).reshape(2, 3, 2) % 3 == 0,
]:  # fmt: skip
    CASES.add(getitem, real(2, 3, 2), index)
CASES.add(getitem, real(0, 3), np.array([], dtype=int))

CASES.add(np.take, real(2, 3), np.array([0, 5, 5]))
CASES.add(np.take, real(2, 3), 1, 0)
CASES.add(np.take, real(2, 3), np.array([[2, -1], [0, 0]]), axis=-1)
CASES.add(np.take, real(2, 3), [3, 4], axis=1, mode="wrap")
CASES.add(np.take, real(2, 3), [-3, 4], axis=1, mode="clip")
CASES.add(np.take, a=real(2, 3), indices=[1], axis=0)
CASES.add(np.take, real(3, 0), [1, 1], axis=0)

CASES.add(np.take_along_axis, real(2, 3), np.array([[0, 0, 1, 2], [2, 1, 1, 1]]), 1)
CASES.add(np.take_along_axis, real(2, 3), np.array([[0, 1, 0]]), axis=0)
CASES.add(np.take_along_axis, real(2, 3), np.array([5, 5, 0]), axis=None)
if np.lib.NumpyVersion(np.__version__) >= "2.3.0":  # the axis may be left out
    CASES.add(np.take_along_axis, real(2, 2, 3), np.array([[[0, 2], [1, 1]]]))

CASES.add(scatter_add, real(3, 2), np.array([0, 2, 0]), 4)
CASES.add(scatter_add, real(2, 2, 3), np.array([[0, 1], [1, 1]]), 2)
CASES.add(scatter_add, real(0, 2), np.array([], dtype=int), 3)
CASES.add(scatter_add, real(2), np.array(1), 3)
