"""Indexing, and what is written with it."""

import numpy as np

from acg_numpy.passes.scatter import scatter_add
from tests.autograd.cases.making import CaseList, real
from tests.autograd.cases.reductions import spread_out


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

CASES.add(np.take, real(), 0, axis=0)
CASES.add(np.compress, [True, False, True], real(3, 2), axis=0)
CASES.add(np.compress, np.array([False, True, True, False]), real(2, 3))
CASES.add(np.extract, np.array([[True, False], [False, True]]), real(2, 2))
CASES.add(np.partition, spread_out(3, 5), 2)
CASES.add(np.partition, spread_out(3, 5), [1, 2], axis=0)
CASES.add(np.partition, spread_out(3, 5), 4, axis=None, kind="introselect")
CASES.add(np.resize, real(2, 3), (3, 4))
CASES.add(np.resize, real(3), 2)
CASES.add(np.resize, real(0), (2, 2))
window_view = np.lib.stride_tricks.sliding_window_view
CASES.add(window_view, real(5), 3)
CASES.add(window_view, real(3, 4), (2, 2))
CASES.add(window_view, real(3, 4), 2, axis=1)
CASES.add(np.trim_zeros, real(3))
CASES.add(np.trim_zeros, real(3), "f")
for obj in [1, [0, 2], slice(0, 2), np.array([True, False, True])]:
    CASES.add(np.delete, real(3, 3), obj, axis=1)
    CASES.add(np.delete, real(3), obj)
    if not isinstance(obj, np.ndarray):  # what a mask means to np.insert has changed
        CASES.add(np.insert, real(3, 3), obj, 1.5, axis=1)
        CASES.add(np.insert, real(3), obj, 1.5)
CASES.add(np.delete, real(2, 3), 4)
CASES.add(np.insert, real(3), 1, real(2))
CASES.add(np.insert, real(3), [2, 0], real(2))
CASES.add(np.insert, real(2, 3), 1, real(3), axis=0)
CASES.add(np.insert, real(2, 3), [1, 2], real(2, 2), axis=1)
CASES.add(np.insert, real(2, 3), [1], real(2, 1), axis=-1)
CASES.add(np.insert, real(2, 2), 3, real(1))
CASES.add(np.choose, np.array([0, 2, 1, 0]), [real(4), real(1), real()])
CASES.add(np.choose, np.array([[0], [1]]), (real(3), 2.0))
CASES.add(np.choose, np.array([3, -1, 1]), [real(3), real(3)], mode="clip")
CASES.add(np.choose, np.array([3, -1, 1]), [real(3), real(3)], mode="wrap")
CONDITIONS = [np.array([True, False, False, True]), np.array([True, True, False, False])]
CASES.add(np.select, CONDITIONS, [real(4), real(4)])
CASES.add(np.select, CONDITIONS, [real(4), 2.0], default=[1, 2, 3, 4])
CASES.add(np.select, CONDITIONS, [real(2, 4), real(4)], 1.5)
CASES.add(np.select, CONDITIONS, [1.5, real(1)], default=3)
CASES.add(np.piecewise, real(4), CONDITIONS, [np.sin, np.exp])
CASES.add(np.piecewise, real(4), CONDITIONS, [np.sin, np.exp, np.cos])
CASES.add(np.piecewise, real(4), CONDITIONS[:1], [2.5, lambda x: x * x])
CASES.add(np.piecewise, real(), [True], [np.sin])
CASES.add(np.piecewise, real(4), True, [np.sin, np.exp])
CASES.add(np.piecewise, real(4), [CONDITIONS[0]], [lambda x, power: x**power], 3)
